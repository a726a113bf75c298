"""The workflow that reviews a change of policy: every command in it is one of ours, and nothing in it can be steered."""

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from gateway.cli.policy import COMMANDS, app

FILE = Path(__file__).parents[1] / "deploy" / "ci" / "policy-review.yml"
WORKFLOW = yaml.safe_load(FILE.read_text())
STEPS = WORKFLOW["jobs"]["review"]["steps"]
SCRIPTS = [step["run"] for step in STEPS if "run" in step]


def commands():
    """The words of each of our commands, as the shell would split them; a variable is some word."""
    lines = "\n".join(SCRIPTS).replace("\\\n", " ").splitlines()
    found = [
        shlex.split(line.partition(">")[0].partition("||")[0]) for line in lines if line.strip().startswith("gateway ")
    ]
    return [[re.sub(r"\$\{?\w+[^}\s]*\}?", "word", word) for word in words[1:]] for words in found]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_command_line_takes_every_command_of_the_workflow(words):
    policy, name, *rest = words
    assert policy == "policy"
    assert name in COMMANDS, f"no command {name}"
    typer.main.get_group(app).commands[name].make_context(name, rest)


@pytest.mark.parametrize("name", ["check", "schema", "test", "lint", "prove", "diff", "replay"])
def test_every_look_at_a_policy_is_in_the_workflow(name):
    assert ["policy", name] in [words[:2] for words in commands()]


def test_an_option_that_we_do_not_have_would_be_seen():
    with pytest.raises(Exception, match="--nonsense"):
        test_the_command_line_takes_every_command_of_the_workflow(["policy", "check", "--nonsense"])


def test_it_runs_when_the_tree_changes_and_when_an_approver_speaks():
    trigger = WORKFLOW[True]["pull_request"]  # YAML 1.1 reads `on` as true
    assert trigger["paths"] == ["routing_policies/**"]
    assert set(trigger["types"]) == {"opened", "synchronize", "reopened", "labeled"}


def test_what_others_write_reaches_the_shell_as_variables_only():
    assert [script for script in SCRIPTS if "${{" in script] == []


def test_only_a_label_that_says_so_approves():
    assert WORKFLOW["env"]["APPROVAL"].startswith("${{ startsWith(github.event.label.name, 'approved-by-') && ")


def test_it_may_read_and_nothing_else_but_send_findings():
    assert WORKFLOW["permissions"] == {"contents": "read", "security-events": "write"}
    assert "secrets." not in FILE.read_text()
    assert "pull_request_target" not in FILE.read_text()


def test_a_later_finding_does_not_hide_behind_an_earlier_one():
    looks = [step for step in STEPS if "gateway policy" in step.get("run", "")]
    assert all("failure()" in step["if"] for step in looks[1:])


def test_every_action_is_named_with_a_version():
    assert all(re.fullmatch(r"[\w/-]+@(v\d+|[0-9a-f]{40})", step["uses"]) for step in STEPS if "uses" in step)


def test_no_step_is_skipped_without_saying_so():
    """A job that is skipped counts as passed, so no label may skip this one."""
    assert "if" not in WORKFLOW["jobs"]["review"]
