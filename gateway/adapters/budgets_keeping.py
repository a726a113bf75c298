"""What a replica keeps with the Valkey server that all share: which accounts there are, what is under way, what ended.

One task does it. Accounts of a limit have a generation: they are made from the ledger, by one replica, where the server
has none that are its own (it is new, was emptied or restarted, or another took over; or the limit is new). Each replica
that meets a new generation puts back what it has under way, and settles once more what the ledger may have missed.
"""

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from gateway.adapters.budgets_book import (
    Book,
    Ended,
    Generation,
    Room,
    book_of,
    family_of,
    generation_of,
    made,
    mark_key,
)
from gateway.adapters.budgets_lag import Lag, Reached
from gateway.adapters.replicas import KEYS, LIFE_SECONDS, Replicas
from gateway.adapters.valkey import Call, Command, Down, Valkey, is_spoiled
from gateway.core.budget import Limit
from gateway.core.rate import Rate
from gateway.core.spender import Spender

Spent = Callable[[Iterable[Limit], float], Mapping[tuple[str, str], Mapping[int, int]]]
"""What the ledger says was spent under limits in the windows of a moment: pico-USD, by (limit's id, value) and bucket.
Called in a thread."""

MOST_WAITING = 100_000
LEDGER_SECONDS = 30.0
"""How long it may take, beyond what the ledger says to be behind, until a call that has ended is in it. What it may
have missed as accounts were made from it is booked once more: they may have it twice, never not at all."""
OPENING_SECONDS = 2.0
"""How long nobody takes room after a server has lost its accounts, so that each replica puts back what is its own."""
BEAT_SECONDS = 0.5
RETRY_SECONDS = 1.0
AT_ONCE = 128
_MARK_SECONDS = 600
"""How long accounts are known to be complete after the last replica that has the limit in force has gone."""
_LOCK_MILLISECONDS = 60_000
_LOOK_AGAIN_SECONDS = 0.05
_GATHER_SECONDS = 0.003
"""How long what ends is gathered, so that several calls are settled in one round trip."""
_REMEMBERED = 10_000
_EPOCH, _LOCK = "{gw}:epoch", "{gw}:lock"


