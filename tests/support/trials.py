"""Policies on trial, and the decisions that were kept meanwhile."""

import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from gateway.adapters import policy_files
from gateway.adapters.decisions import Decisions
from gateway.core.catalog import Backend
from gateway.core.chat import Demand
from gateway.core.decision import Candidate, Decision, Facts
from gateway.core.record import Call, Caller, End, Record

HOUR = 3600.0
ON_TRIAL = """\
# Nothing of this goes: shadow
policy: NAME
owner: security
mode:   MODE   # one word
promote: {after: 24h, max_new_denials: 25%}
rules:
  - {id: no-hr-at-all-NAME, forbid: {when: {purpose: hr}}}  # nor this
"""


def on_trial(tree, mode="shadow", name="trial"):
    path = tree / f"policies/{name}.yaml"
    path.write_text(ON_TRIAL.replace("NAME", name).replace("MODE", mode))
    return path


def record(number, digest, age, purpose):
    facts = Facts("internal", frozenset(), purpose, "default", "legal", "web", "k1", source_sensitivity="internal")
    chosen = Candidate(Backend("home", "openai", "http://x", "m", {}), ("own",), 5)
    call = Call(f"req-{number}", Caller("k1", "legal", "web"), 5.0, time.time() - age)
    demand = Demand(frozenset({"chat"}), 300, 1, 10, 1)
    decision = Decision(f"dec-{number}", digest, "auto", facts, (chosen,), ())
    return Record(call, decision, (), End.COMPLETE, 200, None, False, 1.0, 0.001, demand=demand)


def keep(tree: Path, state: Path, ages: Iterable[str], prefix: str = "", extra: Path | None = None) -> None:
    """Keeps requests that were decided under a tree as it is now, so many hours ago; "1h" is one for hr."""
    digest = policy_files.parse_files(tree, extra).bundle.digest
    kept = Decisions(state, lambda *lost: pytest.fail(str(lost)))
    for number, age in enumerate(ages):
        purpose = "hr" if age.endswith("h") else "general"
        kept.take([record(f"{prefix}{number}", digest, float(age.rstrip("h")) * HOUR, purpose)])
    kept.close()
