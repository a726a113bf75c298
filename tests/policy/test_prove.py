"""What the prover says is so: by hand for each kind of invariant, and against two oracles on random policies."""

import os
import random

import pytest
from support.policy_trees import BACKENDS, encoded, policy, read, rule, tree
from support.proofs import CATALOG, PROJECTS, Tree, enumerated, random_tree

from gateway.core.buckets import bucket_of
from gateway.core.catalog import PASSPORT
from gateway.policy.parse import parse
from gateway.policy.prove import prove
from gateway.providers import BASE_URLS
from gateway.review import cases

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
POLICIES = 10_000 if FULL else 300
PARTS = 10

ALL = rule("permit", id="all")
OWN = rule("permit", to={"deployment": "self_hosted"}, id="own")
HOME = rule("forbid", {"sensitivity": ">= confidential"}, {"deployment": {"not": "self_hosted"}}, id="home")
NOT_HOME = {"deployment": {"not": "self_hosted"}}
OUT = {"never": {"request": {"sensitivity": ">= confidential"}, "backend": NOT_HOME}}
FAR, DIM = "far", "dim"
RAISED = {"monotone": "sensitivity"}


def proved(claim, *rules, catalog=BACKENDS, projects=PROJECTS, steps=None):
    """The proof of one invariant."""
    (proof,) = prove(Tree(list(rules), [{"id": "i", **claim}], catalog, projects).bundle, steps)
    return proof


def holds(claim, *rules, **more):
    return proved(claim, *rules, **more).holds


def found(claim, *rules, **more):
    """What a counterexample says, in short."""
    example = proved(claim, *rules, **more).counterexample
    return example and (example.request, example.backend)


# by hand


@pytest.mark.parametrize(
    ("rules", "claim", "expected"),
    [
        ([], OUT, None),
        ([OWN], OUT, None),
        ([ALL, HOME], OUT, None),
        ([ALL], OUT, ({"sensitivity": "confidential"}, FAR)),
        ([HOME, rule("permit", to={"region": "us"})], OUT, None),
        # What is not known counts as inside, and a permit does not count on it.
        ([rule("permit", {"purpose": "hr"}, id="p")], OUT, ({"sensitivity": "confidential", "purpose": "hr"}, FAR)),
        ([ALL, rule("forbid", {"sensitivity": ">= confidential"}, {"deployment": "vendor_api"})], OUT, None),
        (
            [ALL, rule("forbid", {"sensitivity": ["confidential", "restricted"], "purpose": {"not": "hr"}}, NOT_HOME)],
            OUT,
            ({"sensitivity": "confidential", "purpose": "hr"}, FAR),
        ),
        ([ALL, rule("forbid", {}, {"deployment": "vendor_api"})], {"never": {"backend": {"region": "us"}}}, None),
        ([ALL, rule("forbid", {}, {"region": "us"})], {"never": {"backend": {"deployment": "vendor_api"}}}, None),
        ([ALL, rule("forbid", {}, {"backend": "far"})], {"never": {"backend": {"region": "us"}}}, ({}, DIM)),
        ([ALL], {"never": {"request": {"tags": {"any": ["secret"]}}}}, ({"tags": ["secret"]}, "home")),
        ([ALL], {"never": {"request": {"tags": {"none": ["secret"]}}, "backend": {"backend": "home"}}}, ({}, "home")),
        # An unknown set is inside as well, and only it is left.
        (
            [rule("permit", {"team": "a"}), rule("forbid", {"team": {"not": "a"}}, id="f")],
            {"never": {"request": {"team": "a"}}},
            ({"team": "a"}, "home"),
        ),
        (
            [rule("permit", {"sensitivity": "public"})],
            {"never": {"request": {"source_sensitivity": "restricted"}}},
            ({"sensitivity": "public", "source_sensitivity": "restricted", "redaction": "done"}, "home"),
        ),
        (
            [rule("permit", {"sensitivity": "public", "redaction": "none"})],
            {"never": {"request": {"source_sensitivity": "restricted"}}},
            None,
        ),
    ],
)
def test_never(rules, claim, expected):
    assert found(claim, *rules) == expected


