"""A rule that may be removed, or lose a condition, without anybody noticing is found, and so is the test it lacks."""

import itertools
import json
import re

import msgspec
import pytest
import yaml
from support.policy_trees import shipped as files_shipped
from support.proofs import random_tree

from gateway.core.labels import LEVELS
from gateway.policy.claims import USUAL
from gateway.policy.decide import Eligibility
from gateway.policy.document import Mark
from gateway.policy.parse import parse
from gateway.policy.prove import prove
from gateway.providers import BASE_URLS
from gateway.review import coverage
from gateway.review.cases import problems
from gateway.review.coverage import Boundary, _Guards, _in_force, _mutants, covered, uncovered
from gateway.review.mutated import Mutated

TREE = {
    "vocabulary.yaml": """\
levels: {public: a, internal: b, confidential: c, restricted: d}
tags: {secret: a, pii: b}
purposes: {general: a, hr: b}
jurisdictions: {eu: a, us: b}
deployments: {self_hosted: a, vendor_api: b}
zones: {}
regions: {eu: a, us: b}
origins: {}
licences: {}
statuses: {}
retentions: {none: a, days_30: b}
training: {}
audiences: {}
""",
    "projects.yaml": "projects: {default: {jurisdiction: us}, clinic: {jurisdiction: eu}}",
    "catalog/a.yaml": """\
backends:
  home: {provider: openai, deployment: self_hosted, region: eu, price: {input: 1, output: 1}}
  far: {provider: openai, deployment: vendor_api, region: us, retention: none, price: {input: 9, output: 9}}
  unpriced: {provider: openai, deployment: vendor_api, region: us}
""",
    "policies/a.yaml": """\
policy: base
owner: security
rules:
  - id: own
    permit: {to: {deployment: self_hosted}}
  - id: vendors
    permit: {when: {sensitivity: "<= internal"}, to: {deployment: vendor_api}}
    require: {do: [zdr_only]}
  - id: no-hr
    forbid: {when: {purpose: hr, project.jurisdiction: eu}, to: {deployment: {not: self_hosted}}}
  - id: no-raw-secrets
    require: {when: {tags: {any: [secret]}}, do: [redact]}
  - id: not-twice
    forbid: {when: {attempt: ">= 3"}, to: {region: us}}
  - id: bounded
    require: {when: {team: web}, do: [max_output_tokens: 100]}
  - id: ceiling
    limit: {usd: 5, per: key, window: day}
  - id: cheap
    prefer: {order: [cost], when: {team: {not: rich}}}
""",
    "policies/watched.yaml": "policy: w\nowner: o\nmode: warn\nrules:\n  - {id: watched, forbid: {to: {region: us}}}\n",
    "policies/projects/clinic/a.yaml": "policy: c\nowner: o\nrules:\n  - {id: clinic-eu, forbid: {to: {region: us}}}\n",
}
SUGGESTED = re.compile(r"this test would: `request: (\{.*\}), expect: (\{.*\})`$")


def bundle(*tests, **files):
    tree = TREE | {name.replace("__", "/") + ".yaml": text for name, text in files.items()}
    written = [{"name": f"test {at}", **test} for at, test in enumerate(tests)]
    tree["tests/a.yaml"] = json.dumps({"tests": written})
    parsed = parse({name: text.encode() for name, text in tree.items()}, BASE_URLS)
    assert parsed.bundle is not None, parsed.problems
    return parsed.bundle


def none(_):
    return frozenset()


def missed(tree, *violated):
    """What is uncovered, but for the rule on trial and the limit: they have tests of their own, at the end."""
    return tuple(each for each in uncovered(tree, *violated) if not re.search("`(watched|ceiling)`", each.message))


def said(found):
    what = r"when (rule `.*?` (?:is removed|loses `.*?`|loses its ceiling \d))"
    return [re.search(what, problem.message)[1] for problem in found]


def suggested(found):
    matches = [SUGGESTED.search(problem.message) for problem in found]
    return [{"request": yaml.safe_load(m[1]), "expect": yaml.safe_load(m[2])} for m in matches if m]


