"""`gateway policy check`: what it prints, and its exit codes."""

import json
import subprocess
import sys

import pytest
from support.policy_commands import run, shipped, spoil

from gateway.adapters.policy_files import load


def test_a_good_tree_is_ok(tree):
    digest = load(tree).bundle.digest
    assert run("check", tree) == (0, f"ok: 4 rules, 3 backends, digest {digest}\n", "")


@pytest.mark.parametrize(("format", "expected"), [("json", "[]\n"), ("github", "")])
def test_a_good_tree_is_ok_for_machines(tree, format, expected):
    assert run("check", tree, "--format", format) == (0, expected, "")


def test_problems_are_printed_with_their_lines(tree):
    spoil(tree)
    code, out, err = run("check", tree)
    assert (code, err, out.splitlines()[:3]) == (
        1,
        "",
        [
            "tree/policies/a.yaml:5:5 P101 unknown field `permitt`; did you mean `permit`?",
            "        permitt: {}",
            "        ^",
        ],
    )
    assert out.endswith("\n2 problems; the tree would not load\n")


def test_one_problem_is_one_problem(tree):
    (tree / "x.yaml").touch()
    assert run("check", tree)[1].endswith("\n1 problem; the tree would not load\n")


def test_problems_as_json(tree):
    spoil(tree)
    code, out, _ = run("check", tree, "--format", "json")
    assert (code, [(each["file"], each["line"], each["code"], each["severity"]) for each in json.loads(out)]) == (
        1,
        [("tree/policies/a.yaml", 5, "P101", "error"), ("tree/x.yaml", 1, "P004", "error")],
    )


def test_problems_as_annotations(tree):
    spoil(tree)
    code, out, _ = run("check", tree, "--format", "github")
    assert (code, [line.split("::")[1] for line in out.splitlines()]) == (
        1,
        [
            "error file=tree/policies/a.yaml,line=5,col=5,title=P101",
            "error file=tree/x.yaml,line=1,col=1,title=P004",
        ],
    )


def test_problems_as_sarif(tree):
    spoil(tree)
    code, out, _ = run("check", tree, "--format", "sarif")
    assert (code, [each["ruleId"] for each in json.loads(out)["runs"][0]["results"]]) == (1, ["P101", "P004"])


def test_a_file_cannot_write_commands_of_a_workflow(tree):
    (tree / "policies/a.yaml").write_text('policy: p\nowner: o\nrules: []\n"a\\n::set-output name=x::y": 1\n')
    (tree / "policies/b\n::error::c.yaml").touch()
    out = run("check", tree, "--format", "github")[1]
    assert [line.startswith("::error file=tree/policies/") for line in out.splitlines()] == [True, True]


def test_what_is_wrong_with_the_claims_of_a_tree_is_told(tree):
    (tree / "invariants.yaml").write_text("invariants:\n  - {id: i, never: {request: {purpos: hr}}}\n")
    code, out, _ = run("check", tree)
    assert (code, out.split(" ")[:2]) == (1, ["tree/invariants.yaml:2:31", "P104"])


@pytest.mark.parametrize(
    "words", [("check", "nowhere"), ("check", "tree/vocabulary.yaml"), ("check", "tree", "--format", "xml")]
)
def test_what_cannot_run_exits_2_and_says_why(tree, words):
    code, out, err = run(*words)
    assert (code, out, bool(err), "Traceback" in err) == (2, "", True, False)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("/dev/zero")])
def test_a_tree_with_odd_files_cannot_be_read(tree, make):
    make(tree / "x.yaml")
    code, out, err = run("check", tree)
    assert (code, out, "tree/x.yaml" in err) == (2, "", True)


@pytest.mark.parametrize(("spoilt", "code"), [(False, 0), (True, 1)])
def test_the_exit_code_is_that_of_the_process(tree, spoilt, code):
    if spoilt:
        spoil(tree)
    done = subprocess.run([sys.executable, "-m", "gateway", "policy", "check", "tree"], capture_output=True)
    assert (done.returncode, done.stderr) == (code, b"")


def test_the_tree_comes_from_the_settings(tree, monkeypatch):
    monkeypatch.setenv("GATEWAY_POLICIES", "tree")
    code, out, _ = run("check")
    assert (code, out.startswith("ok: 4 rules, 3 backends, ")) == (0, True)


def test_the_shipped_tree_loads(tree):
    code, out, _ = run("check", shipped())
    assert (code, "\nok: " in "\n" + out) == (0, True)
