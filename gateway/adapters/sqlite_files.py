"""The small SQLite files of a state directory, that any number of processes may hold at once."""

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_BUSY_SECONDS = 2.0


def opened(path: Path, migrations: Sequence[str]) -> sqlite3.Connection:
    """A connection to a file that only its owner may read, with its tables up to date. Each migration is one statement.

    Of two processes that start at once, one brings it up to date and the other waits. A file that a later version has
    brought up to date is left as it is: migrations only ever add, and what they add has a default.
    """
    db = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
    path.chmod(0o600)
    db.execute("PRAGMA journal_mode=WAL")  # a reader never waits for a writer
    if db.execute("PRAGMA user_version").fetchone()[0] < len(migrations):
        db.execute("BEGIN IMMEDIATE")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        for statement in migrations[version:]:
            db.execute(statement)
        if version < len(migrations):
            db.execute(f"PRAGMA user_version={len(migrations)}")
        db.execute("COMMIT")
    return db


class SqliteTables:
    """The `Tables` in a file."""

    shared = False

    def __init__(self, path: Path, migrations: Sequence[str]) -> None:
        self._db = opened(path, migrations)

    def ask(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows that a question finds."""
        return self._db.execute(sql, values).fetchall()

    def version(self) -> object:
        """Another one when another connection has changed something. What this one changes is not seen by it."""
        return self._db.execute("PRAGMA data_version").fetchone()

    def begin(self) -> None:
        """Begins a change. See `Tables`."""
        self._db.execute("BEGIN IMMEDIATE")

    def change(self, sql: str, values: Sequence[object] = ()) -> int:
        """Changes something. See `Tables`."""
        if not self._db.in_transaction:
            raise RuntimeError("a change that nobody began")
        return self._db.execute(sql, values).rowcount

    def commit(self) -> None:
        """What was changed is done."""
        self._db.execute("COMMIT")

    def undo(self) -> None:
        """Nothing of it is done."""
        if self._db.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the next process that opens the file undoes it
                self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Closes the file."""
        self._db.close()