BY_COST = {"request": {}, "expect": {"first": "home"}}
BY_NAME = {"request": {"team": "rich"}, "expect": {"first": "far"}}
BARE = bundle()


def test_without_tests_every_rule_in_force_that_changes_anything_is_named_once():
    found = missed(BARE, none)
    assert said(found) == [
        f"rule `{id}` is removed"
        for id in ("own", "vendors", "no-hr", "no-raw-secrets", "not-twice", "cheap", "clinic-eu")
    ]
    assert {(problem.code, problem.severity) for problem in found} == {("P209", "warning")}
    assert str(found[0].mark) == "policies/a.yaml:4:9"


def test_the_tests_that_it_suggests_pass_and_are_all_that_is_missing():
    tests = [BY_COST]
    rounds = 0
    while found := suggested(missed(bundle(*tests), none)):
        tests += found
        assert problems(bundle(*tests)) == ()
        rounds += 1
    assert rounds >= 2  # a rule that is no longer missed may still lose a condition
    assert said(missed(bundle(*tests), none)) == ["rule `cheap` loses `team not rich`"]
    assert missed(bundle(*tests, BY_NAME), none) == ()


def test_a_suggested_test_says_only_what_is_not_as_usual():
    assert suggested(missed(BARE, none)) == [
        {"request": {"model": "home"}, "expect": {"permit": ["home"]}},
        {"request": {"model": "far"}, "expect": {"permit": ["far"]}},
        {"request": {"model": "far", "purpose": "hr", "project": "any-other"}, "expect": {"deny": {"far": "no-hr"}}},
        {"request": {"model": "home", "tags": ["secret"]}, "expect": {"deny": {"home": "no-raw-secrets"}}},
        {"request": {"model": "far", "attempt": 3}, "expect": {"deny": {"far": "not-twice"}}},
        {"request": {"model": "far", "project": "clinic"}, "expect": {"deny": {"far": "clinic-eu"}}},
    ]


def test_a_condition_that_no_test_shows_is_named_at_its_own_place():
    tests = [
        {
            "request": {"purpose": "hr", "project": "clinic", "sensitivity": "public"},
            "expect": {"deny": {"far": "no-hr"}},
        }
    ]
    found = [problem for problem in missed(bundle(*tests), none) if "no-hr" in problem.message]
    assert said(found) == [
        "rule `no-hr` loses `purpose is hr`",
        "rule `no-hr` loses `project.jurisdiction is eu`",
        "rule `no-hr` loses `deployment not self_hosted`",
    ]
    assert [problem.mark for problem in found] == [Mark("policies/a.yaml", 10, column) for column in (21, 34, 66)]


def test_a_test_that_fails_anyway_guards_nothing():
    good = {"request": {"model": "home"}, "expect": {"permit": ["home"]}}
    bad = {"request": {"model": "home"}, "expect": {"permit": ["home"], "http": 403}}
    assert "rule `own` is removed" not in said(missed(bundle(good), none))
    assert "rule `own` is removed" in said(missed(bundle(bad), none))


def test_an_invariant_guards_too_and_is_asked_only_about_what_no_test_noticed():
    good = {"request": {"model": "home"}, "expect": {"permit": ["home"]}}
    tree = bundle(good, invariants="invariants: [{id: I, never: {request: {purpose: hr}, backend: {region: us}}}]")
    asked = []

    def violated(changed):
        asked.append(changed)
        ids = {rule.id for rule in changed.rules}
        return frozenset({"broken"}) | (frozenset() if "no-hr" in ids else frozenset({"I"}))

    found = said(missed(tree, violated))
    assert "rule `no-hr` is removed" not in found
    assert "rule `vendors` is removed" in found
    assert asked[0] is tree  # what is broken anyway guards nothing
    assert all("own" in {rule.id for rule in changed.rules} for changed in asked)
    assert "rule `no-hr` is removed" in said(missed(bundle(good), violated))  # no invariants: nobody is asked


