"""Who may serve a request: deny by default, forbid overrides, and what is not known is held against the sender."""

import itertools
import os

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policy_trees import BACKENDS, FACTS, WORDS, bundle, encoded, policy, read, rule, shipped
from support.random_policies import ROWS, Random, as_backend, as_request, asked, values_of
from support.reference import verdict

from gateway.core.buckets import BUCKETS, key_in
from gateway.core.catalog import PASSPORT
from gateway.core.decision import Facts, Obligation, Ruling, Verdict
from gateway.core.labels import LEVELS
from gateway.policy.decide import Eligibility, known_only
from gateway.policy.parse import parse
from gateway.policy.rules import moment
from gateway.policy.vocabulary import REQUEST
from gateway.providers import BASE_URLS

REQUESTS = 1_000_000 if os.environ.get("GATEWAY_TEST_AMOUNTS") == "full" else 20_000
EVERYONE = set(BACKENDS)
UNKNOWN = Facts(**dict.fromkeys(Facts.__struct_fields__))
ALL = rule("permit", id="all")


def ask(rules, facts=FACTS):
    return Eligibility(bundle(*rules)).ask(facts)


def admitted(ruling):
    return {id for id, verdict in ruling.verdicts.items() if verdict.permitted}


def permitted(rules, facts=FACTS):
    return admitted(ask(rules, facts))


def changed(**facts):
    return msgspec.structs.replace(FACTS, **facts)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], set()),
        ([ALL], EVERYONE),
        ([rule("forbid")], set()),
        ([ALL, rule("forbid")], set()),
        ([rule("forbid"), ALL], set()),
        ([{"id": "cheap", "prefer": {"order": ["cost"]}}], set()),
        ([{"id": "money", "limit": {"usd": 1, "per": "key", "window": "day"}}], set()),
        ([{"id": "must", "require": {"do": ["no_cache"]}}], set()),
        ([ALL, {"id": "money", "limit": {"usd": 0, "per": "key", "window": "day"}}], EVERYONE),
        ([rule("permit", {"team": "legal"})], EVERYONE),
        ([rule("permit", {"team": "hr"})], set()),
        ([rule("permit", {"team": "legal", "app": "cli"})], set()),
        ([rule("permit", {"team": "any", "app": "any"})], EVERYONE),
        ([rule("permit", to={"region": "eu"})], {"home"}),
        ([rule("permit", to={"region": {"not": "eu"}})], {"far"}),  # `dim` is unknown, so it is not permitted
        ([rule("permit", to={"region": "any"})], EVERYONE),
        ([rule("permit", to={"region": "declared"})], {"home", "far"}),
        ([ALL, rule("forbid", to={"region": "declared"})], {"dim"}),
        ([ALL, rule("forbid", to={"region": "us"})], {"home"}),  # and not spared either
        ([ALL, rule("forbid", to={"region": {"not": "eu"}})], {"home"}),
        ([ALL, rule("forbid", {"team": "hr"}, {"region": "us"})], EVERYONE),
        ([ALL, rule("forbid", {"team": "legal"}, {"region": "us"})], {"home"}),
        ([ALL, rule("forbid", to={"region": "us", "provider": "vllm"})], EVERYONE),
        ([rule("permit", {"sensitivity": "<= internal"})], EVERYONE),
        ([rule("permit", {"sensitivity": "> internal"})], set()),
        ([rule("permit", {"tags": {"any": ["pii", "secret"]}})], EVERYONE),
        ([rule("permit", {"tags": {"all": ["pii", "secret"]}})], set()),
        ([rule("permit", {"tags": {"none": ["secret"]}})], EVERYONE),
        ([rule("permit", {"attempt": 1})], EVERYONE),
        ([rule("permit", {"attempt": "> 1"})], set()),
        ([ALL, rule("forbid", {"attempt": {"not": [2, 3, 4]}})], set()),
    ],
)
def test_who_is_permitted(rules, expected):
    assert permitted(rules) == expected


CONDITIONS = [
    ({"sensitivity": "internal"}, "sensitivity"),
    ({"sensitivity": ">= public"}, "sensitivity"),
    ({"sensitivity": {"not": "restricted"}}, "sensitivity"),
    ({"source_sensitivity": "< restricted"}, "source_sensitivity"),
    ({"tags": {"any": ["pii"]}}, "tags"),
    ({"tags": {"all": ["pii"]}}, "tags"),
    ({"tags": {"none": ["secret"]}}, "tags"),
    ({"redaction": "none"}, "redaction"),
    ({"purpose": "general"}, "purpose"),
    ({"purpose": {"not": "hr"}}, "purpose"),
    ({"project": "default"}, "project"),
    ({"project.jurisdiction": "eu"}, "jurisdiction"),
    ({"principal.person": {"not": "us_person"}}, "person"),
    ({"team": {"not": "hr"}}, "team"),
    ({"app": ["web", "cli"]}, "app"),
    ({"key": {"not": "k2"}}, "key"),
    ({"budget": "ok"}, "budget"),
    ({"attempt": 1}, "attempt"),
    ({"last_error": "none"}, "last_error"),
    ({"visited_regions": {"none": "eu"}}, "visited_regions"),
    ({"visited_operators": {"none": ["cn"]}}, "visited_operators"),
]
KNOWN = changed(jurisdiction="eu", person="eu_person")


