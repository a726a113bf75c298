"""The embedded ledger: a journal for what must not be lost, SQLite for what is asked.

A call goes to the journal before it is sent, by write(2) on the event loop (2 us), so that it is in the kernel and
survives `kill -9`; and again when it ends, together with what else ended or began in that turn of the loop. One thread
carries ended calls to SQLite in groups. A journal segment is deleted once all it holds is in SQLite; at start, what
segments are left are read, and calls that never ended become `uncertain` at their upper bound.
"""

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Awaitable, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

import msgspec

from gateway.core.record import Entry

Durability = Literal["process", "power"]
"""What the ledger survives: the death of this process, or a power cut (fsync before the last byte goes out)."""

SEGMENT_BYTES = 16_000_000
_GROUP_SECONDS = 0.2
_RETRY_SECONDS = 1.0
_COLUMNS = Entry.__struct_fields__
_ENTRY = msgspec.json.Decoder(Entry)
_ENCODE = msgspec.json.Encoder().encode
_ROW = f"({', '.join('?' * len(_COLUMNS))})"
_ROWS_AT_ONCE = 64
"""Rows of one statement. Each statement gives the interpreter's lock away and takes it back; with one row a statement
the writer thread and the event loop fought over it, and a request cost three times as much."""

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
)


def connect(path: Path, *, durability: Durability = "process") -> sqlite3.Connection:
    """A connection to the ledger's database, with its tables up to date."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={'FULL' if durability == 'power' else 'NORMAL'}")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for number, script in enumerate(_MIGRATIONS[version:], version + 1):
        db.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version={number}; COMMIT;")
    return db


def _fsync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _insert(rows: int, otherwise: str = "REPLACE") -> str:
    return f"INSERT OR {otherwise} INTO entries ({', '.join(_COLUMNS)}) VALUES {', '.join([_ROW] * rows)}"


_INSERT_MANY, _INSERT_ONE = _insert(_ROWS_AT_ONCE), _insert(1)
_INSERT_IF_NEW = _insert(1, "IGNORE")


def _write(db: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    rows = [msgspec.structs.astuple(entry) for entry in entries]
    whole = len(rows) - len(rows) % _ROWS_AT_ONCE
    db.execute("BEGIN IMMEDIATE")
    try:
        for start in range(0, whole, _ROWS_AT_ONCE):
            db.execute(_INSERT_MANY, list(chain.from_iterable(rows[start : start + _ROWS_AT_ONCE])))
        db.executemany(_INSERT_ONE, rows[whole:])
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


class SqliteLedger:
    """The `Ledger` port over a state directory. One process at a time may hold it."""

    def __init__(self, directory: Path, durability: Durability = "process") -> None:
        self._directory = directory / "journal"
        self._directory.mkdir(parents=True, exist_ok=True)
        self._power = durability == "power"
        self._db = connect(directory / "ledger.sqlite", durability=durability)
        self.recovered = self._recover()
        self._under_way: dict[tuple[str, int], Entry] = {}
        self._ended: list[Entry] = []  # not yet on their way to SQLite
        self._queue: queue.SimpleQueue[list[Entry] | Path | None] = queue.SimpleQueue()
        self._oldest_waiting: float | None = None
        self._written = self._synced = 0
        self._syncing = asyncio.Lock()
        self._torn = False
        self._noted: list[Entry] = []  # not yet in the journal
        self._scheduled = False
        self._refusing: OSError | None = None
        self._segment, self._fd, self._size = self._new_segment(1)
        self._thread = threading.Thread(target=self._carry, name="ledger", daemon=True)
        self._thread.start()

    def open(self, entry: Entry) -> None:
        """Notes a call that is about to be sent, at once. Raises OSError when the journal does not take it."""
        self._noted.append(entry)
        self.flush()
        if self._refusing is not None:
            self._noted.remove(entry)
            raise self._refusing
        self._under_way[entry.request_id, entry.hop] = entry

    def sealed(self) -> Awaitable[None] | None:
        """With `power`, waits until what was noted so far is on disk; one fsync serves all who wait."""
        return self._sync() if self._power else None

    def settle(self, entries: Sequence[Entry]) -> None:
        """Keeps how calls ended."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)
        if not self._ended:
            asyncio.get_running_loop().call_later(_GROUP_SECONDS, self._hand_over)
        self._noted += entries
        self._ended += entries
        for entry in entries:
            self._under_way.pop((entry.request_id, entry.hop), None)
        if self._oldest_waiting is None:
            self._oldest_waiting = time.monotonic()

    def flush(self) -> None:
        """Writes what was noted to the journal. What it does not take stays noted, and no new call is let through."""
        self._scheduled = False
        lines = b"".join([_ENCODE(entry) + b"\n" for entry in self._noted])
        try:
            self._append(lines)
        except OSError as error:
            self._refusing = error
            return
        self._refusing = None
        self._noted.clear()
        if self._size > SEGMENT_BYTES:
            self._rotate()

    def _hand_over(self) -> None:
        """Gives a group to the thread, in one piece: woken for each entry, it would fight for the interpreter."""
        if self._ended:
            ended, self._ended = self._ended, []
            self._queue.put(ended)

    def lag_seconds(self) -> float:
        """How long the oldest ended call has been waiting for SQLite."""
        oldest = self._oldest_waiting
        return 0.0 if oldest is None else time.monotonic() - oldest

    def close(self) -> None:
        """Carries everything over and stops. The journal stays only if something is still under way."""
        self.flush()
        self._hand_over()
        self._queue.put(None)
        self._thread.join(timeout=30)
        os.close(self._fd)
        if not self._under_way and not self._thread.is_alive():
            self._segment.unlink(missing_ok=True)
            self._db.close()

    def _append(self, lines: bytes) -> None:
        if self._torn:
            lines = b"\n" + lines
        written = os.write(self._fd, lines)
        self._size += written
        self._written += written
        self._torn = written < len(lines)
        if self._torn:
            raise OSError("the journal took only a part of a line")

    async def _sync(self) -> None:
        self.flush()
        wanted = self._written
        async with self._syncing:
            if self._synced < wanted:
                reached = self._written
                await asyncio.to_thread(_fsync, os.dup(self._fd))  # of its own: a rotation may close ours meanwhile
                self._synced = reached

    def _new_segment(self, number: int) -> tuple[Path, int, int]:
        path = self._directory / f"{number:08d}.jsonl"
        return path, os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600), 0

    def _rotate(self) -> None:
        """Starts a new segment with what is under way; the old one goes once SQLite has all it holds."""
        old, old_fd = self._segment, self._fd
        try:
            self._segment, self._fd, self._size = self._new_segment(int(old.stem) + 1)
            for entry in self._under_way.values():
                self._append(_ENCODE(entry) + b"\n")
            if self._power:
                os.fsync(self._fd)
        except OSError:
            return  # both segments stay until the next start reads them
        os.close(old_fd)
        self._hand_over()  # all that the old one holds goes before it
        self._queue.put(old)

    def _carry(self) -> None:
        """The writer thread: takes what has come, a group in one transaction, until told to stop."""
        with contextlib.suppress(OSError, AttributeError):  # where a thread has a priority of its own: requests first
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        while (group := self._queue.get()) is not None:
            if isinstance(group, Path):
                with contextlib.suppress(OSError):  # the next start reads it again, to no effect
                    group.unlink(missing_ok=True)
                continue
            while True:
                try:
                    _write(self._db, group)
                    break
                except sqlite3.Error:
                    time.sleep(_RETRY_SECONDS)  # the journal has them; lag tells
            self._oldest_waiting = time.monotonic() if self._ended or not self._queue.empty() else None

    def _recover(self) -> tuple[int, int]:
        """Reads what a former process left. Returns (rows taken over, of these uncertain)."""
        segments = sorted(self._directory.glob("*.jsonl"))
        last: dict[tuple[str, int], Entry] = {}
        for segment in segments:
            for line in segment.read_bytes().split(b"\n"):
                try:
                    entry = _ENTRY.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue  # torn: it was being written when the process died, so nothing had followed from it
                last[entry.request_id, entry.hop] = entry
        ended = [entry for entry in last.values() if entry.state != "open"]
        never_ended = [
            msgspec.structs.replace(entry, state="uncertain", outcome="crashed")
            for entry in last.values()
            if entry.state == "open"
        ]
        if ended:
            _write(self._db, ended)
        before = self._db.total_changes
        # a row that is there already ended after all: only its line was lost
        self._db.executemany(_INSERT_IF_NEW, [msgspec.structs.astuple(entry) for entry in never_ended])
        uncertain = self._db.total_changes - before
        for segment in segments:
            segment.unlink()
        return len(ended) + uncertain, uncertain