class Keeping:
    """`up`: room may be taken on the server. `outages` counts how often that ended, `told` hears why, and "" once it is
    over; `fallen` is called each time. `alone_since` (Unix seconds) is when the outage began, None: there is none.
    `overshot` is in nano-USD. `refresh` is called by the task when all else is done, and `due` wakes it."""

    def __init__(self, server: Valkey, spent: Spent, told: Callable[[str], None], lag: Lag, present: Replicas) -> None:
        self.server = server
        self._spent = spent
        self._told = told
        self._present, self._name = present, present.name
        self.limits: dict[str, Limit] = {}
        self.rates: tuple[Rate, ...] = ()
        self._prepared: tuple[Limit, ...] = ()  # about to come into force
        self._dropped: set[str] = set()  # keys that the server has and nobody needs, or is to make anew
        self.generations: dict[str, Generation] = {}
        self.version = 0  # of limits, rates and generations
        self._books: dict[Spender, Book] = {}
        self.up = False
        self.outages = 0
        self.alone_since: float | None = None
        self.fallen: Callable[[], None] = lambda: None
        self._reached = Reached(lag)
        self._had: dict[str, float] = {}  # when accounts were made, by the name of their generation
        self._joined = False  # all under way is on the server
        self._down_for = ""
        self.replicas: int | None = None
        self.ahead = 0.0  # the server's clock over the monotonic one
        self._opens = 0.0
        self._beat_at = self._renewed_at = 0.0
        self.under_way: dict[str, Room] = {}
        self.late: list[Room] = []  # taken in accounts that were replaced meanwhile
        self._ended: deque[Ended] = deque()
        self._settled: deque[Ended] = deque(maxlen=MOST_WAITING)  # the server has them; the ledger may not
        self.overshot = 0
        self.refresh: Callable[[], Awaitable[None]] | None = None
        self.due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Calls that are under way, or ended and not yet on the server."""
        return len(self._ended) + len(self.under_way)

    async def start(self) -> None:
        """Begins. Waits a moment for the server, not for ever."""
        self._task = asyncio.create_task(self._keep())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OPENING_SECONDS + RETRY_SECONDS):
                await _until(lambda: self.up)

    async def close(self) -> None:
        """Ends, once the server has all that ended, if it answers."""
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_SECONDS):
                await _until(lambda: not (self._ended and self._joined))
        while not self._task.done():  # Python 3.11 may lose an interruption, where a library waits with `wait_for`
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=BEAT_SECONDS)
        with contextlib.suppress(Down):
            await self.server.ask([("ZREM", KEYS[0], self._name), ("HDEL", KEYS[1], self._name)])
        await self.server.disconnect()

    def enforce(self, limits: Iterable[Limit], rates: Iterable[Rate]) -> None:
        """Puts limits and rates in force. Accounts of a limit whose amount alone changed are the same."""
        before = {family_of(limit) for limit in self.limits.values()}
        self.limits, self.rates, self._prepared = {limit.id: limit for limit in limits}, tuple(rates), ()
        wanted = {family_of(limit) for limit in self.limits.values()}
        self._dropped |= {mark_key(family) for family in before - wanted}
        self._dropped -= {mark_key(family) for family in wanted - before}
        self.generations = {family: each for family, each in self.generations.items() if family in wanted}
        self.up = self.up and wanted <= self.generations.keys()
        self.version += 1
        self._books.clear()
        if not wanted <= before:
            self._again()
        self._look_now()

    async def prepare(self, limits: Sequence[Limit]) -> None:
        """Has the accounts made of limits that are about to come into force. Ends when they are, or nobody can."""
        self._prepared = tuple(limits)
        self._look_now()
        wanted = {family_of(limit) for limit in limits}
        await _until(lambda: not self.up or wanted <= self.generations.keys())

    def book(self, spender: Spender) -> Book:
        """What concerns a spender. Only while `up`, or as the task itself."""
        book = self._books.get(spender)
        if book is None:
            if len(self._books) >= _REMEMBERED:
                self._books.clear()
            limits = [limit for limit in self.limits.values() if family_of(limit) in self.generations]
            book = self._books[spender] = book_of(spender, limits, self.rates, self.generations)
        return book

    def end(self, ended: Ended) -> None:
        """Takes a call that has ended."""
        self.under_way.pop(ended.id, None)
        self._ended.append(ended)
        self.due.set()

    def came_late(self, room: Room) -> None:
        """Takes room that may have been taken in accounts that were replaced meanwhile."""
        self.late.append(room)
        self.due.set()

    def fell(self, why: str) -> None:
        """The server cannot be used. The next look is at once, then one a second."""
        if not self._down_for:
            self._told(why)
            self.outages += 1
            self.alone_since = time.time()
        self._down_for = self._down_for or why
        self.up = self._joined = False
        self.fallen()
        self._look_now()

    def spoiled(self, spender: Spender) -> None:
        """Somebody else wrote to keys of ours: the accounts and levels of a spender are made anew."""
        book = self.book(spender)
        self._dropped |= {mark_key(each.family) for each in book.accounts} | set(book.rate_keys)
        self._look_now()

    def _again(self) -> None:
        """Puts what is under way into accounts that are new, and settles in them what ended lately: in each once."""
        self.late = list(self.under_way.values())
        self._ended.extend(self._settled)
        self._settled.clear()

    def _look_now(self) -> None:
        self._beat_at = 0.0
        self.due.set()

    async def _keep(self) -> None:
        """The task: looks at the server twice a second, and whenever there is something to do."""
        while True:
            self.due.clear()
            wait = RETRY_SECONDS
            self._reached.look(time.monotonic())
            try:
                if time.monotonic() >= self._beat_at or not self._joined:
                    await self._look()
                if self._joined:
                    await self._drain()
                    if self.refresh is not None:
                        await self.refresh()
                wait = BEAT_SECONDS if self._joined else _LOOK_AGAIN_SECONDS
            except Down as down:
                self.fell(str(down))
                await self.server.disconnect()
                self.server.forget()
            except Exception as error:  # noqa: BLE001  the ledger cannot be read, say: the next look tries again
                self.fell(f"accounts cannot be made: {error}")
            if self._joined:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, self._beat_at - time.monotonic())):
                        await self.due.wait()
                    await asyncio.sleep(_GATHER_SECONDS)
            else:
                await asyncio.sleep(wait)

    async def _look(self) -> None:
        """Gives a sign of life, and sees to it that every limit has accounts with all that is under way in them."""
        now, epoch = await self._beat()
        self._beat_at = time.monotonic() + BEAT_SECONDS
        self._forget()
        lost = epoch != self.server.run_id
        if self._dropped:
            dropped, self._dropped = self._dropped, set()
            await self._ask([("DEL", *dropped)])
        wanted = {family_of(limit): limit for limit in (*self.limits.values(), *self._prepared)}
        found = {} if lost else await self._marks(wanted)
        if lost or found.keys() != wanted.keys():
            if self.up and not self.generations.keys() <= found.keys():
                self.fell("the server has lost its accounts")
            self._joined = False
            if await self._restored([limit for family, limit in wanted.items() if family not in found], lost=lost):
                await self._look()
            return
        if not self._joined or found != self.generations:
            if found != self.generations:
                self._replace(found)
            await self._put(list(self.under_way.values()))
            spends_alone = any(limit.terms.on_store_down == "local_quota" for limit in self.limits.values())
            since = now if self._down_for and self.outages and spends_alone else 0.0
            self._opens = max(since + OPENING_SECONDS, *(each.opens for each in found.values()), 0.0)
            self._joined = True
        if now >= self._opens and not self.up:
            await self._put(list(self.under_way.values()))  # what was let through alone meanwhile
            if self.limits.keys() and not {family_of(each) for each in self.limits.values()} <= found.keys():
                return
            self.up = True
            if self._down_for:
                self._down_for, self.alone_since = "", None
                self._told("")
        if time.monotonic() - self._renewed_at > _MARK_SECONDS / 10:
            self._renewed_at = time.monotonic()
            await self._ask([("EXPIRE", mark_key(family), _MARK_SECONDS) for family in wanted])
            await self.server.disconnect()  # a fresh connection looks at how the server is set

    async def _beat(self) -> tuple[float, str]:
        """Gives a sign of life. Returns the server's time, and which server's accounts it says that it has."""
        beat: Call = (KEYS[0], _EPOCH, KEYS[1]), ("beat", self._name, repr(LIFE_SECONDS), self._present.said())
        [told] = await self.server.run([beat])
        if is_spoiled(told):
            await self._ask([("DEL", *KEYS, _EPOCH)])
            [told] = await self._run([beat])
        _check([told])
        now, self.replicas, epoch = float(told[0]), told[1], told[2]
        self._present.heard(now, told[3:])
        self.ahead = now - time.monotonic()
        return now, epoch.decode() if epoch else ""

    def _replace(self, found: dict[str, Generation]) -> None:
        """Takes other accounts than before."""
        self.generations = found
        names = {each.name: each.read - self.ahead for each in found.values()}
        self._had = {name: self._had.get(name, self._reached.at(read)) for name, read in names.items()}
        self.version += 1
        self._books.clear()
        self._again()

    async def _marks(self, wanted: Iterable[str]) -> dict[str, Generation]:
        """The generations that are this server's."""
        families = list(wanted)
        if not families:
            return {}
        [marks] = await self._ask([("MGET", *(mark_key(family) for family in families))])
        found = {family: generation_of(mark) for family, mark in zip(families, marks, strict=True) if mark}
        return {family: each for family, each in found.items() if each.run_id == self.server.run_id}

    async def _restored(self, limits: Sequence[Limit], *, lost: bool) -> bool:
        """Makes accounts from the ledger, unless another replica is at it: then it is looked at again in a moment."""
        [taken] = await self._run([((_LOCK,), ("lock", self._name, _LOCK_MILLISECONDS))])
        if not taken:
            return False
        try:
            await self._restore(limits, lost=lost)
        finally:
            with contextlib.suppress(Down):
                await self._run([((_LOCK,), ("unlock", self._name))])
        return True

    async def _restore(self, limits: Sequence[Limit], *, lost: bool) -> None:
        run_id = self.server.run_id
        read, epoch = await self._beat()
        if lost and epoch == run_id:
            return  # another was faster
        found = {} if lost else await self._marks([family_of(limit) for limit in limits])
        limits = [limit for limit in limits if family_of(limit) not in found]
        spent = await asyncio.to_thread(self._spent, limits, read) if limits else {}
        names = {limit.id: (limit, secrets.token_hex(4)) for limit in limits}
        commands: list[Command] = []
        for (id, value), buckets in spent.items():
            if id in names:
                commands += made(*names[id], value, buckets, read)
        for start in range(0, len(commands), AT_ONCE):
            await self._ask(commands[start : start + AT_ONCE])
        opens = (await self._beat())[0] + OPENING_SECONDS if lost else read
        marks: list[Command] = [
            ("SET", mark_key(family_of(limit)), Generation(name, read, opens, run_id).mark, "EX", _MARK_SECONDS)
            for limit, name in names.values()
        ]
        if lost:
            marks.append(("SET", _EPOCH, run_id))
        if marks:
            await self._ask(marks)

    async def _put(self, rooms: Sequence[Room]) -> None:
        for start in range(0, len(rooms), AT_ONCE):
            part = rooms[start : start + AT_ONCE]
            await self._run(
                [self.book(room.ask.spender).putting(room.ask.id, room.nano_usd, room.moment) for room in part]
            )

    async def _drain(self) -> None:
        """Sends what has ended until the server has it. What it refuses goes to the end, and holds up nothing."""
        late, self.late = self.late, []
        try:
            await self._put([now for room in late if (now := self.under_way.get(room.ask.id)) is not None])
        except BaseException:
            self.late += late
            raise
        refused = False
        while self._ended and not refused:
            part = list(islice(self._ended, AT_ONCE))
            known = frozenset(name for limit in self.limits.values() if (name := self._name_of(limit)))
            answers = await self.server.run([self._settling(each) for each in part])
            for each, answer in zip(part, answers, strict=True):
                self._ended.popleft()
                if isinstance(answer, int):
                    self.overshot += 0 if each.booked else answer
                    booked = each.booked | known if each.booked else known
                    self._settled.append(msgspec.structs.replace(each, tokens=0, booked=booked))
                    continue
                refused = True
                self._ended.append(each)
                if is_spoiled(answer):
                    self.spoiled(each.spender)
            _check(answer for answer in answers if not is_spoiled(answer))

    def _forget(self) -> None:
        """Forgets what the ledger has had for so long that all accounts made without it have been met."""
        now = time.monotonic()
        horizon = min(self._reached.at(now) - LEDGER_SECONDS, self._reached.at(now - LEDGER_SECONDS))
        while self.up and self._settled and self._settled[0].at < horizon:
            self._settled.popleft()

    def _settling(self, ended: Ended) -> Call:
        """The call that settles one that ended, but in accounts made from a ledger that had it, or that it is in."""
        book = self.book(ended.spender)
        names = [self.generations[each.family].name for each in book.accounts]
        lack = {name for name in names if name not in ended.booked and self._had[name] < ended.at + LEDGER_SECONDS}
        return book.settling(ended, [each for each, name in zip(book.accounts, names, strict=True) if name in lack])

    def _name_of(self, limit: Limit) -> str:
        """Of the accounts that calls are booked in for a limit, "" where there are none."""
        generation = self.generations.get(family_of(limit))
        return generation.name if generation is not None else ""

    async def _run(self, calls: Sequence[Call]) -> list[Any]:
        answers = await self.server.run(calls)
        _check(answers)
        return answers

    async def _ask(self, commands: Sequence[Command]) -> list[Any]:
        answers = await self.server.ask(commands)
        _check(answers)
        return answers


async def _until(reached: Callable[[], bool]) -> None:
    while not reached():  # noqa: ASYNC110  seldom, and never on a request's path
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def _check(answers: Iterable[object]) -> None:
    for answer in answers:
        if isinstance(answer, Exception):
            raise Down(f"{type(answer).__name__}: {answer}")
