"""Whatever has a say in the label of a request can only raise it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.decision import Facts, Project
from gateway.core.findings import NOTHING_FOUND, Classified, Finding, Found, Place, Scan
from gateway.core.kinds import KINDS
from gateway.core.labels import LEVELS, RANK
from gateway.core.record import Caller
from gateway.sensitivity.classify import classify, facts_of, found_in

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
    assert classify(floor, header) == Classified(expected, frozenset(), (("key", floor), ("header", asked)), expected)


@pytest.mark.parametrize("floor", LEVELS)
def test_without_a_header_the_floor_is_the_label(floor):
    assert classify(floor, None) == Classified(floor, frozenset(), (("key", floor),), floor)


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


PII = Found("confidential", frozenset({"pii"}), (("email", 2),))


@pytest.mark.parametrize(
    ("floor", "found", "opaque_as", "label", "tags", "last"),
    [
        ("public", NOTHING_FOUND, "restricted", "public", set(), ("key", "public")),
        ("public", PII, "restricted", "confidential", {"pii"}, ("scanner", "confidential")),
        ("restricted", PII, "restricted", "restricted", {"pii"}, ("scanner", "confidential")),
        ("public", Found(opaque=True), "internal", "internal", set(), ("attachment", "internal")),
        ("public", Found("internal", opaque=True), "confidential", "confidential", set(), ("scanner", "internal")),
        ("public", Found(tags=frozenset({"source_code"})), "internal", "public", {"source_code"}, ("key", "public")),
        ("public", Found(known=False), "internal", None, None, ("scanner", "unknown")),
    ],
)
def test_what_was_found_joins_in(floor, found, opaque_as, label, tags, last):
    classified = classify(floor, None, found=found, opaque_as=opaque_as)
    assert (classified.sensitivity, classified.tags) == (label, None if tags is None else frozenset(tags))
    assert classified.provenance[-1] == last
    assert (classified.declared, classified.kinds) == (floor, found.kinds if found.known else ())


@given(floors, st.none() | words, st.none() | floors, floors, st.booleans())
@settings(max_examples=200, deadline=None)
def test_what_is_found_never_lowers_a_label(floor, header, found, opaque_as, opaque):
    declared = classify(floor, header)
    classified = classify(floor, header, found=Found(found, opaque=opaque), opaque_as=opaque_as)
    assert RANK[classified.sensitivity] >= RANK[declared.sensitivity]
    assert classified.declared == declared.sensitivity


def test_findings_come_to_levels_tags_and_counts():
    places = [Place(0, Finding(0, 1, kind, "d")) for kind in ("email", "email", "code", "secret", "nothing known")]
    assert found_in(Scan((), tuple(places), opaque=True), KINDS) == Found(
        "restricted",
        frozenset({"pii", "source_code", "secret"}),
        (("code", 1), ("email", 2), ("secret", 1)),
        opaque=True,
    )
    assert found_in(Scan((), (), opaque=False), KINDS) == NOTHING_FOUND
    assert found_in(Scan((), tuple(places), opaque=False, complete=False), KINDS) == Found(known=False)
