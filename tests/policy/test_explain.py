"""An explanation says the same as the verdict, rule by rule and atom by atom, with the place of each."""

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policy_trees import FACTS, bundle, policy, read, rule, shipped
from support.random_policies import ROWS, Random

from gateway.core.buckets import key_in
from gateway.core.decision import Facts
from gateway.policy.decide import Eligibility
from gateway.policy.document import Mark
from gateway.policy.explain import explain, open_exemptions
from gateway.policy.parse import parse
from gateway.policy.rules import moment
from gateway.providers import BASE_URLS

MAIN = "policies/main.yaml"
TEXT = """\
policy: base
owner: security
rules:
  - id: no-pii
    why: People are not ours to give.
    forbid:
      when: {tags: {any: [pii]}}
      to: {region: {not: eu}}
  - id: legal
    permit: {when: {team: [legal, hr], sensitivity: "<= internal"}}
  - id: cheap
    prefer: {order: [cost]}
"""
BUNDLE = read({MAIN: TEXT}).bundle
OURS = parse(shipped(), BASE_URLS, today="2026-11-22").bundle
T, F, U = True, False, None


def of(made, id, facts=FACTS, at=0.0):
    (found,) = explain(made, facts, at, [id])
    return found


def changed(**facts):
    return msgspec.structs.replace(FACTS, **facts)


@pytest.mark.parametrize(
    ("changes", "id", "permitted", "legal", "no_pii"),
    [  # of a rule: what came of each atom, of all, and whether it fires
        ({}, "home", True, ([T, T], T, True), ([T, F], F, False)),
        ({}, "dim", False, ([T, T], T, True), ([T, U], U, True)),
        ({"tags": frozenset()}, "home", True, ([T, T], T, True), ([F, F], F, False)),
        ({"tags": frozenset()}, "dim", True, ([T, T], T, True), ([F, U], F, False)),
        ({"tags": None, "team": None}, "home", False, ([U, T], U, False), ([U, F], F, False)),
        ({"tags": None, "team": None}, "dim", False, ([U, T], U, False), ([U, U], U, True)),
        ({"sensitivity": "odd", "team": "x"}, "home", False, ([F, U], F, False), ([T, F], F, False)),
        ({"sensitivity": "odd"}, "far", False, ([T, U], U, False), ([T, T], T, True)),
    ],
)
def test_every_rule_is_told_atom_by_atom(changes, id, permitted, legal, no_pii):
    found = of(BUNDLE, id, changed(**changes))
    told = {each.rule: ([atom.truth for atom in each.atoms], each.truth, each.fires) for each in found.rules}
    assert (found.permitted, told) == (permitted, {"legal": legal, "no-pii": no_pii})


def test_atoms_and_rules_are_told_as_they_are_written_and_where():
    legal, no_pii = of(BUNDLE, "far").rules
    assert [(each.text, each.mark) for each in no_pii.atoms] == [
        ("tags any pii", Mark(MAIN, 7, 14)),
        ("backend region not eu", Mark(MAIN, 8, 12)),
    ]
    assert (no_pii.why, no_pii.effect, no_pii.mode, no_pii.mark) == ("People are not ours to give.", "forbid", "enforce", Mark(MAIN, 4, 9))  # fmt: skip
    assert [each.text for each in legal.atoms] == ["team is legal, hr", "sensitivity <= internal"]


REQUIRING = [
    rule("permit", id="all"),
    {"id": "kept", "require": {"when": {"team": "legal"}, "do": ["zdr_only", "redact"]}},
    rule("permit", id="with") | {"require": {"do": ["region_pin"]}},
    rule("forbid", {"principal.person": {"not_in": "backend.eligible_persons"}}, {"eligible_persons": "declared"}),
]


@pytest.mark.parametrize(
    ("facts", "id", "expected"),
    [
        ({"team": "hr", "person": "us_person"}, "far", {"all": (T, True), "with": (T, True), "forbid": (F, False), "kept": (F, False)}),
        ({"team": "legal", "person": "us_person"}, "far", {"all": (T, True), "with": (T, True), "forbid": (F, False), "kept": (T, True)}),
        ({"team": "legal", "person": "us_person", "redaction": "done"}, "home", {"all": (T, True), "with": (T, True), "forbid": (F, False), "kept": (T, False)}),
        ({"team": None, "person": None}, "dim", {"all": (T, True), "with": (T, False), "forbid": (F, False), "kept": (U, True)}),
        ({"team": "hr", "person": "eu_person"}, "far", {"all": (T, True), "with": (T, True), "forbid": (T, True), "kept": (F, False)}),
        ({"team": "hr", "person": None}, "far", {"all": (T, True), "with": (T, True), "forbid": (U, True), "kept": (F, False)}),
    ],
)  # fmt: skip
def test_a_requirement_fires_while_it_is_not_discharged(facts, id, expected):
    told = of(bundle(*REQUIRING), id, changed(**facts))
    assert {each.rule: (each.truth, each.fires) for each in told.rules} == expected


