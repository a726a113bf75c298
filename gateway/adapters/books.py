"""Reading the ledger, from any process and whichever store it is in: the same SQL for both."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gateway.adapters.ledger_rows import DIMENSIONS, EACH_SUM, SUMS
from gateway.adapters.tables import numbered

_SECONDS = 10.0
_QUESTION_SECONDS = 300.0
_LITTLE = 1 / 10
"""The share of an SQLite ledger from which on it is quicker to read all of it than to look each row up by its time: a
million calls take ten times as long by the index."""
_SPAN = "SELECT (SELECT MIN(time) FROM entries), (SELECT MAX(time) FROM entries)"  # each of them is one look


class LedgerUnreadable(Exception):
    """The ledger cannot be read. The message says what to do."""


class Books:
    """Where the ledger is: in PostgreSQL if there is a URL, else in the state directory. Each question is asked by a
    connection of its own that can only read, and has so many `seconds` for its answer once it is connected."""

    def __init__(self, state_dir: Path, database_url: str = "", seconds: float = _QUESTION_SECONDS) -> None:
        self._path = state_dir / "ledger.sqlite"
        self._url = database_url
        self._connect_seconds, self._seconds = min(seconds, _SECONDS), seconds
        self._asking = threading.Lock()  # of what is below
        self._closed = False
        self._asked: set[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = set()

    def close(self) -> None:
        """Gives up what is asked of a database, and asks it nothing more: LedgerUnreadable. From any thread.

        So a process that ends waits for no answer that nobody wants.
        """
        with self._asking:
            self._closed = True
            for loop, task in self._asked:
                loop.call_soon_threadsafe(task.cancel)

    def ask(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows that a question finds; none where there is no ledger yet. `?` stands for a value.

        Raises LedgerUnreadable. Not for the thread of a running event loop.
        """
        if not self._url:
            return self._ask_sqlite(sql, values)
        try:
            return asyncio.run(self._ask_until_closed(sql, values))
        except asyncio.CancelledError:
            raise LedgerUnreadable("the ledger is not read any more: the gateway stops") from None

    def whole(self, quotient: str) -> str:
        """SQL for the whole part of what is not below zero."""
        return f"CAST(FLOOR({quotient}) AS BIGINT)" if self._url else f"CAST({quotient} AS INTEGER)"

    def time(self, since: float, until: float | None = None) -> str:
        """SQL for the time of a call where those of an interval are wanted (Unix seconds): one that the index of times
        is not used for, where it would only slow the reading down. Raises LedgerUnreadable."""
        if self._url:
            return "time"  # PostgreSQL keeps account of what there is, and a table for each month
        oldest, newest = next(iter(self.ask(_SPAN)), (None, None))
        if oldest is None:
            return "time"
        read = min(newest, newest if until is None else until) - max(oldest, since)
        return "+time" if read > (newest - oldest) * _LITTLE else "time"

    def _ask_sqlite(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        if not self._path.exists():
            return []
        db = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=self._connect_seconds)
        try:
            return db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise LedgerUnreadable(f"cannot read the ledger in {self._path}: {_advice(error)}") from error
        finally:
            db.close()

    async def _ask_until_closed(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        asked = asyncio.get_running_loop(), asyncio.create_task(self._ask_postgres(sql, values))
        with self._asking:
            self._asked.add(asked)
            if self._closed:
                asked[1].cancel()
        try:
            return await asked[1]
        finally:
            with self._asking:
                self._asked.discard(asked)

    async def _ask_postgres(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        import asyncpg  # a tenth of a second that only those pay who need it

        try:
            db = await asyncpg.connect(
                self._url,
                timeout=self._connect_seconds,
                command_timeout=self._seconds,
                server_settings={"application_name": "gateway", "default_transaction_read_only": "on"},
            )
            try:
                return [tuple(row) for row in await db.fetch(numbered(sql), *values)]
            finally:
                db.terminate()
        except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise LedgerUnreadable(f"cannot read the ledger at GATEWAY_DATABASE_URL: {_advice(error)}") from error


def _advice(error: Exception) -> str:
    said = str(error) or type(error).__name__
    if "no such" in said or "does not exist" in said:
        return f"{said}; its tables are made when a gateway of this version first starts on it"
    return said


def calls(columns: Iterable[str], conditions: Sequence[str] = ()) -> str:
    """SQL for all calls, single and folded, with `time`, the named columns and `SUMS`.

    Conditions hold for both kinds, so their values have to be given twice. A folded call has the time at which its hour
    began, and an empty `request_id`.
    """
    names = ["time", *columns]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    single = ", ".join([*names, *(f"{sql} AS {name}" for name, sql in EACH_SUM.items())])
    folded = ", ".join([*(name if name in (*DIMENSIONS, "time") else f"'' AS {name}" for name in names), *SUMS])
    from_hours = f"(SELECT '' AS request_id, * FROM hours) AS folded_calls{where}"
    return f"(SELECT {single} FROM entries{where} UNION ALL SELECT {folded} FROM {from_hours}) AS calls"
