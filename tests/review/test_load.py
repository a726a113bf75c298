"""What keeps a tree from loading after it was parsed."""

import msgspec
import pytest
from support.policy_trees import encoded, policy, read, rule, shipped

from gateway.policy.model import Bundle
from gateway.policy.parse import parse
from gateway.policy.vocabulary import Vocabulary
from gateway.providers import BASE_URLS
from gateway.review import load
from gateway.review.load import check
from gateway.review.lock import lock_of

ALL = rule("permit", id="all")
HOME = rule("forbid", {"sensitivity": ">= confidential"}, {"deployment": {"not": "self_hosted"}}, id="home")
OUT = {
    "id": "i",
    "never": {"request": {"sensitivity": ">= confidential"}, "backend": {"deployment": {"not": "self_hosted"}}},
}
FILES = {
    "invariants.yaml": {"invariants": [OUT]},
    "tests/a.yaml": {"tests": [{"name": "t", "request": {"sensitivity": "restricted"}, "expect": {"deny": ["far"]}}]},
}


def codes(*rules):
    return [each.code for each in check(read(FILES, main=policy(*rules)).bundle)]


def test_a_tree_that_promises_nothing_breaks_no_promise():
    assert check(Bundle("digest", Vocabulary({}), (), ())) == ()


@pytest.mark.parametrize(("rules", "expected"), [([ALL, HOME], []), ([ALL], ["P301", "P401"]), ([], [])])
def test_invariants_are_proved_and_tests_are_run(rules, expected):
    assert codes(*rules) == expected


def test_each_problem_stands_where_the_promise_stands():
    problems = check(read(FILES, main=policy(ALL)).bundle)
    assert [(each.mark.file, each.severity) for each in problems] == [
        ("invariants.yaml", "error"),
        ("tests/a.yaml", "error"),
    ]


def test_a_proof_that_takes_too_long_keeps_a_tree_from_loading(monkeypatch):
    monkeypatch.setattr(load, "STEPS", 0)
    assert codes(ALL, HOME) == ["P302"]


def loaded(monkeypatch, steps, *rules, lock=None, **change):
    """What a load with so many steps says; the lock is the tree's own, with something changed in it."""
    monkeypatch.setattr(load, "STEPS", steps)
    bundle = read(FILES, main=policy(*rules)).bundle
    lock = lock or msgspec.structs.replace(lock_of(bundle, ["i"]), **change)
    return [(each.code, each.severity, each.message) for each in check(bundle, lock)]


UNDECIDED = "invariant `i` is not decided: the proof takes more steps than it may"


def test_what_is_not_decided_is_taken_from_the_lock_of_the_same_tree(monkeypatch):
    said = loaded(monkeypatch, 0, ALL, HOME)
    assert said == [("P302", "info", f"{UNDECIDED}; policy.lock says that it holds")]


def test_what_is_decided_does_not_ask_the_lock(monkeypatch):
    assert loaded(monkeypatch, load.STEPS, ALL, HOME, digest="0" * 16) == []
    assert loaded(monkeypatch, load.STEPS, ALL, HOME, verdicts={}) == []


def test_no_lock_makes_a_violated_invariant_pass(monkeypatch):
    assert [each[:2] for each in loaded(monkeypatch, load.STEPS, ALL)] == [("P301", "error"), ("P401", "error")]


def test_no_lock_makes_a_failing_test_pass(monkeypatch):
    assert [each[:2] for each in loaded(monkeypatch, 0, ALL)] == [("P302", "info"), ("P401", "error")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"digest": "0" * 16}, "; policy.lock is for digest 0000000000000000, this is "),
        ({"facts": "0" * 16}, "; a status has begun since policy.lock was written"),
        ({"gateway": "0.0.9"}, "; policy.lock was written by gateway 0.0.9, this is "),
        ({"verdicts": {}}, ""),
        ({"verdicts": {"j": "holds"}}, ""),
    ],
)
def test_a_lock_of_something_else_decides_nothing_and_it_is_said_why(monkeypatch, change, said):
    ((code, severity, message),) = loaded(monkeypatch, 0, ALL, HOME, **change)
    assert (code, severity, message.startswith(UNDECIDED + said)) == ("P302", "error", True)
    assert bool(said) is (message != UNDECIDED)


def test_the_shipped_tree_keeps_its_promises():
    files = shipped()
    parsed = parse(encoded(files), BASE_URLS, today="2026-11-22")
    assert (parsed.problems, check(parsed.bundle), len(parsed.bundle.invariants) >= 7) == ((), (), True)


def test_who_may_be_reached_is_said_of_a_tree(monkeypatch):
    bundle = read(FILES, main=policy(ALL, HOME)).bundle
    assert bundle.reach == {}
    found = load.reached(bundle).reach
    assert (found["internal", "far"], found["restricted", "far"], found["restricted", "home"]) == (True, False, True)
    monkeypatch.setattr(load, "REACH_STEPS", 0)
    assert load.reached(bundle).reach == {}
