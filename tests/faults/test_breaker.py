"""Fault 4: a backend that keeps failing is left alone, is asked again by one request at a time, and costs others little.

What is promised is counted at the upstream, not asked of the gateway.
"""

import asyncio
from itertools import pairwise

import pytest
import pytest_asyncio
from support.fault_house import FULL, house, row
from support.faults import FaultUpstream, plan_of

REQUESTS = 1000 if FULL else 150
FAILURES = 5
"""After so many in a row at most a backend is left alone."""

EXTRA_SHARE, EXTRA = 0.10, 10
"""Calls beyond one for each request: a tenth of them, and a handful."""


pytestmark = pytest.mark.asyncio(loop_scope="module")

PAIRS = ("500", "503", "reset", "probed", "well")
"""A pair of backends for each test: `bad-500`, then `good-500`, both behind `pair-500`."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory):
    upstream = FaultUpstream()
    rows = {
        f"{what}-{of}": row(upstream.url(f"{what}-{of}"), region="eu", aliases=[f"pair-{of}"])
        for of in PAIRS
        for what in ("bad", "good")
    }
    async with house(tmp_path_factory.mktemp("breaker"), rows, upstream) as built:
        yield built
    upstream.stop()


@pytest.fixture(autouse=True)
async def begun(gateway):
    await gateway.begin()


def calls_of(gateway, name: str) -> list:
    return [seen for seen in gateway.upstream.seen if seen.name == name]


@pytest.mark.assures("fault 4")
@pytest.mark.parametrize(("of", "fault"), [("500", "status 500"), ("503", "status 503"), ("reset", "reset at")])
async def test_a_backend_that_fails_is_left_alone(gateway, of, fault, showed):
    """One after the other: whoever comes after the fifth failure asks the next one at once."""
    for _ in range(FAILURES + 10):
        told = await gateway.send(gateway.plan(faults={f"bad-{of}": fault}), f"pair-{of}")
        assert (told.status, told.headers["x-gateway-backend"]) == (200, f"good-{of}")
    assert len(calls_of(gateway, f"bad-{of}")) <= FAILURES
    alone = await gateway.send(gateway.plan(faults={f"bad-{of}": fault}), f"bad-{of}")
    assert (alone.status, alone.code) == (503, "no_backend_available")
    assert int(alone.headers["retry-after"]) > 0
    await gateway.agree()
    showed(
        f"{FAILURES + 10} requests while the first of two fails ({fault})",
        f"asked {FAILURES} times at most, then left alone",
    )


@pytest.mark.assures("fault 4")
async def test_extra_calls_are_few_and_a_probe_goes_alone(gateway, showed):
    """Half of the requests' calls would fail. Beyond one call for each request there is a tenth, and a handful; while
    the backend is left alone, no two calls to it are under way at once but those of before."""
    waiting = iter([gateway.plan(words=1, faults={"bad-probed": "status 503"}) for _ in range(REQUESTS)])

    async def work() -> None:
        for plan in waiting:
            told = await gateway.send(plan, "pair-probed")
            assert told.status in (200, 503)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(work() for _ in range(8)))
    asked, calls = len(gateway.told), len(gateway.upstream.seen)
    assert calls - asked <= EXTRA_SHARE * asked + EXTRA, (calls, asked)
    bad = sorted(calls_of(gateway, "bad-probed"), key=lambda seen: seen.at)[FAILURES + 8 :]
    assert all(after.at >= before.ended for before, after in pairwise(bad))
    await gateway.agree()
    showed(f"{asked} requests while the first of two fails", f"{calls - asked} extra calls, probes one at a time")


@pytest.mark.assures("fault 4")
async def test_a_backend_that_is_well_again_is_asked_again(gateway, showed):
    for _ in range(FAILURES + 5):
        await gateway.send(gateway.plan(faults={"bad-well": "status 500"}), "pair-well")
    before = gateway.upstream.seen[-1].at
    async with asyncio.timeout(60):
        while True:
            told = await gateway.send(gateway.plan(), "pair-well")
            assert told.status == 200
            if told.headers["x-gateway-backend"] == "bad-well":
                break
            await asyncio.sleep(0.1)
    took = gateway.upstream.seen[-1].at - before
    assert plan_of(gateway.upstream.seen[-1]).number == told.plan.number
    await gateway.agree()
    showed("one recovery", f"asked again after {took:.1f} s")