def test_every_fact_is_in_the_table_of_unknowns():
    assert {name for _, name in CONDITIONS} == set(Facts.__struct_fields__)


@pytest.mark.parametrize(("when", "name"), CONDITIONS)
def test_an_unknown_fact_satisfies_no_permit_and_escapes_no_forbid(when, name):
    unknown = msgspec.structs.replace(KNOWN, **{name: None})
    permit, forbid = [rule("permit", when)], [ALL, rule("forbid", when)]
    require = [ALL, {"id": "must", "require": {"when": when, "do": ["human_approval"]}}]
    assert [permitted(permit, KNOWN), permitted(permit, unknown)] == [EVERYONE, set()]
    assert [permitted(forbid, KNOWN), permitted(forbid, unknown)] == [set(), set()]
    assert [permitted(require, KNOWN), permitted(require, unknown)] == [set(), set()]


@pytest.mark.parametrize(("when", "name"), CONDITIONS)
def test_an_unknown_fact_matters_only_where_it_is_asked(when, name):
    others = msgspec.structs.replace(UNKNOWN, **{name: getattr(KNOWN, name)})
    assert permitted([rule("permit", when)], others) == EVERYONE


def test_false_beats_unknown_so_a_forbid_of_something_else_is_no_forbid():
    facts = msgspec.structs.replace(UNKNOWN, team="a")
    assert permitted([ALL, rule("forbid", {"team": "hr", "project": "x"})], facts) == EVERYONE


# A word of the request and a set of the backend.

ELIGIBLE = rule("forbid", {"principal.person": {"not_in": "backend.eligible_persons"}}, id="eligible")
WHERE_DECLARED = {"id": "eligible", "forbid": ELIGIBLE["forbid"] | {"to": {"eligible_persons": "declared"}}}
ONLY_ELIGIBLE = rule("permit", {"principal.person": {"in": "backend.eligible_persons"}})


@pytest.mark.parametrize(
    ("rules", "person", "expected"),
    [
        ([ALL, ELIGIBLE], "us_person", {"home", "far"}),  # `dim` does not say who may use it: unknown, so it fires
        ([ALL, ELIGIBLE], "eu_person", {"home"}),
        ([ALL, ELIGIBLE], None, set()),
        ([ALL, ELIGIBLE], "martian", set()),
        ([ALL, WHERE_DECLARED], "us_person", EVERYONE),
        ([ALL, WHERE_DECLARED], "eu_person", {"home", "dim"}),
        ([ALL, WHERE_DECLARED], None, {"dim"}),
        ([ONLY_ELIGIBLE], "us_person", {"home", "far"}),
        ([ONLY_ELIGIBLE], "eu_person", {"home"}),
        ([ONLY_ELIGIBLE], None, set()),
    ],
)
def test_who_is_eligible_is_asked_of_each_backend(rules, person, expected):
    assert permitted(rules, changed(person=person)) == expected


def test_an_empty_list_of_eligible_persons_is_declared_and_admits_nobody():
    catalog = {"catalog/a.yaml": {"backends": {"none": {"provider": "openai", "eligible_persons": []}}}}
    eligibility = Eligibility(bundle(ALL, ELIGIBLE, files=catalog))
    assert admitted(eligibility.ask(changed(person="us_person"))) == set()


def test_an_unknown_set_beside_a_false_condition_is_no_forbid():
    other_team = rule("forbid", {"principal.person": {"not_in": "backend.eligible_persons"}, "team": "hr"})
    assert permitted([ALL, other_team], changed(person=None)) == EVERYONE


# Words that nobody declared.


