"""A request is written so that a test reads it as it was, with as few words as possible."""

import msgspec
import pytest
import yaml
from support.policy_trees import bundle, policy, read
from support.random_policies import Random

from gateway.core.buckets import bucket_of, key_in
from gateway.core.chat import Demand
from gateway.core.record import End
from gateway.core.stored import Denied, Stored
from gateway.core.usage import NOTHING
from gateway.policy.claims import USUAL
from gateway.policy.decide import known_only
from gateway.review.cases import problems
from gateway.review.example import of_decision, request_of, usual, written

PROJECTS = {
    "projects": {"default": {"jurisdiction": "us"}, "a": {"jurisdiction": "eu", "floor": "confidential"}, "b": {}}
}
OPEN = {"id": "all", "permit": {}}
NO_HR = {"id": "no-hr", "forbid": {"when": {"purpose": "hr"}, "to": {"region": "us"}}}
TREE = bundle(OPEN, NO_HR, files={"projects.yaml": PROJECTS})


def parsed_facts(request):
    """The facts that a test with this request has."""
    tests = {"tests": [{"name": "t", "request": yaml.safe_load(written(request)), "expect": {"http": 200}}]}
    found = read({"projects.yaml": PROJECTS, "tests/a.yaml": tests}, a=policy(OPEN))
    assert found.problems == ()
    return found.bundle.cases[0]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("any", {}),
        ("k1", {"key": "k1"}),
        (None, {"key": "unknown"}),
        (key_in("7"), {"key.bucket": 7}),
        (key_in("7", {key_in("7")}), {"key": key_in("7", {key_in("7")})}),
    ],
)
def test_a_key_is_named_or_its_bucket_is(key, expected):
    request = request_of(TREE, msgspec.structs.replace(usual(TREE), key=key))
    assert (request, parsed_facts(request).facts.key) == (expected, key)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_written_is_read_as_it_was(seed):
    facts = known_only(Random(seed).facts(), TREE.vocabulary)
    if facts.project == "a" and facts.sensitivity in ("public", "internal"):
        facts = msgspec.structs.replace(facts, sensitivity="restricted")
    case = parsed_facts(request_of(TREE, facts, "far", {"chat", "tools"}))
    assert (case.facts, case.model, case.needs) == (facts, "far", {"chat", "tools"})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"sensitivity": "public", "source_sensitivity": "public"}, {"sensitivity": "public"}),
        ({"sensitivity": "public"}, {"sensitivity": "public", "source_sensitivity": "internal"}),
        ({"tags": frozenset({"pii", "secret"}), "purpose": None}, {"tags": ["pii", "secret"], "purpose": "unknown"}),
        ({"jurisdiction": None}, {"project.jurisdiction": "unknown"}),
        ({"project": "b", "jurisdiction": None}, {"project": "b"}),
        ({"project": "elsewhere", "jurisdiction": "us"}, {"project": "elsewhere", "project.jurisdiction": "us"}),
        (
            {"project": "a", "jurisdiction": "eu", "sensitivity": "confidential", "source_sensitivity": "confidential"},
            {"project": "a"},
        ),
        ({"attempt": "2", "last_error": "timed_out"}, {"attempt": 2, "last_error": "timed_out"}),
    ],
)
def test_only_what_is_not_as_usual_is_said(changes, expected):
    assert request_of(TREE, msgspec.structs.replace(usual(TREE), **changes)) == expected


def test_the_usual_request_is_that_of_a_test_that_says_nothing():
    assert usual(TREE) == parsed_facts({}).facts
    assert usual(bundle(OPEN)) == msgspec.structs.replace(USUAL, source_sensitivity="internal")


def stored(plan, denied, requested="auto", needs=("chat",), **facts):
    return Stored(
        "dec-7",
        "req-7",
        0.0,
        "digest",
        requested,
        msgspec.structs.replace(usual(TREE), **facts),
        Demand(frozenset(needs), 9, 1, None, 1),
        plan,
        denied,
        None,
        NOTHING,
        0,
        End.COMPLETE,
        200,
    )


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (
            stored(("far", "home"), ()),
            "    request: {}\n    expect: {permit: [far, home]}\n",
        ),
        (
            stored(("home",), (Denied("far", "policy", ("no-hr", "x")), Denied("dim", "price", ())), purpose="hr"),
            "    request: {purpose: hr}\n    expect: {permit: [home], deny: {far: [no-hr, x]}}\n",
        ),
        (
            stored((), (Denied("far", "policy", ()),), "far", ("chat", "tools")),
            "    request: {model: far, needs: [tools]}\n    expect: {permit: [], deny: {far: []}}\n",
        ),
        (
            stored(("home",), (Denied("far", "offer", ()),)),
            "    request: {}\n    expect: {permit: [far, home]}\n",
        ),
    ],
)
def test_a_decision_becomes_a_test_that_expects_what_was_decided(decision, expected):
    assert of_decision(TREE, decision) == f"tests:\n  - name: as decision dec-7\n{expected}"


def test_a_test_of_a_decision_has_only_the_facts_that_rules_ask():
    decision = stored(("home",), (), team="web", purpose="hr", sensitivity="public", source_sensitivity="internal")
    asking = {"id": "f", "forbid": {"when": {"purpose": "hr", "sensitivity": "restricted"}}}
    assert "request: {sensitivity: public, purpose: hr}\n" in of_decision(bundle(OPEN, asking), decision)
    redacted = stored(("home",), (), tags=frozenset({"secret"}), redaction="done")
    requiring = {"id": "r", "require": {"when": {"tags": {"any": ["secret"]}}, "do": ["redact"]}}
    assert "request: {tags: [secret], redaction: done}\n" in of_decision(bundle(OPEN, requiring), redacted)
    by_team = {"id": "t", "forbid": {"when": {"team": "x"}}}
    assert "request: {team: web}\n" in of_decision(bundle(OPEN, by_team), decision)


def test_a_test_of_a_decision_says_the_bucket_of_a_key_and_not_whose_it_was():
    decision = stored(("home",), (), key="k1")
    by_bucket = {"id": "t", "forbid": {"when": {"key.bucket": "< 10"}}}
    assert f"request: {{key.bucket: {bucket_of('k1')}}}\n" in of_decision(bundle(OPEN, by_bucket), decision)
    by_key = {"id": "u", "forbid": {"when": {"key": "k1"}}}
    assert "request: {key: k1}\n" in of_decision(bundle(OPEN, by_bucket, by_key), decision)


def test_the_test_of_a_decision_passes_as_long_as_nothing_else_is_decided():
    backends = {
        "home": {"provider": "openai", "region": "eu", "price": {"input": 1, "output": 1}},
        "far": {"provider": "openai", "region": "us", "price": {"input": 1, "output": 1}},
    }
    decision = stored(("home",), (Denied("far", "policy", ("no-hr",)),), purpose="hr")
    files = {
        "catalog/a.yaml": {"backends": backends},
        "projects.yaml": PROJECTS,
        "tests/a.yaml": of_decision(TREE, decision),
    }
    assert problems(bundle(OPEN, NO_HR, files=files)) == ()
    loose = {"id": "no-hr", "forbid": {"when": {"purpose": "hr"}, "to": {"region": "eu"}}}
    assert problems(bundle(OPEN, loose, files=files)) != ()
