"""Pace: what is taken comes back with time, and clients are told in the words that they know."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.rate import Left, Level, Pace, Rate, pace_headers, tightest
from gateway.core.spender import Spender


def test_a_minutes_worth_is_there_at_once_and_comes_back_in_a_minute():
    level = Level(60, 0.0)
    for _ in range(60):
        assert level.wait(1, 0.0) == 0
        level.take(1, 0.0)
    assert level.wait(1, 0.0) == 1.0
    assert level.wait(1, 0.5) == 0.5
    assert level.wait(30, 30.0) == 0
    assert level.left(60.0) == Left(60, 60, 0.0)


def test_what_was_taken_beyond_the_level_is_owed():
    level = Level(600, 0.0)
    level.take(1200, 0.0)
    assert level.left(0.0) == Left(600, 0, 120.0)
    assert level.wait(10, 0.0) == 61.0


def test_what_is_given_back_never_passes_a_minutes_worth():
    level = Level(60, 0.0)
    level.take(10, 0.0)
    level.take(-50, 0.0)
    assert level.left(0.0).remaining == 60


def test_more_than_a_minutes_worth_waits_for_a_full_level():
    level = Level(60, 0.0)
    assert level.wait(1000, 0.0) == 0
    level.take(1, 0.0)
    assert level.wait(1000, 0.0) == 1.0


@settings(max_examples=200, derandomize=True)
@given(st.integers(1, 1000), st.lists(st.tuples(st.floats(0, 30), st.integers(1, 50)), max_size=50))
def test_in_any_minute_at_most_two_minutes_worth_is_let_through(a_minute, calls):
    level, moment, taken = Level(a_minute, 0.0), 0.0, []
    for later, wanted in calls:
        moment += later
        amount = min(wanted, a_minute)
        if level.wait(amount, moment) == 0:
            level.take(amount, moment)
            taken.append((moment, amount))
    for start, _ in taken:
        within = sum(amount for at, amount in taken if start <= at < start + 60)
        assert within <= 2 * a_minute + 1e-6


@pytest.mark.parametrize(
    ("rate", "spender", "value"),
    [
        (Rate("key", "requests", 1), Spender(key="k"), "k"),
        (Rate("team", "tokens", 1, "red"), Spender(team="red"), "red"),
        (Rate("team", "tokens", 1, "red"), Spender(team="blue"), None),
        (Rate("app", "tokens", 1), Spender(key="k"), None),
    ],
)
def test_whose_pace_a_call_counts_in(rate, spender, value):
    assert rate.value(spender) == value


def test_the_tightest_of_each_unit_is_told():
    few, many = Left(10, 1, 3.0), Left(100, 50, 1.0)
    assert tightest([]) is None
    assert tightest([("requests", many), ("requests", few), ("tokens", many)]) == Pace(few, many)


@pytest.mark.parametrize(("seconds", "words"), [(0.0, b"0ms"), (0.12, b"120ms"), (6.2, b"7s"), (64.0, b"1m4s")])
def test_headers_are_those_that_clients_of_openai_read(seconds, words):
    assert pace_headers(Pace(None, Left(100, 7, seconds))) == [
        (b"x-ratelimit-limit-tokens", b"100"),
        (b"x-ratelimit-remaining-tokens", b"7"),
        (b"x-ratelimit-reset-tokens", words),
    ]
