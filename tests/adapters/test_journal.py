"""The ledger: what was noted is never missing, whenever the process dies, and whichever store is behind it."""

import asyncio
import contextlib
import errno
import os
import time
from urllib.parse import urlsplit

import msgspec
import pytest
from support.stores import Place, entry

from gateway.adapters import journal
from gateway.adapters.journal import Ledger
from gateway.adapters.ledger_rows import Store
from gateway.core.decided import Decided
from gateway.core.record import Entry


async def rows(place: Place) -> list[tuple]:
    return await asyncio.to_thread(place.rows)


async def until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        await asyncio.sleep(0.02)


def segments(place: Place) -> list[str]:
    return sorted(path.name for path in (place.directory / "journal").iterdir())


def empty(place: Place) -> None:
    """Takes all rows out of a database that several ledgers of a test share."""
    if place.url:
        store = place.store()
        store._run(store._open())
        store._run(store._connection.execute("TRUNCATE entries"))
        store.close()


class Away(Store):
    """A store that is away until it is told to come back, and then is a real one."""

    def __init__(self, store: Store) -> None:
        self.store, self.away = store, True

    def write(self, entries, *, absent=False):
        if self.away:
            raise OSError("away")
        return self.store.write(entries, absent=absent)

    def fold(self, before):
        return self.store.fold(before)

    def close(self):
        self.store.close()


def abandon(ledger: Ledger) -> None:
    """What `kill -9` leaves: the journal as it is, and nothing carried over."""
    ledger.flush()
    ledger._closing.set()
    ledger._queue.put(None)
    ledger._thread.join()
    os.close(ledger._fd)


async def test_what_is_settled_is_in_the_database_after_a_close(place):
    ledger = place.ledger()
    ledger.open(entry(state="open", cost=100))
    ledger.settle([entry()])
    ledger.close()
    assert await rows(place) == [("req-1", 1, "settled", 7)]
    assert list((place.directory / "journal").iterdir()) == []


async def test_rows_appear_while_it_runs(place):
    ledger = place.ledger()
    ledger.settle([entry(f"req-{n:03}") for n in range(200)])
    await until(lambda: ledger.lag_seconds() == 0)
    assert len(await rows(place)) == 200
    ledger.close()


@pytest.mark.assures("fault 13")
async def test_a_call_that_never_ended_stands_at_its_upper_bound(place):
    ledger = place.ledger()
    ledger.open(entry("req-1", state="open", cost=100))
    ledger.open(entry("req-2", state="open", cost=200))
    ledger.settle([entry("req-2")])
    abandon(ledger)
    again = place.ledger()
    assert again.recovered == (2, 1)
    again.close()
    assert await rows(place) == [("req-1", 1, "uncertain", 100), ("req-2", 1, "settled", 7)]


@pytest.mark.assures("fault 13")
async def test_recovery_twice_books_once(place):
    ledger = place.ledger()
    ledger.settle([entry("req-1"), entry("req-1", hop=2)])
    abandon(ledger)
    for _ in range(2):
        place.ledger().close()
    assert await rows(place) == [("req-1", 1, "settled", 7), ("req-1", 2, "settled", 7)]


@pytest.mark.assures("fault 14")
async def test_a_journal_cut_at_any_byte_of_its_last_record_loses_nothing_before_it(place, tmp_path):
    ledger = place.ledger()
    ledger.open(entry("req-1", state="open", cost=100))
    ledger.settle([entry("req-1")])
    ledger.open(entry("req-2", state="open", cost=200))
    ledger.flush()
    segment = ledger._segment
    whole = segment.read_bytes()
    abandon(ledger)
    last = whole[:-1].rfind(b"\n") + 1
    for cut in range(last, len(whole) + 1):
        again = Place(tmp_path / f"cut-{cut}", place.url)
        (again.directory / "journal").mkdir(parents=True)
        (again.directory / "journal" / segment.name).write_bytes(whole[:cut])
        await asyncio.to_thread(empty, place)
        again.ledger().close()
        second = [("req-2", 1, "uncertain", 200)] if cut >= len(whole) - 1 else []
        assert await rows(again) == [("req-1", 1, "settled", 7), *second]


