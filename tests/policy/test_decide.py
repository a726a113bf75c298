"""Who may serve a request: deny by default, forbid overrides, and what is not known is held against the sender."""

import itertools
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.catalog import PASSPORT
from gateway.core.decision import Facts, Ruling, Verdict
from gateway.core.labels import LEVELS
from gateway.policy.decide import Eligibility, known_only
from gateway.policy.parse import parse
from gateway.policy.vocabulary import BACKEND, REQUEST, SECTIONS
from gateway.providers import BASE_URLS

SHIPPED = Path(__file__).parents[2] / "routing_policies"
WORDS = {section: [] for section in SECTIONS} | {
    "levels": list(LEVELS),
    "tags": ["secret", "pii"],
    "purposes": ["general", "hr"],
    "deployments": ["self_hosted", "vendor_api"],
    "regions": ["eu", "us"],
}
BACKENDS = {
    "home": {"provider": "vllm", "base_url": "http://home/v1", "deployment": "self_hosted", "region": "eu"},
    "far": {"provider": "openai", "deployment": "vendor_api", "region": "us"},
    "dim": {"provider": "openai"},  # nobody declared anything
}
FACTS = Facts("internal", frozenset({"pii"}), "general", "default", "legal", "web", "k1")
UNKNOWN = Facts(None, None, None, None, None, None, None)


def bundle(*files):
    """A bundle of the rules in each file. Whatever is JSON is YAML."""
    tree = {
        "vocabulary.yaml": {section: dict.fromkeys(words, "x") for section, words in WORDS.items()},
        "catalog/a.yaml": {"backends": BACKENDS},
    }
    for number, rules in enumerate(files):
        tree[f"policies/{number}.yaml"] = {"policy": "p", "owner": "o", "rules": list(rules)}
    parsed = parse({name: json.dumps(data).encode() for name, data in tree.items()}, BASE_URLS)
    assert parsed.problems == ()
    return parsed.bundle


def ask(rules, facts=FACTS):
    return Eligibility(bundle(rules)).ask(facts)


def permitted(rules, facts=FACTS):
    return {id for id, verdict in ask(rules, facts).verdicts.items() if verdict.permitted}


def rule(effect, when=None, to=None, id=None):
    return {"id": id or effect, effect: {"when": when or {}, "to": to or {}}}


ALL = rule("permit", id="all")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], set()),
        ([ALL], {"home", "far", "dim"}),
        ([rule("forbid")], set()),
        ([ALL, rule("forbid")], set()),
        ([rule("forbid"), ALL], set()),
        ([{"id": "cheap", "prefer": {"order": ["cost"]}}], set()),
        ([rule("permit", {"team": "legal"})], {"home", "far", "dim"}),
        ([rule("permit", {"team": "hr"})], set()),
        ([rule("permit", {"team": "legal", "app": "cli"})], set()),
        ([rule("permit", to={"region": "eu"})], {"home"}),
        ([rule("permit", to={"region": {"not": "eu"}})], {"far"}),  # `dim` is unknown, so it is not permitted
        ([ALL, rule("forbid", to={"region": "us"})], {"home"}),  # and not spared either
        ([ALL, rule("forbid", to={"region": {"not": "eu"}})], {"home"}),
        ([ALL, rule("forbid", {"team": "hr"}, {"region": "us"})], {"home", "far", "dim"}),
        ([ALL, rule("forbid", {"team": "legal"}, {"region": "us"})], {"home"}),
        ([ALL, rule("forbid", to={"region": "us", "provider": "vllm"})], {"home", "far", "dim"}),
        ([rule("permit", {"sensitivity": "<= internal"})], {"home", "far", "dim"}),
        ([rule("permit", {"sensitivity": "> internal"})], set()),
        ([rule("permit", {"tags": {"any": ["pii", "secret"]}})], {"home", "far", "dim"}),
        ([rule("permit", {"tags": {"all": ["pii", "secret"]}})], set()),
        ([rule("permit", {"tags": {"none": ["secret"]}})], {"home", "far", "dim"}),
    ],
)
def test_who_is_permitted(rules, expected):
    assert permitted(rules) == expected


