"""A segment gives back what was noted, whatever happened to its last line."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stores import entry

from gateway.adapters import segments
from gateway.adapters.segments import Lines, decided_in, encode, fsync, read
from gateway.core.decided import Decided

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


DECISIONS = [Decided(b'{"policy_digest":"d%d"}' % (n % 2), b'["dec-%d"]' % n) for n in range(4)]


def test_by_which_decision_a_call_is_sent_stands_before_it_and_what_decisions_share_once(tmp_path):
    path, lines = tmp_path / "a", Lines()
    path.write_bytes(b"".join(lines.of(each) for pair in zip(DECISIONS, ENTRIES, strict=False) for each in pair))
    assert path.read_bytes().count(b"policy_digest") == 2
    assert decided_in(path) == DECISIONS
    assert whole(path) == ENTRIES[:4]
    assert whole(path, pytest.fail) == ENTRIES[:4]


def test_what_may_be_lost_is_written_again_under_a_number_of_its_own(tmp_path):
    path, lines = tmp_path / "a", Lines()
    first, torn, *others = [lines.of(DECISIONS[0]), lines.of(DECISIONS[1])]
    lines.lost()
    others += [lines.of(each) for each in DECISIONS[2:]]
    path.write_bytes(first + torn[:20] + b"\n" + b"".join(others))
    assert decided_in(path) == [DECISIONS[0], *DECISIONS[2:]]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_decisions_of_a_segment_cut_anywhere_are_whole_or_not_there(tmp_path_factory, data):
    lines = Lines()
    made = b"".join(lines.of(each) for each in DECISIONS)
    path = tmp_path_factory.mktemp("s") / "a"
    path.write_bytes(made[: data.draw(st.integers(0, len(made)))])
    found = decided_in(path)
    assert found == DECISIONS[: len(found)]
