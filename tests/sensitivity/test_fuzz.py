"""Bodies that nobody would send, made by Hypothesis. At length, and by a fuzzer: tests/threats/test_bad_requests.py."""

import os

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import fuzz
from support.fuzz import BODIES, Lost, bodies

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"


@settings(max_examples=2_000 if FULL else 150, deadline=None)
@given(st.binary(max_size=400))
def test_a_canary_at_any_path_is_found_or_the_body_refused(data):
    bodies(data)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("place", range(0, 40, 3))
def test_in_the_bodies_of_all_surfaces_too(body, place):
    bodies(bytes([1, place]) + body)


def test_a_scanner_that_looks_away_is_told_of(monkeypatch):
    monkeypatch.setattr(fuzz, "CANARY", "see nothing there")
    with pytest.raises(Lost):
        bodies(b"\1\0" + msgspec.json.encode({"content": "hello"}))
