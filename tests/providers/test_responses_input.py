"""Messages, tools and choices as the Responses API takes them."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from support.response_vectors import chat

from gateway.core.chat import parse
from gateway.core.errors import Refusal, Refused
from gateway.providers.responses_input import (
    input_items,
    names_speakers,
    text_format,
    tool,
    tool_choice,
    unsaid,
    web_search,
)

KEPT = "openai-responses-v1"
SCHEMA = {"type": "object", "properties": {"b": {}, "a": {}}}


def items(*messages: dict, kept_as: str = KEPT) -> list:
    return json.loads(msgspec.json.encode(input_items(chat(messages=messages), kept_as)))


def flat(read, value: object) -> object:
    return json.loads(msgspec.json.encode(read(Raw(json.dumps(value).encode()))))


def message(role: str, content: object) -> dict:
    return {"type": "message", "role": role, "content": content}


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
PATCH = {"id": "p", "type": "custom", "custom": {"name": "patch", "input": "***"}}
SAID_CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}
SAID_PATCH = {"type": "custom_tool_call", "call_id": "p", "name": "patch", "input": "***"}


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([{"role": "user", "content": "hé"}], [message("user", "hé")]),
        ([{"role": "user"}], [message("user", "")]),
        (
            [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "u"},
                {"role": "developer", "content": "d"},
            ],
            [message("system", "s"), message("user", "u"), message("developer", "d")],
        ),
        ([{"role": "user", "content": [{"type": "text", "text": "one"}]}], [message("user", "one")]),
        ([{"role": "user", "content": [{"text": "one"}]}], [message("user", "one")]),
        (
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
            [message("user", [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}])],
        ),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
                        {"type": "image_url", "image_url": {"url": "https://u/x.png"}},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}},
                        {"type": "image_url", "image_url": "https://u/y.png"},
                        {"type": "file", "file": {"filename": "x.pdf", "file_data": "data:application/pdf;base64,AA"}},
                        {"type": "video_url", "video_url": {"url": "https://u/v"}},
                    ],
                }
            ],
            [
                message(
                    "user",
                    [
                        {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
                        {"type": "input_image", "image_url": "https://u/x.png", "detail": "auto"},
                        {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
                        {"type": "input_image", "image_url": "https://u/y.png", "detail": "auto"},
                        {"type": "input_file", "filename": "x.pdf", "file_data": "data:application/pdf;base64,AA"},
                        {"type": "video_url", "video_url": {"url": "https://u/v"}},
                    ],
                )
            ],
        ),
        (
            [
                {"role": "assistant", "content": None, "tool_calls": [CALL, PATCH]},
                {"role": "tool", "tool_call_id": "c", "content": ""},
                {"role": "tool", "tool_call_id": "p", "content": [{"type": "text", "text": "ok"}]},
            ],
            [
                SAID_CALL,
                SAID_PATCH,
                {"type": "function_call_output", "call_id": "c", "output": ""},
                {"type": "custom_tool_call_output", "call_id": "p", "output": "ok"},
            ],
        ),
        (
            [{"role": "assistant", "content": "I look.", "tool_calls": [CALL]}],
            [message("assistant", "I look."), SAID_CALL],
        ),
        (
            [{"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}]}],
            [message("assistant", [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "no"}])],
        ),
        (
            [{"role": "assistant", "content": "a", "refusal": "no", "reasoning_content": "for people", "audio": None}],
            [message("assistant", [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "no"}])],
        ),
        (
            [{"role": "assistant", "content": [{"type": "text", "text": "a"}], "refusal": "no"}],
            [message("assistant", [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "no"}])],
        ),
        (
            [{"role": "assistant", "content": None, "refusal": "no", "tool_calls": None}],
            [message("assistant", [{"type": "refusal", "refusal": "no"}])],
        ),
        ([{"role": "assistant", "content": ""}], []),
        (
            [
                {
                    "role": "tool",
                    "tool_call_id": "c",
                    "content": [
                        {"type": "text", "text": "a"},
                        {"type": "image_url", "image_url": {"url": "https://u"}},
                    ],
                }
            ],
            [
                {
                    "type": "function_call_output",
                    "call_id": "c",
                    "output": [
                        {"type": "input_text", "text": "a"},
                        {"type": "input_image", "image_url": "https://u", "detail": "auto"},
                    ],
                }
            ],
        ),
    ],
)
def test_messages_become_items(messages, said):
    assert items(*messages) == said


def test_reasoning_goes_back_to_who_can_read_it():
    details = [
        {"type": "reasoning.summary", "summary": "s", "format": KEPT},
        {"type": "reasoning.encrypted", "data": "e", "id": "rs", "format": KEPT, "index": 0},
        {"type": "reasoning.encrypted", "data": "x", "id": "rs_x", "format": "xai-responses-v1"},
    ]
    turn = {"role": "assistant", "content": "a", "tool_calls": [CALL], "reasoning_details": details}
    mine = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "e"}
    assert items(turn) == [mine, message("assistant", "a"), SAID_CALL]
    assert items(turn, kept_as="") == items(turn, kept_as="another") == [message("assistant", "a"), SAID_CALL]
    assert items({**turn, "reasoning_details": None})[0] == message("assistant", "a")


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"role": "user", "content": "`audio` and `function_call` are words"}, ""),
        ({"role": "assistant", "content": "", "audio": None, "function_call": None, "tool_calls": [CALL]}, ""),
        ({"role": "function", "name": "f", "content": "x"}, "messages of the role `function`"),
        ({"role": "critic", "content": "x"}, "a role that it does not know"),
        ({"role": "assistant", "function_call": {"name": "f", "arguments": ""}}, "does not take `function_call`"),
        ({"role": "assistant", "audio": {"id": "a"}}, "the `audio` of an earlier answer"),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]},
            "`input_audio`",
        ),
    ],
)
def test_what_cannot_be_said_is_named(message, why):
    said = unsaid(chat(messages=[message]))
    assert why in said
    assert bool(why) == bool(said)


@pytest.mark.parametrize(
    ("part", "by_id"),
    [
        ({"type": "file", "file": {"file_data": "x", "file_id": None}}, False),
        ({"type": "input_file", "file_id": "file-1"}, True),
        ({"type": "image_url", "image_url": {"url": "https://x"}, "file": 7, "file_id": "file-1"}, True),
        ({"type": "image_url", "image_url": {"url": "https://x"}}, False),
        ({"type": "text", "text": "file_id"}, False),
    ],
)
def test_files_that_were_stored_before_are_anybodys(part, by_id):
    request = chat(messages=[{"role": "user", "content": [{"type": "file", "file": None}, part]}])
    assert ("does not take files by a `file_id`" in unsaid(request)) == by_id
    assert unsaid(chat(messages=[{"role": "user", "content": [part]}])).startswith("does not take files") == by_id


def test_speakers_are_noticed():
    assert names_speakers(chat(messages=[{"role": "user", "content": "x", "name": "Ann"}]))
    assert not names_speakers(chat(messages=[{"role": "user", "content": '"name"', "name": None}]))
    assert not names_speakers(chat(messages=[{"role": "assistant", "tool_calls": [CALL]}]))


@pytest.mark.parametrize(
    ("message", "param", "refusal"),
    [
        ({"role": "tool", "content": "x"}, "messages[1].tool_call_id", Refusal.MISSING_PARAMETER),
        ({"role": "assistant", "tool_calls": "x"}, "messages", Refusal.INVALID_TYPE),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, "messages", Refusal.INVALID_TYPE),
        ({"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}, "messages", Refusal.INVALID_TYPE),
        (
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {}}}]},
            "messages",
            Refusal.INVALID_TYPE,
        ),
        ({"role": "assistant", "refusal": 7}, "messages", Refusal.INVALID_TYPE),
        ({"role": "assistant", "content": "x", "reasoning_details": "x"}, "messages", Refusal.INVALID_TYPE),
        ({"role": "user", "content": [{"type": "image_url", "image_url": 7}]}, "messages", Refusal.INVALID_TYPE),
        ({"role": "user", "content": [{"type": "file", "file": "x"}]}, "messages", Refusal.INVALID_TYPE),
        ({"role": "user", "content": [{"type": "text", "text": None}]}, "messages", Refusal.INVALID_TYPE),
    ],
)
def test_messages_that_are_none_are_refused(message, param, refusal):
    request = chat(messages=[{"role": "user", "content": "secret"}, message])
    with pytest.raises(Refused) as refused:
        input_items(request, KEPT)
    assert (refused.value.param, refused.value.refusal) == (param, refusal)
    assert refused.value.message.startswith(("invalid `messages`: ", "missing required parameter: "))


FUNCTION = {"name": "f", "description": "d", "parameters": SCHEMA}


@pytest.mark.parametrize(
    ("nested", "said"),
    [
        ({"type": "function", "function": FUNCTION}, {"type": "function", **FUNCTION, "strict": False}),
        ({"function": FUNCTION | {"strict": True}}, {"type": "function", **FUNCTION, "strict": True}),
        (
            {"type": "function", "function": {"name": "f", "strict": None, "parameters": None}},
            {"type": "function", "name": "f", "strict": False, "parameters": {"type": "object", "properties": {}}},
        ),
        (
            {"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}},
            {
                "type": "function",
                "name": "f",
                "strict": False,
                "parameters": {"type": "object", "properties": {}},
                "cache_control": {"type": "ephemeral"},
            },
        ),
        ({"type": "custom", "custom": {"name": "p"}}, {"type": "custom", "name": "p"}),
        (
            {"type": "custom", "custom": {"name": "p", "description": "d", "format": {"type": "text"}}},
            {"type": "custom", "name": "p", "description": "d", "format": {"type": "text"}},
        ),
        (
            {
                "type": "custom",
                "custom": {
                    "name": "p",
                    "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}},
                },
            },
            {
                "type": "custom",
                "name": "p",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: /a/"},
            },
        ),
        ({"type": "web_search", "filters": {"x": 1}}, {"type": "web_search", "filters": {"x": 1}}),
        ({"type": "function", "name": "already flat"}, {"type": "function", "name": "already flat"}),
    ],
)
def test_tools_become_flat(nested, said):
    assert flat(tool, nested) == said


def test_a_schema_keeps_its_bytes():
    schema = b'{"type" : "object", "properties":{"z":{},"a":{"const":1.50}}}'
    body = b'{"type":"function","function":{"name":"f","parameters":%b}}' % schema
    assert schema in msgspec.json.encode(tool(Raw(body)))
    shape = b'{"type":"json_schema","json_schema":{"name":"n","schema":%b}}' % schema
    assert schema in msgspec.json.encode(text_format(Raw(shape)))


NAMED = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("nested", "said"),
    [
        ("auto", "auto"),
        ("required", "required"),
        (NAMED, {"type": "function", "name": "f"}),
        ({"type": "custom", "custom": {"name": "p"}}, {"type": "custom", "name": "p"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [NAMED, {"type": "custom", "custom": {"name": "p"}}]},
            },
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "p"}],
            },
        ),
        ({"type": "web_search"}, {"type": "web_search"}),
    ],
)
def test_choices_become_flat(nested, said):
    assert flat(tool_choice, nested) == said


@pytest.mark.parametrize(
    ("nested", "said"),
    [
        ({"type": "text"}, {"type": "text"}),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
            {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True},
        ),
        ({"json_schema": {"name": "n"}}, {"type": "json_schema", "name": "n"}),
    ],
)
def test_shapes_become_flat(nested, said):
    assert flat(text_format, nested) == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, {}),
        ({"search_context_size": "low", "user_location": None}, {"search_context_size": "low"}),
        (
            {"user_location": {"type": "approximate", "approximate": {"city": "Olten", "country": "CH"}}},
            {"user_location": {"type": "approximate", "city": "Olten", "country": "CH"}},
        ),
        ({"user_location": {"type": "approximate"}}, {"user_location": {"type": "approximate"}}),
    ],
)
def test_a_search_is_a_tool(options, said):
    assert flat(web_search, options) == {"type": "web_search", **said}


@pytest.mark.parametrize("read", [tool, tool_choice, text_format, web_search])
@pytest.mark.parametrize(
    "raw",
    [
        b'{"type":7,"json_schema":7,"user_location":7}',
        b'{"type":"function","function":7,"json_schema":[],"user_location":"x"}',
    ],
)
def test_what_is_none_of_them_is_told_as_such(read, raw):
    with pytest.raises(msgspec.DecodeError):
        read(Raw(raw))


_LEAF = st.one_of(
    st.none(), st.integers(0, 3), st.sampled_from(["text", "image_url", "file", "function", "custom", ""])
)
_TREE = st.recursive(
    _LEAF,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(["type", "text", "image_url", "url", "file", "id", "function", "name", "format"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)
_MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system"])},
    optional={
        "content": _TREE,
        "tool_calls": _TREE,
        "tool_call_id": _LEAF,
        "refusal": _LEAF,
        "reasoning_details": _TREE,
        "name": _LEAF,
        "audio": _TREE,
    },
)


@given(st.lists(_MESSAGE, min_size=1, max_size=3))
def test_any_messages_are_items_or_refused(messages):
    try:
        request = parse(json.dumps({"model": "m", "messages": messages}).encode())
        unsaid(request)
        names_speakers(request)
        said = input_items(request, KEPT)
    except Refused:
        return
    assert all(each["type"] for each in json.loads(msgspec.json.encode(said)))


@given(_TREE)
def test_any_tool_is_flat_or_none(value):
    for read in (tool, tool_choice, text_format, web_search):
        try:
            msgspec.json.encode(read(Raw(json.dumps(value).encode())))
        except msgspec.DecodeError:
            continue
