"""Budgets in memory: the contract of all stores, and what is so here alone."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.budgets_contract import DAY, NANO, NOON, PER_KEY, SPENDER, BudgetsContract, ask, limit
from support.stores import entry as row

from gateway.adapters import budgets_local
from gateway.adapters.books import Books
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.stores import store_of
from gateway.core.budget import Ask, Exceeded, Limit, Reserved, Spend
from gateway.core.rate import Rate
from gateway.core.spender import Spender

NOWHERE = Path("/nonexistent")
THEN = NOON - 300 * DAY


class Awaited:
    """The local books, behind the awaited methods of the contract."""

    def __init__(self, directory):
        self.budgets = LocalBudgets(Books(directory))

    async def enforce(self, limits, rates=()):
        self.budgets.enforce(limits, self.budgets.restore(limits, NOON), rates)

    async def reserve(self, ask, moment):
        return self.budgets.reserve(ask, moment)

    async def settle(self, room, pico_usd, tokens):
        self.budgets.settle(room, pico_usd, tokens)

    async def shrink(self, room, pico_usd):
        return self.budgets.shrink(room, pico_usd)

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
    found = LocalBudgets(Books(NOWHERE))
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
    books.enforce([PER_KEY, limit("team", "team", "week", 70)], restored)
    assert not room(books, 31)  # the key's account: 60 spent, 10 reserved
    assert not room(books, 1)  # the team's, restored: 60, and the 10 that are under way
    books.settle(open_call, 10 * NANO, 0)
    assert not room(books, 1)
    books.enforce([], {})
    assert room(books, 10**18)


def test_only_limits_that_are_new_are_restored(tmp_path):
    store_of(tmp_path).close()
    books = LocalBudgets(Books(tmp_path))
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


def test_a_budget_whose_amount_changes_keeps_what_was_counted():
    books = budgets(PER_KEY)
    spend(books, 60)
    under_way = books.reserve(ask(30), NOON)
    more = limit("per-key", "key", "day", 200)
    assert books.restore([more], NOON) == {}
    books.enforce([more], {})
    assert not room(books, 111)
    books.settle(under_way, 0, 0)
    assert room(books, 140)


def test_a_limit_that_comes_while_calls_are_under_way_has_their_room_reserved():
    books = budgets()
    books.enforce([], {}, [Rate("key", "requests", 100)])
    under_way = books.reserve(ask(60), NOON)
    books.enforce([PER_KEY], {})
    assert not room(books, 41)
    books.settle(under_way, 50 * NANO, 0)
    assert not room(books, 51)
    assert room(books, 50)


def pico_limit(id, per, window, pico_usd, *, project="", **terms):
    return Limit(id, id, Spend(per, window, pico_usd, **terms), project)


def pico_room(books, amount, **who):
    return isinstance(
        books.reserve(Ask("call", msgspec.structs.replace(SPENDER, **who), amount, amount), THEN), Reserved
    )


def entry(request_id, cost_pico_usd, **fields):
    return row(request_id, cost=cost_pico_usd, **({"time": THEN} | msgspec.structs.asdict(SPENDER) | fields))


@pytest.mark.parametrize("folded", [False, True])
def test_what_the_ledger_holds_is_restored(place, folded):
    store = place.store()
    big = 7 * 10**12 + 3
    store.write(
        [
            entry("a", big),
            entry("b", 5, key="k2"),
            entry("c", 1000, time=THEN - 2 * DAY),
            entry("d", 2, project="beta"),
        ]
    )
    while folded and store.fold(THEN + 40 * DAY):
        pass
    store.close()
    limits = [
        pico_limit("per-key", "key", "day", big + 10),
        pico_limit("beta", "organisation", "day", 3, project="beta"),
        pico_limit("share", "provider", "day", None, share=0.5, minimum_pico_usd=10**15),
    ]
    books = LocalBudgets(Books(place.directory, place.url))
    books.enforce(limits, books.restore(limits, THEN))
    assert not pico_room(books, 9)
    assert pico_room(books, 8)
    assert not pico_room(books, 2, project="beta", key="k3")
    assert pico_room(books, 1, project="beta", key="k3")
    assert books.restore(limits, THEN) == {}  # nothing new


def test_spending_is_restored_by_the_minute_and_as_exactly_as_it_is_large(place):
    store = place.store()
    store.write([entry(f"r{n}", 2**62, time=THEN + 30.0 * n) for n in range(8)])
    store.close()
    hourly = pico_limit("hourly", "team", "2h", 2**70)
    found = LocalBudgets(Books(place.directory, place.url)).restore([hourly], THEN + 300)
    assert found == {("hourly", "red"): {int(THEN) + 60 * n: 2 * 2**62 for n in range(4)}}


@pytest.mark.parametrize("carried", [True, False])
def test_what_ended_just_before_a_limit_came_counts_once(place, carried):
    store = place.store()
    books = LocalBudgets(Books(place.directory, place.url))
    room = books.reserve(Ask("r1:1", SPENDER, 60, 60), THEN)
    books.settle(room, 60, 0)
    others = [entry("r2", 5, key="k2")]
    store.write([*others, entry("r1", 60)] if carried else others)  # else it is on its way to the ledger
    store.close()
    limits = [pico_limit("l", "key", "day", 100)]
    books.enforce(limits, books.restore(limits, THEN))
    [standing] = books.standings(Spender("k1"), THEN)
    assert standing.spent_pico_usd == 60
