"""`gateway policy test`: what passed, what differs and where, what the tests reach, and a test out of a decision."""

import json
from pathlib import Path

import pytest
import yaml
from support.policy_commands import run, shipped, spoil

from gateway.adapters.decisions import Decisions
from gateway.core.catalog import Backend
from gateway.core.chat import Demand
from gateway.core.decision import Candidate, Decision, Exclusion, Facts
from gateway.core.record import Call, Caller, End, Record

TESTS = """\
tests:
  - name: the usual request
    request: {}
    expect: {permit: [home, far], first: far}
  - name: people stay home
    request: {purpose: hr}
    expect: {permit: [home, far], http: 403}
"""
GOOD = TESTS.replace("permit: [home, far], http: 403", "deny: {far: no-hr}")


@pytest.fixture
def tested(tree):
    (tree / "tests").mkdir()
    (tree / "tests/a.yaml").write_text(TESTS)
    return tree


def test_it_prints_what_passed_what_differs_and_what_is_reached(tested):
    code, out, err = run("test", "tree")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "test               result  place",
        "-----------------  ------  ----------------------",
        "the usual request  passed  tree/tests/a.yaml:2:11",
        "people stay home   FAILED  tree/tests/a.yaml:5:11",
        "",
        "people stay home  tree/tests/a.yaml:5:11",
        "    `far` may not be asked: forbidden by `no-hr`",
        "    http is 200; expected: 403",
        "",
        "2 tests: 1 passed, 1 failed",
        "rules: 4 of 4 decide something in some test",
        "boundaries: 0 of 1 have a test on either side",
        "    not `sensitivity <= internal` of vendors, with confidential  tree/policies/a.yaml:7:21",
    ]


def test_when_all_pass_it_ends_with_0(tested):
    (tested / "tests/a.yaml").write_text(GOOD)
    code, out, _ = run("test", "tree")
    assert (code, "2 tests: 2 passed, 0 failed" in out, "FAILED" in out) == (0, True, False)


def test_a_rule_that_no_test_reaches_is_named_with_its_place(tested):
    (tested / "tests/a.yaml").write_text(GOOD[: GOOD.index("  - name: people")])
    out = run("test", "tree")[1].splitlines()
    at = out.index("rules: 3 of 4 decide something in some test")
    assert out[at + 1] == "    not no-hr  tree/policies/a.yaml:8:9"


def test_a_tree_without_tests_says_so(tree):
    code, out, _ = run("test", "tree")
    assert (code, out) == (0, "the tree has no tests; write some into tests/*.yaml\n")


def test_as_data(tested):
    code, out, _ = run("test", "tree", "--format", "json")
    data = json.loads(out)
    assert (code, data["passed"], data["failed"], len(data["digest"])) == (1, 1, 1, 16)
    assert data["tests"][1] == {
        "name": "people stay home",
        "place": "tree/tests/a.yaml:5:11",
        "passed": False,
        "differences": ["`far` may not be asked: forbidden by `no-hr`", "http is 200; expected: 403"],
    }
    assert data["rules"][2] == {"rule": "no-hr", "place": "tree/policies/a.yaml:8:9", "tests": 1}
    assert data["boundaries"] == [
        {
            "rule": "vendors",
            "condition": "sensitivity <= internal",
            "place": "tree/policies/a.yaml:7:21",
            "missing": ["confidential"],
        }
    ]


def test_as_annotations_of_a_pull_request(tested):
    code, out, _ = run("test", "tree", "--format", "github")
    assert (code, len(out.splitlines())) == (1, 2)
    assert out.startswith("::error file=tree/tests/a.yaml,line=5,col=11,title=P401::test `people stay home`: ")


def test_for_code_scanning(tested):
    code, out, _ = run("test", "tree", "--format", "sarif")
    (results,) = (each["results"] for each in json.loads(out)["runs"])
    assert (code, [each["ruleId"] for each in results]) == (1, ["P401", "P401"])
    (tested / "tests/a.yaml").write_text(GOOD)
    code, out, _ = run("test", "tree", "--format", "sarif")
    assert (code, json.loads(out)["runs"][0]["results"]) == (0, [])


def test_a_tree_that_is_not_well_formed_tells_its_problems(tested):
    spoil(tested)
    code, out, err = run("test", "tree")
    assert (code, out, "P101" in err) == (1, "", True)


def test_the_shipped_tree_passes_and_every_rule_and_boundary_is_reached():
    code, out, _ = run("test", shipped(), "--format", "json")
    data = json.loads(out)
    assert (code, data["failed"]) == (0, 0)
    assert [each["rule"] for each in data["rules"] if not each["tests"]] == []
    assert [each for each in data["boundaries"] if each["missing"]] == []


def test_a_logged_decision_becomes_a_test_that_passes(tree):
    facts = Facts("internal", frozenset(), "hr", "default", "web", "shop", "k1", source_sensitivity="internal")
    home = Candidate(Backend("home", "openai", "http://h/v1", "m", {}), ("own",), 5)
    decision = Decision("dec-1", "x", "auto", facts, (home,), (Exclusion("far", "policy", ("no-hr",), "forbidden"),))
    call = Call("req-1", Caller("k1", "web", "shop"), 5.0, 100.0)
    demand = Demand(frozenset({"chat", "tools"}), 9, 1, None, 1)
    store = Decisions(Path(), lambda count, why: pytest.fail(why))
    store.take([Record(call, decision, (), End.COMPLETE, 200, None, False, 1.0, 0.1, demand=demand)])
    store.close()
    code, out, _ = run("test", "tree", "--from-decision", "dec-1", "--state-dir", ".")
    request = {"needs": ["tools"], "purpose": "hr"}
    expect = {"permit": ["home"], "deny": {"far": ["no-hr"]}}
    assert (code, yaml.safe_load(out)) == (
        0,
        {"tests": [{"name": "as decision dec-1", "request": request, "expect": expect}]},
    )
    (tree / "tests").mkdir()
    (tree / "tests/dec-1.yaml").write_text(out)
    assert run("test", "tree")[0] == 0


@pytest.mark.parametrize("state", [".", "nowhere"])
def test_a_decision_that_is_not_kept_cannot_be_made_a_test(tree, state):
    code, out, err = run("test", "tree", "--from-decision", "dec-9", "--state-dir", state)
    assert (code, out) == (2, "")
    assert f"no decision `dec-9` is kept in {Path(state)}" in err
