"""Buffered chat completions as messages, and the tables that streams share."""

import json

import pytest
from support.vectors import all_recorded

from gateway.core.tokens import prompt_expected
from gateway.core.usage import Usage
from gateway.ports import UpstreamError
from gateway.surfaces.canonical import Choice
from gateway.surfaces.messages import Messages
from gateway.surfaces.messages_answer import (
    answer,
    call_id,
    error_object,
    error_type,
    is_object,
    message_id,
    stop_of,
    usage_object,
)

RECORDED = [
    each
    for each in all_recorded()
    if not each.streamed and each.status == 200 and not each.name.endswith(("/models", "/n2"))
]
USAGE = {"prompt_tokens": 10, "completion_tokens": 5}


def chat(**more):
    body = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "Say hi"}], **more}
    return Messages().parse(json.dumps(body).encode(), 7)


def said(message, finish="stop", usage=USAGE, **more):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    body = {"id": "chatcmpl-1", "model": "served", "choices": [choice], "usage": usage}
    return json.loads(answer(json.dumps(body).encode(), chat(**more)))


def call(arguments, **more):
    return {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}, **more}


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each.name)
def test_a_recorded_answer_becomes_a_message(recorded):
    body = json.loads(recorded.body)
    message = json.loads(answer(recorded.body, chat()))
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", body["model"])
    [choice] = body["choices"]
    text = "".join(block["text"] for block in message["content"] if block["type"] == "text")
    assert text == ((choice["message"].get("content") or "") if text else "")
    uses = [block for block in message["content"] if block["type"] == "tool_use"]
    calls = choice["message"].get("tool_calls") or []
    assert [(use["id"], use["name"]) for use in uses] == [(each["id"], each["function"]["name"]) for each in calls]
    usage = message["usage"]
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] == body["usage"]["prompt_tokens"]
    assert usage["output_tokens"] == body["usage"]["completion_tokens"]


def test_the_whole_of_a_message():
    assert said({"content": "hi"}) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "served",
        "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 5,
        },
    }


