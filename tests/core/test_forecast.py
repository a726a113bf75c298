"""A forecast says what it is based on, and how long a limit lasts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.budget import EVERYTHING, Limit, Spend, Window
from gateway.core.day import SECONDS, day_of
from gateway.core.forecast import (
    BY_WEEKDAY,
    NOTHING,
    RECENT,
    TODAY,
    Outlook,
    Pace,
    Projection,
    Spent,
    outlooks,
    pace,
    projection,
    runways,
)
from gateway.core.spender import Spender

HOUR = 3600
USD = 10**12
MONDAY = day_of("2026-11-16")
NOW = float(day_of("2026-11-27") * SECONDS + 12 * HOUR)  # a Friday, noon
MONTH = Window(float(day_of("2026-11-01") * SECONDS), float(day_of("2026-12-01") * SECONDS))


def hours(**spent):
    """Spending at 09:00 of days, told as `d27=5`: USD."""
    return {day_of(f"2026-11-{day[1:]}") * SECONDS + 9 * HOUR: usd * USD for day, usd in spent.items()}


def even(first, usd, last="2026-11-26"):
    return {day * SECONDS + 9 * HOUR: usd * USD for day in range(day_of(first), day_of(last) + 1)}


@pytest.mark.parametrize(
    ("spent", "expected"),
    [
        ({}, Pace(NOTHING, (0,) * 7, None)),
        (hours(d27=6), Pace(TODAY, (12 * USD,) * 7, None)),  # half of the day is over
        (hours(d26=6, d27=1000), Pace(RECENT, (6 * USD,) * 7, None)),
        (hours(d24=6, d26=8), Pace(RECENT, (7 * USD,) * 7, None)),
        (hours(d20=1, d24=6, d26=8), Pace(RECENT, (5 * USD,) * 7, 13 * USD**2)),
        # the eighth day back does not count
        (hours(d14=700, d15=1, d16=1, d17=1, d18=1, d19=1, d20=1, d21=1), Pace(RECENT, (USD,) * 7, 0)),
        # two weeks: 5 on working days, nothing on Saturdays and Sundays
        ({hour: usd for hour, usd in even("2026-11-09", 5).items() if (hour // SECONDS + 3) % 7 < 5},
         Pace(BY_WEEKDAY, (5 * USD,) * 5 + (0, 0), 0)),
        # what is longer ago than eight weeks is forgotten
        (even("2026-09-01", 1000, "2026-09-30") | hours(d26=6), Pace(RECENT, (6 * USD,) * 7, None)),
    ],
)  # fmt: skip
def test_the_pace(spent, expected):
    found = pace(spent, NOW)
    assert (found.method, found.weekdays, found.variance) == (expected.method, expected.weekdays, expected.variance)


def test_what_is_expected_follows_the_weekdays():
    one = Pace("", tuple(24 * 10**n for n in range(7)), None)
    start = float(MONDAY * SECONDS)
    assert one.between(start + 12 * HOUR, start + SECONDS + 6 * HOUR) == 12 + 60
    assert one.between(start, start + 7 * SECONDS) == 24 * 1_111_111
    assert one.between(start, start) == 0


@given(st.lists(st.integers(0, 100_000), min_size=3, max_size=3).map(sorted))
@settings(max_examples=50, deadline=None)
def test_a_span_is_the_sum_of_its_parts(moments):
    one = Pace("", tuple(SECONDS * n for n in range(1, 8)), None)
    start, middle, end = moments
    assert one.between(start, end) == one.between(start, middle) + one.between(middle, end)


def test_the_end_of_the_month():
    assert projection(even("2026-11-20", 10), "month", NOW) == Projection(
        MONTH, 70 * USD, 105 * USD, 105 * USD, 105 * USD, RECENT
    )


def test_the_range_is_wider_the_more_days_differ_and_never_below_what_is_spent():
    calm = projection(even("2026-11-01", 10) | hours(d26=12), "month", NOW)
    wild = projection(even("2026-11-01", 10) | hours(d26=200), "month", NOW)
    assert calm.low_pico_usd < calm.end_pico_usd < calm.high_pico_usd
    assert wild.high_pico_usd - wild.end_pico_usd > calm.high_pico_usd - calm.end_pico_usd
    assert wild.low_pico_usd == wild.spent_pico_usd


def test_last_month_is_not_this_month():
    found = projection(even("2026-10-01", 10, "2026-10-31"), "month", NOW)
    assert (found.spent_pico_usd, found.method) == (0, BY_WEEKDAY)


def limit(id, per, window, usd=None, **more):
    enforced, project = more.pop("enforced", True), more.pop("project", "")
    return Limit(id, id, Spend(per, window, None if usd is None else usd * USD, **more), project, enforced)


def spent(found, **who):
    spender = Spender(**{"team": "red", "provider": "openai", "project": "alpha"} | who)
    return [Spent(spender, hour, cost) for hour, cost in found.items()]


WEEK = spent(even("2026-11-20", 10))  # 10 a day on seven days


def said(found):
    return (
        found.value,
        found.spent_pico_usd / USD,
        None if found.ceiling_pico_usd is None else found.ceiling_pico_usd / USD,
        found.end_pico_usd / USD,
        found.runway_days,
    )


@pytest.mark.parametrize(
    ("limits", "rows", "expected"),
    [
        ([], WEEK, []),
        ([limit("m", "organisation", "month", 200)], [], [(EVERYTHING, 0.0, 200.0, 0.0, None)]),
        ([limit("m", "team", "month", 200)], [], []),
        ([limit("m", "organisation", "month", 200)], WEEK, [(EVERYTHING, 70.0, 200.0, 105.0, None)]),
        # 20 are left, at 10 a day
        ([limit("m", "team", "month", 90)], WEEK, [("red", 70.0, 90.0, 105.0, 2.0)]),
        ([limit("m", "team", "month", 70)], WEEK, [("red", 70.0, 70.0, 105.0, 0.0)]),
        ([limit("m", "team", "month", 0)], WEEK, [("red", 70.0, 0.0, 105.0, 0.0)]),
        # six days of ten are in a rolling week; a day leaves it whenever one comes
        ([limit("w", "team", "7d", 100)], WEEK, [("red", 60.0, 100.0, 70.0, None)]),
        ([limit("d", "team", "day", 4)], WEEK, [("red", 0.0, 4.0, 5.0, 0.4)]),
        # of another project
        ([limit("m", "team", "month", 90, project="beta")], WEEK, []),
        # the most used first
        ([limit("a", "team", "month", 1000), limit("b", "organisation", "month", 100)],
         [*WEEK, *spent(hours(d26=7), team="blue")],
         [(EVERYTHING, 77.0, 100.0, 115.5, 2.09), ("red", 70.0, 1000.0, 105.0, None),
          ("blue", 7.0, 1000.0, 31.5, None)]),
    ],
)  # fmt: skip
def test_how_limits_stand(limits, rows, expected):
    found = [said(each) for each in outlooks(limits, rows, NOW)]
    assert [each[:4] for each in found] == [each[:4] for each in expected]
    for got, wanted in zip(found, expected, strict=True):
        assert got[4] == pytest.approx(wanted[4], abs=1 / 24)


@pytest.mark.parametrize(("minimum", "ceiling"), [(0, 50 * USD), (100 * USD, 50 * USD), (101 * USD, None)])
def test_a_share_is_of_what_all_spend(minimum, ceiling):
    half = limit("half", "provider", "month", share=0.5, minimum_pico_usd=minimum)
    rows = [*WEEK, *spent(hours(d26=30), provider="mistral")]
    found = {each.value: each for each in outlooks([half], rows, NOW)}
    assert {each.ceiling_pico_usd for each in found.values()} == {ceiling}
    assert found["openai"].used == (1.4 if ceiling else 0.0)
    assert [each.runway_days for each in found.values()] == [None, None]


def test_what_leaves_a_rolling_window_is_room_again():
    """All of it was spent in one hour six days ago: it leaves tomorrow, before the limit is reached."""
    burst = spent(hours(d21=98) | hours(d26=1))
    (found,) = outlooks([limit("w", "team", "7d", 130)], burst, NOW)
    assert (found.spent_pico_usd, found.runway_days) == (99 * USD, pytest.approx(31 / 49.5, abs=1 / 24))
    (found,) = outlooks([limit("w", "team", "7d", 400)], burst, NOW)
    assert found.runway_days is None


def test_a_standing_names_its_limit_and_when_it_resets():
    one = limit("m", "team", "month", 90, enforced=False)
    (found,) = outlooks([one], WEEK, NOW)
    assert found == Outlook(one, "red", 70 * USD, 90 * USD, MONTH.end, 105 * USD, found.runway_days)


def test_two_days_are_too_few_for_a_range():
    assert projection(hours(d25=10, d26=10), "month", NOW) == Projection(MONTH, 20 * USD, 55 * USD, None, None, RECENT)


@pytest.mark.parametrize(("window", "expected"), [("hour", True), ("month", True), ("7d", False), ("24h", False)])
def test_a_rolling_window_never_resets_at_once(window, expected):
    (found,) = outlooks([limit("l", "organisation", window, 1)], [], NOW)
    assert found.resets_at_once == expected


LIMITS = [
    Limit("team", "r", Spend("team", "month", 100 * USD)),
    Limit("red", "r", Spend("team", "month", 50 * USD), whose="red"),
    Limit("nobody", "r", Spend("team", "month", 1), whose="nobody"),
    Limit("all", "r", Spend("organisation", "7d", 100 * USD)),
    Limit("app", "r", Spend("app", "day", 5 * USD), project="p"),
    Limit("share", "r", Spend("provider", "month", share=0.5)),
]
SPENDERS = st.builds(
    Spender,
    team=st.sampled_from(["red", "blue"]),
    app=st.sampled_from(["x", "y"]),
    project=st.sampled_from(["p", "q"]),
    provider=st.just("v"),
)
ROWS = st.lists(
    st.builds(
        Spent,
        SPENDERS,
        st.integers(-20, 12).map(lambda n: int(NOW // HOUR + n * 17) * HOUR if n <= 0 else int(NOW // HOUR) * HOUR),
        st.integers(0, 30).map(lambda usd: usd * USD),
    ),
    max_size=25,
)


@given(ROWS)
def test_runways_are_those_of_outlooks(rows):
    def told(found):
        return sorted(((each.limit.id, each.value, each.spent_pico_usd, each.runway_days) for each in found), key=str)

    assert told(runways(LIMITS, rows, NOW)) == told(outlooks(LIMITS[:-1], rows, NOW))


@given(st.integers(0, 40), st.integers(1, 60), st.sampled_from(["day", "month"]))
def test_a_limit_is_reached_in_its_window_or_its_end_is_below_it(usd, ceiling, window):
    """What is told of the end of a calendar window and of the runway comes from two ways of adding up."""
    (found,) = outlooks(
        [Limit("l", "r", Spend("organisation", window, ceiling * USD))],
        [Spent(Spender(), hour, cost) for hour, cost in even("2026-11-20", usd).items()],
        NOW,
    )
    reached = found.runway_days is not None
    assert reached or found.end_pico_usd + found.spent_pico_usd <= (ceiling + 1) * USD * 2
    assert not reached or (found.spent_pico_usd + found.end_pico_usd) >= ceiling * USD
