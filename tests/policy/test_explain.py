"""An explanation says the same as the verdict, rule by rule, with the place of each, and what would have to change."""

import msgspec
import pytest
from support.policy_trees import FACTS, bundle, policy, read, rule, shipped
from support.random_policies import ROWS, Random

from gateway.core.catalog import Backend
from gateway.policy.decide import Eligibility
from gateway.policy.document import Mark
from gateway.policy.explain import DueTruth, explain, open_exemptions
from gateway.policy.nearest import Change
from gateway.policy.parse import parse
from gateway.providers import BASE_URLS

PII = rule(
    "forbid", {"tags": {"any": ["pii"]}}, {"region": {"not": "eu"}}, "no-pii", why="People are not ours to give."
)
LEGAL = rule("permit", {"team": ["legal", "hr"], "sensitivity": "<= internal"}, id="legal")
BUNDLE = bundle(PII, LEGAL, {"id": "cheap", "prefer": {"order": ["cost"]}})
EXCEPTIONS = {
    "exceptions": [
        {
            "id": "night",
            "rules": ["no-pii"],
            "principal": {"team": "legal"},
            "backends": ["far"],
            "starts": "2026-11-22T18:00:00Z",
            "expires": "2026-11-22T20:00:00Z",
            "ticket": "T-1",
            "requested_by": "ann",
            "approved_by": ["bob", "cem"],
        }
    ]
}
OPEN, CLOSED = 1_795_374_000.0, 1_795_377_600.0


def changed(**changes):
    return msgspec.structs.replace(FACTS, **changes)


def told(found, facts=FACTS, id="far", moment=0.0):
    (explanation,) = explain(found, facts, moment, [id])
    return explanation, {each.rule: each for each in explanation.rules}


@pytest.mark.parametrize(
    ("changes", "id", "legal", "pii", "permitted"),
    [  # the truths of a rule's conditions, then of the rule, then whether it fires
        ({}, "home", ("TT", "T", True), ("TF", "F", False), True),
        ({}, "far", ("TT", "T", True), ("TT", "T", True), False),
        ({}, "dim", ("TT", "T", True), ("TU", "U", True), False),
        ({"tags": frozenset()}, "dim", ("TT", "T", True), ("FU", "F", False), True),
        ({"tags": None, "team": None}, "home", ("UT", "U", False), ("UF", "F", False), False),
        ({"tags": None, "team": None}, "far", ("UT", "U", False), ("UT", "U", True), False),
        ({"sensitivity": "odd", "team": "x"}, "home", ("FU", "F", False), ("TF", "F", False), False),
    ],
)
def test_every_rule_is_told_condition_by_condition(changes, id, legal, pii, permitted):
    letter = {True: "T", False: "F", None: "U"}
    explanation, rules = told(BUNDLE, changed(**changes), id)
    assert explanation.permitted is permitted
    assert {
        name: ("".join(letter[atom.truth] for atom in each.atoms), letter[each.truth], each.fires)
        for name, each in rules.items()
    } == {"legal": legal, "no-pii": pii}


def test_a_rule_and_its_conditions_have_their_words_and_places():
    _, rules = told(BUNDLE)
    assert [(atom.text, str(atom.mark)) for atom in rules["no-pii"].atoms] == [
        ("tags any pii", "policies/main.yaml:1:78"),
        ("backend region not eu", "policies/main.yaml:1:112"),
    ]
    assert (rules["no-pii"].mark, rules["no-pii"].why, rules["no-pii"].effect, rules["no-pii"].mode) == (
        Mark("policies/main.yaml", 1, 48),
        "People are not ours to give.",
        "forbid",
        "enforce",
    )


def test_obligations_say_whether_they_are_discharged():
    found = bundle(
        rule("permit", id="p", require={"do": ["region_pin", "no_cache"]}),
        {"id": "r", "require": {"when": {"team": "legal"}, "do": ["zdr_only", {"max_output_tokens": 7}, "redact"]}},
        {"id": "h", "require": {"do": ["human_approval"]}},
    )
    _, far = told(found)
    assert far["p"].dues == (DueTruth("region_pin", 0, True), DueTruth("no_cache", 0, True))
    assert far["p"].fires
    assert far["r"].dues == (
        DueTruth("zdr_only", 0, False),
        DueTruth("max_output_tokens", 7, True),
        DueTruth("redact", 0, False),
    )
    assert far["r"].fires
    assert far["h"].dues == (DueTruth("human_approval", 0, False),)
    _, dim = told(found, changed(redaction="done"), "dim")
    assert (dim["p"].truth, dim["p"].fires) == (True, False)
    assert [due.discharged for due in dim["p"].dues] == [False, True]
    assert [due.discharged for due in dim["r"].dues] == [None, True, True]


