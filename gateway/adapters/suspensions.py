"""Backends that are off by order. Every order is kept, so the store also says who gave which, when and why."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from gateway.adapters.audit import Act, Audit
from gateway.adapters.sqlite_files import opened
from gateway.core.catalog import Backend
from gateway.core.steering import plain

MAX_REASON = 500
"""Characters that are kept of a reason."""

_MIGRATIONS = (
    """
    CREATE TABLE orders (
        number INTEGER PRIMARY KEY, backend TEXT NOT NULL, suspended INTEGER NOT NULL, time REAL NOT NULL,
        by TEXT NOT NULL, reason TEXT NOT NULL
    )
    """,
)
_COLUMNS = "backend, suspended, time, by, reason"


class Order(msgspec.Struct, frozen=True):
    """One order: from `time` (Unix seconds) on a backend is suspended, or no longer is."""

    backend: str
    suspended: bool
    time: float
    by: str
    reason: str


class Suspensions:
    """The orders of a state directory. Any number of processes may hold one; what one writes the others see.

    `in_force` are the suspensions in force, by backend, as last read. An order is noted in the audit trail; one that
    cannot be is not taken, and OSError says so.
    """

    def __init__(self, directory: Path) -> None:
        self._db = opened(directory / "suspensions.sqlite", _MIGRATIONS)
        self._audit = Audit(directory)
        (self._seen,) = self._db.execute("SELECT COALESCE(MAX(number), 0) FROM orders").fetchone()
        self._version = -1
        self.in_force = self._in_force()

    def suspend(self, backend: str, *, by: str, reason: str = "") -> None:
        """Suspends a backend. Again: with a new reason."""
        self._add(backend, suspended=True, by=by, reason=reason)

    def resume(self, backend: str, *, by: str, reason: str = "") -> bool:
        """Ends a suspension. False: there is none."""
        there = backend in self._in_force()
        if there:
            self._add(backend, suspended=False, by=by, reason=reason)
        return there

    def news(self) -> tuple[Order, ...]:
        """The orders that others gave since this was opened or last asked. Cheap when there are none."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return ()
        found = self._db.execute(
            f"SELECT {_COLUMNS}, number FROM orders WHERE number > ? ORDER BY number", (self._seen,)
        ).fetchall()
        self.in_force = self._in_force()
        self._version = version
        if found:
            self._seen = found[-1][5]
        return tuple(_order(row[:5]) for row in found)

    def close(self) -> None:
        """Closes the store."""
        self._db.close()

    def _in_force(self) -> dict[str, Order]:
        last = self._db.execute(f"SELECT {_COLUMNS}, MAX(number) FROM orders GROUP BY backend ORDER BY backend")
        return {row[0]: _order(row[:5]) for row in last if row[1]}

    def _add(self, backend: str, *, suspended: bool, by: str, reason: str) -> None:
        act: Act = "backend_suspended" if suspended else "backend_resumed"
        with self._audit.during(by, act, backend, reason, self._db):
            self._db.execute(
                f"INSERT INTO orders ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)",
                (backend, suspended, time.time(), plain(by), plain(reason)[:MAX_REASON]),
            )
        self.in_force = self._in_force()


def _order(row: tuple[str, int, float, str, str]) -> Order:
    backend, suspended, at, by, reason = row
    return Order(backend, bool(suspended), at, by, reason)


class Shown(msgspec.Struct, frozen=True):
    """A backend as operators see it. `status` is the one in force; None: nobody declared it, or it is not there.

    `not_offered` says why it is not called whatever the policy says; `substitute` answers in its place.
    """

    id: str
    provider: str | None
    model: str | None
    zone: str | None
    status: str | None
    not_offered: str | None
    substitute: str | None
    suspension: Order | None


def shown(
    backends: Iterable[Backend], not_offered: Mapping[str, str], in_force: Mapping[str, Order]
) -> tuple[Shown, ...]:
    """Every backend of a catalog, and every suspension of one that it no longer has."""
    rows = []
    for backend in backends:
        order = in_force.get(backend.id)
        zone, status = backend.passport.get("zone"), backend.passport.get("status")
        rows.append(
            Shown(
                backend.id,
                backend.provider,
                backend.model,
                zone if isinstance(zone, str) else None,
                "suspended" if order else status if isinstance(status, str) else None,
                not_offered.get(backend.id) or (None if backend.price else "it has no price"),
                backend.substitute,
                order,
            )
        )
    gone = in_force.keys() - {row.id for row in rows}
    rows += [Shown(id, None, None, None, None, "it is not in the catalog", None, in_force[id]) for id in sorted(gone)]
    return tuple(rows)
