"""What the client is told when nobody may be asked, for every mix of reasons: the relay alone, each reason a real one."""

import asyncio
import itertools

import msgspec
import pytest
from support.doubles import HANG, YES, Snapshot, backend, failing
from support.house import House, turns_of_the_loop

from gateway.core.budget import Limit, Spend
from gateway.core.decision import Verdict
from gateway.core.rate import Rate

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
