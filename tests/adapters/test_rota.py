"""Turns: one at a time, teams in turn, and none is lost with whoever leaves."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.rota import Rota


async def served(rota: Rota, asked: list) -> list:
    """In which order they had their turns, who asked in this one while somebody else had his."""
    order = []

    async def ask(team, number):
        async with rota.turn(team):
            order.append((team, number))
            await asyncio.sleep(0)

    async with rota.turn("first"):
        tasks = [asyncio.create_task(ask(team, number)) for number, team in enumerate(asked)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    return order


@pytest.mark.parametrize(
    ("asked", "order"),
    [
        ("aaaab", "abaaa"),
        ("aaabbc", "abcaba"),
        ([None, "a", None, "a"], [None, "a", None, "a"]),
        ("abab", "abab"),
    ],
)
async def test_teams_have_their_turns_in_turn(asked, order):
    assert [team for team, _ in await served(Rota(), list(asked))] == list(order)


async def test_within_a_team_who_came_first_is_first():
    order = await served(Rota(), list("aabaab"))
    for team in "ab":
        numbers = [number for each, number in order if each == team]
        assert numbers == sorted(numbers)


@given(st.lists(st.sampled_from("abcd"), max_size=20))
def test_nobody_waits_longer_than_a_turn_of_each_other_team(asked):
    order = [team for team, _ in asyncio.run(served(Rota(), asked))]
    assert sorted(order) == sorted(asked)
    for team in set(asked):
        assert order.index(team) < len(set(asked))  # its first one


async def test_those_who_left_take_none_of_their_teams_turns():
    rota, order = Rota(), []

    async def ask(name):
        async with rota.turn(name[0]):
            order.append(name)

    async with rota.turn("first"):
        tasks = {name: asyncio.create_task(ask(name)) for name in ("a1", "a2", "a3", "b1", "b2", "b3")}
        await asyncio.sleep(0)
        for name in ("a1", "a2"):
            tasks[name].cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert order == ["a3", "b1", "b2", "b3"]


@given(st.data())
def test_one_at_a_time_has_it_and_who_leaves_takes_no_turn_along(data):
    async def go() -> None:
        rota, inside, most = Rota(), 0, 0

        async def ask(team):
            nonlocal inside, most
            async with rota.turn(team):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        tasks = [asyncio.create_task(ask(data.draw(st.sampled_from("ab")))) for _ in range(8)]
        for _ in range(data.draw(st.integers(0, 6))):
            await asyncio.sleep(0)
            tasks[data.draw(st.integers(0, 7))].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        inside = 0  # of those that were cancelled inside
        async with asyncio.timeout(5):
            await ask("c")
        assert most == 1 or any(task.cancelled() for task in tasks)
        assert not rota._taken
        assert not rota._waiting

    asyncio.run(go())
