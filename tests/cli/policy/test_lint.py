"""`gateway policy lint`: what it prints, and its exit codes."""

import json
import time

import msgspec
from support.policy_commands import run, spoil

from gateway.core.chat import Demand
from gateway.core.record import End
from gateway.core.stored import Stored
from gateway.core.usage import NOTHING
from gateway.policy.claims import USUAL

DEMAND = Demand(frozenset({"chat"}), 9, 1, None, 1)


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


def test_requests_that_nobody_may_serve_are_counted_where_decisions_are_kept(tree, tmp_path, monkeypatch):
    text = (tree / "policies/a.yaml").read_text().replace("{to: {deployment: self_hosted}}", "{when: {purpose: hr}}")
    (tree / "policies/a.yaml").write_text(text)
    plain = [line for line in run("lint", tree)[1].splitlines() if "P206" in line]
    assert (len(plain), "since" in plain[0]) == (1, False)

    asked = []

    def read(directory, since):
        asked.append((str(directory), round((time.time() - since) / 86_400)))
        secret = msgspec.structs.replace(USUAL, sensitivity="restricted", source_sensitivity="restricted")
        for facts in (USUAL, secret, secret):
            yield Stored("d", "r", 0.0, "x", "auto", facts, DEMAND, (), (), None, NOTHING, 0, End.REFUSED, 403)

    monkeypatch.setattr("gateway.adapters.decisions.read", read)
    (tmp_path / "state").mkdir()
    for words, days in (
        (["--state-dir", tmp_path / "state"], 30),
        (["--state-dir", tmp_path / "state", "--since", "1w"], 7),
    ):
        lines = [line for line in run("lint", tree, *words)[1].splitlines() if "P206" in line]
        assert [line.rpartition("; ")[2].rpartition(" since ")[0] for line in lines] == ["2 requests were"]
        assert asked.pop() == (str(tmp_path / "state"), days)


def test_a_state_directory_that_is_not_there_is_told(tree):
    assert run("lint", tree, "--state-dir", "nowhere") == (2, "", "no state directory at nowhere\n")
