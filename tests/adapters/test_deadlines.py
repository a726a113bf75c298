"""Deadlines of calls."""

import asyncio

import pytest

from gateway.adapters.deadlines import Deadlines


@pytest.fixture
async def deadlines():
    made = Deadlines()
    made.start()
    yield made
    made.stop()


async def test_who_is_late_is_interrupted_and_told_so(deadlines):
    deadline = deadlines.enter(0.1)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(5)
    assert deadline.expired()


async def test_who_has_left_is_not(deadlines):
    deadlines.leave(deadlines.enter(0.05))
    await asyncio.sleep(0.2)


async def test_an_interruption_by_another_is_not_taken_back(deadlines):
    found = []

    async def call():
        deadline = deadlines.enter(5)
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            found.append(deadline.expired())
            raise

    task = asyncio.create_task(call())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (found, task.cancelled()) == ([False], True)


def test_deadlines_are_for_tasks():
    with pytest.raises(RuntimeError, match="deadlines are for tasks"):
        Deadlines().enter(1)
