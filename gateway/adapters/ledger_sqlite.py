"""The ledger's store in the state directory: SQLite, written by one process."""

import contextlib
import math
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

import msgspec

from gateway.adapters.ledger_rows import (
    COLUMNS,
    DIMENSIONS,
    EACH_SUM,
    HOUR,
    SUMS,
    Unwritable,
    hour_of,
    mark,
    not_folded,
)
from gateway.core.record import Entry

_ROW = f"({', '.join('?' * len(COLUMNS))})"
_ROWS_AT_ONCE = 64
"""Rows of one statement. Each statement gives the interpreter's lock away and takes it back; with one row a statement
the writer thread and the event loop fought over it, and a request cost three times as much."""
FOLD_ROWS = 2_000
"""Calls that are folded in one transaction: some 40 ms."""

_MIGRATIONS = (
    """
    CREATE TABLE entries (
        request_id TEXT NOT NULL, hop INTEGER NOT NULL, state TEXT NOT NULL, time REAL NOT NULL,
        key TEXT NOT NULL, team TEXT NOT NULL, app TEXT NOT NULL, project TEXT NOT NULL, purpose TEXT NOT NULL,
        requested TEXT NOT NULL, backend TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,
        zone TEXT NOT NULL, sensitivity TEXT NOT NULL, decision_id TEXT NOT NULL, policy_digest TEXT NOT NULL,
        price_version TEXT NOT NULL, input_uncached INTEGER NOT NULL, cache_read INTEGER NOT NULL,
        cache_write INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
        usage_source TEXT NOT NULL, cost_pico_usd INTEGER NOT NULL, outcome TEXT NOT NULL, failure TEXT NOT NULL,
        status INTEGER NOT NULL, duration_ms INTEGER NOT NULL,
        PRIMARY KEY (request_id, hop)
    ) WITHOUT ROWID;
    CREATE INDEX entries_time ON entries (time);
    """,
    """
    ALTER TABLE entries ADD COLUMN cache_write_long INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE entries ADD COLUMN audio_input INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE entries ADD COLUMN audio_output INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE entries ADD COLUMN service TEXT NOT NULL DEFAULT '';
    """,
    """
    CREATE TABLE hours (
        time REAL NOT NULL, key TEXT NOT NULL, team TEXT NOT NULL, app TEXT NOT NULL, project TEXT NOT NULL,
        purpose TEXT NOT NULL, requested TEXT NOT NULL, backend TEXT NOT NULL, model TEXT NOT NULL,
        provider TEXT NOT NULL, zone TEXT NOT NULL, sensitivity TEXT NOT NULL, price_version TEXT NOT NULL,
        service TEXT NOT NULL, usage_source TEXT NOT NULL, state TEXT NOT NULL, calls INTEGER NOT NULL,
        requests INTEGER NOT NULL, input_uncached INTEGER NOT NULL DEFAULT 0, cache_read INTEGER NOT NULL DEFAULT 0,
        cache_write INTEGER NOT NULL DEFAULT 0, cache_write_long INTEGER NOT NULL DEFAULT 0,
        audio_input INTEGER NOT NULL DEFAULT 0, output INTEGER NOT NULL DEFAULT 0,
        reasoning INTEGER NOT NULL DEFAULT 0, audio_output INTEGER NOT NULL DEFAULT 0,
        cost_millions INTEGER NOT NULL, cost_rest INTEGER NOT NULL
    );
    CREATE INDEX hours_time ON hours (time);
    CREATE TABLE folded (time REAL NOT NULL, marks BLOB NOT NULL);
    CREATE INDEX folded_time ON folded (time);
    """,
    """
    ALTER TABLE entries ADD COLUMN final INTEGER NOT NULL DEFAULT -1;
    """,
)


