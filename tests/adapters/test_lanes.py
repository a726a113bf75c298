"""Waiting for room, and who comes through."""

import asyncio
from collections.abc import Awaitable

import pytest
from support.doubles import backend

from gateway.adapters.lanes import Lanes
from gateway.core.errors import Failed, FailureKind
from gateway.core.lane import FREE, FULL, Held, Passage

DOWN = Failed(FailureKind.UNREACHABLE, 502, {})
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
