"""Windows against the calendar of the standard library, and whose account a call goes to."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.budget import EVERYTHING, Account, Limit, Spend, bucket_seconds, exceeded, window_at
from gateway.core.spender import Spender

SPENDER = Spender("k1", "red", "chat", "alpha", "openai", "us")
MOMENT = st.floats(0, 4e9)


def limit(id, per, window, pico_usd=None, *, project="", enforced=True, **terms):
    return Limit(id, id, Spend(per, window, pico_usd, **terms), project, enforced)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("window", "moment", "start", "end"),
    [
        ("hour", "2026-11-22T18:59:59", "2026-11-22T18:00", "2026-11-22T19:00"),
        ("day", "2026-11-22T00:00:00", "2026-11-22", "2026-11-23"),
        ("week", "2026-11-22T23:59:59", "2026-11-16", "2026-11-23"),
        ("week", "2026-11-23T00:00:00", "2026-11-23", "2026-11-30"),
        ("month", "2024-02-29T12:00:00", "2024-02-01", "2024-03-01"),
        ("month", "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        ("24h", "2026-11-22T18:30:30", "2026-11-21T18:30", "2026-11-23T18:30:30"),
        ("7d", "2026-11-22T18:30:00", "2026-11-15T18:00", "2026-11-29T18:30"),
    ],
)
def test_windows(window, moment, start, end):
    found = window_at(window, at(moment))
    assert (found.start, found.end) == (at(start), at(end))


@settings(max_examples=300, derandomize=True)
@given(MOMENT)
def test_calendar_windows_agree_with_the_standard_library(moment):
    now = datetime.fromtimestamp(moment, UTC)
    month, week = window_at("month", moment), window_at("week", moment)
    assert month.start == now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
    assert datetime.fromtimestamp(month.end - 1, UTC).month == now.month
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert week.start == (midnight - timedelta(days=now.weekday())).timestamp()


@settings(max_examples=100, derandomize=True)
@given(MOMENT, st.sampled_from(["hour", "day", "week", "month", "1h", "36h", "1d", "30d"]))
def test_a_moment_is_in_its_window_and_windows_begin_with_a_bucket(moment, window):
    found = window_at(window, moment)
    assert found.start <= moment < found.end
    assert found.start % bucket_seconds(window) == 0


def test_a_window_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="fortnight"):
        window_at("fortnight", 0.0)


@pytest.mark.parametrize(
    ("per", "project", "value"),
    [
        ("organisation", "", EVERYTHING),
        ("key", "", "k1"),
        ("provider", "", "openai"),
        ("team", "alpha", "red"),
        ("team", "beta", None),
    ],
)
def test_whose_account_a_call_goes_to(per, project, value):
    assert limit("l", per, "day", 1, project=project).value(SPENDER) == value


@settings(max_examples=200, derandomize=True)
@given(
    st.sampled_from(["hour", "day", "week", "month", "1h", "36h", "7d"]),
    st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 50)), max_size=40),
)
def test_an_account_has_spent_what_its_window_holds(window, steps):
    account, moment, booked = Account(window), at("2026-11-22T18:59:59"), []
    for later, amount in steps:
        moment += later
        account.add(moment, amount)
        booked.append((moment, amount))
        start = window_at(window, moment).start
        assert account.spent == sum(cost for then, cost in booked if then >= start)
    account.turn(moment + 100 * 86_400)
    assert account.spent == 0


@pytest.mark.parametrize(
    ("terms", "cost", "spent", "everyone", "ceiling"),
    [
        (limit("l", "key", "day", 10), 10, 0, 0, None),
        (limit("l", "key", "day", 10), 11, 0, 0, 10),
        (limit("l", "key", "day", 10), 1, 9, 9, None),
        (limit("l", "key", "day", 10), 2, 9, 9, 10),
        (limit("l", "provider", "day", share=0.5), 10, 40, 90, None),
        (limit("l", "provider", "day", share=0.5), 11, 40, 90, 50),
        (limit("l", "provider", "day", share=0.5, minimum_pico_usd=102), 11, 40, 90, None),
        (limit("l", "provider", "day", share=0.5, minimum_pico_usd=101), 11, 40, 90, 50),
    ],
)
def test_a_limit_is_exceeded_when_the_call_would_be_too_much(terms, cost, spent, everyone, ceiling):
    found = exceeded(terms, "x", cost, spent, everyone, 0.0)
    assert (found and (found.value, found.ceiling_pico_usd, found.spent_pico_usd, found.resets)) == (
        ceiling and ("x", ceiling, spent, 86_400.0)
    )