def test_a_rule_that_others_make_superfluous_is_not_missed_but_may_not_grow_unseen():
    again = "{id: again, forbid: {when: {purpose: hr, project.jurisdiction: eu, team: x}, to: {region: us}}}"
    tree = bundle(policies__b=f"policy: r\nowner: o\nrules:\n  - {again}\n")
    assert [each for each in said(missed(tree, none)) if "again" in each] == [
        "rule `again` loses `purpose is hr`",
        "rule `again` loses `project.jurisdiction is eu`",
        "rule `again` loses `region is us`",
    ]


def test_a_permit_that_forbids_cut_off_wholly_is_not_missed():
    tree = bundle(
        policies__b="policy: r\nowner: o\nrules:\n  - {id: late, permit: {when: {attempt: 3}, to: {region: us}}}\n"
    )
    assert "rule `late` is removed" not in said(missed(tree, none))


def test_the_project_of_a_layer_is_no_condition_that_a_rule_could_lose():
    test = {"request": {"project": "clinic"}, "expect": {"deny": {"far": "clinic-eu"}}}
    assert [each for each in said(missed(bundle(test), none)) if "clinic-eu" in each] == [
        "rule `clinic-eu` loses `region is us`"
    ]


def test_an_invariant_that_is_not_decided_in_time_guards_nothing(monkeypatch):
    tree = bundle(invariants="invariants: [{id: I, never: {request: {tags: {any: [secret]}, redaction: none}}}]")
    assert "rule `no-raw-secrets` is removed" not in said(missed(tree))
    monkeypatch.setattr(coverage, "_STEPS", 0)
    assert said(missed(tree)) == said(missed(tree, none))


def test_one_backend_has_no_order():
    catalog = "backends: {home: {provider: openai, deployment: self_hosted, region: eu, price: {input: 9, output: 9}}}"
    assert not [each for each in said(missed(bundle(catalog__a=catalog), none)) if "cheap" in each]


def test_a_mutant_is_left_out_exactly_when_it_changes_no_verdict():
    """Compared with every combination of the values that the rules can tell apart."""
    requests = [
        msgspec.structs.replace(
            USUAL,
            sensitivity=level,
            source_sensitivity=level,
            purpose=purpose,
            project=project,
            jurisdiction=jurisdiction,
            tags=tags,
            redaction=redaction,
            attempt=attempt,
            last_error="none" if attempt == "1" else "timed_out",
        )
        for level, purpose, (project, jurisdiction), tags, redaction, attempt in itertools.product(
            (*LEVELS, None),
            ("general", "hr", None),
            (("default", "us"), ("clinic", "eu"), ("else", None)),
            (frozenset(), frozenset({"secret"}), None),
            ("none", "done"),
            ("1", "2", "3"),
        )
    ]
    guards = _Guards(BARE, none)
    before = Eligibility(BARE)
    for rule in _in_force(BARE):
        for mutant in _mutants(rule) if rule.effect != "prefer" else ():
            after = Eligibility(Mutated(before, rule, mutant.becomes).bundle)
            changes = any(
                before.ask(facts).verdicts[id].permitted is not after.ask(facts).verdicts[id].permitted
                for facts in requests
                for id in ("home", "far", "unpriced")
            )
            assert any(guards._matters(mutant, at) for at in range(len(guards.views))) is changes, mutant.said


@pytest.mark.parametrize("seed", range(30))
def test_an_invariant_notices_a_change_exactly_when_the_whole_proof_does(seed):
    tree = random_tree(seed).bundle
    guards = _Guards(tree, None)
    held = {proof.invariant.id for proof in prove(tree) if proof.holds}
    for rule in _in_force(tree):
        for mutant in _mutants(rule):
            changed = Mutated(guards.policy, rule, mutant.becomes).bundle
            lost = {proof.invariant.id for proof in prove(changed) if not proof.holds} & held
            assert guards._violates(mutant, changed) is bool(lost), (mutant.said, lost)


