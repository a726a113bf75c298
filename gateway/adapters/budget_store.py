"""Budgets and rates that operators set, beside those of the policy tree. Both are one mechanism: see `core.budget`."""

import time
from pathlib import Path

import msgspec

from gateway.adapters.audit import Audit, whoever
from gateway.adapters.sqlite_files import SqliteTables
from gateway.adapters.tables import Tables
from gateway.core.budget import Limit, Spend
from gateway.core.price import usd
from gateway.core.rate import Rate

EACH = "*"
"""Stands for every value of a dimension: each of them has a budget of its own."""

RULE = "budget"
"""The rule that a budget goes by which no rule of the policy set."""

FILE = "budgets.sqlite"
MIGRATIONS = (
    """
    CREATE TABLE budgets (
        per TEXT NOT NULL, whose TEXT NOT NULL, window TEXT NOT NULL, pico_usd TEXT NOT NULL, soft INTEGER NOT NULL,
        set_at REAL NOT NULL, PRIMARY KEY (per, whose, window)
    )
    """,
    """
    CREATE TABLE rates (
        per TEXT NOT NULL, whose TEXT NOT NULL, unit TEXT NOT NULL, a_minute INTEGER NOT NULL, set_at REAL NOT NULL,
        PRIMARY KEY (per, whose, unit)
    )
    """,
)
"""One statement each."""


class Set(msgspec.Struct, frozen=True):
    """What operators have set."""

    limits: tuple[Limit, ...] = ()
    rates: tuple[Rate, ...] = ()


class BudgetStore:
    """The budgets of a state directory, or those that replicas share. Any number of processes may hold them; what one
    writes the others see.

    `known` is what is set, as last read, and `in_force` what of it calls are held to by now. What is set or removed is
    noted in the audit trail of the state directory, as done by whoever runs the process. Raises OSError when it cannot
    be noted, and then it is not done. Where budgets are shared, everything here may raise Unreachable.
    """

    def __init__(self, directory: Path, shared: Tables | None = None) -> None:
        self._db = shared or SqliteTables(directory / FILE, MIGRATIONS)
        self._audit = Audit(directory)
        self._version: object = None
        self.known = Set()
        self.in_force = Set()

    def set_budget(self, per: str, whose: str, window: str, pico_usd: int, *, soft: bool) -> None:
        """Sets a budget of one value of `per` (`EACH`: of each). One of the same window is replaced."""
        said = f"{usd(pico_usd)} USD a {window}{' (soft)' if soft else ''}"
        with self._audit.during(whoever(), "budget_set", f"{per} {whose}", said, self._db):
            self._db.change(
                'INSERT INTO budgets (per, whose, "window", pico_usd, soft, set_at) VALUES (?, ?, ?, ?, ?, ?)'
                ' ON CONFLICT (per, whose, "window") DO UPDATE SET'
                " pico_usd = excluded.pico_usd, soft = excluded.soft, set_at = excluded.set_at",
                (per, whose, window, str(pico_usd), int(soft), time.time()),  # 64 bits end at 9 million USD
            )

    def set_rate(self, per: str, whose: str, unit: str, a_minute: int) -> None:
        """Sets a rate. One of the same unit is replaced."""
        with self._audit.during(whoever(), "rate_set", f"{per} {whose}", f"{a_minute} {unit} a minute", self._db):
            self._db.change(
                "INSERT INTO rates (per, whose, unit, a_minute, set_at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (per, whose, unit) DO UPDATE SET a_minute = excluded.a_minute, set_at = excluded.set_at",
                (per, whose, unit, a_minute, time.time()),
            )

    def remove(self, per: str, whose: str, window: str | None = None) -> int:
        """Removes what was set of one value: the budget of a window, or (None) all its budgets and rates. How many."""
        where, values = "per = ? AND whose = ?", [per, whose]
        with self._audit.during(whoever(), "budget_removed", f"{per} {whose}", window or "all", self._db) as noted:
            if window is not None:
                gone = self._db.change(f'DELETE FROM budgets WHERE {where} AND "window" = ?', [*values, window])
            else:
                tables = ("budgets", "rates")
                gone = sum(self._db.change(f"DELETE FROM {table} WHERE {where}", values) for table in tables)
            noted.outcome = "done" if gone else "nothing to remove"
        return gone

    def news(self) -> bool:
        """Whether another process may have set something since this was last read."""
        return self._db.version() != self._version

    def refresh(self) -> None:
        """Rereads the store if another process changed it."""
        if self.news():
            self.read()

    def read(self) -> Set:
        """What is set now. Raises sqlite3.Error when a file cannot be read, and then it is news still."""
        version = self._db.version()
        budgets = self._db.ask('SELECT per, whose, "window", pico_usd, soft FROM budgets ORDER BY per, whose, "window"')
        rates = self._db.ask("SELECT per, unit, a_minute, whose FROM rates ORDER BY per, whose, unit")
        self.known = Set(
            tuple(_limit(*row) for row in budgets),
            tuple(Rate(per, unit, a_minute, "" if whose == EACH else whose) for per, unit, a_minute, whose in rates),
        )
        self._version = version
        return self.known

    def close(self) -> None:
        """Closes the store."""
        self._db.close()


def _limit(per: str, whose: str, window: str, pico_usd: str, soft: int) -> Limit:
    terms = msgspec.convert({"per": per, "window": window, "pico_usd": int(pico_usd)}, Spend)
    one = "" if whose == EACH or per == "organisation" else whose
    return Limit(f"{RULE}:{per}:{whose}:{window}", RULE, terms, enforced=not soft, whose=one)