def test_each_obligation_is_told_with_what_came_of_it():
    do = ["zdr_only", "redact", "no_cache", "human_approval", {"max_output_tokens": 9}]
    (kept,) = of(bundle({"id": "a", "require": {"do": do}}), "dim").rules
    assert [(str(each.due), each.discharged) for each in kept.dues] == [
        ("zdr_only", U),
        ("redact pii secret", F),
        ("no_cache", T),
        ("human_approval", F),
        ("max_output_tokens 9", T),
    ]


@pytest.mark.parametrize(("mode", "told"), [("shadow", ["new"]), ("warn", ["new"]), ("off", [])])
def test_a_rule_that_is_watched_is_told_and_decides_nothing(mode, told):
    watched = policy(rule("forbid", id="new"), mode=mode)
    found = of(bundle(rule("permit"), files={"policies/b.yaml": watched}), "home")
    assert [(each.rule, each.fires, each.decides) for each in found.rules[1:]] == [(id, True, False) for id in told]
    assert (found.permitted, found.nearest) == (True, ())


EXCEPTION = {
    "id": "e",
    "rules": ["soft"],
    "principal": {"key": "k1"},
    "backends": ["far"],
    "starts": "2026-11-22T18:00:00Z",
    "expires": "2026-11-22T20:00:00Z",
    "ticket": "T",
    "requested_by": "a",
    "approved_by": ["b", "c"],
}
BROKEN = bundle(
    rule("permit"), rule("forbid", id="soft", breakable=True), files={"exceptions/a.yaml": {"exceptions": [EXCEPTION]}}
)


@pytest.mark.parametrize(
    ("id", "facts", "at", "lifted"),
    [
        ("far", {}, "2026-11-22T18:00:00Z", "e"),
        ("far", {}, "2026-11-22T19:59:59Z", "e"),
        ("far", {}, "2026-11-22T20:00:00Z", ""),
        ("far", {}, "2026-11-22T17:59:59Z", ""),
        ("home", {}, "2026-11-22T18:00:00Z", ""),
        ("far", {"key": "k2"}, "2026-11-22T18:00:00Z", ""),
        ("far", {"key": None}, "2026-11-22T18:00:00Z", ""),
    ],
)
def test_a_rule_that_an_exception_lifts_is_told_with_it(id, facts, at, lifted):
    seconds = moment(at)
    found = of(BROKEN, id, changed(**facts), seconds)
    (soft,) = [each for each in found.rules if each.rule == "soft"]
    assert (soft.lifted, soft.fires, soft.decides, found.permitted) == (lifted, True, not lifted, bool(lifted))
    if id == "far":
        assert [each.id for each in open_exemptions(BROKEN, changed(**facts), seconds)] == ([lifted] if lifted else [])


SEEDS = st.integers(0, 10**9)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SEEDS)
def test_it_agrees_with_the_verdict(seed):
    source = Random(seed)
    made = bundle(*source.rules(), files={"catalog/a.yaml": {"backends": ROWS}})
    facts = source.facts()
    verdicts = Eligibility(made).ask(facts).verdicts
    for each in explain(made, facts):
        found = verdicts[each.backend]
        assert each.permitted is found.permitted
        assert {told.rule for told in each.rules if told.decides} == {*found.permits, *found.forbids}


@settings(max_examples=15, deadline=None, derandomize=True)
@given(SEEDS)
def test_of_the_shipped_tree_it_agrees_with_the_verdict(seed):
    facts = Random(seed).facts()
    verdicts = Eligibility(OURS).ask(facts).verdicts
    assert {each.backend: each.permitted for each in explain(OURS, facts)} == {
        id: verdict.permitted for id, verdict in verdicts.items()
    }


def test_what_would_help_is_told_of_the_request_first():
    (found,) = of(BUNDLE, "far", changed(team="x", tags=frozenset())).nearest
    assert [(each.attribute, each.now) for each in found] == [("team", "x")]


def test_where_no_request_would_do_it_is_told_of_the_backend():
    made = bundle(rule("permit", to={"region": "eu"}))
    (found,) = of(made, "far").nearest
    assert [(each.attribute, each.now, each.wanted) for each in found] == [("backend.region", "us", "eu")]


