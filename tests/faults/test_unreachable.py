"""Fault 5: nobody there, or not who should be. Nothing is sent, and never without TLS; the next backend is asked."""

import asyncio

import pytest
from support.fault_house import FULL

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIMES = 200 if FULL else 4
NOBODY = (
    "x-refused",
    "x-nowhere",
    "x-expired",
    "x-early",
    "x-other-name",
    "x-own",
    "x-dropped",
    "x-held",
    "x-plain",
)


async def test_a_backend_with_a_good_certificate_is_asked(gateway):
    """So that the others can fail."""
    told = await gateway.send(gateway.plan(), "x-known")
    assert (told.status, told.finished) == (200, True)
    assert [seen.name for seen in gateway.upstream.of(told.plan.number)] == ["x-known"]


@pytest.mark.assures("fault 5")
@pytest.mark.parametrize("name", NOBODY)
async def test_who_cannot_be_reached_is_sent_nothing(gateway, name, showed):
    alone = [gateway.plan(streamed=number % 2 == 0) for number in range(TIMES)]
    pairs = [gateway.plan(streamed=number % 2 == 0) for number in range(TIMES)]
    for at in range(0, TIMES, 20):
        some = slice(at, at + 20)
        refused = await asyncio.gather(*(gateway.send(plan, name) for plan in alone[some]))
        answered = await asyncio.gather(*(gateway.send(plan, f"after:{name}") for plan in pairs[some]))
        assert {each.status for each in refused} <= {502, 503, 504}
        assert {(each.status, each.finished, each.headers["x-gateway-backend"]) for each in answered} == {
            (200, True, "z-good")
        }
    assert {seen.name for seen in gateway.upstream.seen} == {"z-good"}
    assert not any(CANARY_HEAD in seen.head for seen in gateway.upstream.seen if seen.name != "z-good")
    booked = await gateway.agree()
    missed = [each for (_, at), each in booked.items() if at == name]
    assert {(each["state"], each["cost_pico_usd"], each["failure"]) for each in missed} == {
        ("released", 0, "unreachable")
    }
    showed(f"{TIMES * 2} calls of {name.removeprefix('x-')}", "nothing sent, nothing owed; answered by the next")


CANARY_HEAD = b"authorization"
