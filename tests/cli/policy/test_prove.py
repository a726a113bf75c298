"""`gateway policy prove`: what it prints, what it writes, and its exit codes."""

import json

import pytest
from support.policy_commands import run

OUT = 'never: {request: {sensitivity: ">= confidential"}, backend: {deployment: {not: self_hosted}}}'
GOOD = f"invariants:\n  - {{id: out, over: any_backend, {OUT}}}\n"
HR = "  - {id: INV/2, why: x, never: {request: {purpose: general}, backend: {deployment: vendor_api}}}\n"


@pytest.fixture
def proved(tree):
    def put(text):
        (tree / "invariants.yaml").write_text(text)
        return tree

    return put


def test_what_holds_is_told_with_how_much_it_covers(proved):
    code, out, err = run("prove", proved(GOOD))
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == ["holds", "out", "45", "cells,", "any", "backend"]
    assert lines[2].startswith("1 of 1 invariants hold (0.")


def test_a_counterexample_can_be_acted_on(proved):
    code, out, _ = run("prove", proved(GOOD + HR))
    lines = [line.strip() for line in out.splitlines()]
    assert code == 1
    assert lines[1].split()[:2] == ["VIOLATED", "INV/2"]
    said = (
        "tree/invariants.yaml:3:10: invariant `INV/2` is violated: {sensitivity: public, purpose: general} reaches `far` "
        "by permit `vendors` (tree/policies/a.yaml:6:9)"
    )
    curl = (
        """curl -s "$GATEWAY/v1/chat/completions" -H "Authorization: Bearer $KEY" -H 'x-gateway-sensitivity: public' """
        "-H 'x-gateway-purpose: general' -H 'Content-Type: application/json' "
        """-d '{"model":"far","messages":[{"role":"user","content":"hello"}]}'"""
    )
    assert lines[2:-2] == [
        said,
        "nearest: forbid `no-hr` (tree/policies/a.yaml:8:9) would fire if purpose is hr",
        "needs: the key is granted purpose general",
        curl,
        "| # Found by `gateway policy prove`: this fails until invariant INV/2 holds.",
        "| tests:",
        "|   - name: counterexample to INV/2",
        "|     request: {sensitivity: public, purpose: general}",
        "|     expect: {deny: [far]}",
    ]
    assert lines[-1].startswith("1 of 2 invariants hold")


def test_a_counterexample_is_written_as_a_test_that_fails(proved):
    tree = proved(GOOD + HR)
    code, out, _ = run("prove", tree, "--write-tests")
    assert (code, "written: tree/tests/counterexample-INV-2.yaml" in out) == (1, True)
    assert [path.name for path in (tree / "tests").iterdir()] == ["counterexample-INV-2.yaml"]
    assert "P401 test `counterexample to INV/2`: `far` is permitted by the policy" in run("check", tree)[1]


def test_where_tests_cannot_be_written_is_told(proved):
    tree = proved(GOOD + HR)
    (tree / "tests").write_text("in the way")
    code, out, err = run("prove", tree, "--write-tests")
    assert (code, out, "cannot write tree/tests" in err) == (2, "", True)


def test_a_proof_may_not_be_decided(proved):
    claim = "never: {request: {purpose: hr}, backend: {deployment: vendor_api}}"
    more = "invariants:\n" + "".join(f"  - {{id: o{n}, {claim}}}\n" for n in range(3))
    code, out, _ = run("prove", proved(more), "--steps", "1")
    verdicts = sorted(line.split("  ")[0] for line in out.splitlines() if line.endswith("3 backends"))
    assert (code, verdicts) == (1, ["holds", "not decided", "not decided"])
    assert run("prove", proved(more), "--steps", "0")[0] == 0


def test_what_is_not_proved_from_one_tree_is_named(proved):
    code, out, _ = run("prove", proved(GOOD + "  - {id: new, no_new_access: {base: main}}\n"))
    assert (code, out.splitlines()[-1]) == (0, "not proved from one tree alone, see `gateway policy diff`: new")


def test_proofs_as_json(proved):
    code, out, _ = run("prove", proved(GOOD + HR), "--format", "json")
    good, bad = json.loads(out)
    assert (code, good) == (
        1,
        {
            "invariant": "out",
            "kind": "never",
            "place": "tree/invariants.yaml:2:10",
            "verdict": "holds",
            "cells": 45,
            "backends": 0,
        },
    )
    example = bad["counterexample"]
    assert (bad["verdict"], example["request"], example["backend"], example["permits"]) == (
        "violated",
        {"sensitivity": "public", "purpose": "general"},
        "far",
        [{"rule": "vendors", "place": "tree/policies/a.yaml:6:9"}],
    )
    assert (example["test"].startswith("# Found by"), example["file"]) == (True, None)


@pytest.mark.parametrize(
    ("format", "expected"), [("github", "title=P301::invariant `INV/2`"), ("sarif", '"ruleId": "P301"')]
)
def test_violations_as_annotations(proved, format, expected):
    code, out, _ = run("prove", proved(GOOD + HR), "--format", format)
    assert (code, expected in out) == (1, True)


def test_a_tree_that_does_not_parse_is_not_proved(proved):
    code, out, err = run("prove", proved("invariants: 1\n"))
    assert (code, out, "P102" in err) == (1, "", True)


def test_a_tree_whose_promises_are_broken_does_not_load(proved):
    code, out, _ = run("check", proved(GOOD + HR))
    assert (code, "P301 invariant `INV/2` is violated" in out) == (1, True)
