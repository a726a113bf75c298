"""Fault 4: an upstream tells our request's head in its error, the key of it among them. Nobody else is told."""

import asyncio

import pytest
from support.fault_house import CANARY

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.assures("fault 4", "threat U2")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 503, 529])
async def test_an_echo_of_our_head_shows_nobody_the_key(gateway, status, showed):
    await asyncio.to_thread(gateway.server.ask_again, ["b07"])
    for streamed in (True, False):
        plan = gateway.plan(streamed=streamed, faults={"b07": "echo"}, at=status - 400)
        told = await gateway.send(plan, "b07")
        assert told.status >= 400
        assert CANARY.encode() in gateway.upstream.of(plan.number)[0].head  # so that the rest can fail
    await gateway.agree()  # looks for it in answers, log and metrics
    await gateway.well(["b07"])
    showed(f"status {status}", "the key is in no answer, log line or metric")
