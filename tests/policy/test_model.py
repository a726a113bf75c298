"""Three-valued logic, as tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.catalog import Backend
from gateway.core.decision import Facts
from gateway.policy.document import Mark
from gateway.policy.model import Atom, Bundle, Rule, every, of_backend, of_request
from gateway.policy.vocabulary import Vocabulary

T, F, U = True, False, None
HERE = Mark("f")
FACTS = Facts("internal", frozenset({"pii"}), "general", None, "legal", "web", "k1")
QWEN = Backend("qwen-a", "vllm", "http://q/v1", "qwen", {"zone": "inhouse"})


def atom(attribute, test, *values, side="request"):
    return Atom(side, attribute, test, frozenset(values), "", HERE)


@pytest.mark.parametrize(
    ("truths", "expected"),
    [
        ((), T),
        ((T,), T),
        ((F,), F),
        ((U,), U),
        ((T, T), T),
        ((T, F), F),
        ((T, U), U),
        ((F, T), F),
        ((F, F), F),
        ((F, U), F),
        ((U, T), U),
        ((U, F), F),
        ((U, U), U),
        ((T, U, T, F), F),
    ],
)
def test_a_conjunction(truths, expected):
    assert every(truths) is expected


@given(st.lists(st.sampled_from([T, F, U])))
def test_a_conjunction_is_the_least_of_its_parts(truths):
    rank = {F: 0, U: 1, T: 2}
    assert every(iter(truths)) is min(truths, key=rank.__getitem__, default=T)


@pytest.mark.parametrize(
    ("test", "value", "expected"),
    [
        ("in", "a", T),
        ("in", "c", F),
        ("in", None, U),
        ("not_in", "a", F),
        ("not_in", "c", T),
        ("not_in", None, U),
        ("any", frozenset("ac"), T),
        ("any", frozenset("c"), F),
        ("any", frozenset(), F),
        ("any", None, U),
        ("all", frozenset("abc"), T),
        ("all", frozenset("a"), F),
        ("all", frozenset(), F),
        ("all", None, U),
        ("none", frozenset("c"), T),
        ("none", frozenset("ac"), F),
        ("none", frozenset(), T),
        ("none", None, U),
    ],
)
def test_an_atom_holds(test, value, expected):
    assert atom("x", test, "a", "b").holds(value) is expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (atom("sensitivity", "in", "internal"), T),
        (atom("sensitivity", "not_in", "internal"), F),
        (atom("tags", "any", "secret"), F),
        (atom("tags", "none", "secret"), T),
        (atom("team", "in", "legal"), T),
        (atom("app", "not_in", "web", "cli"), F),
        (atom("key", "in", "k2"), F),
        (atom("project", "in", "x"), U),
        (atom("project", "not_in", "x"), U),
    ],
)
def test_of_a_request(asked, expected):
    assert of_request(asked, FACTS) is expected


@pytest.mark.parametrize(
    ("attribute", "test", "value", "expected"),
    [
        ("backend", "in", "qwen-a", T),
        ("backend", "not_in", "qwen-a", F),
        ("provider", "in", "vllm", T),
        ("provider", "in", "openai", F),
        ("zone", "in", "inhouse", T),
        ("zone", "not_in", "inhouse", F),
        ("region", "in", "eu", U),
        ("region", "not_in", "eu", U),
    ],
)
def test_of_a_backend(attribute, test, value, expected):
    assert of_backend(atom(attribute, test, value, side="backend"), QWEN) is expected


def test_a_bundle_gives_the_rules_of_one_effect_in_order():
    rules = tuple(
        Rule(id, effect, (), (), "", "p", "o", HERE)
        for id, effect in [("a", "permit"), ("b", "forbid"), ("c", "permit"), ("d", "prefer")]
    )
    bundle = Bundle("d", Vocabulary({}), (), rules)
    assert {effect: [rule.id for rule in bundle.effect(effect)] for effect in ("permit", "forbid", "prefer")} == {
        "permit": ["a", "c"],
        "forbid": ["b"],
        "prefer": ["d"],
    }
