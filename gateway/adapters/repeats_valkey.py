"""What replicas know together, on Valkey, of requests that came with an idempotency key.

Only such a request pays for it: one round trip before it is served. That it has ended is told beside requests. While
the server is away nobody can say whether another replica serves it, so it is not served, and not even asked for: one
task finds out when the server is back, and tells it what has ended before anybody is served again. Where it was away
for so long that names may have run out, the task waits until others will have told, too. So what there is to tell is
never more than what was under way.

Of each caller there is a hash, of names with what took them, and a set that orders names by when that was. Who serves a
request holds its name for a minute, and again before that is over: a replica that died holds none for longer.
"""

import asyncio
import contextlib
import math
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from gateway.adapters.valkey import ANSWER_SECONDS, CONNECT_SECONDS, Call, Down, Valkey, is_spoiled
from gateway.core.errors import Refusal, Refused

LEASE_SECONDS = 60.0
_RETRY_SECONDS = 1.0
_OTHERS_SECONDS = _RETRY_SECONDS + CONNECT_SECONDS + 2 * ANSWER_SECONDS
"""How long after one replica another one may find out that the server is back, and have told it."""
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
    local held, who = string.match(redis.call('HGET', hash, one) or '', '^(%d+%.?%d*) (.*)$')
    return who, tonumber(held)
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


class _End(NamedTuple):
    """How something ended: whether it was served, so that its name is to be kept; and when, in monotonic seconds."""

    served: bool
    moment: float


