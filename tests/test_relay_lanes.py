"""Backends that fail are left alone, and none is asked for more than it has room for, whatever the request."""

import asyncio

import pytest
from support.doubles import HANG, YES, Calls, Snapshot, Told, answering, backend, failing, streaming
from support.house import House, turns_of_the_loop
from support.upstream import delta

from gateway.core.decision import Obligation, Verdict
from gateway.core.errors import Failed, FailureKind
from gateway.core.record import End
from gateway.ports import UpstreamError

A, B = backend("a"), backend("b")
LOST = UpstreamError(Failed(FailureKind.BROKEN, 502, {"message": "m"}))
NO = Verdict(("p",), ("stop",))


def state(house, id="a"):
    return next(each for each in house.relay._lanes.states() if each.backend == id)


def excluded(house):
    return [(each.backend, each.by) for each in house.record.decision.excluded]


async def test_a_backend_that_is_down_is_not_asked_any_more_and_its_requests_go_elsewhere():
    house = House(Snapshot([A, B]), {"a": failing(500)})
    for _ in range(20):
        house.upstreams.answers["a"] = failing(500)
        assert (await house.ask()).status == 200
    assert house.upstreams.called.count("a") == 5
    assert excluded(house) == [("a", "health")]
    assert house.record.tried[0].hop == 1


async def test_when_all_are_down_the_client_hears_when_to_come_again():
    house = House(Snapshot([A]))
    for _ in range(5):
        house.upstreams.answers["a"] = failing(503)
        await house.ask()
    refused = await house.ask()
    assert (refused.refusal.status, refused.refusal.code) == (503, "no_backend_available")
    assert refused.retry_after == 1
    assert len(house.upstreams.sent) == 5
    assert house.books.intents[-1].request_id == house.books.rows[-1].request_id


