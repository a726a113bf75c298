"""Streams of the Responses API as chunks of a chat completion."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk
from support.cutting import offsets
from support.response_vectors import (
    EVENTS,
    GOOD_STREAMS,
    STREAMS,
    chat,
    chunks,
    kind_of,
    learned,
    message_of,
    play,
    sse,
    vector,
)

from gateway.core.errors import FailureKind
from gateway.providers.responses_output import answered
from gateway.providers.responses_stream import Stream

KEPT = "openai-responses-v1"
DONE = b"data: [DONE]\n\n"
CREATED = {"type": "response.created", "response": {"id": "r", "model": "m", "status": "in_progress"}}
END = {
    "type": "response.completed",
    "response": {"status": "completed", "usage": {"input_tokens": 3, "output_tokens": 2}},
}


def name(recorded):
    return recorded.name


def reader(**fields) -> Stream:
    return Stream(chat(**fields), KEPT)


def read(*events: dict) -> tuple[dict, str | None]:
    stream = reader()
    out = play(stream, sse(CREATED, *events, END))
    assert stream.failed is None
    assert out.endswith(DONE)
    return message_of(out)


def delta(kind: str, text: str, **at) -> dict:
    return {"type": f"response.{kind}.delta", "delta": text, **at}


def item(event: str, **members) -> dict:
    at = {"output_index": members.pop("at")} if "at" in members else {}
    return {"type": f"response.output_item.{event}", "item": members, **at}


@pytest.mark.parametrize("recorded", GOOD_STREAMS, ids=name)
def test_a_stream_becomes_chunks_that_the_official_client_reads(recorded):
    stream = reader()
    out = play(stream, recorded.body)
    read = [ChatCompletionChunk.construct(**each) for each in chunks(out)]
    assert out.endswith(DONE)
    assert out.count(b"[DONE]") == 1
    assert {(each.object, each.id, each.created) for each in read} == {
        ("chat.completion.chunk", read[0].id, 1795360000)
    }
    assert [each.usage for each in read[:-1]] == [None] * (len(read) - 1)
    assert (read[-1].choices, read[-1].usage.total_tokens) == ([], stream.usage.total)
    assert message_of(out)[1] is not None
    assert stream.usage_is_last
    assert stream.content_seen


@pytest.mark.parametrize("recorded", GOOD_STREAMS, ids=name)
def test_usage_is_hidden_from_a_client_that_did_not_ask(recorded):
    stream = reader(stream_options=None)
    assert all("usage" not in each and each["choices"] for each in chunks(play(stream, recorded.body)))
    assert stream.usage is not None


@pytest.mark.parametrize("recorded", STREAMS, ids=name)
def test_a_stream_reads_the_same_cut_at_every_offset(recorded):
    whole = reader()
    out = play(whole, recorded.body)
    for offset in offsets(recorded.body):
        stream = reader()
        assert play(stream, recorded.body[:offset], recorded.body[offset:]) == out, offset
        assert learned(stream) == learned(whole)


@pytest.mark.parametrize("recorded", GOOD_STREAMS, ids=name)
def test_a_stream_that_is_cut_short_never_looks_finished(recorded):
    last = recorded.body.rindex(b"event: response.")
    for offset in range(0, last, 7):
        stream = reader()
        out = play(stream, recorded.body[:offset])
        assert stream.failed is not None
        assert b"[DONE]" not in out
        *before, error = chunks(out)
        assert error["error"]["code"] == "upstream_broken"
        assert all(each["choices"][0]["finish_reason"] is None for each in before)


@pytest.mark.parametrize(
    "recorded", [each for each in GOOD_STREAMS if each.name.startswith(("openai", "perpl"))], ids=name
)
def test_a_stream_says_what_the_whole_answer_says(recorded):
    whole = json.loads(answered(vector(recorded.name.removesuffix("_stream")).body, chat(), KEPT).body)["choices"][0]
    streamed, reason = message_of(play(reader(), recorded.body))
    assert {k: v for k, v in streamed.items() if v} == {k: v for k, v in whole["message"].items() if v}
    assert reason == whole["finish_reason"]


def test_recorded_streams_say():
    said = {each.name: message_of(play(reader(), each.body)) for each in GOOD_STREAMS}
    assert {each: (message["content"], reason) for each, (message, reason) in said.items()} == {
        "llama-server/responses_stream": ("Your welcome to our little corner of the", "stop"),
        "vllm-cpu/responses_stream": ("Ça imagine black shadow so I", "length"),
        "openai/incomplete_stream": ("Once upon", "length"),
        "openai/logprobs_stream": ("Hi", "stop"),
        "openai/refusal_stream": ("", "stop"),
        "openai/search_stream": ("One moment.\n\nIt's Olten.", "stop"),
        "openai/tools_stream": ("I look that up.", "tool_calls"),
        "perplexity/agent_stream": ("Olten it is.", "tool_calls"),
    }


def test_names_of_the_answer_are_the_upstreams():
    head = [(each["id"], each["model"]) for each in chunks(play(reader(), vector("openai/tools_stream").body))]
    assert set(head) == {("resp_67cc", "gpt-5.6-sol")}


def test_logprobs_are_told_to_who_asked():
    body = vector("openai/logprobs_stream").body
    told = chunks(play(reader(), body))[0]["choices"][0]["logprobs"]["content"]
    assert [(each["token"], each["bytes"], len(each["top_logprobs"])) for each in told] == [("Hi", [72, 105], 2)]
    assert chunks(play(reader(logprobs=None), body))[0]["choices"][0]["logprobs"] is None


@pytest.mark.parametrize(
    ("vector_name", "kind", "started_before"),
    [
        ("openai/error_stream", FailureKind.THROTTLED, False),
        ("openai/failed_stream", FailureKind.SERVER_ERROR, True),
        ("perplexity/failed_stream", FailureKind.OVERLOADED, False),
    ],
)
def test_a_failure_ends_the_stream_with_an_error(vector_name, kind, started_before):
    body = vector(vector_name).body
    at = body.rindex(b"event: ")
    stream = reader()
    out = stream.feed(body[:at])
    assert stream.started == started_before
    out += stream.feed(body[at:]) + stream.feed(sse(delta("output_text", "more")))
    assert (stream.failed.kind, stream.done, stream.started) == (kind, True, True)
    assert chunks(out)[-1]["error"].keys() >= {"message", "type", "param", "code"}
    assert b"[DONE]" not in out
    assert b"org-" not in out
    assert b"more" not in out


def test_what_a_failed_answer_used_is_known():
    stream = reader()
    play(stream, vector("openai/failed_stream").body)
    assert (stream.usage.total, stream.service) == (22, "default")


# -- what servers leave out -------------------------------------------------------------------------------------------

CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'}
ASKED = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
OTHER = {"id": "d", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([item("added", at=0, **CALL | {"arguments": ""}), item("done", at=0, **CALL)], id="no pieces"),
        pytest.param([item("added", at=0, **CALL), item("done", at=0, **CALL)], id="whole at once"),
        pytest.param([item("done", at=0, **CALL)], id="no beginning"),
        pytest.param(
            [
                item("added", at=0, id="x", **CALL | {"arguments": ""}),
                delta("function_call_arguments", '{"a"', output_index=0, item_id="other each time"),
                item("done", at=0, id="z", **CALL),
            ],
            id="half of the pieces, and another id each time",
        ),
        pytest.param(
            [
                item("added", **CALL | {"arguments": ""}),
                delta("function_call_arguments", '{"a":1}', item_id="c"),
                item("done", **CALL),
            ],
            id="no index, and no id but that of the result",
        ),
        pytest.param(
            [delta("function_call_arguments", '{"a":1}', output_index=0), item("done", at=0, **CALL)], id="pieces first"
        ),
        pytest.param(
            [
                item("added", at=0, **CALL | {"arguments": ""}),
                delta("function_call_arguments", '{"a":1}', output_index=0),
            ],
            id="no end",
        ),
    ],
)
def test_a_call_is_told_once_and_whole(events):
    for end in ([], [{"type": "response.completed", "response": {"output": [CALL]}}]):
        assert read(*events, *end) == ({"role": "assistant", "content": "", "tool_calls": [ASKED]}, "tool_calls")


def test_what_only_the_last_event_says_is_told():
    text = {
        "type": "message",
        "content": [{"type": "output_text", "text": "one"}, {"type": "refusal", "refusal": "no"}],
    }
    thought = {"type": "reasoning", "summary": [{"text": "s"}], "encrypted_content": "e", "id": "rs"}
    whole = {"status": "completed", "output": [thought, text, {**text, "id": "two"}, CALL, CALL | {"call_id": "d"}]}
    message, reason = read({"type": "response.completed", "response": whole})
    assert message == {
        "role": "assistant",
        "content": "one\n\none",
        "refusal": "nono",
        "reasoning_content": "s",
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "e", "id": "rs", "format": KEPT, "index": 0}],
        "tool_calls": [ASKED, OTHER],
    }
    assert reason == "tool_calls"


def test_pieces_that_contradict_the_whole_stand():
    begun = item("added", at=0, **CALL | {"arguments": ""})
    message, _ = read(begun, delta("function_call_arguments", "{}", output_index=0), item("done", at=0, **CALL))
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


def test_text_without_pieces_comes_with_its_item():
    note = {"type": "url_citation", "url": "https://u", "title": "t", "start_index": 0, "end_index": 2}
    parts = [{"type": "output_text", "text": "ab"}, {"type": "output_text", "text": "cd", "annotations": [note]}]
    message, reason = read(item("done", at=0, type="message", content=parts))
    assert message["content"] == "abcd"
    assert message["annotations"][0]["url_citation"]["start_index"] == 2
    assert reason == "stop"


def test_pieces_are_parted_where_their_messages_are():
    message, _ = read(
        delta("reasoning_text", "a", output_index=0, content_index=0),
        delta("reasoning_text", "b", output_index=0, content_index=0),
        delta("reasoning_text", "c", output_index=0, content_index=1),
        delta("reasoning_summary_text", "d", output_index=1, summary_index=0),
        delta("output_text", "x", output_index=2, content_index=0),
        delta("output_text", "y", output_index=2, content_index=1),
        delta("output_text", "z", output_index=4, content_index=0),
    )
    assert (message["reasoning_content"], message["content"]) == ("ab\n\nc\n\nd", "xy\n\nz")


def test_pieces_without_text_say_nothing():
    kinds = ("output_text", "refusal", "reasoning_text", "function_call_arguments")
    begun = item("added", at=0, **CALL | {"arguments": ""})
    message, _ = read(begun, *(delta(kind, "", output_index=0) for kind in kinds))
    assert message == {
        "role": "assistant",
        "content": "",
        "tool_calls": [{**ASKED, "function": {"name": "f", "arguments": ""}}],
    }


def test_a_server_that_names_no_places_has_its_text_joined():
    assert read(delta("output_text", "x"), delta("output_text", "y"))[0]["content"] == "xy"


def test_a_model_that_is_known_late_goes_by_the_name_that_was_asked_for():
    out = play(reader(), sse(delta("output_text", "x"), END))
    assert {(each["id"], each["model"]) for each in chunks(out)} == {("", "alias")}


def test_an_answer_without_anything_has_a_beginning_and_an_end():
    assert read() == ({"role": "assistant", "content": ""}, "stop")


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ({"type": "response.incomplete", "response": {}}, "length"),
        ({"type": "response.incomplete"}, "length"),
        (
            {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "content_filter"}}},
            "content_filter",
        ),
        ({"type": "response.completed", "response": {"status": "incomplete"}}, "length"),
        ({"type": "response.completed"}, "stop"),
    ],
)
def test_an_answer_that_was_cut_never_looks_whole(end, reason):
    assert message_of(play(reader(), sse(delta("output_text", "x"), end)))[1] == reason


@pytest.mark.parametrize(
    "broken",
    [
        b"data: {not json\n\n",
        b"data: [DONE]\n\n",
        b"data: \xff\n\n",
        sse({"type": "response.output_text.delta"}),
        sse(delta("output_text", 7)),
        sse(item("done", type="message", content=7)),
        sse(item("done", type={"no": "word"})),
        sse({**delta("output_text", "x"), "content_index": [0]}),
        sse({"type": "response.completed", "response": {"output": 7}}),
        sse({"type": "response.created", "response": 7}),
        sse({"type": "response.cancelled", "response": {"status": "cancelled"}}),
        sse({"type": "error", "message": "m"}),
        b'data: {"error":{"message":"m"}}\n\n',
    ],
)
def test_what_nobody_can_read_ends_the_stream(broken):
    stream = reader()
    out = play(stream, sse(CREATED, delta("output_text", "abc")) + broken + sse(delta("output_text", "never"), END))
    assert kind_of(stream.failed) in {"broken", "server_error"}
    assert "error" in chunks(out)[-1]
    assert b"[DONE]" not in out
    assert b"never" not in out


def test_comments_and_what_hosted_tools_do_are_not_told():
    stream = reader()
    noise = b": ping\n\nevent: keepalive\n\n" + sse(
        {"type": "response.web_search_call.searching"}, {"type": "keepalive"}
    )
    assert stream.feed(noise) == b""
    assert stream.started
    assert stream.written_bytes == 0


def test_generated_text_of_every_kind_counts():
    stream = reader()
    stream.feed(sse(item("added", at=1, type="custom_tool_call", call_id="c", name="f")))
    for kind in ("output_text", "refusal", "reasoning_text", "reasoning_summary_text", "custom_tool_call_input"):
        stream.feed(sse(delta(kind, "hé", output_index=1)))
    assert (stream.written_bytes, stream.content_seen) == (16, True)


@given(EVENTS, st.integers(0, 400))
def test_any_events_end_in_an_error_or_in_done(events, cut):
    raw, stream, again = sse(*events), reader(), reader()
    out = play(stream, raw)
    assert play(again, raw[:cut], raw[cut:]) == out
    assert stream.done
    assert (stream.failed is None) == out.endswith(DONE)
    if stream.failed is None:
        assert message_of(out)[1] in {"stop", "length", "tool_calls", "content_filter"}
    else:
        assert "error" in chunks(out)[-1]


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes_end_in_an_error(raw, cut):
    stream = reader()
    out = play(stream, raw[:cut], raw[cut:])
    assert stream.done
    assert stream.failed is not None
    assert b'"error"' in out
