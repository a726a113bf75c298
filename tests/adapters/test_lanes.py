"""Waiting for room, and who comes through."""

import asyncio
import time
from collections.abc import Awaitable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.doubles import backend

from gateway.adapters.lanes import Hint, Lanes
from gateway.core.errors import Failed, FailureKind
from gateway.core.lane import FREE, FULL, LONGEST_PAUSE_SECONDS, PAUSED, Held, Passage

DOWN = Failed(FailureKind.UNREACHABLE, 502, {})
SAID_NO = Failed(FailureKind.THROTTLED, 429, {}, retry_after="20")
ONE = backend("a", max_concurrent=1)


def lanes() -> Lanes:
    return Lanes(lambda *_: None)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_with_room_nobody_waits():
    house = lanes()
    assert house.rank("a", 0) == FREE
    assert isinstance(house.enter(ONE, 1, 60, 0), Passage)
    assert house.rank("a", 0) == FULL
    assert [(each.backend, each.running, each.most) for each in house.states()] == [("a", 1, 1)]


async def test_who_waits_goes_when_there_is_room():
    house = lanes()
    first = house.enter(ONE, 1, 60, 0)
    waiting = house.enter(ONE, 1, 60, 0)
    assert isinstance(waiting, Awaitable)
    task = asyncio.create_task(waiting)
    await turns()
    assert house.states()[0].waiting == 1
    first.end(None, 1)
    assert isinstance(await task, Passage)
    assert (house.states()[0].running, house.states()[0].waiting) == (1, 0)


async def test_who_waits_too_long_is_told():
    house = lanes()
    house.enter(ONE, 1, 60, 0)
    held = await house.enter(ONE, 1, 0.1, 0)
    assert (held.by, house.states()[0].waiting, house.states()[0].running) == ("load", 0, 1)


async def test_who_leaves_the_queue_leaves_nothing_behind():
    house = lanes()
    first = house.enter(ONE, 1, 60, 0)
    task = asyncio.create_task(house.enter(ONE, 1, 60, 0))
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert house.states()[0].waiting == 0
    first.end(None, 1)
    assert house.states()[0].running == 0


@pytest.mark.parametrize("first_let_through", [True, False])
async def test_who_leaves_in_the_moment_in_which_there_is_room_gives_it_on(first_let_through):
    house = lanes()
    first = house.enter(ONE, 1, 60, 0)
    leaving, staying = (asyncio.create_task(house.enter(ONE, 1, 60, 0)) for _ in range(2))
    await turns()
    if first_let_through:
        first.end(None, 1)
        leaving.cancel()
    else:
        leaving.cancel()
        first.end(None, 1)
    assert isinstance(await asyncio.wait_for(staying, 1), Passage)
    assert (house.states()[0].running, house.states()[0].waiting) == (1, 0)


async def test_a_full_queue_turns_away_at_once():
    house = lanes()
    house.enter(ONE, 1, 60, 0)
    tasks = [asyncio.create_task(house.enter(ONE, 1, 60, 0)) for _ in range(16)]
    await turns()
    told = house.enter(ONE, 1, 60, 0)
    assert isinstance(told, Held)
    assert told.by == "load"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert house.states()[0].waiting == 0


def test_a_backend_that_is_down_is_not_asked():
    house = lanes()
    for _ in range(5):
        house.enter(ONE, 1, 60, 0).end(DOWN, 0)
    assert house.enter(ONE, 1, 60, 0).by == "health"
    assert isinstance(house.enter(backend("b"), 1, 60, 0), Passage)


def test_an_operator_may_have_it_asked_again():
    house = lanes()
    for _ in range(5):
        house.enter(ONE, 1, 60, 0).end(DOWN, 0)
    assert [house.forget("a"), house.forget("a"), house.forget("nobody")] == [True, False, False]
    assert isinstance(house.enter(ONE, 1, 60, 0), Passage)


def test_who_is_no_longer_in_the_catalog_is_forgotten():
    house = lanes()
    house.enter(ONE, 1, 60, 0).end(None, 0)
    running = house.enter(backend("b"), 1, 60, 0)
    house.retain({"c"})
    assert [each.backend for each in house.states()] == ["b"]
    running.end(None, 1)


def test_further_calls_are_few_while_they_fail():
    house, backends = lanes(), [backend(f"b{number}") for number in range(100)]
    begun = house._retries._at
    outcomes = [house.enter(each, 2, 60, begun) for each in backends]
    for each in outcomes:
        if isinstance(each, Passage):
            each.end(DOWN, begun)
    assert sum(isinstance(each, Passage) for each in outcomes) == 10
    assert isinstance(house.enter(backend("c"), 1, 60, begun), Passage)


async def test_a_further_call_that_finds_no_room_is_given_back():
    house = lanes()
    begun = house._retries._at
    house.enter(ONE, 1, 60, begun)
    for _ in range(30):
        assert (await house.enter(ONE, 2, 0.002, begun)).by == "load"


async def test_a_further_call_from_the_queue_that_fails_is_paid_for():
    house, rooms = lanes(), []
    begun = house._retries._at
    for number in range(10):
        one = backend(f"b{number}", max_concurrent=1)
        first = house.enter(one, 1, 60, begun)
        task = asyncio.create_task(house.enter(one, 2, 60, begun))
        await turns()
        first.end(None, begun)
        rooms.append(await task)
    for room in rooms:
        room.end(DOWN, begun)
    left = sum(isinstance(house.enter(backend(f"c{number}"), 2, 60, begun), Passage) for number in range(20))
    assert left <= 1


