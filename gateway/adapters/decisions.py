"""Decisions, kept so that they can be decided again under another policy: facts and figures, never text.

Records come in batches, off the path of the request, and one thread writes them in groups. Most requests ask what many
asked before, so all that decisions share is written once a day and referred to. What a crash loses is the last group:
the ledger has the money.
"""

import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from gateway.core.chat import Demand
from gateway.core.decision import Decision, Facts
from gateway.core.record import End, Record
from gateway.core.stored import Denied, Stored
from gateway.core.usage import Usage

KEPT_DAYS = 90
_DAY_SECONDS = 86_400
_GROUP_SECONDS = 0.5
_IDLE_SECONDS = 3600.0
_DELETED_AT_ONCE = 5000
_REMEMBERED = 10_000
_ROWS_AT_ONCE = 64
"""Rows of one statement: each statement gives the interpreter's lock away and takes it back."""

_MIGRATIONS = (
    """
    CREATE TABLE shared (id INTEGER PRIMARY KEY, day INTEGER NOT NULL, data BLOB NOT NULL);
    CREATE TABLE decisions (
        decision_id TEXT NOT NULL PRIMARY KEY, request_id TEXT NOT NULL, time REAL NOT NULL, shared INTEGER NOT NULL,
        input_bytes INTEGER NOT NULL, messages INTEGER NOT NULL, output_limit INTEGER, choices INTEGER NOT NULL,
        backend TEXT, input_uncached INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL,
        output INTEGER NOT NULL, reasoning INTEGER NOT NULL, usage_source TEXT NOT NULL, cost_pico_usd INTEGER NOT NULL,
        outcome TEXT NOT NULL, status INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX decisions_time ON decisions (time);
    """,
)
_COLUMNS = (
    "decision_id, request_id, time, shared, input_bytes, messages, output_limit, choices, backend, input_uncached, "
    "cache_read, cache_write, output, reasoning, usage_source, cost_pico_usd, outcome, status"
)
_Row = tuple[str | int | float | None, ...]


class _Shared(msgspec.Struct, frozen=True):
    """What many decisions have in common."""

    policy_digest: str
    requested: str
    facts: Facts
    needs: frozenset[str]
    plan: tuple[str, ...]
    denied: tuple[Denied, ...]


_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_DECODE = msgspec.json.Decoder(_Shared).decode


def _insert(rows: int) -> str:
    row = f"({', '.join('?' * len(_COLUMNS.split(', ')))})"
    return f"INSERT OR REPLACE INTO decisions ({_COLUMNS}) VALUES {', '.join([row] * rows)}"


_INSERT_MANY, _INSERT_ONE = _insert(_ROWS_AT_ONCE), _insert(1)


def _path(directory: Path) -> Path:
    return directory / "decisions.sqlite"


