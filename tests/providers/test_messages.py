"""Anthropic Messages passed through: whole, cut at every offset, and broken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.anthropic_vectors import (
    ANSWERS,
    COUNT,
    ERRORS,
    STREAMS,
    VECTORS,
    WHOLE,
    backend,
    chat,
    event,
    events,
    name,
    native,
    play,
)
from support.cutting import offsets

from gateway.core.catalog import Endpoint
from gateway.core.errors import FailureKind
from gateway.core.usage import NOTHING, Usage
from gateway.providers.messages import ANTHROPIC, VERSION, CountTokens, Messages
from gateway.surfaces import SURFACES

BEARER = Endpoint("/messages", headers=VERSION)
"""Where servers of one's own take messages."""

DIALECT = Messages()
USED = {
    "documented/text_stream": Usage(input_uncached=11, output=12),
    "documented/cache_stream": Usage(21, 18830, 1000, 2000, output=393),
    "documented/cache": Usage(21, 18830, 1000, 2000, output=393),
    "documented/thinking_stream": Usage(input_uncached=58, output=36, reasoning=61),
    "documented/thinking": Usage(input_uncached=58, output=36, reasoning=61),
    "documented/refusal_stream": Usage(input_uncached=30, output=4),
    "documented/refusal_at_once": NOTHING,
    "llama-server/anthropic_messages": Usage(input_uncached=1, cache_read=10, output=8),
    "llama-server/anthropic_messages_stream": Usage(input_uncached=1, cache_read=10, output=8),
    "vllm-cpu/anthropic_messages": Usage(input_uncached=32, output=8),
    "vllm-cpu/anthropic_messages_stream": Usage(input_uncached=32, output=8),
}
START = event(type="message_start", message={"id": "m", "usage": {"input_tokens": 3, "output_tokens": 1}})
DELTA = event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "abc"})
END = event(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 9})
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def reader():
    return DIALECT.reader(chat(stream=True))


def test_every_vector_is_here():
    assert (len(STREAMS), len(ANSWERS), len(ERRORS)) == (11, 10, 7)


@pytest.mark.parametrize("recorded", WHOLE, ids=name)
def test_a_stream_passes_byte_for_byte(recorded):
    stream = reader()
    assert play(stream, [recorded.body]) == recorded.body
    assert (stream.failed, stream.done, stream.started) == (None, True, True)


@pytest.mark.parametrize("recorded", STREAMS, ids=name)
def test_a_stream_reads_the_same_cut_at_every_offset(recorded):
    told = reader()
    whole = play(told, [recorded.body])
    for offset in offsets(recorded.body):
        stream = reader()
        assert play(stream, [recorded.body[:offset], recorded.body[offset:]]) == whole, offset
        assert (stream.usage, stream.written_bytes, stream.written_events, stream.failed, stream.service) == (
            told.usage,
            told.written_bytes,
            told.written_events,
            told.failed,
            told.service,
        )


@pytest.mark.parametrize("recorded", WHOLE, ids=name)
def test_a_stream_that_is_cut_short_never_looks_finished(recorded):
    last = recorded.body.rfind(b"event: message_delta")
    for offset in range(0, last, 7):
        stream = reader()
        out = play(stream, [recorded.body[:offset]])
        assert stream.failed is not None
        assert json.loads(events(out)[-1]) == {
            "type": "error",
            "error": {"type": "api_error", "message": stream.failed.error["message"]},
        }
        assert b"message_stop" not in out


@pytest.mark.parametrize("recorded", ANSWERS, ids=name)
def test_an_answer_passes_byte_for_byte(recorded):
    answer = DIALECT.answer(recorded.body, chat())
    assert (answer.failed, answer.body) == (None, recorded.body)
    assert (answer.written_bytes > 0) == (recorded.name != "documented/refusal_at_once")


@pytest.mark.parametrize("known", USED)
def test_usage_falls_into_disjoint_buckets(known):
    recorded = VECTORS[known]
    if recorded.streamed:
        stream = reader()
        play(stream, [recorded.body])
        assert (stream.usage, stream.usage_is_last) == (USED[known], True)
    else:
        assert DIALECT.answer(recorded.body, chat()).usage == USED[known]


