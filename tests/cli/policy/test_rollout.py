"""`gateway policy rollout`: what is ready, what is written, and the exit codes."""

import json
import time
from pathlib import Path

import pytest
from support.policy_commands import run

from gateway.adapters import decisions
from gateway.adapters.decisions import Decisions
from gateway.adapters.policy_files import load
from gateway.core.catalog import Backend
from gateway.core.chat import Demand
from gateway.core.decision import Candidate, Decision, Facts
from gateway.core.record import Call, Caller, End, Record, Tried
from gateway.core.usage import Usage

TRIAL = """\
# on trial
policy: trial
owner: o
mode: shadow   # the word that changes
promote: {after: 24h, max_new_denials: 10%}
rules:
  - {id: no-bulk, forbid: {when: {purpose: hr}, to: {deployment: vendor_api}}}
"""
HOME = Backend("home", "vllm", "http://x", "m", {})
TRIED = Tried(1, "home", "vllm", "m", "z", "settled", Usage(10, output=5), 700, "v")


def record(number, digest, age):
    facts = Facts("internal", frozenset(), "general", "default", "t", "a", "k1", source_sensitivity="internal")
    decision = Decision(f"dec-{number}", digest, "auto", facts, (Candidate(HOME, ("own",), 5),), ())
    call = Call(f"req-{number}", Caller("k1", "t", "a"), 5.0, time.time() - age)
    demand = Demand(frozenset({"chat"}), 300, 1, 10, 1)
    return Record(call, decision, (TRIED,), End.COMPLETE, 200, None, False, 1.0, 0.001, demand=demand)


@pytest.fixture
def on_trial(tree, monkeypatch):
    """Puts a file on trial, and requests decided under that tree, so many hours ago."""

    def put(*hours):
        monkeypatch.setattr(decisions, "_GROUP_SECONDS", 0.01)
        (tree / "policies/trial.yaml").write_text(TRIAL)
        Path("state").mkdir()
        kept = Decisions(Path("state"), lambda *lost: pytest.fail(str(lost)))
        kept.take([record(n, load(tree).bundle.digest, age * 3600.0) for n, age in enumerate(hours)])
        kept.close()
        return tree

    return put


def rollout(tree, *more):
    return run("rollout", tree, "--state-dir", "state", *more)


def test_a_file_that_is_not_old_enough_stays(on_trial):
    tree = on_trial(23.0, 1.0)
    code, out, err = rollout(tree, "--apply")
    assert (code, err) == (0, "")
    assert "policies/trial.yaml" in out
    assert (tree / "policies/trial.yaml").read_text() == TRIAL


def test_what_is_ready_and_not_written_is_noticed(on_trial):
    tree = on_trial(25.0, 1.0)
    assert rollout(tree)[0] == 1
    assert (tree / "policies/trial.yaml").read_text() == TRIAL


def test_one_word_is_written(on_trial):
    tree = on_trial(25.0, 1.0)
    code, out, _ = rollout(tree, "--apply")
    assert code == 0
    assert "wrote `mode: warn` into" in out
    assert (tree / "policies/trial.yaml").read_text() == TRIAL.replace("mode: shadow", "mode: warn")
    assert sorted(path.name for path in (tree / "policies").iterdir()) == ["a.yaml", "trial.yaml"]


def test_json_is_for_programs(on_trial):
    found = json.loads(rollout(on_trial(25.0, 1.0), "--format", "json")[1])
    assert found["applied"] is False
    assert len(found["files"]) == 1


def test_without_a_state_directory_nothing_can_be_judged(tree):
    code, _, err = rollout(tree)
    assert (code, err) == (2, "no state directory at state; set GATEWAY_STATE_DIR or --state-dir\n")
