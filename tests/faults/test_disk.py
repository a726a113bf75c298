"""Fault 12: the disk takes nothing more. What would cost is refused, the rest is served, and nothing is lost."""

import asyncio
import contextlib
import os
import resource
import shutil
import subprocess
import time
from collections.abc import AsyncIterator

import pytest
from support.fault_house import FULL, SINGLES, house
from support.faults import FaultUpstream

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


@contextlib.asynccontextmanager
async def no_fsync(pid: int, trace: os.PathLike) -> AsyncIterator[None]:
    """Every fsync of a process fails meanwhile, as on a disk that is dying."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    failing = ["--inject=fsync,fdatasync:error=EIO", "--trace=fsync,fdatasync"]
    process = subprocess.Popen(  # noqa: ASYNC220  it takes a millisecond
        [strace, "-f", *failing, "-o", trace, "-p", str(pid)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        told = await asyncio.to_thread(process.stderr.readline)
        if b"attached" not in told:
            pytest.skip(f"strace may not be used here: {told.decode().strip()}")
        yield
    finally:
        process.terminate()
        await asyncio.to_thread(process.communicate)


@pytest.mark.privileged
@pytest.mark.assures("fault 12")
async def test_where_an_fsync_fails_nothing_more_is_sent_until_one_holds(tmp_path, showed):
    upstream = FaultUpstream()
    async with house(tmp_path, {}, upstream, GATEWAY_DURABILITY="power") as gateway:
        await gateway.well(SINGLES[:4])
        await gateway.begin()
        slow = [gateway.plan(faults={name: "slow"}, words=20) for name in SINGLES[:4]]
        running = [asyncio.create_task(gateway.send(plan, name)) for plan, name in zip(slow, SINGLES[:4], strict=True)]
        await gateway.sent(4)
        async with no_fsync(gateway.server.process.pid, tmp_path / "trace"):
            finished = await asyncio.gather(*running)
            sent = len(upstream.seen)
            refused = [
                await gateway.send(gateway.plan(streamed=at % 2 == 0), SINGLES[at % len(SINGLES)])
                for at in range(TIMES)
            ]
            assert {(each.status, each.code) for each in refused} == {(503, "ledger_unavailable")}
            assert len(upstream.seen) == sent == 4
            for path, status in (("/healthz", 200), ("/readyz", 503)):
                async with gateway.session.get(f"{gateway.server.base}{path}") as got:
                    assert got.status == status
        assert not any(each.complete for each in finished)  # what is not on disk does not look paid
        began = time.monotonic()
        await gateway.well(SINGLES[:4])
        again = time.monotonic() - began
        booked = await gateway.agree()
        assert all(booked[each.plan.number, each.model]["state"] == "settled" for each in finished)
    upstream.stop()
    assert "EIO" in (tmp_path / "trace").read_text()
    showed(
        f"{TIMES} requests while every fsync fails, 4 streams under way",
        f"all refused with 503, 0 sent; streams do not look whole, and are booked; served again after {again:.1f} s",
    )