CONDITIONS = [
    ({"sensitivity": "internal"}, "sensitivity"),
    ({"sensitivity": ">= public"}, "sensitivity"),
    ({"sensitivity": {"not": "restricted"}}, "sensitivity"),
    ({"tags": {"any": ["pii"]}}, "tags"),
    ({"tags": {"all": ["pii"]}}, "tags"),
    ({"tags": {"none": ["secret"]}}, "tags"),
    ({"purpose": "general"}, "purpose"),
    ({"purpose": {"not": "hr"}}, "purpose"),
    ({"project": "default"}, "project"),
    ({"team": {"not": "hr"}}, "team"),
    ({"app": ["web", "cli"]}, "app"),
    ({"key": {"not": "k2"}}, "key"),
]


@pytest.mark.parametrize(("when", "name"), CONDITIONS)
def test_an_unknown_fact_satisfies_no_permit_and_escapes_no_forbid(when, name):
    unknown = msgspec.structs.replace(FACTS, **{name: None})
    permit, forbid = [rule("permit", when)], [ALL, rule("forbid", when)]
    assert [permitted(permit), permitted(permit, unknown)] == [set(BACKENDS), set()]
    assert [permitted(forbid), permitted(forbid, unknown)] == [set(), set()]


@pytest.mark.parametrize(("when", "name"), CONDITIONS)
def test_an_unknown_fact_matters_only_where_it_is_asked(when, name):
    others = msgspec.structs.replace(UNKNOWN, **{name: getattr(FACTS, name)})
    assert permitted([rule("permit", when)], others) == set(BACKENDS)


def test_false_beats_unknown_so_a_forbid_of_something_else_is_no_forbid():
    assert permitted(
        [ALL, rule("forbid", {"team": "hr", "project": "x"})], Facts(None, None, None, None, "a", "b", "c")
    ) == set(BACKENDS)


@pytest.mark.parametrize("name", ["sensitivity", "purpose"])
def test_a_word_outside_the_vocabulary_is_unknown(name):
    odd = msgspec.structs.replace(FACTS, **{name: "odd"})
    unknown = msgspec.structs.replace(FACTS, **{name: None})
    rules = [ALL, rule("forbid", {name: WORDS[REQUEST[name].section][-1]})]
    assert (ask(rules, odd), permitted(rules, odd)) == (ask(rules, unknown), set())


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (FACTS, FACTS),
        (UNKNOWN, UNKNOWN),
        (Facts("odd", frozenset(), "odd", "odd", "odd", "odd", "odd"), Facts(None, frozenset(), None, "odd", "odd", "odd", "odd")),
        (Facts("Internal", None, "", "", "", "", ""), Facts(None, None, None, "", "", "", "")),
    ],
)  # fmt: skip
def test_only_words_of_the_vocabulary_are_kept(facts, expected):
    assert known_only(facts, bundle().vocabulary) == expected


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
    assert ask(rules, msgspec.structs.replace(FACTS, purpose=purpose)).order == order


def test_an_eligibility_says_what_it_was_made_of():
    made = bundle([ALL])
    eligibility = Eligibility(made, {"far": "X is not set"})
    assert (eligibility.bundle, eligibility.digest, eligibility.not_offered) == (
        made,
        made.digest,
        {"far": "X is not set"},
    )
    assert {name: [each.id for each in behind] for name, behind in eligibility.names.items()} == {
        "auto": ["home", "far", "dim"],
        "home": ["home"],
        "far": ["far"],
        "dim": ["dim"],
    }


# Properties, against an interpreter of the rules as they are written.

NAMES = ["a", "b"]
LISTS = {"project": NAMES, "team": NAMES, "app": NAMES, "key": NAMES, "backend": list(BACKENDS)}
LISTS["provider"] = ["vllm", "openai"]


def choices(attribute):
    return LISTS.get(attribute.name) or WORDS[attribute.section]