@pytest.mark.parametrize("name", ["sensitivity", "source_sensitivity", "purpose", "redaction", "attempt", "last_error"])
def test_a_word_outside_the_vocabulary_is_unknown(name):
    odd, unknown = changed(**{name: "odd"}), changed(**{name: None})
    words = WORDS.get(REQUEST[name].section) or REQUEST[name].values
    rules = [ALL, rule("forbid", {name: words[-1]})]
    assert (ask(rules, odd), permitted(rules, odd)) == (ask(rules, unknown), set())


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (KNOWN, KNOWN),
        (UNKNOWN, UNKNOWN),
        (changed(sensitivity="Internal"), changed(sensitivity=None)),
        (changed(purpose=""), changed(purpose=None)),
        (changed(team="odd", app="", key="odd", project="odd"), changed(team="odd", app="", key="odd", project="odd")),
        (changed(tags=frozenset()), changed(tags=frozenset())),
        (changed(tags=frozenset({"pii", "odd"})), changed(tags=None)),
        (changed(jurisdiction="mars", person="martian"), changed()),
        (changed(attempt="5"), changed(attempt=None)),
        (changed(visited_regions=frozenset({"eu"})), changed(visited_regions=frozenset({"eu"}))),
        (changed(visited_regions=frozenset({"mars"})), changed(visited_regions=None)),
    ],
)
def test_only_words_of_the_vocabulary_are_kept(facts, expected):
    assert known_only(facts, bundle().vocabulary) == expected


# Rulings.


def test_a_ruling_names_the_rules_that_decided():
    rules = [
        ALL,
        rule("permit", {"team": "hr"}, id="hr"),
        rule("permit", to={"region": "eu"}, id="eu"),
        rule("forbid", {"team": "legal"}, {"region": "us"}, id="no-us"),
        {"id": "cheap", "prefer": {"order": ["cost"], "when": {"purpose": "general"}}},
    ]
    assert ask(rules) == Ruling(
        FACTS,
        {
            "home": Verdict(("all", "eu"), ()),
            "far": Verdict(("all",), ("no-us",)),
            "dim": Verdict(("all",), ("no-us",)),
        },
        frozenset({"cost"}),
    )


@pytest.mark.parametrize(("purpose", "order"), [("general", {"cost"}), ("hr", set()), (None, set()), ("odd", set())])
def test_a_preference_counts_only_when_it_is_true(purpose, order):
    rules = [ALL, {"id": "cheap", "prefer": {"order": ["cost"], "when": {"purpose": "general"}}}]
    assert ask(rules, changed(purpose=purpose)).order == order


def test_an_eligibility_says_what_it_was_made_of():
    made = bundle(ALL)
    eligibility = Eligibility(made, {"far": "X is not set"})
    assert (eligibility.bundle, eligibility.digest, eligibility.not_offered, eligibility.projects) == (
        made,
        made.digest,
        {"far": "X is not set"},
        made.projects,
    )
    assert {name: [each.id for each in behind] for name, behind in eligibility.names.items()} == {
        "auto": ["home", "far", "dim"],
        "home": ["home"],
        "far": ["far"],
        "dim": ["dim"],
    }


@pytest.mark.parametrize(
    ("when", "asks"),
    [({"team": "a"}, False), ({"attempt": 2}, True), ({"visited_regions": {"any": "eu"}}, True), ({"attempt": "any"}, False)],
)  # fmt: skip
def test_it_says_whether_the_hops_of_a_request_can_differ(when, asks):
    assert Eligibility(bundle(ALL, rule("forbid", when))).asks_hops is asks


def test_only_a_forbid_that_fires_and_says_so_cuts_running_calls():
    rules = [
        ALL,
        rule("forbid", to={"region": "us"}, id="cut", in_flight="revoke"),
        rule("forbid", to={"region": "eu"}),
    ]
    assert {id: each.revokes for id, each in ask(rules).verdicts.items()} == {"home": False, "far": True, "dim": True}


# Requirements.

REDACT = {"do": ["redact", "rescan"]}


@pytest.mark.parametrize(
    ("do", "facts", "expected"),
    [
        ("redact", {}, set()),
        ("redact", {"redaction": "done"}, EVERYONE),
        ("redact", {"redaction": None}, set()),
        ("rescan", {}, set()),
        ("rescan", {"redaction": "done"}, EVERYONE),
        ("no_prompt_log", {}, EVERYONE),
        ("no_cache", {}, EVERYONE),
        ("region_pin", {}, {"home", "far"}),
        ("zdr_only", {}, {"home"}),  # `far` keeps prompts for 30 days, `dim` does not say
        ({"max_output_tokens": 100}, {}, EVERYONE),
        ("strip_images", {}, EVERYONE),
        ("human_approval", {}, set()),
        ("canary_watermark", {}, set()),
    ],
)
def test_each_obligation_alone_and_beside_a_permit(do, facts, expected):
    alone = [ALL, {"id": "must", "require": {"do": [do]}}]
    beside = [ALL | {"require": {"do": [do]}}]
    assert [permitted(alone, changed(**facts)), permitted(beside, changed(**facts))] == [expected, expected]


def test_a_requirement_alone_binds_every_permit_and_one_beside_a_permit_only_its_own():
    more = rule("permit", to={"region": "us"}, id="more")
    alone = [ALL, more, {"id": "must", "require": {"do": ["zdr_only"]}}]
    beside = [ALL | {"require": {"do": ["zdr_only"]}}, more]
    assert [permitted(alone), permitted(beside)] == [{"home"}, {"home", "far"}]


