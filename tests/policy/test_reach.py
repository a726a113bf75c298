"""Who may be reached at all: by hand, and against every request of small policies."""

import json

import msgspec
import pytest
from support.policy_trees import BACKENDS, bundle, rule
from support.proofs import Tree, random_tree

from gateway.policy.decide import Eligibility
from gateway.policy.reach import LABELS, reach
from gateway.policy.suspend import suspended

STEPS = 10_000
ALL = rule("permit", id="all")
NOT_HOME = {"deployment": {"not": "self_hosted"}}
HOME = rule("forbid", {"sensitivity": ">= confidential"}, NOT_HOME, id="home")


def told(*rules, backend="far", **more):
    """What is said of a backend, label by label: yes, no, or not known."""
    found = reach(bundle(*rules, **more), STEPS)
    words = {True: "yes", False: "no", None: "?"}
    return [words[found.get((label, backend))] for label in LABELS]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], "no no no no no"),
        ([ALL], "yes yes yes yes yes"),
        ([ALL, HOME], "yes yes no no no"),
        ([ALL, {**HOME, "breakable": True}], "yes yes yes yes yes"),
        ([ALL, {**HOME, "breakable": True}, {**HOME, "id": "firm"}], "yes yes no no no"),
        ([rule("permit", {"sensitivity": "public", "purpose": "hr"})], "yes no no no no"),
        ([rule("permit", to={"deployment": "self_hosted"})], "no no no no no"),
        # what only a redaction leaves, or comes after a failed call, or was found in it: it depends on more than rules
        ([rule("permit", {"redaction": "done"})], "no no no no no"),
        ([rule("permit", {"attempt": ">= 2"})], "? ? ? ? ?"),
        ([rule("permit", {"tags": {"any": ["pii"]}})], "? ? ? ? ?"),
        (
            [ALL, {"id": "r", "require": {"when": {"tags": {"any": ["secret"]}}, "do": ["no_cache"]}}],
            "yes yes yes yes yes",
        ),
    ],
)
def test_by_hand(rules, expected):
    assert " ".join(told(*rules)) == expected


def test_what_a_redaction_leaves_may_go_where_the_request_may_not():
    rules = [
        rule("permit", {"redaction": "done", "sensitivity": "public"}, id="clean"),
        {"id": "take", "require": {"when": {"tags": {"any": ["pii"]}}, "do": [{"redact": ["pii"]}, "rescan"]}},
    ]
    assert told(*rules) == ["?", "no", "no", "no", "no"]


@pytest.mark.parametrize("mode", ["off", "shadow", "warn"])
def test_a_rule_on_trial_forbids_nothing_and_permits_nothing(mode):
    found = reach(bundle(ALL, HOME, mode=mode), STEPS)
    assert not any(found.values())
    both = msgspec.structs.replace(bundle(ALL, HOME))
    rules = tuple(msgspec.structs.replace(each, mode=mode) if each.id == "home" else each for each in both.rules)
    assert reach(msgspec.structs.replace(both, rules=rules), STEPS)["restricted", "far"]


def test_a_floor_of_a_project_keeps_lower_labels_out():
    files = {"projects.yaml": {"projects": {"a": {"floor": "confidential"}}}}
    assert told(rule("permit", {"project": "a"}), files=files) == ["no", "no", "yes", "yes", "yes"]


def test_without_steps_nothing_is_said():
    assert reach(bundle(ALL, HOME), 0) == {}


@pytest.mark.parametrize("seed", range(150))
def test_yes_is_somebody_and_no_is_nobody_among_all_requests(seed):
    """The compiled policy is asked about every request there is, with breakable rules gone. Where no rule has anything
    taken out of a request, nothing ever is."""
    tree: Tree = random_tree(seed)
    firm = tuple(each for each in tree.bundle.rules if not each.breakable)
    policy = Eligibility(msgspec.structs.replace(tree.bundle, rules=firm))
    sent = {
        (facts.sensitivity or "unknown", id)
        for facts in tree.requests
        if facts.redaction == "none" or '"redact"' in json.dumps(tree.rules)
        for id, verdict in policy.ask(facts).verdicts.items()
        if verdict.permitted
    }
    usual = {facts.sensitivity or "unknown" for facts in tree.requests}
    for (label, id), reached in reach(tree.bundle, STEPS).items():
        if label in usual:
            assert reached is ((label, id) in sent)


@pytest.mark.parametrize("seed", range(60))
def test_a_suspension_is_seen_without_working_it_out_anew(seed):
    found = random_tree(seed).bundle
    found = msgspec.structs.replace(found, reach=reach(found, STEPS))
    off = suspended(found, [backend.id for backend in found.backends[: 1 + seed % 3]])
    anew = reach(off, STEPS)
    assert {key: off.reach[key] for key in anew if key in off.reach} == {
        key: anew[key] for key in anew if key in off.reach
    }
    assert off.reach.keys() == found.reach.keys()


def test_backends_that_rules_treat_alike_are_asked_once():
    many = {f"far-{n}": BACKENDS["far"] for n in range(200)}
    found = reach(bundle(ALL, HOME, files={"catalog/a.yaml": {"backends": many}}), 60)
    assert len(found) == 5 * 200
