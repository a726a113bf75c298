"""Fault 6: silence. Deadlines are kept, the upstream is hung up on, and what it may charge is booked."""

import asyncio
from statistics import median, quantiles

import pytest
from support.fault_house import FIRST_BYTE, FULL, IDLE, SINGLES, SURFACES, TOTAL, code_in_stream

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIMES = 200 if FULL else 6
LOOK = 0.1
"""Seconds between two looks at deadlines, twice."""

CASES = {
    ("no head", True): (FIRST_BYTE, 504, "refused"),
    ("no first event", True): (FIRST_BYTE, 504, "refused"),
    ("stall", True): (IDLE, 200, "told"),
    ("drip", True): (TOTAL, 200, "told"),
    ("no head", False): (TOTAL, 504, "refused"),
    ("stall", False): (IDLE, 504, "refused"),
    ("drip", False): (TOTAL, 504, "refused"),
}
"""By fault and whether it is streamed: the deadline, the status, and whether the client had begun to read."""


@pytest.mark.assures("fault 6")
async def test_deadlines_are_kept(gateway, showed):
    """All at once: each has a deadline of its own. Every surface in turn."""
    plans = {
        case: [
            gateway.plan(streamed=case[1], words=6, faults={"here": case[0]}, surface=SURFACES[at % len(SURFACES)])
            for at in range(TIMES)
        ]
        for case in CASES
    }
    told = await asyncio.gather(*(gateway.spread(each, SINGLES[:6], good_between=3) for each in plans.values()))
    usual = [each.ended - each.asked for each in gateway.told if not any(each.plan.faults.values())]
    busy = LOOK + 2 * quantiles(usual, n=20)[-1]  # what a machine with other things to do takes for a whole request
    await gateway.still()
    log = {
        (number, seen.name): seen.ended - seen.at
        for each in told
        for one in each
        for number in [one.plan.number]
        for seen in gateway.upstream.of(number)
        if seen.ended is not None
    }
    for (case, (seconds, status, how)), each in zip(CASES.items(), told, strict=True):
        assert {one.status for one in each} == {status}, case
        assert not any(one.finished for one in each), case
        if how == "told":
            for one in each:
                expected = code_in_stream(one.plan.surface, "upstream_timed_out")
                assert (one.complete, one.code) == (True, expected), case
        took = [log[one.plan.number, one.model] for one in each]
        assert all(0.9 * seconds < one for one in took), (case, min(took))
        assert median(took) < 1.1 * seconds + busy, (case, median(took), busy)
        assert max(took) < 1.1 * seconds + 3 * busy + 0.5, (case, max(took), busy)
    booked = await gateway.agree()
    for each in told:
        for one in each:
            assert booked[one.plan.number, one.model]["failure"] == "timed_out"
    showed(
        f"{TIMES} silences of {len(CASES)} kinds each, on {len(SURFACES)} surfaces",
        "deadlines within 10 %, upstream hung up on, bounds booked",
    )
