"""What replicas tell each other through Valkey, beside all requests: nobody who serves one waits for it.

A topic is one kind of news. Its last news are kept in a stream of the server, so a replica that starts later, or was
cut off, reads what it missed. What is told must bear to be heard twice. One connection waits for news, another one
sends them. While the server is away each replica goes on alone, and tells its own when it is back. A server that lost
what it had is told everything again.

Everybody who may write to the server could write here, too. So each entry has a code that only replicas with the same
key can make; one without it is ignored.
"""

import asyncio
import contextlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Any, Protocol

from gateway.adapters.valkey import Command, Down, Valkey, is_spoiled

MOST_QUEUED = 10_000
"""News that wait for the server. Beyond that they are dropped, and everything is told again."""
MOST_BYTES = 1024
"""Of one entry."""
RETRY_SECONDS = 1.0
START_SECONDS = 5.0
_PATIENCE_SECONDS = 2.0
"""How long an answer may take: nobody who serves a request waits for it."""
_AT_ONCE = 256
_WAIT_SECONDS = 1.0
"""How long the server holds a question for news back. A server that was emptied is noticed within this time."""
_GATHER_SECONDS = 0.005
"""How long news are gathered, so that many travel in one round trip."""
_CODE_BYTES, _AGE_BYTES, _NAME_BYTES = 16, 4, 8
_LIFE = "{gw}:told:life"
"""Who began to keep news on this server, by chance: another value says that it lost what it had."""


class Topic(Protocol):
    """One kind of news. `kept` is how many of the last ones the server keeps, about. `tell` is set to what sends one:
    it never waits."""

    topic: str
    kept: int
    tell: Callable[[bytes], None]

    def heard(self, by: bytes, news: bytes, age: float) -> bool:
        """A replica told something, seconds ago. False: nobody can read that."""

    def everything(self) -> Iterable[bytes]:
        """All that this replica knows and others should."""


def wrapped(key: bytes, topic: str, by: bytes, news: bytes, age: float) -> bytes:
    """News as an entry: a code, for how many seconds they had waited, and themselves."""
    rest: bytes = min(int(age * 1000), 2 ** (8 * _AGE_BYTES) - 1).to_bytes(_AGE_BYTES, "big") + news
    return _code(key, topic, by, rest) + rest


def unwrapped(key: bytes, topic: str, by: bytes, entry: bytes) -> tuple[bytes, float] | None:
    """What an entry says, and for how many seconds it had waited; None: it is not one of ours."""
    if not _CODE_BYTES + _AGE_BYTES <= len(entry) <= MOST_BYTES or len(by) != _NAME_BYTES:
        return None
    code, rest = entry[:_CODE_BYTES], entry[_CODE_BYTES:]
    if not hmac.compare_digest(code, _code(key, topic, by, rest)):
        return None
    return rest[_AGE_BYTES:], int.from_bytes(rest[:_AGE_BYTES], "big") / 1000


def _code(key: bytes, topic: str, by: bytes, rest: bytes) -> bytes:
    code: bytes = blake2b(by + rest, key=key, person=topic.encode(), digest_size=_CODE_BYTES).digest()
    return code


