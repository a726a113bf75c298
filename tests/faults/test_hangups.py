"""Fault 9: the client hangs up, at any moment. The upstream is hung up on within a second, and nothing stays reserved."""

import asyncio
import contextlib
import json
import time

import pytest
from support.fault_house import FULL, SINGLES, dice

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIMES = 2000 if FULL else 96
AT_ONCE = 32
PHASES = {
    "before an answer": ("no head", True),
    "before a whole answer": ("no head", False),
    "before the first event": ("no first event", True),
    "under way": ("endless", True),
    "while it is silent": ("stall", True),
    "near the end": ("slow", True),
}


@pytest.mark.assures("fault 9")
async def test_who_hangs_up_frees_the_upstream_at_once(gateway, showed):
    random = dice(9)
    plans = []
    for number in range(TIMES):
        fault, streamed = PHASES[list(PHASES)[number % len(PHASES)]]
        name = SINGLES[number % len(SINGLES)]
        plans.append((name, gateway.plan(streamed=streamed, words=8, faults={name: fault})))
    told = []
    for at in range(0, TIMES, AT_ONCE):
        some = plans[at : at + AT_ONCE]
        told += await asyncio.gather(
            *(gateway.send(plan, name, leave_after=random.uniform(0.0, 0.5)) for name, plan in some)
        )
    await gateway.still(3)
    took = []
    for each in told:
        for seen in gateway.upstream.of(each.plan.number):
            if each.left:
                took.append(seen.ended - each.ended)
    assert len(took) > TIMES // 4
    assert max(took) < 1, sorted(took)[-5:]
    booked = await gateway.agree()
    assert {each["state"] for each in booked.values()} <= {"settled", "uncertain", "released"}
    showed(f"{TIMES} hang-ups in {len(PHASES)} phases", f"upstream closed within {max(took):.1f} s, nothing reserved")


@pytest.mark.assures("fault 9")
async def test_who_hangs_up_within_the_request_costs_nothing(gateway, showed):
    """Cut after each part of the request, at the socket."""
    plan = gateway.plan()
    body = json.dumps({"model": "b00", "messages": [{"role": "user", "content": plan.message}]}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode()
    whole = head + body
    cuts = [round(number * (len(whole) - 1) / (TIMES - 1)) for number in range(TIMES)]
    for cut in cuts:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
        writer.write(whole[:cut])
        await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    began = time.monotonic()
    await gateway.still()
    assert time.monotonic() - began < 5
    assert gateway.upstream.seen == []
    assert await gateway.agree() == {}
    showed(f"{TIMES} requests cut short", "nothing sent, nothing booked")
