"""Three-valued logic, as tables."""

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.core.buckets import BUCKETS, key_in
from gateway.core.catalog import Backend
from gateway.core.decision import Facts
from gateway.policy.document import Mark
from gateway.policy.model import Atom, Bundle, Rule, bound, canary_atom, every, negated, of_backend, of_request
from gateway.policy.vocabulary import Vocabulary

T, F, U = True, False, None
HERE = Mark("f")
FACTS = Facts(
    "internal", frozenset({"pii"}), "general", None, "legal", "web", "k1", jurisdiction="eu", person="us_person"
)
QWEN = Backend(
    "qwen-a", "vllm", "http://q/v1", "qwen", {"zone": "inhouse", "eligible_persons": frozenset({"us_person"})}
)


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
        ("declared", "a", T),
        ("declared", frozenset(), T),
        ("declared", None, F),
        ("undeclared", "a", F),
        ("undeclared", frozenset(), F),
        ("undeclared", None, T),
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
        (atom("project.jurisdiction", "in", "eu"), T),
        (atom("principal.person", "not_in", "us_person"), F),
        (atom("attempt", "in", "1"), T),
        (atom("visited_regions", "any", "eu"), F),
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


WORDS = "abc"
SETS = st.frozensets(st.sampled_from(WORDS))
OF_WORDS = st.builds(lambda test, values: atom("team", test, *values), st.sampled_from(["in", "not_in", "declared", "undeclared"]), SETS)  # fmt: skip
OF_SETS = st.builds(lambda test, values: atom("tags", test, *values), st.sampled_from(["any", "all", "none", "declared", "undeclared"]), SETS)  # fmt: skip


def some(truths):
    """The Kleene disjunction."""
    truths = list(truths)
    return T if T in truths else U if U in truths else F


def opposite(truth):
    return None if truth is None else not truth


@settings(max_examples=300)
@given(st.tuples(OF_WORDS, st.none() | st.sampled_from(WORDS)) | st.tuples(OF_SETS, st.none() | SETS))
def test_the_negation_of_an_atom_is_one_of_its_negated_atoms(pair):
    given_, value = pair
    assume(given_.values or given_.test != "all")  # nothing is written that asks for all of nothing
    assert some(each.holds(value) for each in negated(given_)) is opposite(given_.holds(value))


@given(OF_WORDS | OF_SETS)
def test_only_all_has_more_than_one_negated_atom(given_):
    assert len(negated(given_)) == (len(given_.values) if given_.test == "all" else 1)


@pytest.mark.parametrize("test", ["in", "not_in"])
def test_the_negation_of_a_comparison_compares_with_the_same_set(test):
    (other,) = negated(msgspec.structs.replace(atom("principal.person", test), other="eligible_persons"))
    assert (other.other, {other.test, test}) == ("eligible_persons", {"in", "not_in"})


@pytest.mark.parametrize(
    ("passport", "test", "expected"),
    [
        ({"eligible_persons": frozenset({"us_person"})}, "in", T),
        ({"eligible_persons": frozenset({"us_person"})}, "not_in", F),
        ({"eligible_persons": frozenset({"eu_person"})}, "in", F),
        ({"eligible_persons": frozenset()}, "in", F),
        ({"eligible_persons": frozenset()}, "not_in", T),
        ({}, "in", U),
        ({}, "not_in", U),
    ],
)
def test_a_comparison_is_bound_to_the_words_of_a_backend(passport, test, expected):
    asked = msgspec.structs.replace(atom("principal.person", test), other="eligible_persons")
    here = bound(asked, msgspec.structs.replace(QWEN, passport=passport))
    assert (None if here is None else of_request(here, FACTS)) is expected
    assert (here is None) is (expected is U)


def test_an_atom_that_compares_with_nothing_is_bound_as_it_is():
    asked = atom("team", "in", "legal")
    assert bound(asked, QWEN) is asked


def rules():
    rows = [("a", "permit", "enforce"), ("b", "forbid", "shadow"), ("c", "permit", "warn"), ("d", "prefer", "off"), ("e", "permit", "enforce")]  # fmt: skip
    return tuple(Rule(id, effect, (), (), "", "p", "o", HERE, mode) for id, effect, mode in rows)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("permit",), ["a", "e"]),
        (("forbid",), []),
        (("prefer",), []),
        (("permit", "warn"), ["c"]),
        (("permit", "shadow", "warn", "enforce"), ["a", "c", "e"]),
        (("forbid", "shadow"), ["b"]),
        (("prefer", "off"), ["d"]),
    ],
)
def test_a_bundle_gives_the_rules_of_one_effect_that_are_in_force_or_in_other_modes(asked, expected):
    assert [rule.id for rule in Bundle("d", Vocabulary({}), (), rules()).effect(*asked)] == expected


def test_a_rule_in_a_canary_is_in_force_and_in_shadow():
    rule = Rule("a", "forbid", (canary_atom(10, HERE),), (), "", "p", "o", HERE, canary=10)
    made = Bundle("d", Vocabulary({}), (), (rule,))
    assert made.effect("forbid") == (rule,)
    assert made.effect("forbid", "shadow", "warn") == (rule.beyond,)
    assert made.effect("forbid", "warn") == made.effect("permit", "shadow") == ()
    for bucket in BUCKETS:
        facts = msgspec.structs.replace(FACTS, key=key_in(bucket))
        inside, beyond = (of_request(each.when[0], facts) for each in (rule, rule.beyond))
        assert (inside, beyond) == (int(bucket) < 10, int(bucket) >= 10)


def test_a_condition_on_buckets_that_somebody_wrote_is_not_the_canary():
    written = atom("key.bucket", "in", "3")
    at = Mark("f", 7)
    rule = Rule("a", "forbid", (canary_atom(10, at), written), (), "", "p", "o", at, canary=10)
    assert rule.beyond.when[1] == written
