"""Whatever has a say in the label of a request can only raise it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.decision import Facts, Project
from gateway.core.labels import LEVELS, RANK
from gateway.core.record import Caller
from gateway.sensitivity.classify import Classified, classify, facts_of

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


@given(floors, st.none() | words, st.none() | floors, st.none() | floors)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_project_and_conversation_join_in(floor, header, project, conversation):
    alone = classify(floor, header)
    classified = classify(floor, header, project, conversation)
    levels = [alone.sensitivity, *(level for level in (project, conversation) if level is not None)]
    assert classified.sensitivity == max(levels, key=RANK.__getitem__)
    given = {"key": floor, "project": project, "conversation": conversation}
    assert {source: level for source, level in classified.provenance if source != "header"} == {
        source: level for source, level in given.items() if level is not None
    }


def test_the_facts_of_a_request_are_those_of_its_caller_and_its_project():
    caller = Caller("k", "t", "a", person="us_person")
    facts = facts_of(caller, classify("internal", "restricted"), "bulk", Project("p", jurisdiction="eu"))
    assert facts == Facts(
        "restricted",
        frozenset(),
        "bulk",
        "p",
        "t",
        "a",
        "k",
        source_sensitivity="restricted",
        jurisdiction="eu",
        person="us_person",
    )
    unknown = facts_of(Caller("k", "t", "a"), classify("internal", None), "bulk", Project("p"))
    assert (unknown.jurisdiction, unknown.person) == (None, None)
