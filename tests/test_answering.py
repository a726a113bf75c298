"""What a client is told in one piece."""

import asyncio
import json

import pytest
from support.doubles import FACTS, Told, backend, call

from gateway.answering import answer, give_up
from gateway.core.decision import Candidate, Decision
from gateway.core.errors import Failed, FailureKind
from gateway.core.room import FREE_BYTES
from gateway.surfaces import CHAT

DECISION = Decision("dec-1", "d", "auto", FACTS, (Candidate(backend("a"), ("p",), 0),), ())


async def test_a_whole_answer_has_its_length_and_its_id():
    told = Told()
    await answer(told, [(b"x-a", b"1")], call(), CHAT, b"body")
    assert (told.status, told.body) == (200, b"body")
    assert told.headers == {"x-a": "1", "x-request-id": "req-1", "content-length": "4"}


async def test_a_large_answer_is_not_over_before_its_client_has_taken_it():
    told, large = Told(), b"x" * (FREE_BYTES + 1)
    told.slow = asyncio.Event()
    answering = asyncio.create_task(answer(told, [], call(), CHAT, large))
    await asyncio.sleep(0)
    assert not told.ended
    told.slow.set()
    await answering
    assert (told.ended, told.body) == (True, large)


@pytest.mark.parametrize(("kind", "retry"), [(FailureKind.UNAUTHORIZED, "false"), (FailureKind.OVERLOADED, None)])
async def test_a_failure_says_whether_trying_again_is_of_use(kind, retry):
    told = Told()
    failed = Failed(kind, kind.status, {"message": "m", "type": "t", "param": None, "code": "c"}, "7")
    assert await give_up(told, CHAT, call(), DECISION, (failed,)) == (kind.status, kind.code)
    assert json.loads(told.body)["error"]["message"] == "m"
    assert (told.headers.get("x-should-retry"), told.headers["retry-after"]) == (retry, "7")
    assert "retry-after-ms" not in told.headers


async def test_a_wait_in_milliseconds_is_told_too():
    told, kind = Told(), FailureKind.THROTTLED
    await give_up(told, CHAT, call(), DECISION, (Failed(kind, 429, {"message": "m"}, "2", 1500),))
    assert (told.headers["retry-after"], told.headers["retry-after-ms"]) == ("2", "1500")
