"""Conditions: what may be written, what set it becomes, and where a mistake is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.labels import LEVELS
from gateway.policy.conditions import Conditions
from gateway.policy.document import Document, Mark
from gateway.policy.model import Atom
from gateway.policy.vocabulary import SECTIONS, Vocabulary

WORDS = {section: {} for section in SECTIONS} | {
    "levels": dict.fromkeys(LEVELS, "x"),
    "tags": {"secret": "x", "pii": "x"},
    "purposes": {"general": "x", "hr": "x", "legal": "x"},
    "deployments": {"self_hosted": "x", "vendor_api": "x"},
}


def read(text, side, words=WORDS):
    problems = []
    document = Document("f", text.encode())
    conditions = Conditions(Vocabulary(words), frozenset({"qwen-a", "gpt"}), frozenset({"openai", "vllm"}), problems)
    return conditions.atoms(document, (), document.data, side), [str(each) for each in problems]


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
    ],
)
def test_what_is_written_becomes_an_atom(written, side, test, values, text):
    (atom,), none = read(written, side)
    name = written.split(":", maxsplit=1)[0]
    column = atom.mark.column  # of the key that holds the words: the attribute, or `not`, `any` and so on
    assert (atom, none) == (Atom(side, name, test, frozenset(values), text, Mark("f", 1, column)), [])
    assert column == (written.index("{") + 2 if "{" in written else 1)


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
            [
                "f:1:1 P104 unknown attribute `zzzz` of a request; known: app, key, project, purpose, sensitivity, tags, team"
            ],
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
            ["f:1:7 P102 `tags` is a set; write `{any: [secret]}`, `{all: [...]}` or `{none: [...]}`"],
        ),
        (
            "tags: {not: [pii]}",
            "request",
            ["f:1:7 P102 `tags` is a set; write `{any: [secret]}`, `{all: [...]}` or `{none: [...]}`"],
        ),
        ("team: {any: [a]}", "request", ["f:1:7 P102 write a value, a list of values, or `{not: ...}` for `team`"]),
        ("team: {}", "request", ["f:1:7 P102 write a value, a list of values, or `{not: ...}` for `team`"]),
        ("team: []", "request", ["f:1:7 P102 an empty list for `team` matches nothing; name a value"]),
        ("team: {not: []}", "request", ["f:1:13 P102 an empty list for `team` matches nothing; name a value"]),
        ("team: 1", "request", ["f:1:7 P102 a value of `team` is a word; quote it if it is one"]),
        ("team: [a, true]", "request", ["f:1:11 P102 a value of `team` is a word; quote it if it is one"]),
        ("team:", "request", ["f:1:6 P102 a value of `team` is a word; quote it if it is one"]),
        ("team: [[a]]", "request", ["f:1:8 P102 a value of `team` is a word; quote it if it is one"]),
    ],
)
def test_a_mistake_has_its_place_and_a_hint(written, side, expected):
    assert read(written, side) == ((), expected)


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
    (atom,), _ = read(f"sensitivity: '{operator} {level}'", "request")
    assert atom.values == {each for each in LEVELS if admits(LEVELS.index(each))}
