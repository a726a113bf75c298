"""What the client is told when nobody may be asked, for every mix of reasons: the relay alone, each reason a real one."""

import asyncio
import itertools
import json

import msgspec
import pytest
from support.doubles import HANG, YES, Snapshot, answering, backend, call, failing
from support.house import House, turns_of_the_loop
from support.upstream import OK

from gateway.core.budget import Limit, Spend
from gateway.core.decision import Verdict
from gateway.core.errors import FINAL, Refusal, Refused
from gateway.core.rate import Rate
from gateway.core.record import End

NO = Verdict(("p",), ("stop",))
QUEUE = 16

STATUSES = {
    "busy": (429, "overloaded"),
    "down": (503, "no_backend_available"),
    "poor": (402, "budget_exceeded"),
    "away": (503, "no_backend_available"),
    "free": (503, "no_backend_available"),
    "denied": (403, "policy_denied"),
    "unable": (400, "unsupported_capability"),
}
"""A backend of each kind, the one nearest to an answer first: what is told where it stands behind the name alone, or
with any of those after it."""


def backend_of(kind):
    made = {
        "busy": backend(kind, max_concurrent=1, max_output=1),
        "poor": backend(kind, max_output=10**6),
        "unable": backend(kind, capabilities=frozenset({"embeddings"})),
    }.get(kind, backend(kind, max_output=1))
    return msgspec.structs.replace(made, price=None) if kind == "free" else made


async def house_of(kinds):
    """A house in which each of the backends behind `auto` is out for the reason that it is named after."""
    snapshot = Snapshot([backend_of(kind) for kind in kinds], lambda of, *_: NO if of == "denied" else YES)
    snapshot.not_offered = {"away": "its key is not there"} if "away" in kinds else {}
    house = House(snapshot)
    house.budgets.enforce([Limit("l#1", "l", Spend("organisation", "day", 10**9))], {})
    if "down" in kinds:
        for _ in range(5):
            house.upstreams.answers["down"] = failing(503)
            await house.ask("down")
    running = []
    if "busy" in kinds:
        house.upstreams.answers["busy"] = HANG
        running = [house.start("busy")[0] for _ in range(QUEUE + 1)]
        await turns_of_the_loop()
    return house, running


@pytest.mark.parametrize("many", range(1, len(STATUSES) + 1))
async def test_every_mix_of_reasons_is_told_as_it_is_ruled(many):
    for kinds in itertools.combinations(STATUSES, many):
        house, running = await house_of(kinds)
        sent = len(house.upstreams.sent)
        refused = await house.ask()
        expected = next(told for kind, told in STATUSES.items() if kind in kinds)
        assert (refused.refusal.status, refused.refusal.code) == expected, (kinds, refused.message)
        assert (refused.retry_after is None) is (expected[0] in {403, 400}), kinds
        assert len(house.upstreams.sent) == sent, kinds
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("fit",), (429, "rate_limit_exceeded")),
        (("fit", "denied", "away", "unable"), (429, "rate_limit_exceeded")),
        (("denied", "away"), (503, "no_backend_available")),
        (("denied", "unable"), (403, "policy_denied")),
    ],
)
async def test_a_rate_is_told_where_somebody_could_be_asked_and_only_there(kinds, expected):
    house, _ = await house_of(kinds)
    house.budgets.enforce([], {}, [Rate("key", "requests", 1)])
    await house.ask()
    refused = await house.ask()
    assert (refused.refusal.status, refused.refusal.code) == expected


def large(size: int) -> bytes:
    """An answer of about so many bytes, whose usage is told."""
    message = {"role": "assistant", "content": "x" * size}
    return json.dumps({**OK, "choices": [{**OK["choices"][0], "message": message}]}).encode()


async def test_an_answer_for_which_there_is_no_room_is_given_up_and_nobody_else_is_asked():
    """It may have to be paid, so neither another backend is asked nor shall the client's SDK ask again."""
    house, held = House(Snapshot([backend("a"), backend("b")])), large(2_000_000)
    other = house.answers.share("t")
    assert other.hold(4_000_000)
    house.upstreams.answers = {name: answering(held[:1_000_000], held[1_000_000:]) for name in "ab"}
    refused = await house.ask()
    assert (refused.refusal, refused.retry_after, refused.headers) == (Refusal.SHEDDING, 2, FINAL)
    assert house.upstreams.called == ["a"]
    assert house.upstreams.opened[0].closed
    (row,) = house.books.rows
    assert (row.state, row.cost_pico_usd) == ("uncertain", house.books.intents[0].cost_pico_usd)
    assert house.record.end is End.REFUSED
    assert house.answers.share("u").hold(6_000_000)  # it holds nothing any more


async def test_of_one_team_answers_have_half_of_the_room():
    house = House(Snapshot([backend("a")]))
    share = house.answers.share("t")
    assert share.hold(4_500_000)
    for team, size, expected in (("t", 1_000_000, 503), ("u", 1_000_000, 200), ("t", 200_000, 200)):
        house.upstreams.answers = {"a": answering(large(size))}
        told = await house.ask(of=call(caller={"team": team}))
        assert (told.refusal.status if isinstance(told, Refused) else told.status) == expected, (team, size)
    share.end()
    house.upstreams.answers = {"a": answering(large(9_000_000))}  # the first one is taken whatever its size
    assert (await house.ask()).status == 200
    assert house.answers.share("u").hold(10_000_000)


async def test_an_error_of_a_backend_needs_no_room():
    """Others may be asked after it."""
    house = House(Snapshot([backend("a"), backend("b")]))
    house.upstreams.answers = {"a": answering(b" " * 600_000, status=503)}
    assert house.answers.share("t").hold(10_000_000)
    assert (await house.ask()).status == 200
    assert house.upstreams.called == ["a", "b"]


async def test_what_is_paid_is_not_asked_for_again_where_the_ledger_could_not_keep_it():
    house = House(Snapshot([backend("a"), backend("b")]))
    house.books.sealing = asyncio.get_running_loop().create_future()
    house.books.sealing.set_exception(OSError())
    refused = await house.ask()
    assert (refused.refusal, refused.retry_after, refused.headers) == (Refusal.LEDGER_DOWN, 30, FINAL)
    assert house.upstreams.called == ["a"]