def shipped():
    found = parse(files_shipped(), BASE_URLS)
    assert found.bundle is not None, found.problems
    return found.bundle


def test_the_shipped_tree_has_no_rule_that_nobody_would_miss():
    tree = shipped()
    assert missed(tree) == ()
    every_rule = [rule.id for rule in tree.rules]
    assert [problem.message.split("`")[1] for problem in missed(msgspec.structs.replace(tree, cases=()), none)] == (
        every_rule
    )


def test_the_cases_of_the_shipped_tree_reach_every_rule_and_boundary():
    reached = covered(shipped())
    assert [id for id, count in reached.rules.items() if not count] == []
    assert [boundary for boundary in reached.boundaries if boundary.missing] == []


@pytest.mark.parametrize(
    ("tests", "missing"),
    [
        ([], [("internal", "confidential"), ("2", "3")]),
        ([{"request": {}}], [("confidential",), ("2", "3")]),
        ([{"request": {"sensitivity": "confidential"}}], [("internal",), ("2", "3")]),
        ([{"request": {}}, {"request": {"sensitivity": "confidential"}}], [(), ("2", "3")]),
        ([{"request": {"sensitivity": "restricted", "attempt": 3}}], [("internal", "confidential"), ("2",)]),
        ([{"request": {}, "faults": {"home": 503}}], [("confidential",), ("3",)]),
        ([{"request": {}, "faults": {"far": 503, "home": 503}}], [("confidential",), ()]),
    ],
)
def test_a_boundary_wants_a_test_on_either_side(tests, missing):
    reached = covered(bundle(*({**test, "expect": {"http": 200}} for test in tests)))
    assert reached.boundaries == (
        Boundary("vendors", "sensitivity <= internal", Mark("policies/a.yaml", 7, 21), missing[0]),
        Boundary("not-twice", "attempt >= 3", Mark("policies/a.yaml", 14, 21), missing[1]),
    )


def test_both_values_of_a_condition_count_only_where_the_rest_of_the_rule_holds():
    rules = "policy: r\nowner: o\nrules:\n  - {id: r, forbid: {when: {team: x, sensitivity: public}}}\n"
    expect = {"expect": {"http": 200}}
    elsewhere = [{"request": {"sensitivity": level}, **expect} for level in ("public", "internal")]
    here = [{"request": {"sensitivity": level, "team": "x"}, **expect} for level in ("public", "internal")]

    def missing(tests):
        return next(each.missing for each in covered(bundle(*tests, policies__b=rules)).boundaries if each.rule == "r")

    unknown = [{"request": {"sensitivity": level, "team": "unknown"}, **expect} for level in ("public", "internal")]
    assert missing(elsewhere) == ("public", "internal")
    assert missing(unknown) == ()
    assert missing(here) == ()


def test_a_rule_is_reached_by_the_cases_in_which_it_decides_something():
    expect = {"expect": {"http": 200}}
    reached = covered(
        bundle(
            {"request": {}, **expect},
            {"request": {"purpose": "hr", "project": "clinic", "tags": ["secret"], "team": "rich"}, **expect},
            {"request": {"sensitivity": "restricted"}, "faults": {"home": 503}, **expect},
        )
    )
    assert reached.rules == {
        "own": 3,
        "vendors": 2,
        "no-hr": 1,
        "no-raw-secrets": 1,
        "not-twice": 0,
        "bounded": 0,
        "cheap": 2,
        "clinic-eu": 1,
    }


UNSURE = """\
policy: r
owner: o
rules:
  - {id: permit, permit: {to: {region: us}}}
  - {id: forbid, forbid: {to: {region: us}}}
  - {id: eligible, permit: {when: {principal.person: {in: backend.eligible_persons}}}}
  - {id: not-eligible, forbid: {when: {principal.person: {not_in: backend.eligible_persons}}}}
  - {id: prefer, prefer: {order: [cost], when: {team: web}}}
"""


