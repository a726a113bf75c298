"""A decision is a value: flat facts, a verdict that denies by default, one plan."""

import typing

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.doubles import backend

from gateway.core.buckets import bucket_of
from gateway.core.decision import (
    PERMITTED,
    Candidate,
    Decision,
    Exclusion,
    Facts,
    Obligation,
    Ruling,
    Verdict,
    denied_by,
    strictest,
)

FACTS = Facts("internal", frozenset({"pii"}), "general", "default", "team", "app", "key")
rules = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("permits", "forbids", "expected"),
    [
        ((), (), False),
        (("p",), (), True),
        (("p", "q"), (), True),
        ((), ("f",), False),
        (("p",), ("f",), False),
        (("p", "q"), ("f",), False),
    ],
)
def test_permitted_means_a_permit_and_no_forbid(permits, forbids, expected):
    assert expected is Verdict(permits, forbids).permitted


@given(rules, rules, rules)
@settings(max_examples=100, deadline=None)
def test_a_further_forbid_never_permits(permits, forbids, further):
    assert Verdict(permits, forbids + further).permitted <= Verdict(permits, forbids).permitted


def test_only_facts_that_say_nothing_yet_have_a_default():
    told = {field.name: field.default for field in msgspec.structs.fields(Facts) if not field.required}
    assert told == {
        "source_sensitivity": None,
        "redaction": "none",
        "jurisdiction": None,
        "person": None,
        "budget": "ok",
        "attempt": "1",
        "last_error": "none",
        "visited_regions": frozenset(),
        "visited_operators": frozenset(),
    }


obligations = st.lists(st.builds(Obligation, st.sampled_from("abc"), st.integers(0, 3)), max_size=6)


@given(obligations)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_strictest_is_each_obligation_once_with_its_smallest_figure(due):
    least = {name: min(each.amount for each in due if each.name == name) for name in {each.name for each in due}}
    assert [(each.name, each.amount) for each in strictest(due)] == sorted(least.items())


def test_every_fact_may_be_unknown():
    assert [
        name for name, kind in typing.get_type_hints(Facts).items() if type(None) not in typing.get_args(kind)
    ] == []


def test_facts_are_flat_words():
    flat = {str | None, frozenset[str] | None}
    assert flat >= set(typing.get_type_hints(Facts).values())


def test_the_bucket_follows_from_the_key():
    assert (FACTS.bucket, msgspec.structs.replace(FACTS, key=None).bucket) == (bucket_of("key"), None)


def test_equal_facts_are_one_key():
    again = Facts("internal", frozenset({"pii"}), "general", "default", "team", "app", "key")
    other = msgspec.structs.replace(FACTS, sensitivity=None)
    assert {FACTS: 1, other: 2} == {again: 1, other: 2}
    assert other != FACTS


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (FACTS, "sensitivity"),
        (Verdict((), ()), "permits"),
        (Ruling(FACTS, {}, frozenset()), "verdicts"),
        (Exclusion("b", "policy", (), "no"), "by"),
        (Decision("dec-1", "digest", "auto", FACTS, (), ()), "candidates"),
    ],
)
def test_a_decision_is_frozen(value, field):
    with pytest.raises(AttributeError):
        setattr(value, field, ())


@pytest.mark.parametrize(
    ("excluded", "denying"),
    [
        ((), []),
        ((("price", ()),), []),
        ((("policy", ()),), ["default-deny"]),
        ((("policy", ("b", "a")), ("capability", ()), ("policy", ("b",))), ["a", "b"]),
        *(((("policy", ("b", "a")), (by, ("cap",))), []) for by in PERMITTED),  # 429, 503 and 402
    ],
)
def test_rules_deny_where_they_leave_nobody(excluded, denying):
    out = tuple(Exclusion(f"b{number}", by, ids, "words") for number, (by, ids) in enumerate(excluded))
    assert denied_by(Decision("dec-1", "digest", "auto", FACTS, (), out)) == denying
    some = (Candidate(backend("near"), ("own",), 1),)
    assert denied_by(Decision("dec-1", "digest", "auto", FACTS, some, out)) == []
