"""Reservations: a wall that concurrency does not pass, shares, exemptions, and restoration from the ledger."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters import budgets_local
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.ledger_sqlite import SqliteLedger
from gateway.core.budget import Ask, Exceeded, Limit, Reserved, Spend
from gateway.core.rate import Left, Pace, Rate, Throttled
from gateway.core.record import Entry

NOON = 1_795_348_800.0
DAY = 86_400.0
SPENDER = {"team": "red", "app": "chat", "key": "k1", "project": "alpha", "provider": "openai", "zone": "us"}


def limit(id, per, window, pico_usd=None, *, project="", enforced=True, **terms):
    return Limit(id, id, Spend(per, window, pico_usd, **terms), project, enforced)


PER_KEY = limit("per-key", "key", "day", 100)


def budgets(*limits, directory=None):
    found = LocalBudgets(directory or Path("/nonexistent"))
    found.enforce(limits, {})
    return found


def ask(most, least=None, *, exempt=None, requests=1, tokens=0, **who):
    return Ask("call", SPENDER | who, most, most if least is None else least, requests, tokens, exempt)


def spend(books, amount, moment=NOON, **who):
    reservation = books.reserve(ask(amount, **who), moment)
    assert isinstance(reservation, Reserved), reservation
    books.settle(reservation, amount, 0)


def room(books, amount, moment=NOON, exempt=None, **who):
    return isinstance(books.reserve(ask(amount, exempt=exempt, **who), moment), Reserved)


def test_what_is_reserved_is_not_there_for_the_next():
    books = budgets(PER_KEY)
    first = books.reserve(ask(60), NOON)
    assert not room(books, 41)
    books.settle(first, 10, 0)
    assert room(books, 90)
    assert not room(books, 1)


def test_the_refusal_has_the_figures():
    books = budgets(PER_KEY)
    spend(books, 30)
    books.reserve(ask(20), NOON)
    assert books.reserve(ask(60), NOON) == Exceeded(PER_KEY, "k1", 30, 20, 100, NOON // DAY * DAY + DAY)


def test_a_call_that_cost_more_than_reserved_is_booked_in_full():
    books = budgets(PER_KEY)
    books.settle(books.reserve(ask(10), NOON), 99, 0)
    assert room(books, 1)
    assert not room(books, 1)


def test_a_released_call_leaves_nothing():
    books = budgets(PER_KEY)
    books.settle(books.reserve(ask(100), NOON), 0, 0)
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
    open_call = books.reserve(ask(10), NOON)
    books.enforce([PER_KEY, limit("team", "team", "week", 70)], {("team", "red"): {int(NOON // 3600 * 3600): 60}})
    assert not room(books, 31)  # the key's account: 60 spent, 10 reserved
    assert not room(books, 1)  # the team's, restored: 60, and the 10 that are under way
    books.settle(open_call, 10, 0)
    assert not room(books, 1)
    books.enforce([], {})
    assert room(books, 10**18)


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
    books.settle(under_way, 50, 0)
    assert not room(books, 51)
    assert room(books, 50)


def entry(**fields):
    names = Entry.__struct_fields__
    plain = dict.fromkeys(names, "") | {
        name: 0 for name in names if name in ("hop", "status", "duration_ms", "cost_pico_usd") or "cache" in name
    }
    plain |= dict.fromkeys(("input_uncached", "output", "reasoning"), 0) | {"time": NOON, "state": "settled", "hop": 1}
    return Entry(**(plain | SPENDER | fields))


async def test_what_the_ledger_holds_is_restored(tmp_path):
    ledger = SqliteLedger(tmp_path)
    big = 7 * 10**12 + 3
    ledger.settle(
        [
            entry(request_id="a", cost_pico_usd=big),
            entry(request_id="b", cost_pico_usd=5, key="k2"),
            entry(request_id="c", cost_pico_usd=1000, time=NOON - 2 * DAY),
            entry(request_id="d", cost_pico_usd=2, project="beta"),
        ]
    )
    ledger.flush()
    ledger.close()
    limits = [
        limit("per-key", "key", "day", big + 10),
        limit("beta", "organisation", "day", 3, project="beta"),
        limit("share", "provider", "day", share=0.5, minimum_pico_usd=10**15),
    ]
    books = LocalBudgets(tmp_path)
    books.enforce(limits, books.restore(limits, NOON))
    assert not room(books, 9)
    assert room(books, 8)
    assert not room(books, 2, project="beta", key="k3")
    assert room(books, 1, project="beta", key="k3")
    assert books.restore(limits, NOON) == {}  # nothing new


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60), st.booleans()), max_size=30))
def test_what_was_spent_never_passes_the_ceiling(calls):
    books = budgets(PER_KEY)
    spent, under_way = 0, []
    for most, actual, settle_now in calls:
        reservation = books.reserve(ask(most), NOON)
        if isinstance(reservation, Exceeded):
            continue
        under_way.append((reservation, min(most, actual)))
        if settle_now:
            reservation, cost = under_way.pop(0)
            books.settle(reservation, cost, 0)
            spent += cost
        assert spent + sum(reservation.pico_usd for reservation, _ in under_way) <= 100


def test_a_limit_on_trial_tells_and_denies_nothing():
    books = budgets(limit("trial", "key", "day", 10, enforced=False))
    assert books.reserve(ask(10), NOON).watched == ()
    assert books.reserve(ask(1), NOON).watched == ("trial",)


def test_without_limits_nothing_is_counted():
    assert not budgets().counting
    assert budgets(PER_KEY).counting


def test_a_spender_who_was_forgotten_has_still_spent(monkeypatch):
    monkeypatch.setattr(budgets_local, "_REMEMBERED", 1)
    books = budgets(PER_KEY)
    under_way = books.reserve(ask(60), NOON)
    spend(books, 100, key="k2")
    assert not room(books, 41)
    books.settle(under_way, 60, 0)
    assert room(books, 40)
    assert not room(books, 1, key="k2")


def test_near_the_end_one_call_gets_half_of_what_is_left_so_that_others_get_some():
    books = budgets(PER_KEY)
    spend(books, 20)
    grants = [books.reserve(ask(200, 5), NOON).pico_usd for _ in range(5)]
    assert grants == [40, 20, 10, 5, 5]
    assert isinstance(books.reserve(ask(200, 5), NOON), Exceeded)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 60), st.booleans()), max_size=40))
def test_no_series_of_grants_passes_a_ceiling(calls):
    books = budgets(PER_KEY, limit("all", "organisation", "day", 150))
    taken = {"k1": 0, "k2": 0}
    for most, least, other in calls:
        who = "k2" if other else "k1"
        room = books.reserve(ask(most, min(most, least), key=who), NOON)
        if isinstance(room, Reserved):
            assert min(most, least) <= room.pico_usd <= most
            taken[who] += room.pico_usd
    assert max(taken.values()) <= 100
    assert sum(taken.values()) <= 150


def test_a_call_is_booked_in_the_window_that_it_began_in():
    midnight = NOON // DAY * DAY + DAY
    books = budgets(PER_KEY)
    begun = books.reserve(ask(60), midnight - 1)
    assert room(books, 100, midnight + 1) is False  # still reserved
    books.settle(begun, 60, 0)
    assert room(books, 100, midnight + 1)


def test_a_budget_of_one_binds_nobody_else():
    books = budgets(Limit("b", "budget", Spend("team", "day", 10), whose="red"))
    assert not room(books, 11)
    assert room(books, 11, team="blue")


@pytest.mark.parametrize(
    ("spent", "enforced", "state"),
    [(79, True, "ok"), (80, True, "soft"), (100, True, "exhausted"), (99, False, "ok"), (100, False, "soft")],
)
def test_the_state_of_a_budget_is_known_before_anything_is_denied(spent, enforced, state):
    books = budgets(limit("l", "key", "day", 100, enforced=enforced), limit("other", "provider", "day", 1))
    books.settle(books.reserve(ask(0), NOON), spent, 0)
    assert books.state({"key": "k1", "team": "red"}, NOON) == state
    assert books.state({"key": "k2", "team": "red"}, NOON) == "ok"


def test_what_is_booked_beyond_a_ceiling_is_told():
    books = budgets(PER_KEY)
    books.settle(books.reserve(ask(90), NOON), 95, 0)
    assert books.overshot_pico_usd == 0
    books.settle(books.reserve(ask(5), NOON), 25, 0)
    assert books.overshot_pico_usd == 20


def paced(*rates):
    books = LocalBudgets(Path("/nonexistent"))
    books.enforce([], {}, rates)
    return books


def test_a_request_that_comes_too_soon_is_held_up_by_the_longest_wait():
    per_key, per_team = Rate("key", "requests", 2), Rate("team", "requests", 1, "red")
    books = paced(per_key, per_team)
    first = books.reserve(ask(0), NOON)
    assert first.pace == Pace(Left(1, 0, 60.0), None)
    held = books.reserve(ask(0), NOON)
    assert (held.rate, held.value, held.wait) == (per_team, "red", 60.0)
    assert isinstance(books.reserve(ask(0, team="blue"), NOON), Reserved)
    assert isinstance(books.reserve(ask(0), NOON + 60), Reserved)


def test_what_a_rate_holds_up_takes_nothing():
    books = budgets(PER_KEY)
    books.enforce([PER_KEY], {}, [Rate("key", "requests", 1)])
    spend(books, 1)
    assert isinstance(books.reserve(ask(50), NOON), Throttled)
    [standing] = books.standings({"key": "k1"}, NOON)
    assert (standing.spent_pico_usd, standing.reserved_pico_usd) == (1, 0)


def test_tokens_are_expected_first_and_corrected_later():
    books = paced(Rate("app", "tokens", 100))
    call = books.reserve(ask(0, tokens=60), NOON)
    assert isinstance(books.reserve(ask(0, tokens=60), NOON), Throttled)
    books.settle(call, 0, 20)
    assert books.pace({"app": "chat"}, NOON).tokens.remaining == 80
    assert isinstance(books.reserve(ask(0, tokens=60), NOON), Reserved)


def test_a_request_that_was_let_in_is_not_held_up_half_way():
    books = paced(Rate("key", "requests", 1), Rate("key", "tokens", 10))
    assert isinstance(books.reserve(ask(0, tokens=10), NOON), Reserved)
    assert isinstance(books.reserve(ask(0, tokens=10, requests=0), NOON), Reserved)


def test_rates_that_stay_keep_their_levels():
    rate = Rate("key", "requests", 1)
    books = paced(rate)
    books.reserve(ask(0), NOON)
    books.enforce([PER_KEY], {}, [rate])
    assert isinstance(books.reserve(ask(0), NOON), Throttled)