def test_rules_on_trial_are_told_and_decide_nothing():
    parsed = read(
        a=policy(LEGAL),
        b=policy(PII, mode="warn"),
        c=policy(rule("forbid", id="s"), mode="shadow"),
        d=policy(rule("forbid", id="o"), mode="off"),
    )
    explanation, rules = told(parsed.bundle)
    assert explanation.permitted
    assert {name: (each.mode, each.fires, each.decides) for name, each in rules.items()} == {
        "legal": ("enforce", True, True),
        "no-pii": ("warn", True, False),
        "s": ("shadow", True, False),
    }


@pytest.mark.parametrize(
    ("moment", "changes", "id", "lifted", "permitted"),
    [
        (OPEN, {}, "far", "night", True),
        (CLOSED, {}, "far", "", False),
        (OPEN, {"team": "hr"}, "far", "", False),
        (OPEN, {}, "dim", "", False),
        (OPEN, {}, "home", "", True),
    ],
)
def test_an_open_exception_lifts_a_rule_for_whom_it_is(moment, changes, id, lifted, permitted):
    found = bundle(PII | {"breakable": True}, LEGAL, files={"exceptions/a.yaml": EXCEPTIONS})
    explanation, rules = told(found, changed(**changes), id, moment)
    assert (rules["no-pii"].lifted, explanation.permitted) == (lifted, permitted)
    assert rules["no-pii"].fires is (id != "home")
    assert [each.id for each in open_exemptions(found, changed(**changes), moment)] == (
        ["night"] if moment == OPEN and not changes else []
    )


def test_what_is_lifted_does_not_stand_in_the_way():
    found = bundle(PII | {"breakable": True}, LEGAL, files={"exceptions/a.yaml": EXCEPTIONS})
    secret = changed(sensitivity="restricted", source_sensitivity="restricted")
    assert [change.attribute for change in told(found, secret, moment=OPEN)[0].nearest[0]] == ["sensitivity"]
    assert [change.attribute for change in told(found, secret, moment=CLOSED)[0].nearest[0]] == ["sensitivity", "tags"]


@pytest.mark.parametrize(
    ("changes", "id", "expected"),
    [
        ({}, "far", [[("tags", "with pii", "without pii")]]),
        ({}, "home", []),
        ({"team": "web"}, "home", [[("team", "web", "hr, legal")]]),
        ({"team": "web"}, "far", [[("tags", "with pii", "without pii"), ("team", "web", "hr, legal")]]),
        ({"team": None}, "home", [[("team", "unknown", "hr, legal")]]),
    ],
)
def test_the_nearest_permitted_request_is_told(changes, id, expected):
    explanation, _ = told(BUNDLE, changed(**changes), id)
    assert explanation.nearest == tuple(tuple(Change(*each) for each in some) for some in expected)


def test_what_no_request_can_reach_is_told_by_its_facts_and_then_by_both():
    found = bundle(LEGAL, rule("forbid", {}, {"region": {"not": "eu"}}, "eu"))
    assert told(found)[0].nearest == ((Change("backend.region", "us", "eu"),),)
    assert told(found, id="dim")[0].nearest == ((Change("backend.region", "unknown", "eu"),),)
    assert told(found, changed(team="web"))[0].nearest == (
        (Change("team", "web", "hr, legal"), Change("backend.region", "us", "eu")),
    )
    assert told(bundle(PII))[0].nearest == ()


def test_facts_about_the_hop_are_nothing_that_anybody_could_change():
    found = bundle(LEGAL, rule("forbid", {"attempt": ">= 2"}, {}, "once"))
    assert told(found, changed(attempt="2", last_error="timed_out"))[0].nearest == ()


@pytest.mark.parametrize("seed", range(40))
def test_it_agrees_with_the_verdict(seed):
    random = Random(seed)
    found = bundle(*random.rules(), files={"catalog/a.yaml": {"backends": ROWS}})
    for facts in (random.facts() for _ in range(5)):
        verdicts = Eligibility(found).ask(facts).verdicts
        for each in explain(found, facts):
            verdict = verdicts[each.backend]
            assert {rule.rule for rule in each.rules if rule.effect == "permit" and rule.decides} == set(
                verdict.permits
            )
            assert {rule.rule for rule in each.rules if rule.effect != "permit" and rule.decides} == set(
                verdict.forbids
            )
            assert each.permitted is verdict.permitted
            assert not (each.permitted and each.nearest)


def test_all_backends_are_told_in_the_order_of_the_catalog():
    assert [each.backend for each in explain(BUNDLE, FACTS)] == ["home", "far", "dim"]
    assert explain(BUNDLE, FACTS, only=["dim"]) == explain(BUNDLE, FACTS)[2:]


def test_a_mark_of_the_shipped_tree_points_at_the_id_of_the_rule():
    files = shipped()
    found = parse(files, BASE_URLS).bundle
    assert isinstance(found.backends[0], Backend)
    for each in explain(found, FACTS, only=[found.backends[0].id])[0].rules:
        line = files[each.mark.file].decode().splitlines()[each.mark.line - 1]
        assert line[each.mark.column - 1 :] == each.rule
