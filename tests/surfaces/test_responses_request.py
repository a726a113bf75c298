"""Each field of a Responses request is said in chat, refused, left to native backends, or harmless: nothing else."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from gateway.core.chat import parse, read_fields
from gateway.core.errors import Refused
from gateway.surfaces.responses_request import (
    HARMLESS,
    NATIVE_ONLY,
    OF_CHAT,
    SHOWN,
    STATEFUL,
    left_out,
    offer_of,
    request_of,
    translated,
)

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "responses"
SHELL = {"type": "function", "name": "shell", "parameters": {"type": "object"}}
SAID_SHELL = {"type": "function", "function": {"name": "shell", "parameters": {"type": "object"}}}
SEARCH = {"type": "web_search"}
SCHEMA = {"type": "object", "properties": {"z": {}, "a": {}}}


def asked(**fields: object) -> tuple[dict, str]:
    """The chat, and why it is not all."""
    body = json.dumps({"model": "m", "input": "hi", **fields}).encode()
    said = translated(read_fields(body), request_of(body))
    parse(said.body)
    return json.loads(said.body), said.only


def chat(**fields: object) -> dict:
    said, only = asked(**fields)
    assert only == ""
    return said


def dropped(**fields: object) -> tuple[str, ...]:
    read = read_fields(json.dumps({"model": "m", "input": "hi", **fields}).encode())
    return left_out(read, offer_of(read))


PLAIN = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("fields", "more"),
    [
        ({}, {}),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"stream": True, "stream_options": {"include_obfuscation": False}}, None),
        ({"max_output_tokens": 9}, {"max_completion_tokens": 9}),
        ({"temperature": 0.1, "top_p": 0.5}, {"temperature": 0.1, "top_p": 0.5}),
        ({"top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"top_logprobs": 0}, {}),
        ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
        ({"include": sorted(SHOWN)}, {}),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
        ({"reasoning": {"summary": "auto", "mode": "standard", "context": "all_turns"}}, {}),
        ({"text": {"verbosity": "low", "format": {"type": "text"}}}, {"verbosity": "low"}),
        ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
        (
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": SCHEMA, "strict": True},
                }
            },
        ),
        ({"tools": [SHELL], "tool_choice": "auto"}, {"tools": [SAID_SHELL], "tool_choice": "auto"}),
        ({"tools": [SHELL], "parallel_tool_calls": False}, {"tools": [SAID_SHELL], "parallel_tool_calls": False}),
        ({"tools": [], "tool_choice": "auto", "parallel_tool_calls": True}, {}),
        ({"tools": [SHELL, SEARCH]}, {"tools": [SAID_SHELL]}),
        ({"prompt_cache_key": "k", "user": "u", "safety_identifier": "s"}, None),
        ({"chat_template_kwargs": {"x": 1}, "seed": 9007199254740993}, None),
        ({"background": False, "previous_response_id": None, "conversation": None}, {}),
    ],
)
def test_what_is_asked_in_chat(fields, more):
    expected = {**PLAIN, **(fields if more is None else more)}
    if "stream_options" in fields:
        expected["stream_options"] = {"include_usage": True}
    assert chat(**fields) == expected


def test_a_schema_keeps_its_order_and_its_description():
    said = chat(text={"format": {"type": "json_schema", "name": "n", "description": "d", "schema": SCHEMA}})
    assert said["response_format"]["json_schema"]["description"] == "d"
    assert list(said["response_format"]["json_schema"]["schema"]["properties"]) == ["z", "a"]


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_harmless_is_not_sent(name):
    value = {"store": True, "metadata": {"a": "b"}, "truncation": "auto"}.get(name, {})
    assert chat(**{name: value}) == PLAIN


@pytest.mark.parametrize("name", STATEFUL)
def test_what_needs_state_is_refused_with_what_to_do(name):
    with pytest.raises(Refused) as refused:
        asked(**{name: True if name == "background" else "x"})
    assert (refused.value.refusal.status, refused.value.param) == (400, name)
    assert STATEFUL[name] in refused.value.message


@pytest.mark.parametrize("name", OF_CHAT)
def test_a_parameter_of_chat_is_refused_with_what_to_use(name):
    with pytest.raises(Refused) as refused:
        asked(**{name: 1})
    assert refused.value.param == name
    assert OF_CHAT[name] in refused.value.message


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        *[({name: {}}, f"asks for `{name}`") for name in NATIVE_ONLY],
        ({"tools": [SEARCH]}, "uses the server tool `web_search`"),
        ({"tools": [SHELL, {"type": "mcp"}]}, "uses the server tool `mcp`"),
        ({"tools": [SHELL, {"type": "local_shell"}, SEARCH]}, "uses the server tool `local_shell`"),
        ({"tools": [SHELL, SEARCH], "tool_choice": "required"}, "uses the server tool `web_search`"),
        ({"tools": [SHELL, SEARCH], "tool_choice": {"type": "web_search"}}, "chooses the tool `web_search`"),
        ({"input": [{"type": "mcp_call"}]}, "has an input item of type `mcp_call`"),
        ({"reasoning": {"mode": "pro"}}, "asks for `reasoning.mode`"),
        ({"text": {"format": {"type": "grammar"}}}, "asks for a text format of type `grammar`"),
        ({"include": ["thoughts"]}, "asks to include `thoughts`"),
    ],
)
def test_what_chat_cannot_say_is_for_native_backends_only(fields, why):
    assert asked(**fields)[1].startswith(why)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"tools": [SHELL, SEARCH, {"type": "image_generation"}]}, ("web_search", "image_generation")),
        ({"tools": [SHELL, SEARCH], "tool_choice": "auto"}, ("web_search",)),
        ({"tools": [SHELL, {"type": "mcp"}], "tool_choice": "none"}, ("mcp",)),
        ({"tools": [{"type": "mcp"}], "tool_choice": "none"}, ("mcp",)),
        ({"tools": [SHELL, {"type": "mcp"}], "tool_choice": {"type": "function", "name": "shell"}}, ("mcp",)),
        ({"tools": [SHELL]}, ()),
        ({"tools": [SEARCH]}, ()),
        ({"tools": [SHELL, {"type": "mcp"}]}, ()),
        ({"tools": [SHELL, SEARCH], "tool_choice": "required"}, ()),
    ],
)
def test_tools_that_agents_always_offer_are_left_out_and_told(fields, names):
    assert dropped(**fields) == names


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 7}, "input"),
        ({"model": None}, "model"),
        ({"max_output_tokens": -1}, "max_output_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"tool_choice": "required"}, "tools"),
        ({"tool_choice": {"type": "function"}, "tools": [SHELL]}, "tool_choice.name"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
        ({"tools": {}}, "tools"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(fields, param):
    with pytest.raises(Refused) as refused:
        asked(**fields)
    assert (refused.value.refusal.status, refused.value.param) == (400, param)


def test_every_field_of_the_api_has_its_place():
    """A field of the SDK is in a table, or is one that chat has by the same name, or is told in some other words."""
    same = {"model", "parallel_tool_calls", "temperature", "top_p", "user", "safety_identifier", "service_tier"}
    same |= {"prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "moderation"}
    told = {"input", "instructions", "tools", "tool_choice", "max_output_tokens", "top_logprobs", "reasoning", "text"}
    known = {*STATEFUL, *NATIVE_ONLY, *HARMLESS, *same, *told, "include"}
    assert set(ResponseCreateParamsBase.__annotations__) <= known


def test_a_request_of_codex_is_a_chat():
    body = (VECTORS / "codex_first.json").read_bytes()
    fields = read_fields(body)
    said = translated(fields, request_of(body))
    assert said.only == ""
    made = json.loads(said.body)
    assert list(made) == [
        *("model", "parallel_tool_calls", "stream", "prompt_cache_key", "messages", "stream_options", "tools"),
        *("tool_choice", "reasoning_effort", "verbosity"),
    ]
    assert [each["role"] for each in made["messages"]] == ["system", "user", "user"]
    assert [each["function"]["name"] for each in made["tools"]] == [
        *("exec_command", "update_plan", "apply_patch", "mcp__docs__search"),
    ]
    assert left_out(fields, offer_of(fields)) == ("web_search", "image_generation")


def test_the_next_request_of_codex_goes_on_with_results():
    body = (VECTORS / "codex_second.json").read_bytes()
    said = translated(read_fields(body), request_of(body))
    assert said.only == ""
    messages = json.loads(said.body)["messages"]
    assert [each["role"] for each in messages] == ["system", "user", "assistant", "tool", "tool", "assistant", "tool"]
    assert [call["function"]["name"] for call in messages[2]["tool_calls"]] == ["exec_command", "mcp__docs__search"]
    assert messages[2]["reasoning_content"] == "I look first."


def test_a_request_of_codex_for_a_model_that_writes_programs():
    body = (VECTORS / "codex_programs.json").read_bytes()
    fields = read_fields(body)
    said = translated(fields, request_of(body))
    assert said.only == ""
    made = json.loads(said.body)
    assert [each["function"]["name"] for each in made["tools"]] == ["exec", "wait", "collaboration__list_agents"]
    assert [each["role"] for each in made["messages"]] == ["system", "user", "assistant", "tool"]
    assert made["messages"][2]["tool_calls"][0]["function"] == {"name": "exec", "arguments": '{"input":"text(1)"}'}
    assert made["messages"][3]["content"] == "Script completed\n\n1"


def test_tools_among_the_items_are_offered():
    items = [{"type": "additional_tools", "role": "developer", "tools": [SHELL]}, {"role": "user", "content": "hi"}]
    assert chat(input=items)["tools"] == [SAID_SHELL]
    talk = [{"role": "user", "content": "what is", "note": "additional_tools"}]
    assert "tools" not in chat(input=talk)


@pytest.mark.parametrize("name", ["additional_tools", "additional\\u005ftools"])
def test_a_tool_of_the_provider_is_seen_however_its_list_is_written(name):
    body = b'{"model":"m","input":[{"type":"%b","tools":[{"type":"mcp","server_url":"https://x"}]}]}' % name.encode()
    said = translated(read_fields(body), request_of(body))
    assert (said.only, said.hosted) == ("uses the server tool `mcp`", True)


def test_tools_that_a_search_found_are_seen():
    items = [{"type": "tool_search_output", "tools": [{"type": "mcp"}, SHELL]}]
    body = json.dumps({"model": "m", "input": items, "tools": [SHELL]}).encode()
    assert translated(read_fields(body), request_of(body)).hosted


@pytest.mark.parametrize(
    ("choice", "names"), [(b'"\\u0061uto"', ()), (b'"requ\\u0069red"', ()), (b'"non\\u0065"', ("mcp",))]
)
def test_a_tool_choice_is_read_however_it_is_written(choice, names):
    tools = json.dumps([SHELL, {"type": "mcp"}]).encode()
    read = read_fields(b'{"model":"m","input":"hi","tools":%b,"tool_choice":%b}' % (tools, choice))
    assert left_out(read, offer_of(read)) == names


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}, "tools[0].vector_store_ids"),
        ({"tools": [{"type": "code_interpreter", "container": "c"}]}, "tools[0].container"),
        (
            {"tools": [{"type": "shell", "environment": {"type": "container_reference", "container_id": "c"}}]},
            "tools[0].environment.container_id",
        ),
        (
            {"tools": [SHELL, {"type": "image_generation", "input_image_mask": {"file_id": "f"}}]},
            "tools[1].input_image_mask.file_id",
        ),
        (
            {"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot", "file_id": "f"}}]},
            "input[0].output.file_id",
        ),
    ],
)
def test_what_is_kept_at_the_provider_cannot_be_named(fields, param):
    with pytest.raises(Refused, match="send the content itself") as refused:
        asked(**fields)
    assert refused.value.param == param


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(sorted(ResponseCreateParamsBase.__annotations__))
TOOLS = st.lists(
    st.sampled_from([SHELL, SEARCH, {"type": "mcp"}, {"type": "namespace", "name": "n", "tools": [SHELL]}])
)


@given(st.dictionaries(NAMES, JSON, max_size=5), TOOLS)
def test_any_request_is_a_chat_or_a_refusal(fields, tools):
    body = json.dumps({"model": "m", "input": "hi", "tools": tools, **fields}).encode()
    try:
        said = translated(read_fields(body), request_of(body))
        parse(said.body)
    except Refused:
        return
    assert json.loads(said.body)["messages"]
