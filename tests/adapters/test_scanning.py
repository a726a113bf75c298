"""The scanner at work: here for small bodies, in a process of its own for large ones, with one result."""

import asyncio
import gc
import inspect
import json
import os
import signal
import time

import msgspec
import pytest
from support.crossing import ALL_PAIRS, KINDS, SPOKEN, body_of, wire_of
from support.doubles import Snapshot, backend

from gateway.adapters import scanning
from gateway.adapters.desk import KEPT_BODIES, Look
from gateway.adapters.memory import Memory
from gateway.adapters.scanning import EXAMINED_CHARS, Scanning
from gateway.core.chat import parse
from gateway.core.decision import Obligation
from gateway.core.errors import FINAL, FailureKind, Refusal, Refused
from gateway.core.outline import LARGE_BYTES
from gateway.core.terms import BUILT_IN
from gateway.ports import Sent
from gateway.providers import DIALECTS
from gateway.routing.spoken import spoken
from gateway.surfaces import SURFACES

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
KEY = "ghp_" + "q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i"
PLAIN = "The quick brown fox jumps over the lazy dog. "
POLICY = Snapshot([])
CLAUDE = msgspec.structs.replace(backend("c"), provider="anthropic", model="claude-opus-4-5")
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


@pytest.mark.alone
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


# What is remembered.


def turn(number: int) -> list[dict]:
    text = f"call +44 20 7946 {number:04d} or bob{number}@example.org, {PLAIN * 8}"
    return [{"role": "user", "content": text}, {"role": "assistant", "content": f"done with {number}. {PLAIN * 4}"}]


def conversation(turns: int, more: str = "") -> bytes:
    messages = [message for number in range(turns) for message in turn(number)]
    return json.dumps({"model": "auto", "messages": [*messages, {"role": "user", "content": "go on " + more}]}).encode()


@pytest.mark.assures("fault 21")
async def test_a_conversation_that_comes_again_is_examined_here_and_only_what_is_new(scanner, look, showed):
    texts = []
    examine = look.scanner._examine
    look.scanner._examine = lambda text, *how: texts.append(text) or examine(text, *how)
    try:
        for turns in range(1, 13):
            found = scan(scanner, conversation(turns, KEY))
            assert not inspect.isawaitable(found)
            assert dict(found.found.kinds) == {"phone": turns, "email": turns, "secret": 1}
    finally:
        del look.scanner._examine
    long = [text for text in texts if PLAIN in text and "\n\n" not in text]
    assert len(long) == len(set(long)) == 24
    showed("a conversation of 12 turns", "each text examined once, the same findings")


async def test_what_was_examined_elsewhere_is_known_here_the_next_time(scanner):
    data = conversation(15)
    assert len(data) > EXAMINED_CHARS * 2
    elsewhere = scan(scanner, data)
    assert inspect.isawaitable(elsewhere)
    first = await elsewhere
    again = scan(scanner, conversation(15, KEY))
    assert not inspect.isawaitable(again)
    assert {**dict(first.found.kinds), "secret": 1} == dict(again.found.kinds)


async def test_what_one_team_sent_is_new_when_another_sends_it(scanner):
    data = conversation(15)
    await scan(scanner, data, team="a")
    assert not inspect.isawaitable(scan(scanner, data, team="a"))
    elsewhere = scan(scanner, data, team="b")
    assert inspect.isawaitable(elsewhere)
    await elsewhere


async def test_a_scan_that_failed_teaches_nothing(scanner):
    data = conversation(15)
    scanner._middling._worker._most_seconds = 0.0
    assert not (await scanned(scanner, data)).found.known
    scanner._middling._worker._most_seconds = 60
    elsewhere = scan(scanner, data)
    assert inspect.isawaitable(elsewhere)
    assert (await elsewhere).found.known


# What is large.


@pytest.mark.parametrize("turns", [1, 6, 40], ids=["small", "middling", "many"])
async def test_a_redacted_request_is_the_same_wherever_it_was_made(scanner, look, turns, monkeypatch):
    data = conversation(turns, KEY)
    there = await redacted(await scanned(scanner, data), parse(data), "secret", "pii")
    monkeypatch.setattr(scanning, "REDACTED_BYTES", 10**9)
    here = (await scanned(scanner, data)).redacted(parse(data), frozenset({"secret", "pii"}))
    assert there.chat.with_fields({}) == here.chat.with_fields({})
    assert (there.taken, there.found) == (here.taken, here.found)
    assert here.found.tags == frozenset()


async def ticking(longest: list[float]) -> None:
    """Measures how long the loop's own thread is at work without a break: waiting for the processor does not count."""
    before = time.thread_time()
    while True:
        await asyncio.sleep(0)
        now = time.thread_time()
        longest[0], before = max(longest[0], now - before), now


