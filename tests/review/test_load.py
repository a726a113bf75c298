"""What keeps a tree from loading after it was parsed."""

import pytest
from support.policy_trees import SHIPPED, encoded, policy, read, rule

from gateway.policy.model import Bundle
from gateway.policy.parse import parse
from gateway.policy.vocabulary import Vocabulary
from gateway.providers import BASE_URLS
from gateway.review import load
from gateway.review.load import check

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


def test_the_shipped_tree_keeps_its_promises():
    files = {path.relative_to(SHIPPED).as_posix(): path.read_bytes() for path in SHIPPED.glob("**/*.yaml")}
    parsed = parse(encoded(files), BASE_URLS, today="2026-11-22")
    assert (parsed.problems, check(parsed.bundle), len(parsed.bundle.invariants) >= 7) == ((), (), True)
