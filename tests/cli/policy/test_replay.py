"""`gateway policy replay`: kept decisions in, the difference out."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from support.policy_commands import run

from gateway.adapters.decisions import Decisions
from gateway.core.catalog import Backend
from gateway.core.chat import Demand
from gateway.core.decision import Candidate, Decision, Facts
from gateway.core.record import Call, Caller, End, Record, Tried
from gateway.core.usage import Usage

CALLER = Caller("k1", "legal", "web")
FAR = Backend("far", "openai", "http://x", "m", {})
TRIED = Tried(1, "far", "openai", "m", "z", "settled", Usage(10, output=5), 700, "v")


def record(number, purpose="general", age=60.0):
    facts = Facts("internal", frozenset(), purpose, "default", "legal", "web", "k1", source_sensitivity="internal")
    decision = Decision(f"dec-{number}", "d", "auto", facts, (Candidate(FAR, ("vendors",), 5),), ())
    call = Call(f"req-{number}", CALLER, 5.0, time.time() - age)
    demand = Demand(frozenset({"chat"}), 300, 1, 10, 1)
    return Record(call, decision, (TRIED,), End.COMPLETE, 200, None, False, 1.0, 0.001, demand=demand)


@pytest.fixture
def traffic(tree, monkeypatch):
    """A tree on main, changed since then so that nobody but ourselves serves `general`; and some traffic before it."""
    Path("state").mkdir()
    kept = Decisions(Path("state"), lambda *lost: pytest.fail(str(lost)))
    kept.take([record(1), record(2), record(3, age=3 * 86_400.0)])
    kept.close()
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q", "-b", "main"], ["add", "tree"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *identity, *words], check=True, capture_output=True)
    text = (tree / "policies/a.yaml").read_text().replace("{purpose: hr}", "{purpose: general}")
    (tree / "policies/a.yaml").write_text(text)
    return tree


@pytest.mark.parametrize(("since", "requests"), [("7d", 3), ("1d", 2), ("90m", 2), ("8w", 3)])
def test_traffic_is_replayed_as_far_back_as_wanted(traffic, since, requests):
    code, out, err = run("replay", traffic, "--state-dir", "state", "--since", since)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith(f"0 newly denied, 0 newly allowed, {requests} rerouted, +0.0")
    assert out.splitlines()[1].startswith(f"{requests} requests of the last {since}, from main (")


def test_against_another_folder(traffic):
    assert run("replay", traffic, "--base", traffic, "--state-dir", "state")[1].startswith("0 newly denied, 0 newly")


def test_markdown_begins_with_the_verdict(traffic):
    out = run("replay", traffic, "--state-dir", "state", "--format", "markdown")[1]
    assert out.startswith("### Replay: 0 newly denied, 0 newly allowed, 3 rerouted, ")


def test_json_is_for_programs(traffic):
    found = json.loads(run("replay", traffic, "--state-dir", "state", "--format", "json")[1])
    assert (found["requests"], found["rerouted"], found["costs"][0]["booked_pico_usd"]) == (3, 3, 2100)


def test_a_state_directory_without_decisions_has_no_traffic(traffic):
    Path("empty").mkdir()
    code, out, _ = run("replay", traffic, "--state-dir", "empty")
    assert (code, out.splitlines()[0]) == (0, "no traffic to replay")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "soon"], "cannot read --since soon"),
        (["--state-dir", "nowhere"], "no state directory at nowhere"),
        (["--base", "nowhere"], "no commit `nowhere`"),
        (["--format", "github"], "'github'"),
    ],
)
def test_what_cannot_run_exits_2_and_says_why(traffic, words, said):
    code, out, err = run("replay", traffic, "--state-dir", "state", *words)
    assert (code, out, "Traceback" in err) == (2, "", False)
    assert said in err


def test_a_tree_that_does_not_load_is_told(traffic):
    (traffic / "policies/a.yaml").write_text("policy: 1\n")
    assert run("replay", traffic, "--state-dir", "state")[0] == 1