async def test_a_full_segment_gives_way_to_a_new_one_with_what_is_under_way(place, monkeypatch):
    monkeypatch.setattr("gateway.adapters.journal.SEGMENT_BYTES", 5_000)
    ledger = place.ledger()
    ledger.open(entry("req-long", state="open", cost=100))
    for n in range(50):
        ledger.open(entry(f"req-{n:03}", state="open"))
        ledger.settle([entry(f"req-{n:03}")])
        await asyncio.sleep(0)
    await asyncio.sleep(0.3)
    assert len(list((place.directory / "journal").iterdir())) == 1
    assert ledger._segment.stat().st_size < 20_000
    abandon(ledger)
    again = place.ledger()
    again.close()
    found = await rows(place)
    assert len(found) == 51
    assert found[-1] == ("req-long", 1, "uncertain", 100)


@pytest.mark.assures("fault 13")
async def test_by_which_decisions_calls_were_sent_is_there_after_a_crash_also_behind_a_new_segment(place, monkeypatch):
    monkeypatch.setattr("gateway.adapters.journal.SEGMENT_BYTES", 5_000)
    ledger = place.ledger()
    long = Decided(b'{"a":1}', b'["dec-long"]')
    ledger.open(entry("req-long", state="open", cost=100), long)
    for n in range(50):
        ledger.open(entry(f"req-{n:03}", state="open"), Decided(b'{"a":1}', b'["dec-%d"]' % n))
        ledger.settle([entry(f"req-{n:03}")])
        await asyncio.sleep(0)
    await asyncio.sleep(0.3)
    abandon(ledger)
    again = place.ledger()
    assert long in again.undecided
    assert Decided(b'{"a":1}', b'["dec-49"]') in again.undecided
    again.close()
    third = place.ledger()
    assert third.undecided == []  # the second ended by itself
    third.close()


@pytest.mark.assures("fault 12")
async def test_nothing_is_let_through_while_the_journal_takes_nothing(place, monkeypatch):
    ledger = place.ledger()
    full = OSError(28, "No space left on device")

    def no_space(*_: object) -> int:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr("gateway.adapters.journal.os.write", no_space)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                ledger.open(entry("req-1", state="open"))
        ledger.settle([entry("req-2")])  # one that was under way: kept until there is room
    ledger.open(entry("req-3", state="open"))
    ledger.settle([entry("req-3")])
    abandon(ledger)
    place.ledger().close()
    assert [row[0] for row in await rows(place)] == ["req-2", "req-3"]


async def test_whether_a_call_can_be_noted_is_found_out_anew(place, monkeypatch):
    ledger = place.ledger()
    assert ledger.takes()
    with monkeypatch.context() as patch:
        patch.setattr("gateway.adapters.journal.os.write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space")))
        with pytest.raises(OSError, match="No space"):
            ledger.open(entry("req-1", state="open"))
        assert not ledger.takes()
    assert ledger.takes()  # nobody is sent here meanwhile, so that no call would show it
    ledger.open(entry("req-2", state="open"))
    ledger.settle([entry("req-2")])
    abandon(ledger)
    place.ledger().close()
    assert [row[0] for row in await rows(place)] == ["req-2"]


@pytest.mark.assures("fault 12")
async def test_a_line_of_which_only_a_part_was_taken_does_not_spoil_the_next(place, monkeypatch):
    ledger = place.ledger()
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr("gateway.adapters.journal.os.write", lambda fd, data: real(fd, data[:20]))
        with pytest.raises(OSError, match="only a part"):
            ledger.open(entry("req-1", state="open", cost=100))
    ledger.open(entry("req-2", state="open", cost=200))
    abandon(ledger)
    place.ledger().close()
    assert await rows(place) == [("req-2", 1, "uncertain", 200)]


