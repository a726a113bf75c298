"""Limits on spending, kept in memory and restored from the ledger. For one process: its accounts are nobody else's."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from gateway.adapters.books import Books, calls
from gateway.adapters.ledger_rows import MILLION
from gateway.core.budget import EVERYTHING, Account, Exceeded, Limit, Reserved, bucket_seconds, window_at

_COLUMNS = {"team": "team", "app": "app", "key": "key", "project": "project", "provider": "provider", "zone": "zone"}
_REMEMBERED = 10_000
"""Distinct spenders whose accounts are remembered; few keys ask for few backends."""


class _Line(msgspec.Struct, frozen=True):
    """A limit that concerns a spender: whose account it is, and, where the limit is a share, everyone's too."""

    limit: Limit
    value: str
    account: Account
    everyone: Account | None

    def ceiling(self, pico_usd: int, moment: float) -> int | None:
        """The most that may be in the account once so much more is; None: whatever it is, so far."""
        terms = self.limit.terms
        if terms.pico_usd is not None:
            return terms.pico_usd
        assert terms.share is not None
        assert self.everyone is not None
        total = self.everyone.spent(moment) + self.everyone.reserved + pico_usd
        return int(terms.share * total) if total >= terms.minimum_pico_usd else None


class _Book(msgspec.Struct, frozen=True):
    """All that concerns one spender: the limits, and every account that a call of his counts in."""

    lines: tuple[_Line, ...]
    accounts: tuple[Account, ...]


class LocalBudgets:
    """The `Budgets` port. A reservation is made in all accounts that a call touches, or in none.

    Nothing here awaits, so on one event loop no two calls can both take the last room.
    """

    def __init__(self, directory: Path, database_url: str = "") -> None:
        self._ledger = Books(directory, database_url)
        self._limits: dict[str, Limit] = {}
        self._accounts: dict[tuple[str, str], Account] = {}
        self._books: dict[tuple[tuple[str, str], ...], _Book] = {}  # of spenders that have asked

    def restore(self, limits: Iterable[Limit], moment: float) -> Mapping[tuple[str, str], Mapping[int, int]]:
        """What the ledger says was spent under limits that are not in force yet. May be called off the event loop.

        Raises LedgerUnreadable.
        """
        found: dict[tuple[str, str], dict[int, int]] = {}
        for limit in limits:
            if self._limits.get(limit.id) != limit:
                for value, bucket, cost in _spent(self._ledger, limit, window_at(limit.terms.window, moment).start):
                    for account in _accounts(limit, value):
                        buckets = found.setdefault(account, {})
                        buckets[bucket] = buckets.get(bucket, 0) + cost
        return found

    @property
    def counting(self) -> bool:
        """Whether any limit is in force: without one nothing needs to be reserved."""
        return bool(self._limits)

    def enforce(self, limits: Iterable[Limit], restored: Mapping[tuple[str, str], Mapping[int, int]]) -> None:
        """Puts limits in force. Accounts of limits that stay as they are stay, too."""
        wanted = {limit.id: limit for limit in limits}
        kept = {id for id, limit in wanted.items() if self._limits.get(id) == limit}
        self._accounts = {key: account for key, account in self._accounts.items() if key[0] in kept}
        for key, buckets in restored.items():
            if key[0] in wanted and key[0] not in kept:
                account = self._account(wanted[key[0]], key[1])
                for bucket, cost in sorted(buckets.items()):
                    account.add(bucket, cost)
        self._limits = wanted
        self._books.clear()

    def reserve(
        self, spender: Mapping[str, str], pico_usd: int, moment: float, exempt: str | None
    ) -> Reserved | Exceeded:
        """Takes room for the most that a call can cost, or says which limit has none.

        `exempt` is the limit that the request was downgraded by: what it still serves is beyond that limit.
        """
        book = self._book(spender)
        watched: tuple[str, ...] = ()
        for line in book.lines:
            limit, account = line.limit, line.account
            ceiling = line.ceiling(pico_usd, moment)
            spent, reserved = account.spent(moment), account.reserved
            if ceiling is None or spent + reserved + pico_usd <= ceiling or limit.id == exempt:
                continue
            if limit.enforced:
                resets = window_at(limit.terms.window, moment).end
                return Exceeded(limit, line.value, spent, reserved, ceiling, resets)
            if limit.rule not in watched:
                watched += (limit.rule,)
        for account in book.accounts:
            account.reserved += pico_usd
        return Reserved(book.accounts, spender, pico_usd, watched)

    def settle(self, room: Reserved, pico_usd: int, moment: float) -> None:
        """Gives the room back, and books what the call came to under every limit that is in force now."""
        for account in room.accounts:
            account.reserved -= room.pico_usd
        if pico_usd:
            for account in self._book(room.spender).accounts:
                account.add(moment, pico_usd)

    def _book(self, spender: Mapping[str, str]) -> _Book:
        key = tuple(spender.items())
        book = self._books.get(key)
        if book is None:
            if len(self._books) >= _REMEMBERED:
                self._books.clear()
            book = self._books[key] = self._opened(spender)
        return book

    def _opened(self, spender: Mapping[str, str]) -> _Book:
        lines = []
        for limit in self._limits.values():
            if (value := limit.value(spender)) is not None:
                everyone = self._account(limit, EVERYTHING) if limit.terms.share is not None else None
                lines.append(_Line(limit, value, self._account(limit, value), everyone))
        accounts = [account for line in lines for account in (line.account, line.everyone) if account is not None]
        return _Book(tuple(lines), tuple(dict.fromkeys(accounts)))

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
    conditions: list[str] = ["time >= ?"]
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
