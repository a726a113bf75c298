"""Correcting entries, written to the embedded ledger beside a gateway that may be running on it."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec

from gateway.adapters.ledger_sqlite import connect
from gateway.core.record import Entry

_COLUMNS = Entry.__struct_fields__
_INSERT = f"INSERT OR IGNORE INTO entries ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"


def keep_corrections(directory: Path, entries: Iterable[Entry]) -> int:
    """Adds entries to the ledger of a state directory, all or none. Returns how many are new: one that is there stays
    as it is. Raises sqlite3.Error when the ledger does not take them within 10 seconds."""
    rows = [msgspec.structs.astuple(entry) for entry in entries]
    with closing(connect(directory / "ledger.sqlite")) as db:
        db.execute("BEGIN IMMEDIATE")
        before = db.total_changes
        try:
            db.executemany(_INSERT, rows)
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        return db.total_changes - before
