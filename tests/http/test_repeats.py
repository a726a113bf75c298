"""Idempotency keys: what comes again is known, and nothing of another caller is."""

import asyncio

import pytest
from support import stores

from gateway.adapters.repeats_valkey import ValkeyRepeats
from gateway.core.errors import Refusal, Refused
from gateway.http import repeats
from gateway.http.repeats import KEPT_SECONDS, MOST, Repeats


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


COMES_AGAIN = [
    ({}, (Refusal.REPEATED, 1), (Refusal.REPEATED, None), None),
    ({"body": b"{ }"}, (Refusal.KEY_REUSED, None), (Refusal.KEY_REUSED, None), None),
    ({"surface": "messages"}, (Refusal.KEY_REUSED, None), (Refusal.KEY_REUSED, None), None),
    ({"caller": "other"}, None, None, None),
    ({"key": b"two"}, None, None, None),
]
"""How it comes again; how it is refused while the first is under way, once it was served, and once it has failed."""


@pytest.mark.parametrize(("again", "under_way", "served", "failed"), COMES_AGAIN)
def test_what_comes_again(clock, again, under_way, served, failed):
    for expected, end in ((under_way, None), (served, True), (failed, False)):
        known = Repeats()
        first = begin(known)
        if end is not None:
            known.end(first, served=end)
        found = begin(known, **again)
        assert (found if isinstance(found, tuple) else None) == expected


class Places:
    """Where a request is sent first, and where again: to one process, or to two that share a server."""

    def __init__(self, url):
        self.shared = [ValkeyRepeats(url, KEPT_SECONDS, MOST, lambda *_, **__: None) for _ in range(2)] if url else []
        self.both = [Repeats(each, lambda: b"s" * 32) for each in self.shared] or [Repeats()] * 2

    async def begin(self, at, caller="k1", key=b"one", body=b"{}", surface="chat", id="req-1"):
        try:
            return await self.both[at].begin(caller, key, surface, body, id)
        except Refused as refused:
            return refused.refusal, refused.retry_after

    async def end(self, first, *, served):
        self.both[0].end(first, served=served)
        async with asyncio.timeout(10):
            while any(each._ended for each in self.shared):  # noqa: ASYNC110  they tell nobody
                await asyncio.sleep(0.01)

    async def close(self):
        for each in self.shared:
            await each.close()


@pytest.fixture(params=["one process", "two that share a server"])
async def places(request):
    if request.param == "one process":
        yield Places("")
        return
    with stores.valkey() as server:
        found = Places(stores.url_of(server))
        yield found
        await found.close()


@pytest.mark.assures("threat B3")
async def test_what_comes_again_is_known_wherever_it_comes(places):
    callers = iter(range(1000))
    for again, under_way, served, failed in COMES_AGAIN:
        for expected, end in ((under_way, None), (served, True), (failed, False)):
            caller = f"k{next(callers)}"
            first = await places.begin(0, caller)
            if end is not None:
                await places.end(first, served=end)
            other = {**again, "caller": f"other-{caller}"} if "caller" in again else again
            found = await places.begin(1, **{"caller": caller, "id": "req-2", **other})
            assert (found if isinstance(found, tuple) else None) == expected, (again, end)


async def test_many_at_once_are_one(places):
    found = await asyncio.gather(*(places.begin(number % 2, id=f"req-{number}") for number in range(40)))
    assert sum(not isinstance(each, tuple) for each in found) == 1
    assert {each for each in found if isinstance(each, tuple)} == {(Refusal.REPEATED, 1)}


async def test_whose_request_has_it_is_told(places):
    await places.begin(0, id="req-7")
    for body in (b"{}", b"[]"):
        with pytest.raises(Refused, match="req-7"):
            await places.both[1].begin("k1", b"one", "chat", body, "req-8")


async def test_a_process_that_cannot_take_it_knows_nothing_of_it():
    nowhere = Repeats(ValkeyRepeats("valkey://127.0.0.1:1", 60, 10, lambda *_, **__: None))
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            await nowhere.begin("k1", b"one", "chat", b"{}", "req-1")
        assert (refused.value.refusal, refused.value.retry_after) == (Refusal.STATE_DOWN, 2)
    assert nowhere._known == {}
    await nowhere._shared.close()


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


def test_a_server_that_lost_it_is_told_only_of_what_is_not_a_day_old(clock):
    class Shared:
        async def begin(self, *_):
            return None

        def end(self, *_, **__):
            pass

    shared = Shared()
    known = Repeats(shared)
    for name in (b"old", b"new"):
        clock.now += 1
        known.end(begin(known, key=name), served=True)
    begin(known, key=b"runs")
    assert len(list(shared.answered())) == 2
    clock.now += KEPT_SECONDS - 0.5
    assert [body for _, _, body in shared.answered()] == [known._known["k1"][known._digest(b"new")].own]


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
