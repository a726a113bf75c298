"""Tools, and which of them may or must be called, as Anthropic takes them."""

import json

import msgspec
import pytest
from msgspec import UNSET, Raw

from gateway.core.errors import Refused
from gateway.providers.anthropic_tools import Function, Tool, choice, functions, is_forced, tools

SCHEMA = b'{"type": "object", "properties":{"x":{"type":"integer","maximum":9007199254740993}}, "$defs":{}}'
OFFERED = [{"name": "f"}, {"name": "g"}]


def raw(value) -> Raw:
    return Raw(value if isinstance(value, bytes) else json.dumps(value).encode())


def written(blocks) -> list:
    return json.loads(msgspec.json.encode(blocks))


@pytest.mark.parametrize(
    ("function", "block"),
    [
        ({"name": "f"}, {"name": "f", "input_schema": {"type": "object", "properties": {}}}),
        ({"name": "f", "parameters": None}, {"name": "f", "input_schema": {"type": "object", "properties": {}}}),
        ({"name": "f", "parameters": {}}, {"name": "f", "input_schema": {"type": "object", "properties": {}}}),
        (
            {"name": "f", "description": "d", "strict": True, "parameters": {"type": "object"}},
            {"name": "f", "description": "d", "strict": True, "input_schema": {"type": "object"}},
        ),
        (
            {"name": "f", "strict": False, "parameters": {"properties": {"x": {}}}},
            {"name": "f", "input_schema": {"type": "object", "properties": {"x": {}}}},
        ),
        (
            {"name": "f", "parameters": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
            {"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
        ),
    ],
)
def test_a_function_becomes(function, block):
    assert written(functions([msgspec.json.decode(json.dumps(function), type=Function)])) == [block]
    offered = msgspec.json.decode(json.dumps([{"type": "function", "function": function}]), type=list[Tool])
    assert written(tools(offered)) == [block]


def test_a_schema_keeps_its_bytes():
    assert SCHEMA in msgspec.json.encode(functions([Function("f", parameters=Raw(SCHEMA))]))


def test_a_mark_on_the_tool_itself_is_kept():
    offered = msgspec.json.decode(
        b'[{"type":"function","function":{"name":"f"},"cache_control":{"type":"ephemeral"}}]', type=list[Tool]
    )
    assert written(tools(offered))[0]["cache_control"] == {"type": "ephemeral"}


def test_what_is_no_function_is_passed_over_and_a_missing_one_refused():
    assert tools([Tool("custom")]) == []
    with pytest.raises(Refused, match=r"`tools\[1\]\.function`"):
        tools([Tool("custom"), Tool()])
    with pytest.raises(Refused, match=r"functions\[0\]\.parameters"):
        functions([Function("f", parameters=Raw(b"[]"))])


@pytest.mark.parametrize(
    ("tool_choice", "function_call", "offered", "chosen"),
    [
        (UNSET, UNSET, ["f", "g"], None),
        (None, UNSET, ["f", "g"], None),
        ("auto", UNSET, ["f", "g"], {"type": "auto"}),
        ("none", UNSET, ["f", "g"], {"type": "none"}),
        ("required", UNSET, ["f", "g"], {"type": "any"}),
        ({"type": "function", "function": {"name": "g"}}, UNSET, ["f", "g"], {"type": "tool", "name": "g"}),
        (UNSET, "auto", ["f", "g"], {"type": "auto"}),
        (UNSET, "none", ["f", "g"], {"type": "none"}),
        (UNSET, {"name": "f"}, ["f", "g"], {"type": "tool", "name": "f"}),
        ("auto", {"name": "f"}, ["f", "g"], {"type": "auto"}),
        (UNSET, None, ["f", "g"], None),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]},
            },
            UNSET,
            ["g"],
            {"type": "any"},
        ),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, UNSET, [], None),
    ],
)
def test_a_choice_becomes(tool_choice, function_call, offered, chosen):
    values = [each if each is UNSET else raw(each) for each in (tool_choice, function_call)]
    made = choice(*values, OFFERED)
    assert ([tool["name"] for tool in made.offered], made.chosen) == (offered, chosen)
    assert is_forced(made) == (chosen is not None and chosen["type"] in ("any", "tool"))


def test_a_word_without_tools_asks_for_nothing():
    assert choice(raw("none"), UNSET, []).chosen is None


@pytest.mark.parametrize(
    ("tool_choice", "function_call", "words"),
    [
        ("always", UNSET, "give auto, none, required"),
        (7, UNSET, "invalid `tool_choice`"),
        ({"type": "function"}, UNSET, "not in `tools`"),
        ({"type": "function", "function": {"name": "h"}}, UNSET, "not in `tools`"),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "x", "tools": [{"function": {"name": "f"}}]}},
            UNSET,
            "give",
        ),
        (UNSET, [], "invalid `function_call`"),
        (UNSET, {"name": "h"}, "not in `tools`"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(tool_choice, function_call, words):
    values = [each if each is UNSET else raw(each) for each in (tool_choice, function_call)]
    with pytest.raises(Refused, match=words):
        choice(*values, OFFERED)
