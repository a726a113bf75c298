"""The fields of a Messages request: each is said as chat, harmless, or a reason why chat cannot say it."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.chat import REDIRECTING
from gateway.core.errors import Refusal, Refused
from gateway.core.pieces import Piece
from gateway.surfaces.messages_request import HARMLESS, NOT_IN_CHAT, TOOL_HINTS, parse

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "messages"
LEAST = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
SAID = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
TOOL = {"name": "f", "description": "does f", "input_schema": {"type": "object", "properties": {}}}
FUNCTION = {"name": "f", "description": "does f", "parameters": {"type": "object", "properties": {}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def ask(**more):
    return parse(json.dumps({**LEAST, **more}).encode(), 7, "messages")


def said(chat):
    """The chat fields beyond those of the least request."""
    fields = {name: json.loads(bytes(raw)) for name, raw in chat.fields.items()}
    return {name: value for name, value in fields.items() if SAID.get(name) != value}


def refused(body, *, counts=False):
    with pytest.raises(Refused) as caught:
        parse(body if isinstance(body, bytes) else json.dumps(body).encode(), 0, "messages", counts=counts)
    return caught.value


def test_the_least_request():
    chat = ask()
    assert said(chat) == {}
    assert (chat.native.surface, chat.native.only, chat.arrived, chat.operation) == ("messages", "", 7, "chat")
    assert {name: json.loads(bytes(raw)) for name, raw in chat.native.fields.items()} == LEAST
    assert chat.output_limit == 8


CHAT = {
    "sampling": (
        {"temperature": 0.5, "top_p": 0.9, "top_k": 5},
        {"temperature": 0.5, "top_p": 0.9, "top_k": 5},
    ),
    "a stream tells usage": ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
    "no stream": ({"stream": False}, {}),
    "stop": ({"stop_sequences": ["a", "b"]}, {"stop": ["a", "b"]}),
    "no stop": ({"stop_sequences": []}, {}),
    "who asks": ({"metadata": {"user_id": "u"}}, {"user": "u"}),
    "who asks, at length": ({"metadata": {"user_id": "u" * 65}}, {}),
    "who asks, nobody": ({"metadata": {"user_id": None}}, {}),
    "any tier": ({"service_tier": "auto"}, {}),
    "the standard tier": ({"service_tier": "standard_only"}, {"service_tier": "default"}),
    "no thinking": ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
    "no thinking, whatever the effort": (
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}},
        {"reasoning_effort": "none"},
    ),
    "thinking as it likes": ({"thinking": {"type": "adaptive", "display": "updates"}}, {"reasoning_effort": "high"}),
    "thinking at an effort": (
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        {"reasoning_effort": "low"},
    ),
    "an effort": ({"output_config": {"effort": "xhigh"}}, {"reasoning_effort": "xhigh"}),
    "a small budget": ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, {"reasoning_effort": "low"}),
    "a budget": ({"thinking": {"type": "enabled", "budget_tokens": 4097}}, {"reasoning_effort": "medium"}),
    "a large budget": ({"thinking": {"type": "enabled", "budget_tokens": 31999}}, {"reasoning_effort": "high"}),
    "a budget and an effort": (
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "max"}},
        {"reasoning_effort": "max"},
    ),
    "a schema": (
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
            }
        },
    ),
    "a schema by its first name": (
        {"output_format": {"type": "json_schema", "schema": SCHEMA}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
            }
        },
    ),
    "a tool": ({"tools": [TOOL]}, {"tools": [{"type": "function", "function": FUNCTION}]}),
    "no tools": ({"tools": [], "tool_choice": {"type": "auto"}}, {}),
    "a strict tool with hints": (
        {
            "tools": [
                {
                    **TOOL,
                    "type": "custom",
                    "strict": True,
                    "cache_control": {"type": "ephemeral"},
                    "eager_input_streaming": True,
                    "defer_loading": True,
                    "allowed_callers": ["direct", "code_execution_20260120"],
                }
            ]
        },
        {"tools": [{"type": "function", "function": {**FUNCTION, "strict": True}}]},
    ),
    "a tool without a description": (
        {"tools": [{"name": "f", "input_schema": {}}]},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
    ),
    "a tool with examples": (
        {"tools": [{"name": "f", "input_schema": {}, "input_examples": [{"a": 1}]}]},
        {
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "f",
                        "description": 'Examples of its input: [{"a": 1}]',
                        "parameters": {},
                    },
                }
            ]
        },
    ),
}


@pytest.mark.parametrize("name", CHAT)
def test_what_chat_says_too(name):
    more, expected = CHAT[name]
    chat = ask(**more)
    assert said(chat) == expected
    assert chat.native.only == ""
    assert {name: json.loads(bytes(raw)) for name, raw in chat.native.fields.items()} == {**LEAST, **more}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "tool", "name": "f"}, {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            {"tool_choice": "auto", "parallel_tool_calls": False},
        ),
        ({"type": "any", "disable_parallel_tool_use": False}, {"tool_choice": "required"}),
    ],
)
def test_which_tool_is_called(choice, expected):
    chat = ask(tools=[TOOL], tool_choice=choice)
    fields = said(chat)
    del fields["tools"]
    assert fields == expected
    assert chat.native.only == ""


def test_schemas_keep_their_bytes():
    schema = b'{"type":"object",  "properties":{"n":{"maximum":1.50}}}'
    body = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"q"}],"tools":[{"name":"f","input_schema":%b}]}'
    assert schema in bytes(parse(body % schema, 0, "messages").fields["tools"])


HARMLESS_NOW = {
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}, {"type": "compact_20260112"}]},
    "output_config": {"task_budget": {"type": "tokens", "total": 1000}},
    **{name: {"a": 1} for name in HARMLESS},
    **{name: json.loads(nothing[0]) for name, (_, nothing) in NOT_IN_CHAT.items() if nothing},
    "thread": None,
    "unheard_of": None,
    "speed": "standard",
}


@pytest.mark.parametrize("name", HARMLESS_NOW)
def test_what_does_not_change_the_answer_is_harmless(name):
    chat = ask(**{name: HARMLESS_NOW[name]})
    assert said(chat) == {}
    assert chat.native.only == ""
    assert name in chat.native.fields


ONLY = {
    **{name: ({name: {"a": 1}}, reason) for name, (reason, _) in NOT_IN_CHAT.items()},
    "a field that nobody knows": ({"unheard_of": 1}, "has the field `unheard_of`"),
    "another member of a field": ({"output_config": {"new": 1}}, "has the member `new` in `output_config`"),
    "another edit": ({"context_management": {"edits": [{"type": "other"}]}}, "uses the context edit `other`"),
    "another way of thinking": ({"thinking": {"type": "between_tools"}}, "thinks in the way `between_tools`"),
    "another form": ({"output_format": {"type": "regex"}}, "in the form `regex`"),
    "another tier": ({"service_tier": "batch"}, "asks for the service tier `batch`"),
    "no answer": ({"max_tokens": 0}, "asks for no answer"),
    "a tool of theirs": (
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "uses the tool type `web_search_20250305`",
    ),
    "a tool of the client's that needs no schema": (
        {"tools": [{"type": "bash_20250124", "name": "bash"}]},
        "uses the tool type `bash_20250124`",
    ),
    "a set of tools": ({"tools": [{"type": "mcp_toolset", "mcp_server_name": "s"}]}, "type `mcp_toolset`"),
    "a tool with a new member": ({"tools": [{**TOOL, "new": 1}]}, "has a tool with the member `new`"),
    "a tool for code alone": (
        {"tools": [{**TOOL, "allowed_callers": ["code_execution_20260120"]}]},
        "only code may call",
    ),
    "a block of theirs": (
        {"messages": [{"role": "user", "content": [{"type": "browser_state"}]}]},
        "type `browser_state`",
    ),
}


@pytest.mark.parametrize("name", ONLY)
def test_what_chat_has_no_word_for_is_told(name):
    more, expected = ONLY[name]
    assert expected in ask(**more).native.only


def test_no_answer_is_not_no_limit():
    assert ask(max_tokens=0).output_limit == 1


def test_reasons_follow_the_order_of_the_fields():
    more = {name: 1 for name in ("zeta", "alpha", "mid")}
    assert [ask(**more).native.only.index(name) for name in more] == sorted(
        ask(**more).native.only.index(name) for name in more
    )


@pytest.mark.parametrize("value", ["default", [{"model": "claude-opus-5"}], None])
def test_models_that_would_answer_unseen_are_taken_out_for_everybody(value):
    chat = ask(fallbacks=value)
    assert "fallbacks" not in chat.native.fields
    assert (said(chat), chat.native.only) == ({}, "")


@pytest.mark.parametrize("name", [name for name in REDIRECTING if name != "fallbacks"])
def test_a_body_cannot_redirect_the_call(name):
    assert refused({**LEAST, name: "x"}).refusal is Refusal.FORBIDDEN_PARAMETER


@pytest.mark.parametrize(
    ("more", "refusal", "why"),
    [
        ({"inference_geo": "global"}, Refusal.FORBIDDEN_PARAMETER, "the place is the policy's to choose"),
        ({"inference_geo": "us"}, Refusal.FORBIDDEN_PARAMETER, "the place is the policy's to choose"),
        ({"speed": "fast"}, Refusal.UNSUPPORTED, "cost more than the prices"),
    ],
)
def test_neither_the_place_nor_a_dearer_speed_is_the_callers_to_choose(more, refusal, why):
    error = refused({**LEAST, **more})
    assert (error.refusal, error.param) == (refusal, next(iter(more)))
    assert why in error.message
    assert ask(**dict.fromkeys(more)).native.only == ""


FILE = {"type": "file", "file_id": "f_1"}


def user(*blocks):
    return {"messages": [{"role": "user", "content": list(blocks)}]}


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"container": "container_1"}, "container"),
        ({"container": {"id": "container_1"}}, "container"),
        (user({"type": "image", "source": FILE}), "messages[0].content[0].source.file_id"),
        (user({"type": "document", "source": FILE}), "messages[0].content[0].source.file_id"),
        (user({"type": "container_upload", "file_id": "f_1"}), "messages[0].content[0].file_id"),
        (
            user({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "document", "source": FILE}]}),
            "messages[0].content[0].content[0].source.file_id",
        ),
    ],
)
def test_what_is_kept_at_the_provider_cannot_be_named(more, param):
    error = refused({**LEAST, **more})
    assert (error.refusal, error.param) == (Refusal.UNSUPPORTED, param)
    assert "send the content itself" in error.message


@pytest.mark.parametrize(
    ("more", "hosted"),
    [
        ({"mcp_servers": [{"type": "url", "url": "https://x"}]}, True),
        ({"container": {"skills": [{"type": "anthropic", "skill_id": "pptx"}]}}, True),
        ({"plugins": [{"id": "web"}]}, True),
        ({"data_sources": [{"type": "azure_search"}]}, True),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, True),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}, TOOL]}, False),
        ({"mcp_servers": [], "plugins": None, "container": None}, False),
    ],
)
def test_what_runs_at_the_provider_is_noticed(more, hosted):
    assert ask(**more).native.hosted is hosted


WRONG = {
    "no JSON": (b"{", Refusal.INVALID_JSON, None),
    "no UTF-8": (b'{"model":"\xff"}', Refusal.INVALID_JSON, None),
    "too deep": (b'{"a":' + b"[" * 100_000, Refusal.INVALID_JSON, None),
    "no object": (b"[]", Refusal.INVALID_TYPE, None),
    "no model": ({"max_tokens": 1, "messages": LEAST["messages"]}, Refusal.MISSING_PARAMETER, "model"),
    "no messages": ({"model": "m", "max_tokens": 1}, Refusal.MISSING_PARAMETER, "messages"),
    "empty messages": ({**LEAST, "messages": []}, Refusal.INVALID_TYPE, "messages"),
    "no limit": ({"model": "m", "messages": LEAST["messages"]}, Refusal.MISSING_PARAMETER, "max_tokens"),
    "a null limit": ({**LEAST, "max_tokens": None}, Refusal.MISSING_PARAMETER, "max_tokens"),
    "a limit below none": ({**LEAST, "max_tokens": -1}, Refusal.INVALID_TYPE, "max_tokens"),
    "a limit that is text": ({**LEAST, "max_tokens": "8"}, Refusal.INVALID_TYPE, "max_tokens"),
    "a role of chat": (
        {**LEAST, "messages": [{"role": "tool", "content": ""}]},
        Refusal.INVALID_TYPE,
        "messages[0].role",
    ),
    "a block of no type": (
        {**LEAST, "messages": [{"role": "user", "content": [{"text": "a"}]}]},
        Refusal.MISSING_PARAMETER,
        "messages[0].content[0].type",
    ),
    "a text that is none": (
        {**LEAST, "messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
        Refusal.INVALID_TYPE,
        "messages[0].content[0].text",
    ),
    "a system prompt that is none": ({**LEAST, "system": [5]}, Refusal.INVALID_TYPE, "system[0]"),
    "a temperature that is text": ({**LEAST, "temperature": "hot"}, Refusal.INVALID_TYPE, "temperature"),
    "a budget that is missing": ({**LEAST, "thinking": {"type": "enabled"}}, Refusal.INVALID_TYPE, "thinking"),
    "an effort that is none": (
        {**LEAST, "output_config": {"effort": "huge"}},
        Refusal.INVALID_TYPE,
        "output_config.effort",
    ),
    "a tool without a name": ({**LEAST, "tools": [{"input_schema": {}}]}, Refusal.MISSING_PARAMETER, "tools[0].name"),
    "a tool without a schema": (
        {**LEAST, "tools": [{"name": "f"}]},
        Refusal.MISSING_PARAMETER,
        "tools[0].input_schema",
    ),
    "a schema that is none": (
        {**LEAST, "tools": [{"name": "f", "input_schema": 5}]},
        Refusal.INVALID_TYPE,
        "tools[0].input_schema",
    ),
    "a choice among nothing": ({**LEAST, "tool_choice": {"type": "any"}}, Refusal.INVALID_TYPE, "tool_choice"),
    "a choice of nothing": (
        {**LEAST, "tools": [TOOL], "tool_choice": {"type": "tool"}},
        Refusal.INVALID_TYPE,
        "tool_choice",
    ),
    "a choice that is none": (
        {**LEAST, "tools": [TOOL], "tool_choice": {"type": "some"}},
        Refusal.INVALID_TYPE,
        "tool_choice.type",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name):
    body, refusal, param = WRONG[name]
    error = refused(body)
    assert (error.refusal, error.param) == (refusal, param)
    assert error.refusal.status == 400


def test_a_count_needs_no_limit():
    body = json.dumps({"model": "m", "messages": LEAST["messages"]}).encode()
    chat = parse(body, 0, "count_tokens", counts=True)
    assert (chat.native.surface, chat.output_limit) == ("count_tokens", None)
    assert refused({"model": "m", "messages": []}, counts=True).param == "messages"


def test_a_request_of_claude_code_can_be_said_as_chat():
    body = (VECTORS / "claude_code_request.json").read_bytes()
    chat = parse(body, 0, "messages")
    assert chat.native.only == ""
    assert [json.loads(bytes(chat.fields["messages"]))[at]["role"] for at in range(5)] == [
        "system",
        "user",
        "assistant",
        "tool",
        "user",
    ]
    assert json.loads(bytes(chat.fields["messages"]))[0]["content"].startswith("You are")
    assert chat.fields.keys() == {
        *("model", "messages", "max_tokens", "stream", "stream_options", "tools", "reasoning_effort")
    }
    assert chat.asks == {"reasoning_effort"}
    assert {name: bytes(raw) for name, raw in chat.native.fields.items()} == {
        name: bytes(raw)
        for name, raw in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items()
        if name != "fallbacks"
    }


def test_every_hint_of_a_tool_has_a_reason():
    assert all(len(reason) > 10 for table in (HARMLESS, TOOL_HINTS) for reason in table.values())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "name", "a"]), inner),
    max_leaves=5,
)
fields = st.sampled_from(
    "system stream stop_sequences temperature top_k metadata thinking output_config output_format tools tool_choice "
    "context_management service_tier max_tokens messages speed x".split()
)


@given(st.dictionaries(fields, json_values, max_size=5))
@settings(max_examples=400, deadline=None)
def test_any_fields_are_a_request_or_refused(more):
    try:
        chat = ask(**more)
    except Refused as error:
        assert error.refusal.status == 400  # noqa: PT017, any other exception fails
        return
    assert chat.native.fields.keys() == {**LEAST, **more}.keys()
    assert chat.native.only or not {"x", "speed"} & {name for name, value in more.items() if value is not None}


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_request_or_refused(noise):
    for raw in (noise, json.dumps(LEAST).encode()[:-1] + b',"x":' + noise + b"}"):
        try:
            parse(raw, 0, "messages")
        except Refused as error:
            assert error.refusal.status == 400  # noqa: PT017, any other exception fails


values_of_blocks = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text", "data"]), inner),
    max_leaves=4,
)
names = st.sampled_from(
    "text source content citations tool_use_id id name input thinking signature data caller".split()
)
kinds = st.sampled_from("text image document tool_use tool_result thinking redacted_thinking search_result x".split())
blocks = st.builds(
    lambda kind, more: {**more, "type": kind}, kinds, st.dictionaries(names, values_of_blocks, max_size=4)
)
turns = st.tuples(st.sampled_from(["user", "assistant", "system"]), st.text(max_size=4) | st.lists(blocks, max_size=3))


@given(st.lists(turns, min_size=1, max_size=4))
@settings(max_examples=400, deadline=None)
def test_any_conversation_is_said_or_refused(some):
    messages = [{"role": role, "content": content} for role, content in some]
    try:
        chat = ask(messages=messages)
    except Refused as error:
        assert error.refusal.status == 400  # noqa: PT017, any other exception fails
        return
    assert {message.role for message in chat.view.messages} <= {"system", "user", "assistant", "tool"}


@pytest.mark.parametrize("depth", [250, 300, 5000])
def test_documents_in_documents_without_end_are_refused(depth):
    inner = b'{"type":"document","source":{"type":"content","content":['
    blocks = inner * depth + b"]}}" * depth
    body = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[%b]}]}' % blocks
    assert refused(body).refusal is Refusal.INVALID_JSON


def test_marks_of_tools_and_of_all_of_it_are_told_beside_the_chat():
    mark = {"cache_control": {"type": "ephemeral"}}
    chat = ask(tools=[TOOL, {**TOOL, **mark}], **mark)
    assert b"cache_control" not in chat.with_fields({})
    assert chat.native.pieces[-2:] == (Piece(("tools", 1), kept="5m"), Piece((), kept="5m"))


def test_where_a_text_is_a_block_and_nothing_is_marked_there_is_nothing_to_tell():
    assert ask(system=[{"type": "text", "text": "a"}], tools=[TOOL]).native.pieces == ()
