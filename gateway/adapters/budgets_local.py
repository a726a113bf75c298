"""Limits on spending and pace, kept in memory. For one process: its accounts are nobody else's.

What was spent is restored from the ledger; a pace begins anew with the process.
"""

import time
from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from gateway.adapters.books import Books, calls
from gateway.adapters.ledger_rows import MILLION
from gateway.core.budget import (
    EVERYTHING,
    STATES,
    Account,
    Ask,
    Exceeded,
    Limit,
    Reserved,
    Standing,
    State,
    bucket_seconds,
    granted,
    window_at,
)
from gateway.core.rate import Level, Pace, Rate, Throttled, tightest
from gateway.core.spender import Spender

_COLUMNS = {"team": "team", "app": "app", "key": "key", "project": "project", "provider": "provider", "zone": "zone"}
_NONE: tuple[str, ...] = ()
_RECENT_SECONDS = 5.0
"""What was booked so lately may be missing in what the ledger tells: then it is booked in new accounts, too."""
_AT_ONCE = 500
_REMEMBERED = 10_000
"""Distinct spenders whose accounts are remembered; few keys ask for few backends."""


class _Line(msgspec.Struct, frozen=True):
    """A limit that concerns a spender: whose account it is, and, where the limit is a share, everyone's too.

    Whoever asks has had the accounts turn to the moment that it is about.
    """

    limit: Limit
    value: str
    account: Account
    everyone: Account | None

    def left(self, pico_usd: int) -> int | None:
        """What the account has room for, if so much more is asked; None: no end is set, so far."""
        account, everyone, terms = self.account, self.everyone, self.limit.terms
        if terms.pico_usd is not None:
            return terms.pico_usd - account.spent - account.reserved
        assert terms.share is not None
        assert everyone is not None
        total = everyone.spent + everyone.reserved + pico_usd
        return int(terms.share * total) - account.spent - account.reserved if total >= terms.minimum_pico_usd else None

    def grant(self, ask: Ask) -> int | None:
        """How much room a call gets, None: not even its least is there."""
        if self.everyone is None:
            return granted(ask, self.left(0))
        for pico_usd in (ask.most, ask.least):  # a share grows with what is asked, so there is no middle to find
            left = self.left(pico_usd)
            if left is None or pico_usd <= left:
                return pico_usd
        return None

    def standing(self, pico_usd: int, moment: float) -> Standing:
        """How the account stands, if so much more is asked."""
        account, left = self.account, self.left(pico_usd)
        ceiling = None if left is None else left + account.spent + account.reserved
        resets = window_at(self.limit.terms.window, moment).end
        return Standing(self.limit, self.value, account.spent, account.reserved, ceiling, resets)

    def exceeded(self, pico_usd: int, moment: float) -> Exceeded:
        """What there is to say where so much more has no room."""
        at = self.standing(pico_usd, moment)
        assert at.ceiling_pico_usd is not None
        return Exceeded(at.limit, at.value, at.spent_pico_usd, at.reserved_pico_usd, at.ceiling_pico_usd, at.resets)


class _Pacing(msgspec.Struct, frozen=True):
    """A rate that concerns a spender, and what is left of it."""

    rate: Rate
    value: str
    level: Level


class _Book(msgspec.Struct, frozen=True):
    """All that concerns one spender: the limits and rates, and every account that a call of his counts in."""

    lines: tuple[_Line, ...]
    accounts: tuple[Account, ...]
    pacing: tuple[_Pacing, ...]

    def pace(self, moment: float) -> Pace | None:
        """What the rates leave."""
        return tightest([(each.rate.unit, each.level.left(moment)) for each in self.pacing])


class _Room(Reserved, frozen=True, kw_only=True):
    """Room, with what it was granted for and when."""

    ask: Ask
    moment: float