def test_a_label_that_nobody_knows_is_held_against_the_permit():
    claim = {"never": {"request": {"sensitivity": ">= confidential"}, "backend": {"backend": "far"}}}
    rules = [ALL, rule("forbid", {"sensitivity": ["confidential", "restricted"]}, id="f")]
    assert holds(claim, *rules)  # the forbid fires on an unknown label, too
    narrow = [rule("permit", {"sensitivity": {"not": ["confidential", "restricted"]}})]
    assert holds(claim, *narrow)  # and a permit does not count on one


@pytest.mark.parametrize("over", ["catalog", "any_backend"])
def test_a_request_of_which_it_is_not_known_is_inside(over):
    claim = {"never": {"request": {"project.jurisdiction": "eu"}}, "over": over}
    assert found(claim, ALL, projects={}) == ({"project.jurisdiction": "unknown"}, "home")


@pytest.mark.parametrize(
    ("breakable", "absolute", "expected"),
    [(False, False, True), (False, True, True), (True, False, True), (True, True, False)],
)
def test_an_absolute_invariant_holds_without_what_an_exception_may_lift(breakable, absolute, expected):
    proof = proved({**OUT, "absolute": absolute}, ALL, {**HOME, "breakable": breakable})
    assert proof.holds is expected
    if not expected:
        example = proof.counterexample
        assert (example.lifted, example.test, example.backend) == (("home",), "", FAR)


PERSON = rule(
    "forbid",
    {"principal.person": {"not_in": "backend.eligible_persons"}},
    {"eligible_persons": "declared"},
    id="person",
)
FOREIGN = {
    "never": {"request": {"principal.person": "eu_person"}, "backend": {"eligible_persons": {"none": ["eu_person"]}}}
}
COMPARED = {
    "never": {
        "request": {"principal.person": {"not_in": "backend.eligible_persons"}},
        "backend": {"eligible_persons": "declared"},
    }
}


@pytest.mark.parametrize("claim", [FOREIGN, COMPARED])
@pytest.mark.parametrize("over", ["catalog", "any_backend"])
def test_a_person_and_the_persons_of_a_backend_are_compared(claim, over):
    known = rule("forbid", {}, {"eligible_persons": {"none": ["us_person", "eu_person"]}}, id="known")
    assert not holds({**claim, "over": over}, ALL)
    assert holds({**claim, "over": over}, ALL, PERSON, known)


def test_a_backend_that_nobody_has_entered_yet_is_conceivable():
    claim = {
        "never": {"request": {"sensitivity": "restricted"}, "backend": {"region": "us", "deployment": "self_hosted"}}
    }
    assert holds(claim, OWN)  # today's own machines are in the EU
    proof = proved({**claim, "over": "any_backend"}, OWN)
    example = proof.counterexample
    assert (proof.holds, proof.backends, example.request, example.test) == (False, 0, {"sensitivity": "restricted"}, "")
    assert example.passport == {"deployment": "self_hosted", "region": "us"}


def test_of_a_conceivable_backend_only_what_matters_is_told():
    example = proved(
        {"never": {"backend": {"status": "retired"}}, "over": "any_backend"},
        OWN,
        catalog={"x": {"provider": "openai", "status": "active"}},
    ).counterexample
    assert example.passport == {"deployment": "self_hosted", "status": "retired"}
    assert example.backend not in PASSPORT


def test_where_a_backend_of_the_catalog_breaks_it_that_one_is_shown():
    example = proved({**OUT, "over": "any_backend"}, ALL).counterexample
    assert (example.backend, example.passport) == (FAR, None)


def test_a_backend_always_has_an_id_and_a_provider():
    rules = [rule("permit", to={"provider": ["vllm", "openai"]}), rule("forbid", to={"provider": {"not": "vllm"}})]
    assert holds({"never": {"backend": {"provider": "openai"}}, "over": "any_backend"}, *rules)
    assert not holds({"never": {"backend": {"provider": "vllm"}}, "over": "any_backend"}, *rules)
    assert holds(
        {"never": {"backend": {"backend": "far"}}, "over": "any_backend"}, ALL, rule("forbid", to={"backend": "far"})
    )


