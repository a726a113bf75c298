"""Tools of a Responses request become functions, and what is called gets its own name back."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from gateway.core.errors import Refused
from gateway.surfaces.responses_tools import (
    LONGEST_NAME,
    RUN_HERE,
    Called,
    Offer,
    arguments_of,
    choice_of,
    function_name,
    input_of,
    offered,
)

SCHEMA = {"type": "object", "properties": {"z": {}, "a": {"type": "string"}}}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: begin\nbegin: /x/"}
SHELL = {"type": "function", "name": "shell", "description": "Runs.", "strict": False, "parameters": SCHEMA}
PATCH = {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": GRAMMAR}
PLAIN = {"type": "custom", "name": "say"}
DOCS = {"type": "namespace", "name": "mcp__docs", "description": "Docs.", "tools": [{**SHELL, "name": "search"}, PLAIN]}


def offer(*tools: object) -> Offer:
    return offered([("tools", Raw(json.dumps(tools).encode()))])


def functions(*tools: object) -> list[dict]:
    return json.loads(msgspec.json.encode(offer(*tools).functions))


def test_a_function_keeps_all_that_chat_has_a_word_for():
    assert functions(SHELL) == [
        {"type": "function", "function": {name: value for name, value in SHELL.items() if name != "type"}}
    ]
    assert list(functions(SHELL)[0]["function"]["parameters"]["properties"]) == ["z", "a"]


def test_a_function_without_parameters_takes_none():
    nothing = {"type": "object", "properties": {}}
    assert functions({"type": "function", "name": "now", "parameters": None, "strict": None}) == [
        {"type": "function", "function": {"name": "now", "parameters": nothing}}
    ]


def test_a_custom_tool_is_a_function_that_is_told_its_grammar():
    [said] = functions(PATCH)
    assert said["function"]["name"] == "apply_patch"
    assert said["function"]["description"].startswith("Edits files.")
    assert GRAMMAR["definition"] in said["function"]["description"]
    assert said["function"]["parameters"]["required"] == ["input"]
    assert offer(PATCH).called == {"apply_patch": Called("apply_patch", custom=True)}
    assert "description" not in functions(PLAIN)[0]["function"]


def test_a_namespace_comes_apart_and_can_be_put_together():
    made = offer(SHELL, DOCS)
    assert [each["function"]["name"] for each in made.functions] == ["shell", "mcp__docs__search", "mcp__docs__say"]
    assert made.called["mcp__docs__search"] == Called("search", namespace="mcp__docs")
    assert made.called["mcp__docs__say"] == Called("say", custom=True, namespace="mcp__docs")


def test_the_default_namespace_is_given_back_but_not_spelled_out():
    made = offer({**DOCS, "name": "functions"})
    assert [each["function"]["name"] for each in made.functions] == ["search", "say"]
    assert made.called["search"] == Called("search", namespace="functions")


def test_tools_of_the_provider_are_named_once():
    assert offer({"type": "web_search"}, SHELL, {"type": "mcp"}, {"type": "web_search"}).hosted == ("web_search", "mcp")


@pytest.mark.parametrize(
    ("tool", "there"),
    [
        (SHELL, False),
        ({"type": "shell"}, False),
        ({"type": "shell", "environment": None}, False),
        ({"type": "shell", "environment": {"type": "local"}}, False),
        ({"type": "shell", "environment": {"type": "container_auto"}}, True),
        ({"type": "shell", "environment": {"type": "container_reference", "container_id": "c"}}, True),
        ({"type": "shell", "environment": {}}, True),
        ({"type": "shell_there"}, True),
        *(({"type": type}, False) for type in sorted(RUN_HERE)),
        ({"type": "web_search"}, True),
        ({"type": "code_interpreter", "container": {"type": "auto"}}, True),
        ({"type": "unheard_of"}, True),
        ({"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}, True),
    ],
)
def test_what_runs_at_the_provider(tool, there):
    assert offer(tool).there is there


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([{"type": "function"}], "tools[0].name"),
        ([{"type": "namespace", "tools": []}], "tools[0].name"),
        ([{"type": "namespace", "name": "n"}], "tools[0].tools"),
        ([{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}], "tools[0].tools[0].name"),
        ([SHELL, SHELL], "tools[1]"),
        ([{**SHELL, "name": "a__b"}, {"type": "namespace", "name": "a", "tools": [{**SHELL, "name": "b"}]}], None),
        ([{"name": "x"}], "tools[0].type"),
        ([{"type": "shell", "environment": {"type": 1}}], "tools[0].environment.type"),
        ([{**PATCH, "format": {"type": 1}}], "tools[0].format.type"),
    ],
)
def test_what_is_wrong_is_refused_by_its_path(tools, param):
    with pytest.raises(Refused) as refused:
        offer(*tools)
    assert refused.value.param == (param or "tools[1].tools[0]")


def test_a_tool_for_programs_only_cannot_be_said_in_chat():
    assert "`shell`" in offer({**SHELL, "allowed_callers": ["programmatic"]}).only
    assert offer({**SHELL, "allowed_callers": ["direct", "programmatic"]}).only == ""


@pytest.mark.parametrize(
    ("name", "namespace", "said"),
    [
        ("shell", None, "shell"),
        ("shell", "", "shell"),
        ("exec", "functions", "exec"),
        ("js", "mcp__repl", "mcp__repl__js"),
        ("js", "mcp__repl__", "mcp__repl__js"),
        ("x" * 80, None, "x" * 80),
    ],
)
def test_the_name_of_a_function(name, namespace, said):
    assert function_name(name, namespace) == said


@given(st.text("ab_", min_size=50, max_size=60), st.text("ab_", min_size=50, max_size=60), st.text("ab_", min_size=5))
def test_long_names_fit_and_stay_apart(one, other, namespace):
    names = {function_name(one, namespace), function_name(other, namespace)}
    assert all(len(name) <= LONGEST_NAME for name in names)
    assert len(names) == len({one, other})


@given(st.text())
def test_free_text_survives_as_arguments(text):
    assert input_of(arguments_of(text)) == text


@pytest.mark.parametrize("arguments", ["*** Begin Patch", '{"input":1}', '{"input":"a","more":1}', "{", ""])
def test_arguments_of_another_form_reach_the_tool_as_they_are(arguments):
    assert input_of(arguments) == arguments


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ({"type": "function", "name": "shell"}, {"type": "function", "function": {"name": "shell"}}),
        ({"type": "custom", "name": "apply_patch"}, {"type": "function", "function": {"name": "apply_patch"}}),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "shell"}]},
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "shell"}}],
                },
            },
        ),
    ],
)
def test_a_choice_in_chat(choice, said):
    assert choice_of(Raw(json.dumps(choice).encode()), offer(SHELL, PATCH)) == (said, "")


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "web_search"},
        {"type": "mcp", "server_label": "x"},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]},
    ],
)
def test_a_choice_of_the_providers_tools_is_not_for_chat(choice):
    said, only = choice_of(Raw(json.dumps(choice).encode()), offer(SHELL))
    assert said is None
    assert "runs at the provider" in only


def test_nothing_is_chosen_where_nothing_is_offered():
    assert choice_of(Raw(b'"auto"'), offer()) == (None, "")
    with pytest.raises(Refused):
        choice_of(Raw(b'{"type":"function"}'), offer())
