"""Examples of own detectors."""

import pytest
from support.policy_trees import read

from gateway.review.load import check

DETECTOR = {"id": "ticket", "pattern": r"\bACME-[0-9]{6}\b", "level": "internal", "near": ["case"]}


def told(examples, counterexamples=(), **fields):
    more = {"examples": examples, "counterexamples": list(counterexamples)}
    parsed = read({"sensitivity.yaml": {"detectors": [DETECTOR | more | fields]}})
    assert parsed.problems == ()
    return [(problem.code, problem.message) for problem in check(parsed.bundle)]


def test_what_comes_out_as_expected_is_no_problem():
    assert told(["case ACME-123456", "case A\u200bCME-123456"], ["ACME-123456", "case ACME-12345"]) == []


@pytest.mark.parametrize(
    ("examples", "counterexamples", "message"),
    [
        (["ACME-123456"], [], "`ticket` finds nothing in an example near one of its words"),
        (["case ACME-123456"], ["case (ACME-654321)"], "`ticket` finds `ACME-654321` in a counterexample"),
    ],
)
def test_what_does_not_is_an_error(examples, counterexamples, message):
    assert told(examples, counterexamples) == [("P401", message)]


def test_each_is_told_at_its_place():
    text = """\
detectors:
  - id: ticket
    pattern: 'A-[0-9]{6}'
    level: internal
    examples:
      - A-123456
      - A-12345
    counterexamples: [A-1, A-000000]
"""
    problems = check(read({"sensitivity.yaml": text}).bundle)
    assert [str(problem.mark) for problem in problems] == ["sensitivity.yaml:7:9", "sensitivity.yaml:8:28"]
    assert [problem.severity for problem in problems] == ["error", "error"]


def test_a_tree_without_own_detectors_has_none():
    assert check(read().bundle) == ()