def one_or_more(words):
    return st.one_of(st.sampled_from(words), st.lists(st.sampled_from(words), min_size=1, max_size=2, unique=True))


def condition(attribute):
    some = one_or_more(choices(attribute))
    if attribute.kind == "tags":
        return st.tuples(st.sampled_from(["any", "all", "none"]), some).map(lambda pair: {pair[0]: pair[1]})
    plain = st.one_of(some, some.map(lambda words: {"not": words}))
    if attribute.kind == "level":
        compared = st.builds("{} {}".format, st.sampled_from([">=", "<=", ">", "<"]), st.sampled_from(LEVELS))
        return st.one_of(plain, compared, compared.map(lambda text: {"not": text}))
    return plain


def conditions(table):
    rows = [row for row in table.values() if row.name in LISTS or WORDS[row.section]]
    asked = st.lists(st.sampled_from(rows), max_size=2, unique_by=lambda row: row.name)
    return asked.flatmap(lambda rows: st.fixed_dictionaries({row.name: condition(row) for row in rows}))


RULE = st.builds(rule, st.sampled_from(["permit", "permit", "forbid"]), conditions(REQUEST), conditions(BACKEND))
RULES = st.lists(RULE, max_size=5).map(lambda rules: [each | {"id": f"r{n}"} for n, each in enumerate(rules)])
WORD = st.none() | st.sampled_from([*NAMES, "other"])
FACT = st.builds(
    Facts,
    st.none() | st.sampled_from([*LEVELS, "odd"]),
    st.none() | st.frozensets(st.sampled_from(WORDS["tags"])),
    st.none() | st.sampled_from(["general", "hr", "odd"]),
    WORD,
    WORD,
    WORD,
    WORD,
)


def listed(words):
    return words if isinstance(words, list) else [words]


def reads(written, value):
    """A condition of a value, straight from the page of semantics: T, F or U (None)."""
    if value is None:
        return None
    if isinstance(value, frozenset):
        ((test, words),) = written.items()
        return {"any": any, "all": all, "none": lambda hits: not any(hits)}[test](
            [word in value for word in listed(words)]
        )
    if isinstance(written, dict):
        return not reads(written["not"], value)
    operator, _, level = written.partition(" ") if isinstance(written, str) else ("", "", "")
    if level:
        difference = LEVELS.index(value) - LEVELS.index(level)
        return {">=": difference >= 0, "<=": difference <= 0, ">": difference > 0, "<": difference < 0}[operator]
    return value in listed(written)


def fact(name, facts, id):
    if name == "backend":
        return id
    if name in BACKEND:
        return BACKENDS[id].get(name)
    value = getattr(facts, name)
    section = REQUEST[name].section
    return None if isinstance(value, str) and section and value not in WORDS[section] else value


def expected(rules, facts):
    found = {}
    for id in BACKENDS:
        permits, forbids = set(), set()
        for each in rules:
            effect = "permit" if "permit" in each else "forbid"
            written = each[effect]["when"] | each[effect]["to"]
            truths = [reads(condition, fact(name, facts, id)) for name, condition in written.items()]
            if effect == "permit" and all(truth is True for truth in truths):
                permits.add(each["id"])
            if effect == "forbid" and all(truth is not False for truth in truths):
                forbids.add(each["id"])
        found[id] = (permits, forbids)
    return found


def verdicts(files, facts):
    ruling = Eligibility(bundle(*files)).ask(facts)
    return {id: (set(verdict.permits), set(verdict.forbids)) for id, verdict in ruling.verdicts.items()}


@settings(max_examples=300, deadline=None)
@given(RULES, st.lists(FACT, min_size=3, max_size=3))
def test_it_agrees_with_the_page_of_semantics(rules, facts):
    assert [verdicts([rules], each) for each in facts] == [expected(rules, each) for each in facts]


@settings(max_examples=60, deadline=None)
@given(RULES, FACT, st.data())
def test_the_order_of_rules_and_files_changes_no_verdict(rules, facts, data):
    mixed = data.draw(st.permutations(rules))
    cut = data.draw(st.integers(0, len(mixed)))
    assert verdicts([mixed[cut:], mixed[:cut]], facts) == verdicts([rules], facts)