@pytest.mark.parametrize(
    ("rules", "request_", "expected"),
    [
        ([], {}, ({}, "")),
        ([OWN], {}, None),
        ([ALL, rule("forbid", to={"deployment": "self_hosted"})], {}, ({}, "")),
        ([OWN, rule("forbid", {"purpose": "hr"})], {}, ({"purpose": "hr"}, "")),
        ([OWN, rule("forbid", {"purpose": "hr"})], {"purpose": "general"}, None),
        # What is not known of a request is free, so a permit that asks it serves not everybody.
        ([rule("permit", {"team": {"not": "a"}}, {"region": "eu"})], {}, ({"team": "a"}, "")),
        ([rule("permit", {"team": {"not": "a"}}, {"region": "eu"})], {"team": {"not": "a"}}, None),
        (
            [rule("permit", {"team": "a"}), rule("permit", {"team": {"not": "a"}}, id="b")],
            {},
            ({"team": "unknown"}, ""),
        ),
        ([rule("permit", {"attempt": "<= 2"})], {}, ({"attempt": "3"}, "")),
        ([rule("permit", {"attempt": "<= 2"})], {"attempt": 1}, None),
    ],
)
def test_always_some(rules, request_, expected):
    assert found({"always_some": {"request": request_}, "backend": {"deployment": "self_hosted"}}, *rules) == expected


def test_several_backends_may_share_the_work():
    claim = {"always_some": {"request": {"purpose": ["general", "hr"]}}, "backend": {}}
    both = [
        rule("permit", {"purpose": "hr"}, {"backend": "far"}),
        rule("permit", {"purpose": "general"}, {"backend": "home"}, id="q"),
    ]
    assert holds(claim, *both)
    example = proved(claim, both[0]).counterexample
    assert (example.request, example.denied) == ({"purpose": "general"}, {"home": (), "far": (), "dim": ()})


def test_who_serves_instead_is_in_the_test_of_a_request_that_nobody_wanted_serves():
    example = proved(
        {"always_some": {"request": {}}, "backend": {"deployment": "self_hosted"}},
        rule("permit", to={"backend": "far"}),
    ).counterexample
    assert "expect: {permit: [far, home]}" in example.test


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], None),
        ([ALL, HOME], None),
        ([rule("permit", {"sensitivity": "<= internal"})], None),
        ([rule("permit", {"sensitivity": ">= internal"})], ({"sensitivity": "internal"}, "home")),
        ([ALL, rule("forbid", {"sensitivity": "confidential"})], ({"sensitivity": "restricted"}, "home")),
        (
            [ALL, rule("forbid", {"sensitivity": "confidential", "purpose": "hr"}, {"region": "us"})],
            ({"sensitivity": "restricted", "purpose": "hr"}, FAR),
        ),
        (
            [
                ALL,
                rule("forbid", {"sensitivity": "public"}),
                rule("forbid", {"sensitivity": "internal"}, id="g"),
                rule("forbid", {"sensitivity": ">= confidential"}, id="h"),
            ],
            None,
        ),
        # A request that was not redacted came with the label that it has: both rise together.
        ([rule("permit", {"source_sensitivity": ">= internal"})], ({"sensitivity": "internal"}, "home")),
        (
            [
                rule("permit", {"source_sensitivity": "internal", "sensitivity": "internal"}),
                rule("permit", {"sensitivity": "public", "redaction": "none"}, id="q"),
            ],
            ({"sensitivity": "internal", "redaction": "done"}, "home"),
        ),
        # `a` has no requests below confidential, so there is nothing to compare with.
        ([rule("permit", {"sensitivity": ">= confidential", "project": "a"})], None),
        (
            [rule("permit", {"sensitivity": ">= confidential", "project": "b"})],
            ({"sensitivity": "confidential", "project": "b"}, "home"),
        ),
        ([rule("permit", {"sensitivity": ">= confidential", "project.jurisdiction": "eu"})], None),
    ],
)
def test_monotone(rules, expected):
    assert found(RAISED, *rules) == expected
    assert (found({**RAISED, "over": "any_backend"}, *rules) is None) is (expected is None)


