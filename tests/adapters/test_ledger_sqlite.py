"""The store in a file: what is not common to all stores."""

import sqlite3

import pytest
from support.stores import NOW, entry

from gateway.adapters import ledger_sqlite
from gateway.adapters.ledger_sqlite import SqliteStore, _write, connect

LONG_AGO = 1_700_000_000.0


@pytest.mark.assures("fault 27")
@pytest.mark.parametrize("version", range(len(ledger_sqlite._MIGRATIONS)))
def test_a_file_of_an_earlier_version_is_brought_up_to_date(tmp_path, version):
    path = tmp_path / "ledger.sqlite"
    db = sqlite3.connect(path)
    for number, script in enumerate(ledger_sqlite._MIGRATIONS[:version], 1):
        db.executescript(f"{script}; PRAGMA user_version={number};")
    db.close()
    store = SqliteStore(path)
    store.write([entry("a")])
    store.close()
    db = connect(path)
    assert db.execute("SELECT request_id, service FROM entries").fetchall() == [("a", "")]
    assert db.execute("PRAGMA user_version").fetchone() == (len(ledger_sqlite._MIGRATIONS),)
    db.close()


def test_a_large_hour_is_folded_in_slices(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_sqlite, "FOLD_ROWS", 100)
    db = connect(tmp_path / "ledger.sqlite")
    _write(db, [entry(f"r{n:03}", time=LONG_AGO + n // 2, team=f"t{n % 3}") for n in range(450)])
    store = SqliteStore(tmp_path / "ledger.sqlite")
    left = []
    while store.fold(NOW):
        left.append(db.execute("SELECT COUNT(*) FROM entries").fetchone()[0])
    assert left == [350, 250, 150, 50, 0]
    assert db.execute("SELECT team, calls, cost_rest FROM hours ORDER BY 1").fetchall() == [
        (f"t{n}", 150, 1050) for n in range(3)
    ]
    store.close()
    db.close()


def test_calls_of_one_moment_are_folded_however_many_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_sqlite, "FOLD_ROWS", 10)
    store = SqliteStore(tmp_path / "ledger.sqlite")
    store.write([entry(f"r{n:03}", time=LONG_AGO) for n in range(35)])
    assert [store.fold(NOW), store.fold(NOW)] == [True, False]
    store.close()


def test_an_hour_that_has_not_ended_is_not_folded(tmp_path):
    store = SqliteStore(tmp_path / "ledger.sqlite")
    store.write([entry("r", time=LONG_AGO)])
    assert not store.fold(LONG_AGO + 1)
    store.close()