@pytest.mark.assures("fault 12")
async def test_with_power_the_seal_is_an_fsync_that_serves_all_who_wait(place, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr("gateway.adapters.journal.os.fsync", lambda fd: (synced.append(fd), real(fd)))
    ledger = place.ledger("power")
    for n in range(20):
        ledger.open(entry(f"req-{n:02}", state="open"))
    await asyncio.gather(*(ledger.sealed() for _ in range(20)))
    assert 1 <= len(synced) <= 2
    for n in range(20):
        ledger.settle([entry(f"req-{n:02}")])
    ledger.close()


@pytest.mark.assures("fault 12")
async def test_after_an_fsync_that_failed_nothing_is_let_through_until_a_new_segment_is_on_disk(place, monkeypatch):
    """The kernel tells of it once, and the next fsync of the same file succeeds: whoever waits for it must not believe
    it."""
    monkeypatch.setattr(journal, "_RETRY_SECONDS", 0.05)
    failures = [OSError(5, "Input/output error")]
    real = os.fsync

    def sync(descriptor: int) -> None:
        if failures:
            raise failures.pop()
        real(descriptor)

    monkeypatch.setattr("gateway.adapters.journal.os.fsync", sync)
    ledger = place.ledger("power")
    for id in ("req-1", "req-2"):
        ledger.open(entry(id, state="open", cost=100))
    ledger.settle([entry("req-1")])
    sealed = await asyncio.gather(*(ledger.sealed() for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in sealed] == [OSError] * 3
    assert not ledger.takes()
    failures[:] = [OSError(5, "Input/output error")] * 2  # not the disk's last word
    with pytest.raises(OSError, match="Input/output"):
        ledger.open(entry("req-3", state="open"))
    while not ledger.takes():  # noqa: ASYNC110  it is asked, and tells nobody
        await asyncio.sleep(0.02)
    assert failures == []
    ledger.open(entry("req-4", state="open", cost=300))
    await ledger.sealed()
    assert "req-2" in ledger._segment.read_text()  # it is under way, so it was written again
    await asyncio.sleep(0.3)
    abandon(ledger)
    place.ledger().close()
    assert await rows(place) == [
        ("req-1", 1, "settled", 7),
        ("req-2", 1, "uncertain", 100),
        ("req-4", 1, "uncertain", 300),
    ]


async def test_without_power_nobody_waits(place):
    ledger = place.ledger()
    assert ledger.sealed() is None
    ledger.close()


async def test_a_settled_row_outlives_a_lost_line(place):
    ledger = place.ledger()
    ledger.open(entry("req-1", state="open", cost=100))
    opened = ledger._segment.read_bytes()
    ledger.settle([entry("req-1")])
    await asyncio.sleep(0.3)
    ledger._segment.write_bytes(opened)
    abandon(ledger)
    place.ledger().close()
    assert await rows(place) == [("req-1", 1, "settled", 7)]


@pytest.fixture
def quick(monkeypatch):
    """Waits are short."""
    monkeypatch.setattr(journal, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(journal, "_START_SECONDS", 0.3)


async def settle(ledger: Ledger, name: str, amount: int) -> None:
    for n in range(amount):
        ledger.open(entry(f"{name}-{n:03}", state="open", cost=100))
        ledger.settle([entry(f"{name}-{n:03}")])
        await asyncio.sleep(0)


@pytest.mark.assures("fault 11")
@pytest.mark.parametrize("fault", ["down", "frozen"])
@pytest.mark.alone
async def test_what_ends_while_postgres_is_away_is_there_once_when_it_is_back(
    server, shared, quick, monkeypatch, fault
):
    monkeypatch.setattr("gateway.adapters.ledger_postgres._STATEMENT_SECONDS", 0.5)
    told = []
    place = shared
    ledger = place.ledger(tell=lambda event, **fields: told.append(event))
    await settle(ledger, "before", 50)
    await until(lambda: ledger.lag_seconds() == 0)
    with contextlib.ExitStack() as fault_lasts:
        await asyncio.to_thread(fault_lasts.enter_context, getattr(server, fault)())
        await settle(ledger, "during", 50)
        await until(lambda: "ledger_store_away" in told)
        started = time.monotonic()
        await settle(ledger, "later", 50)
        assert time.monotonic() - started < 0.5  # nobody waited
        await asyncio.sleep(0.3)
        assert ledger.lag_seconds() > 0.5
        await asyncio.to_thread(fault_lasts.close)
    await until(lambda: ledger.lag_seconds() == 0)
    await settle(ledger, "after", 50)
    await asyncio.to_thread(ledger.close)
    expected = [
        (f"{name}-{n:03}", 1, "settled", 7) for name in ("after", "before", "during", "later") for n in range(50)
    ]
    assert await rows(place) == expected
    assert told == ["ledger_store_away", "ledger_store_back"]
    assert segments(place) == []


@pytest.mark.assures("fault 11")
async def test_a_start_while_postgres_is_down_serves_and_recovers_later(server, shared, quick):
    place = shared
    former = place.ledger()
    former.open(entry("never-ended", state="open", cost=100))
    await settle(former, "ended", 3)
    former.flush()
    abandon(former)
    with contextlib.ExitStack() as fault_lasts:
        await asyncio.to_thread(fault_lasts.enter_context, server.down())
        second = place.ledger()
        assert second.recovered is None
        second.open(entry("never-ended-2", state="open", cost=200))
        await settle(second, "second", 3)
        await asyncio.sleep(0.5)
        assert second.lag_seconds() > 0.5
        abandon(second)  # and it dies before the server is back
        third = place.ledger()
        await settle(third, "third", 3)
        assert len(segments(place)) == 3
        await asyncio.to_thread(fault_lasts.close)
    await until(lambda: third.recovered is not None)
    assert third.recovered == (8, 2)
    await asyncio.to_thread(third.close)
    settled = [(f"{name}-{n:03}", 1, "settled", 7) for name in ("ended", "second", "third") for n in range(3)]
    uncertain = [("never-ended", 1, "uncertain", 100), ("never-ended-2", 1, "uncertain", 200)]
    assert await rows(place) == sorted([*settled, *uncertain])
    assert segments(place) == []


class Deaf(Away):
    """A store that takes what it is given, and whose answer is lost every other time."""

    def write(self, entries, *, absent=False):
        kept = self.store.write(entries, absent=absent)
        self.away = not self.away
        if self.away:
            raise ConnectionResetError("the answer was lost")
        return kept


@pytest.mark.assures("fault 11")
async def test_what_was_taken_although_the_answer_was_lost_is_there_once(place, quick):
    former = place.ledger()
    former.open(entry("never-ended", state="open", cost=100))
    await settle(former, "former", 10)
    former.flush()
    abandon(former)
    ledger = Ledger(place.directory, Deaf(place.store()))
    for group in range(5):
        await settle(ledger, f"g{group}", 10)
        await until(lambda: ledger.lag_seconds() == 0)
    await asyncio.to_thread(ledger.close)
    settled = [
        (f"{name}-{n:03}", 1, "settled", 7) for name in ("former", *(f"g{n}" for n in range(5))) for n in range(10)
    ]
    assert await rows(place) == sorted([*settled, ("never-ended", 1, "uncertain", 100)])
    assert segments(place) == []


@pytest.mark.assures("fault 11")
async def test_what_ends_while_a_database_is_read_only_is_there_later(server, shared, quick):
    name = urlsplit(shared.url).path[1:]
    ledger = shared.ledger()
    await asyncio.to_thread(server.ask, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await asyncio.to_thread(
        server.ask, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name + "'"
    )
    await settle(ledger, "a", 10)
    await asyncio.sleep(1.0)
    assert ledger.lag_seconds() > 0.5
    await asyncio.to_thread(server.ask, f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    await until(lambda: ledger.lag_seconds() == 0)
    await asyncio.to_thread(ledger.close)
    assert len(await rows(shared)) == 10


async def test_a_close_while_the_store_is_away_leaves_all_to_the_next_start(place, quick):
    ledger = Ledger(place.directory, Away(place.store()))
    await settle(ledger, "a", 20)
    await asyncio.to_thread(ledger.close)
    assert len(segments(place)) == 1
    again = place.ledger()
    assert again.recovered == (20, 0)
    again.close()
    assert len(await rows(place)) == 20


@pytest.mark.assures("fault 11", "fault 12")
async def test_a_full_journal_lets_no_call_through_until_the_store_has_taken_some(place, quick, monkeypatch):
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 5_000)
    monkeypatch.setattr(journal, "JOURNAL_BYTES", 40_000)
    store = Away(place.store())
    ledger = Ledger(place.directory, store)
    taken = 0
    with pytest.raises(OSError, match="is full, since the ledger's store takes nothing") as refused:
        while True:
            await settle(ledger, f"r{taken:03}", 1)
            taken += 1
    assert refused.value.errno == errno.ENOSPC
    assert sum(path.stat().st_size for path in (place.directory / "journal").iterdir()) < 42_000
    store.away = False
    await until(lambda: len(segments(place)) == 1)
    await settle(ledger, "z", 1)
    ledger.close()
    assert len(await rows(place)) == taken + 1


async def test_a_journal_of_a_former_process_counts_towards_the_bound(place, quick, monkeypatch):
    monkeypatch.setattr(journal, "JOURNAL_BYTES", 3_000)
    (place.directory / "journal").mkdir()
    lines = [msgspec.json.encode(entry(f"old-{n:02}")) for n in range(30)]
    (place.directory / "journal" / "00000007.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    store = Away(place.store())
    ledger = Ledger(place.directory, store)
    with pytest.raises(OSError, match="is full"):
        ledger.open(entry("r", state="open"))
    store.away = False
    await until(lambda: ledger.recovered == (30, 0))
    ledger.open(entry("r", state="open"))
    ledger.settle([entry("r")])
    ledger.close()
    assert len(await rows(place)) == 31


async def test_what_does_not_wait_in_memory_is_read_from_its_segment(place, quick, monkeypatch):
    monkeypatch.setattr(journal, "IN_MEMORY", 10)
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 5_000)
    monkeypatch.setattr(journal, "_GROUP_SECONDS", 0.01)
    store = Away(place.store())
    ledger = Ledger(place.directory, store)
    ledger.open(entry("long", state="open", cost=100))
    for group in range(20):
        await settle(ledger, f"g{group:02}", 10)
        await asyncio.sleep(0.03)
    assert ledger._handed - ledger._carried < 40
    assert ledger.lag_seconds() > 0.5
    store.away = False
    await until(lambda: ledger.lag_seconds() == 0)
    assert len(await rows(place)) == 200
    assert len(segments(place)) == 1
    ledger.settle([entry("long")])
    ledger.close()
    assert len(await rows(place)) == 201
    assert segments(place) == []


@pytest.mark.assures("fault 11")
async def test_an_entry_that_the_store_never_takes_is_set_aside_and_told(place):
    told = []
    ledger = place.ledger(tell=lambda event, **fields: told.append((event, fields.get("request_id"))))
    ledger.settle([entry(f"r{n:02}", cost=2**63 if n == 13 else n) for n in range(40)])
    await until(lambda: ledger.lag_seconds() == 0)
    ledger.close()
    assert [row[0] for row in await rows(place)] == [f"r{n:02}" for n in range(40) if n != 13]
    assert segments(place) == ["refused.jsonl"]
    kept = msgspec.json.decode((place.directory / "journal" / "refused.jsonl").read_bytes(), type=Entry)
    assert (kept.request_id, kept.cost_pico_usd) == ("r13", 2**63)
    assert told == [("ledger_entry_refused", "r13")]
    again = place.ledger()
    assert again.recovered == (0, 0)
    again.close()
    (place.directory / "journal" / "refused.jsonl").rename(place.directory / "journal" / "0.jsonl")
    last = place.ledger()  # an operator tries again
    await until(lambda: segments(place) == ["00000001.jsonl", "refused.jsonl"])
    last.close()


async def test_a_journal_that_cannot_be_read_is_told_and_kept(place):
    (place.directory / "journal" / "00000001.jsonl").mkdir(parents=True)
    told = []
    ledger = place.ledger(tell=lambda event, **fields: told.append(event))
    await settle(ledger, "a", 3)
    await asyncio.sleep(0.3)
    assert (told, ledger.recovered) == (["ledger_stopped"], None)
    assert ledger.lag_seconds() > 0
    await asyncio.to_thread(ledger.close)
    (place.directory / "journal" / "00000001.jsonl").rmdir()
    place.ledger().close()
    assert len(await rows(place)) == 3


async def test_old_calls_are_folded_while_it_runs(place):
    ledger = place.ledger(retention_days=100)
    ledger.settle([entry(f"old-{n}", time=1_700_000_000.0 + n) for n in range(5)])
    ledger.settle([entry("new")])
    await until(lambda: ledger.lag_seconds() == 0)
    ledger.close()
    again = place.ledger(retention_days=100)
    await until(lambda: again._fold_due > time.monotonic() + 1000)
    again.close()
    assert [row[0] for row in await rows(place)] == ["new"]
    assert await asyncio.to_thread(place.ask, "SELECT calls FROM hours") == [(5,)]


@pytest.mark.assures("fault 27")
async def test_many_gateways_start_at_once_on_an_empty_database(shared):
    places = [Place(shared.directory / str(n), shared.url) for n in range(6)]
    ledgers = await asyncio.gather(*(asyncio.to_thread(place.ledger) for place in places))
    assert [ledger.recovered for ledger in ledgers] == [(0, 0)] * 6
    for at, ledger in enumerate(ledgers):
        await settle(ledger, f"g{at}", 5)
    for ledger in ledgers:
        await asyncio.to_thread(ledger.close)
    assert len(await rows(places[0])) == 30


async def test_the_call_that_begins_a_new_segment_is_under_way_in_it(place, monkeypatch):
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 500)
    ledger = place.ledger()
    for n in range(4):
        ledger.open(entry(f"done-{n}", state="open", cost=100))
        ledger.settle([entry(f"done-{n}")])
    ledger.open(entry("x" * 600, state="open", cost=900))  # its line is the last of the old segment
    await until(lambda: ledger.lag_seconds() == 0)
    abandon(ledger)
    again = place.ledger()
    assert again.recovered[1] == 1
    again.close()
    assert ("x" * 600, 1, "uncertain", 900) in await rows(place)


@pytest.mark.assures("fault 12")
async def test_a_segment_that_cannot_be_begun_leaves_the_old_one_in_use(place, monkeypatch):
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 500)
    ledger = place.ledger()
    append, full = ledger._append, [True]

    def failing(lines: bytes) -> None:
        if full[0] and int(ledger._segment.stem) > 1:
            raise OSError(errno.ENOSPC, "full")
        append(lines)

    monkeypatch.setattr(ledger, "_append", failing)
    for n in range(8):
        ledger.open(entry(f"r-{n}", state="open", cost=100))
        ledger.settle([entry(f"r-{n}")])
    full[0] = False
    ledger.open(entry("last", state="open", cost=100))
    ledger.settle([entry("last")])
    await until(lambda: ledger.lag_seconds() == 0)
    ledger.close()
    assert len([row for row in await rows(place) if row[2] == "settled"]) == 9
    assert [name for name in segments(place) if name != "refused.jsonl"] == []


@pytest.mark.assures("fault 27")
async def test_a_line_of_another_version_is_set_aside_and_told(place):
    ledger = place.ledger()
    ledger.settle([entry("a")])
    ledger.flush()
    abandon(ledger)
    [segment] = (place.directory / "journal").glob("0*.jsonl")
    line = segment.read_bytes().replace(b'"settled"', b'"of tomorrow"').replace(b'"a"', b'"b"')
    segment.write_bytes(line + segment.read_bytes())
    told = []
    again = place.ledger(tell=lambda event, **_: told.append(event))
    again.close()
    assert (place.directory / "journal" / "refused.jsonl").read_bytes() == line
    assert "ledger_line_unread" in told
    assert ("a", 1, "settled", 7) in await rows(place)