@pytest.mark.parametrize(
    ("rules", "absolute", "expected"),
    [
        # Lifting a forbid for one label only is not what an exception does: it is open for both.
        ([ALL, {**HOME, "breakable": True}], True, True),
        ([ALL, {**rule("forbid", {"sensitivity": "public"}, id="f"), "breakable": True}], False, False),
        ([ALL, {**rule("forbid", {"sensitivity": "public"}, id="f"), "breakable": True}], True, False),
        # In force they cover each other; if the second is lifted and the first is not, the label adds a backend.
        (
            [
                ALL,
                {**rule("forbid", {"sensitivity": "internal"}, id="f"), "breakable": True},
                {**rule("forbid", {"sensitivity": ">= confidential"}, id="g"), "breakable": True},
            ],
            False,
            True,
        ),
        (
            [
                ALL,
                {**rule("forbid", {"sensitivity": "internal"}, id="f"), "breakable": True},
                {**rule("forbid", {"sensitivity": ">= confidential"}, id="g"), "breakable": True},
            ],
            True,
            False,
        ),
    ],
)
def test_monotone_while_any_of_the_breakable_rules_are_lifted(rules, absolute, expected):
    assert holds({**RAISED, "absolute": absolute}, *rules) is expected


def after(left, enter):
    return {"chain": {"never_after": {"left": left, "enter": enter}}}


EU_US = after({"region": "eu"}, {"region": "us"})
ONWARD = rule("forbid", {"visited_regions": {"any": ["eu"]}}, {"region": "us"}, id="onward")
SURE = {name: row for name, row in BACKENDS.items() if name != "dim"}


@pytest.mark.parametrize(
    ("rules", "claim", "expected"),
    [
        ([], EU_US, None),
        ([ALL], EU_US, ["home", "far"]),
        ([ALL, ONWARD], EU_US, None),
        ([ALL, rule("forbid", {"visited_regions": {"any": ["us"]}}, {"region": "eu"})], EU_US, ["home", "far"]),
        ([ALL, rule("forbid", {"attempt": ">= 2"})], EU_US, None),
        ([ALL, rule("forbid", {"attempt": ">= 2", "last_error": {"not": "throttled"}})], EU_US, ["home", "far"]),
        ([ALL, rule("forbid", {"attempt": 2, "visited_operators": {"none": ["us"]}}, {"region": "us"})], EU_US, None),
        (
            [
                rule("permit", {"purpose": "hr"}, {"region": "eu"}),
                rule("permit", {"purpose": "general"}, {"region": "us"}, id="q"),
            ],
            EU_US,
            None,
        ),
        (
            [
                rule("permit", {"purpose": "hr"}, {"region": "eu"}),
                rule("permit", {"team": "a"}, {"region": "us"}, id="q"),
            ],
            EU_US,
            ["home", "far"],
        ),
        ([ALL], {"chain": {"max_distinct_operators": 1}}, ["far", "home"]),
        ([ALL], {"chain": {"max_distinct_operators": 2}}, None),  # there are only two
        ([ALL], {"chain": {"max_distinct_operators": 4}}, None),  # no request goes further
        (
            [ALL, rule("forbid", {"visited_regions": {"any": ["eu"]}}, {"region": "us"})],
            {"chain": {"max_distinct_operators": 1}},
            ["far", "home"],
        ),
    ],
)
def test_chain(rules, claim, expected):
    example = proved(claim, *rules, catalog=SURE).counterexample
    assert (example and sorted(step.backend for step in example.calls)) == (expected and sorted(expected))
    if example and "never_after" in claim["chain"]:
        assert [step.backend for step in example.calls] == expected


def test_a_place_that_nobody_declared_may_be_any_place():
    assert found(EU_US, rule("permit", to={"backend": ["dim", "far"]}))[1] == FAR
    assert holds(EU_US, rule("permit", to={"backend": ["dim", "far"]}), ONWARD)  # visited: unknown, so the forbid fires


def test_every_backend_is_called_once():
    claim = after({"region": "eu"}, {"region": "eu"})
    assert holds(claim, ALL, catalog=SURE)
    twins = SURE | {"twin": SURE["home"]}
    assert [step.backend for step in proved(claim, ALL, catalog=twins).counterexample.calls] == ["home", "twin"]


