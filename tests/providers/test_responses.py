"""The native Responses dialect: bytes out are bytes in, whole and cut at every offset."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cutting import offsets
from support.doubles import backend
from support.response_vectors import (
    ANSWERS,
    EVENTS,
    GOOD_ANSWERS,
    GOOD_STREAMS,
    RESPONSES,
    STREAMS,
    chat,
    kind_of,
    learned,
    play,
    sse,
    vector,
)

from gateway.core.catalog import Backend
from gateway.core.chat import Native, parse
from gateway.core.errors import FailureKind
from gateway.core.usage import Usage
from gateway.providers.responses import Responses, Stream
from gateway.surfaces import SURFACES

BACKEND = Backend("b", "openai", "http://u/v1", "served-name", {})
DIALECT = Responses()
CREATED = {"type": "response.created", "response": {"id": "r", "status": "in_progress"}, "sequence_number": 0}
DELTA = {"type": "response.output_text.delta", "delta": "abc", "sequence_number": 4}
USED = {"input_tokens": 3, "output_tokens": 2}


def name(recorded):
    return recorded.name


def ask(body: bytes, **view):
    """A request as the surface gives it: its own bytes, and the canonical form of it."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    canonical = parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **view}).encode())
    return msgspec.structs.replace(canonical, native=Native("responses", fields))


BODY = b'{"model":"alias","x":{"b":1,"a":[ 1.50 ]},"input":"\\u00e9","n":9007199254740993%b}'


@pytest.mark.parametrize(
    ("limit", "view", "sent"),
    [
        (b"", {}, b""),
        (b',"max_output_tokens": 50', {"max_completion_tokens": 50}, b',"max_output_tokens":50'),
        (b',"max_output_tokens":50', {"max_completion_tokens": 20}, b',"max_output_tokens":20'),
        (b',"max_output_tokens":50', {"max_tokens": 20}, b',"max_output_tokens":20'),
        (b',"max_output_tokens":50', {"max_completion_tokens": 90}, b',"max_output_tokens":50'),
        (b',"max_output_tokens":null', {"max_completion_tokens": 20}, b',"max_output_tokens":20'),
        (b',"max_output_tokens":null', {}, b',"max_output_tokens":null'),
        (b',"max_output_tokens":1.5', {"max_completion_tokens": 20}, b',"max_output_tokens":20'),
        (b',"max_output_tokens":-1', {"max_completion_tokens": 20}, b',"max_output_tokens":20'),
        (b"", {"max_completion_tokens": 20}, b',"max_output_tokens":20'),
        (b"", {"max_completion_tokens": 0}, b',"max_output_tokens":0'),
    ],
)
def test_only_the_model_and_a_higher_limit_are_replaced(limit, view, sent):
    encoded = DIALECT.encode(ask(BODY.replace(b"%b", b',"store":true%b') % limit, **view), BACKEND)
    assert encoded == BODY.replace(b"alias", b"served-name").replace(b"%b", b',"store":false%b') % sent


@pytest.mark.parametrize("store", [b"", b',"store":true', b',"store":null', b',"store":false', b',"st\\u006fre":true'])
def test_nothing_is_stored_whatever_the_client_says(store):
    sent = DIALECT.encode(ask(b'{"model":"m","input":"x"%b}' % store), BACKEND)
    assert (json.loads(sent)["store"], sent.count(b'"store"')) == (False, 1)


def test_it_goes_to_responses_and_leaves_nothing_out():
    request = ask(b'{"model":"m","input":"x"}')
    assert (DIALECT.endpoint(request, BACKEND).path, DIALECT.takes) == ("/responses", "responses")
    assert DIALECT.endpoint(request, BACKEND).key_header == "Authorization"
    assert (DIALECT.lacks(request, BACKEND), DIALECT.drops(request, BACKEND), DIALECT.passes) == ("", (), ())


@pytest.mark.parametrize("recorded", GOOD_STREAMS, ids=name)
def test_a_stream_passes_byte_for_byte(recorded):
    reader = DIALECT.reader(chat())
    assert play(reader, recorded.body) == recorded.body
    assert reader.done
    assert reader.failed is None
    assert reader.usage_is_last
    assert reader.content_seen


@pytest.mark.parametrize("recorded", STREAMS, ids=name)
def test_a_stream_reads_the_same_cut_at_every_offset(recorded):
    whole = Stream()
    out = play(whole, recorded.body)
    for offset in offsets(recorded.body):
        reader = Stream()
        assert play(reader, recorded.body[:offset], recorded.body[offset:]) == out, offset
        assert learned(reader) == learned(whole)


@pytest.mark.parametrize("recorded", STREAMS, ids=name)
def test_a_stream_reads_the_same_byte_by_byte(recorded):
    body = recorded.body
    assert play(Stream(), *(body[at : at + 1] for at in range(len(body)))) == play(Stream(), body)


