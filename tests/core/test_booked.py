"""What was booked, and how much of it one has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.booked import Booked, Sum, booked_since, concentration

ROWS = [
    Booked(0, "a", "p", "x", 10, 1),
    Booked(3600, "a", "p", "x", 30, 0),
    Booked(3600, "b", "p", "y", 20, 20),
    Booked(7200, "c", "q", "x", 40, 0),
]
ORIGINS = {"a": "us", "c": "us"}


@pytest.mark.parametrize(("start", "expected"), [(0, Sum(100, 21)), (1, Sum(90, 20)), (7201, Sum(0, 0))])
def test_what_was_booked_since(start, expected):
    assert booked_since(ROWS, start) == expected


@pytest.mark.parametrize(
    ("booked", "share"),
    [
        (Sum(100, 25), 0.75),
        (Sum(100, 0), 1.0),
        (Sum(100, 100), 0.0),
        (Sum(0, 0), None),
        (Sum(-5, 0), None),
        (Sum(50, 80), 0.0),  # an invoice took more away than was measured
        (Sum(50, -10), 1.0),
    ],
)
def test_the_share_that_was_reported(booked, share):
    assert booked.measured == share


def test_the_largest_share_of_each_dimension():
    assert concentration(ROWS, ORIGINS) == {"provider": 0.6, "zone": 0.8, "model": 0.4, "weights_origin": 0.8}
    assert concentration(ROWS, {})["weights_origin"] == 1.0


@pytest.mark.parametrize("rows", [[], [Booked(0, "a", "p", "x", 0, 0)], [Booked(0, "a", "p", "x", -3, 0)]])
def test_where_nothing_was_booked_nobody_has_a_share(rows):
    assert concentration(rows, {}) == {}


def test_a_correction_makes_no_share_above_all():
    assert concentration([*ROWS, Booked(0, "d", "r", "z", -90, 0)], {})["provider"] == 1.0


@given(
    st.lists(st.builds(Booked, st.just(0), *[st.sampled_from("abc")] * 3, st.integers(1, 99), st.just(0)), min_size=1)
)
def test_a_share_is_at_least_what_each_would_have_if_all_had_the_same(rows):
    found = concentration(rows, {})
    assert all(1 / 3 <= share <= 1 for share in found.values())