def test_a_requirement_binds_only_where_it_speaks():
    where = {"when": {"team": "legal"}, "to": {"deployment": "vendor_api"}}
    rules = [ALL, {"id": "must", "require": where | {"do": ["human_approval"]}}]
    assert [permitted(rules), permitted(rules, changed(team="hr")), permitted(rules, changed(team=None))] == [
        {"home"},
        EVERYONE,
        {"home"},
    ]


def test_a_requirement_that_is_not_met_is_among_the_forbids():
    verdicts = ask([ALL, {"id": "must", "require": {"do": ["zdr_only", "region_pin"]}}]).verdicts
    assert {id: each.forbids for id, each in verdicts.items()} == {"home": (), "far": ("must",), "dim": ("must",)}


def tokens(count):
    return {"max_output_tokens": count}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([ALL], []),
        ([ALL, {"id": "m", "require": {"do": [tokens(9)]}}], [("max_output_tokens", 9)]),
        ([ALL, {"id": "m", "require": {"do": [tokens(9), tokens(7), "no_cache"]}}], [("max_output_tokens", 7)]),
        ([ALL, {"id": "m", "require": {"do": [tokens(9)]}}, {"id": "n", "require": {"do": [tokens(10), "strip_images"]}}], [("max_output_tokens", 9), ("strip_images", 0)]),
        ([ALL, {"id": "m", "require": {"when": {"team": "hr"}, "do": [tokens(9)]}}], []),
        ([ALL, {"id": "m", "require": {"when": {"project.jurisdiction": "eu"}, "do": [tokens(9)]}}], [("max_output_tokens", 9)]),  # unknown
        ([ALL, {"id": "m", "require": {"to": {"region": "us"}, "do": [tokens(9)]}}], []),
        # beside permits: kept only where no permit admits without a condition
        ([ALL | {"require": {"do": [tokens(9)]}}], [("max_output_tokens", 9)]),
        ([ALL, rule("permit", id="b") | {"require": {"do": [tokens(9)]}}], []),
        ([rule("permit", id="a") | {"require": {"do": [tokens(5)]}}, rule("permit", id="b") | {"require": {"do": [tokens(9), "strip_images"]}}], [("max_output_tokens", 5), ("strip_images", 0)]),
        ([rule("permit", id="a") | {"require": {"do": [tokens(5)]}}, rule("permit", {"team": "hr"}, id="b")], [("max_output_tokens", 5)]),
        ([ALL | {"require": {"do": [tokens(9)]}}, {"id": "m", "require": {"do": [tokens(10)]}}], [("max_output_tokens", 9)]),
        ([ALL | {"require": {"do": [tokens(9)]}}, rule("forbid")], []),
    ],
)  # fmt: skip
def test_what_is_to_be_done_is_the_strictest_of_what_is_asked(rules, expected):
    assert ask(rules).verdicts["home"].do == tuple(Obligation(*each) for each in expected)


# Modes.


@pytest.mark.parametrize("mode", ["off", "shadow", "warn"])
@pytest.mark.parametrize(
    ("watched", "fires"),
    [
        (rule("permit", id="new"), EVERYONE),
        (rule("permit", {"project.jurisdiction": "eu"}, id="new"), set()),
        (rule("permit", to={"region": "eu"}, id="new"), {"home"}),
        (rule("forbid", id="new"), EVERYONE),
        (rule("forbid", {"project.jurisdiction": "eu"}, id="new"), EVERYONE),
        (rule("forbid", to={"region": "us"}, id="new", in_flight="revoke"), {"far", "dim"}),
        ({"id": "new", "require": {"do": ["zdr_only"]}}, {"far", "dim"}),
        ({"id": "new", "require": {"do": ["canary_watermark"]}}, EVERYONE),
        ({"id": "new", "require": {"do": [{"max_output_tokens": 1}]}}, set()),
    ],
)
@pytest.mark.parametrize("force", [[], [ALL], [ALL, rule("forbid", to={"region": "us"})]])
def test_a_rule_that_is_not_enforced_changes_nothing_and_says_what_it_would(force, watched, mode, fires):
    without = Eligibility(bundle(*force)).ask(FACTS)
    with_it = Eligibility(bundle(*force, files={"policies/new.yaml": policy(watched, mode=mode)})).ask(FACTS)
    names = {id: ("new",) if id in fires and mode != "off" else () for id in BACKENDS}
    assert {id: each.watched for id, each in with_it.verdicts.items()} == names
    assert {id: msgspec.structs.replace(each, watched=()) for id, each in with_it.verdicts.items()} == without.verdicts


