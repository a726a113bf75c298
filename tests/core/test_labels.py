"""A label only ever goes up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.labels import DEFAULT_LEVEL, LEVELS, RANK, join, level_or_highest

levels = st.sampled_from(LEVELS)


def test_levels_are_in_the_ruled_order():
    assert (LEVELS, DEFAULT_LEVEL) == (("public", "internal", "confidential", "restricted"), "internal")


@given(levels, levels)
@settings(max_examples=100, deadline=None)
def test_join_is_an_upper_bound_and_one_of_the_two(a, b):
    assert max(RANK[a], RANK[b]) == RANK[join(a, b)]
    assert join(a, b) in (a, b)


@given(levels, levels, levels)
@settings(max_examples=100, deadline=None)
def test_join_takes_no_notice_of_order_or_repetition(a, b, c):
    assert join(a, b) == join(b, a)
    assert join(a, join(b, c)) == join(join(a, b), c) == join(a, b, c)
    assert a == join(a) == join(a, a) == join(a, LEVELS[0])
    assert LEVELS[-1] == join(a, LEVELS[-1])


@given(st.lists(levels, min_size=1), levels)
@settings(max_examples=100, deadline=None)
def test_a_further_level_never_lowers(before, further):
    assert RANK[join(*before, further)] >= RANK[join(*before)]


@pytest.mark.parametrize("levels", [(), ("secret", "public"), ("public", "Internal")])
def test_join_takes_only_levels(levels):
    with pytest.raises((KeyError, ValueError)):
        join(*levels)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((level, level) for level in LEVELS),
        ("Public", "public"),
        (" \tINTERNAL ", "internal"),
        ("", "restricted"),
        (" ", "restricted"),
        ("publik", "restricted"),
        ("public;", "restricted"),
        ("pub lic", "restricted"),
        ("none", "restricted"),
        ("0", "restricted"),
        ("\N{CYRILLIC SMALL LETTER ER}ublic", "restricted"),
    ],
)
def test_what_nobody_can_read_counts_as_the_highest(text, expected):
    assert expected == level_or_highest(text)


@given(st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_as_a_level(text):
    assert (text.strip().lower() if text.strip().lower() in LEVELS else "restricted") == level_or_highest(text)