def turn_of(data: bytes) -> float:
    """The longest turn (seconds of the loop's thread) that a body may take: 20 ms, or what reading it once would take
    where this machine is too slow for that."""
    before = time.thread_time()
    json.loads(data)
    return max(0.02, time.thread_time() - before)


LARGE = [(surface, 32_000_000, False) for surface in ("chat", "messages", "responses")]
REDACTED = [(surface, 2_000_000, True) for surface in ("chat", "messages", "responses")]
CASES = [*LARGE, *REDACTED] if FULL else [LARGE[1], REDACTED[1]]


@pytest.mark.assures("fault 21")
@pytest.mark.parametrize(("surface", "size", "secret"), CASES)
async def test_the_loop_goes_on_while_a_large_request_is_read_scanned_redacted_and_encoded(
    scanner, surface, size, secret, showed
):
    text = (f"the key is {KEY} now. " if secret else "") + PLAIN * (size // len(PLAIN))
    data = json.dumps(body_of(surface, "m", text)).encode()
    do = (Obligation("redact", tags=("secret",)),) if secret else ()
    await scanner.outlined("chat", body(PLAIN * 30_000), 0)  # the process is there
    gc.collect()
    gc.freeze()  # as the server does: what other tests left is not looked through again
    longest, most = [0.0], turn_of(data)
    await asyncio.sleep(0)
    beside = asyncio.create_task(ticking(longest))
    rounds = []
    for _ in range(3):
        longest[0] = 0.0
        outline = await scanner.outlined(surface, data, 0)
        found = await scanner.scan(POLICY, "t", outline, data)
        if secret:
            taken = await found.redacted(outline, frozenset({"secret"}))
            outline = taken.chat
        assert await found.lacking(outline, [(CLAUDE, do)]) == ("",)
        sent = await found.encoded(outline, do, CLAUDE)
        rounds.append(longest[0])
        if rounds[-1] < most:
            break
    gc.unfreeze()
    beside.cancel()
    if secret:
        assert found.found.tags == {"secret"}
        assert taken.taken == {"[SECRET_1]": KEY}
        assert b"the key is [SECRET_1] now." in sent.body
        assert KEY.encode() not in sent.body
    assert len(sent.body) > size * 0.99
    assert scanner.told == []
    assert min(rounds) < most, rounds
    showed(
        f"{size / 1e6:.0f} MB of {surface} {'redacted and ' if secret else ''}translated",
        f"never {most * 1e3:.0f} ms of the loop's thread at once",
    )


ANSWERS = (
    [(*pair, 32_000_000) for pair in ALL_PAIRS]
    if FULL
    else [("chat", "chat", 32_000_000), ("messages", "gemini", 8_000_000), ("chat", "claude", 8_000_000)]
)


@pytest.mark.assures("fault 21")
@pytest.mark.parametrize(("surface", "kind", "size"), ANSWERS)
async def test_the_loop_goes_on_while_a_large_answer_is_read_scanned_restored_and_said_anew(
    scanner, surface, kind, size, showed
):
    data = json.dumps(body_of(surface, "m")).encode()
    chat = SURFACES[surface].parse(data, 1)
    asked = msgspec.structs.replace(CLAUDE, provider=KINDS[kind]["provider"], model=KINDS[kind].get("model", "m"))
    do = (Obligation("scan_answer", tags=("secret",)),)
    dialect = spoken(chat, do, asked, DIALECTS)
    read_as = SURFACES[surface] if dialect.takes != surface else None
    sent = Sent(chat, asked, do, dialect, read_as, frozenset({"secret"}), {"[EMAIL_1]": "bob@example.org"})
    text = "write to [EMAIL_1]: " + PLAIN * (size // len(PLAIN))
    raw = json.dumps(SPOKEN[wire_of(kind, surface)](False, text, {})[0]).encode()
    found = scan(scanner, data)
    await found.read(json.dumps(SPOKEN["chat"](False, PLAIN * 30_000, {})[0]).encode(), sent)  # the process is there
    gc.collect()
    gc.freeze()
    longest, most, rounds = [0.0], turn_of(raw), []
    beside = asyncio.create_task(ticking(longest))
    for _ in range(3):
        await asyncio.sleep(0)
        longest[0] = 0.0
        told = await found.read(raw, sent)
        rounds.append(longest[0])
        if rounds[-1] < most:
            break
    gc.unfreeze()
    beside.cancel()
    assert told.failed is None
    assert b"write to bob@example.org" in told.body
    assert len(told.body) > size * 0.99
    assert scanner.told == []
    assert min(rounds) < most, rounds
    showed(
        f"{size / 1e6:.0f} MB of an answer, {surface} of {kind}",
        f"never {most * 1e3:.0f} ms of the loop's thread at once",
    )


async def test_where_the_process_for_large_answers_fails_nothing_is_said(scanner):
    data = json.dumps(body_of("chat", "m")).encode()
    chat = parse(data)
    sent = Sent(chat, CLAUDE, (), DIALECTS["openai"]["chat"], None, frozenset(), {})
    scanner._answers._worker._most_seconds = 0.0
    with pytest.raises(Refused) as refused:
        await scan(scanner, data).read(json.dumps(SPOKEN["chat"](False, PLAIN * 30_000, {})[0]).encode(), sent)
    assert (refused.value.refusal, refused.value.retry_after) == (Refusal.INTERNAL, 2)
    assert refused.value.headers == FINAL  # it is paid
    assert len(scanner.told) == 1


async def test_where_the_process_for_large_requests_fails_nothing_is_sent(scanner):
    data = body(PLAIN * 30_000)
    outline = await scanner.outlined("chat", data, 0)
    found = await scanner.scan(POLICY, "t", outline, data)
    scanner._large._worker._most_seconds = 0.0
    with pytest.raises(Refused) as refused:
        await found.encoded(outline, (), CLAUDE)
    assert refused.value.refusal is Refusal.INTERNAL
    with pytest.raises(Refused) as refused:
        await scanner.outlined("chat", data, 0)
    assert refused.value.refusal is Refusal.INTERNAL
    assert await found.redacted(outline, frozenset({"secret"})) is None
    with pytest.raises(Refused) as refused:
        await found.lacking(outline, [(CLAUDE, ())])
    assert (refused.value.refusal, refused.value.retry_after) == (Refusal.INTERNAL, 2)
    assert len(scanner.told) == 4


async def test_a_body_that_the_process_has_lost_is_sent_again(scanner):
    data = body(PLAIN * 30_000)
    outline = await scanner.outlined("chat", data, 0)
    found = await scanner.scan(POLICY, "t", outline, data)
    sent = await found.encoded(outline, (), CLAUDE)
    os.kill(scanner._large._worker._idle.pid, signal.SIGKILL)
    assert await found.encoded(outline, (), CLAUDE) == sent
    for _ in range(KEPT_BODIES):
        await scanner.outlined("chat", data, 0)
    assert await found.encoded(outline, (), CLAUDE) == sent


async def test_too_many_at_once_are_told_to_come_again(scanner):
    data = body(PLAIN * 30_000)
    scanner._large._worker._most_waiting = 2
    asked = [asyncio.create_task(scanner.outlined("chat", data, 0)) for _ in range(3)]
    told = await asyncio.gather(*asked, return_exceptions=True)
    [refused] = [each for each in told if isinstance(each, Refused)]
    assert (refused.refusal.status, refused.retry_after) == (503, 2)


@pytest.mark.parametrize("size", [30_000, 300], ids=["large", "middling"])
async def test_one_team_leaves_room_for_others_at_every_step(scanner, size):
    data = body(PLAIN * size + KEY)
    large = size == 30_000
    process = scanner._large if large else scanner._middling
    process._worker._most_waiting = 2

    async def step(name: str, team: str):
        chat = outline if large else parse(data)
        if name == "outlined":
            return await scanner.outlined("chat", data, 0, team)
        if name == "scan":
            return await scanner.scan(POLICY, team, chat, data)
        found = scanned[team]
        if name == "redacted":
            return await found.redacted(chat, frozenset({"secret"}))
        return await (found.lacking(chat, [(CLAUDE, ())]) if name == "lacking" else found.encoded(chat, (), CLAUDE))

    outline = await scanner.outlined("chat", data, 0, "a") if large else None
    scanned = {team: await scanner.scan(POLICY, team, outline or parse(data), data) for team in ("a", "b")}
    scanner._memory = Memory()
    for name in ("outlined", "scan", "redacted", "lacking", "encoded") if large else ("scan", "redacted"):
        asked = [asyncio.create_task(step(name, team)) for team in ("a", "a", "b")]
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert [isinstance(each, Refused) for each in told] == [False, True, False], name
        assert told[1].refusal is Refusal.SHEDDING
        scanner._memory = Memory()


@pytest.mark.assures("threat D2")
async def test_a_large_body_waits_for_one_of_each_other_team(scanner):
    data, done = body(PLAIN * 30_000), []

    async def outlined(team: str):
        await scanner.outlined("chat", data, 0, team)
        done.append(team)

    await asyncio.gather(*(outlined(team) for team in ("a", "a", "a", "a", "b", "b")))
    assert done.index("b") <= 2


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
    sent = Sent(EMPTY, backend("a"), (), DIALECTS["openai"]["chat"], None, frozenset(), {})
    watched = msgspec.structs.replace(sent, watched=frozenset({"secret"}))
    restored = msgspec.structs.replace(watched, taken={"[SECRET_1]": KEY})
    assert found.read(answer("fine"), watched).body == answer("fine")
    blocked = found.read(answer(KEY), watched)
    assert (blocked.failed.kind, blocked.body) == (FailureKind.BLOCKED, b"")
    assert found.read(answer(KEY), sent).body == answer(KEY)
    assert json.loads(found.read(answer("[SECRET_1]"), restored).body) == json.loads(answer(KEY))