class Broadcast:
    """Tells and hears. `key` (at most 64 bytes) is the same in all replicas. `tell` is told what an operator should
    know, by name: when news no longer travel and when they do again, and once of each topic that some are not ours."""

    def __init__(self, url: str, key: bytes, topics: Sequence[Topic], tell: Callable[..., None]) -> None:
        self._server = Valkey(url)
        self._key = key
        self._topics = {f"{{gw}}:told:{each.topic}": each for each in topics}
        self._tell = tell
        self._name = secrets.token_bytes(_NAME_BYTES)
        self._last = dict.fromkeys(self._topics, b"0-0")  # entries that were read
        self._queue: deque[tuple[str, bytes, float]] = deque()  # by key, and since when
        self._life = ""  # that what was read and told belongs to; "": all is to be read and told anew
        self._up = self._down = False  # neither: nobody knows yet
        self._tried = asyncio.Event()
        self._ignored: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._draining = asyncio.Lock()  # the later of two hints is told later
        for stream, each in self._topics.items():
            each.tell = partial(self._publish, stream)

    @property
    def ignored(self) -> int:
        """Entries that were not ours, or that nobody could read."""
        return sum(self._ignored.values())

    async def start(self) -> None:
        """Begins, and has heard what is there when it returns, if the server answers in time."""
        self._task = asyncio.create_task(self._keep())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._tried.wait()

    async def close(self) -> None:
        """Ends, once what was told is on the server, if it answers."""
        if self._task is None:
            return
        if self._up:
            with contextlib.suppress(Down):
                await self._drain()
        for task in (self._task, self._sending):
            while task is not None and not task.done():  # Python 3.11 may lose an interruption
                task.cancel()
                await asyncio.wait({task}, timeout=RETRY_SECONDS)
        await self._server.disconnect()

    def _publish(self, stream: str, news: bytes) -> None:
        if len(self._queue) >= MOST_QUEUED:
            self._queue.clear()
            self._life = ""
        self._queue.append((stream, news, time.monotonic()))
        if self._up and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send())

    async def _keep(self) -> None:
        """The task: hears, and sees to it that everything is told."""
        while True:
            try:
                if not self._life:
                    await self._begin()
                if not self._up:
                    await self._hear(0.0)
                    await self._drain()
                    self._rose()
                if await self._hear(_WAIT_SECONDS):
                    await asyncio.sleep(_GATHER_SECONDS)
            except Down as down:
                await self._fell(str(down))
                await asyncio.sleep(RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001  whatever it is, the next look tries again
                await self._fell(f"{type(error).__name__}: {error}")
                await asyncio.sleep(RETRY_SECONDS)

    def _rose(self) -> None:
        if self._down:
            self._tell("broadcast_up")
        self._up, self._down = bool(self._life), False  # empty: everything is to be told first
        self._tried.set()

    async def _fell(self, why: str) -> None:
        if not self._down:
            self._tell("broadcast_down", error=why)
        self._up, self._down = False, True
        self._tried.set()
        await self._server.disconnect()
        self._server.forget()

    async def _begin(self) -> None:
        """Reads all that is there, and tells what is known here and not there."""
        self._up = False
        *_, life = await self._ask([("SET", _LIFE, secrets.token_hex(_NAME_BYTES), "NX"), ("GET", _LIFE)])
        self._life = self._of(life)
        self._last = dict.fromkeys(self._topics, b"0-0")
        there: set[tuple[str, bytes]] = set()
        try:
            while await self._hear(0.0, there):
                pass
            for stream, topic in self._topics.items():
                known = iter(topic.everything())
                while part := list(islice(known, _AT_ONCE)):
                    await self._say([(stream, news, time.monotonic()) for news in part if (stream, news) not in there])
        except BaseException:
            self._life = ""
            raise

    def _of(self, life: bytes) -> str:
        return f"{self._server.run_id} {life.decode(errors='replace')}"

    async def _hear(self, wait: float, there: set[tuple[str, bytes]] | None = None) -> bool:
        """Takes what was told since. Returns whether there was anything. `there` gets what was."""
        hold: Command = ("BLOCK", int(wait * 1000)) if wait else ()
        read: Command = ("XREAD", "COUNT", _AT_ONCE, *hold, "STREAMS", *self._last, *self._last.values())
        found, now, life = await self._ask([read, ("TIME",), ("GET", _LIFE)], wait)
        if life is None or self._of(life) != self._life:
            self._life = ""
        moment = int(now[0]) * 1000 + int(now[1]) // 1000
        for stream, entries in found or ():
            name = stream.decode()
            for id, fields in entries:
                self._last[name] = id
                if fields[0] != self._name or there is not None:
                    self._take(name, fields, max(0, moment - int(id.partition(b"-")[0])) / 1000, there)
        return bool(found)

    def _take(self, stream: str, fields: list[bytes], age: float, there: set[tuple[str, bytes]] | None) -> None:
        topic = self._topics[stream]
        by, entry = fields[:2]
        said = unwrapped(self._key, topic.topic, by, entry) if len(fields) == 2 else None
        if said is None or not (by == self._name or topic.heard(by, said[0], said[1] + age)):
            self._ignored[stream] = count = self._ignored.get(stream, 0) + 1
            if count == 1:
                self._tell("broadcast_ignored", topic=topic.topic)
        elif there is not None:
            there.add((stream, said[0]))

    async def _send(self) -> None:
        await asyncio.sleep(_GATHER_SECONDS)
        try:
            await self._drain()
        except Down as down:
            await self._fell(str(down))

    async def _drain(self) -> None:
        async with self._draining:
            while self._queue:
                part = [self._queue.popleft() for _ in range(min(_AT_ONCE, len(self._queue)))]
                try:
                    await self._say(part)
                except BaseException:
                    self._queue.extendleft(reversed(part))
                    raise

    async def _say(self, part: Sequence[tuple[str, bytes, float]]) -> None:
        await asyncio.sleep(0)  # requests come first, also where there is much to look through
        now = time.monotonic()
        if part:
            await self._ask([self._adding(stream, news, now - since) for stream, news, since in part])

    def _adding(self, stream: str, news: bytes, age: float) -> Command:
        topic = self._topics[stream]
        entry = wrapped(self._key, topic.topic, self._name, news, age)
        return "XADD", stream, "MAXLEN", "~", topic.kept, "*", self._name, entry

    async def _ask(self, commands: Sequence[Command], wait: float = 0.0) -> list[Any]:
        answers = await self._server.ask(commands, wait + _PATIENCE_SECONDS)
        if any(is_spoiled(answer) for answer in answers):
            self._life = ""
            await self._server.ask([("DEL", _LIFE, *self._topics)])
            raise Down("somebody else wrote to keys of ours, which are made anew")
        for answer in answers:
            if isinstance(answer, Exception):
                raise Down(f"{type(answer).__name__}: {answer}")
        return answers
