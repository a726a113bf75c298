"""Schemas in Gemini's words."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from gateway.providers.gemini_schema import readable


@pytest.mark.parametrize(
    ("schema", "read"),
    [
        ({"const": 3}, {"enum": [3]}),
        ({"properties": {"const": {"const": "x"}}}, {"properties": {"const": {"enum": ["x"]}}}),
        ({"anyOf": [{"const": 1}, True]}, {"anyOf": [{"enum": [1]}, True]}),
        ({"items": [{"const": 1}], "not": {"const": 2}}, {"items": [{"enum": [1]}], "not": {"enum": [2]}}),
        (
            {"$defs": {"A": {"const": None}}, "$ref": "#/$defs/A"},
            {"$defs": {"A": {"enum": [None]}}, "$ref": "#/$defs/A"},
        ),
        ({"$ref": "#/$defs/A", "description": "d"}, {"description": "d", "anyOf": [{"$ref": "#/$defs/A"}]}),
        (
            {"$ref": "#/$defs/A", "anyOf": [{"type": "null"}]},
            {"anyOf": [{"type": "null"}], "allOf": [{"$ref": "#/$defs/A"}]},
        ),
        ({"enum": [{"const": 1}], "default": {"$ref": 1}}, {"enum": [{"const": 1}], "default": {"$ref": 1}}),
    ],
)
def test_what_gemini_does_not_know_is_said_in_other_words(schema, read):
    assert json.loads(bytes(readable(Raw(json.dumps(schema).encode())))) == read


def test_anything_else_keeps_its_bytes():
    schema = (
        b'{ "type":"object", "properties" : {"b":{},"a":{"minimum":9007199254740993}}, "additionalProperties":false}'
    )
    assert bytes(readable(Raw(schema))) == schema


def test_what_is_nested_too_deeply_goes_as_it_came():
    schema = b'{"items":' * 3000 + b'{"const":1}' + b"}" * 3000
    assert bytes(readable(Raw(schema))) == schema


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["const", "$ref", "items", "anyOf", "properties", "x"]), inner)
    ),
)


@settings(deadline=None)
@given(_JSON)
def test_any_schema_comes_out_as_json_and_a_second_reading_changes_nothing(schema):
    once = readable(Raw(msgspec.json.encode(schema)))
    assert json.loads(bytes(readable(once))) == json.loads(bytes(once))
