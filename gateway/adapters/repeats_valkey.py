"""What replicas know together, on Valkey, of requests that came with an idempotency key.

Only such a request pays for it: one round trip before it is served. That it has ended is told beside requests. While
the server is away nobody can say whether another replica serves it, so it is not served.

Of each caller there is a hash, of names with what took them, and a set that orders names by when that was. Who serves a
request holds its name for a minute, and again before that is over: a replica that died holds none for longer.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any

from redis.exceptions import ResponseError

from gateway.adapters.valkey import Call, Down, Valkey
from gateway.core.errors import Refusal, Refused

LEASE_SECONDS = 60.0
_RETRY_SECONDS = 1.0
_AT_ONCE = 256
_LIFE = "{gw}:repeats-life"
"""By chance; another value says that the server lost what it had."""

_SCRIPT = """
local hash, order = KEYS[1], KEYS[2]
local act, name, own = ARGV[1], ARGV[2], ARGV[3]
local kept, lease, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000

local function forget(one)
    redis.call('HDEL', hash, one)
    redis.call('ZREM', order, one)
end

local function read(one)
    local found = redis.call('HGET', hash, one)
    if not found then return nil end
    local space = string.find(found, ' ', 1, true)
    return string.sub(found, space + 1), tonumber(string.sub(found, 1, space - 1))
end

local function write(held, began)
    redis.call('HSET', hash, name, held .. ' ' .. own)
    redis.call('ZADD', order, began and 'XX' or 'NX', now, name)
    redis.call('EXPIRE', hash, kept)
    redis.call('EXPIRE', order, kept)
end

if act == 'take' then
    for _, old in ipairs(redis.call('ZRANGEBYSCORE', order, '-inf', now - kept, 'LIMIT', 0, 4)) do forget(old) end
end
local who, held = read(name) -- held 0: it was answered
if act == 'take' then
    if who == own then return nil end
    if who and (held == 0 or held > now) then return {who, held == 0 and 1 or 0} end
    if who then forget(name) end
    local over = redis.call('ZCARD', order) - most + 1
    if over > 0 then
        for _, old in ipairs(redis.call('ZRANGE', order, 0, 15)) do
            local _, until_ = read(old)
            if over > 0 and (not until_ or until_ <= now) then
                forget(old)
                over = over - 1
            end
        end
    end
    write(string.format('%.3f', now + lease), false)
elseif act == 'drop' then
    if who == own then forget(name) end
elseif (not who or who == own) and held ~= 0 then
    write(act == 'hold' and string.format('%.3f', now + lease) or '0', false)
