"""Faults 1 and 3: load that is held, half of it streams. No error, memory and descriptors flat, and little added time."""

import asyncio
import time
from statistics import quantiles

import pytest
from support.fault_house import FULL, SINGLES
from support.faults import OWN_MODEL

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(3600)]

SECONDS = 1800 if FULL else 8
CLIENTS = 8
GROWTH_BYTES, GROWTH_DESCRIPTORS = 30_000_000, 40
ADDED_RATIO = 10
"""How many times as long as without a gateway half of the requests may take at most: one process asks, answers and
measures, on as many cores as there are."""


async def direct(gateway, seconds: float) -> list[float]:
    """How long requests take without a gateway."""
    took: list[float] = []
    until = time.monotonic() + seconds

    async def work(number: int) -> None:
        url = gateway.upstream.url(SINGLES[number]) + "/chat/completions"
        while time.monotonic() < until:
            plan = gateway.plan(streamed=len(took) % 2 == 0, words=3)
            body = {"model": OWN_MODEL, "messages": [{"role": "user", "content": plan.message}]}
            began = time.perf_counter()
            async with gateway.session.post(url, json=body) as got:
                await got.read()
            took.append(time.perf_counter() - began)

    await asyncio.gather(*map(work, range(CLIENTS)))
    gateway.upstream.seen.clear()
    return took


@pytest.mark.assures("fault 1", "fault 3")
async def test_load_that_is_held_leaves_no_trace(gateway, showed):
    alone = quantiles(await direct(gateway, min(5, SECONDS / 4)), n=100)
    took: list[float] = []
    footprints: list[tuple[int, int]] = []
    requests = 0
    for round_ in range(4 if not FULL else 60):
        until = time.monotonic() + SECONDS / (4 if not FULL else 60)

        async def work(number: int, until: float = until) -> None:
            while time.monotonic() < until:
                plan = gateway.plan(streamed=len(took) % 2 == 0, words=3)
                told = await gateway.send(plan, SINGLES[number])
                assert (told.status, told.finished) == (200, True)
                took.append(told.ended - told.asked)

        await asyncio.gather(*map(work, range(CLIENTS)))
        requests += len(gateway.told)
        await gateway.agree()
        if round_ > 0:  # caches and pools are full by then
            footprints.append(gateway.footprint())
    through = quantiles(took, n=100)
    descriptors, memory = zip(*footprints, strict=True)
    assert max(descriptors) - min(descriptors) < GROWTH_DESCRIPTORS
    assert memory[-1] - memory[0] < GROWTH_BYTES
    assert through[49] < ADDED_RATIO * alone[49], (through[49], alone[49])
    added = ", ".join(f"p{at} +{1000 * (through[at - 1] - alone[at - 1]):.1f} ms" for at in (50, 99))
    grown = f"memory {(memory[-1] - memory[0]) / 1e6:+.0f} MB, descriptors {descriptors[-1] - descriptors[0]:+d}"
    showed(f"{requests:,} requests in {SECONDS} s, half of them streams", f"0 errors; {added} over direct; {grown}")


@pytest.mark.assures("fault 3")
async def test_after_everything_the_gateway_is_as_small_as_before(gateway, showed):
    """Connections that nobody uses are given back."""
    for _ in range(3):
        plans = [gateway.plan(streamed=True, words=2) for _ in SINGLES]
        await asyncio.gather(*(gateway.send(plan, name) for plan, name in zip(plans, SINGLES, strict=True)))
    used, _ = gateway.footprint()
    deadline = time.monotonic() + 15
    while gateway.footprint()[0] >= used:  # the pool keeps connections to http backends for four seconds
        assert time.monotonic() < deadline, (used, gateway.footprint())
        await asyncio.sleep(0.2)
    left = len([each for each in gateway.process.net_connections() if each.status == "ESTABLISHED"])
    assert left < 2 * len(SINGLES) + CLIENTS + 40
    showed(f"{3 * len(SINGLES)} streams, then a pause", f"descriptors {gateway.footprint()[0] - used:+d}")
