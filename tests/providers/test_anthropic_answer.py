"""Answers of Messages as chat completions: whole, cut at every offset, and broken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from support.anthropic_vectors import ANSWERS, STREAMS, VECTORS, WHOLE, chat, chunks_of, event, events, name, play
from support.cutting import offsets

from gateway.core.errors import FailureKind
from gateway.core.usage import NOTHING, Usage
from gateway.providers.anthropic_answer import Stream, answer
from gateway.providers.anthropic_request import JSON_TOOL

REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}
JSON = {"response_format": {"type": "json_object"}}
OLDER = {"functions": [{"name": "f"}]}
SIGNATURE = (
    "EqoBCkgIARABGAIiQL2UoU0b1OHYi+yCHpBY7U6FQW8/FcoLewocJQPa2HnmLM+NECy50y44F/kD4SULFXi57buI9fAvyBwtyjlOiO0SDE3"
)
START = event(type="message_start", message={"id": "m", "model": "x", "usage": {"input_tokens": 3, "output_tokens": 1}})
STOP = event(type="message_stop")


def put_together(seen: list[dict]) -> dict:
    """A message as a client puts it together from its deltas, and its finish reason."""
    whole: dict = {"content": "", "reasoning_content": "", "thinking_blocks": [], "calls": {}, "refusal": ""}
    for chunk in seen:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            for field in ("content", "reasoning_content", "refusal"):
                whole[field] += delta.get(field) or ""
            whole["thinking_blocks"] += delta.get("thinking_blocks", [])
            for call in [*delta.get("tool_calls", []), *([delta["function_call"]] if "function_call" in delta else [])]:
                function = call.get("function", call)
                kept = whole["calls"].setdefault(call.get("index", 0), {"id": "", "name": "", "arguments": ""})
                kept["id"] += call.get("id", "")
                kept["name"] += function.get("name", "")
                kept["arguments"] += function["arguments"]
            if choice["finish_reason"]:
                assert "finish" not in whole
                whole["finish"] = choice["finish_reason"]
    return whole


def streamed(recorded, **fields) -> tuple[dict, Stream]:
    stream = Stream(chat(**{**WITH_USAGE, **fields}))
    return put_together(chunks_of(play(stream, [recorded.body]))), stream


@pytest.mark.parametrize("recorded", WHOLE, ids=name)
def test_a_stream_becomes_chunks_as_clients_expect_them(recorded):
    stream = Stream(chat(**WITH_USAGE))
    out = play(stream, [recorded.body])
    assert (stream.failed, stream.done, stream.started) == (None, True, True)
    assert events(out)[-1] == "[DONE]"
    seen = chunks_of(out)
    for chunk in seen:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    assert len({(chunk["id"], chunk["model"], chunk["created"]) for chunk in seen}) == 1
    assert seen[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all("role" not in choice["delta"] for chunk in seen[1:] for choice in chunk["choices"])
    assert put_together(seen)["finish"] in REASONS
    assert seen[-1]["choices"] == []
    assert seen[-1]["usage"]["total_tokens"] == stream.usage.total
    assert stream.usage_is_last


@pytest.mark.parametrize("recorded", WHOLE, ids=name)
def test_usage_is_hidden_from_a_client_that_did_not_ask(recorded):
    stream = Stream(chat(stream=True))
    seen = chunks_of(play(stream, [recorded.body]))
    assert all("usage" not in chunk and chunk["choices"] for chunk in seen)
    assert stream.usage is not None


@pytest.mark.parametrize("recorded", STREAMS, ids=name)
def test_a_stream_reads_the_same_cut_at_every_offset(recorded):
    told = Stream(chat(**WITH_USAGE))
    whole = play(told, [recorded.body])
    for offset in offsets(recorded.body):
        stream = Stream(chat(**WITH_USAGE))
        assert play(stream, [recorded.body[:offset], recorded.body[offset:]]) == whole, offset
        assert (stream.usage, stream.written_bytes, stream.written_events, stream.failed) == (
            told.usage,
            told.written_bytes,
            told.written_events,
            told.failed,
        )


@pytest.mark.parametrize("recorded", WHOLE, ids=name)
def test_a_stream_that_is_cut_short_never_looks_finished(recorded):
    last = recorded.body.rfind(b"event: message_delta")
    for offset in range(0, last, 7):
        stream = Stream(chat(**WITH_USAGE))
        out = play(stream, [recorded.body[:offset]])
        assert stream.failed is not None
        assert "[DONE]" not in events(out)
        assert chunks_of(out)[-1]["error"]["code"] == "upstream_broken"
        assert "finish" not in put_together(chunks_of(out)[:-1])


@pytest.mark.parametrize("recorded", ANSWERS, ids=name)
def test_an_answer_becomes_a_completion(recorded):
    read = answer(recorded.body, chat())
    assert read.failed is None
    body, wire = json.loads(read.body), json.loads(recorded.body)
    ChatCompletion.model_validate(body, strict=True)
    assert (body["id"], body["model"], body["created"]) == (wire["id"], wire["model"], 1700000000)
    assert "content" in body["choices"][0]["message"]
    assert body["usage"]["total_tokens"] == read.usage.total


@pytest.mark.parametrize("known", ["text", "tools", "thinking", "cache"])
def test_an_answer_says_the_same_streamed(known):
    whole = answer(VECTORS[f"documented/{known}"].body, chat())
    choice = json.loads(whole.body)["choices"][0]
    message = choice["message"]
    calls = {
        index: {"id": call["id"], **call["function"], "arguments": json.loads(call["function"]["arguments"])}
        for index, call in enumerate(message.get("tool_calls", []))
    }
    put, stream = streamed(VECTORS[f"documented/{known}_stream"])
    for call in put["calls"].values():
        call["arguments"] = json.loads(call["arguments"])
    assert put == {
        "content": message["content"],
        "reasoning_content": message.get("reasoning_content", ""),
        "thinking_blocks": message.get("thinking_blocks", []),
        "calls": calls,
        "refusal": "",
        "finish": choice["finish_reason"],
    }
    assert stream.usage == whole.usage


def test_calls_are_numbered_apart_from_texts():
    put, _ = streamed(VECTORS["documented/tools_stream"])
    assert {index: (call["name"], call["arguments"]) for index, call in put["calls"].items()} == {
        0: ("get_weather", '{"location": "Paris"}'),
        1: ("get_weather", '{"location": "Oslo"}'),
        2: ("get_time", "{}"),
    }
    assert (put["content"], put["finish"]) == ("Let me look at both.", "tool_calls")


def test_thinking_is_kept_with_its_signature():
    put, _ = streamed(VECTORS["documented/thinking_stream"])
    assert put["reasoning_content"] == "27 * 453 is 12231."
    assert [block["type"] for block in put["thinking_blocks"]] == ["thinking", "redacted_thinking"]
    assert put["thinking_blocks"][0]["thinking"] == "27 * 453 is 12231."
    assert put["thinking_blocks"][0]["signature"].startswith(SIGNATURE)
    hidden, _ = streamed(VECTORS["documented/thinking_omitted_stream"])
    assert (hidden["reasoning_content"], hidden["thinking_blocks"][0]["thinking"]) == ("", "")
    assert hidden["thinking_blocks"][0]["signature"].startswith(SIGNATURE)


@pytest.mark.parametrize(
    ("known", "finish"),
    [
        ("text", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("context_window", "length"),
        ("tools", "tool_calls"),
        ("refusal_at_once", "content_filter"),
        ("refusal_stream", "content_filter"),
        ("max_tokens_stream", "length"),
    ],
)
def test_a_choice_ends_with(known, finish):
    recorded = VECTORS[f"documented/{known}"]
    if recorded.streamed:
        assert streamed(recorded)[0]["finish"] == finish
    else:
        assert json.loads(answer(recorded.body, chat()).body)["choices"][0]["finish_reason"] == finish


def test_a_refusal_is_explained_and_free_where_nothing_was_written():
    read = answer(VECTORS["documented/refusal_at_once"].body, chat())
    message = json.loads(read.body)["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, "This request may enable cyber harm.")
    assert read.usage == NOTHING
    put, stream = streamed(VECTORS["documented/refusal_stream"])
    assert (put["content"], put["refusal"]) == ("I can", "This request may enable cyber harm.")
    assert stream.usage == Usage(input_uncached=30, output=4)


def block(n: int, start: dict, *deltas: dict) -> bytes:
    pieces = [event(type="content_block_delta", index=n, delta=delta) for delta in deltas]
    begun = event(type="content_block_start", index=n, content_block=start)
    return begun + b"".join(pieces) + event(type="content_block_stop", index=n)


def ended(reason: str | None) -> bytes:
    return event(type="message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 9})


CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
MADE = {**CALL, "name": JSON_TOOL}
PIECE = {"type": "input_json_delta", "partial_json": '{"x": 1}'}


@pytest.mark.parametrize(
    ("fields", "start", "deltas", "reason", "content", "calls", "finish"),
    [
        ({}, CALL, [PIECE], "tool_use", "", {0: {"id": "t", "name": "f", "arguments": '{"x": 1}'}}, "tool_calls"),
        ({}, CALL, [], "tool_use", "", {0: {"id": "t", "name": "f", "arguments": "{}"}}, "tool_calls"),
        (
            {},
            {**CALL, "input": {"y": 2}},
            [],
            "tool_use",
            "",
            {0: {"id": "t", "name": "f", "arguments": '{"y": 2}'}},
            "tool_calls",
        ),
        ({}, CALL, [PIECE], "end_turn", "", {0: {"id": "t", "name": "f", "arguments": '{"x": 1}'}}, "tool_calls"),
        ({}, CALL, [PIECE], "max_tokens", "", {0: {"id": "t", "name": "f", "arguments": '{"x": 1}'}}, "length"),
        (OLDER, CALL, [PIECE], "tool_use", "", {0: {"id": "", "name": "f", "arguments": '{"x": 1}'}}, "function_call"),
        (JSON, MADE, [PIECE], "tool_use", '{"x": 1}', {}, "stop"),
        (JSON, MADE, [], "tool_use", "{}", {}, "stop"),
        (JSON, CALL, [PIECE], "tool_use", "", {0: {"id": "t", "name": "f", "arguments": '{"x": 1}'}}, "tool_calls"),
        ({}, MADE, [PIECE], "tool_use", "", {0: {"id": "t", "name": JSON_TOOL, "arguments": '{"x": 1}'}}, "tool_calls"),
        ({}, {"type": "text", "text": "so"}, [{"type": "text_delta", "text": " on"}], "end_turn", "so on", {}, "stop"),
        ({}, {"type": "text", "text": ""}, [{"type": "citations_delta", "citation": {}}], "invented", "", {}, "stop"),
        (
            {},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            [PIECE],
            "end_turn",
            "",
            {},
            "stop",
        ),
    ],
)
def test_a_block_becomes(fields, start, deltas, reason, content, calls, finish):
    stream = Stream(chat(**{**WITH_USAGE, **fields}))
    put = put_together(chunks_of(play(stream, [START + block(0, start, *deltas) + ended(reason) + STOP])))
    assert (put["content"], put["calls"], put["finish"]) == (content, calls, finish)
    input = json.loads(deltas[0]["partial_json"]) if deltas and "partial_json" in deltas[0] else start.get("input", {})
    whole = {"id": "m", "model": "x", "stop_reason": reason, "usage": {"input_tokens": 3, "output_tokens": 9}}
    text = start.get("text", "") + "".join(delta.get("text", "") for delta in deltas)
    body = {**whole, "content": [{**start, "input": input, "text": text}]}
    read = json.loads(answer(json.dumps(body).encode(), chat(**fields)).body)["choices"][0]
    message = read["message"]
    assert (message["content"] or "", read["finish_reason"]) == (content, finish)
    made = [each["function"] for each in message.get("tool_calls", [])] + [message.get("function_call")]
    assert [each["name"] for each in made if each] == [each["name"] for each in calls.values()]


@pytest.mark.parametrize(
    "broken",
    [
        STOP,
        ended(None) + STOP,
        b"data: {not json\n\n",
        b'data: {"type": 7}\n\n',
        b"data: [1]\n\n",
        event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": 7}),
        event(type="error", error={"type": "overloaded_error", "message": "m"}),
    ],
)
def test_what_is_no_message_ends_the_stream(broken):
    stream = Stream(chat(**WITH_USAGE))
    out = play(stream, [START, block(0, {"type": "text", "text": "a"}), broken, ended("end_turn"), STOP])
    assert stream.failed is not None
    assert "[DONE]" not in events(out)
    assert set(chunks_of(out)[-1]) == {"error"}
    assert stream.usage.input_uncached == 3


def test_an_error_at_once_may_still_fall_back():
    stream = Stream(chat(stream=True))
    stream.feed(VECTORS["documented/overloaded_midway_stream"].body)
    assert (stream.failed.kind, stream.content_seen) == (FailureKind.OVERLOADED, True)
    stream = Stream(chat(stream=True))
    stream.feed(event(type="ping"))
    assert not stream.started
    stream.feed(VECTORS["documented/overloaded_at_once_stream"].body)
    assert (stream.failed.kind, stream.failed.status, stream.content_seen) == (FailureKind.OVERLOADED, 503, False)


def test_a_message_that_begins_in_the_middle_is_broken():
    stream = Stream(chat(stream=True))
    assert b"in the middle" in stream.feed(block(0, {"type": "text", "text": "a"}))


def test_a_message_that_begins_twice_begins_once_for_the_client():
    stream = Stream(chat(stream=True))
    assert len(chunks_of(stream.feed(START))) == 1
    assert stream.feed(START) == b""


def test_a_stream_without_its_last_event_is_given_an_end():
    stream = Stream(chat(**WITH_USAGE))
    out = play(stream, [START + ended("end_turn")])
    assert (events(out)[-1], stream.failed) == ("[DONE]", None)
    assert chunks_of(out)[-1]["usage"]["completion_tokens"] == 9


def test_pings_and_comments_are_comments_and_new_events_nothing():
    stream = Stream(chat(stream=True))
    stream.feed(START)
    assert stream.feed(b": hello\n\n" + event(type="ping")) == b": hello\n\n: ping\n\n"
    assert stream.feed(event(type="invented") + b"retry: 3\n\n" + event(type="content_block_stop")) == b""
    stream.feed(ended("end_turn"))
    assert stream.feed(ended("max_tokens")) == b""


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"null", b"[]", b"{}", b"\xff", b"[" * 5000),
        *(b'{"type":"message"}', b'{"content":[]}', b'{"error":"boom"}', b'{"stop_reason":"end_turn"}'),
        b'{"content":"x","stop_reason":"end_turn"}',
    ],
)
def test_a_body_that_is_no_message_is_a_failure(body):
    read = answer(body, chat())
    assert read.failed is not None
    assert read.body == b""


def test_an_error_that_came_as_a_success_is_billed_as_reported():
    read = answer(
        b'{"type":"error","error":{"type":"overloaded_error"},"usage":{"input_tokens":3,"output_tokens":1}}', chat()
    )
    assert read.failed is not None
    assert (read.failed.kind, read.usage) == (FailureKind.OVERLOADED, Usage(input_uncached=3, output=1))


@pytest.mark.parametrize("details", [None, {}, {"explanation": None}, 7])
def test_a_refusal_may_go_unexplained(details):
    body = {"content": [], "stop_reason": "refusal", "stop_details": details, "usage": {"input_tokens": 3}}
    message = json.loads(answer(json.dumps(body).encode(), chat()).body)["choices"][0]["message"]
    assert message["refusal"] is None


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes_end_in_an_error_or_in_done(raw, cut):
    stream = Stream(chat(stream=True))
    out = play(stream, [raw[:cut], raw[cut:]])
    assert stream.done
    assert (stream.failed is None) == out.endswith(b"[DONE]\n\n")


PARTS = st.sampled_from(
    [
        START,
        block(0, {"type": "text", "text": "a"}),
        block(0, CALL, PIECE),
        block(0, {"type": "thinking"}, {"thinking": "x"}, {"signature": "s"}),
        event(type="ping"),
        ended("end_turn"),
        ended("tool_use"),
        STOP,
        event(type="error", error={"type": "api_error", "message": "m"}),
    ]
)


@given(st.lists(PARTS, max_size=8))
def test_events_in_any_order_end_in_an_error_or_finish_once(parts):
    stream = Stream(chat(**WITH_USAGE))
    out = play(stream, parts)
    whole = put_together([chunk for chunk in chunks_of(out) if "choices" in chunk])
    assert stream.done
    assert (events(out) or [""])[-1] == "[DONE]" or stream.failed is not None
    assert stream.failed is not None or whole["finish"] in REASONS


@pytest.mark.parametrize("given", [b'{"a":"\xff"}', b'{"\xff":1}'])
def test_arguments_that_are_no_text_are_a_failure(given):
    call = b'{"type":"tool_use","id":"c","name":"f","input":%b}' % given
    whole = b'{"type":"message","content":[%b],"stop_reason":"tool_use"}' % call
    reader = Stream(chat(stream=True))
    reader.feed(event(type="message_start", message={"id": "m", "model": "m"}))
    reader.feed(b'data: {"type":"content_block_start","index":0,"content_block":%b}\n\n' % call)
    reader.feed(event(type="content_block_stop", index=0))
    for failed in (answer(whole, chat()).failed, reader.failed):
        assert failed is not None
        assert failed.kind is FailureKind.BROKEN
