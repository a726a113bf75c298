"""Days and dates are each other's inverse, and agree with the calendar."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.day import date_of, day_of, weekday_of

EPOCH = dt.date(1970, 1, 1)


@given(st.dates(EPOCH, dt.date(2400, 12, 31)))
@settings(max_examples=300, deadline=None)
def test_days_agree_with_the_calendar(date):
    day = (date - EPOCH).days
    assert (date_of(day), day_of(date.isoformat()), weekday_of(day)) == (date.isoformat(), day, date.weekday())


@pytest.mark.parametrize(
    "written", ["", "2026-11", "2026-13-01", "2026-00-01", "2026-02-29", "2026-11-31", "2026-11-00", "1969-12-31",
                "2026-11-30 ", "26-11-30", "2026-1-1", "2026-11-30T00:00"],
)  # fmt: skip
def test_what_is_no_date_is_refused(written):
    with pytest.raises(ValueError, match="no date"):
        day_of(written)


def test_a_leap_day_is_one():
    assert date_of(day_of("2028-02-29") + 1) == "2028-03-01"
