"""The store that settings name; corrections are added to it, never changed, and whoever sums the ledger sums them."""

import pytest

from gateway.adapters.books import Books
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.journal import Ledger
from gateway.adapters.ledger_postgres import PostgresStore
from gateway.adapters.ledger_rows import Unwritable
from gateway.adapters.ledger_sqlite import SqliteStore, connect
from gateway.adapters.spend import Asked, breakdown
from gateway.adapters.state import StateTaken
from gateway.adapters.stores import shared_of, store_of
from gateway.adapters.tables_postgres import PostgresTables
from gateway.adapters.taking_over import NAME
from gateway.core.budget import Ask, Limit, Reserved, Spend
from gateway.core.day import day_of
from gateway.core.reconcile import Compared, corrections
from gateway.core.spender import Spender

DAY = day_of("2026-11-20")
NOON = DAY * 86_400 + 43_200


def booked(theirs, digest="abc", model="m"):
    found = Compared(DAY, model, 100, 100, 0, 0, 0, theirs, "theirs higher", "big", "us")
    return corrections([found], "openai", "nov.csv", digest, DAY + 1)


def keep_corrections(directory, entries):
    store = store_of(directory)
    try:
        return store.write(entries, absent=True)
    finally:
        store.close()


def sums(directory, by):
    return {line.group[0]: line.cost_pico_usd for line in breakdown(Books(directory), [by], Asked(0.0))}


def test_a_correction_is_in_every_sum(tmp_path):
    assert keep_corrections(tmp_path, [*booked(130), *booked(60, model="n")]) == 2
    assert (sums(tmp_path, "team"), sums(tmp_path, "model"), sums(tmp_path, "provider")) == (
        {"(correction)": -10},
        {"big": -10},
        {"openai": -10},
    )


def test_the_same_file_books_once_and_nothing_is_edited(tmp_path):
    assert [keep_corrections(tmp_path, booked(amount)) for amount in (130, 130, 500)] == [1, 0, 0]
    assert keep_corrections(tmp_path, booked(101, digest="def")) == 1
    assert sums(tmp_path, "model") == {"big": 31}


def test_it_is_written_beside_a_running_gateway(tmp_path):
    ledger = Ledger(tmp_path, store_of(tmp_path))
    assert keep_corrections(tmp_path, booked(130)) == 1
    ledger.close()
    again = Ledger(tmp_path, store_of(tmp_path))
    again.close()
    assert (again.recovered, sums(tmp_path, "model")) == ((0, 0), {"big": 30})


def test_a_ledger_that_takes_nothing_keeps_nothing(tmp_path):
    db = connect(tmp_path / "ledger.sqlite")
    db.execute(
        "CREATE TRIGGER full BEFORE INSERT ON entries WHEN NEW.model = 'n' BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    db.close()
    with pytest.raises(Unwritable, match="full"):
        keep_corrections(tmp_path, [*booked(130), *booked(60, model="n")])
    assert sums(tmp_path, "model") == {}


@pytest.mark.parametrize(
    ("per", "value", "expected"),
    [
        ("organisation", "(all)", 30),
        ("provider", "openai", 30),
        ("zone", "us", 30),
        ("team", "(correction)", 30),
        ("team", "red", 0),
    ],
)
def test_budgets_are_restored_with_corrections(tmp_path, per, value, expected):
    """They count for the provider and for all, not for a team or key that did nothing."""
    keep_corrections(tmp_path, booked(130))
    limit = Limit("l", "l", Spend(per, "month", 1000))
    restored = LocalBudgets(Books(tmp_path)).restore([limit], float(NOON + 86_400))
    assert sum(restored.get(("l", value), {}).values()) == expected


def test_a_negative_correction_is_room_again(tmp_path):
    keep_corrections(tmp_path, booked(60))
    limit = Limit("l", "l", Spend("provider", "month", 1000))
    budgets, moment = LocalBudgets(Books(tmp_path)), float(NOON + 86_400)
    budgets.enforce([limit], budgets.restore([limit], moment))
    who = Spender(provider="openai")
    outcomes = [budgets.reserve(Ask("call", who, amount, amount), moment) for amount in (1041, 1040)]
    assert [isinstance(each, Reserved) for each in outcomes] == [False, True]


def test_the_store_is_what_the_settings_name(tmp_path):
    assert isinstance(store_of(tmp_path), SqliteStore)
    assert isinstance(store_of(tmp_path, "postgresql://localhost/ledger"), PostgresStore)


def test_what_replicas_share_is_where_the_settings_say_and_files_that_were_taken_over_are_refused(tmp_path):
    def opened(url=""):
        return shared_of(tmp_path, url, "me", lambda *_, **__: None)

    assert opened() is None
    assert isinstance(opened("postgresql://localhost/state"), PostgresTables)  # nothing is connected to yet
    (tmp_path / NAME).touch()
    assert opened("postgresql://localhost/state").shared
    with pytest.raises(StateTaken, match="set GATEWAY_DATABASE_URL"):
        opened()
