"""The scanner at work: here for small bodies, in a process of its own for large ones, with one result."""

import asyncio
import inspect
import json
import os
import signal
import time

import msgspec
import pytest
from support.doubles import Snapshot

from gateway.adapters.desk import Look
from gateway.adapters.scanning import Scanning
from gateway.core.chat import parse
from gateway.core.errors import FailureKind, Refusal, Refused
from gateway.core.outline import LARGE_BYTES
from gateway.core.terms import BUILT_IN

KEY = "ghp_" + "q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i"
PLAIN = "The quick brown fox jumps over the lazy dog. "
POLICY = Snapshot([])
EMPTY = parse(b'{"model":"m","messages":[{"role":"user"}]}')


@pytest.fixture(scope="module")
def look():
    return Look(BUILT_IN)


@pytest.fixture
async def scanner(look):
    told = []
    scanner = Scanning(told.append)
    scanner.told = told
    scanner._keep(look)
    yield scanner
    await scanner.close()


def body(text: str, **fields) -> bytes:
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}], **fields}).encode()


def scan(scanner, data: bytes, policy=POLICY, team="t"):
    if len(data) <= LARGE_BYTES:
        return scanner.scan(policy, team, EMPTY, data)

    async def large():
        outline = await scanner.outlined("chat", data, 0)
        return await scanner.scan(policy, team, outline, data)

    return large()


async def scanned(scanner, data: bytes, **how):
    found = scan(scanner, data, **how)
    return await found if inspect.isawaitable(found) else found


async def redacted(found, chat, *tags: str):
    taken = found.redacted(chat, frozenset(tags))
    return await taken if inspect.isawaitable(taken) else taken


@pytest.mark.parametrize("size", [0, 30_000, 200_000, 3_000_000], ids=["tiny", "small", "large", "huge"])
async def test_a_body_of_any_size_gives_the_same(scanner, size):
    text = PLAIN * (size // len(PLAIN)) + f" the key is {KEY}"
    found = (await scanned(scanner, body(text))).found
    assert (found.level, found.tags, dict(found.kinds)) == ("restricted", {"secret"}, {"secret": 1})
    assert scanner.told == []


async def test_only_what_is_small_or_clean_is_looked_at_here(scanner):
    assert not inspect.isawaitable(scan(scanner, body(PLAIN)))
    assert not inspect.isawaitable(scan(scanner, body(KEY)))
    assert not inspect.isawaitable(scan(scanner, body(PLAIN * 10_000)))
    for text in (PLAIN * 10_000 + KEY, PLAIN * 50_000):
        elsewhere = scan(scanner, body(text))
        assert inspect.isawaitable(elsewhere)
        await elsewhere


async def test_a_large_body_does_not_stop_the_loop(scanner):
    text = "".join(f"line {number}: call +44 20 7946 {number % 10000:04d}\n" for number in range(60_000))
    data = body(text)
    await scanned(scanner, body(PLAIN * 50_000))  # the process is there
    longest, before = 0.0, time.perf_counter()
    task = asyncio.create_task(scanned(scanner, data))
    while not task.done():
        await asyncio.sleep(0.001)
        longest, before = max(longest, time.perf_counter() - before), time.perf_counter()
    begun = time.perf_counter()
    scanner._look(POLICY).scanner.scan(msgspec.json.decode(data))
    assert longest < (time.perf_counter() - begun) / 2


async def test_what_was_scanned_elsewhere_is_redacted_there(scanner):
    data = body(PLAIN * 5_000 + KEY)
    found = await scanned(scanner, data)
    taken = await redacted(found, parse(data), "secret")
    assert KEY not in taken.chat.view.messages[0].content
    assert taken.taken == {"[SECRET_1]": KEY}
    assert taken.found.tags == frozenset()


@pytest.mark.parametrize("size", [0, 3_000_000], ids=["here", "elsewhere"])
@pytest.mark.parametrize(
    "odd", ['"x":{"a":1,"a":2}', r'"x":"\ud800"', '"x":' + "[" * 5000 + "]" * 5000], ids=["twice", "half", "deep"]
)
async def test_what_cannot_be_read_in_one_way_is_refused_wherever_it_is_looked_at(scanner, size, odd):
    text = PLAIN * (size // len(PLAIN))
    data = b'{"model":"auto","messages":[{"role":"user","content":"%b"}],%b}' % (text.encode(), odd.encode())
    with pytest.raises(Refused) as refused:
        await scanned(scanner, data)
    assert refused.value.refusal is Refusal.INVALID_JSON


async def test_a_scanner_that_breaks_knows_nothing_and_tells(scanner, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("with prompt text in it")

    monkeypatch.setattr(type(scanner._look(POLICY).scanner), "concerns", broken)
    found = (await scanned(scanner, body("hi"))).found
    assert (found.known, scanner.told) == (False, ["ZeroDivisionError"])


async def test_a_process_that_dies_or_hangs_knows_nothing_and_tells(scanner):
    large = body(PLAIN * 50_000)
    await scanned(scanner, large)
    worker = scanner._large._worker
    worker._most_seconds = 0.2
    outline = await scanner.outlined("chat", large, 0)
    os.kill(worker._idle.pid, signal.SIGSTOP)
    assert not (await scanner.scan(POLICY, "t", outline, large)).found.known
    assert len(scanner.told) == 1
    worker._most_seconds = 60
    assert (await scanned(scanner, large)).found.known  # the next one is asked anew, terms and all


async def test_each_policy_is_looked_at_by_its_own_terms(scanner):
    calm = Snapshot([])
    calm.sensitivity = msgspec.structs.replace(
        BUILT_IN, kinds=tuple(kind for kind in BUILT_IN.kinds if kind.name != "email"), digest="calm"
    )
    for text in ("bob@example.org", PLAIN * 50_000 + "bob@example.org"):
        for policy, kinds in ((POLICY, 1), (calm, 0), (POLICY, 1)):
            found = await scanned(scanner, body(text), policy=policy)
            assert len(found.found.kinds) == kinds


def answer(text: str) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}).encode()


async def test_a_buffered_answer_is_watched_and_given_back_what_was_taken(scanner):
    found = await scanned(scanner, body("hi"))
    secret, none = frozenset({"secret"}), frozenset()
    assert found.read(answer("fine"), secret, {}) == answer("fine")
    assert found.read(answer(KEY), secret, {}).kind is FailureKind.BLOCKED
    assert found.read(answer(KEY), none, {}) == answer(KEY)
    assert json.loads(found.read(answer("[SECRET_1]"), secret, {"[SECRET_1]": KEY})) == json.loads(answer(KEY))
