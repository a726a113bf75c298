"""One upstream call: what it may cost, what came of it, what the client is told of it, and how it is cut."""

import asyncio
import json

import msgspec
import pytest
from support.doubles import (
    FACTS,
    Answering,
    Calls,
    Told,
    backend,
    streaming,
)
from support.hops import (
    DECISION,
    DIALECT,
    NOTHING,
    PROMPT,
    ROOM,
    SPEAKS,
    STEP,
    THINKS,
    TIERED,
    chat,
    hop,
    opened,
)
from support.upstream import DONE, OK, delta

from gateway.asked import Form
from gateway.core.decision import Candidate, Obligation, Ruling, Verdict
from gateway.core.errors import FailureKind
from gateway.core.fallback import Attempt
from gateway.core.permit import mint
from gateway.hop import Hop
from gateway.stream import Stream
from gateway.surfaces import CHAT


def nothing():
    """Is told that usage is there early."""


@pytest.mark.parametrize(
    ("fields", "of", "most"),
    [
        ({}, backend("a"), PROMPT + 1000),
        ({"max_tokens": 10}, backend("a"), PROMPT + 10),
        ({"max_tokens": 10, "n": 3}, backend("a"), PROMPT + 30),
        ({"max_tokens": 10**6}, backend("a"), PROMPT + 1000),
        ({}, backend("a", max_output=None, context=500), PROMPT + 500),
        ({}, backend("a", max_output=None), PROMPT + 131_072),
        ({}, backend("a", price=THINKS), PROMPT + 3000),
        ({}, backend("a", price=TIERED), PROMPT + 1000),
        ({"service_tier": "flex"}, backend("a", price=TIERED), PROMPT + 1000),
        ({"service_tier": "priority"}, backend("a", price=TIERED), 2 * (PROMPT + 1000)),
        ({"service_tier": "auto"}, backend("a", price=TIERED), 2 * (PROMPT + 1000)),
        ({}, backend("a", price=SPEAKS), PROMPT + 1000),
        ({"modalities": ["audio"]}, backend("a", price=SPEAKS), PROMPT + 9000),
        ({}, backend("a", price=STEP), PROMPT + 4000),
        ({}, backend("a", price=None), 0),
    ],
)
def test_the_most_that_a_call_can_cost(fields, of, most):
    assert hop(chat(**fields), of).most == most * 1_000_000


def test_obligations_are_done_before_anything_is_counted():
    candidate = Candidate(backend("a"), ("p",), 0, (Obligation("max_output_tokens", 7),))
    ruling = Ruling(FACTS, {"a": Verdict(("p",), (), candidate.do)}, frozenset())
    decision = msgspec.structs.replace(DECISION, candidates=(candidate,))
    one = Hop(
        mint("req-1", decision, Attempt(1, candidate), ruling, ruling),
        Form(chat(), FACTS, {}),
        NOTHING,
        CHAT,
        DIALECT,
        ROOM.share("t"),
        None,
    )
    assert one.most == (PROMPT + 7) * 1_000_000
    assert json.loads(DIALECT.encode(one.chat, one.backend))["max_tokens"] == 7


async def test_a_stream_is_held_until_its_first_event_is_known_to_be_one():
    one, failed = await opened(streaming(b": hello\n\n", delta("x"), delta("", "stop"), DONE), streamed=True)
    assert (failed, one.held) == (None, b": hello\n\n" + delta("x"))
    told = Told()
    stream = Stream(one.reader, told, one.held, nothing)
    await one.relay(told, stream)
    assert told.body + stream.last == b": hello\n\n" + delta("x") + delta("", "stop") + DONE
    assert stream.first_token is not None


async def test_the_head_of_an_answer():
    one, _ = await opened(
        Answering(200, {"content-type": "text/x", "x-request-id": "theirs"}, [json.dumps(OK).encode()])
    )
    headers = dict(one.headers(DECISION, ["loud", "louder"]))
    assert headers == {
        b"content-type": b"text/x",
        b"x-gateway-decision": b"dec-1",
        b"x-gateway-backend": b"a",
        b"x-gateway-model": b"a",
        b"x-gateway-sensitivity": b"public",
        b"x-gateway-attempts": b"1",
        b"x-gateway-policy-warning": b"loud, louder",
        b"x-upstream-request-id": b"theirs",
    }
    assert b"x-gateway-policy-warning" not in dict(one.headers(DECISION, []))


async def test_a_cut_that_was_ours_alone_is_taken_back_and_one_of_others_is_not():
    async def waiting(cancelled_by_others: bool) -> bool:
        one = hop(task=asyncio.current_task())
        one.revoke(Verdict((), ("off",), revokes=True))
        if cancelled_by_others:
            asyncio.current_task().cancel()
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return one.was_cut()

    assert (await asyncio.create_task(waiting(False))).kind is FailureKind.REVOKED
    assert await asyncio.create_task(waiting(True)) is None


async def test_an_interruption_without_a_cut_is_nobody_s_but_theirs():
    one = hop(task=asyncio.current_task())
    assert not one.was_cut()
    with pytest.raises(asyncio.CancelledError):
        await one.open(Calls(before=lambda _: (_ for _ in ()).throw(asyncio.CancelledError)), {})
