"""Limits on spending and pace that many replicas share, on Valkey.

Room is taken by one run of a script (`budgets_valkey.lua`): in every account that a call touches, or in none. It is
kept under the call's id, so a settlement acts once however often it is sent, and nobody gives back what another took.
The server's clock says which window it is. A call has room in the window that it began in, and in no other.

Nothing but `reserve` and reads waits for the server: what ends is queued, and sent until the server has it. Where calls
queue up beyond `MOST_WAITING`, limits let no new ones in, so none is ever dropped.

While the server does not answer, each limit does what its terms say: nothing is sent, or each replica spends its part
of what was left. Rates let everything through: a pace is no wall. What a replica keeps with the server beside all this
is in `budgets_keeping`.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway.adapters.budgets_alone import Parts
from gateway.adapters.budgets_book import NANO, Book, Ended, Room, family_of, standing, up
from gateway.adapters.budgets_keeping import AT_ONCE, MOST_WAITING, RETRY_SECONDS, Keeping, Spent
from gateway.adapters.budgets_lag import Lag, at_once
from gateway.adapters.budgets_seen import Seen, Told
from gateway.adapters.budgets_shrunk import Shrunk
from gateway.adapters.replicas import Replicas
from gateway.adapters.valkey import Call, Down, Valkey, is_spoiled
from gateway.core.budget import STATES, Ask, Exceeded, Limit, Reserved, Standing, State
from gateway.core.errors import Refusal, Refused
from gateway.core.rate import Pace, Rate, Throttled
from gateway.core.record import Entry
from gateway.core.spender import Spender

SCRIPT = (Path(__file__).parent / "budgets_valkey.lua").read_text()
_REMEMBERED_SECONDS = 900.0
"""How long the server remembers a call that has ended (the script says so, too)."""
_PREPARE_SECONDS = 20.0
_SENDING = 4

_Outcome = Reserved | Exceeded | Throttled


class _Waiting(msgspec.Struct):
    """A call that waits for room, with what concerns it by a version of the accounts."""

    ask: Ask
    book: Book
    version: int
    answer: "asyncio.Future[_Outcome | None]"


class ValkeyBudgets:
    """The `Budgets` port. `spent` reads the ledger, and `lag` says how far it is behind this replica. `told` hears why
    nobody can count, and "" once it is over. `present` hears which replicas there are."""

    def __init__(
        self,
        url: str,
        spent: Spent,
        told: Callable[[str], None] = lambda _: None,
        lag: Lag = at_once,
        present: Replicas | None = None,
    ) -> None:
        self._keeping = Keeping(Valkey(url, SCRIPT), spent, told, lag, present or Replicas())
        self._keeping.refresh = self._refresh
        self._keeping.fallen = self._let_go
        self._parts = Parts(1)
        self._outage = 0  # that these are for
        self._asked: list[_Waiting] = []
        self._scheduled = False
        self._sending: set[asyncio.Task[None]] = set()
        self._seen = Seen()
        self._stale: set[Spender] = set()
        self._shrunk = Shrunk()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Begins to keep accounts. Waits a moment for the server, not for ever."""
        self._loop = asyncio.get_running_loop()
        await self._keeping.start()

    async def close(self) -> None:
        """Ends, once the server knows of all that ended, if it answers."""
        self._loop = None
        await self._keeping.close()

    @property
    def overshot_pico_usd(self) -> int:
        """What calls of this replica cost beyond limits in force."""
        return self._keeping.overshot * NANO

    def restore(
        self,
        limits: Iterable[Limit],
        moment: float,  # noqa: ARG002  the server's clock counts
    ) -> Mapping[tuple[str, str], Mapping[int, int]]:
        """Waits until the accounts are there of limits that are about to come into force, where it is called beside
        the event loop. There is nothing to hand on to `enforce`."""
        loop = self._loop
        if loop is not None and not _on_a_loop():
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self._keeping.prepare(tuple(limits)), loop).result(_PREPARE_SECONDS)
        return {}

    def enforce(
        self,
        limits: Iterable[Limit],
        restored: Mapping[tuple[str, str], Mapping[int, int]],  # noqa: ARG002  the server has it
        rates: Iterable[Rate] = (),
    ) -> None:
        """Puts limits and rates in force. What was counted under a limit stays when its amount changes."""
        self._keeping.enforce(limits, rates)

    async def reserve(self, ask: Ask, moment: float) -> Reserved | Exceeded | Throttled:
        """Takes room for a call, or says which limit or rate holds it up. Raises Refused (503) when nobody can count.

        Cancelled, it leaves nothing reserved.
        """
        keeping = self._keeping
        if not keeping.up or keeping.waiting >= MOST_WAITING:
            return self._on_its_own(ask, moment)
        book = keeping.book(ask.spender)
        if not book.keys:
            return Reserved(ask.most)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(ask, book, keeping.version, loop.create_future())
        self._asked.append(waiting)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._send)
        try:
            outcome = await waiting.answer
        except asyncio.CancelledError:
            if not waiting.answer.cancelled() and isinstance(room := waiting.answer.result(), Room):
                self.settle(room, 0, 0)  # it was there, and the caller was gone before it heard so
            elif not waiting.answer.cancelled() and room is None:
                self._void(ask, moment)
            raise
        if outcome is not None:
            return outcome
        if self._keeping.up and waiting.version != keeping.version:
            return await self.reserve(ask, moment)  # by the limits that are in force now
        try:
            found = self._on_its_own(ask, moment)
        except Refused:
            self._void(ask, moment)
            raise
        if not isinstance(found, Room):
            self._void(ask, moment)
        return found

    def settle(self, room: Reserved, pico_usd: int, tokens: int) -> None:
        """Gives the room back and books what the call came to under every limit that is in force when the server hears
        of it. Never waits."""
        if not isinstance(room, Room):
            return  # nothing counts it
        ask = room.ask
        if room.alone:
            self._parts.settle(ask.id, pico_usd, room.moment)
        more = 0 if room.alone else tokens - ask.tokens
        cost, now = up(pico_usd), time.monotonic()
        self._keeping.end(Ended(ask.id, ask.spender, ask.exempt, room.nano_usd, room.moment, cost, more, now))

    def shrink(self, room: Reserved, pico_usd: int) -> Reserved:
        """Gives back what a call under way has beyond an amount: the server hears of it with what ends next, once. If
        it does not, it gives all back when the call is settled."""
        if not isinstance(room, Room) or (nano_usd := up(pico_usd)) >= room.nano_usd:
            return room
        less = msgspec.structs.replace(room, pico_usd=pico_usd, nano_usd=nano_usd)
        if room.alone:
            self._parts.shrink(room.ask.id, pico_usd)
        if room.ask.id in self._keeping.under_way:
            self._keeping.under_way[room.ask.id] = less
            self._shrunk.note(less)
            self._keeping.due.set()
        return less

    def recover(self, entries: Iterable[Entry]) -> None:
        """Settles what a former process of this replica left, by its journal: calls that ended or never did, at what
        the ledger has them at. The server may have heard of them or not; long ago, only if it still knows them."""
        now, since = time.monotonic(), time.time() - _REMEMBERED_SECONDS
        for each in entries:
            spender = Spender(each.key, each.team, each.app, each.project, each.provider, each.zone)
            cost = up(each.cost_pico_usd)
            old = each.state != "uncertain" and each.time + each.duration_ms / 1000 < since
            id = f"{each.request_id}:{each.hop}"
            self._keeping.end(Ended(id, spender, None, cost, each.time, cost, 0, now, only_known=old))

    def _void(self, ask: Ask, moment: float) -> None:
        """Nobody knows whether the call got room: it is given back, or refused if it comes later."""
        self._keeping.end(Ended(ask.id, ask.spender, None, 0, moment, 0, 0, time.monotonic()))

    def _send(self) -> None:
        """Asks for all that wait, in one round trip; for what comes meanwhile in the next."""
        self._scheduled = False
        if not self._asked or len(self._sending) >= _SENDING:
            return
        batch, self._asked = self._asked[:AT_ONCE], self._asked[AT_ONCE:]
        batch = [waiting for waiting in batch if not waiting.answer.cancelled()]
        task = asyncio.get_running_loop().create_task(self._reserve_all(batch))
        self._sending.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: "asyncio.Task[None]") -> None:
        self._sending.discard(task)
        self._send()

    def _let_go(self) -> None:
        """Whoever has yet to ask a server that fell is on his own at once."""
        waiting, self._asked = self._asked, []
        for each in waiting:
            if not each.answer.done():
                each.answer.set_result(None)

    async def _reserve_all(self, batch: list[_Waiting]) -> None:
        answers: Sequence[Any]
        try:
            answers = await self._keeping.server.run([waiting.book.asking(waiting.ask) for waiting in batch])
        except Down as down:
            self._keeping.fell(str(down))
            answers = [None] * len(batch)
        except BaseException:
            for waiting in batch:
                waiting.answer.cancel()
            raise
        for waiting, answer in zip(batch, answers, strict=True):
            outcome = self._outcome(waiting, answer)
            if waiting.answer.cancelled():
                if isinstance(outcome, Room):
                    self.settle(outcome, 0, 0)
                elif outcome is None:
                    self._void(waiting.ask, time.time())
            else:
                waiting.answer.set_result(outcome)

    def _outcome(self, waiting: _Waiting, answer: Any) -> _Outcome | None:
        """What the script said; None: it could not say."""
        ask, book = waiting.ask, waiting.book
        lines = len(book.lines)
        match answer:
            case [b"ok", int(granted), moment, watched, *rest]:
                self._saw(book, rest, float(moment))
                rules = tuple(dict.fromkeys(book.lines[int(number) - 1][0].rule for number in watched.split()))
                room = Room(
                    min(granted * NANO, ask.most),
                    rules,
                    book.pace(rest[2 * lines :]) if book.pacing else None,
                    ask=ask,
                    nano_usd=granted,
                    moment=float(moment),
                )
                if lines:
                    self._keeping.under_way[ask.id] = room
                    if waiting.version != self._keeping.version:
                        self._keeping.came_late(room)
                return room
            case [b"over", int(number), int(ceiling), ends, *rest]:
                at = 2 * (number - 1)
                self._saw(book, rest, time.monotonic() + self._keeping.ahead)
                return book.exceeded(number - 1, ceiling, float(ends), rest[at], rest[at + 1])
            case [b"soon", int(number), wait, *rest]:
                return book.throttled(number - 1, float(wait), rest)
            case [b"unknown"]:
                if waiting.version == self._keeping.version:
                    self._keeping.fell("the accounts of a limit are gone")
            case [b"void"] | None:
                pass
            case _ if is_spoiled(answer):
                self._keeping.spoiled(ask.spender)
            case _:
                self._keeping.fell(str(answer))
        return None

    def _on_its_own(self, ask: Ask, moment: float) -> Reserved | Exceeded:
        """Room for a call while nobody can be asked, or too much is queued to count one more. Rates let everything
        through, and so do limits on trial: then a call that cannot be queued is not counted until the ledger is read.
        """
        keeping, lines, seen, concerned = self._keeping, [], {}, False
        since, full = keeping.alone_since, keeping.waiting >= MOST_WAITING
        for limit in keeping.limits.values():
            value = limit.value(ask.spender)
            concerned = concerned or value is not None
            if value is None or not limit.enforced or limit.id == ask.exempt:
                continue
            terms = limit.terms
            if full or terms.on_store_down != "local_quota" or terms.pico_usd is None or keeping.replicas is None:
                raise _nobody_counts()
            used = None if since is None else self._seen.used(limit, value, moment, since)
            if used is None:
                raise _nobody_counts()  # it has no part of what it does not know
            lines.append((limit, value))
            seen[limit.id, value] = used
        if full or not concerned:
            return Reserved(ask.most)
        if self._outage != keeping.outages:
            self._outage, self._parts = keeping.outages, Parts(keeping.replicas or 1)
        found = self._parts.take(ask, lines, seen, moment)
        if isinstance(found, Exceeded):
            return found
        room = keeping.under_way[ask.id] = Room(found, ask=ask, nano_usd=up(found), moment=moment, alone=True)
        return room

    def state(self, spender: Spender, moment: float) -> State:
        """The worst state of all limits that a request of this caller counts in, as the server last told it. What is
        older than a second is asked again, beside the request."""
        found, oldest = [], time.monotonic()
        for limit in self._keeping.limits.values():
            if limit.terms.share is None and (value := limit.value(spender)) is not None:
                last = self._seen.last(limit, value)
                oldest = min(oldest, last.at if last is not None else 0.0)
                found.append(self._seen.standing(limit, value, moment))
        if found and oldest < time.monotonic() - RETRY_SECONDS:
            self._stale.add(spender)
        return max((each.state for each in found), key=STATES.index, default="ok")

    async def standings(self, spender: Spender, moment: float) -> list[Standing]:
        """How each account stands that a request of this caller counts in, whichever backend serves it. As it was last
        told, while the server does not answer."""
        if self._keeping.up:
            with contextlib.suppress(Down):
                await self._read([self._keeping.book(spender)])
        found = [(limit, limit.value(spender)) for limit in self._keeping.limits.values() if limit.terms.share is None]
        return [self._seen.standing(limit, value, moment) for limit, value in found if value is not None]

    async def every_standing(self, moment: float) -> list[Standing]:
        """How each account stands that anything was counted in; none while the server does not answer."""
        limits = [limit for limit in self._keeping.limits.values() if limit.terms.share is None]
        found: list[Standing] = []
        if not self._keeping.up or not limits:
            return found
        with contextlib.suppress(Down):
            names = [self._keeping.generations[family_of(limit)].name for limit in limits]
            values = await self._keeping.server.ask([("SMEMBERS", f"{{gw}}:v:{name}") for name in names])
            for limit, name, members in zip(limits, names, values, strict=True):
                known = sorted(member.decode() for member in members) if isinstance(members, set | list) else []
                for start in range(0, len(known), AT_ONCE):
                    part = known[start : start + AT_ONCE]
                    keys = [f"{{gw}}:a:{name}:{value}" for value in part]
                    call: Call = (keys, ("read", len(keys), *[limit.terms.window] * len(keys)))
                    [told] = await self._keeping.server.run([call])
                    if isinstance(told, list):
                        pairs = zip(part, told[::2], told[1::2], strict=True)
                        found += [standing(limit, value, spent, taken, moment) for value, spent, taken in pairs]
        return found

    async def pace(self, spender: Spender, moment: float) -> Pace | None:  # noqa: ARG002  the server's clock counts
        """What the rates leave to a caller, None: nobody can count."""
        if all(rate.value(spender) is None for rate in self._keeping.rates):
            return Pace()
        if self._keeping.up:
            with contextlib.suppress(Down):
                book = self._keeping.book(spender)
                [levels] = await self._read([book])
                return book.pace(levels)
        return None

    async def _refresh(self) -> None:
        """Tells the server which calls need less room, and reads the accounts of callers whose state was asked for, and
        had not been told for a second."""
        await self._shrunk.tell(self._keeping.server, self._keeping.under_way)
        stale, self._stale = list(self._stale), set()
        for start in range(0, len(stale), AT_ONCE):
            await self._read([self._keeping.book(spender) for spender in stale[start : start + AT_ONCE]])

    async def _read(self, books: Sequence[Book]) -> list[list[bytes]]:
        """Reads accounts, and gives back the levels. Raises Down."""
        found = []
        for book, told in zip(books, await self._keeping.server.run([each.reading() for each in books]), strict=True):
            if not isinstance(told, list):
                raise Down(str(told))
            now, end = time.monotonic(), 2 * len(book.accounts)
            for number, account in enumerate(book.accounts):
                seen = Told(told[2 * number], told[2 * number + 1], now + self._keeping.ahead, now)
                self._seen.note(account.family, account.value, seen)
            found.append(told[end:])
        return found

    def _saw(self, book: Book, told: Sequence[int], moment: float) -> None:
        at = time.monotonic()
        for line, account in enumerate(book.mine):
            of = book.accounts[account]
            self._seen.note(of.family, of.value, Told(told[2 * line], told[2 * line + 1], moment, at))


def _nobody_counts() -> Refused:
    return Refused(
        Refusal.BUDGETS_DOWN, "budgets cannot be counted at the moment, so nothing is sent; try again", retry_after=2
    )


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
