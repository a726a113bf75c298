"""Counterexamples: what is not so is never reported, and what is told can be acted on."""

import pytest
import yaml
from support.policy_trees import bundle, rule

from gateway.policy.cells import Cells, atoms_of
from gateway.policy.clauses import clauses
from gateway.policy.counterexample import Step, Witness
from gateway.policy.document import Mark
from gateway.policy.model import Invariant
from gateway.policy.query import plainest

HR_FAR = rule("permit", {"purpose": "hr"}, {"region": "us"}, id="hr-far")
NOT_A = rule("forbid", {"team": "a"}, {"region": "us"}, id="not-a", breakable=True)


def witness(*rules, any_backend=False):
    made = bundle(*rules)
    return Witness(
        made, Invariant("i/1", "never", Mark("x")), Cells(made, atoms_of(made, clauses(made)), any_backend=any_backend)
    )


def cube(made, **values):
    return made.cells.where(
        {name.replace("__", "."): made.cells.mask(name.replace("__", "."), words) for name, words in values.items()}
    )


def backend(made, id):
    return next(each for each in made.bundle.backends if each.id == id)


def reaching(made, to, lifted=(), **values):
    asked = cube(made, **values)
    return made.reaching(asked, plainest(made.cells, asked, made.cells.impossible), to and backend(made, to), lifted)


def test_what_the_policy_does_not_permit_is_not_reported():
    made = witness(HR_FAR, NOT_A)
    with pytest.raises(AssertionError, match="not permitted"):
        reaching(made, "far", purpose=["general"])
    with pytest.raises(AssertionError, match="not permitted"):
        reaching(made, "far", purpose=["hr"], team=["a"])


def test_what_the_policy_permits_is_not_reported_as_denied():
    made = witness(HR_FAR)
    asked = cube(made, purpose=["hr"])
    with pytest.raises(AssertionError, match="is permitted"):
        made.serving_nobody(asked, asked, [backend(made, "far")])


def test_a_request_that_reaches_a_backend():
    example = reaching(witness(HR_FAR, NOT_A), "far", purpose=["hr"])
    assert (example.request, example.backend, example.facts.purpose) == ({"purpose": "hr"}, "far", "hr")
    assert [(each.rule, each.asks) for each in example.permits + example.nearest] == [
        ("hr-far", ""),
        ("not-a", "team is a"),
    ]
    assert yaml.safe_load(example.test)["tests"] == [
        {"name": "counterexample to i/1", "request": {"purpose": "hr"}, "expect": {"deny": ["far"]}}
    ]


def test_a_rule_that_an_exception_lifts_is_told_and_no_test_is_written():
    example = reaching(witness(HR_FAR, NOT_A), "far", ("not-a",), purpose=["hr"], team=["a"])
    assert (example.lifted, example.test, example.nearest) == (("not-a",), "", ())


@pytest.mark.parametrize(
    ("values", "passport"),
    [
        ({"purpose": ["hr"], "backend__region": ["us"]}, {"region": "us"}),
        (
            {"purpose": ["hr"], "backend__region": ["us"], "backend__retention": ["unknown"]},
            {"region": "us", "retention": "undeclared"},
        ),
    ],
)
def test_a_conceivable_backend_has_the_facts_that_matter(values, passport):
    made = witness(HR_FAR, rule("forbid", {"purpose": "general"}, {"retention": "none"}), any_backend=True)
    example = reaching(made, None, **values)
    assert (example.passport, example.test, example.backend) == (passport, "", "conceivable")


def test_a_conceivable_backend_is_none_that_a_rule_names():
    made = witness(
        rule("permit", to={"backend": {"not": "far"}, "provider": {"not": "openai-compatible"}}),
        any_backend=True,
    )
    example = reaching(made, None, backend__backend=["(any other)"], backend__provider=["(any other)"])
    assert example.passport == {"backend": "conceivable", "provider": "any-other"}


def test_a_label_that_rises():
    made = witness(rule("permit", {"sensitivity": ">= confidential"}))
    low, high = (plainest(made.cells, cube(made, sensitivity=[level]), ()) for level in ("internal", "confidential"))
    example = made.reaching(made.cells.whole, high, backend(made, "far"), (), low)
    assert (example.request, example.lower, example.denied) == (
        {"sensitivity": "confidential"},
        "internal",
        {"far": ()},
    )
    with pytest.raises(AssertionError):
        made.reaching(made.cells.whole, low, backend(made, "far"), (), high)


def test_a_chain_has_the_facts_of_its_last_call():
    made = witness(rule("permit", id="all"))
    home, far, dim = (backend(made, id) for id in ("home", "far", "dim"))
    example = made.walking(
        made.cells.whole, made.cells.whole, [(home, "none"), (dim, "timed_out"), (far, "throttled")], ()
    )
    assert [(each.backend, each.after) for each in example.calls] == [
        ("home", ""),
        ("dim", "timed_out"),
        ("far", "throttled"),
    ]
    assert isinstance(example.calls[0], Step)
    assert example.request == {
        "attempt": "3",
        "last_error": "throttled",
        "visited_regions": "unknown",
        "visited_operators": "unknown",
    }


def test_who_is_wanted_and_why_not():
    made = witness(HR_FAR, rule("forbid", {}, {"region": "eu"}, id="never"))
    asked = cube(made, purpose=["general"])
    cell = plainest(made.cells, asked, ())
    example = made.serving_nobody(asked, cell, [backend(made, "home"), backend(made, "far")])
    assert (example.request, example.denied) == ({"purpose": "general"}, {"home": ("never",), "far": ()})
    assert yaml.safe_load(example.test)["tests"][0]["expect"] == {"decision": "permit"}


def test_a_test_says_what_is_not_known():
    made = witness(rule("permit", id="all"), rule("forbid", {"team": ["a"]}, {"region": "us"}, id="f"))
    example = reaching(made, "home", team=["unknown"])
    assert example.request == {"team": "unknown"}
    assert example.facts.team is None
