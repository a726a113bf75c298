"""The state directory."""

import os

import pytest

from gateway.adapters.state import StateTaken, claim, prepare


def test_it_is_made_for_its_owner_only(tmp_path):
    assert prepare(tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_one_process_holds_it(tmp_path):
    held = claim(tmp_path)
    with pytest.raises(StateTaken, match="another gateway runs on state directory"):
        claim(tmp_path)
    os.close(held)
    os.close(claim(tmp_path))


def test_a_file_in_its_place_is_said(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(StateTaken, match="GATEWAY_STATE_DIR"):
        prepare(tmp_path / "state")