def test_where_nothing_would_do_nothing_is_told():
    assert of(bundle(rule("permit"), rule("forbid")), "far").nearest == ()


def test_only_the_backends_asked_for_are_told_in_the_order_of_the_catalog():
    assert [[each.backend for each in explain(BUNDLE, FACTS, 0.0, only)] for only in (None, ["far", "home"], [])] == [
        ["home", "far", "dim"],
        ["home", "far"],
        [],
    ]


def test_a_word_that_nobody_declared_is_unknown_here_too():
    unknown = Facts(**dict.fromkeys(Facts.__struct_fields__))
    odd = msgspec.structs.replace(unknown, purpose="odd", jurisdiction="mars")
    assert [each.permitted for each in explain(OURS, odd)] == [each.permitted for each in explain(OURS, unknown)]


def test_a_mark_points_at_the_id_of_the_rule():
    texts = {name: raw.decode().splitlines() for name, raw in shipped().items()}
    for told in itertools.chain.from_iterable(each.rules for each in explain(OURS, FACTS)):
        line = texts[told.mark.file][told.mark.line - 1][told.mark.column - 1 :]
        assert line.startswith(told.rule)


def wanted(made, id="far", at=0.0, **facts):
    """The nearest permits: for each the attributes, as they are and as they would have to be."""
    return [[(c.attribute, c.now, c.wanted) for c in some] for some in of(made, id, changed(**facts), at).nearest]


@pytest.mark.parametrize(
    ("facts", "id", "expected"),
    [
        ({}, "far", [[("tags", "with pii", "without pii")]]),
        ({}, "home", []),
        ({"team": "web"}, "home", [[("team", "web", "hr, legal")]]),
        ({"team": None}, "far", [[("tags", "with pii", "without pii"), ("team", "unknown", "hr, legal")]]),
    ],
)
def test_the_nearest_permitted_request_is_told_with_what_is_and_what_would_do(facts, id, expected):
    assert wanted(BUNDLE, id, **facts) == expected


def test_where_neither_request_nor_backend_alone_would_do_it_is_told_of_both():
    made = bundle(rule("permit", {"team": ["legal", "hr"]}), rule("forbid", {}, {"region": {"not": "eu"}}))
    assert wanted(made) == [[("backend.region", "us", "eu")]]
    assert wanted(made, "dim") == [[("backend.region", "unknown", "eu")]]
    assert wanted(made, team="x") == [[("team", "x", "hr, legal"), ("backend.region", "us", "eu")]]


def test_facts_of_the_hop_and_names_of_backends_are_nothing_that_anybody_could_change():
    once = rule("forbid", {"attempt": ">= 2"})
    assert wanted(bundle(rule("permit"), once), attempt="2", last_error="timed_out") == []
    assert wanted(bundle(rule("permit", {}, {"backend": "home", "provider": "vllm"}))) == []


def test_a_rule_that_does_not_fire_is_not_lifted():
    soft = rule("forbid", {"team": "x"}, id="soft", breakable=True)
    made = bundle(rule("permit"), soft, files={"exceptions/a.yaml": {"exceptions": [EXCEPTION]}})
    assert [each.lifted for each in of(made, "far", at=moment("2026-11-22T19:00:00Z")).rules] == ["", ""]


def test_what_an_exception_lifts_does_not_stand_in_the_way():
    soft = rule("forbid", {"tags": {"any": ["pii"]}}, id="soft", breakable=True)
    made = bundle(rule("permit", {"team": "x"}), soft, files={"exceptions/a.yaml": {"exceptions": [EXCEPTION]}})
    opened, closed = moment("2026-11-22T19:00:00Z"), moment("2026-11-22T20:00:00Z")
    assert [change[0] for change in wanted(made, at=opened)[0]] == ["team"]
    assert [change[0] for change in wanted(made, at=closed)[0]] == ["tags", "team"]


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [("9", [("enforce", T, True), ("shadow", F, False)]), ("10", [("enforce", F, False), ("shadow", T, True)])],
)
def test_a_rule_in_a_canary_is_explained_as_it_is_for_its_keys_and_for_the_others(bucket, expected):
    made = bundle(rule("permit", id="all"), files={"policies/b.yaml": policy(rule("forbid"), canary=10)})
    found = of(made, "far", changed(key=key_in(bucket)))
    assert [(each.mode, each.truth, each.fires) for each in found.rules if each.rule == "forbid"] == expected
    assert found.permitted is (bucket == "10")
    wanted = [[(change.attribute, change.now, change.wanted) for change in each] for each in found.nearest]
    assert wanted == ([[("key.bucket", "0 to 9", "10 to 99")]] if bucket == "9" else [])