class Decisions:
    """A projection of records into a state directory. One process at a time may hold it.

    `on_loss` is told, in a thread of its own, how many records could not be kept, and why.
    """

    def __init__(self, directory: Path, on_loss: Callable[[int, str], None]) -> None:
        self._db = sqlite3.connect(_path(directory), isolation_level=None, check_same_thread=False, timeout=10.0)
        _path(directory).chmod(0o600)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        for number, script in enumerate(_MIGRATIONS[version:], version + 1):
            self._db.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version={number}; COMMIT;")
        (self._last,) = self._db.execute("SELECT COALESCE(MAX(id), 0) FROM shared").fetchone()
        self._on_loss = on_loss
        self._day = 0
        self._ids: dict[object, int] = {}  # what was written as shared today, by its parts and by its bytes
        self._queue: queue.SimpleQueue[Sequence[Record] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="decisions", daemon=True)
        self._thread.start()

    def take(self, records: Sequence[Record]) -> None:
        """Takes the records of requests that have ended; those that reached a decision are kept."""
        self._queue.put(records)

    def close(self) -> None:
        """Writes what was taken and stops."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(timeout=30)
        if not self._thread.is_alive():
            self._db.close()

    def _carry(self) -> None:
        """The thread: writes what has come, in one transaction, until told to stop."""
        with contextlib.suppress(OSError, AttributeError):  # where a thread has a priority of its own: requests first
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        self._begin_day()
        going = True
        while going:
            batches: list[Sequence[Record] | None] = []
            with contextlib.suppress(queue.Empty):
                batches.append(self._queue.get(timeout=_IDLE_SECONDS))
            self._closing.wait(_GROUP_SECONDS)
            while not self._queue.empty():
                batches.append(self._queue.get())
            self._begin_day()
            records = list(chain.from_iterable(batch for batch in batches if batch is not None))
            if records:
                try:
                    self._write(records)
                except sqlite3.Error as error:
                    self._ids.clear()
                    self._on_loss(len(records), str(error))
            going = None not in batches

    def _begin_day(self) -> None:
        """Once a day: what is shared is written anew, so that it goes with the last that refers to it, and what is too
        old goes."""
        today = int(time.time() // _DAY_SECONDS)
        if today == self._day:
            return
        self._day = today
        self._ids.clear()
        oldest = today - KEPT_DAYS
        many = "SELECT decision_id FROM decisions WHERE time < ? LIMIT ?"
        try:
            deleted = _DELETED_AT_ONCE
            while deleted == _DELETED_AT_ONCE and not self._closing.is_set():
                deleted = self._db.execute(
                    f"DELETE FROM decisions WHERE decision_id IN ({many})", (oldest * _DAY_SECONDS, _DELETED_AT_ONCE)
                ).rowcount
            if deleted < _DELETED_AT_ONCE:
                self._db.execute("DELETE FROM shared WHERE day < ?", (oldest,))
        except sqlite3.Error:
            pass  # tomorrow, or at the next start

    def _write(self, records: Iterable[Record]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            rows = [
                self._row(record, record.decision, record.demand)
                for record in records
                if record.decision is not None and record.demand is not None
            ]
            whole = len(rows) - len(rows) % _ROWS_AT_ONCE
            for start in range(0, whole, _ROWS_AT_ONCE):
                self._db.execute(_INSERT_MANY, list(chain.from_iterable(rows[start : start + _ROWS_AT_ONCE])))
            self._db.executemany(_INSERT_ONE, rows[whole:])
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _row(self, record: Record, decision: Decision, demand: Demand) -> _Row:
        usage = record.usage
        return (
            decision.id,
            record.call.id,
            record.call.time,
            self._shared(decision, demand),
            demand.input_bytes,
            demand.messages,
            demand.output_limit,
            demand.choices,
            record.tried[-1].backend if record.tried else None,
            usage.input_uncached,
            usage.cache_read,
            usage.cache_write,
            usage.output,
            usage.reasoning,
            usage.source,
            record.cost_pico_usd,
            record.end.value,
            record.status,
        )

    def _shared(self, decision: Decision, demand: Demand) -> int:
        """The number of what this decision shares with others, written if it is new today."""
        plan = [candidate.backend.id for candidate in decision.candidates]
        key = (decision.policy_digest, decision.requested, decision.facts, demand.needs, decision.excluded, *plan)
        id = self._ids.get(key)
        if id is None:
            denied = tuple(Denied(each.backend, each.by, each.rules) for each in decision.excluded)
            data = _ENCODE(
                _Shared(decision.policy_digest, decision.requested, decision.facts, demand.needs, tuple(plan), denied)
            )
            id = self._ids.get(data)  # reasons in words differ more than what is kept of them
            if id is None:
                self._last += 1
                id = self._last
                self._db.execute("INSERT INTO shared (id, day, data) VALUES (?, ?, ?)", (id, self._day, data))
            if len(self._ids) >= _REMEMBERED:
                self._ids.clear()
            self._ids[key] = self._ids[data] = id
        return id


def read(directory: Path, since: float) -> Iterator[Stored]:
    """The decisions of a state directory since a time (Unix seconds), oldest first. From any process."""
    return _read(directory, "time >= ? ORDER BY time, decision_id", since)


def find(directory: Path, decision_id: str) -> Stored | None:
    """One decision, None if it is not kept. From any process."""
    return next(_read(directory, "decision_id = ?", decision_id), None)


def _read(directory: Path, where: str, value: str | float) -> Iterator[Stored]:
    if not _path(directory).exists():
        return
    db = sqlite3.connect(f"{_path(directory).absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)
    known: dict[int, _Shared] = {}
    with contextlib.closing(db):
        for row in db.execute(f"SELECT {_COLUMNS} FROM decisions WHERE {where}", (value,)):
            number = row[3]
            if number not in known:
                (data,) = db.execute("SELECT data FROM shared WHERE id = ?", (number,)).fetchone()
                known[number] = _DECODE(data)
            yield _stored(row, known[number])


def _stored(row: tuple[Any, ...], shared: _Shared) -> Stored:
    """A row as a value."""
    return Stored(
        decision_id=row[0],
        request_id=row[1],
        time=row[2],
        policy_digest=shared.policy_digest,
        requested=shared.requested,
        facts=shared.facts,
        demand=Demand(shared.needs, *row[4:8]),
        plan=shared.plan,
        denied=shared.denied,
        backend=row[8],
        usage=Usage(*row[9:15]),
        cost_pico_usd=row[15],
        end=End(row[16]),
        status=row[17],
    )
