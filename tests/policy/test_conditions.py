"""Conditions: what may be written, what set it becomes, and where a mistake is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.labels import LEVELS
from gateway.policy.conditions import Conditions
from gateway.policy.document import Document, Mark
from gateway.policy.model import Atom
from gateway.policy.vocabulary import BACKEND, REQUEST, SECTIONS, Vocabulary

WORDS = {section: {} for section in SECTIONS} | {
    "levels": dict.fromkeys(LEVELS, "x"),
    "tags": {"secret": "x", "pii": "x"},
    "persons": {"us_person": "x", "eu_person": "x"},
    "regions": {"eu": "x", "us": "x"},
    "purposes": {"general": "x", "hr": "x", "legal": "x"},
    "deployments": {"self_hosted": "x", "vendor_api": "x"},
}


def read(text, side, words=WORDS, **options):
    problems = []
    document = Document("f", text.encode())
    conditions = Conditions(Vocabulary(words), frozenset({"qwen-a", "gpt"}), frozenset({"openai", "vllm"}), problems)
    return conditions.atoms(document, (), document.data, side, **options), [str(each) for each in problems]


def problems(text, side, words=WORDS):
    return read(text, side, words)[1]


@pytest.mark.parametrize(
    ("written", "side", "test", "values", "text"),
    [
        ("team: legal", "request", "in", {"legal"}, "team is legal"),
        ("team: [legal, hr]", "request", "in", {"legal", "hr"}, "team is legal, hr"),
        ("team: {not: legal}", "request", "not_in", {"legal"}, "team not legal"),
        ("team: {not: [legal, hr]}", "request", "not_in", {"legal", "hr"}, "team not legal, hr"),
        ("key: 'no'", "request", "in", {"no"}, "key is no"),
        ("app: no", "request", "in", {"no"}, "app is no"),
        ("project: '1'", "request", "in", {"1"}, "project is 1"),
        ("purpose: [hr, hr]", "request", "in", {"hr"}, "purpose is hr, hr"),
        ("purpose: {not: [hr]}", "request", "not_in", {"hr"}, "purpose not hr"),
        ("tags: {any: [secret, pii]}", "request", "any", {"secret", "pii"}, "tags any secret, pii"),
        ("tags: {all: secret}", "request", "all", {"secret"}, "tags all secret"),
        ("tags: {none: [pii]}", "request", "none", {"pii"}, "tags none pii"),
        ("sensitivity: public", "request", "in", {"public"}, "sensitivity is public"),
        ("sensitivity: '>= internal'", "request", "in", set(LEVELS[1:]), "sensitivity >= internal"),
        ("sensitivity: '>=internal'", "request", "in", set(LEVELS[1:]), "sensitivity >=internal"),
        ("sensitivity: '> internal'", "request", "in", set(LEVELS[2:]), "sensitivity > internal"),
        ("sensitivity: <= internal", "request", "in", set(LEVELS[:2]), "sensitivity <= internal"),
        ("sensitivity: < confidential", "request", "in", set(LEVELS[:2]), "sensitivity < confidential"),
        (
            "sensitivity: {not: '>= confidential'}",
            "request",
            "not_in",
            set(LEVELS[2:]),
            "sensitivity not >= confidential",
        ),
        ("deployment: self_hosted", "backend", "in", {"self_hosted"}, "deployment is self_hosted"),
        ("backend: [qwen-a, gpt]", "backend", "in", {"qwen-a", "gpt"}, "backend is qwen-a, gpt"),
        ("provider: {not: openai}", "backend", "not_in", {"openai"}, "provider not openai"),
        ("team: {in: legal}", "request", "in", {"legal"}, "team in legal"),
        ("team: {not_in: [legal, hr]}", "request", "not_in", {"legal", "hr"}, "team not in legal, hr"),
        ("attempt: 2", "request", "in", {"2"}, "attempt is 2"),
        ("attempt: '2'", "request", "in", {"2"}, "attempt is 2"),
        ("attempt: [1, 3]", "request", "in", {"1", "3"}, "attempt is 1, 3"),
        ("attempt: [1, '1']", "request", "in", {"1"}, "attempt is 1, 1"),
        ("attempt: {not: 1}", "request", "not_in", {"1"}, "attempt not 1"),
        ("attempt: '>= 3'", "request", "in", {"3", "4"}, "attempt >= 3"),
        ("attempt: < 3", "request", "in", {"1", "2"}, "attempt < 3"),
        ("attempt: {not: '> 1'}", "request", "not_in", {"2", "3", "4"}, "attempt not > 1"),
        ("attempt: <= 4", "request", "in", {"1", "2", "3", "4"}, "attempt <= 4"),
        ("last_error: throttled", "request", "in", {"throttled"}, "last_error is throttled"),
        ("redaction: done", "request", "in", {"done"}, "redaction is done"),
        ("visited_regions: {any: eu}", "request", "any", {"eu"}, "visited_regions any eu"),
        ("principal.person: us_person", "request", "in", {"us_person"}, "principal.person is us_person"),
        ("region: declared", "backend", "declared", set(), "region declared"),
        ("eligible_persons: declared", "backend", "declared", set(), "eligible_persons declared"),
        ("eligible_persons: {none: us_person}", "backend", "none", {"us_person"}, "eligible_persons none us_person"),
    ],
)
def test_what_is_written_becomes_an_atom(written, side, test, values, text):
    (atom,), none = read(written, side)
    name = written.split(":", maxsplit=1)[0]
    assert (atom, none) == (Atom(side, name, test, frozenset(values), text, Mark("f", 1, 1)), [])


@pytest.mark.parametrize(
    ("written", "side", "expected"),
    [
        ("purpos: hr", "request", ["f:1:1 P104 unknown attribute `purpos` of a request; did you mean `purpose`?"]),
        ("zone: eu", "request", ["f:1:1 P104 unknown attribute `zone` of a request; it belongs under `to`"]),
        (
            "tags: {any: [pii]}",
            "backend",
            ["f:1:1 P104 unknown attribute `tags` of a backend; it belongs under `when`"],
        ),
        (
            "zzzz: 1",
            "request",
            ["f:1:1 P104 unknown attribute `zzzz` of a request"],
        ),
        ("purpose: hrr", "request", ["f:1:10 P103 unknown value `hrr` for request.purpose; did you mean `hr`?"]),
        (
            "purpose: [hr, leagl]",
            "request",
            ["f:1:15 P103 unknown value `leagl` for request.purpose; did you mean `legal`?"],
        ),
        (
            "purpose: {not: lgal}",
            "request",
            ["f:1:16 P103 unknown value `lgal` for request.purpose; did you mean `legal`?"],
        ),
        ("tags: {any: [x]}", "request", ["f:1:14 P103 unknown value `x` for request.tags; known: pii, secret"]),
        ("backend: qwen", "backend", ["f:1:10 P103 unknown value `qwen` for backend.backend; did you mean `qwen-a`?"]),
        (
            "provider: opnai",
            "backend",
            ["f:1:11 P103 unknown value `opnai` for backend.provider; did you mean `openai`?"],
        ),
        (
            "sensitivity: '>= secret'",
            "request",
            ["f:1:14 P103 unknown level `secret`; known: confidential, internal, public, restricted"],
        ),
        ("sensitivity: '> publc'", "request", ["f:1:14 P103 unknown level `publc`; did you mean `public`?"]),
        ("purpose: '>= hr'", "request", ["f:1:10 P102 `purpose` has no order; `>=` does not apply"]),
        ("team: '< a'", "request", ["f:1:7 P102 `team` has no order; `<` does not apply"]),
        (
            "tags: pii",
            "request",
            ["f:1:7 P102 `tags` is a set; write `{any: [...]}`, `{all: [...]}` or `{none: [...]}`"],
        ),
        (
            "tags: {not: [pii]}",
            "request",
            ["f:1:7 P102 write `{any: [...]}`, `{all: [...]}` or `{none: [...]}` for `tags`"],
        ),
        ("team: {any: [a]}", "request", ["f:1:7 P102 write a value, a list of values, or `{not: ...}` for `team`"]),
        ("team: {}", "request", ["f:1:7 P102 write a value, a list of values, or `{not: ...}` for `team`"]),
        ("team: []", "request", ["f:1:7 P102 an empty list for `team` matches nothing; name a value"]),
        ("team: {not: []}", "request", ["f:1:13 P102 an empty list for `team` matches nothing; name a value"]),
        ("team: 1", "request", ["f:1:7 P102 a value of `team` is a word; quote it if it is one"]),
        ("team: [a, true]", "request", ["f:1:11 P102 a value of `team` is a word; quote it if it is one"]),
        ("team:", "request", ["f:1:6 P102 a value of `team` is a word; quote it if it is one"]),
        ("team: [[a]]", "request", ["f:1:8 P102 a value of `team` is a word; quote it if it is one"]),
        (
            "team: {not: a, in: b}",
            "request",
            ["f:1:7 P102 write a value, a list of values, or `{not: ...}` for `team`"],
        ),
        # counts and ranges
        ("attempt: 5", "request", ["f:1:10 P103 unknown value `5` for request.attempt; known: 1, 2, 3, 4"]),
        ("attempt: 0", "request", ["f:1:10 P103 unknown value `0` for request.attempt; known: 1, 2, 3, 4"]),
        ("attempt: 1.0", "request", ["f:1:10 P102 a value of `attempt` is a word; quote it if it is one"]),
        ("attempt: true", "request", ["f:1:10 P102 a value of `attempt` is a word; quote it if it is one"]),
        ("attempt: '>= 9'", "request", ["f:1:10 P103 unknown count `9`; known: 1, 2, 3, 4"]),
        ("attempt: '> 4'", "request", ["f:1:10 P102 nothing is `> 4`"]),
        ("attempt: {not: '< 1'}", "request", ["f:1:16 P102 nothing is `< 1`"]),
        ("sensitivity: '< public'", "request", ["f:1:14 P102 nothing is `< public`"]),
        ("sensitivity: '> restricted'", "request", ["f:1:14 P102 nothing is `> restricted`"]),
        ("region: '> eu'", "backend", ["f:1:9 P102 `region` has no order; `>` does not apply"]),
        # words that mean something stand alone
        ("team: [any]", "request", ["f:1:8 P102 `any` is no value of `team`: it has a meaning"]),
        ("team: {not: any}", "request", ["f:1:13 P102 `any` is no value of `team`: it has a meaning"]),
        ("key: unknown", "request", ["f:1:6 P102 `unknown` is no value of `key`: it has a meaning"]),
        ("app: declared", "request", ["f:1:6 P102 `declared` is no value of `app`: it has a meaning"]),
        (
            "purpose: declared",
            "request",
            ["f:1:10 P103 unknown value `declared` for request.purpose; known: general, hr, legal"],
        ),
        (
            "sensitivity: unknown",
            "request",
            [
                "f:1:14 P103 unknown value `unknown` for request.sensitivity; known: confidential, internal, public, restricted"
            ],
        ),
        (
            "region: {not: declared}",
            "backend",
            ["f:1:15 P103 unknown value `declared` for backend.region; known: eu, us"],
        ),
        (
            "tags: any\npurpose: {any: any}",
            "request",
            ["f:2:10 P102 write a value, a list of values, or `{not: ...}` for `purpose`"],
        ),
    ],
)
def test_a_mistake_has_its_place_and_a_hint(written, side, expected):
    assert read(written, side) == ((), expected)


@pytest.mark.parametrize("side", ["request", "backend"])
def test_any_is_no_condition(side):
    table = REQUEST if side == "request" else BACKEND
    assert read("\n".join(f"{name}: any" for name in table), side) == ((), [])


@pytest.mark.parametrize(("form", "test"), [("in", "in"), ("not", "not_in"), ("not_in", "not_in")])
def test_a_word_is_compared_with_a_set_of_the_backend(form, test):
    (atom,), none = read(f"principal.person: {{{form}: backend.eligible_persons}}", "request")
    assert (atom.test, atom.other, atom.values, none) == (test, "eligible_persons", frozenset(), [])


FITTING = "these can be compared: `principal.person` with `backend.eligible_persons`"


@pytest.mark.parametrize(
    ("written", "side"),
    [
        ("principal.person: {in: backend.none}", "request"),
        ("principal.person: {in: backend.region}", "request"),
        ("principal.person: {in: backend.}", "request"),
        ("project.jurisdiction: {in: backend.eligible_persons}", "request"),
        ("team: {not_in: backend.eligible_persons}", "request"),
        ("team: backend.eligible_persons", "request"),
        ("region: {in: backend.eligible_persons}", "backend"),
        ("eligible_persons: {any: backend.eligible_persons}", "backend"),
        ("visited_operators: {any: backend.eligible_persons}", "request"),
    ],
)
def test_what_cannot_be_compared_is_told_what_can(written, side):
    (problem,) = problems(written, side)
    assert (problem.split(" ", 1)[1], read(written, side)[0]) == (f"P102 {FITTING}", ())


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("principal.person: {in: backend.eligible_persons}", True),
        ("principal.person: us_person", False),
    ],
)
def test_where_there_is_no_backend_nothing_is_compared_with_one(written, told):
    said = read(written, "request", alone=True)[1]
    assert [each.split(" ")[1] for each in said] == (["P106"] if told else [])


def test_all_mistakes_are_told_and_the_rest_is_read():
    atoms, told = read("purpos: hr\nteam: legal\npurpose: [x, hr, y]\n", "request")
    assert ([atom.attribute for atom in atoms], [each.split(" ", 2)[:2] for each in told]) == (
        ["team"],
        [["f:1:1", "P104"], ["f:3:11", "P103"], ["f:3:18", "P103"]],
    )


def test_without_a_vocabulary_no_word_is_blamed():
    assert problems("purpose: anything", "request", {}) == []


@given(st.sampled_from(LEVELS), st.sampled_from([">=", ">", "<=", "<"]))
def test_a_comparison_is_the_levels_it_admits(level, operator):
    rank = LEVELS.index(level)
    admits = {">=": rank.__le__, ">": rank.__lt__, "<=": rank.__ge__, "<": rank.__gt__}[operator]
    admitted = {each for each in LEVELS if admits(LEVELS.index(each))}
    atoms, told = read(f"sensitivity: '{operator} {level}'", "request")
    assert [atom.values for atom in atoms] == ([admitted] if admitted else [])
    assert len(told) == (0 if admitted else 1)
