"""What every store of the ledger keeps to: the same for a file and for a PostgreSQL server."""

import random
import threading
from collections import Counter
from urllib.parse import urlsplit

import pytest
from support.stores import NOW, Place, entry

from gateway.adapters import ledger_sqlite
from gateway.adapters.ledger_rows import DIMENSIONS, HOUR, SUMS, Unwritable, hour_of, mark, not_folded
from gateway.adapters.spend import Asked, breakdown
from gateway.core.usage import BUCKETS

LONG_AGO = 1_700_000_000.0  # 2023-11-14T22:13:20Z


@pytest.fixture
def store(place):
    found = place.store()
    yield found
    found.close()


def fold_all(store, before=NOW - 100 * 86_400) -> None:
    while store.fold(before):
        pass


def total(place: Place) -> tuple[int, int, int]:
    (line,) = breakdown(place.books, [], Asked(0.0))
    return line.requests, line.calls, line.cost_pico_usd


def test_what_is_written_twice_is_there_once(place, store):
    rows = [entry(f"r{n:04}", cost=n) for n in range(2500)]
    for _ in range(2):
        assert store.write(rows) == 2500
    assert place.rows() == [(f"r{n:04}", 1, "settled", n) for n in range(2500)]


def test_every_field_is_kept_as_it_was(place, store):
    row = entry(
        "r",
        cost=2**63 - 1,
        time=LONG_AGO + 0.123456,
        model='it\'s "quoted"\\n, {braces} and ü',
        **{name: at + 1 for at, name in enumerate(BUCKETS)},
        service="flex",
        duration_ms=12,
    )
    store.write([row])
    names = type(row).__struct_fields__
    assert place.ask(f"SELECT {', '.join(names)} FROM entries") == [tuple(getattr(row, name) for name in names)]


def test_the_later_of_two_replaces(place, store):
    store.write([entry("a", cost=1), entry("b", cost=1), entry("a", cost=2)])
    store.write([entry("b", cost=3, state="released")])
    assert place.rows() == [("a", 1, "settled", 2), ("b", 1, "released", 3)]


def test_what_is_absent_is_added_and_nothing_else(place, store):
    store.write([entry("a")])
    added = [entry("a", cost=100, state="uncertain"), entry("b", cost=100, state="uncertain")]
    assert [store.write(added, absent=True) for _ in range(2)] == [1, 0]
    assert place.rows() == [("a", 1, "settled", 7), ("b", 1, "uncertain", 100)]


@pytest.mark.parametrize("bad", [{"cost": 2**63}, {"model": "\ud800"}], ids=["too large", "no text"])
def test_a_row_that_cannot_be_held_is_refused_and_its_group_with_it(place, store, bad):
    with pytest.raises(Unwritable):
        store.write([entry("a"), entry("b", **bad)])
    assert place.rows() == []
    store.write([entry("c")])
    assert [row[0] for row in place.rows()] == ["c"]