THOUGHT = {"type": "thinking", "thinking": "t", "signature": "s"}
CONTENT = {
    "nothing": ({"content": None}, []),
    "blank": ({"content": " \n"}, []),
    "text of parts": (
        {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": 5}, 6]},
        [{"type": "text", "text": "a"}],
    ),
    "a refusal": ({"content": None, "refusal": "no"}, [{"type": "text", "text": "no"}]),
    "reasoning": (
        {"reasoning_content": "t", "content": "a"},
        [{"type": "thinking", "thinking": "t", "signature": ""}, {"type": "text", "text": "a"}],
    ),
    "reasoning by its newer name": ({"reasoning": "t"}, [{"type": "thinking", "thinking": "t", "signature": ""}]),
    "reasoning of a form that nobody knows": ({"reasoning": {"t": 1}}, []),
    "signed thinking": (
        {"reasoning_content": "t", "thinking_blocks": [THOUGHT, {"type": "redacted_thinking", "data": "d"}]},
        [THOUGHT, {"type": "redacted_thinking", "data": "d"}],
    ),
    "a call": (
        {"content": "a", "tool_calls": [call('{"a": 1}')]},
        [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}],
    ),
    "a call with arguments as an object": (
        {"tool_calls": [call({"a": 1})]},
        [{"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}],
    ),
    "a call without arguments": (
        {"tool_calls": [call("")]},
        [{"type": "tool_use", "id": "c", "name": "f", "input": {}}],
    ),
    "a call with null": ({"tool_calls": [call("null")]}, [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]),
    "a call with arguments that are no JSON": (
        {"tool_calls": [call('{"a": oops}')]},
        [{"type": "tool_use", "id": "c", "name": "f", "input": {"INVALID_JSON": '{"a": oops}'}}],
    ),
    "a call with arguments that are no object": (
        {"tool_calls": [call("[1]")]},
        [{"type": "tool_use", "id": "c", "name": "f", "input": {"INVALID_JSON": "[1]"}}],
    ),
    "a call without an id": (
        {"tool_calls": [call("{}"), call("{}", id="")]},
        [
            {"type": "tool_use", "id": "c", "name": "f", "input": {}},
            {"type": "tool_use", "id": "toolu_msg1_1", "name": "f", "input": {}},
        ],
    ),
    "a call of nothing": (
        {"tool_calls": [{"id": "c"}]},
        [{"type": "tool_use", "id": "c", "name": "", "input": {}}],
    ),
}


@pytest.mark.parametrize("name", CONTENT)
def test_content(name):
    message, expected = CONTENT[name]
    assert said(message)["content"] == expected


def test_values_of_an_input_keep_their_bytes():
    arguments = '{"n": 1.50, "big": 123456789012345678901234567890}'
    body = {"choices": [{"message": {"tool_calls": [call(arguments)]}, "finish_reason": "tool_calls"}]}
    assert arguments.encode() in answer(json.dumps(body).encode(), chat())


def test_an_answer_without_anything_is_an_empty_message():
    message = json.loads(answer(b'{"choices":[]}', chat()))
    assert (message["id"], message["model"], message["content"]) == ("msg_7", "m", [])


def test_what_nobody_counted_is_estimated():
    usage = said({"content": "hello there", "tool_calls": [call("{}")]}, usage=None)["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (prompt_expected(6, 1), 5)


CALLS = {"tool_calls": [call("{}")]}


@pytest.mark.parametrize(
    ("message", "finish", "expected"),
    [
        ({"content": "a"}, "stop", "end_turn"),
        ({"content": "a"}, "length", "max_tokens"),
        ({"content": "a"}, "content_filter", "refusal"),
        ({"content": "a"}, "tool_calls", "end_turn"),
        ({"content": "a"}, "unheard_of", "end_turn"),
        ({"content": "a"}, "sensitive", "refusal"),
        ({"content": "a"}, "", "end_turn"),
        ({"content": "a", **CALLS}, "tool_calls", "tool_use"),
        ({"content": "a", **CALLS}, "function_call", "tool_use"),
        ({"content": "a", **CALLS}, "stop", "tool_use"),
        (CALLS, "length", "max_tokens"),
        ({"refusal": "no"}, "stop", "refusal"),
    ],
)
def test_why_it_ended(message, finish, expected):
    assert said(message, finish)["stop_reason"] == expected


def test_which_stop_sequence_ended_it():
    asked = chat(stop_sequences=["END"])
    for choice, expected in (
        (Choice(finish_reason="stop", stop_reason="END"), ("stop_sequence", "END")),
        (Choice(finish_reason="stop", matched_stop="END"), ("stop_sequence", "END")),
        (Choice(finish_reason="stop", stop_reason=2), ("end_turn", None)),
        (Choice(finish_reason="stop", stop_reason="other"), ("end_turn", None)),
        (Choice(finish_reason="length", stop_reason="END"), ("max_tokens", None)),
    ):
        assert stop_of(choice, asked, uses_tools=False, refused=False) == expected
    assert stop_of(Choice(stop_reason="END"), chat(), uses_tools=False, refused=False) == ("end_turn", None)


def test_buckets_are_counted_as_anthropic_does():
    used = Usage(
        input_uncached=1, cache_read=2, cache_write=3, cache_write_long=4, audio_input=5, output=6, reasoning=7
    )
    assert usage_object(used, chat(), 99) == {
        "input_tokens": 6,
        "cache_creation_input_tokens": 7,
        "cache_read_input_tokens": 2,
        "output_tokens": 13,
    }


@pytest.mark.parametrize(
    ("id", "expected"),
    [("chatcmpl-1", "msg_1"), ("gen-1", "msg_gen-1"), ("msg_1", "msg_1"), ("", "msg_7"), (5, "msg_7")],
)
def test_ids(id, expected):
    assert message_id(id, chat()) == expected


def test_an_id_of_a_call_has_the_characters_that_anthropic_takes():
    assert call_id("msg_a.b:ü", 3) == "toolu_msgab_3"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("{}", True), ('{"a":{}} ', True), ('{"a":{}', False), ("[]", False), ("", False), ("{x}", False)],
)
def test_a_whole_object(arguments, expected):
    assert is_object(arguments) is expected


def test_a_whole_object_is_not_bottomless():
    assert not is_object('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (409, "conflict_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_types_of_errors(status, expected):
    assert error_type(status) == expected


ERRORS = {
    "the least": ({}, {"message": "the gateway gave no reason"}),
    "OpenAI's four": (
        {"message": "m", "type": "server_error", "param": None, "code": "c"},
        {"message": "m", "code": "c"},
    ),
    "more": ({"message": "m", "decision": "d"}, {"message": "m", "decision": "d"}),
    "a message that is none": ({"message": 5}, {"message": "the gateway gave no reason"}),
    "too long": (
        {"message": "maximum context length is 8", "code": "context_length_exceeded"},
        {"message": "prompt is too long: maximum context length is 8", "code": "context_length_exceeded"},
    ),
    "too long, in the right words": (
        {"message": "prompt is too long: 9 tokens > 8 maximum", "code": "context_length_exceeded"},
        {"message": "prompt is too long: 9 tokens > 8 maximum", "code": "context_length_exceeded"},
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    error, expected = ERRORS[name]
    assert error_object(400, error) == {"type": "invalid_request_error", **expected}


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"id":"\xff"}', b"[" * 100_000, b'{"choices":[{"finish_reason":"network_error"}]}']
)
def test_what_is_no_answer_is_a_failed_call(body):
    with pytest.raises(UpstreamError):
        answer(body, chat())
