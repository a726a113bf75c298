"""`gateway policy lint`: what it prints, and its exit codes."""

import json

from support.policy_commands import run, spoil


def test_a_rule_without_a_test_is_a_warning(tree):
    code, out, _ = run("lint", tree, "--format", "json")
    found = [each for each in json.loads(out) if each["code"] == "P209"]
    assert code == 1
    assert {each["severity"] for each in found} == {"warning"}
    assert all(each["file"].startswith("tree/policies/") and each["line"] for each in found)


def test_what_is_only_worth_knowing_can_be_left_out(tree):
    every = json.loads(run("lint", tree, "--format", "json")[1])
    without = json.loads(run("lint", tree, "--format", "json", "--no-info")[1])
    assert [each for each in every if each["severity"] != "info"] == without
    assert len(without) < len(every)


def test_the_text_ends_with_a_count(tree):
    code, out, _ = run("lint", tree)
    assert code == 1
    assert out.splitlines()[-1].startswith("0 errors, ")


def test_a_tree_that_does_not_load_is_said_to_be_so(tree):
    spoil(tree)
    code, out, _ = run("lint", tree)
    assert code == 1
    assert "P101" in out
    assert out.splitlines()[-1] == "2 errors, 0 warnings, 0 notes"
