"""A segment gives back what was noted, whatever happened to its last line."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stores import entry

from gateway.adapters import segments
from gateway.adapters.segments import encode, fsync, read

ENTRIES = [entry(f"r{n}", cost=n) for n in range(5)]
LINES = encode(ENTRIES)


def whole(path, unread=lambda line: None):
    return [each for group in read(path, unread) for each in group]


def test_entries_come_back_in_their_order_and_in_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "GROUP_ENTRIES", 2)
    path = tmp_path / "a"
    path.write_bytes(LINES)
    assert [len(group) for group in read(path, lambda line: None)] == [2, 2, 1]
    assert whole(path) == ENTRIES


@pytest.mark.assures("fault 14")
@given(st.integers(0, len(LINES)))
@settings(max_examples=100, deadline=None)
def test_a_segment_cut_anywhere_has_all_its_whole_lines(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("s") / "a"
    path.write_bytes(LINES[:cut])
    ends = [len(encode(ENTRIES[: n + 1])) - 1 for n in range(len(ENTRIES))]
    assert whole(path) == [each for each, end in zip(ENTRIES, ends, strict=True) if end <= cut]


def test_a_line_of_another_version_is_told_and_a_torn_one_is_not(tmp_path):
    path = tmp_path / "a"
    other = LINES.splitlines(keepends=True)[0].replace(b'"settled"', b'"of tomorrow"')
    path.write_bytes(LINES[:20] + b"\n" + other + LINES)
    told = []
    assert whole(path, told.append) == ENTRIES
    assert told == [other]


def test_what_is_synced_is_closed(tmp_path):
    descriptor = os.open(tmp_path / "a", os.O_CREAT | os.O_WRONLY)
    fsync(descriptor)
    try:
        os.fstat(descriptor)
    except OSError:
        return
    raise AssertionError("it is still open")