class ValkeyRepeats:
    """The `Shared` of `http.repeats`. What was answered is kept for `kept_seconds`; of a caller `most` at once, of more
    the oldest is forgotten. `tell` is told by name when the server goes and when it is back, and of a caller whose keys
    there somebody else wrote over: he alone is not served. `answered` gives what this process knows to be answered, for
    a server that may have lost it."""

    def __init__(
        self,
        url: str,
        kept_seconds: float,
        most: int,
        tell: Callable[..., None],
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._server = Valkey(url, _SCRIPT)
        self._kept_seconds = kept_seconds
        self._terms = (str(int(kept_seconds)), str(lease_seconds), str(most))
        self._every = lease_seconds / 4
        self._safe_seconds = lease_seconds / 2  # for so long after it went all that is held is still so
        self._tell = tell
        self._held: set[_Name] = set()
        self._ended: dict[tuple[str, bytes], dict[bytes, _End]] = {}  # and was not told yet: by its name who took it
        self._spoiled: dict[str, float] = {}  # callers whose keys hold what is not ours, and until when they wait
        self._life = b""  # the server's, as last seen
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._due = 0.0  # when what is held is to be told again
        self._down = False
        self._since = 0.0
        self._faults = 0
        self.answered: Callable[[], Iterable[_Name]] = tuple

    async def begin(self, caller: str, name: bytes, own: bytes) -> tuple[bytes, bool] | None:
        """Takes a name of a caller; None: taken. Else what took it, and whether that was answered. Raises Refused (503)
        where nobody can say."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_telling())
        if self._down or self._spoiled.get(caller, 0.0) > time.monotonic():
            raise _unknown()
        taken = caller, name, own
        before = list(self._ended.get((caller, name), {}).items())
        self._held.add(taken)
        answered = False
        try:
            acts = [self._call(_told_as(end), (caller, name, other)) for other, end in before]
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
        if is_spoiled(found):  # which the script says before it writes
            self._spoil(caller, found)
            raise _unknown()
        return bytes(found[0]), bool(found[1])

    def end(self, caller: str, name: bytes, own: bytes, *, served: bool) -> None:
        """A request has ended. Where it was not served, its name is free again."""
        self._held.discard((caller, name, own))
        self._ended.setdefault((caller, name), {})[own] = _End(served, time.monotonic())
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
        return _keys(caller), (act, name, own, *self._terms)

    async def _run(self, calls: list[Call]) -> list[Any]:
        return _sound(await self._server.run(calls))

    def _went(self, why: str) -> None:
        self._server.forget()  # whoever answers next is believed, and told what it may have lost
        self._due = 0.0
        self._faults += 1
        self._news.set()
        if not self._down:
            self._down, self._since = True, time.monotonic()
            self._tell("repeats_down", error=why)

    def _spoil(self, caller: str, why: object) -> None:
        if self._spoiled.get(caller) != math.inf:
            self._spoiled[caller] = math.inf
            hash, order = _keys(caller)
            self._tell(
                "repeats_spoiled",
                key=caller,
                error=str(why),
                advice="requests of this key that have an `idempotency-key` get 503: nobody can say which were served;"
                f" find out who writes there, then delete these on the server: {hash} {order} {_LIFE}",
            )

    async def _keep_telling(self) -> None:
        """Tells what has ended, and holds on what has not; finds out when a server that was away is back."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._due - time.monotonic())):
                    await self._news.wait()
            self._news.clear()
            faults, looks = self._faults, time.monotonic() >= self._due
            try:
                if looks:
                    await self._look()
                await self._tell_ended()
                if self._down and time.monotonic() - self._since > self._safe_seconds:
                    await asyncio.sleep(_OTHERS_SECONDS)
            except Down as error:
                self._went(str(error))
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if self._faults != faults:  # somebody else found it gone meanwhile
                continue
            if looks:
                self._due = time.monotonic() + self._every
            if self._down:
                self._down = False
                self._tell("repeats_up")

    async def _look(self) -> None:
        """Holds on what is under way. A server that has lost what it had is told all again."""
        mine = secrets.token_hex(8)
        answers = await self._server.ask([("SET", _LIFE, mine, "NX"), ("GET", _LIFE)])
        if is_spoiled(answers[1]):
            answers = await self._server.ask([("SET", _LIFE, mine), ("GET", _LIFE)])
        life = _sound(answers)[1]
        self._spoiled = {caller: until for caller, until in self._spoiled.items() if until > time.monotonic()}
        if self._life and self._life != life:
            others = time.monotonic() + self._every + _OTHERS_SECONDS  # by then they have told it all again, too
            self._spoiled = dict.fromkeys(self._spoiled, others)
            for caller, name, own in self.answered():
                self._ended.setdefault((caller, name), {}).setdefault(own, _End(True, time.monotonic()))
        self._life = life
        await self._tell_all([(each, "hold") for each in self._held])

    async def _tell_ended(self) -> None:
        """Tells what has ended. What is older than anything is kept is told to nobody: it would be kept anew."""
        oldest = time.monotonic() - self._kept_seconds
        ended = [((*name, own), end) for name, takers in self._ended.items() for own, end in takers.items()]
        for at in range(0, len(ended), _AT_ONCE):  # what one batch has told is not told again
            part = ended[at : at + _AT_ONCE]
            await self._tell_all([(each, _told_as(end)) for each, end in part if end.moment > oldest])
            for (caller, name, own), end in part:
                takers = self._ended.get((caller, name), {})
                if takers.get(own) is end:
                    del takers[own]
                if not takers:
                    self._ended.pop((caller, name), None)

    async def _tell_all(self, acts: list[tuple[_Name, str]]) -> None:
        for at in range(0, len(acts), _AT_ONCE):
            part = acts[at : at + _AT_ONCE]
            answers = await self._run([self._call(act, each) for each, act in part])
            for ((caller, _, _), _), answer in zip(part, answers, strict=True):
                if is_spoiled(answer):
                    self._spoil(caller, answer)


def _keys(caller: str) -> tuple[str, str]:
    return f"{{gw}}:repeats:{caller}", f"{{gw}}:repeats:{caller}:order"


def _told_as(end: _End) -> str:
    return "keep" if end.served else "drop"


def _sound(answers: list[Any]) -> list[Any]:
    """The answers of a server. Raises Down for one that says something of itself: that it is full, say."""
    for each in answers:
        if isinstance(each, ResponseError) and not is_spoiled(each):
            raise Down(str(each))
    return answers


def _unknown() -> Refused:
    return Refused(
        Refusal.STATE_DOWN,
        "nobody can say at the moment whether this request was sent before; try again, or send it without"
        " `idempotency-key`",
        retry_after=2,
    )
