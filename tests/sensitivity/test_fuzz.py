"""Bodies that nobody would send: made by Hypothesis, and by atheris where that is installed (`pip install atheris`)."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import fuzz_bodies
from tests.support.fuzz_bodies import SEEDS, Lost, check

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
SECONDS = 900 if FULL else 10
ROOT = Path(__file__).resolve().parents[2]


@settings(max_examples=2_000 if FULL else 150, deadline=None)
@given(st.binary(max_size=400))
def test_a_canary_at_any_path_is_found_or_the_body_refused(data):
    check(data)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("place", range(0, 40, 3))
def test_in_the_bodies_of_all_surfaces_too(seed, place):
    check(bytes([1, place]) + seed)


def test_a_scanner_that_looks_away_is_told_of(monkeypatch):
    monkeypatch.setattr(fuzz_bodies, "CANARY", "see nothing there")
    with pytest.raises(Lost):
        check(b"\1\0" + msgspec.json.encode({"content": "hello"}))


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed: pip install atheris")
@pytest.mark.timeout(SECONDS + 120)
def test_atheris_finds_no_way_round(tmp_path):
    for number, seed in enumerate(SEEDS):
        (tmp_path / str(number)).write_bytes(b"\1" + bytes([number]) + seed)
    target = [sys.executable, fuzz_bodies.__file__, str(tmp_path), f"-max_total_time={SECONDS}"]
    ran = subprocess.run(
        [*target, f"-artifact_prefix={tmp_path}/"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert ran.returncode == 0, ran.stderr.decode(errors="replace")[-3000:]