class LocalBudgets:
    """The `Budgets` port. A reservation is made in all accounts that a call touches, or in none.

    Nothing here awaits, so on one event loop no two calls can both take the last room. `overshot_pico_usd` is what was
    booked beyond limits in force: calls that cost more than the most that was known of them.
    """

    def __init__(self, ledger: Books) -> None:
        self._ledger = ledger
        self._limits: dict[str, Limit] = {}
        self._rates: tuple[Rate, ...] = ()
        self._accounts: dict[tuple[str, str], Account] = {}
        self._levels: dict[tuple[Rate, str], Level] = {}
        self._books: dict[Spender, _Book] = {}  # of those that have asked
        self._under_way: dict[int, tuple[_Room, _Book]] = {}  # by the room's identity
        self._recent: deque[tuple[float, _Room, int]] = deque()  # when booked (monotonic seconds), and how much
        self._told: frozenset[str] = frozenset()  # of these, the ledger had them when it was last read
        self.overshot_pico_usd = 0

    def restore(self, limits: Iterable[Limit], moment: float) -> Mapping[tuple[str, str], Mapping[int, int]]:
        """What the ledger says was spent under limits that are not in force yet. May be called off the event loop.

        Raises LedgerUnreadable.
        """
        found: dict[tuple[str, str], dict[int, int]] = {}
        new = [limit for limit in limits if not self._counted(limit)]
        if new:  # asked first: what is there by then is in the sums
            self._told = _kept(self._ledger, [room.ask.id for _, room, _ in list(self._recent)])
        for limit in new:
            for value, bucket, cost in _spent(self._ledger, limit, window_at(limit.terms.window, moment).start):
                for account in _accounts(limit, value):
                    buckets = found.setdefault(account, {})
                    buckets[bucket] = buckets.get(bucket, 0) + cost
        return found

    def enforce(
        self,
        limits: Iterable[Limit],
        restored: Mapping[tuple[str, str], Mapping[int, int]],
        rates: Iterable[Rate] = (),
    ) -> None:
        """Puts limits and rates in force. Accounts that are counted in already stay; calls under way have their
        room in the new ones, too."""
        wanted = {limit.id: limit for limit in limits}
        kept = {id for id, limit in wanted.items() if self._counted(limit)}
        self._accounts = {key: account for key, account in self._accounts.items() if key[0] in kept}
        for key, buckets in restored.items():
            if key[0] in wanted and key[0] not in kept and wanted[key[0]].whose in ("", key[1]):
                account = self._account(wanted[key[0]], key[1])
                for bucket, cost in sorted(buckets.items()):
                    account.add(bucket, cost)
        self._limits, self._rates = wanted, tuple(rates)
        self._levels = {key: level for key, level in self._levels.items() if key[0] in self._rates}
        self._books.clear()
        self._book_recent({id for id in wanted if id not in kept})
        for account in self._accounts.values():
            account.reserved = 0
        for number, (room, _) in self._under_way.items():
            book = self._book(room.ask.spender, room.moment)
            self._under_way[number] = room, book
            for account in book.accounts:
                account.reserved += room.pico_usd

    def reserve(self, ask: Ask, moment: float) -> Reserved | Exceeded | Throttled:
        """Takes room for a call, or says which limit or rate holds it up."""
        book, most = self._book(ask.spender, moment), ask.most
        if ask.requests and book.pacing and (throttled := self._throttled(book, ask, moment)):
            return throttled
        granted, watched = most, _NONE
        for line in book.lines:
            left = line.left(most)
            if left is None or most <= left // 2:
                continue  # nearly always: `grant` would give all of it, too
            if (limit := line.limit).id == ask.exempt:
                continue
            grant = line.grant(ask)
            if not limit.enforced:
                if grant is None and limit.rule not in watched:
                    watched += (limit.rule,)
            elif grant is None:
                return line.exceeded(ask.least, moment)
            elif grant < granted:
                granted = grant
        for account in book.accounts:
            account.reserved += granted
        pace = None
        if book.pacing:
            for each in book.pacing:
                each.level.take(ask.requests if each.rate.unit == "requests" else ask.tokens, moment)
            pace = book.pace(moment)
        room = _Room(granted, watched, pace, ask=ask, moment=moment)
        self._under_way[id(room)] = room, book
        return room

    def settle(self, room: Reserved, pico_usd: int, tokens: int) -> None:
        """Gives the room back, and books what the call came to under every limit that is in force now."""
        taken, book = self._under_way.pop(id(room))
        for account in book.accounts:
            account.reserved -= taken.pico_usd
        if pico_usd:
            now = time.monotonic()
            self._recent.append((now, taken, pico_usd))
            while self._recent[0][0] < now - _RECENT_SECONDS:
                self._recent.popleft()
            for account in book.accounts:
                account.add(taken.moment, pico_usd)
            if pico_usd > taken.pico_usd:
                self._count_overshoot(book, taken, pico_usd - taken.pico_usd)
        for each in book.pacing:
            if each.rate.unit == "tokens":
                each.level.take(tokens - taken.ask.tokens, taken.moment)

    def shrink(self, room: Reserved, pico_usd: int) -> Reserved:
        """Gives back what a call under way has beyond an amount."""
        if pico_usd >= room.pico_usd:
            return room
        taken, book = self._under_way.pop(id(room))
        less = msgspec.structs.replace(taken, pico_usd=pico_usd)
        for account in book.accounts:
            account.reserved -= taken.pico_usd - pico_usd
        self._under_way[id(less)] = less, book
        return less

    def _book_recent(self, new: set[str]) -> None:
        """Books what ended lately, and was not in the ledger yet, in the accounts of new limits."""
        since = time.monotonic() - _RECENT_SECONDS
        for at, room, pico_usd in self._recent:
            if at >= since and room.ask.id not in self._told:
                accounts = {
                    id(account): account
                    for line in self._book(room.ask.spender, room.moment).lines
                    if line.limit.id in new
                    for account in (line.account, line.everyone)
                    if account is not None
                }
                for account in accounts.values():
                    account.add(room.moment, pico_usd)

    def state(self, spender: Spender, moment: float) -> State:
        """The worst state of all limits that a request of this caller counts in, whichever backend serves it."""
        return max((each.state for each in self.standings(spender, moment)), key=STATES.index, default="ok")

    def standings(self, spender: Spender, moment: float) -> list[Standing]:
        """How each account stands that a request of this caller counts in, whichever backend serves it."""
        return [line.standing(0, moment) for line in self._book(spender, moment).lines if line.everyone is None]

    def every_standing(self, moment: float) -> list[Standing]:
        """How each account stands that anything was counted in."""
        found = []
        for (id, value), account in self._accounts.items():
            limit = self._limits[id]
            account.turn(moment)
            if limit.terms.share is None:
                found.append(_Line(limit, value, account, None).standing(0, moment))
        return found

    def pace(self, spender: Spender, moment: float) -> Pace:
        """What the rates leave to a caller."""
        return self._book(spender, moment).pace(moment) or Pace()

    def _throttled(self, book: _Book, ask: Ask, moment: float) -> Throttled | None:
        """The rate that holds a call up longest."""
        longest: tuple[float, _Pacing] | None = None
        for each in book.pacing:
            wait = each.level.wait(ask.requests if each.rate.unit == "requests" else ask.tokens, moment)
            if wait > 0 and (longest is None or wait > longest[0]):
                longest = wait, each
        if longest is None:
            return None
        wait, held = longest
        return Throttled(held.rate, held.value, wait, book.pace(moment) or Pace())

    def _count_overshoot(self, book: _Book, room: _Room, more: int) -> None:
        """A call came to more than was granted: what of that is beyond a ceiling is told."""
        over = [
            line.account.spent + line.account.reserved - line.limit.terms.pico_usd
            for line in book.lines
            if line.limit.enforced and line.limit.terms.pico_usd is not None and line.limit.id != room.ask.exempt
        ]
        self.overshot_pico_usd += max(0, min(max(over, default=0), more))

    def _counted(self, limit: Limit) -> bool:
        """Whether the accounts of a limit are there already."""
        known = self._limits.get(limit.id)
        return known is not None and known.counts == limit.counts

    def _book(self, spender: Spender, moment: float) -> _Book:
        """What concerns a spender, as it stands at a moment."""
        book = self._books.get(spender)
        if book is None:
            if len(self._books) >= _REMEMBERED:
                self._books.clear()
            book = self._books[spender] = self._opened(spender, moment)
        for account in book.accounts:
            if moment >= account.ends:
                account.turn(moment)
        return book

    def _opened(self, spender: Spender, moment: float) -> _Book:
        lines = []
        for limit in self._limits.values():
            if (value := limit.value(spender)) is not None:
                everyone = self._account(limit, EVERYTHING) if limit.terms.share is not None else None
                lines.append(_Line(limit, value, self._account(limit, value), everyone))
        accounts = [account for line in lines for account in (line.account, line.everyone) if account is not None]
        pacing = tuple(
            _Pacing(rate, value, self._levels.setdefault((rate, value), Level(rate.a_minute, moment)))
            for rate in self._rates
            if (value := rate.value(spender)) is not None
        )
        return _Book(tuple(lines), tuple(dict.fromkeys(accounts)), pacing)

    def _account(self, limit: Limit, value: str) -> Account:
        return self._accounts.setdefault((limit.id, value), Account(limit.terms.window))