def test_a_chain_goes_on_over_others():
    """`far` is only permitted as the third call, so the chain takes somebody in between."""
    catalog = SURE | {
        "near": {"provider": "vllm", "base_url": "http://n/v1", "deployment": "self_hosted", "region": "eu"}
    }
    rules = [OWN, rule("permit", {"attempt": 3}, {"region": "us"})]
    example = proved(EU_US, *rules, catalog=catalog).counterexample
    assert [step.backend for step in example.calls][-1] == "far"
    assert (len(example.calls), example.facts.attempt, example.facts.visited_regions) == (3, "3", frozenset({"eu"}))
    assert holds(EU_US, *rules, catalog=SURE)


def test_what_may_not_be_left_need_not_be_the_first_call():
    catalog = SURE | {"near": CATALOG["near"]}
    order = ["near", "home", "far"]
    rules = [rule("permit", {"attempt": n}, {"backend": id}, id=id) for n, id in enumerate(order, 1)]
    example = proved(after({"backend": "home"}, {"backend": "far"}), *rules, catalog=catalog).counterexample
    assert [step.backend for step in example.calls] == order
    assert holds(after({"backend": "far"}, {"backend": "home"}), *rules, catalog=catalog)


def test_each_call_has_its_own_error():
    rules = [
        rule("permit", {"last_error": ["none", "throttled"]}, {"deployment": "self_hosted"}),
        rule("permit", {"last_error": "timed_out"}, {"region": "us"}, id="q"),
    ]
    example = proved(EU_US, *rules, catalog=SURE).counterexample
    assert [(step.backend, step.after) for step in example.calls] == [("home", ""), ("far", "timed_out")]


def test_an_absolute_chain_is_one_that_exceptions_leave_alone():
    assert holds({**EU_US, "absolute": True}, ALL, ONWARD)
    proof = proved({**EU_US, "absolute": True}, ALL, {**ONWARD, "breakable": True})
    assert (proof.holds, proof.counterexample.lifted, proof.counterexample.test) == (False, ("onward",), "")


US_LAW = {"never": {"request": {"project.jurisdiction": "us"}, "backend": {"backend": "far"}}}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([ALL], {"project": "b", "project.jurisdiction": "us"}),
        (
            [rule("permit", {"sensitivity": "public"})],
            {"sensitivity": "public", "project": "b", "project.jurisdiction": "us"},
        ),
        ([rule("permit", {"project": {"not": "b"}})], None),  # no other project is under that law, declared or not
        ([ALL, rule("forbid", {"project": "b"}), rule("forbid", {"project": {"not": ["a", "b"]}}, id="others")], None),
    ],
)
def test_a_project_is_under_the_law_that_is_declared(rules, expected):
    # Of a project that nobody declared nobody knows the law, so it might be that one.
    undeclared = rule("forbid", {"project.jurisdiction": {"not": ["eu", "us"]}}, id="undeclared")
    assert found(US_LAW, *rules, undeclared) == (expected and (expected, FAR))


def test_a_label_is_not_below_the_floor_of_its_project():
    certain = [
        rule("permit", {"sensitivity": ">= public", "project": ["a", "b"]}),
        rule("forbid", {"project": {"not": "a"}}),
    ]
    assert holds({"never": {"request": {"project": "a", "sensitivity": "<= internal"}}}, *certain)
    assert not holds({"never": {"request": {"project": "a", "sensitivity": "<= confidential"}}}, *certain)


def test_a_project_with_a_floor_is_not_shown_with_a_label_below_it():
    example = proved(
        {"never": {"request": {"sensitivity": "public"}}}, ALL, projects={"default": {"floor": "internal"}}
    ).counterexample
    assert (example.request, example.facts.project) == ({"sensitivity": "public", "project": "any-other"}, "any-other")


SECRET = {"never": {"request": {"tags": {"any": ["secret"]}, "redaction": "none"}}}


@pytest.mark.parametrize(
    ("do", "expected"),
    [
        (["redact"], True),
        (["redact", "rescan"], True),
        (["human_approval"], True),
        (["no_cache"], False),
        (["zdr_only"], False),
    ],
)
def test_a_require_that_is_not_discharged_forbids(do, expected):
    needed = {"id": "needed", "require": {"when": {"tags": {"any": ["secret"]}}, "do": do}}
    assert holds(SECRET, ALL, needed) is expected


