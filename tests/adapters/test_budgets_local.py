"""Budgets in memory: the contract of all stores, and what is so here alone."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.budgets_contract import DAY, NANO, NOON, PER_KEY, BudgetsContract, ask, limit

from gateway.adapters import budgets_local
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.ledger_sqlite import SqliteLedger
from gateway.core.budget import Exceeded, Reserved

NOWHERE = Path("/nonexistent")


class Awaited:
    """The local books, behind the awaited methods of the contract."""

    def __init__(self, directory):
        self.budgets = LocalBudgets(directory)

    async def enforce(self, limits, rates=()):
        self.budgets.enforce(limits, self.budgets.restore(limits, NOON), rates)

    async def reserve(self, ask, moment):
        return self.budgets.reserve(ask, moment)

    async def settle(self, room, pico_usd, tokens):
        self.budgets.settle(room, pico_usd, tokens)

    async def standings(self, spender, moment):
        return self.budgets.standings(spender, moment)

    async def every_standing(self, moment):
        return self.budgets.every_standing(moment)

    async def pace(self, spender, moment):
        return self.budgets.pace(spender, moment)


class TestBudgets(BudgetsContract):
    @pytest.fixture
    def make(self):
        async def made(*limits, rates=(), ledger=NOWHERE):
            books = Awaited(ledger)
            await books.enforce(limits, rates)
            return books

        return made


def budgets(*limits):
    found = LocalBudgets(NOWHERE)
    found.enforce(limits, {})
    return found


def spend(books, amount, moment=NOON, **who):
    room = books.reserve(ask(amount, **who), moment)
    assert isinstance(room, Reserved), room
    books.settle(room, amount * NANO, 0)


def room(books, amount, moment=NOON, **who):
    return isinstance(books.reserve(ask(amount, **who), moment), Reserved)


def test_limits_that_change_keep_what_others_counted():
    books = budgets(PER_KEY, limit("team", "team", "day", 100))
    spend(books, 60)
    open_call = books.reserve(ask(10), NOON)
    restored = {("team", "red"): {int(NOON // 3600 * 3600): 60 * NANO}}
    books.enforce([PER_KEY, limit("team", "team", "day", 70)], restored)
    assert not room(books, 31)  # the key's account: 60 spent, 10 reserved
    books.settle(open_call, 10 * NANO, 0)
    assert not room(books, 1)  # the team's, restored: 60 and the 10 that were under way
    books.enforce([], {})
    assert room(books, 10**18)


def test_only_limits_that_are_new_are_restored(tmp_path):
    ledger = SqliteLedger(tmp_path)
    ledger.close()
    books = LocalBudgets(tmp_path)
    assert books.restore([PER_KEY], NOON) == {}  # nothing was spent
    books.enforce([PER_KEY], {})
    (tmp_path / "ledger.sqlite").write_bytes(b"no database")
    assert books.restore([PER_KEY], NOON) == {}  # nothing is new, so nobody looks


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60), st.booleans()), max_size=30))
def test_what_was_spent_never_passes_the_ceiling(calls):
    books = budgets(PER_KEY)
    spent, under_way = 0, []
    for most, actual, settle_now in calls:
        reservation = books.reserve(ask(most), NOON)
        if isinstance(reservation, Exceeded):
            continue
        under_way.append((reservation, min(most, actual) * NANO))
        if settle_now:
            reservation, cost = under_way.pop(0)
            books.settle(reservation, cost, 0)
            spent += cost
        assert spent + sum(reservation.pico_usd for reservation, _ in under_way) <= 100 * NANO


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 60), st.booleans()), max_size=40))
def test_no_series_of_grants_passes_a_ceiling(calls):
    books = budgets(PER_KEY, limit("all", "organisation", "day", 150))
    taken = {"k1": 0, "k2": 0}
    for most, least, other in calls:
        who = "k2" if other else "k1"
        room = books.reserve(ask(most, min(most, least), key=who), NOON)
        if isinstance(room, Reserved):
            assert min(most, least) * NANO <= room.pico_usd <= most * NANO
            taken[who] += room.pico_usd
    assert max(taken.values()) <= 100 * NANO
    assert sum(taken.values()) <= 150 * NANO


def test_a_spender_who_was_forgotten_has_still_spent(monkeypatch):
    monkeypatch.setattr(budgets_local, "_REMEMBERED", 1)
    books = budgets(PER_KEY)
    under_way = books.reserve(ask(60), NOON)
    spend(books, 100, key="k2")
    assert not room(books, 41)
    books.settle(under_way, 60 * NANO, 0)
    assert room(books, 40)
    assert not room(books, 1, key="k2")


def test_a_call_that_runs_over_midnight_has_room_on_both_days():
    midnight = NOON // DAY * DAY + DAY
    books = budgets(PER_KEY)
    books.reserve(ask(60), midnight - 1)
    assert not room(books, 41, midnight + 1)