@pytest.mark.parametrize("recorded", GOOD_STREAMS, ids=name)
def test_a_stream_that_is_cut_short_never_looks_finished(recorded):
    last = recorded.body.rindex(b"event: response.")
    for offset in range(0, last, 7):
        reader = Stream()
        out = play(reader, recorded.body[:offset])
        assert reader.failed is not None
        event, data = out.split(b"\n\n")[-2].split(b"\n")
        assert event == b"event: error"
        said = json.loads(data.removeprefix(b"data: "))
        assert said.keys() == {"type", "code", "message", "param", "sequence_number"}
        assert (said["type"], said["code"]) == ("error", "upstream_broken")
        assert b"event: response.completed" not in out


def test_an_error_has_the_next_number():
    for events, number in (((CREATED, DELTA), 5), ((CREATED,), 1), ((), 0)):
        reader = Stream()
        out = play(reader, sse(*events))
        assert json.loads(out.split(b"data: ")[-1])["sequence_number"] == number


def test_numbers_are_counted_where_the_server_has_none():
    events = [{k: v for k, v in each.items() if k != "sequence_number"} for each in (CREATED, DELTA, DELTA)]
    assert json.loads(play(Stream(), sse(*events)).split(b"data: ")[-1])["sequence_number"] == 3


@pytest.mark.parametrize(
    ("vector_name", "kind", "started_before"),
    [
        ("openai/error_stream", FailureKind.THROTTLED, False),
        ("openai/failed_stream", FailureKind.SERVER_ERROR, True),
        ("perplexity/failed_stream", FailureKind.OVERLOADED, False),
    ],
)
def test_a_failure_before_anything_was_written_lets_another_backend_be_asked(vector_name, kind, started_before):
    body = vector(vector_name).body
    at = max(body.rindex(b"event: "), 0)
    reader = Stream()
    shown = reader.feed(body[:at])
    assert (reader.started, bool(shown)) == (started_before, started_before)
    out = shown + reader.feed(body[at:])
    assert (reader.failed.kind, reader.done, reader.started) == (kind, True, True)
    assert b"org-" not in out
    said = json.loads(out.split(b"data: ")[-1])
    assert said["type"] == body[at:].split(b"\n")[0].removeprefix(b"event: ").decode()
    error = said if said["type"] == "error" else said["response"]["error"]
    assert error["message"] == reader.failed.error["message"]


def test_a_failed_response_keeps_what_else_it_says_and_its_usage():
    reader = Stream()
    out = play(reader, vector("openai/failed_stream").body)
    said = json.loads(out.split(b"data: ")[-1])["response"]
    assert (said["status"], said["model"]) == ("failed", "gpt-5.6-sol")
    assert reader.usage == Usage(input_uncached=20, output=2)
    assert reader.service == "default"


def test_a_response_that_completed_as_failed_is_told_as_failed():
    reader = Stream()
    out = play(reader, sse(CREATED, DELTA, {"type": "response.completed", "response": {"status": "failed"}}))
    assert reader.failed.kind is FailureKind.SERVER_ERROR
    assert b"response.completed" not in out


def test_a_failed_response_that_nobody_can_tell_again_is_an_error():
    end = b'data: {"type":"response.failed","response":{"status":"failed","usage":%b,"\xff":1}}\n\n'
    reader = Stream()
    out = play(reader, end % json.dumps(USED).encode())
    assert (out.startswith(b"event: error\n"), kind_of(reader.failed)) == (True, "broken")  # no JSON


def test_what_comes_after_the_end_is_dropped():
    end = {"type": "response.completed", "response": {"status": "completed", "usage": USED}}
    body = sse(CREATED, DELTA, end)
    assert play(Stream(), body + b"data: [DONE]\n\n" + sse(DELTA)) == body


def test_done_is_not_the_end():
    reader = Stream()
    out = play(reader, sse(CREATED, DELTA) + b"data: [DONE]\n\n")
    assert reader.failed.kind is FailureKind.BROKEN
    assert b"[DONE]" not in out


def test_comments_crlf_and_unknown_events_pass_untouched():
    end = {"type": "response.incomplete", "response": {"status": "incomplete", "usage": USED}}
    body = b": ping\n\n" + sse(CREATED, {"type": "response.new_thing.delta", "delta": "ab"}, {"type": "keepalive"}, end)
    for each in (body, body.replace(b"\n", b"\r\n"), body.rstrip(b"\n") + b"\n\n"):
        reader = Stream()
        assert play(reader, each) == each
        assert reader.written_bytes == 2


def test_an_end_without_its_blank_line_is_an_end():
    body = sse(CREATED, {"type": "response.completed", "response": {"status": "completed", "usage": USED}})
    reader = Stream()
    assert play(reader, body[:-1]) == body
    assert reader.failed is None


