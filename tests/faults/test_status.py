"""Fault 4: an upstream says no. The client is told, or the next backend is asked; what was refused costs nothing."""

import asyncio

import pytest
from support.fault_house import FULL, SURFACES

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIMES = 1000 if FULL else 12
STATUSES = {
    "status 500": (500, "server_error"),
    "status 502": (502, "server_error"),
    "status 503": (503, "overloaded"),
    "status 529": (529, "overloaded"),
    "status 429": (429, "throttled"),
    "status 429 with retry-after": (429, "throttled"),
    "status 503 with retry-after": (503, "overloaded"),
}


@pytest.mark.assures("fault 4")
@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("fault", STATUSES)
async def test_a_refusal_of_an_upstream_is_told_and_costs_nothing(gateway, fault, surface, showed):
    times = TIMES if surface == "chat" else TIMES // 3
    plans = [gateway.plan(streamed=at % 2 == 0, faults={"here": fault}, surface=surface) for at in range(times)]
    told = await gateway.spread(plans)
    booked = await gateway.agree()
    failed = [booked[each.plan.number, each.model] for each in told]
    assert {each.status for each in told} == {STATUSES[fault][0]}
    assert {(each["state"], each["cost_pico_usd"], each["failure"]) for each in failed} == {
        ("released", 0, STATUSES[fault][1])
    }
    if "retry-after" in fault:
        assert {each.headers.get("retry-after") for each in told} == {"7"}
    showed(f"{surface}: {times} answers of {fault.removeprefix('status ')}", "none booked, each told as it was")


@pytest.mark.assures("fault 4")
@pytest.mark.parametrize("fault", STATUSES)
async def test_the_next_backend_is_asked(gateway, fault, showed):
    """The first of the chain, one time in three: nobody gives a backend up for that."""
    for number in range(TIMES * 3):
        faults = {"c0": fault} if number % 3 == 0 else {}
        await asyncio.to_thread(gateway.server.ask_again, ["c0"])  # who has just said no is asked last
        told = await gateway.send(gateway.plan(streamed=number % 2 == 0, faults=faults), "chain")
        assert (told.status, told.finished) == (200, True)
        assert told.headers["x-gateway-backend"] == ("c1" if faults else "c0")
    await gateway.agree()
    showed(f"{TIMES} refusals before a fallback", "all answered by the next")
