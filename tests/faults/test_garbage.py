"""Fault 8: answers that are none. Clients get a whole answer or an error, the process lives on, memory stays."""

import json

import pytest
from openai._models import construct_type
from openai.types.chat import ChatCompletion
from support import crossing
from support.fault_house import FULL, SURFACES
from support.garbage import GARBAGE, REFUSED, TOLD, WHOLE

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIMES = 50 if FULL else 2
MEMORY_BYTES = 150_000_000


def end_of(told) -> str:
    """What became of an answer, and that it is what it seems."""
    if told.status != 200:
        assert told.status == 502, told
        assert json.loads(told.body)["error"]["message"], told
        return REFUSED
    assert told.complete, told
    if not told.plan.streamed:
        read = construct_type(value=json.loads(told.body), type_=ChatCompletion)  # as the SDK does it
        assert [choice.message.content for choice in read.choices] == ["word " * told.plan.words]
        return WHOLE
    crossing.official(told.plan.surface, told.body, strict=False)
    if told.finished:
        return WHOLE
    assert crossing.failure_of(told.plan.surface, told.body)["message"], told
    return TOLD


@pytest.mark.assures("fault 8")
@pytest.mark.parametrize("surface", SURFACES)
async def test_garbage_is_never_passed_on_as_an_answer(gateway, surface, showed):
    """What is said anew for another surface is read, so that it may be refused where chat passes it on."""
    kinds = {name: kind for name, kind in GARBAGE.items() if surface == "chat" or kind.streamed}
    times = TIMES if surface == "chat" else max(1, TIMES // 2)
    _, before = gateway.footprint()
    plans = [
        gateway.plan(streamed=kind.streamed, words=6, faults={"here": f"garbage: {name}"}, surface=surface)
        for name, kind in kinds.items()
        for _ in range(times)
    ]
    told = await gateway.spread(plans)
    wrong = {}
    for each in told:
        name = each.plan.faults[each.model].removeprefix("garbage: ")
        try:
            end = end_of(each)
        except Exception as error:  # noqa: BLE001  all of them are told
            end = f"{type(error).__name__}: {str(error)[:300]}"
        if end not in (*GARBAGE[name].ends, *((TOLD, REFUSED) if surface != "chat" else ())):
            wrong[name] = (end, each.status, each.body[:300])
    assert wrong == {}
    await gateway.agree()
    assert gateway.footprint()[1] - before < MEMORY_BYTES
    showed(
        f"{surface}: {len(kinds)} kinds, {times} times each",
        "502, an error event, or an answer that the official SDK reads",
    )
