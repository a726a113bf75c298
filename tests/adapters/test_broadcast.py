"""What replicas tell each other on a real Valkey server: it arrives, is kept for those who come later, and survives."""

import asyncio
import os
import signal
import time

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from support import stores
from support.doubles import backend

from gateway.adapters import broadcast
from gateway.adapters.broadcast import Broadcast, unwrapped, wrapped
from gateway.adapters.conversations import Conversations
from gateway.adapters.lanes import Lanes
from gateway.adapters.valkey import ANSWER_SECONDS
from gateway.core.errors import Failed, FailureKind
from gateway.core.lane import FREE, PAUSED, Passage

KEY = b"k" * 32
LABELS = "{gw}:told:labels"
DOWN = Failed(FailureKind.UNREACHABLE, 502, {})


class Notes:
    """A topic that takes every text but `bad`."""

    topic, kept = "notes", 500

    def __init__(self) -> None:
        self.known: list[bytes] = []
        self.heard_of: list[tuple[bytes, float]] = []

    def say(self, *news: bytes) -> None:
        self.known += news
        for each in news:
            self.tell(each)

    def heard(self, by: bytes, news: bytes, age: float) -> bool:
        assert len(by) == 8
        if news == b"bad":
            return False
        self.heard_of.append((news, age))
        self.known.append(news)
        return True

    def everything(self) -> list[bytes]:
        return list(dict.fromkeys(self.known))


class Replica:
    def __init__(self, url: str, key: bytes = KEY) -> None:
        self.events: list[str] = []
        self.notes = Notes()
        self.labels = Conversations()
        self.labels.share(KEY)
        self.lanes = Lanes(lambda *_: None)
        self.lanes.retain({"a", "b"})
        self.broadcast = Broadcast(
            url, key, (self.notes, self.labels, self.lanes), lambda event, **_: self.events.append(event)
        )

    def label(self, *turns: bytes) -> str | None:
        return self.labels.label_of(self.labels.prefixes("t", turns))

    def raise_to(self, label: str, *turns: bytes) -> None:
        self.labels.remember(self.labels.prefixes("t", turns), label)

    def rank(self, backend: str) -> int:
        return self.lanes.rank(backend, time.perf_counter())


async def until(reached, seconds=10.0):
    async with asyncio.timeout(seconds):
        while not reached():  # noqa: ASYNC110  a test looks
            await asyncio.sleep(0.002)


@pytest.fixture
def server():
    with stores.valkey() as running:
        yield running


@pytest.fixture
async def replica(server, monkeypatch):
    """Makes replicas of one gateway."""
    monkeypatch.setattr(broadcast, "RETRY_SECONDS", 0.1)
    made = []

    async def make(**more):
        found = Replica(stores.url_of(server), **more)
        made.append(found)
        await found.broadcast.start()
        return found

    yield make
    for each in made:
        await each.broadcast.close()


def restart(server):
    """The same address, another process, and nothing in it."""
    port = server.port
    server.terminate()
    server._desired_port = port
    server.start()


def client(server) -> redis.Redis:
    return server.client()


async def test_replicas_hear_each_other_and_not_themselves(replica):
    one, other = await replica(), await replica()
    one.notes.say(b"1", b"2")
    await until(lambda: len(other.notes.heard_of) == 2)
    other.notes.say(b"3")
    await until(lambda: one.notes.heard_of)
    assert [news for news, _ in other.notes.heard_of] == [b"1", b"2"]
    assert [news for news, _ in one.notes.heard_of] == [b"3"]
    assert one.events == other.events == []


async def test_who_comes_later_knows_what_was_told_once_it_has_started(replica):
    first = await replica()
    for number in range(600):
        first.raise_to("restricted", b"%d" % number)
    heard = await replica()
    await until(lambda: heard.label(b"599") == "restricted")
    late = await replica()
    assert [late.label(b"%d" % number) for number in (0, 300, 599)] == ["restricted"] * 3
    assert late.label(b"600") is None


async def test_a_label_that_is_told_is_joined(replica):
    one, other = await replica(), await replica()
    one.raise_to("restricted", b"a")
    other.raise_to("internal", b"a")
    other.raise_to("confidential", b"b")
    await until(lambda: one.label(b"b") and other.label(b"a") == "restricted")
    assert one.label(b"a") == "restricted"


async def test_the_server_keeps_the_last_news_of_a_topic(replica, server):
    one = await replica()
    for start in range(0, 2_000, 500):
        one.notes.say(*[b"%d" % number for number in range(start, start + 500)])
        await until(lambda: not one.broadcast._queue)
    await until(lambda: client(server).xlen("{gw}:told:notes") < 700)


@pytest.mark.assures("fault 10")
@pytest.mark.parametrize("how", ["flushed", "restarted", "written over"])
async def test_a_server_that_lost_what_it_had_is_told_again(replica, server, how):
    one, other = await replica(), await replica()
    one.raise_to("restricted", b"a")
    other.raise_to("confidential", b"b")
    await until(lambda: one.label(b"b") and other.label(b"a"))
    if how == "flushed":
        client(server).flushall()
    elif how == "restarted":
        await asyncio.to_thread(restart, server)
    else:
        client(server).delete(LABELS)
        client(server).set(LABELS, "mine")
    await until(lambda: client(server).type(LABELS) == b"stream" and client(server).xlen(LABELS) >= 2)
    late = await replica()
    assert (late.label(b"a"), late.label(b"b")) == ("restricted", "confidential")
    one.raise_to("restricted", b"c")
    await until(lambda: other.label(b"c") and late.label(b"c"))
    for each in (one, other):
        assert each.events == ([] if how == "flushed" else ["broadcast_down", "broadcast_up"][: len(each.events)])