@pytest.mark.parametrize(
    ("known", "kind", "status"),
    [
        ("err_overloaded", FailureKind.OVERLOADED, 529),
        ("err_rate_limit", FailureKind.THROTTLED, 429),
        ("err_too_long", FailureKind.CONTEXT_TOO_LONG, 400),
        ("err_no_credit", FailureKind.NO_CREDIT, 502),
        ("err_no_model", FailureKind.MODEL_MISSING, 502),
        ("err_bad_key", FailureKind.UNAUTHORIZED, 502),
        ("err_invalid", FailureKind.REJECTED, 400),
    ],
)
def test_an_error_means(known, kind, status):
    recorded = VECTORS[f"documented/{known}"]
    for dialect in (DIALECT, CountTokens()):
        failed = dialect.failure(recorded.status, recorded.headers, recorded.body)
        assert (failed.kind, failed.status, failed.retry_after) == (kind, status, recorded.headers.get("retry-after"))


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        ("overloaded_error", FailureKind.OVERLOADED),
        ("rate_limit_error", FailureKind.THROTTLED),
        ("timeout_error", FailureKind.TIMED_OUT),
        ("authentication_error", FailureKind.UNAUTHORIZED),
        ("api_error", FailureKind.SERVER_ERROR),
    ],
)
def test_an_error_in_a_stream_ends_it(type, kind):
    stream = reader()
    out = play(stream, [START, DELTA, event(type="error", error={"type": type, "message": "m"}), END, STOP])
    assert stream.failed is not None
    assert stream.failed.kind is kind
    assert out.startswith(START + DELTA)
    assert [json.loads(each)["type"] for each in events(out)] == ["message_start", "content_block_delta", "error"]
    assert (stream.usage, stream.usage_is_last) == (Usage(input_uncached=3, output=1), False)


def test_a_stream_without_its_last_event_is_given_one():
    stream = reader()
    assert play(stream, [START + DELTA + END]) == START + DELTA + END + STOP
    assert stream.failed is None


@pytest.mark.parametrize(
    "broken",
    [
        STOP,
        b"data: {not json\n\n",
        b'data: {"type": 7}\n\n',
        b"data: [1]\n\n",
        b'data: {"type":"content_block_delta","delta":{"type":"text_delta"\n\n',
        b"data: <html>\n\n",
        b'data: {"error": {"message": "boom"}}\n\n',
    ],
)
def test_what_is_no_event_ends_the_stream(broken):
    stream = reader()
    out = play(stream, [START, DELTA, broken, DELTA, END, STOP])
    assert stream.failed is not None
    assert json.loads(events(out)[-1])["type"] == "error"
    assert out.count(DELTA) == 1


def test_comments_pings_and_what_is_yet_to_be_invented_pass():
    ping = event(type="ping")
    stream = reader()
    stream.feed(b": hello\n\n" + ping)
    assert not stream.started
    body = START + event(type="invented", x={"y": 1}) + ping + DELTA.replace(b"text_delta", b"new_delta") + END + STOP
    assert play(stream, [body.replace(b"\n", b"\r\n")]) == body.replace(b"\n", b"\r\n")
    assert stream.failed is None


def test_generated_text_of_every_kind_counts():
    stream = reader()
    stream.feed(START)
    for delta in ({"text": "1234"}, {"thinking": "12"}, {"partial_json": "{}"}, {"signature": "uncounted"}):
        stream.feed(event(type="content_block_delta", index=0, delta={"type": "d", **delta}))
    stream.feed(event(type="content_block_start", content_block={"type": "tool_use", "input": {"a": 1}}))
    assert (stream.written_bytes, stream.written_events, stream.content_seen) == (8 + len('"a": 1'), 4, True)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes_end_in_an_error_or_in_an_end(raw, cut):
    stream = reader()
    out = play(stream, [raw[:cut], raw[cut:]])
    assert stream.done
    assert stream.failed is not None or b"message_stop" in out


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"null", b"[]", b"{}", b"\xff", b"[" * 5000),
        *(b'{"type":"message"}', b'{"content":"x"}', b'{"error":"boom"}'),
        b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}',
    ],
)
def test_a_body_that_is_no_message_is_a_failure(body):
    answer = DIALECT.answer(body, chat())
    assert answer.failed is not None
    assert answer.body == b""