def test_a_preference_that_is_not_enforced_orders_nothing():
    cheap = policy({"id": "cheap", "prefer": {"order": ["cost"]}}, mode="shadow")
    assert Eligibility(bundle(ALL, files={"policies/b.yaml": cheap})).ask(FACTS).order == frozenset()


# Break-glass exceptions.

NO_US = rule("forbid", to={"region": "us"}, id="no-us", breakable=True, in_flight="revoke")
NO_HR = rule("forbid", {"team": "legal"}, {"region": "us"}, id="no-legal", breakable=True)
START, END = moment("2026-11-22T18:00:00Z"), moment("2026-11-22T20:00:00Z")


def exception(**fields):
    base = {
        "id": "e",
        "rules": ["no-us"],
        "principal": {"key": "k1"},
        "backends": ["far"],
        "starts": "2026-11-22T18:00:00Z",
        "expires": "2026-11-22T20:00:00Z",
        "ticket": "T-1",
        "requested_by": "ann",
        "approved_by": ["bob", "eve"],
    }
    return base | fields


def broken(*exceptions, rules=(ALL, NO_US), facts=FACTS, at=START):
    made = bundle(*rules, files={"exceptions/a.yaml": {"exceptions": list(exceptions)}})
    return Eligibility(made).ask(facts, at)


@pytest.mark.parametrize(
    ("at", "open_"),
    [(0.0, False), (START - 1, False), (START - 0.001, False), (START, True), (END - 0.001, True), (END, False), (END + 9, False)],
)  # fmt: skip
def test_an_exception_is_open_from_its_start_until_before_its_end(at, open_):
    assert admitted(broken(exception(), at=at)) == ({"home", "far"} if open_ else {"home"})


def test_an_eligibility_asked_at_two_moments_gives_two_answers():
    made = Eligibility(bundle(ALL, NO_US, files={"exceptions/a.yaml": {"exceptions": [exception()]}}))
    assert [admitted(made.ask(FACTS, at)) for at in (START, END, START)] == [{"home", "far"}, {"home"}, {"home", "far"}]


@pytest.mark.parametrize(
    ("fields", "facts", "expected"),
    [
        ({}, {}, {"home", "far"}),
        ({}, {"key": "k2"}, {"home"}),
        ({}, {"key": None}, {"home"}),  # an unknown caller is not the one it was made for
        ({"principal": {"team": "legal", "purpose": "hr"}}, {}, {"home"}),
        ({"principal": {"team": ["legal", "hr"], "purpose": "general"}}, {}, {"home", "far"}),
        ({"principal": {"project": "default"}}, {}, {"home", "far"}),
        ({"backends": ["far", "dim"]}, {}, EVERYONE),
        ({"backends": ["dim"]}, {}, {"home", "dim"}),
    ],
)
def test_an_exception_is_for_whom_it_names_towards_what_it_names(fields, facts, expected):
    assert admitted(broken(exception(**fields), facts=changed(**facts))) == expected


def test_an_exception_lifts_only_the_rules_it_names():
    rules = [ALL, NO_US, NO_HR]
    one, both = broken(exception(), rules=rules), broken(exception(rules=["no-us", "no-legal"]), rules=rules)
    assert (admitted(one), admitted(both)) == ({"home"}, {"home", "far"})
    assert one.verdicts["far"] == Verdict(("all",), ("no-legal",), broken=("no-us",))


def test_a_lifted_rule_is_told_and_no_longer_cuts_calls():
    lifted, not_ = broken(exception()).verdicts["far"], broken(exception(), at=END).verdicts["far"]
    assert lifted == Verdict(("all",), (), broken=("no-us",))
    assert not_ == Verdict(("all",), ("no-us",), revokes=True)


def test_an_exception_adds_no_permit():
    assert admitted(broken(exception(), rules=[NO_US])) == set()


def test_two_exceptions_add_up():
    second = exception(id="f", rules=["no-legal"], starts="2026-11-22T19:00:00Z", expires="2026-11-22T21:00:00Z")
    at = [START, moment("2026-11-22T19:30:00Z"), moment("2026-11-22T20:30:00Z")]
    assert [admitted(broken(exception(), second, rules=[ALL, NO_US, NO_HR], at=each)) for each in at] == [
        {"home"},
        {"home", "far"},
        {"home"},
    ]


# Layers.


def layered(project_rules, facts):
    files = {
        "projects.yaml": {"projects": {"acme": {}, "other": {}}},
        "policies/projects/acme/a.yaml": policy(*project_rules),
    }
    return Eligibility(bundle(ALL, files=files)).ask(facts)


@pytest.mark.parametrize(
    ("project", "expected"), [("acme", {"home"}), ("other", EVERYONE), ("default", EVERYONE), (None, {"home"})]
)
def test_the_rules_of_a_project_concern_only_it_or_nobody_knows_whom(project, expected):
    rules = [rule("forbid", to={"region": {"not": "eu"}})]
    assert admitted(layered(rules, changed(project=project))) == expected


