"""Fault 27: earlier and later versions on the same data. Nothing is lost, the books go on, and both may be at it."""

import asyncio
import json
import re
import sqlite3
from pathlib import Path

import asyncpg
import msgspec
import pytest
from support.stores import Agreeing, Place, entry

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


SCHEMAS = Path(__file__).parents[1] / "vectors" / "schema"
"""What the version before makes, writes and reads. `$n` in its values is the number of the run; a read says how many rows
each run adds, 0: it has one row whatever they add."""
BEFORE = {path.stem: json.loads(path.read_text()) for path in sorted(SCHEMAS.glob("*.json"))}


def valued(value, run: int):
    if isinstance(value, dict):
        [(kind, inner)] = value.items()
        inner = valued(inner, run)
        return bytes.fromhex(inner) if kind == "hex" else json.dumps(inner)
    if isinstance(value, list):
        return [valued(each, run) for each in value]
    return value.replace("$n", str(run)) if isinstance(value, str) else value


def as_before(recorded: dict, run: int, ask) -> None:
    """What the version before writes and reads in a run of its own, after the runs before it."""
    for sql, values in recorded["writes"]:
        ask(sql, valued(values, run))
    for sql, values, each in recorded["reads"]:
        assert len(ask(sql, values)) == (each * run or 1), sql


@pytest.mark.parametrize("name", BEFORE)
def test_the_version_before_writes_to_each_of_its_tables(name):
    """So that a column that was added since, and that it does not fill, is met below."""
    made = {
        each for statement in BEFORE[name]["schema"] for each in re.findall(r"CREATE TABLE (\w+) \((?!LIKE)", statement)
    }
    written = {each for sql, _ in BEFORE[name]["writes"] for each in re.findall(r"(?:INTO|^UPDATE) (\w+)", sql)}
    assert made
    assert made == written


def used_today(directory: Path, url: str = "") -> None:
    """Every store is opened, read and written to, as a gateway of today does."""
    agreeing = Agreeing(directory, url)
    keys, orders, budgets = agreeing(Keys), agreeing(Suspensions), agreeing(BudgetStore)
    id, key = keys.create(team="t", app="now")
    keys.refresh()
    assert keys.find(key.encode()).key == id
    keys.rotate(id, 3600)
    orders.suspend("now", by="ana")
    budgets.set_budget("team", "now", "month", 5, soft=False)
    budgets.set_rate("team", "now", "tokens", 5)
    assert (len(keys.rows()), len(budgets.read().limits)) >= (1, 1)
    # taken back, so that what the version before counts is its own
    keys._db.begin()
    for table, whose in (("keys", f"id = '{id}'"), ("former", f"id = '{id}'")):
        keys._db.change(f"DELETE FROM {table} WHERE {whose}")
    keys._db.commit()
    orders._db.begin()
    orders._db.change("DELETE FROM orders WHERE backend = 'now'")
    orders._db.commit()
    budgets.remove("team", "now")
    agreeing.close()
    place = Place(directory, url)
    store = place.store()
    store.write([entry("now")])
    store.close()
    assert "now" in [row[0] for row in place.rows()]


@pytest.mark.assures("fault 27")
@pytest.mark.parametrize("name", [name for name in BEFORE if name.endswith(".sqlite")])
def test_the_version_before_goes_on_with_a_file_that_this_one_has_opened(tmp_path, name):
    recorded = BEFORE[name]
    db = sqlite3.connect(tmp_path / recorded["file"], isolation_level=None)
    for statement in (*recorded["schema"], f"PRAGMA user_version={recorded['version']}"):
        db.execute(statement)

    def ask(sql, values):
        return db.execute(sql, values).fetchall()

    as_before(recorded, 1, ask)
    used_today(tmp_path)
    if name == "ledger.sqlite":
        db.execute("DELETE FROM entries WHERE request_id = 'now'")
    as_before(recorded, 2, ask)
    assert db.execute("PRAGMA user_version").fetchone() == (len(FILES[recorded["file"]][0]),)
    db.close()
    used_today(tmp_path)


@pytest.mark.assures("fault 27")
def test_the_version_before_goes_on_in_a_database_that_this_one_has_brought_up_to_date(tmp_path, postgres_server):
    url = postgres_server.url()
    recorded = [BEFORE[name] for name in BEFORE if name.endswith(".postgresql")]
    assert len(recorded) == 2
    with asyncio.Runner() as runner:
        db = runner.run(asyncpg.connect(url))

        def ask(sql, values=()):
            return runner.run(db.fetch(sql, *values))

        for each in recorded:
            for statement in each["schema"]:
                ask(statement)
            ask(f"CREATE TABLE {each['record']} (number BIGINT PRIMARY KEY, done TIMESTAMPTZ NOT NULL)")
            for number in range(each["version"]):
                ask(f"INSERT INTO {each['record']} VALUES ($1, now())", [number + 1])
        for each in recorded:
            as_before(each, 1, ask)
        used_today(tmp_path, url)
        ask("DELETE FROM entries WHERE request_id = 'now'")
        for each in recorded:
            as_before(each, 2, ask)
        runner.run(db.close())
    used_today(tmp_path, url)


@pytest.mark.assures("fault 27")
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_a_later_version_is_used_and_left_as_it_is(tmp_path, name):
    steps, opened = FILES[name]
    opened(tmp_path).close()
    db = sqlite3.connect(tmp_path / name)
    tables = [table for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    for table in tables:
        db.execute(f"ALTER TABLE {table} ADD COLUMN later TEXT NOT NULL DEFAULT 'x'")
    db.execute(f"PRAGMA user_version={len(steps) + 1}")
    db.commit()
    used_today(tmp_path)
    assert db.execute("PRAGMA user_version").fetchone() == (len(steps) + 1,)
    db.close()


@pytest.mark.assures("fault 27")
@pytest.mark.parametrize("version", ["before", "later"])
def test_a_journal_of_another_version_is_carried_over(tmp_path, version):
    place = Place(tmp_path)
    fields = json.loads(msgspec.json.encode(entry("a", cost=7)))
    fields = fields[:29] if version == "before" else [*fields, "of later", 4]
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "1.jsonl").write_bytes(json.dumps(fields).encode() + b"\n")
    ledger = place.ledger()
    ledger.flush()
    ledger.close()
    assert place.rows() == [("a", 1, "settled", 7)]
