"""The ledger: what was noted is never missing, whenever the process dies."""

import asyncio
import os
import sqlite3

import msgspec
import pytest

from gateway.adapters.ledger_sqlite import SqliteLedger
from gateway.core.record import Entry


def entry(request: str = "req-1", *, hop: int = 1, state: str = "settled", cost: int = 7, **more: object) -> Entry:
    blank = {field.name: {str: "", int: 0, float: 1.0}.get(field.type, "") for field in msgspec.structs.fields(Entry)}
    return Entry(**{**blank, "request_id": request, "hop": hop, "state": state, "cost_pico_usd": cost, **more})


def rows(directory) -> list[tuple]:
    db = sqlite3.connect(directory / "ledger.sqlite")
    found = db.execute("SELECT request_id, hop, state, cost_pico_usd FROM entries ORDER BY 1, 2").fetchall()
    db.close()
    return found


def abandon(ledger: SqliteLedger) -> None:
    """What `kill -9` leaves: the journal as it is, and nothing carried over."""
    ledger.flush()
    ledger._queue.put(None)
    ledger._thread.join()
    os.close(ledger._fd)
    ledger._db.close()


async def test_what_is_settled_is_in_the_database_after_a_close(tmp_path):
    ledger = SqliteLedger(tmp_path)
    ledger.open(entry(state="open", cost=100))
    ledger.settle([entry()])
    ledger.close()
    assert rows(tmp_path) == [("req-1", 1, "settled", 7)]
    assert list((tmp_path / "journal").iterdir()) == []


async def test_rows_appear_while_it_runs(tmp_path):
    ledger = SqliteLedger(tmp_path)
    ledger.settle([entry(f"req-{n:03}") for n in range(200)])
    await asyncio.sleep(0.5)
    assert len(rows(tmp_path)) == 200
    assert ledger.lag_seconds() == 0
    ledger.close()


async def test_a_call_that_never_ended_stands_at_its_upper_bound(tmp_path):
    ledger = SqliteLedger(tmp_path)
    ledger.open(entry("req-1", state="open", cost=100))
    ledger.open(entry("req-2", state="open", cost=200))
    ledger.settle([entry("req-2")])
    abandon(ledger)
    again = SqliteLedger(tmp_path)
    assert again.recovered == (2, 1)
    again.close()
    assert rows(tmp_path) == [("req-1", 1, "uncertain", 100), ("req-2", 1, "settled", 7)]


async def test_recovery_twice_books_once(tmp_path):
    ledger = SqliteLedger(tmp_path)
    ledger.settle([entry("req-1"), entry("req-1", hop=2)])
    abandon(ledger)
    for _ in range(2):
        SqliteLedger(tmp_path).close()
    assert rows(tmp_path) == [("req-1", 1, "settled", 7), ("req-1", 2, "settled", 7)]


async def test_a_journal_cut_at_any_byte_of_its_last_record_loses_nothing_before_it(tmp_path):
    ledger = SqliteLedger(tmp_path / "origin")
    ledger.open(entry("req-1", state="open", cost=100))
    ledger.settle([entry("req-1")])
    ledger.open(entry("req-2", state="open", cost=200))
    ledger.flush()
    segment = ledger._segment
    whole = segment.read_bytes()
    abandon(ledger)
    last = whole[:-1].rfind(b"\n") + 1
    for cut in range(last, len(whole) + 1):
        directory = tmp_path / f"cut-{cut}"
        (directory / "journal").mkdir(parents=True)
        (directory / "journal" / segment.name).write_bytes(whole[:cut])
        SqliteLedger(directory).close()
        second = [("req-2", 1, "uncertain", 200)] if cut >= len(whole) - 1 else []
        assert rows(directory) == [("req-1", 1, "settled", 7), *second]


async def test_a_full_segment_gives_way_to_a_new_one_with_what_is_under_way(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.adapters.ledger_sqlite.SEGMENT_BYTES", 5_000)
    ledger = SqliteLedger(tmp_path)
    ledger.open(entry("req-long", state="open", cost=100))
    for n in range(50):
        ledger.open(entry(f"req-{n:03}", state="open"))
        ledger.settle([entry(f"req-{n:03}")])
        await asyncio.sleep(0)
    await asyncio.sleep(0.3)
    assert len(list((tmp_path / "journal").iterdir())) == 1
    assert ledger._segment.stat().st_size < 20_000
    abandon(ledger)
    again = SqliteLedger(tmp_path)
    again.close()
    found = rows(tmp_path)
    assert len(found) == 51
    assert found[-1] == ("req-long", 1, "uncertain", 100)


async def test_nothing_is_let_through_while_the_journal_takes_nothing(tmp_path, monkeypatch):
    ledger = SqliteLedger(tmp_path)
    full = OSError(28, "No space left on device")

    def no_space(*_: object) -> int:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr("gateway.adapters.ledger_sqlite.os.write", no_space)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                ledger.open(entry("req-1", state="open"))
        ledger.settle([entry("req-2")])  # one that was under way: kept until there is room
    ledger.open(entry("req-3", state="open"))
    ledger.settle([entry("req-3")])
    abandon(ledger)
    SqliteLedger(tmp_path).close()
    assert [row[0] for row in rows(tmp_path)] == ["req-2", "req-3"]


async def test_a_line_of_which_only_a_part_was_taken_does_not_spoil_the_next(tmp_path, monkeypatch):
    ledger = SqliteLedger(tmp_path)
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr("gateway.adapters.ledger_sqlite.os.write", lambda fd, data: real(fd, data[:20]))
        with pytest.raises(OSError, match="only a part"):
            ledger.open(entry("req-1", state="open", cost=100))
    ledger.open(entry("req-2", state="open", cost=200))
    abandon(ledger)
    SqliteLedger(tmp_path).close()
    assert rows(tmp_path) == [("req-2", 1, "uncertain", 200)]


async def test_with_power_the_seal_is_an_fsync_that_serves_all_who_wait(tmp_path, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr("gateway.adapters.ledger_sqlite.os.fsync", lambda fd: (synced.append(fd), real(fd)))
    ledger = SqliteLedger(tmp_path, "power")
    for n in range(20):
        ledger.open(entry(f"req-{n:02}", state="open"))
    await asyncio.gather(*(ledger.sealed() for _ in range(20)))
    assert 1 <= len(synced) <= 2
    for n in range(20):
        ledger.settle([entry(f"req-{n:02}")])
    ledger.close()


async def test_without_power_nobody_waits(tmp_path):
    ledger = SqliteLedger(tmp_path)
    assert ledger.sealed() is None
    ledger.close()


async def test_a_settled_row_outlives_a_lost_line(tmp_path):
    ledger = SqliteLedger(tmp_path)
    ledger.open(entry("req-1", state="open", cost=100))
    opened = ledger._segment.read_bytes()
    ledger.settle([entry("req-1")])
    await asyncio.sleep(0.3)
    ledger._segment.write_bytes(opened)
    abandon(ledger)
    SqliteLedger(tmp_path).close()
    assert rows(tmp_path) == [("req-1", 1, "settled", 7)]
