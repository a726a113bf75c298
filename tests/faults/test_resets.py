"""Fault 7: the connection is lost after any number of bytes. No client takes what it has for a whole answer."""

import pytest
from support.fault_house import FULL, SURFACES, code_in_stream, dice
from support.faults import raw

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIMES = 2000 if FULL else 120


@pytest.mark.assures("fault 7")
@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("how", ["reset at", "cut at"])
async def test_an_answer_that_breaks_off_never_looks_whole(gateway, how, surface, showed):
    random = dice(7)
    plans = []
    times = TIMES if surface == "chat" else TIMES // 3
    for _ in range(times):
        streamed = random.random() < 0.7
        words, fault = random.randint(1, 9), {"here": how}
        plan = gateway.plan(streamed=streamed, words=words, faults=fault, padding="x" * 40, surface=surface)
        size = len(raw(plan)) - (7 if streamed else 0)  # the end of the chunks is not needed
        plans.append(type(plan)(**{**vars(plan), "at": random.randrange(size)}))
    told = await gateway.spread(plans, good_between=2)
    booked = await gateway.agree()
    ends = {"refused": 0, "told": 0, "whole": 0}
    for each in told:
        entry = booked[each.plan.number, each.model]
        assert each.complete, each  # whatever happened upstream: an error event, or an error
        if each.status == 502:
            ends["refused"] += 1
            assert (entry["state"], entry["failure"]) == ("uncertain", "broken")
        elif each.finished:  # all that counts was in
            ends["whole"] += 1
            assert each.plan.streamed
            assert surface != "chat" or b'"finish_reason": "stop"' in each.body
        else:
            ends["told"] += 1
            assert each.status == 200
            assert each.code == code_in_stream(surface, "upstream_broken")
            assert entry["failure"] == "broken"
    assert ends["refused"]
    assert ends["told"] or how == "reset at"  # which may overtake what was sent before it
    said = ", ".join(f"{count} {what}" for what, count in ends.items())
    showed(
        f"{surface}: {times} answers ended at random bytes",
        f"{said}; none looked whole that was not; booked at the bound",
    )