@pytest.mark.parametrize(
    ("backend", "asked", "expected"),
    [
        ("{provider: openai}", {"team": "unknown", "principal.person": "a"}, {"forbid", "not-eligible"}),
        ("{provider: openai, region: eu, eligible_persons: [a]}", {"principal.person": "unknown"}, {"not-eligible"}),
        (
            "{provider: openai, region: us, eligible_persons: [a]}",
            {"team": "web", "principal.person": "a"},
            {"permit", "forbid", "eligible", "prefer"},
        ),
    ],
)
def test_what_is_unknown_counts_for_a_forbid_only(backend, asked, expected):
    words = TREE["vocabulary.yaml"] + "persons: {a: a, b: b}\n"
    files = {"vocabulary": words, "catalog__a": f"backends: {{x: {backend}}}", "policies__a": UNSURE}
    projects = {"policies__projects__clinic__a": "policy: c\nowner: o\nrules: []\n"}
    reached = covered(bundle({"request": asked, "expect": {"http": 403}}, **files, **projects))
    assert {id for id, count in reached.rules.items() if count} == expected


CANARY = "policy: n\nowner: o\ncanary: 10\nrules:\n  - {id: new, forbid: {when: {purpose: hr}, to: {region: us}}}\n"
SHOWS_NEW = [
    {"request": {"model": "far", "purpose": "hr"}, "expect": {"deny": {"far": "new"}}},
    {"request": {"model": "home", "purpose": "hr"}, "expect": {"permit": ["home"]}},
    {"request": {"model": "far"}, "expect": {"permit": ["far"]}},
]


def test_a_rule_in_a_canary_is_shown_by_the_tests_that_show_it_once_it_is_for_everybody():
    of_new = [each for each in said(missed(bundle(policies__new=CANARY), none)) if "`new`" in each]
    assert of_new == ["rule `new` is removed"]
    for text in (CANARY, CANARY.replace("canary: 10\n", "")):
        made = bundle(*SHOWS_NEW, policies__new=text)
        assert problems(made) == ()
        assert [each for each in said(missed(made, none)) if "`new`" in each] == []


def test_the_edge_of_a_canary_needs_no_tests():
    made = bundle({"request": {"purpose": "hr"}, "expect": {"http": 200}}, policies__new=CANARY)
    assert [each for each in covered(made).boundaries if each.rule == "new"] == []


SHOWS_WATCHED = {"request": {"model": "far"}, "expect": {"watch": ["watched"]}}


def test_a_rule_on_trial_that_no_test_watches_is_for_your_information():
    (found,) = [each for each in uncovered(bundle(BY_COST), none) if "`watched`" in each.message]
    assert (found.code, found.severity) == ("P209", "info")
    assert suggested([found]) == [SHOWS_WATCHED]
    assert [each for each in uncovered(bundle(SHOWS_WATCHED), none) if "rule `watched` is" in each.message] == []
    (wider,) = [each for each in uncovered(bundle(SHOWS_WATCHED), none) if "`watched`" in each.message]
    assert "loses `region is us`" in wider.message
    (shows,) = suggested([wider])
    assert shows["expect"] == {"watch": []}
    assert [each for each in uncovered(bundle(SHOWS_WATCHED, shows), none) if "`watched`" in each.message] == []


def test_a_limit_that_no_test_reaches_is_missed():
    two = "[{usd: 5, per: key, window: day}, {usd: 99, per: organisation, window: day}]"
    money = f"policy: m\nowner: o\nrules:\n  - {{id: money, limit: {two}}}\n"

    def of_money(*tests):
        return [each for each in uncovered(bundle(*tests, policies__m=money), none) if "`money`" in each.message]

    (removed,) = of_money()
    assert (removed.severity, removed.message.rpartition("; ")[2]) == (
        "warning",
        "a test with `spent: {money: USD}` would show it",
    )
    first = {"request": {"model": "home"}, "spent": {"money": 5}, "expect": {"http": 402}}
    assert said(of_money(first)) == ["rule `money` loses its ceiling 2"]
    second = {"request": {"model": "home"}, "spent": {"money#2": 99}, "expect": {"http": 402}}
    assert of_money(first, second) == []