def test_only_the_model_is_changed_on_the_way():
    body = (
        b'{"model":"name","max_tokens":100, "system":[{"type":"text","text":"\\u00e9","cache_control":{"ttl":"1h"}}],'
        b'"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"s=="}]}],'
        b'"invented":{"b":1,"a":[ 1.50 ]},"top_k":9007199254740993}'
    )
    sent = DIALECT.encode(native(body), backend("claude-x"))
    assert sent == body.replace(b'"name"', b'"claude-x"').replace(b', "system"', b',"system"')


@pytest.mark.parametrize(
    ("asked", "ours", "sent"),
    [
        ({"max_tokens": 100}, {}, {"max_tokens": 100}),
        ({"max_tokens": 100}, {"max_tokens": 200}, {"max_tokens": 100}),
        ({"max_tokens": 100}, {"max_tokens": 50}, {"max_tokens": 50}),
        ({"max_tokens": 100}, {"max_tokens": 80, "max_completion_tokens": 60}, {"max_tokens": 60}),
        ({}, {"max_tokens": 50}, {"max_tokens": 50}),
        (
            {"max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 8000, "display": "omitted"}},
            {"max_tokens": 4000},
            {"max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}},
        ),
        (
            {"max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 3000}},
            {"max_tokens": 4000},
            {"max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 3000}},
        ),
        (
            {"max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 3000}},
            {"max_tokens": 500},
            {"max_tokens": 500, "thinking": {"type": "enabled", "budget_tokens": 3000}},
        ),
        ({"max_tokens": 100, "thinking": 7}, {"max_tokens": 50}, {"max_tokens": 50, "thinking": 7}),
        ({"max_tokens": "x"}, {"max_tokens": 50}, {"max_tokens": 50}),
    ],
)
def test_our_limit_goes_before_a_higher_one(asked, ours, sent):
    said = native(json.dumps({"model": "name", **asked}).encode(), chat(**ours))
    assert json.loads(DIALECT.encode(said, backend())) == {"model": "claude-opus-5-5", **sent}


@pytest.mark.parametrize("dialect", [DIALECT, CountTokens()])
def test_a_request_of_another_protocol_is_not_passed_through(dialect):
    with pytest.raises(ValueError, match="another protocol"):
        dialect.encode(chat(), backend())


def test_where_calls_go_and_with_which_headers():
    version = (("anthropic-version", "2023-06-01"),)
    assert DIALECT.endpoint(chat(), backend()) is ANTHROPIC
    assert Endpoint("/messages", "x-api-key", version) == ANTHROPIC
    assert Messages(target=BEARER).endpoint(chat(), backend()) == Endpoint("/messages", "Authorization", version)
    counted = CountTokens().endpoint(chat(), backend())
    assert counted == Endpoint("/messages/count_tokens", "x-api-key", version)
    for dialect in (DIALECT, CountTokens()):
        assert (dialect.lacks(chat(), backend()), dialect.drops(chat(), backend())) == ("", ())
        assert dialect.passes == ("anthropic-beta",)
    assert (DIALECT.takes, CountTokens().takes) == ("messages", "count_tokens")


def test_a_count_costs_nothing_and_passes():
    answer = CountTokens().answer(COUNT.body, chat())
    assert (answer.body, answer.usage, answer.failed) == (COUNT.body, NOTHING, None)
    assert CountTokens().answer(b'{"input_tokens":"x"}', chat()).failed is not None
    body = b'{"model":"name","messages":[],"invented":1}'
    assert CountTokens().encode(native(body), backend("m")) == body.replace(b'"name"', b'"m"')
    assert CountTokens().reader(chat()).close() != b""


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (
            [{"type": "thinking", "thinking": "t", "signature": ""}, {"type": "text", "text": "a"}],
            [{"type": "text", "text": "a"}],
        ),
        ([{"type": "thinking", "thinking": "t"}], [{"type": "text", "text": "(thinking)"}]),
        (
            [{"type": "thinking", "thinking": "t", "signature": "s"}],
            [{"type": "thinking", "thinking": "t", "signature": "s"}],
        ),
        ('a text about "thinking"', 'a text about "thinking"'),
    ],
)
def test_thinking_of_other_models_is_left_out_where_it_would_be_refused(content, sent):
    body = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": content}],
    }
    chat = SURFACES["messages"].parse(json.dumps(body).encode(), 0)
    for dialect in (Messages(), CountTokens()):
        assert json.loads(dialect.encode(chat, backend()))["messages"][1]["content"] == sent
    kept = json.loads(Messages(target=BEARER, signed=False).encode(chat, backend()))
    assert kept["messages"] == body["messages"]
