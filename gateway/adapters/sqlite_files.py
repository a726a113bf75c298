"""The small SQLite files of a state directory, that any number of processes may hold at once."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

_BUSY_SECONDS = 2.0


def opened(path: Path, migrations: Sequence[str]) -> sqlite3.Connection:
    """A connection to a file that only its owner may read, with its tables up to date. Each migration is one statement.

    Of two processes that start at once, one brings it up to date and the other waits.
    """
    db = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
    path.chmod(0o600)
    db.execute("PRAGMA journal_mode=WAL")  # a reader never waits for a writer
    if db.execute("PRAGMA user_version").fetchone()[0] < len(migrations):
        db.execute("BEGIN IMMEDIATE")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        for statement in migrations[version:]:
            db.execute(statement)
        db.execute(f"PRAGMA user_version={len(migrations)}")
        db.execute("COMMIT")
    return db