def connect(path: Path, *, durability: Literal["process", "power"] = "process") -> sqlite3.Connection:
    """A connection to the ledger's database, with its tables up to date."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={'FULL' if durability == 'power' else 'NORMAL'}")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for number, script in enumerate(_MIGRATIONS[version:], version + 1):
        db.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version={number}; COMMIT;")
    return db


def _insert(rows: int, otherwise: str = "REPLACE") -> str:
    return f"INSERT OR {otherwise} INTO entries ({', '.join(COLUMNS)}) VALUES {', '.join([_ROW] * rows)}"


_INSERT_MANY, _INSERT_ONE = _insert(_ROWS_AT_ONCE), _insert(1)
_INSERT_IF_ABSENT = _insert(1, "IGNORE")
_SUMMED = ", ".join((*DIMENSIONS, *(f"SUM({name})" for name in SUMS)))
_FOLDED = f"""
    SELECT {_SUMMED} FROM (
        SELECT {", ".join(DIMENSIONS)}, {", ".join(f"{sql} AS {name}" for name, sql in EACH_SUM.items())}
        FROM entries WHERE time >= ? AND time < ?
        UNION ALL SELECT {", ".join((*DIMENSIONS, *SUMS))} FROM hours WHERE time = ?
    ) GROUP BY {", ".join(DIMENSIONS)}
"""
_HOURS = ("time", *DIMENSIONS, *SUMS)
_INSERT_HOUR = f"INSERT INTO hours ({', '.join(_HOURS)}) VALUES ({', '.join('?' * len(_HOURS))})"


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _write(db: sqlite3.Connection, entries: Sequence[Entry], *, absent: bool = False) -> int:
    rows = [msgspec.structs.astuple(entry) for entry in entries]
    whole = 0 if absent else len(rows) - len(rows) % _ROWS_AT_ONCE
    before = db.total_changes
    with _transaction(db):
        for start in range(0, whole, _ROWS_AT_ONCE):
            db.execute(_INSERT_MANY, list(chain.from_iterable(rows[start : start + _ROWS_AT_ONCE])))
        db.executemany(_INSERT_IF_ABSENT if absent else _INSERT_ONE, rows[whole:])
    return db.total_changes - before


class SqliteStore:
    """The `Store` in a file. Nobody else writes to it."""

    def __init__(self, path: Path, durability: Literal["process", "power"] = "process") -> None:
        self._db = connect(path, durability=durability)
        (last,) = self._db.execute("SELECT MAX(time) FROM folded").fetchone()
        self._folded_to = 0.0 if last is None else last + HOUR

    def write(self, entries: Sequence[Entry], *, absent: bool = False) -> int:
        """Keeps entries. See `Store`."""
        try:
            if self._folded_to and any(entry.time < self._folded_to for entry in entries):
                entries = not_folded(entries, self._marks({hour_of(entry.time) for entry in entries}))
            return _write(self._db, entries, absent=absent)
        except (OverflowError, UnicodeEncodeError, sqlite3.IntegrityError, sqlite3.DataError) as error:
            raise Unwritable(str(error)) from error

    def fold(self, before: float) -> bool:
        """Folds calls of the oldest hour that ended before a moment. See `Store`."""
        (oldest,) = self._db.execute("SELECT MIN(time) FROM entries WHERE time < ?", [hour_of(before)]).fetchone()
        if oldest is None:
            return False
        hour = hour_of(oldest)
        nth = self._db.execute(
            "SELECT time FROM entries WHERE time >= ? AND time < ? ORDER BY time LIMIT 1 OFFSET ?",
            [hour, hour + HOUR, FOLD_ROWS - 1],
        ).fetchone()
        slice_ = [hour, hour + HOUR if nth is None else math.nextafter(nth[0], math.inf)]
        with _transaction(self._db):
            folded = self._db.execute(_FOLDED, [*slice_, hour]).fetchall()
            calls = self._db.execute("SELECT request_id, hop FROM entries WHERE time >= ? AND time < ?", slice_)
            marks = b"".join(mark(*call) for call in calls)
            self._db.execute("DELETE FROM hours WHERE time = ?", [hour])
            self._db.executemany(_INSERT_HOUR, [(hour, *row) for row in folded])
            self._db.execute("INSERT INTO folded (time, marks) VALUES (?, ?)", [hour, marks])
            self._db.execute("DELETE FROM entries WHERE time >= ? AND time < ?", slice_)
        self._folded_to = max(self._folded_to, hour + HOUR)
        return True

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def _marks(self, hours: set[float]) -> list[tuple[float, bytes]]:
        return [
            row for hour in hours for row in self._db.execute("SELECT time, marks FROM folded WHERE time = ?", [hour])
        ]
