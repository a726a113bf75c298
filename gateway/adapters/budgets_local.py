"""Limits on spending, kept in memory and restored from the ledger. For one process: its accounts are nobody else's."""

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.core.budget import EVERYTHING, Account, Exceeded, Limit, Reserved, bucket_seconds, window_at

_COLUMNS = {"team": "team", "app": "app", "key": "key", "project": "project", "provider": "provider", "zone": "zone"}


class LocalBudgets:
    """The `Budgets` port. A reservation is made in all accounts that a call touches, or in none.

    Nothing here awaits, so on one event loop no two calls can both take the last room.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._limits: dict[str, Limit] = {}
        self._accounts: dict[tuple[str, str], Account] = {}

    def restore(self, limits: Iterable[Limit], moment: float) -> Mapping[tuple[str, str], Mapping[int, int]]:
        """What the ledger says was spent under limits that are not in force yet. May be called off the event loop."""
        path = self._directory / "ledger.sqlite"
        found: dict[tuple[str, str], dict[int, int]] = {}
        new = [limit for limit in limits if self._limits.get(limit.id) != limit]
        if not new or not path.exists():
            return found
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)
        try:
            for limit in new:
                for value, bucket, cost in _spent(db, limit, window_at(limit.terms.window, moment).start):
                    for account in _accounts(limit, value):
                        buckets = found.setdefault(account, {})
                        buckets[bucket] = buckets.get(bucket, 0) + cost
        finally:
            db.close()
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
                account = self._accounts.setdefault(key, Account())
                for bucket, cost in sorted(buckets.items()):
                    account.add(bucket, cost)
        self._limits = wanted

    def reserve(
        self, spender: Mapping[str, str], pico_usd: int, moment: float, exempt: str | None
    ) -> Reserved | Exceeded:
        """Takes room for the most that a call can cost, or says which limit has none.

        `exempt` is the limit that the request was downgraded by: what it still serves is beyond that limit.
        """
        taken: list[tuple[str, str]] = []
        watched: dict[str, None] = {}
        for limit in self._limits.values():
            value = limit.value(spender)
            if value is None:
                continue
            if limit.id != exempt and (exceeded := self._exceeded(limit, value, pico_usd, moment)):
                if limit.enforced:
                    return exceeded
                watched[limit.rule] = None
            taken += _accounts(limit, value)
        accounts = tuple(self._accounts.setdefault(key, Account()) for key in taken)
        for account in accounts:
            account.reserved += pico_usd
        return Reserved(accounts, spender, pico_usd, tuple(watched))

    def settle(self, room: Reserved, pico_usd: int, moment: float) -> None:
        """Gives the room back, and books what the call came to under every limit that is in force now."""
        for account in room.accounts:
            account.reserved -= room.pico_usd
        if not pico_usd:
            return
        for limit in self._limits.values():
            value = limit.value(room.spender)
            if value is not None:
                bucket = int(moment // bucket_seconds(limit.terms.window)) * bucket_seconds(limit.terms.window)
                for key in _accounts(limit, value):
                    self._accounts.setdefault(key, Account()).add(bucket, pico_usd)

    def _exceeded(self, limit: Limit, value: str, pico_usd: int, moment: float) -> Exceeded | None:
        window = window_at(limit.terms.window, moment)
        spent, reserved = self._standing(limit, value, window.start)
        ceiling = limit.terms.pico_usd
        if ceiling is None:
            assert limit.terms.share is not None
            everyone, everyones = self._standing(limit, EVERYTHING, window.start)
            total = everyone + everyones + pico_usd
            if total < limit.terms.minimum_pico_usd:
                return None
            ceiling = int(limit.terms.share * total)
        if spent + reserved + pico_usd <= ceiling:
            return None
        return Exceeded(limit, value, spent, reserved, ceiling, window.end)

    def _standing(self, limit: Limit, value: str, start: float) -> tuple[int, int]:
        account = self._accounts.get((limit.id, value))
        return (account.within(start), account.reserved) if account is not None else (0, 0)


def _accounts(limit: Limit, value: str) -> list[tuple[str, str]]:
    """The accounts that a call counts in: its own, and for a share also everyone's."""
    mine = [(limit.id, value)]
    return mine if limit.terms.share is None or value == EVERYTHING else [*mine, (limit.id, EVERYTHING)]


def _spent(db: sqlite3.Connection, limit: Limit, start: float) -> Iterable[tuple[str, int, int]]:
    """(value, bucket, pico-USD) of what the ledger holds since a moment."""
    column = f"{_COLUMNS[limit.terms.per]}" if limit.terms.per in _COLUMNS else f"'{EVERYTHING}'"
    bucket = bucket_seconds(limit.terms.window)
    where, values = ("AND project = ?", [limit.project]) if limit.project else ("", [])
    rows = db.execute(
        f"SELECT {column}, CAST(time / {bucket} AS INTEGER) * {bucket}, SUM(cost_pico_usd / 1000000), "
        f"SUM(cost_pico_usd % 1000000) FROM entries WHERE time >= ? {where} GROUP BY 1, 2",
        [start, *values],
    )
    return ((value, start, high * 1_000_000 + low) for value, start, high, low in rows)