@pytest.mark.assures("fault 10")
async def test_while_the_server_hangs_each_goes_on_alone_and_tells_its_own_later(replica, server):
    one, other = await replica(), await replica()
    os.kill(server._process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        one.notes.say(b"1")
        one.raise_to("restricted", b"a")
        assert time.monotonic() - began < ANSWER_SECONDS / 2
        await until(lambda: one.events == other.events == ["broadcast_down"])
        one.notes.say(b"2")
    finally:
        os.kill(server._process.pid, signal.SIGCONT)
    await until(lambda: len({news for news, _ in other.notes.heard_of}) == 2 and other.label(b"a"))
    await until(lambda: one.events == other.events == ["broadcast_down", "broadcast_up"])
    assert max(age for _, age in other.notes.heard_of) > 0.3


@pytest.mark.assures("fault 10")
async def test_nobody_there_is_no_reason_to_wait():
    alone = Replica("valkey://127.0.0.1:1")
    began = time.monotonic()
    await alone.broadcast.start()
    assert time.monotonic() - began < 1.5
    assert alone.events == ["broadcast_down"]
    alone.raise_to("restricted", b"a")
    assert alone.label(b"a", b"b") == "restricted"
    await alone.broadcast.close()


async def test_more_news_than_can_wait_are_told_all_the_same(replica, monkeypatch):
    monkeypatch.setattr(broadcast, "MOST_QUEUED", 50)
    one, other = await replica(), await replica()
    one.notes.say(*[b"%d" % number for number in range(300)])
    assert len(one.broadcast._queue) <= 50
    await until(lambda: len({news for news, _ in other.notes.heard_of}) == 300)


async def test_what_is_not_ours_is_ignored_and_told_once(replica, server):
    one, stranger = await replica(), await replica(key=b"another")
    stranger.raise_to("restricted", b"a")
    stranger.notes.say(b"x")
    writer = client(server)
    for fields in ({"f": "v"}, {b"12345678": b"x" * 5_000}, {"f": "v", "g": "w"}, {b"12345678": b""}):
        writer.xadd("{gw}:told:notes", fields)
    one.notes.tell(b"still")
    await until(lambda: one.broadcast.ignored == 6 and stranger.broadcast.ignored == 5)
    assert one.label(b"a") is None
    assert one.notes.heard_of == stranger.notes.heard_of == []
    assert sorted(set(one.events)) == ["broadcast_ignored"]
    assert len(one.events) == 2  # one for each topic


async def test_an_entry_that_leaves_no_number_for_others_silences_nobody(replica, server):
    one, other = await replica(), await replica()
    one.raise_to("restricted", b"a")
    await until(lambda: other.label(b"a"))
    client(server).xadd(LABELS, {b"12345678": b"x"}, id=f"{2**64 - 1}-{2**64 - 1}")
    one.raise_to("restricted", b"b")
    await until(lambda: other.label(b"b"))
    late = await replica()
    assert (late.label(b"a"), late.label(b"b")) == ("restricted", "restricted")


async def test_what_a_topic_cannot_read_is_ignored(replica):
    one, other = await replica(), await replica()
    one.notes.tell(b"bad")
    one.notes.tell(b"good")
    await until(lambda: other.notes.heard_of)
    assert (other.broadcast.ignored, other.events) == (1, ["broadcast_ignored"])


async def test_a_backend_that_fails_on_one_is_asked_last_on_the_other(replica):
    one, other = await replica(), await replica()
    now = time.perf_counter
    for _ in range(5):
        one.lanes.enter(backend("a"), 1, 60, now()).end(DOWN, now())
    await until(lambda: other.rank("a") == PAUSED)
    assert other.rank("b") == FREE
    assert isinstance(other.lanes.enter(backend("a"), 1, 60, now()), Passage)
    assert other.lanes.forget("a")
    await until(lambda: one.lanes.states()[0].closed)
    assert other.rank("a") == FREE


async def test_what_was_told_is_sent_before_it_ends(replica, server):
    one = await replica()
    one.notes.say(b"1")
    await one.broadcast.close()
    assert client(server).xlen("{gw}:told:notes") == 1


names, texts = st.binary(min_size=8, max_size=8), st.binary(max_size=900)


@given(names, texts, st.floats(0, 1e6))
def test_an_entry_says_what_was_wrapped(by, news, age):
    said, waited = unwrapped(KEY, "notes", by, wrapped(KEY, "notes", by, news, age))
    assert said == news
    assert abs(waited - age) <= 0.0011


@given(st.binary(max_size=16), st.binary(max_size=2_000))
def test_nothing_that_somebody_else_wrote_is_taken(by, entry):
    assert unwrapped(KEY, "notes", by, entry) is None


@given(names, texts, st.data())
def test_an_entry_with_a_byte_changed_is_nobodys(by, news, data):
    entry = bytearray(wrapped(KEY, "notes", by, news, 0.0))
    entry[data.draw(st.integers(0, len(entry) - 1))] ^= data.draw(st.integers(1, 255))
    assert unwrapped(KEY, "notes", by, bytes(entry)) is None


@given(names, texts)
def test_an_entry_is_of_one_topic_one_replica_and_one_gateway(by, news):
    entry = wrapped(KEY, "notes", by, news, 0.0)
    assert unwrapped(KEY, "labels", by, entry) is None
    assert unwrapped(b"another", "notes", by, entry) is None
    assert unwrapped(KEY, "notes", bytes(8) if any(by) else b"12345678", entry) is None
