"""Fault 12: the disk takes nothing more. What would cost is refused, the rest is served, and nothing is lost."""

import asyncio
import resource

import pytest
from support.fault_house import FULL, SINGLES

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIMES = 100 if FULL else 10


@pytest.mark.assures("fault 12")
async def test_on_a_full_disk_nothing_is_sent_that_could_not_be_booked(gateway, showed):
    pid = gateway.server.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    running = [
        asyncio.create_task(gateway.send(gateway.plan(faults={"b05": "slow"}, words=40), "b05")) for _ in range(4)
    ]
    await gateway.sent(4)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))  # no file may grow: each write fails
    try:
        refused = [await gateway.send(gateway.plan(), SINGLES[at % len(SINGLES)]) for at in range(TIMES)]
        async with gateway.session.get(f"{gateway.server.base}/healthz") as got:
            assert got.status == 200
        finished = await asyncio.gather(*running)
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
    assert {(each.status, each.code) for each in refused} == {(503, "ledger_unavailable")}
    assert all(each.headers["retry-after"] for each in refused)
    assert len(gateway.upstream.seen) == 4
    assert all(each.finished for each in finished)  # what was paid for already goes on
    silent = {each.plan.number for each in refused}  # their lines were not written: the log is a file, too
    gateway.told = [each for each in gateway.told if each.plan.number not in silent]
    await gateway.well()
    booked = await gateway.agree()
    assert {booked[each.plan.number, "b05"]["state"] for each in finished} <= {"settled", "uncertain"}
    showed(f"{TIMES} requests while every write fails", "all refused with 503, 0 sent; what ran was booked")
