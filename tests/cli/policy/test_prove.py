"""`gateway policy prove`: what it prints, what it writes, and its exit codes."""

import json

import pytest
from support.policy_commands import run

from gateway import __version__
from gateway.adapters import policy_files
from gateway.review import load

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


NO_HR = "  - {{id: {}, never: {{request: {{purpose: hr}}, backend: {{deployment: vendor_api}}}}}}\n"
HARD = "invariants:\n" + NO_HR.format("hr") + NO_HR.format("hr2")
"""Each takes a step to prove."""


def locked(tree):
    """The lock in a tree, or None; no other file may be left over."""
    assert [path.name for path in tree.iterdir() if "lock" in path.name] in ([], ["policy.lock"])
    lock, problems = policy_files.read_lock(tree)
    assert problems == ()
    return lock


def test_a_lock_is_written_when_everything_holds_however_long_it_takes(proved, monkeypatch):
    tree = proved(HARD + "  - {id: new, no_new_access: {base: main}}\n")
    code, out, _ = run("prove", tree, "--lock", "--steps", "1")
    digest = policy_files.load(tree).bundle.digest
    assert (code, out.splitlines()[-1]) == (0, f"wrote tree/policy.lock (digest {digest})")
    assert (locked(tree).digest, locked(tree).verdicts) == (digest, {"hr": "holds", "hr2": "holds"})
    assert run("prove", tree, "--check-lock")[:2] == (
        0,
        f"tree/policy.lock is for this tree (digest {digest}, gateway {__version__})\n",
    )
    monkeypatch.setattr(load, "STEPS", 0)
    assert run("check", tree)[0] == 0
    (tree / "policy.lock").unlink()
    code, out, _ = run("check", tree)
    assert (code, "P302 invariant `hr` is not decided" in out) == (1, True)


def test_no_lock_is_written_unless_everything_holds_and_an_older_one_stays(proved):
    code, out, _ = run("prove", proved(GOOD + HR), "--lock")
    assert (code, out.splitlines()[-1]) == (1, "policy.lock is not written: not everything holds")
    assert locked(proved(GOOD)) is None
    run("prove", proved(GOOD), "--lock")
    before = locked(proved(GOOD + HR))
    assert (run("prove", proved(GOOD + HR), "--lock")[0], locked(proved(GOOD + HR))) == (1, before)
    assert before is not None


def test_a_lock_is_of_the_tree_alone_whatever_this_machine_adds(proved, tmp_path, monkeypatch):
    tree, extra = proved(HARD), tmp_path / "extra"
    extra.mkdir()
    (extra / "a.yaml").write_text("backends: {b: {provider: ollama, base_url: 'http://localhost:11434/v1'}}\n")
    monkeypatch.setenv("GATEWAY_EXTRA_CATALOG", str(extra))
    assert run("prove", tree, "--lock")[0] == 0
    assert locked(tree).digest == policy_files.load(tree).bundle.digest
    assert run("prove", tree, "--check-lock")[0] == 0
    monkeypatch.setattr(load, "STEPS", 0)
    code, out, _ = run("check", tree)
    assert (code, f"policy.lock is for digest {locked(tree).digest}, this is" in out) == (1, True)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "there is none"),
        (lambda path: path.write_text("{}"), "Object missing required field"),
        (lambda path: path.write_text(path.read_text().replace('"out": holds', '"in": holds')), "every invariant"),
        (lambda path: path.write_text(path.read_text() + '  "more": holds\n'), "every invariant"),
        (lambda path: path.write_text(path.read_text().replace(__version__, "0.0.9")), "by gateway 0.0.9"),
        (lambda path: (path.parent / "policies/b.yaml").write_text("policy: b\nowner: o\nrules: []\n"), "for digest"),
    ],
)
def test_a_lock_that_is_not_for_the_tree_is_a_finding(proved, spoil, said):
    tree = proved(GOOD)
    run("prove", tree, "--lock")
    spoil(tree / "policy.lock")
    code, out, _ = run("prove", tree, "--check-lock")
    assert (code, out.startswith("tree/policy.lock:1:1 P305 policy.lock does not count: "), said in out) == (
        1,
        True,
        True,
    ), out
    assert "::error file=tree/policy.lock" in run("prove", tree, "--check-lock", "--format", "github")[1]
    assert run("prove", tree, "--lock")[0] == 0
    assert run("prove", tree, "--check-lock")[0] == 0


def test_a_lock_and_json_do_not_mix(proved):
    tree = proved(GOOD)
    (proof,) = json.loads(run("prove", tree, "--lock", "--format", "json")[1])
    assert (proof["verdict"], json.loads(run("prove", tree, "--check-lock", "--format", "json")[1])) == ("holds", [])


def test_a_lock_that_cannot_be_written_is_told(proved):
    tree = proved(GOOD)
    (tree / "policy.lock").mkdir()
    code, _, err = run("prove", tree, "--lock")
    assert (code, err.startswith("cannot write tree/policy.lock: ")) == (2, True)


@pytest.mark.parametrize("flag", ["--lock", "--write-tests"])
def test_checking_a_lock_proves_nothing(proved, flag):
    assert run("prove", proved(GOOD), "--check-lock", flag)[::2] == (
        2,
        "--check-lock proves nothing, so it goes with neither --lock nor --write-tests\n",
    )
    assert locked(proved(GOOD)) is None