end
return nil
"""
"""`take` a name, `hold` it on, `keep` it since it was answered, or `drop` it. What is not there any more (the server
lost it) is written again; what another one took is his."""

_Name = tuple[str, bytes, bytes]
"""A caller, a name of his, and what took it."""


class ValkeyRepeats:
    """The `Shared` of `http.repeats`. What was answered is kept for `kept_seconds`; of a caller `most` at once, of more
    the oldest is forgotten. `tell` is told by name when the server goes and when it is back. `answered` gives what
    this process knows to be answered, for a server that may have lost it."""

    def __init__(
        self,
        url: str,
        kept_seconds: float,
        most: int,
        tell: Callable[..., None],
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._server = Valkey(url, _SCRIPT)
        self._terms = (str(int(kept_seconds)), str(lease_seconds), str(most))
        self._every = lease_seconds / 4
        self._tell = tell
        self._held: set[_Name] = set()
        # what has ended and was not told yet: by its name who took it, and whether that is to be kept
        self._ended: dict[tuple[str, bytes], dict[bytes, bool]] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed_until = 0.0  # nobody asks the server again before that
        self._due = 0.0  # when what is held is to be told again
        self._down = False
        self.answered: Callable[[], Iterable[_Name]] = tuple

    async def begin(self, caller: str, name: bytes, own: bytes) -> tuple[bytes, bool] | None:
        """Takes a name of a caller; None: taken. Else what took it, and whether that was answered. Raises Refused (503)
        where nobody can say."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_telling())
        if time.monotonic() < self._closed_until:
            raise _unknown()
        taken = caller, name, own
        before = list(self._ended.get((caller, name), {}).items())
        self._held.add(taken)
        answered = False
        try:
            acts = [self._call("keep" if kept else "drop", (caller, name, other)) for other, kept in before]
            found = (await self._run([*acts, self._call("take", taken)]))[-1]
            answered = True
        except Down as error:
            self._went(str(error))
            raise _unknown() from None
        finally:
            if not answered:  # it may have been taken, or may yet
                self.end(caller, name, own, served=False)
        if found is None:
            return None
        self._held.discard(taken)
        return bytes(found[0]), bool(found[1])

    def end(self, caller: str, name: bytes, own: bytes, *, served: bool) -> None:
        """A request has ended. Where it was not served, its name is free again."""
        self._held.discard((caller, name, own))
        self._ended.setdefault((caller, name), {})[own] = served
        self._news.set()

    async def close(self) -> None:
        """Ends, once what has ended is told, if the server answers."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(Down):
            await self._tell_ended()
        await self._server.disconnect()

    def _call(self, act: str, taken: _Name) -> Call:
        caller, name, own = taken
        keys = f"{{gw}}:repeats:{caller}", f"{{gw}}:repeats:{caller}:order"
        return keys, (act, name, own, *self._terms)

    async def _run(self, calls: list[Call]) -> list[Any]:
        answers = await self._server.run(calls)
        if errors := [each for each in answers if isinstance(each, ResponseError)]:  # full, or written over
            raise Down(str(errors[0]))
        if self._down:
            self._down = False
            self._tell("repeats_up")
        return answers

    def _went(self, why: str) -> None:
        self._server.forget()  # whoever answers next is believed, and told what it may have lost
        self._closed_until = time.monotonic() + _RETRY_SECONDS
        self._due = 0.0
        self._news.set()
        if not self._down:
            self._down = True
            self._tell("repeats_down", error=why)

    async def _keep_telling(self) -> None:
        """Tells what has ended, and holds on what has not. A server that has lost what it had is told all again."""
        told = b""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._due - time.monotonic())):
                    await self._news.wait()
            self._news.clear()
            try:
                if time.monotonic() >= self._due:
                    _, life = await self._server.ask([("SET", _LIFE, secrets.token_hex(8), "NX"), ("GET", _LIFE)])
                    if told and told != life:
                        for caller, name, own in self.answered():
                            self._ended.setdefault((caller, name), {}).setdefault(own, True)
                    told = life
                    await self._tell_all([(each, "hold") for each in self._held])
                    self._due = time.monotonic() + self._every
                await self._tell_ended()
            except Down as error:
                self._went(str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _tell_ended(self) -> None:
        ended = [((*name, own), kept) for name, takers in self._ended.items() for own, kept in takers.items()]
        for at in range(0, len(ended), _AT_ONCE):  # what one batch has told is not told again
            part = ended[at : at + _AT_ONCE]
            await self._tell_all([(each, "keep" if kept else "drop") for each, kept in part])
            for (caller, name, own), kept in part:
                takers = self._ended.get((caller, name), {})
                if takers.get(own) is kept:
                    del takers[own]
                if not takers:
                    self._ended.pop((caller, name), None)

    async def _tell_all(self, acts: list[tuple[_Name, str]]) -> None:
        for at in range(0, len(acts), _AT_ONCE):
            await self._run([self._call(act, each) for each, act in acts[at : at + _AT_ONCE]])


def _unknown() -> Refused:
    return Refused(
        Refusal.STATE_DOWN,
        "nobody can say at the moment whether this request was sent before; try again, or send it without"
        " `idempotency-key`",
        retry_after=2,
    )