def random_entries(seed: int, amount: int = 300, spread: int = 40 * 86_400) -> list:
    chance = random.Random(seed)
    return [
        entry(
            f"r{n // 2:05}",
            hop=1 + n % 2,
            cost=chance.choice([0, 1, chance.randrange(10**13), chance.randrange(2**62)]),
            time=LONG_AGO + (n // 2 * 7919) % spread + 0.25,
            state=chance.choice(["settled", "released", "uncertain"]),
            usage_source=chance.choice(["reported", "estimated"]),
            **{name: chance.choice(["x", "y"]) for name in ("team", "app", "backend", "zone", "requested", "service")},
            **{name: chance.randrange(100_000) for name in BUCKETS},
        )
        for n in range(amount)
    ]


@pytest.mark.parametrize("by", [[], ["team"], ["model", "zone"], ["day"], ["month", "state"], ["hour", "service"]])
def test_folded_calls_are_told_as_before(place, store, by):
    store.write(random_entries(1))
    before = breakdown(place.books, by, Asked(0.0))
    fold_all(store)
    assert place.rows() == []
    assert breakdown(place.books, by, Asked(0.0)) == before


def test_a_late_row_of_a_folded_hour_is_counted_once_however_often_it_comes(place, store):
    old = [entry(f"r{n}", cost=10, time=LONG_AGO + n) for n in range(5)]
    store.write(old)
    fold_all(store)
    late = entry("late", cost=1, time=LONG_AGO)
    for _ in range(2):
        store.write([*old, late, entry("new")])
        assert total(place) == (7, 7, 58)
        store.write([entry("r1", cost=99, state="uncertain", time=LONG_AGO + 1)], absent=True)
        assert total(place) == (7, 7, 58)
        fold_all(store)
        assert total(place) == (7, 7, 58)
    assert [row[0] for row in place.rows()] == ["new"]
    again = place.store()  # another process
    again.write([late])
    again.close()
    assert total(place) == (7, 7, 58)


def test_an_hour_has_one_row_for_calls_that_are_alike(place, store):
    store.write([entry(f"r{n:02}", hop=1 + n % 2, cost=2**62, time=LONG_AGO + n) for n in range(60)])
    fold_all(store)
    (row,) = place.ask("SELECT calls, requests, cost_millions, cost_rest FROM hours")
    assert (row[0], row[1], int(row[2]) * 10**6 + int(row[3])) == (60, 30, 60 * 2**62)


def test_only_what_is_old_is_folded(place, store):
    store.write([entry("old", time=LONG_AGO), entry("new")])
    fold_all(store)
    assert [row[0] for row in place.rows()] == ["new"]
    assert place.ask("SELECT time FROM hours") == [(hour_of(LONG_AGO),)]


def test_sums_leave_64_bits_behind(place, store):
    store.write([entry(f"r{n}", cost=9 * 10**18, time=LONG_AGO) for n in range(50)])
    assert total(place) == (50, 50, 450 * 10**18)
    fold_all(store)
    store.write([entry("new", cost=9 * 10**18)])
    assert total(place) == (51, 51, 459 * 10**18)


def test_a_store_is_taken_up_where_it_was_left(place, store):
    store.write([entry("a")])
    again = place.store()
    again.write([entry("b")])
    again.close()
    assert [row[0] for row in place.rows()] == ["a", "b"]


@pytest.mark.assures("fault 27")
def test_a_column_that_a_later_version_added_is_no_matter(place, store, server):
    store.write([entry("a")])
    change = "ALTER TABLE entries ADD COLUMN later TEXT NOT NULL DEFAULT ''"
    if place.url:
        server.ask(change, urlsplit(place.url).path[1:])
    else:
        store._db.execute(change)
    store.write([entry("a", cost=1), entry("b")])
    fold_all(store)
    assert [row[0] for row in place.rows()] == ["a", "b"]


def test_hours_have_what_is_summed_of_calls(place, store):
    store.write([entry("a")])
    names = ("time", *DIMENSIONS, *SUMS)
    assert place.ask(f"SELECT {', '.join(names)} FROM hours") == []


def test_marks_tell_calls_apart():
    assert len({mark(f"req-{n}", hop) for n in range(500) for hop in (1, 2)}) == 1000
    kept = [entry("a", time=HOUR + 5.0), entry("b", time=HOUR + 6.0), entry("a", time=5.0)]
    folded = [(float(HOUR), mark("x", 1) + mark("a", 1)), (float(HOUR), mark("y", 1))]
    assert not_folded(kept, folded) == kept[1:]


def test_whoever_asks_while_calls_are_folded_sees_each_once(place, monkeypatch):
    monkeypatch.setattr(ledger_sqlite, "FOLD_ROWS", 20)
    first = place.store()
    first.write([entry(f"r{n:04}", time=LONG_AGO + n * 3_000) for n in range(2_000)])
    first.close()

    def fold() -> None:
        store = place.store()
        fold_all(store)
        store.close()

    thread = threading.Thread(target=fold)
    thread.start()
    asked = 0
    while thread.is_alive() or asked < 3:
        assert total(place) == (2_000, 2_000, 14_000)
        asked += 1
    thread.join()
    assert place.rows() == []


@pytest.mark.assures("fault 11")
def test_two_writers_at_once_lose_nothing(shared):
    place = shared
    failed: list[Exception] = []

    def write(name: str, common: list) -> None:
        store = place.store()
        try:
            for group in range(20):
                mine = [entry(f"{name}-{group}-{n}", time=LONG_AGO + group * 86_400 * 3) for n in range(50)]
                store.write([*mine, *common])
                if group % 5 == 4:
                    store.fold(NOW - 100 * 86_400)
        except Exception as error:  # noqa: BLE001  told below, in the thread that can fail the test
            failed.append(error)
        finally:
            store.close()

    common = [entry(f"common-{n}", time=LONG_AGO + n * 86_400) for n in range(40)]
    threads = [
        threading.Thread(target=write, args=(name, order)) for name, order in (("a", common), ("b", common[::-1]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(map(repr, failed)) == {}
    assert total(place) == (2040, 2040, 2040 * 7)
