"""Fault 27: files of earlier versions. They open, nothing in them is lost, and the books go on."""

import sqlite3
from pathlib import Path

import pytest
from support.stores import Place, entry

from gateway.adapters import budget_store, keys, ledger_sqlite, suspensions
from gateway.adapters.budget_store import BudgetStore
from gateway.adapters.keys import Keys
from gateway.adapters.suspensions import Suspensions

FILES = {
    "ledger.sqlite": (ledger_sqlite._MIGRATIONS, lambda directory: Place(directory).store()),
    "budgets.sqlite": (budget_store.MIGRATIONS, BudgetStore),
    "keys.sqlite": (keys.MIGRATIONS, Keys),
    "suspensions.sqlite": (suspensions.MIGRATIONS, Suspensions),
}
VERSIONS = [(name, version) for name, (steps, _) in FILES.items() for version in range(1, len(steps) + 1)]


def made(path: Path, steps: tuple, version: int) -> dict[str, int]:
    """A file as that version left it, with a row in each table. Returns how many rows each table has."""
    db = sqlite3.connect(path)
    for number, script in enumerate(steps[:version], 1):
        db.executescript(f"{script}; PRAGMA user_version={number};")
    tables = [
        name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'")
    ]
    for table in tables:
        columns = db.execute(f"PRAGMA table_info({table})").fetchall()
        values = [7 if kind.upper() in ("INTEGER", "REAL", "INT") else "a" for _, _, kind, *_ in columns]
        db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
    db.commit()
    counted = rows(db, tables)
    db.close()
    return counted


def rows(db: sqlite3.Connection, tables: object) -> dict[str, int]:
    return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


@pytest.mark.assures("fault 27")
@pytest.mark.parametrize(("name", "version"), VERSIONS, ids=str)
def test_a_file_of_an_earlier_version_opens_and_keeps_its_rows(tmp_path, name, version, showed):
    steps, opened = FILES[name]
    before = made(tmp_path / name, steps, version)
    assert before
    opened(tmp_path).close()
    db = sqlite3.connect(tmp_path / name)
    assert rows(db, before) == before
    assert db.execute("PRAGMA user_version").fetchone() == (len(steps),)
    db.close()
    showed(f"{name} of version {version}", "opened, no row lost")


@pytest.mark.assures("fault 27")
@pytest.mark.parametrize("version", range(1, len(ledger_sqlite._MIGRATIONS) + 1))
def test_the_books_go_on_from_where_they_were(tmp_path, version):
    made(tmp_path / "ledger.sqlite", ledger_sqlite._MIGRATIONS, version)
    place = Place(tmp_path)
    store = place.store()
    store.write([entry("later", cost=5)])
    store.close()
    assert {(row[0], row[3]) for row in place.rows()} == {("a", 7), ("later", 5)}