@pytest.mark.parametrize(
    "broken",
    [
        b"data: {not json\n\n",
        b"data: 7\n\n",
        b"data: <html>boom</html>\n\n",
        b'data: {"type": 7}\n\n',
        b"data: \xff\n\n",
        sse({"type": "response.completed", "response": 7}),
    ],
)
def test_what_nobody_can_read_ends_the_stream(broken):
    reader = Stream()
    out = play(reader, sse(CREATED, DELTA) + broken + sse(DELTA))
    assert reader.failed.kind is FailureKind.BROKEN
    assert out.count(b"abc") == 1
    assert out.split(b"\n\n")[-2].startswith(b"event: error\n")


def test_generated_text_of_every_kind_counts():
    reader = Stream()
    for kind in (
        "output_text",
        "refusal",
        "reasoning_text",
        "reasoning_summary_text",
        "function_call_arguments",
        "custom_tool_call_input",
        "mcp_call_arguments",
    ):
        reader.feed(sse({"type": f"response.{kind}.delta", "delta": "ab"}))
    assert (reader.written_bytes, reader.written_events, reader.content_seen) == (14, 7, True)


def test_an_item_that_comes_whole_counts_once():
    item = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}
    done = {"type": "response.output_item.done", "item": item}
    reader = Stream()
    reader.feed(sse({"type": "response.function_call_arguments.delta", "delta": "{}"}, done))
    assert reader.written_bytes == 2
    reader.feed(sse(done))
    assert reader.written_bytes == 5


def test_a_response_that_comes_whole_at_the_end_counts():
    message = {"type": "message", "content": [{"type": "output_text", "text": "abcd"}]}
    end = {"type": "response.completed", "response": {"status": "completed", "output": [message], "usage": USED}}
    reader = Stream()
    play(reader, sse(end))
    assert (reader.written_bytes, reader.usage_is_last) == (4, True)


@pytest.mark.parametrize("recorded", GOOD_ANSWERS, ids=name)
def test_a_buffered_answer_passes_byte_for_byte(recorded):
    answer = DIALECT.answer(recorded.body, chat())
    assert (answer.failed, answer.body) == (None, recorded.body)
    assert answer.usage.total == json.loads(recorded.body)["usage"]["total_tokens"]
    assert answer.written_bytes > 0


def test_a_buffered_answer_that_failed_is_none_and_is_billed():
    answer = DIALECT.answer(vector("openai/failed").body, chat())
    assert (answer.body, kind_of(answer.failed)) == (b"", "server_error")
    assert answer.usage == Usage(input_uncached=20, output=2)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", "broken"),
        (b"[]", "broken"),
        (b"{}", "broken"),
        (b'{"output":7}', "broken"),
        (b'{"status":"in_progress","output":[]}', "broken"),
        (b'{"status":"cancelled","output":[]}', "server_error"),
        (b'{"error":"boom"}', "server_error"),
        (b'{"error":{"code":"rate_limit_exceeded"},"output":[]}', "throttled"),
    ],
)
def test_a_body_that_is_no_answer_is_a_failure(body, kind):
    answer = DIALECT.answer(body, chat())
    assert (answer.body, kind_of(answer.failed)) == (b"", kind)


def test_an_error_status_is_classified():
    failed = DIALECT.failure(429, {"retry-after": "7"}, b'{"error":{"message":"m","code":"rate_limit_exceeded"}}')
    assert (failed.kind, failed.retry_after) == (FailureKind.THROTTLED, "7")


@given(RESPONSES)
def test_any_response_is_an_answer_or_a_failure(response):
    body = json.dumps(response).encode()
    answer = DIALECT.answer(body, chat())
    assert answer.body == (b"" if answer.failed else body)


@given(EVENTS, st.integers(0, 400))
def test_any_events_end_in_a_terminal_event(events, cut):
    raw, reader, again = sse(*events), Stream(), Stream()
    out = play(reader, raw)
    assert play(again, raw[:cut], raw[cut:]) == out
    assert reader.done
    last = out.split(b"\n\n")[-2].split(b"\n")[0]
    if reader.failed is None:
        assert last in (b"event: response.completed", b"event: response.incomplete")
    else:
        assert last in (b"event: error", b"event: response.failed")


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes_end_the_stream(raw, cut):
    reader = Stream()
    play(reader, raw[:cut], raw[cut:])
    assert reader.done
    assert reader.failed is not None


def test_vectors_of_every_kind_are_here():
    assert (len(STREAMS), len(ANSWERS)) == (11, 11)


OPEN = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]}
OURS = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gateway.1.abc"}
THEIRS = {"type": "reasoning", "id": "rs_3", "summary": [], "encrypted_content": "gAAAA"}


@pytest.mark.parametrize(("seals", "left"), [(True, [THEIRS]), (False, [OPEN, THEIRS])])
def test_reasoning_of_other_models_is_left_out_where_it_would_be_refused(seals, left):
    asked = {"role": "user", "content": "x"}
    body = {"model": "m", "input": [asked, OPEN, OURS, THEIRS, asked]}
    chat = SURFACES["responses"].parse(json.dumps(body).encode(), 0)
    assert json.loads(Responses(seals=seals).encode(chat, backend("a")))["input"] == [asked, *left, asked]
