"""Fault 18: a backend is suspended while it streams. Every stream of it ends within a second, and no other."""

import asyncio
import time

import pytest
from support.fault_house import FULL, RULES

pytestmark = pytest.mark.asyncio(loop_scope="session")

STREAMS = 200 if FULL else 24
OFF = {"id": "off", "forbid": {"to": {"status": "suspended"}}, "in_flight": "revoke"}


@pytest.mark.assures("fault 18")
async def test_a_suspension_cuts_all_streams_of_a_backend_and_no_other(gateway, showed):
    await gateway.govern([*RULES, OFF])
    cut = [gateway.send(gateway.plan(faults={"l0": "endless"}), "l0") for _ in range(STREAMS)]
    kept = [gateway.send(gateway.plan(faults={"l1": "slow"}, words=60), "l1") for _ in range(STREAMS // 4)]
    running = asyncio.gather(*cut), asyncio.gather(*kept)
    await gateway.sent(len(cut) + len(kept))
    url = f"http://127.0.0.1:{gateway.server.admin_port}/admin/backends/l0"
    try:
        async with gateway.session.post(f"{url}/suspend", json={"reason": "an order"}) as got:
            assert got.status == 200
        ordered = time.monotonic()
        ended, others = await running[0], await running[1]
        for _ in range(10):
            assert (await gateway.send(gateway.plan(), "l0")).status == 403
        await gateway.still()
    finally:
        async with gateway.session.post(f"{url}/resume") as got:
            assert got.status == 200
        await gateway.govern(RULES)
    assert {(each.status, each.complete, each.finished, each.code) for each in ended} == {
        (200, True, False, "policy_revoked")
    }
    calls = [seen for seen in gateway.upstream.seen if seen.name == "l0"]
    assert len(calls) == STREAMS  # none since
    took = max(*(each.ended for each in ended), *(seen.ended for seen in calls)) - ordered
    assert took < 1
    assert all(each.finished for each in others)
    await gateway.agree()
    showed(f"{STREAMS} streams", f"cut within {max(took, 0):.2f} s, 0 new calls, others went on")