def test_a_permit_counts_only_where_its_own_require_is_discharged():
    permit = {**ALL, "require": {"do": ["zdr_only"]}}
    keeps = {"never": {"backend": {"retention": {"not": ["none", "zdr"]}}}}
    assert (holds(keeps, permit), holds({**keeps, "over": "any_backend"}, permit), holds(keeps, ALL)) == (
        True,
        True,
        False,
    )


@pytest.mark.parametrize("mode", ["off", "shadow", "warn"])
def test_only_rules_in_force_count(mode):
    files = {"policies/b.yaml": policy(HOME, mode=mode), "invariants.yaml": {"invariants": [{"id": "i", **OUT}]}}
    (proof,) = prove(read(files, main=policy(ALL)).bundle)
    assert proof.holds is False


def test_what_compares_two_trees_is_left_out():
    assert prove(Tree([ALL], [{"id": "i", "no_new_access": {"base": "main"}}]).bundle) == ()


# how it is told


def test_the_permit_and_the_nearest_forbids_are_named_with_their_places():
    rules = [
        rule("permit", {"purpose": "hr"}, {"region": "us"}, id="wide"),
        rule("forbid", {"sensitivity": "restricted"}, {"region": "us"}, id="near"),
        rule("forbid", {"team": "a"}, {"region": "eu"}, id="further"),
        rule("forbid", {"purpose": "hr"}, {"region": "eu"}, id="elsewhere"),
    ]
    example = proved(OUT, *rules).counterexample
    assert [(each.rule, each.mark.file) for each in example.permits] == [("wide", "policies/main.yaml")]
    assert [(each.rule, each.asks) for each in example.nearest] == [
        ("near", "sensitivity is restricted"),
        ("elsewhere", "backend region is eu"),
    ]


def test_the_test_of_a_counterexample_fails_today_and_passes_once_it_is_mended():
    rules = [rule("permit", {"tags": {"any": ["pii"]}, "team": "a", "sensitivity": {"not": "public"}}, id="wide")]
    example = proved(OUT, *rules).counterexample
    files = tree({"tests/x.yaml": example.test}, main=policy(*rules))
    today = parse(encoded(files), BASE_URLS)
    assert (today.problems, len(cases.problems(today.bundle))) == ((), 1)
    mended = parse(encoded(files | {"policies/main.yaml": policy(*rules, HOME)}), BASE_URLS)
    assert cases.problems(mended.bundle) == ()


def test_a_name_that_no_rule_knows_is_a_name():
    example = proved({"never": {"request": {"team": {"not": ["any-other", "b"]}}}}, ALL).counterexample
    assert example.request == {"team": "any-other-2"}


# the budget


def test_without_steps_nothing_is_decided():
    proof = proved(OUT, ALL, steps=0)
    assert (proof.holds, proof.counterexample) == (None, None)


def test_a_hard_proof_leaves_the_others_their_share():
    many = [rule("permit", {"team": f"t{n}"}, {"region": "us"}, id=f"t{n}") for n in range(30)]  # each costs a step
    easy = {"always_some": {"request": {}}, "backend": {"deployment": "self_hosted"}}
    bundle = Tree([OWN, HOME, *many], [{"id": "hard", **OUT}, *({"id": f"easy-{n}", **easy} for n in range(2))]).bundle
    # With 54 steps the hard one takes its third, and what the easy ones leave over is enough for it.
    verdicts = [[proof.holds for proof in prove(bundle, steps)] for steps in (0, 30, 54, None)]
    assert verdicts == [[None, None, None], [None, True, True], [True, True, True], [True, True, True]]


# against the oracles