def listening() -> tuple[Lanes, list[Hint]]:
    """Lanes that know `a` and `b`, and what they tell others."""
    house, told = lanes(), []
    house.retain({"a", "b"})
    house.tell = lambda news: told.append(msgspec.json.decode(news, type=Hint))
    return house, told


def hint(backend: str = "a", seconds: float = 5.0, **more: object) -> bytes:
    return msgspec.json.encode(Hint(backend, seconds, **more))


def rank(house: Lanes, later: float = 0.0, backend: str = "a") -> int:
    return house.rank(backend, time.perf_counter() + later)


def test_others_are_told_of_a_backend_that_is_left_alone_or_says_no_and_when_that_ends():
    house, told = listening()
    now = time.perf_counter()
    for _ in range(5):
        house.enter(ONE, 1, 60, now).end(DOWN, now)
    assert told == [Hint("a", pytest.approx(1.0))]
    assert [msgspec.json.decode(each, type=Hint).backend for each in house.everything()] == ["a"]
    house.enter(ONE, 1, 60, now + 2).end(DOWN, now + 2)  # the probe
    probe = house.enter(ONE, 1, 60, now + 5)
    probe.answered(60, now + 6)
    probe.end(None, now + 6)
    assert told[1:] == [Hint("a", pytest.approx(2.0)), Hint("a", 0.0)]
    house.enter(backend("b"), 1, 60, now).end(SAID_NO, now)
    assert told[3:] == [Hint("b", pytest.approx(20.0))]
    house.enter(ONE, 1, 60, now + 7).end(None, now + 8)
    assert len(told) == 4


def test_a_backend_that_another_one_hints_at_is_asked_after_others_for_so_long_and_refused_by_nobody():
    house, _ = listening()
    assert house.heard(b"1", hint(seconds=5), age=2.0)
    assert [rank(house), rank(house, 2.9), rank(house, backend="b")] == [PAUSED, PAUSED, FREE]
    assert isinstance(house.enter(ONE, 1, 60, time.perf_counter()), Passage)
    assert rank(house) == FULL  # it has room for one
    assert [rank(house, 3.1, "a"), rank(house, 3.1, "b")] == [FULL, FREE]


def test_a_hint_ends_with_its_time_and_no_later_than_a_pause_may_last():
    house, _ = listening()
    house.heard(b"1", hint(seconds=1e9), age=0.0)
    assert [rank(house, LONGEST_PAUSE_SECONDS - 1), rank(house, LONGEST_PAUSE_SECONDS)] == [PAUSED, FREE]
    house.heard(b"1", hint(seconds=1e9), age=LONGEST_PAUSE_SECONDS)
    assert rank(house) == FREE


def test_each_replica_ends_its_own_hint_only():
    house, _ = listening()
    for by in (b"1", b"2"):
        house.heard(by, hint(), 0.0)
    house.heard(b"1", hint(seconds=0), 0.0)
    assert rank(house) == PAUSED
    house.heard(b"2", hint(seconds=0), 0.0)
    assert rank(house) == FREE
    assert not house._hints


def test_an_operator_has_it_asked_again_by_all():
    house, told = listening()
    other, told_on = listening()
    now = time.perf_counter()
    for _ in range(5):
        house.enter(ONE, 1, 60, now).end(DOWN, now)
    other.heard(b"1", hint(), 0.0)
    assert other.forget("a")
    assert (told_on, rank(other)) == ([Hint("a", forget=True)], FREE)
    house.heard(b"2", hint(seconds=0.0, forget=True), 0.0)
    assert (house.states()[0].closed, rank(house)) == (True, FREE)
    assert not any(each.forget for each in told)  # it is not said again
    assert other.forget("nobody") is False
    assert len(told_on) == 1


def test_hints_of_backends_that_nobody_knows_are_not_kept():
    house, _ = listening()
    assert house.heard(b"1", hint("x"), 0.0)
    house.heard(b"1", hint("b"), 0.0)
    house.retain({"a"})
    assert not house._hints


def test_no_more_hints_are_kept_than_there_may_be_replicas():
    house, _ = listening()
    for number in range(1000):
        house.heard(b"%d" % number, hint(), 0.0)
    assert len(house._hints["a"]) <= 64
    assert rank(house) == PAUSED


@given(st.binary(max_size=100) | st.sampled_from([b"{}", b"[]", hint(seconds=5)[:-1], b'{"backend":"a","seconds":-1}']))
def test_what_nobody_can_read_is_no_hint(news):
    house, _ = listening()
    assert house.heard(b"1", news, 0.0) is False
    assert rank(house) == FREE


@given(st.text(max_size=5) | st.just("a"), st.floats(0, 1e300), st.booleans(), st.floats(0, 1e9))
def test_whatever_others_hint_a_backend_is_asked_again_after_the_longest_pause(name, seconds, forget, age):
    house, _ = listening()
    assert house.heard(b"1", msgspec.json.encode(Hint(name, seconds, forget)), age)
    assert rank(house, LONGEST_PAUSE_SECONDS) == FREE
    assert isinstance(house.enter(ONE, 1, 60, time.perf_counter()), Passage)
