"""Idempotency keys: what comes again is known, and nothing of another caller is."""

import asyncio

import pytest

from gateway.core.errors import Refusal, Refused
from gateway.http import repeats
from gateway.http.repeats import KEPT_SECONDS, Repeats


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(repeats, "time", found)
    return found


def begin(of, caller="k1", key=b"one", body=b"{}", surface="chat", id="req-1"):
    """The request as it is taken, or how it is refused."""
    try:
        return asyncio.run(of.begin(caller, key, surface, body, id))
    except Refused as refused:
        return refused.refusal, refused.retry_after


@pytest.mark.parametrize(
    ("again", "under_way", "served", "failed"),
    [
        ({}, (Refusal.REPEATED, 1), (Refusal.REPEATED, None), None),
        ({"body": b"{ }"}, (Refusal.KEY_REUSED, None), (Refusal.KEY_REUSED, None), None),
        ({"surface": "messages"}, (Refusal.KEY_REUSED, None), (Refusal.KEY_REUSED, None), None),
        ({"caller": "k2"}, None, None, None),
        ({"key": b"two"}, None, None, None),
    ],
)
def test_what_comes_again(clock, again, under_way, served, failed):
    for expected, end in ((under_way, None), (served, True), (failed, False)):
        known = Repeats()
        first = begin(known)
        if end is not None:
            known.end(first, served=end)
        found = begin(known, **again)
        assert (found if isinstance(found, tuple) else None) == expected


def test_a_day_later_it_is_forgotten_but_not_while_it_runs(clock):
    known = Repeats()
    ended, runs = begin(known), begin(known, key=b"two")
    known.end(ended, served=True)
    clock.now = KEPT_SECONDS
    assert begin(known) == (Refusal.REPEATED, None)
    clock.now += 1
    assert not isinstance(begin(known), tuple)
    assert begin(known, key=b"two") == (Refusal.REPEATED, 1)
    known.end(runs, served=False)


def test_nobody_is_known_for_more_than_so_many_and_others_lose_nothing(clock, monkeypatch):
    monkeypatch.setattr(repeats, "MOST", 5)
    known = Repeats()
    runs = begin(known, key=b"runs")
    known.end(begin(known, caller="k2"), served=True)
    for number in range(20):
        known.end(begin(known, key=b"%d" % number), served=True)
    assert len(known._known["k1"]) == 5
    assert begin(known, key=b"runs") == (Refusal.REPEATED, 1)
    assert begin(known, key=b"19") == (Refusal.REPEATED, None)
    assert begin(known, caller="k2") == (Refusal.REPEATED, None)
    known.end(runs, served=False)


def test_nothing_is_left_of_what_failed(clock):
    known = Repeats()
    known.end(begin(known), served=False)
    assert known._known == {}


@pytest.mark.parametrize("key", [b"", b"a b", b"x" * 256, b"\xc3\xa4", b"a\x7f"])
def test_what_is_no_key_is_refused(key):
    assert begin(Repeats(), key=key) == (Refusal.INVALID_TYPE, None)


def test_a_large_body_is_known_as_well(clock):
    known = Repeats()
    begin(known, body=b"x" * 2_000_000)
    assert begin(known, body=b"x" * 2_000_000) == (Refusal.REPEATED, 1)
    assert begin(known, body=b"x" * 1_999_999 + b"y") == (Refusal.KEY_REUSED, None)