@pytest.mark.parametrize("part", range(PARTS))
def test_the_prover_z3_and_asking_everything_agree(part):
    solver = pytest.importorskip("support.solver", reason="z3-solver is not installed")
    for seed in range(part * POLICIES // PARTS, (part + 1) * POLICIES // PARTS):
        made = random_tree(seed)
        solving = solver.Solver(made)
        for proof, written in zip(prove(made.bundle), made.invariants, strict=True):
            verdicts = (proof.holds, enumerated(made, written), solving.holds(proof.invariant))
            assert len(set(verdicts)) == 1, (seed, written, verdicts, made.rules)
            assert (proof.counterexample is None) is proof.holds


def test_every_test_of_a_counterexample_fails():
    """That it is really permitted is asked before it is reported; here, that the test says the same."""
    written = 0
    for seed in range(POLICIES // 6):
        made = random_tree(seed)
        for proof in prove(made.bundle):
            if proof.counterexample is not None and proof.counterexample.test:
                files = {"catalog/a.yaml": {"backends": CATALOG}, "projects.yaml": {"projects": PROJECTS}}
                parsed = read(files | {"tests/x.yaml": proof.counterexample.test}, main=policy(*made.rules))
                assert parsed.problems == (), (seed, proof)
                assert {each.code for each in cases.problems(parsed.bundle)} == {"P401"}, (seed, proof)
                written += 1
    assert written > 50


def _verdicts(rules, invariants):
    return [proof.holds for proof in prove(Tree(rules, invariants).bundle)]


def _split(each):
    """A rule in two, by something that is never unknown."""
    (effect,) = (
        name for name in ("permit", "forbid", "require") if name in each and (name != "require" or len(each) == 2)
    )
    when = each[effect].get("when", {})
    if "attempt" in when:
        return [each]
    halves = [{"attempt": "<= 2", **when}, {"attempt": "> 2", **when}]
    return [
        {**each, "id": f"{each['id']}-{n}", effect: {**each[effect], "when": half}} for n, half in enumerate(halves)
    ]


@pytest.mark.parametrize("seed", range(POLICIES // 15))
def test_verdicts_do_not_depend_on_how_the_rules_are_put(seed):
    made, chance = random_tree(seed), random.Random(seed)
    expected = _verdicts(made.rules, made.invariants)
    never = {"attempt": 1, "last_error": "throttled"}
    idle = [rule("permit", never, id="idle"), rule("forbid", never, id="off")]
    assert _verdicts(chance.sample(made.rules, len(made.rules)), made.invariants) == expected
    assert _verdicts([{**each, "id": f"x{n}"} for n, each in enumerate(made.rules)], made.invariants) == expected
    assert _verdicts([*made.rules, *idle], made.invariants) == expected
    assert _verdicts([half for each in made.rules for half in _split(each)], made.invariants) == expected
    assert (
        _verdicts([*made.rules, *({**each, "id": f"{each['id']}-too"} for each in made.rules)], made.invariants)
        == expected
    )


# Canaries.

EVERYBODY = {"always_some": {"request": {}}, "backend": {}}


def in_canary(claim, percent, *rules):
    files = {
        "invariants.yaml": {"invariants": [{"id": "i", **claim}]},
        "policies/new.yaml": policy(*rules, canary=percent),
    }
    (proof,) = prove(read(files, main=policy(ALL)).bundle)
    return proof


@pytest.mark.parametrize("over", ["catalog", "any_backend"])
def test_a_guard_in_a_canary_guards_nothing(over):
    proof = in_canary({**OUT, "over": over}, 99, HOME)
    assert (proof.holds, proof.counterexample.request) == (False, {"sensitivity": "confidential", "key.bucket": "99"})
    assert "key.bucket: '99'" in proof.counterexample.test
    assert in_canary({**OUT, "over": over}, 100, HOME).holds


def test_a_forbid_in_a_canary_can_leave_its_keys_with_nobody():
    proof = in_canary(EVERYBODY, 10, rule("forbid"))
    assert (proof.holds, proof.counterexample.request) == (False, {"key.bucket": "0"})
    spared = rule("forbid", {"key.bucket": ">= 10"})
    known = {"always_some": {"request": {"key.bucket": "<= 99"}}, "backend": {}}
    assert in_canary(known, 10, spared).holds  # nobody is in both, but for a key that nobody knows
    assert in_canary(EVERYBODY, 10, spared).counterexample.request == {"key": "unknown"}


def test_what_a_key_is_and_which_bucket_it_is_in_are_one_fact():
    claim = {"never": {"request": {"key": "k1"}, "backend": {}}}
    elsewhere = {"key.bucket": {"not": int(bucket_of("k1"))}}
    assert holds(claim, rule("permit", elsewhere))
    assert not holds(claim, rule("permit", {"key.bucket": int(bucket_of("k1"))}))