def _accounts(limit: Limit, value: str) -> list[tuple[str, str]]:
    """The accounts that a call counts in: its own, and for a share also everyone's."""
    mine = [(limit.id, value)]
    return mine if limit.terms.share is None or value == EVERYTHING else [*mine, (limit.id, EVERYTHING)]


def _spent(books: Books, limit: Limit, start: float) -> Iterable[tuple[str, int, int]]:
    """(value, bucket, pico-USD) of what the ledger holds since a moment. Calls that were folded are in the bucket that
    their hour begins with."""
    column = _COLUMNS.get(limit.terms.per)
    bucket = bucket_seconds(limit.terms.window)
    conditions: list[str] = [f"{books.time(start)} >= ?"]
    values: list[object] = [start]
    if limit.project:
        conditions.append("project = ?")
        values.append(limit.project)
    rows = books.ask(
        f"SELECT {books.whole(f'time / {bucket}')} * {bucket}, SUM(cost_millions), SUM(cost_rest)"
        f"{f', {column}' if column else ''} FROM {calls([column] if column else [], conditions)} "
        f"GROUP BY 1{', 4' if column else ''}",
        [*values, *values],
    )
    return ((value[0] if value else EVERYTHING, at, int(high) * MILLION + int(low)) for at, high, low, *value in rows)


def _kept(books: Books, ids: list[str]) -> frozenset[str]:
    """Which of these calls, by the ids that they asked for room with, the ledger has."""
    found: set[str] = set()
    for start in range(0, len(ids), _AT_ONCE):
        requests = [id.rpartition(":")[0] for id in ids[start : start + _AT_ONCE]]
        marks = ", ".join("?" * len(requests))
        rows = books.ask(f"SELECT request_id, hop FROM entries WHERE request_id IN ({marks})", requests)
        found.update(f"{request_id}:{hop}" for request_id, hop in rows)
    return frozenset(found)
