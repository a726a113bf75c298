"""The parser is the oracle: for every attribute, the schema accepts just those forms that `policy.conditions` reads."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.policy_trees import shipped

from gateway.policy.conditions import Conditions
from gateway.policy.document import Document
from gateway.policy.parse import parse
from gateway.policy.schema_conditions import definitions
from gateway.policy.vocabulary import BACKEND, REQUEST
from gateway.providers import BASE_URLS

SHIPPED = Path(__file__).parents[2] / "routing_policies"
BUNDLE = parse(shipped(), BASE_URLS).bundle
BACKENDS = frozenset(backend.id for backend in BUNDLE.backends)
KNOWN = {"backend": sorted(BACKENDS), "provider": sorted(BASE_URLS), "project": sorted(BUNDLE.projects)}
DEFINITIONS = definitions(BUNDLE.vocabulary, KNOWN)
TABLES = {"request": REQUEST, "backend": BACKEND}
EACH = [(side, name) for side, table in TABLES.items() for name in table]


def words(attribute):
    """A few words that an attribute may have."""
    listed = KNOWN.get(attribute.name) or BUNDLE.vocabulary.values(attribute) or ("legal", "sales")
    return [listed[0], listed[-1]]


def forms(attribute):
    one, two = words(attribute)
    plain = [
        one,
        two,
        [one],
        [one, two],
        [],
        "any",
        "declared",
        "unknown",
        "no-such-word",
        ["no-such-word"],
        ["any"],
        [one, "declared"],
    ]
    plain += [
        f">= {one}",
        f"<={two}",
        f">  {one}",
        f"> {two}",
        f"< {one}",
        f"< {two}",
        ">= no-such-word",
        ["> public"],
        "backend.eligible_persons",
        "backend.region",
    ]
    plain += [1, 4, 5, [2, 3], ">= 2", "> 4", "< 1", ">3", None, True, 2.5, [None], [True], [[one]], {}]
    inner = [one, [one, two], [], "any", "no-such-word", f">= {one}", "backend.eligible_persons", 2, None, {}]
    wrapped = [{form: value} for form in ("in", "not", "not_in", "any", "all", "none", "is") for value in inner]
    return [*plain, *wrapped, {"not": one, "in": two}, {"any": one, "none": two}, {"not": {"not": one}}]


def reads(side, name, written, *, alone=False):
    problems = []
    conditions = Conditions(BUNDLE.vocabulary, BACKENDS, frozenset(BASE_URLS), problems)
    conditions.atoms(Document("x.yaml", b""), (), {name: written}, side, alone=alone)
    return problems == []


def validator(definition):
    return Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": DEFINITIONS})


@pytest.mark.parametrize(("side", "name"), EACH)
def test_a_condition_is_accepted_when_the_parser_reads_it(side, name):
    schema = validator(f"{side}-conditions")
    every = forms(TABLES[side][name])
    accepted = [written for written in every if schema.is_valid({name: written})]
    assert accepted == [written for written in every if reads(side, name, written)]
    assert 0 < len(accepted) < len(every)


@pytest.mark.parametrize("name", REQUEST)
def test_where_there_is_no_backend_nothing_is_compared_with_one(name):
    schema = validator("request-conditions-alone")
    every = forms(REQUEST[name])
    accepted = [written for written in every if schema.is_valid({name: written})]
    assert accepted == [written for written in every if reads("request", name, written, alone=True)]


@pytest.mark.parametrize(("side", "name"), EACH)
def test_an_attribute_belongs_to_its_side(side, name):
    other = "backend" if side == "request" else "request"
    assert validator(f"{side}-conditions").is_valid({name: "any"})
    assert not validator(f"{other}-conditions").is_valid({name: "any"})


def is_fact(name, written):
    tests = {"tests": [{"name": "x", "request": {name: written}, "expect": {"decision": "deny"}}]}
    tree = {"vocabulary.yaml": (SHIPPED / "vocabulary.yaml").read_bytes(), "tests/x.yaml": json.dumps(tests).encode()}
    return parse(tree, BASE_URLS).problems == ()


@pytest.mark.parametrize("name", REQUEST)
def test_a_fact_of_a_test_is_accepted_only_when_the_parser_reads_it(name):
    one, two = words(REQUEST[name])
    schema = validator("facts")
    every = [
        one,
        two,
        [one, two],
        [],
        "unknown",
        ["unknown"],
        "no-such-word",
        ["no-such-word"],
        3,
        9,
        {"any": [one]},
        {},
    ]
    accepted = [written for written in every if schema.is_valid({name: written})]
    assert [written for written in accepted if not is_fact(name, written)] == []
    assert (one in accepted, "unknown" in accepted, [one, two] in accepted) == (True, True, REQUEST[name].kind == "set")


def test_attributes_and_words_say_what_they_mean():
    for side, table in TABLES.items():
        said = {name: each["description"] for name, each in DEFINITIONS[f"{side}-conditions"]["properties"].items()}
        assert said == {name: row.meaning for name, row in table.items()}
    purposes = BUNDLE.vocabulary.sections["purposes"]
    assert DEFINITIONS["purposes"] == {"enum": [*purposes], "enumDescriptions": [*purposes.values()]}


def test_comparisons_are_offered_for_completion():
    offered = DEFINITIONS["request.sensitivity"]["anyOf"][2]["enum"]
    assert (">= confidential" in offered, "> restricted" in offered, "< public" in offered) == (True, False, False)