def test_a_requirement_and_a_preference_of_a_project_concern_only_it():
    rules = [{"id": "must", "require": {"do": ["zdr_only"]}}, {"id": "cheap", "prefer": {"order": ["cost"]}}]
    acme, other = layered(rules, changed(project="acme")), layered(rules, changed(project="other"))
    assert [(admitted(each), each.order) for each in (acme, other)] == [({"home"}, {"cost"}), (EVERYONE, set())]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6))
def test_a_layer_only_narrows(seed):
    source = Random(seed)
    layer = [source.rule(f"l{n}", source.random.choice(["forbid", "require"])) for n in range(2)]
    files = {
        "catalog/a.yaml": {"backends": ROWS},
        "projects.yaml": {"projects": {"a": {}}},
    }
    rules = source.rules()
    without = Eligibility(bundle(*rules, files=files))
    with_it = Eligibility(bundle(*rules, files=files | {"policies/projects/a/x.yaml": policy(*layer)}))
    for _ in range(10):
        facts = source.facts()
        before, after = admitted(without.ask(facts)), admitted(with_it.ask(facts))
        assert after <= before
        if facts.project not in ("a", None):
            assert after == before


# Properties, on random small policies.


def made(rules, catalog=ROWS):
    return Eligibility(bundle(*rules, files={"catalog/a.yaml": {"backends": catalog}}))


def verdicts(eligibility, facts):
    return {id: (set(each.permits), set(each.forbids)) for id, each in eligibility.ask(facts).verdicts.items()}


def expected(rules, facts):
    request = as_request(facts)
    return {id: verdict(rules, request, as_backend(id)) for id in ROWS}


EACH = 200


