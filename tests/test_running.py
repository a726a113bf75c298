"""What is under way, and what a change of policy does to it. More of that: tests/test_relay_policy.py."""

import asyncio

import pytest
from support.doubles import HANG, Calls, Snapshot, backend, failing, streaming
from support.house import House, turns_of_the_loop
from support.upstream import delta

from gateway.core.decision import Verdict
from gateway.core.record import End

A, B = backend("a"), backend("b")
CUT = Verdict(("p",), ("off",), revokes=True)


def with_streams(count):
    """A house in which so many streams are running, and their tasks."""
    house = House(Snapshot([A]))
    house.upstreams.before = lambda _: house.upstreams.answers.update(a=streaming(delta("hello "), HANG))
    return house, [house.start(stream=True) for _ in range(count)]


async def test_the_loop_has_its_turns_while_calls_are_looked_at(monkeypatch):
    monkeypatch.setattr("gateway.running._SLICE_SECONDS", 0.0)
    house, started = with_streams(5)
    await turns_of_the_loop()
    house.policies.current = Snapshot([A, B], lambda *_: CUT, digest="newest")
    house.relay.running.policy_changed()
    left = []
    while house.relay.running.hops:
        left.append(len(house.relay.running.hops))
        await asyncio.sleep(0)
    assert left == [5, 4, 3, 2, 1]
    await asyncio.gather(*(task for task, _ in started))


@pytest.mark.alone
async def test_thousands_of_calls_are_cut_within_a_second():
    house, started = with_streams(2000)
    await turns_of_the_loop()
    assert len(house.relay.running.hops) == 2000
    loop = asyncio.get_running_loop()
    house.policies.current = Snapshot([A, B], lambda *_: CUT, digest="newest")
    house.relay.running.policy_changed()
    begun = loop.time()
    await asyncio.gather(*(task for task, _ in started))
    assert loop.time() - begun < 1
    assert {record.end for record in house.books.records} == {End.REVOKED}
    assert house.relay.running.hops == set()


@pytest.mark.parametrize("sent", [True, False])
async def test_a_call_that_was_not_sent_yet_is_not_sent_any_more(sent):
    class Connecting(Calls):
        async def open(self, permit, *args, **more):
            permit.sent = sent
            return await asyncio.get_running_loop().create_future()

    house = House(Snapshot([A]))
    house.relay._upstreams = Connecting()
    task, _ = house.start()
    await turns_of_the_loop()
    house.policies.current = Snapshot([A], lambda *_: Verdict(("p",), ("off",)), digest="newest")
    house.relay.running.policy_changed()
    await turns_of_the_loop()
    assert task.done() is not sent
    if not sent:
        assert task.result().refusal.code == "policy_denied"
        assert house.record.tried[0].state == "released"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_nothing_stays_registered():
    house = House(Snapshot([A, B]), {"a": failing()})
    await house.ask()
    await house.ask(stream=True)
    house.upstreams.answers = {"a": streaming(b"data: not json\n\n"), "b": failing(422)}
    await house.ask(stream=True)
    house.upstreams.answers = {"a": HANG}
    task, _ = house.start()
    await turns_of_the_loop()
    assert len(house.relay.running.hops) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert house.relay.running.hops == set()


async def test_a_policy_may_change_while_nothing_runs():
    House(Snapshot([A])).relay.running.policy_changed()