@settings(max_examples=60, deadline=None)
@given(RULES, RULE, FACT)
def test_one_more_forbid_never_adds_a_backend(rules, more, facts):
    forbid = {"id": "more", "forbid": more.get("forbid") or more.get("permit")}
    assert permitted([*rules, forbid], facts) <= permitted(rules, facts)


@settings(max_examples=60, deadline=None)
@given(RULES, RULE, FACT)
def test_one_more_permit_never_takes_a_backend(rules, more, facts):
    permit = {"id": "more", "permit": more.get("forbid") or more.get("permit")}
    assert permitted([*rules, permit], facts) >= permitted(rules, facts)


@settings(max_examples=60, deadline=None)
@given(RULES, FACT, st.sampled_from(tuple(REQUEST)))
def test_knowing_less_never_adds_a_backend(rules, facts, name):
    assert permitted(rules, msgspec.structs.replace(facts, **{name: None})) <= permitted(rules, facts)


def shipped():
    tree = {str(path.relative_to(SHIPPED)): path.read_bytes() for path in SHIPPED.glob("**/*.yaml")}
    own = {"deployment": "self_hosted", "status": "active"}
    odd = {
        "own": own,
        "own-off": own | {"status": "suspended"},
        "own-undated": {"deployment": "self_hosted"},  # status unknown
        "who-knows": {},
        "vendor-approved-only": {"deployment": "vendor_api", "status": "active", "audience": "approved_clients"},
    }
    extra = {"backends": {id: {"provider": "openai"} | passport for id, passport in odd.items()}}
    parsed = parse(tree, BASE_URLS, {"extra.yaml": json.dumps(extra).encode()})
    assert parsed.problems == ()
    return Eligibility(parsed.bundle)


OURS = shipped()
PURPOSES = sorted(OURS.bundle.vocabulary.words("purposes"))
SHIPPED_FACT = FACT.flatmap(
    lambda facts: st.sampled_from([None, *PURPOSES]).map(
        lambda purpose: msgspec.structs.replace(facts, purpose=purpose)
    )
)


def admitted(facts):
    return {id for id, verdict in OURS.ask(facts).verdicts.items() if verdict.permitted}


@given(SHIPPED_FACT)
def test_shipped_raising_the_label_never_adds_a_backend(facts):
    rows = [admitted(msgspec.structs.replace(facts, sensitivity=level)) for level in (*LEVELS, None)]
    assert [higher - lower for lower, higher in itertools.pairwise(rows)] == [set()] * len(LEVELS)


@given(SHIPPED_FACT, st.sampled_from(["confidential", "restricted", None, "odd"]))
def test_shipped_confidential_and_unknown_stay_home(facts, level):
    assert admitted(msgspec.structs.replace(facts, sensitivity=level)) == {"own"}


@pytest.mark.parametrize(
    ("level", "purpose", "yes", "no"),
    [
        ("public", "general", {"own", "gpt-5.6-sol", "deepseek-v4-pro", "gemini-3.8-flash"}, {"own-off", "own-undated", "who-knows", "vendor-approved-only"}),
        ("public", None, {"own", "deepseek-v4-pro"}, {"who-knows"}),
        ("internal", "general", {"own", "gpt-5.6-sol"}, {"deepseek-v4-pro", "gemini-3.8-flash", "kimi-k3"}),
        ("internal", "hr", {"own"}, {"gpt-5.6-sol"}),
        ("internal", None, {"own"}, {"gpt-5.6-sol"}),
    ],
)  # fmt: skip
def test_shipped_examples(level, purpose, yes, no):
    found = admitted(msgspec.structs.replace(FACTS, sensitivity=level, purpose=purpose))
    assert (yes - found, no & found) == (set(), set())


def test_shipped_has_a_fact_of_every_kind_somewhere():
    declared = {name for backend in OURS.bundle.backends for name in backend.passport}
    assert declared == set(PASSPORT)
