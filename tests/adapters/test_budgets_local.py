"""Reserveds: a wall that concurrency does not pass, shares, exemptions, and restoration from the ledger."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stores import entry as row

from gateway.adapters import budgets_local
from gateway.adapters.budgets_local import LocalBudgets
from gateway.core.budget import Exceeded, Limit, Reserved, Spend

NOON = 1_795_348_800.0
DAY = 86_400.0
THEN = NOON - 300 * DAY
SPENDER = {"team": "red", "app": "chat", "key": "k1", "project": "alpha", "provider": "openai", "zone": "us"}


def limit(id, per, window, pico_usd=None, *, project="", enforced=True, **terms):
    return Limit(id, id, Spend(per, window, pico_usd, **terms), project, enforced)


PER_KEY = limit("per-key", "key", "day", 100)


def budgets(*limits, directory=None):
    found = LocalBudgets(directory or Path("/nonexistent"))
    found.enforce(limits, {})
    return found


def spend(books, amount, moment=NOON, **who):
    reservation = books.reserve(SPENDER | who, amount, moment, None)
    assert isinstance(reservation, Reserved), reservation
    books.settle(reservation, amount, moment)


def room(books, amount, moment=NOON, exempt=None, **who):
    return isinstance(books.reserve(SPENDER | who, amount, moment, exempt), Reserved)


def test_what_is_reserved_is_not_there_for_the_next():
    books = budgets(PER_KEY)
    first = books.reserve(SPENDER, 60, NOON, None)
    assert not room(books, 41)
    books.settle(first, 10, NOON)
    assert room(books, 90)
    assert not room(books, 1)


def test_the_refusal_has_the_figures():
    books = budgets(PER_KEY)
    spend(books, 30)
    books.reserve(SPENDER, 20, NOON, None)
    assert books.reserve(SPENDER, 60, NOON, None) == Exceeded(PER_KEY, "k1", 30, 20, 100, NOON // DAY * DAY + DAY)


def test_a_call_that_cost_more_than_reserved_is_booked_in_full():
    books = budgets(PER_KEY)
    books.settle(books.reserve(SPENDER, 10, NOON, None), 99, NOON)
    assert room(books, 1)
    assert not room(books, 1)


def test_a_released_call_leaves_nothing():
    books = budgets(PER_KEY)
    books.settle(books.reserve(SPENDER, 100, NOON, None), 0, NOON)
    assert room(books, 100)


def test_accounts_are_apart_and_a_reservation_is_made_in_all_or_in_none():
    books = budgets(limit("team", "team", "day", 50), limit("all", "organisation", "day", 80))
    spend(books, 50)
    assert not room(books, 1)
    assert not room(books, 31, team="blue")
    assert room(books, 30, team="blue")


@pytest.mark.parametrize(
    ("window", "later", "free"), [("day", DAY, True), ("1d", DAY - 3600, False), ("1d", DAY + 3600, True)]
)
def test_windows_end(window, later, free):
    books = budgets(limit("l", "key", window, 100))
    spend(books, 100)
    assert room(books, 100, NOON + later) is free


def test_a_share_counts_from_its_minimum_on():
    books = budgets(limit("share", "provider", "7d", share=0.6, minimum_pico_usd=100))
    spend(books, 99)
    assert not room(books, 1)  # all of 100 would be one provider's
    spend(books, 60, provider="mistral")
    assert room(books, 1, provider="mistral")
    assert not room(books, 1)  # 100 of 160
    spend(books, 10, provider="mistral")
    assert room(books, 1)


def test_the_limit_that_a_request_was_downgraded_by_is_passed_and_others_are_not():
    books = budgets(PER_KEY, limit("team", "team", "day", 110))
    spend(books, 100)
    assert not room(books, 10)
    assert room(books, 10, exempt="per-key")
    assert not room(books, 10, exempt="per-key")


def test_a_project_limit_binds_that_project_alone():
    books = budgets(limit("alpha", "organisation", "day", 10, project="alpha"))
    assert not room(books, 11)
    assert room(books, 11, project="beta")


def test_limits_that_change_keep_what_others_counted():
    books = budgets(PER_KEY, limit("team", "team", "day", 100))
    spend(books, 60)
    open_call = books.reserve(SPENDER, 10, NOON, None)
    books.enforce([PER_KEY, limit("team", "team", "day", 70)], {("team", "red"): {int(NOON // 3600 * 3600): 60}})
    assert not room(books, 31)  # the key's account: 60 spent, 10 reserved
    books.settle(open_call, 10, NOON)
    assert not room(books, 1)  # the team's, restored: 60 and the 10 that were under way
    books.enforce([], {})
    assert room(books, 10**18)


def entry(request_id, cost_pico_usd, **fields):
    return row(request_id, cost=cost_pico_usd, **({"time": THEN} | SPENDER | fields))


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
        limit("per-key", "key", "day", big + 10),
        limit("beta", "organisation", "day", 3, project="beta"),
        limit("share", "provider", "day", share=0.5, minimum_pico_usd=10**15),
    ]
    books = LocalBudgets(place.directory, place.url)
    books.enforce(limits, books.restore(limits, THEN))
    assert not room(books, 9, THEN)
    assert room(books, 8, THEN)
    assert not room(books, 2, THEN, project="beta", key="k3")
    assert room(books, 1, THEN, project="beta", key="k3")
    assert books.restore(limits, THEN) == {}  # nothing new


def test_spending_is_restored_by_the_minute_and_as_exactly_as_it_is_large(place):
    store = place.store()
    store.write([entry(f"r{n}", 2**62, time=THEN + 30.0 * n) for n in range(8)])
    store.close()
    hourly = limit("hourly", "team", "2h", 2**70)
    found = LocalBudgets(place.directory, place.url).restore([hourly], THEN + 300)
    assert found == {("hourly", "red"): {int(THEN) + 60 * n: 2 * 2**62 for n in range(4)}}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60), st.booleans()), max_size=30))
def test_what_was_spent_never_passes_the_ceiling(calls):
    books = budgets(PER_KEY)
    spent, under_way = 0, []
    for most, actual, settle_now in calls:
        reservation = books.reserve(SPENDER, most, NOON, None)
        if isinstance(reservation, Exceeded):
            continue
        under_way.append((reservation, min(most, actual)))
        if settle_now:
            reservation, cost = under_way.pop(0)
            books.settle(reservation, cost, NOON)
            spent += cost
        assert spent + sum(reservation.pico_usd for reservation, _ in under_way) <= 100


def test_a_limit_on_trial_tells_and_denies_nothing():
    books = budgets(limit("trial", "key", "day", 10, enforced=False))
    assert books.reserve(SPENDER, 10, NOON, None).watched == ()
    assert books.reserve(SPENDER, 1, NOON, None).watched == ("trial",)


def test_without_limits_nothing_is_counted():
    assert not budgets().counting
    assert budgets(PER_KEY).counting


def test_a_spender_who_was_forgotten_has_still_spent(monkeypatch):
    monkeypatch.setattr(budgets_local, "_REMEMBERED", 1)
    books = budgets(PER_KEY)
    under_way = books.reserve(SPENDER, 60, NOON, None)
    spend(books, 100, key="k2")
    assert not room(books, 41)
    books.settle(under_way, 60, NOON)
    assert room(books, 40)
    assert not room(books, 1, key="k2")
