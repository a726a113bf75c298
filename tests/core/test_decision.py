"""A decision is a value: flat facts, a verdict that denies by default, one plan."""

import typing

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.decision import Decision, Exclusion, Facts, Ruling, Verdict

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


def test_no_fact_has_a_default():
    assert [field.name for field in msgspec.structs.fields(Facts) if not field.required] == []


def test_every_fact_may_be_unknown():
    assert [
        name for name, kind in typing.get_type_hints(Facts).items() if type(None) not in typing.get_args(kind)
    ] == []


def test_facts_are_flat_words():
    flat = {str | None, frozenset[str] | None}
    assert flat >= set(typing.get_type_hints(Facts).values())


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
