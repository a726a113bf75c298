"""Reading the ledger wherever it is."""

import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.stores import NOW, Place, entry

from gateway.adapters import ledger_sqlite
from gateway.adapters.books import Books, LedgerUnreadable, calls


def test_where_no_ledger_is_nothing_was_spent(tmp_path):
    assert Books(tmp_path).ask("SELECT 1") == []


def test_nothing_can_be_written(place):
    store = place.store()
    store.write([entry("a")])
    store.close()
    with pytest.raises(LedgerUnreadable, match="read"):
        place.books.ask("DELETE FROM entries")
    assert len(place.rows()) == 1


def test_all_calls_are_single_and_folded_ones(place):
    store = place.store()
    store.write([entry("a", time=1_700_000_000.0, team="red"), entry("b", team="red"), entry("c", team="blue")])
    while store.fold(NOW - 100 * 86_400):
        pass
    store.close()
    red = place.books.ask(
        f"SELECT request_id, time, calls FROM {calls(['request_id', 'team'], ['team = ?'])} ORDER BY 2", ["red", "red"]
    )
    assert red == [("", 1_699_999_200.0, 1), ("b", NOW, 1)]


def test_the_whole_part_is_the_same_in_both(place):
    store = place.store()
    store.write([entry("a", time=3599.9), entry("b", time=3600.0), entry("c", time=7000.0)])
    store.close()
    found = place.books.ask(f"SELECT {place.books.whole('time / 3600')} FROM entries ORDER BY request_id")
    assert found == [(0,), (1,), (1,)]


def test_a_large_part_of_a_ledger_is_read_without_the_index_of_times(place):
    """In SQLite: by the index each row is looked up, ten times as long for all of them."""
    assert place.books.time(0.0) == "time"
    store = place.store()
    store.write([entry(f"{hour}", time=hour * 3600.0) for hour in range(101)])
    store.close()
    last = {hours: place.books.time((100 - hours) * 3600.0) for hours in (200, 100, 11, 9, 0, -5)}
    sqlite = not place.url
    assert last == dict.fromkeys(last, "time") | (dict.fromkeys((200, 100, 11), "+time") if sqlite else {})
    if sqlite:
        assert [place.books.time(0.0, hour * 3600.0) for hour in (5, 20)] == ["time", "+time"]
        for time, used in (("time", True), ("+time", False)):
            plan = place.books.ask(
                f"EXPLAIN QUERY PLAN SELECT SUM(calls) FROM {calls([], [f'{time} >= ?'])}", [0.0, 0.0]
            )
            assert any("entries_time" in row[3] for row in plan) is used


def test_a_server_that_is_not_there_is_told_without_the_password(tmp_path):
    with pytest.raises(LedgerUnreadable, match="cannot read the ledger at GATEWAY_DATABASE_URL") as told:
        Books(tmp_path, "postgresql://me:secret@127.0.0.1:1/ledger").ask("SELECT 1")
    assert "secret" not in str(told.value)


def test_a_question_that_is_not_answered_is_given_up_in_the_time_it_has(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        books, began = Books(tmp_path, f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/d", 0.3), time.monotonic()
        with pytest.raises(LedgerUnreadable, match="TimeoutError"):
            books.ask("SELECT 1")
        assert 0.2 < time.monotonic() - began < 3


def test_a_database_without_tables_says_what_makes_them(shared, tmp_path):
    db = sqlite3.connect(tmp_path / "ledger.sqlite")
    db.executescript(ledger_sqlite._MIGRATIONS[0])
    db.close()
    for place in (Place(tmp_path), shared):
        with pytest.raises(LedgerUnreadable, match="made when a gateway of this version first starts"):
            place.books.ask(f"SELECT COUNT(*) FROM {calls([])}")


def test_who_stops_waits_for_no_answer(shared, server):
    ledger = shared.ledger()
    ledger.close()
    with server.locked(shared.url, "entries"), ThreadPoolExecutor(1) as apart:
        asking = apart.submit(shared.ask, "SELECT COUNT(*) FROM entries")
        time.sleep(0.5)
        shared.books.close()
        with pytest.raises(LedgerUnreadable, match="stops"):
            asking.result(5)
        with pytest.raises(LedgerUnreadable, match="stops"):
            apart.submit(shared.ask, "SELECT 1").result(5)
