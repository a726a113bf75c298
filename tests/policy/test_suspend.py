"""A suspended backend is off whatever the tree says, its substitute stands in, and nobody gains anything."""

import itertools
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.decision import Facts
from gateway.policy.decide import Eligibility
from gateway.policy.model import Exemption
from gateway.policy.parse import parse
from gateway.policy.suspend import RULE, suspended
from gateway.policy.vocabulary import SECTIONS
from gateway.providers import BASE_URLS

WORDS = {section: [] for section in SECTIONS} | {
    "levels": ["public", "internal", "confidential", "restricted"],
    "statuses": ["active", "suspended", "retired"],
    "deployments": ["self_hosted", "vendor_api"],
}
BACKENDS = {
    "home": {"provider": "vllm", "base_url": "http://home/v1", "deployment": "self_hosted", "status": "active"},
    "far": {
        "provider": "openai",
        "deployment": "vendor_api",
        "status": "active",
        "substitute": "home",
        "aliases": ["x"],
    },
    "old": {"provider": "openai", "deployment": "vendor_api", "status": "retired"},
    "dim": {"provider": "openai"},
}
RULES = [
    {"permit": {}},
    {"permit": {"to": {"status": "suspended"}}},
    {"permit": {"to": {"status": "active"}}},
    {"permit": {"to": {"status": {"not": "suspended"}}}},
    {"permit": {"when": {"sensitivity": "<= internal"}, "to": {"deployment": "vendor_api"}}},
    {"forbid": {"to": {"status": "retired"}}},
    {"forbid": {"to": {"status": ["suspended", "retired"]}}},
    {"forbid": {"when": {"sensitivity": ">= confidential"}, "to": {"backend": "far"}}},
]
ASKED = [Facts(level, frozenset(), "general", "p", "t", "a", "k") for level in (*WORDS["levels"], None)]


def bundle(*rules):
    numbered = [{"id": f"r{number}", **rule} for number, rule in enumerate(rules)]
    tree = {
        "vocabulary.yaml": {section: dict.fromkeys(words, "x") for section, words in WORDS.items()},
        "catalog/a.yaml": {"backends": BACKENDS},
        "policies/a.yaml": {"policy": "p", "owner": "o", "rules": numbered},
    }
    parsed = parse({name: json.dumps(data).encode() for name, data in tree.items()}, BASE_URLS)
    assert parsed.problems == ()
    return parsed.bundle


def permitted(eligibility, facts):
    return {id for id, verdict in eligibility.ask(facts).verdicts.items() if verdict.permitted}


@given(
    st.lists(st.sampled_from(RULES), max_size=5),
    st.sets(st.sampled_from([*BACKENDS, "nobody"])),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_exactly_the_suspended_are_denied_and_nothing_else_changes(rules, ids):
    before = bundle(*rules)
    was, now = Eligibility(before), Eligibility(suspended(before, ids))
    for facts in ASKED:
        assert permitted(now, facts) == permitted(was, facts) - ids


def test_each_set_of_suspensions_has_a_digest_of_its_own():
    before = bundle({"permit": {}})
    sets = [frozenset(ids) for n in range(len(BACKENDS) + 1) for ids in itertools.combinations(BACKENDS, n)]
    digests = [suspended(before, ids).digest for ids in sets]
    assert len(set(digests)) == len(sets)
    assert all(digest.partition("+")[0] == before.digest for digest in digests)
    assert digests == [suspended(before, sorted(ids, reverse=True)).digest for ids in sets]


@pytest.mark.parametrize("ids", [[], ["nobody"]])
def test_ids_that_are_not_in_the_catalog_change_nothing(ids):
    before = bundle({"permit": {}})
    assert suspended(before, ids) is before


def test_the_tree_s_own_rule_and_ours_are_both_named():
    (verdict,) = [
        Eligibility(suspended(bundle({"permit": {}}, {"forbid": {"to": {"status": "suspended"}}}), ["far"]))
        .ask(ASKED[0])
        .verdicts[id]
        for id in ("far",)
    ]
    assert verdict.forbids == ("r1", RULE)


def test_the_substitute_stands_behind_the_names_of_the_suspended():
    before = bundle({"permit": {}})
    assert [each.id for each in Eligibility(before).names["x"]] == ["far"]
    assert [each.id for each in Eligibility(suspended(before, ["far"])).names["x"]] == ["far", "home"]


def test_no_exception_lifts_a_suspension():
    before = bundle({"permit": {}}, {"forbid": {"to": {"backend": "far"}}})
    lifting = Exemption("e", frozenset({"r1"}), (), frozenset({"far"}), 0.0, 10.0, "T-1", "me", ("a", "b"), None)
    broken = msgspec.structs.replace(before, exemptions=(lifting,))
    assert Eligibility(broken).ask(ASKED[0], 5.0).verdicts["far"].permitted
    assert not Eligibility(suspended(broken, ["far"])).ask(ASKED[0], 5.0).verdicts["far"].permitted
