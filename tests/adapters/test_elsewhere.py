"""What the process for large requests is told, and how often."""

import asyncio
import json
import os
import pickle
import signal

import msgspec
import pytest
from support.crossing import PATHS, body_of
from support.doubles import SCANNING, Snapshot, backend

from gateway.adapters.desk import KEPT_BODIES, Desk, Look, ToEncode, ToJudge
from gateway.adapters.elsewhere import Elsewhere, Failure, Read, read_of
from gateway.core.errors import Refused
from gateway.core.outline import outline
from gateway.core.terms import BUILT_IN, OwnDetector
from gateway.surfaces import SURFACES

LOOK = SCANNING._look(Snapshot([]))
A = backend("a")


class Here:
    """A `Worker` that answers in this very process. Notes what each question brings along."""

    def __init__(self) -> None:
        self.started = 1
        self.desk = Desk()
        self.brought: list[tuple[bool, bool]] = []  # terms, a body

    def replaced(self) -> None:
        self.started += 1
        self.desk = Desk()

    async def ask(self, question, team=None):
        pieces = question()
        self.brought.append((pickle.loads(pieces[0]).terms is not None, len(pieces) > 1))
        return self.desk.find(pieces)


@pytest.fixture
def here():
    elsewhere = Elsewhere(5)
    elsewhere._worker = Here()
    return elsewhere


def body(text: str = "hi") -> bytes:
    return json.dumps(body_of("chat", "m", text)).encode()


async def read(elsewhere: Elsewhere, data: bytes) -> Read:
    return read_of(await elsewhere.outlined("chat", 0, data), data)


async def test_terms_and_a_body_are_told_once(here):
    large = await read(here, body())
    for _ in range(2):
        await here.examined(large, LOOK, {})
        await here.encoded(large, LOOK, ToEncode((), (), A))
        await here.judged(large, ToJudge(((A, ()),)))
    assert here._worker.brought == [(False, True), (True, False), *[(False, False)] * 5]


async def test_another_process_is_told_all_of_it(here):
    large = await read(here, body())
    await here.examined(large, LOOK, {})
    here._worker.replaced()
    here._worker.brought.clear()
    await here.examined(large, LOOK, {})
    await here.examined(large, LOOK, {})
    assert here._worker.brought == [(True, True), (False, False)]


OWN = OwnDetector("project", "Bluebird[0-9]{4}", "restricted", "secret")
NEWER = Look(msgspec.structs.replace(BUILT_IN, digest="newer", detectors=(OWN,)))


@pytest.mark.parametrize("number", [0, 1], ids=["middling", "large"])
async def test_a_process_that_was_told_other_terms_than_we_believe_is_told_them_again(here, number):
    secret = Read(body("about Bluebird1234"), "chat", 0, number)
    assert not (await here.examined(secret, LOOK, {})).places
    stale = here._worker.desk
    assert (await here.examined(secret, NEWER, {})).places
    stale._look = LOOK
    here._worker.brought.clear()
    assert (await here.examined(secret, NEWER, {})).places
    assert here._worker.brought == [(False, number == 0), (True, True)]


async def test_after_two_hang_ups_a_new_policy_is_what_is_looked_for():
    elsewhere = Elsewhere(8)
    secret = Read(body("about Bluebird1234"), "chat", 0)
    slow = Read(body("mail a@b.co or 192.168.1.77 %41%42 4111 1111 1111 1111 " * 2_000), "chat", 0)
    await elsewhere.examined(secret, LOOK, {})
    for asked in (slow, secret):
        leaving = asyncio.create_task(elsewhere.examined(asked, LOOK, {}))
        await asyncio.sleep(0.05)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
    assert (await elsewhere.examined(secret, NEWER, {})).places
    await elsewhere.examined(slow, NEWER, {})
    assert (await elsewhere.examined(secret, NEWER, {})).places
    assert elsewhere._worker.started == 1
    await elsewhere.close()


async def test_what_the_process_forgot_is_sent_again(here):
    large = await read(here, body())
    here._worker.desk.rest()
    await here.judged(large, ToJudge(((A, ()),)))
    assert here._worker.brought == [(False, True), (False, False), (False, True)]
    for number in range(KEPT_BODIES):
        await read(here, body(str(number)))
    here._worker.brought.clear()
    await here.judged(large, ToJudge(((A, ()),)))
    assert here._worker.brought == [(False, True)]


async def test_a_body_that_is_not_large_comes_along_each_time(here):
    small = Read(body(), "chat", 0)
    for _ in range(2):
        await here.examined(small, LOOK, {})
    assert here._worker.brought == [(True, True), (False, True)]


@pytest.mark.parametrize("surface", [*PATHS, "count_tokens", "embeddings"])
def test_a_body_is_read_again_as_its_client_meant_it(surface):
    data = json.dumps(body_of(surface, "m")).encode()
    chat = SURFACES[surface].parse(data, 7)
    assert read_of(chat, data) == Read(data, surface, 7, 0)
    assert read_of(outline(chat, 5, (), ()), data) == Read(data, surface, 7, 5)


async def test_what_is_refused_there_is_refused_here_and_what_breaks_is_a_failure(here, monkeypatch):
    with pytest.raises(Refused) as refused:
        await here.outlined("chat", 0, b'{"model":"m"}')
    assert refused.value.param == "messages"

    def broken(*_):
        raise ZeroDivisionError("with prompt text in it")

    large = await read(here, body())
    monkeypatch.setattr(type(LOOK.scanner), "concerns", broken)
    with pytest.raises(Failure, match=r"^ZeroDivisionError\Z"):
        await here.examined(large, LOOK, {})


@pytest.mark.assures("fault 21")
async def test_a_process_that_dies_is_replaced_and_told_all_of_it(showed):
    elsewhere = Elsewhere(5)
    large = await read(elsewhere, body("the same as before"))
    first = await elsewhere.encoded(large, LOOK, ToEncode((), (), A))
    os.kill(elsewhere._worker._idle.pid, signal.SIGKILL)
    assert await elsewhere.encoded(large, LOOK, ToEncode((), (), A)) == first
    leaving = asyncio.create_task(elsewhere.examined(large, LOOK, {}))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await elsewhere.encoded(large, LOOK, ToEncode((), (), A)) == first
    assert elsewhere._worker.started == 2
    await elsewhere.close()
    showed("a process killed between two steps, and a client that left", "the same bytes as without")