async def test_after_a_while_one_call_finds_out_whether_it_is_back(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("gateway.relay._MONOTONIC", lambda: now[0])
    monkeypatch.setattr("gateway.hop._MONOTONIC", lambda: now[0])
    house = House(Snapshot([A]))
    for _ in range(5):
        house.upstreams.answers["a"] = failing(503)
        await house.ask()
    now[0] += 1
    house.upstreams.answers["a"] = HANG
    probe, _ = house.start()
    await turns_of_the_loop()
    assert (await house.ask()).refusal.status == 503
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    house.upstreams.answers["a"] = answering()
    assert (await house.ask()).status == 200
    assert state(house).closed


async def test_a_request_that_every_server_fails_on_takes_none_of_them_out():
    house = House(Snapshot([A, B]))
    for _ in range(8):
        house.upstreams.answers = {"a": failing(500), "b": failing(500)}
        await house.ask()
    assert [state(house, id).closed for id in ("a", "b")] == [True, True]


async def test_a_newer_policy_is_asked_also_when_it_comes_while_room_is_asked_for():
    house = House(Snapshot([A, B]))
    reserve = house.budgets.reserve
    newest = Snapshot([A, B], lambda of, *_: NO if of == "a" else YES, digest="newest")

    async def slow(ask, moment):
        house.policies.current = newest
        return reserve(ask, moment)

    house.budgets.reserve = slow
    assert (await house.ask()).status == 200
    assert house.upstreams.called == ["b"]
    assert state(house).running == 0


async def test_what_becomes_due_while_a_call_is_not_sent_yet_stops_it():
    class Connecting(Calls):
        async def open(self, permit, *args, **more):
            return await asyncio.get_running_loop().create_future()

    house = House(Snapshot([A]))
    house.relay._upstreams = Connecting()
    task, _ = house.start()
    await turns_of_the_loop()
    due = Verdict(("p",), (), (Obligation("max_output_tokens", 5),))
    house.policies.current = Snapshot([A], lambda *_: due, digest="newest")
    house.relay.running.policy_changed()
    await turns_of_the_loop()
    assert task.result().refusal.code == "policy_denied"


async def test_prompts_that_are_too_long_use_up_no_budget_of_others():
    house = House(Snapshot([A, B]))
    too_long = b'{"error":{"message":"m","type":"t","code":"context_length_exceeded"}}'
    for _ in range(30):
        house.upstreams.answers = {"a": answering(too_long, status=400), "b": answering(too_long, status=400)}
        await house.ask()
    assert len(house.upstreams.sent) == 60


async def test_streams_that_break_off_open_the_breaker_too():
    house = House(Snapshot([A]))
    for _ in range(5):
        house.upstreams.answers["a"] = streaming(delta("hi"), LOST)
        told = await house.ask(stream=True)
        assert told.status == 200
    assert not state(house).closed


async def test_a_request_that_others_fail_too_is_not_sent_to_everybody_for_ever():
    house = House(Snapshot([A, B]))
    held = 0
    for _ in range(100):
        house.upstreams.answers = {"a": failing(429), "b": failing(429)}
        assert (await house.ask()).status == 429
        held += bool(excluded(house))
    assert 100 <= len(house.upstreams.sent) <= 100 + 10 + 10 + 1
    assert held == 200 - len(house.upstreams.sent)


async def test_one_that_has_just_said_no_is_asked_last():
    house = House(Snapshot([A, B]), {"a": failing(429)})
    await house.ask()
    for _ in range(5):
        assert (await house.ask()).status == 200
    assert house.upstreams.called == ["a", "b", "b", "b", "b", "b", "b"]
    house.upstreams.answers = {}
    assert (await house.ask("a")).status == 200  # nobody else may be asked for it


@pytest.mark.parametrize("streamed", [True, False])
async def test_room_is_what_the_catalog_says_and_comes_back_with_the_end(streamed):
    house = House(Snapshot([backend("a", max_concurrent=2)]), {"a": HANG})
    started = [house.start(stream=streamed)[0] for _ in range(5)]
    await turns_of_the_loop()
    assert (len(house.upstreams.sent), state(house).waiting) == (2, 3)
    house.upstreams.answers = {}
    started[0].cancel()
    await turns_of_the_loop(30)
    assert [task.done() for task in started] == [True, False, True, True, True]
    started[1].cancel()
    await asyncio.gather(*started, return_exceptions=True)
    assert (state(house).running, state(house).waiting) == (0, 0)
    assert sum(record.end is End.COMPLETE for record in house.books.records) == 3


async def test_a_backend_with_room_is_asked_before_one_where_a_call_would_wait():
    house = House(Snapshot([backend("a", max_concurrent=1), B]), {"a": HANG})
    running, _ = house.start()
    await turns_of_the_loop()
    assert (await house.ask()).status == 200
    assert house.upstreams.called == ["a", "b"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_when_the_queue_is_full_the_client_is_told_at_once():
    house = House(Snapshot([backend("a", max_concurrent=1)]), {"a": HANG})
    started = [house.start()[0] for _ in range(17)]
    await turns_of_the_loop()
    refused = await house.ask()
    assert (refused.refusal.status, refused.refusal.code, refused.retry_after) == (429, "overloaded", 1)
    assert excluded(house) == [("a", "load")]
    for task in started:
        task.cancel()
    await asyncio.gather(*started, return_exceptions=True)
    assert (state(house).running, state(house).waiting) == (0, 0)


async def test_policy_is_asked_again_after_a_wait():
    house = House(Snapshot([backend("a", max_concurrent=1)]), {"a": HANG})
    running, _ = house.start()
    waiting, _ = house.start()
    await turns_of_the_loop()
    house.policies.current = Snapshot(
        [backend("a", max_concurrent=1)], lambda of, facts, moment: YES if moment < 60 else NO, digest="d"
    )
    house.policies.now = 61.0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await waiting).refusal.code == "policy_denied"
    assert len(house.upstreams.sent) == 1


async def test_an_exception_that_ends_during_a_wait_is_over():
    lifted = Verdict(("p",), (), broken=("stop",))
    snapshot = Snapshot([backend("a", max_concurrent=1)], lambda of, facts, moment: lifted if moment < 60 else NO)
    house = House(snapshot, {"a": HANG})
    running, _ = house.start()
    waiting, _ = house.start()
    await turns_of_the_loop()
    house.policies.now = 61.0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await waiting).refusal.code == "policy_denied"


@pytest.mark.parametrize(
    "answer",
    [
        answering(),
        failing(500),
        failing(422),
        streaming(),
        streaming(delta("hi"), LOST),
        streaming(b"data: no json\n\n"),
        answering(LOST),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_room_comes_back_however_a_call_ends(answer, streamed):
    house = House(Snapshot([backend("a", max_concurrent=1)]), {"a": answer})
    await house.ask(stream=streamed)
    assert state(house).running == 0


async def test_room_comes_back_when_nothing_was_sent():
    house = House(Snapshot([backend("a", max_concurrent=1)]))

    def broken(entry, decided):
        raise OSError

    house.books.open = broken
    assert (await house.ask()).refusal.code == "ledger_unavailable"
    assert state(house).running == 0


async def test_a_client_that_leaves_makes_room():
    house, told = House(Snapshot([backend("a", max_concurrent=1)]), {"a": streaming(delta("hi"), HANG)}), Told()
    task = asyncio.create_task(house.ask(stream=True, told=told))
    await turns_of_the_loop()
    told.gone = True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (state(house).running, house.record.end) == (0, End.CLIENT_GONE)
    assert state(house).closed