@pytest.mark.assures("fault 25")
@pytest.mark.parametrize("part", range(4))
def test_random_requests_are_decided_as_the_reference_decides_them(part):
    seen = set()
    for seed in range(part, REQUESTS // EACH, 4):
        source = Random(seed)
        rules = source.rules()
        eligibility = made(rules)
        for _ in range(EACH):
            facts = source.facts()
            found = verdicts(eligibility, facts)
            assert found == expected(rules, facts), (seed, rules, facts)
            seen |= {(bool(permits), bool(forbids)) for permits, forbids in found.values()}
    assert len(seen) == 4  # each combination did come up


def test_every_corner_of_a_policy_is_decided_as_the_reference_decides_it():
    corners = 0
    for seed in range(10**6, 10**6 + REQUESTS // 250):
        source = Random(seed)
        rules = source.rules(4)
        attributes = asked(rules)
        eligibility, base = made(rules), source.facts()
        cells = itertools.product(*(values_of(each) for each in attributes))
        for cell in itertools.islice(cells, 2000):
            changes = {each.field: value for each, value in zip(attributes, cell, strict=True)}
            facts = msgspec.structs.replace(base, **changes)
            assert verdicts(eligibility, facts) == expected(rules, facts), (seed, rules, facts)
            corners += 1
    assert corners > REQUESTS // 4


SEEDS = st.integers(0, 10**9)
SOME = settings(max_examples=40, deadline=None, derandomize=True)


def pairs(seed, one, other, count=15):
    source = Random(seed + 1)
    one, other = made(one), made(other)
    for _ in range(count):
        facts = source.facts()
        yield admitted(one.ask(facts)), admitted(other.ask(facts))


@SOME
@given(SEEDS, st.sampled_from(["forbid", "require"]))
def test_one_more_forbid_or_requirement_never_adds_a_backend(seed, effect):
    source = Random(seed)
    rules = source.rules()
    assert all(after <= before for before, after in pairs(seed, rules, [*rules, source.rule("more", effect)]))


@SOME
@given(SEEDS)
def test_one_more_permit_never_takes_a_backend(seed):
    source = Random(seed)
    rules = source.rules()
    assert all(after >= before for before, after in pairs(seed, rules, [*rules, source.rule("more", "permit")]))


@SOME
@given(SEEDS)
def test_the_order_and_the_files_of_rules_change_no_verdict(seed):
    source = Random(seed)
    rules = source.rules()
    mixed = source.random.sample(rules, len(rules))
    cut = source.random.randint(0, len(mixed))
    one = made(rules)
    other = Eligibility(bundle(*mixed[cut:], files={"catalog/a.yaml": {"backends": dict(reversed(ROWS.items()))}, "policies/a.yaml": policy(*mixed[:cut])}))  # fmt: skip
    for _ in range(15):
        facts = source.facts()
        assert verdicts(one, facts) == verdicts(other, facts)


@SOME
@given(SEEDS)
def test_the_ids_of_rules_change_no_verdict(seed):
    source = Random(seed)
    rules = source.rules()
    renamed = [each | {"id": f"z{len(rules) - number}"} for number, each in enumerate(rules)]
    assert all(before == after for before, after in pairs(seed, rules, renamed))


@SOME
@given(SEEDS)
def test_a_rule_split_in_two_says_the_same(seed):
    source = Random(seed)
    rules = [each for each in source.rules() if "require" not in each]
    twice = [each | {"id": f"{each['id']}-{level}", effect: each[effect] | {"when": each[effect]["when"] | {"sensitivity": level}}}
             for each in rules for effect in ("permit", "forbid") if effect in each and "sensitivity" not in each[effect]["when"] for level in LEVELS]  # fmt: skip
    untouched = [
        each for each in rules if "sensitivity" in next(each[e] for e in ("permit", "forbid") if e in each)["when"]
    ]
    one, other = made(rules), made(twice + untouched)
    for _ in range(15):
        facts = source.facts()
        if facts.sensitivity in LEVELS:  # an unknown label makes every half unknown, and so takes each permit away
            assert admitted(one.ask(facts)) == admitted(other.ask(facts))


@SOME
@given(SEEDS)
def test_knowing_less_of_a_request_never_adds_a_backend(seed):
    source = Random(seed)
    eligibility = made(source.rules())
    for _ in range(5):
        facts = source.facts()
        before = admitted(eligibility.ask(facts))
        for name in Facts.__struct_fields__:
            assert admitted(eligibility.ask(msgspec.structs.replace(facts, **{name: None}))) <= before


def asks_declared(rules):
    scopes = [each[e] for each in rules for e in ("forbid", "require") if e in each and "permit" not in each]
    return any("declared" in scope.get("to", {}).values() for scope in scopes)


@SOME
@given(SEEDS)
def test_knowing_less_of_a_backend_never_adds_it_unless_a_forbid_asks_for_what_is_declared(seed):
    source = Random(seed)
    rules = source.rules()
    if asks_declared(rules):
        return
    id = source.random.choice(sorted(ROWS))
    fact = source.random.choice(PASSPORT)
    less = ROWS | {id: {name: value for name, value in ROWS[id].items() if name != fact}}
    one, other = made(rules), made(rules, less)
    for _ in range(15):
        facts = source.facts()
        assert admitted(other.ask(facts)) <= admitted(one.ask(facts))


FROM_ABOVE = [*(f"<= {level}" for level in LEVELS), *(f"< {level}" for level in LEVELS[1:]), "public", {"not": ">= restricted"}, {"not": "restricted"}]  # fmt: skip
FROM_BELOW = [*(f">= {level}" for level in LEVELS), *(f"> {level}" for level in LEVELS[:-1]), "restricted", {"not": "<= internal"}, {"not": "public"}]  # fmt: skip


def bounded(source, rule):
    """The rule with its own conditions on labels replaced: a permit's are bounds from above, every other's from below."""
    effect = next(each for each in ("permit", "forbid", "require") if each in rule)
    bounds = FROM_ABOVE if effect == "permit" else FROM_BELOW
    when = {name: written for name, written in rule[effect].get("when", {}).items() if "sensitivity" not in name}
    for name in ("sensitivity", "source_sensitivity"):
        if source.random.random() < 0.6:
            when[name] = source.random.choice(bounds)
    return rule | {effect: rule[effect] | {"when": when}}


@SOME
@given(SEEDS)
def test_raising_the_label_never_adds_a_backend_where_permits_bound_it_from_above_and_all_others_from_below(seed):
    source = Random(seed)
    eligibility = made([bounded(source, each) for each in source.rules()])
    for _ in range(10):
        facts = source.facts()
        rows = [
            admitted(eligibility.ask(msgspec.structs.replace(facts, sensitivity=level, source_sensitivity=level)))
            for level in (*LEVELS, None)
        ]
        assert all(higher <= lower for lower, higher in itertools.pairwise(rows))


@pytest.mark.parametrize(
    "rules",
    [[rule("permit", {"sensitivity": ">= internal"})], [ALL, rule("forbid", {"sensitivity": "<= public"})]],
)
def test_and_that_is_all_that_can_be_promised(rules):
    assert permitted(rules, changed(sensitivity="public")) < permitted(rules, changed(sensitivity="internal"))


# The tree that comes with the gateway.


def shipped_and_more():
    own = {"deployment": "self_hosted", "status": "active"}
    odd = {
        "own": own,
        "own-off": own | {"status": "suspended"},
        "own-undated": {"deployment": "self_hosted"},  # status unknown
        "who-knows": {},
        "vendor-approved-only": {"deployment": "vendor_api", "status": "active", "audience": "approved_clients"},
    }
    extra = {"backends": {id: {"provider": "openai"} | passport for id, passport in odd.items()}}
    parsed = parse(shipped(), BASE_URLS, encoded({"extra.yaml": extra}), today="2026-11-22")
    assert parsed.problems == ()
    return Eligibility(parsed.bundle)


OURS = shipped_and_more()
PURPOSES = sorted(OURS.bundle.vocabulary.words("purposes"))


@settings(derandomize=True)
@given(SEEDS, st.sampled_from([None, *PURPOSES]))
def test_shipped_raising_the_label_never_adds_a_backend(seed, purpose):
    facts = msgspec.structs.replace(Random(seed).facts(), purpose=purpose)
    rows = [admitted(OURS.ask(msgspec.structs.replace(facts, sensitivity=level))) for level in (*LEVELS, None)]
    assert [higher - lower for lower, higher in itertools.pairwise(rows)] == [set()] * len(LEVELS)


@settings(derandomize=True)
@given(SEEDS, st.sampled_from(["confidential", "restricted", None, "odd"]))
def test_shipped_confidential_and_unknown_stay_home(seed, level):
    facts = msgspec.structs.replace(Random(seed).facts(), sensitivity=level)
    home = {each.id for each in OURS.bundle.backends if each.fact("deployment") == "self_hosted"}
    assert admitted(OURS.ask(facts)) <= home


def test_a_tree_without_rules_denies_everyone():
    parsed = read()
    assert admitted(Eligibility(parsed.bundle).ask(FACTS)) == set()


# Canaries.


def in_canary(percent, *rules):
    return Eligibility(bundle(ALL, files={"policies/new.yaml": policy(*rules, canary=percent)}))


@pytest.mark.parametrize("percent", [1, 10, 50, 99, 100])
def test_a_forbid_in_a_canary_denies_to_so_many_buckets_and_is_watched_for_the_others(percent):
    asked = in_canary(percent, rule("forbid", {"team": "legal"}, {"backend": "far"}, id="no-far"))
    for bucket in BUCKETS:
        verdict = asked.ask(changed(key=key_in(bucket))).verdicts["far"]
        inside = int(bucket) < percent
        assert (verdict.permitted, verdict.watched) == (not inside, () if inside else ("no-far",))
        assert asked.ask(changed(key=key_in(bucket), team="hr")).verdicts["far"] == Verdict(("all",), ())


def test_a_key_that_nobody_knows_is_in_the_canary_of_a_forbid_and_not_of_a_permit():
    assert not in_canary(1, rule("forbid")).ask(changed(key=None)).verdicts["far"].permitted
    asked = Eligibility(bundle(rule("permit"), canary=99))
    assert not asked.ask(changed(key=None)).verdicts["far"].permitted


def test_a_permit_in_a_canary_admits_its_keys_only():
    asked = Eligibility(bundle(rule("permit"), canary=10))
    found = {bucket: asked.ask(changed(key=key_in(bucket))).verdicts["far"] for bucket in BUCKETS}
    assert [int(bucket) for bucket, verdict in found.items() if verdict.permitted] == list(range(10))
    assert {verdict.watched for bucket, verdict in found.items() if int(bucket) >= 10} == {("permit",)}


def test_a_require_and_a_prefer_in_a_canary_act_for_its_keys_only():
    few = {"id": "few", "require": {"do": [{"max_output_tokens": 7}]}}
    asked = in_canary(10, few, {"id": "cheap", "prefer": {"order": ["cost"]}})
    for bucket, expected in (("9", True), ("10", False)):
        ruling = asked.ask(changed(key=key_in(bucket)))
        assert (bool(ruling.order), bool(ruling.verdicts["far"].do)) == (expected, expected)


@pytest.mark.parametrize(
    ("after", "until", "expected"),
    [("20:59", "21:00", True), ("21:00", "22:00", False), ("17:00", "20:59", False), ("17:00", "23:00", True)],
)
def test_when_an_exception_closes(after, until, expected):
    opened = {
        "id": "bg", "rules": ["forbid"], "principal": {"team": "legal"}, "backends": ["far"],
        "starts": "2026-11-22T18:00:00Z", "expires": "2026-11-22T21:00:00Z",
        "ticket": "T", "requested_by": "a", "approved_by": ["b", "c"],
    }  # fmt: skip
    made = bundle(ALL, rule("forbid", breakable=True), files={"exceptions/a.yaml": {"exceptions": [opened]}})
    asked = Eligibility(made)
    begin, end = (moment(f"2026-11-22T{clock}:00Z") for clock in (after, until))
    assert asked.closes(begin, end) is expected
    permitted_then = [asked.ask(FACTS, each).verdicts["far"].permitted for each in (begin, end)]
    assert (permitted_then == [True, False]) is (expected and after != "17:00")
