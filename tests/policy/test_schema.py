"""Schemas as whole documents: what is shipped fits them, they are up to date, and what is wrong does not fit."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.policy_trees import shipped

from gateway.policy.document import Document
from gateway.policy.meanings import meaning
from gateway.policy.parse import parse
from gateway.policy.schema import schema, text, whole
from gateway.policy.tree import KINDS, kind_of
from gateway.providers import BASE_URLS

SHIPPED = Path(__file__).parents[2] / "routing_policies"
TREE = shipped()
FILES = [name for name in TREE if name.endswith(".yaml")]
BUNDLE = parse(TREE, BASE_URLS).bundle
SCHEMAS = {kind: schema(BUNDLE, BASE_URLS, kind) for kind in KINDS}
WHOLE = Draft202012Validator(whole(BUNDLE, BASE_URLS))
MINIMAL = {
    "vocabulary": {section: {} for section in BUNDLE.vocabulary.sections}
    | {"levels": dict.fromkeys(("public", "internal", "confidential", "restricted"), "x")},
    "prices": {"version": "1", "models": {}},
    "projects": {"projects": {}},
    "invariants": {"invariants": []},
    "sensitivity": {"kinds": {}},
    "catalog": {"backends": {}},
    "policies": {"policy": "p", "owner": "o", "rules": []},
    "tests": {"tests": []},
    "exceptions": {"exceptions": []},
}


def complaints(kind, data):
    return [error.message for error in Draft202012Validator(SCHEMAS[kind]).iter_errors(data)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_one_of_the_draft_and_refers_to_nothing_that_is_not_there(kind):
    Draft202012Validator.check_schema(SCHEMAS[kind])
    used = set(json.dumps(SCHEMAS[kind]).split('"#/$defs/')[1:])
    assert {each.partition('"')[0] for each in used} == set(SCHEMAS[kind]["$defs"])


@pytest.mark.parametrize("name", FILES)
def test_every_shipped_file_fits_the_schema_of_its_kind(name):
    data = Document(name, TREE[name]).data
    assert complaints(kind_of(name), data) == []
    assert WHOLE.is_valid(data)


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_schemas_are_up_to_date(kind):
    """If this fails: `gateway policy schema --write routing_policies`."""
    is_current = (SHIPPED / ".schema" / f"{kind}.json").read_text() == text(SCHEMAS[kind])
    assert is_current


@pytest.mark.parametrize("name", FILES)
def test_every_shipped_file_names_its_schema_in_its_first_line(name):
    up = "../" * name.count("/")
    assert TREE[name].decode().splitlines()[0] == f"# yaml-language-server: $schema={up}.schema/{kind_of(name)}.json"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_file_fits_no_other_schema(kind):
    assert [other for other in KINDS if complaints(other, MINIMAL[kind]) == []] == [kind]
    assert WHOLE.is_valid(MINIMAL[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_too_many_does_not_fit(kind):
    assert complaints(kind, MINIMAL[kind] | {"odd": 1}) != []
    assert not WHOLE.is_valid(MINIMAL[kind] | {"odd": 1})


def test_a_new_word_backend_rule_and_project_are_known_at_once():
    more = {
        "catalog/more.yaml": {
            "backends": {"brand-new": {"provider": "vllm", "base_url": "http://x", "aliases": ["g"]}}
        },
        "policies/more.yaml": {"policy": "p", "owner": "o", "rules": [{"id": "new-rule", "forbid": {}}]},
    }
    vocabulary = TREE["vocabulary.yaml"].replace(b"  legal: contracts and law\n", b"  legal: x\n  brewing: beer\n")
    tree = TREE | {"vocabulary.yaml": vocabulary} | {name: json.dumps(data).encode() for name, data in more.items()}
    made = schema(parse(tree, BASE_URLS).bundle, BASE_URLS, "tests")
    test = {
        "name": "x",
        "request": {"purpose": "brewing", "model": "g"},
        "expect": {"permit": ["brand-new"], "deny": {"brand-new": "new-rule"}},
    }
    assert Draft202012Validator(made).is_valid({"tests": [test]})
    assert complaints("tests", {"tests": [test]}) != []


def test_every_field_says_what_it_means():
    row = SCHEMAS["catalog"]["$defs"]["BackendEntry"]["properties"]
    assert row["price"]["description"] == meaning(
        KINDS["catalog"].model_fields["backends"].annotation.__args__[1], "price"
    )
    silent = [
        (kind, name, field)
        for kind, made in SCHEMAS.items()
        for name, each in {"": made, **made["$defs"]}.items()
        for field, said in each.get("properties", {}).items()
        if "description" not in said
    ]
    assert silent == []


def test_what_pydantic_says_of_shape_is_kept():
    prices = SCHEMAS["prices"]["$defs"]["BookPrice"]["properties"]
    assert (prices["input"]["type"], prices["input"]["minimum"], prices["input"]["maximum"]) == ("number", 0, 1_000_000)
    assert SCHEMAS["policies"]["properties"]["mode"]["default"] == "enforce"
    assert SCHEMAS["prices"]["required"] == ["version", "models"]


def test_the_text_of_a_schema_is_the_schema_with_a_line_for_each_definition():
    made = SCHEMAS["policies"]
    said = text(made)
    assert json.loads(said) == made
    assert all(any(line.startswith(f'    "{name}": ') for line in said.splitlines()) for name in made["$defs"])
