"""A header can only raise the label of a request."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.labels import LEVELS, RANK
from gateway.sensitivity.classify import Classified, classify

floors = st.sampled_from(LEVELS)
words = st.sampled_from([*LEVELS, "", "Public", " restricted ", "secret"]) | st.text(max_size=8)


@pytest.mark.parametrize(
    ("floor", "header", "expected", "asked"),
    [
        ("public", "public", "public", "public"),
        ("public", "confidential", "confidential", "confidential"),
        ("confidential", "public", "confidential", "public"),
        ("restricted", "public", "restricted", "public"),
        ("internal", "internal", "internal", "internal"),
        ("public", " Internal ", "internal", "internal"),
        ("public", "secret", "restricted", "restricted"),
        ("public", "", "restricted", "restricted"),
        ("public", "public,confidential", "confidential", "confidential"),
        ("public", "confidential,public", "confidential", "confidential"),
        ("public", "internal , internal", "internal", "internal"),
        ("public", "public,pubic", "restricted", "restricted"),
        ("public", "public,", "restricted", "restricted"),
        ("public", "public;internal", "restricted", "restricted"),
    ],
)
def test_the_label_is_the_join_of_floor_and_header(floor, header, expected, asked):
    assert Classified(expected, frozenset(), (("key", floor), ("header", asked))) == classify(floor, header)


@pytest.mark.parametrize("floor", LEVELS)
def test_without_a_header_the_floor_is_the_label(floor):
    assert Classified(floor, frozenset(), (("key", floor),)) == classify(floor, None)


@given(floors, st.lists(words, min_size=1, max_size=4).map(",".join))
@settings(max_examples=200, deadline=None)
def test_a_header_never_lowers_the_label(floor, header):
    assert RANK[classify(floor, header).sensitivity] >= RANK[floor]


@given(floors, words, words)
@settings(max_examples=100, deadline=None)
def test_a_second_header_never_lowers_the_first(floor, first, second):
    both = classify(floor, f"{first},{second}").sensitivity
    assert both == classify(floor, f"{second},{first}").sensitivity
    assert RANK[both] == max(RANK[classify(floor, each).sensitivity] for each in (first, second))


@given(floors, floors, words)
@settings(max_examples=100, deadline=None)
def test_a_higher_floor_never_lowers_the_label(lower, higher, header):
    lower, higher = sorted((lower, higher), key=RANK.__getitem__)
    assert RANK[classify(lower, header).sensitivity] <= RANK[classify(higher, header).sensitivity]


@given(floors, st.none() | words)
@settings(max_examples=100, deadline=None)
def test_the_provenance_accounts_for_the_label(floor, header):
    classified = classify(floor, header)
    assert classified.sensitivity == max((level for _, level in classified.provenance), key=RANK.__getitem__)
    assert ["key", "header"][: len(classified.provenance)] == [source for source, _ in classified.provenance]
