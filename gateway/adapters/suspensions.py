"""Backends that are off by order. Every order is kept, so the store also says who gave which, when and why."""

import contextlib
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.adapters.audit import Act, Audit
from gateway.adapters.sqlite_files import SqliteTables
from gateway.adapters.tables import Tables, Unreachable
from gateway.core.catalog import Backend
from gateway.core.steering import plain

MAX_REASON = 500
"""Characters that are kept of a reason."""

FILE = "suspensions.sqlite"
MIGRATIONS = (
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
    """The orders of a state directory, or those that replicas share. Any number of processes may hold them; what one
    writes the others see.

    `in_force` are the suspensions in force, by backend, as last read: `news` reads them. An order is noted in the audit
    trail of the state directory; one that cannot be is not taken, and OSError says so. Where orders are shared,
    everything here may raise Unreachable.
    """

    def __init__(self, directory: Path, shared: Tables | None = None) -> None:
        self._db = shared or SqliteTables(directory / FILE, MIGRATIONS)
        self._audit = Audit(directory)
        self._seen: int | None = None
        self._version: object = None
        self.in_force: dict[str, Order] = {}

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
        """The orders that were given since this was last asked; none, where it is asked first. Cheap when there are
        none."""
        version = self._db.version()
        if version == self._version:
            return ()
        found = self._db.ask(
            f"SELECT {_COLUMNS}, number FROM orders WHERE number > ? ORDER BY number", (self._seen or 0,)
        )
        self.in_force = self._in_force()
        self._version = version
        news = found if self._seen is not None else []
        self._seen = found[-1][5] if found else self._seen or 0
        return tuple(_order(row[:5]) for row in news)

    def close(self) -> None:
        """Closes the store."""
        self._db.close()

    def _in_force(self) -> dict[str, Order]:
        last = self._db.ask(
            f"SELECT {_COLUMNS} FROM orders WHERE number IN (SELECT MAX(number) FROM orders GROUP BY backend)"
            " ORDER BY backend"
        )
        return {row[0]: _order(row) for row in last if row[1]}

    def _add(self, backend: str, *, suspended: bool, by: str, reason: str) -> None:
        act: Act = "backend_suspended" if suspended else "backend_resumed"
        with self._audit.during(by, act, backend, reason, self._db):
            self._db.change(
                f"INSERT INTO orders ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)",
                (backend, int(suspended), time.time(), plain(by), plain(reason)[:MAX_REASON]),
            )
        with contextlib.suppress(Unreachable):  # it is kept, whoever may look
            self.in_force = self._in_force()


def _order(row: tuple[Any, ...]) -> Order:
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
