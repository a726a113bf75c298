"""Whom a caller could ever be sent to: the same as asking about every request there could be."""

import itertools
import os

import msgspec
import pytest
from support.policy_trees import BACKENDS, FACTS, WORDS, policy, read, rule
from support.proofs import random_tree

from gateway.core.kinds import KINDS
from gateway.core.labels import LEVELS, RANK
from gateway.policy.decide import Eligibility
from gateway.policy.rules import moment

POLICIES = 3000 if os.environ.get("GATEWAY_TEST_AMOUNTS") == "full" else 120
PARTS = 4
LEAST = {
    tag: min(RANK[k.level or "public"] for k in KINDS.values() if k.tag == tag)
    for tag in WORDS["tags"]
    if any(k.tag == tag for k in KINDS.values())
}


def found(floor):
    """Whatever can be found in a request, and how the label may be then; None: nobody knows."""
    yield None, None
    for level in LEVELS[RANK[floor] :]:
        could = [tag for tag, least in LEAST.items() if least <= RANK[level]]
        for many in range(len(could) + 1):
            yield from ((level, frozenset(tags)) for tags in itertools.combinations(could, many))


def requests(facts, *, redacts):
    """Every first request of a caller. `redacts`: something may have been taken out of it, which lowered the label."""
    for (level, tags), budget in itertools.product(found(facts.sensitivity), ("ok", "soft", "exhausted")):
        known = msgspec.structs.replace(facts, sensitivity=level, source_sensitivity=level, tags=tags, budget=budget)
        yield known
        if redacts and level is not None:
            for source in LEVELS[RANK[level] :]:
                yield msgspec.structs.replace(known, source_sensitivity=source, redaction="done")


def everyone(bundle, facts, moment=0.0):
    policy = Eligibility(bundle)
    redacts = any(do.name == "redact" for each in bundle.rules for do in each.do)
    return {
        id
        for request in requests(facts, redacts=redacts)
        for id, verdict in policy.ask(request, moment).verdicts.items()
        if verdict.permitted
    }


@pytest.mark.parametrize("part", range(PARTS))
def test_it_is_who_is_permitted_for_any_request_there_could_be(part):
    seen = set()
    for seed in range(part * POLICIES // PARTS, (part + 1) * POLICIES // PARTS):
        bundle = random_tree(seed).bundle
        for floor, project in (("public", "b"), ("confidential", "a"), ("internal", "nowhere")):
            declared = bundle.projects.get(project)
            label = max(floor, declared.floor or floor, key=LEVELS.index) if declared else floor
            jurisdiction = declared.jurisdiction if declared else None
            facts = msgspec.structs.replace(FACTS, sensitivity=label, project=project, jurisdiction=jurisdiction)
            expected = everyone(bundle, facts)
            assert Eligibility(bundle).ever(facts) == expected, (seed, floor, project)
            seen.add(len(expected))
    assert len(seen) > 2


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([rule("permit", {"tags": {"any": ["pii"]}}, id="p")], set(BACKENDS)),
        ([rule("permit", {"tags": {"any": ["pii"]}, "sensitivity": "internal"}, id="p")], set()),  # it raises the label
        ([rule("permit", {"attempt": ">= 2"}, id="p")], set()),  # nobody comes so far
        ([rule("permit", {"budget": "exhausted"}, id="p")], set(BACKENDS)),
        ([rule("permit", {"sensitivity": "public"}, id="p")], set()),
        ([rule("permit", {"redaction": "done"}, id="p")], set()),  # no rule has anything taken out
        ([rule("permit", id="p"), rule("forbid", {"sensitivity": "<= restricted"}, id="f")], set()),
    ],
)
def test_what_may_be_found_counts(rules, expected):
    bundle = read(main=policy(*rules)).bundle
    assert Eligibility(bundle).ever(FACTS) == expected == everyone(bundle, FACTS)


START, END = moment("2026-11-22T18:00:00Z"), moment("2026-11-22T20:00:00Z")
EXCEPTION = {
    "id": "e",
    "rules": ["stop"],
    "principal": {"team": "legal"},
    "backends": ["far"],
    "starts": "2026-11-22T18:00:00Z",
    "expires": "2026-11-22T20:00:00Z",
    "ticket": "T-1",
    "requested_by": "ann",
    "approved_by": ["bob", "eve"],
}


@pytest.mark.parametrize(
    ("team", "at", "expected"),
    [
        ("legal", START, {"far"}),
        ("legal", START - 1, set()),
        ("legal", END, set()),
        ("hr", START, set()),
        (None, START, set()),
    ],
)
def test_an_exception_counts_for_whom_and_while_it_is_open(team, at, expected):
    stop = rule("forbid", id="stop", breakable=True)
    bundle = read(
        {"exceptions/a.yaml": {"exceptions": [EXCEPTION]}}, main=policy(rule("permit", id="all"), stop)
    ).bundle
    facts, asked = msgspec.structs.replace(FACTS, team=team), Eligibility(bundle)
    assert [asked.ever(facts, at), asked.ever(facts, 0.0), asked.ever(facts, at)] == [expected, set(), expected]
    assert everyone(bundle, facts, at) == expected
