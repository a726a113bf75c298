"""The OpenAI dialect against recorded bytes of real servers, whole and cut at every offset."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder
from support.cutting import offsets
from support.doubles import PRICE
from support.upstream import DONE, OK, USAGE, USAGE_EVENT, delta, event
from support.vectors import Recorded, all_recorded

from gateway.core import tokens
from gateway.core.catalog import CAPABILITIES, Backend
from gateway.core.chat import OPTIONAL, parse
from gateway.core.decision import Obligation
from gateway.core.discharge import discharged
from gateway.core.errors import FailureKind, Refused
from gateway.core.price import charge
from gateway.core.usage import Usage
from gateway.providers import DIALECTS
from gateway.providers.openai import OpenAI
from gateway.providers.openai_stream import Stream
from gateway.providers.parameters import HINTS

RECORDED = all_recorded()
STREAMS = [each for each in RECORDED if each.streamed and each.status == 200]
ANSWERS = [each for each in RECORDED if not each.streamed and each.status == 200 and not each.name.endswith("/models")]
ERRORS = [each for each in RECORDED if each.status != 200]
BACKEND = Backend("b", "openai", "http://u/v1", "served-name", {})

USED = {
    "llama-server/chat": Usage(input_uncached=19, output=8),
    "llama-server/chat_stream_usage": Usage(input_uncached=1, cache_read=12, output=6),
    "vllm-cpu/chat": Usage(input_uncached=40, output=8),
    "vllm-cpu/chat_stream_usage": Usage(input_uncached=34, output=6),
    "transformers-serve/chat": Usage(input_uncached=40, output=8),
    "transformers-serve/chat_stream": Usage(input_uncached=34, output=12),
    "transformers-serve/chat_stream_usage": Usage(input_uncached=34, output=6),
}


def names(vectors: list[Recorded]) -> list[str]:
    return [each.name for each in vectors]


def reader(*, wants_usage: bool = True) -> Stream:
    return Stream(wants_usage, continuous=False)


def play(blocks: list[bytes], *, wants_usage: bool = True) -> tuple[bytes, Stream]:
    """What the client sees of a stream, with its end, and the reader after it."""
    stream = reader(wants_usage=wants_usage)
    out = b"".join(stream.feed(block) for block in blocks)
    return (out if stream.done else out + stream.close()), stream


def events(raw: bytes) -> list[str]:
    """The data of each event, as the official SDK reads the bytes."""
    return [each.data for each in SSEDecoder().iter_bytes(iter([raw]))]


def chunks(raw: bytes) -> list[dict]:
    return [json.loads(data) for data in events(raw) if data != "[DONE]"]


def test_every_recorded_server_is_here():
    assert {each.name.split("/")[0] for each in RECORDED} == {"llama-server", "vllm-cpu", "transformers-serve"}
    assert (len(STREAMS), len(ANSWERS), len(ERRORS)) == (15, 22, 14)


@pytest.mark.parametrize("recorded", STREAMS, ids=names(STREAMS))
def test_a_recorded_stream_reaches_the_client_and_ends_as_it_should(recorded):
    out, stream = play([recorded.body])
    assert stream.failed is None
    assert events(out)[-1] == "[DONE]"
    assert events(out).count("[DONE]") == 1
    said, shown = chunks(recorded.body), chunks(out)
    assert [each for each in shown if each["choices"]] == [
        {name: value for name, value in each.items() if name != "usage"} for each in said if each["choices"]
    ]
    usages = [each for each in shown if "usage" in each]
    assert [each["choices"] for each in usages] == [[]] * len(usages)
    assert [each["usage"] for each in usages] == [each["usage"] for each in said if each.get("usage")]
    assert not usages or shown[-1] is usages[-1]


@pytest.mark.parametrize("recorded", STREAMS, ids=names(STREAMS))
def test_a_recorded_stream_that_needs_no_mending_passes_byte_for_byte(recorded):
    if recorded.name.startswith("transformers-serve"):
        pytest.skip("sends no [DONE] and puts usage on the last chunk: mended")
    assert play([recorded.body])[0] == recorded.body


@pytest.mark.parametrize("recorded", STREAMS, ids=names(STREAMS))
def test_usage_is_hidden_from_a_client_that_did_not_ask(recorded):
    out, stream = play([recorded.body], wants_usage=False)
    assert all("usage" not in each and each["choices"] for each in chunks(out))
    assert stream.usage == play([recorded.body])[1].usage


@pytest.mark.parametrize("recorded", STREAMS, ids=names(STREAMS))
def test_a_recorded_stream_reads_the_same_cut_at_every_offset(recorded):
    whole, told = play([recorded.body])
    for offset in offsets(recorded.body):
        out, stream = play([recorded.body[:offset], recorded.body[offset:]])
        assert out == whole, offset
        assert (stream.usage, stream.written_bytes, stream.written_events) == (
            told.usage,
            told.written_bytes,
            told.written_events,
        )


@pytest.mark.parametrize("recorded", STREAMS, ids=names(STREAMS))
def test_a_recorded_stream_reads_the_same_byte_by_byte(recorded):
    body = recorded.body
    assert play([body[at : at + 1] for at in range(len(body))])[0] == play([body])[0]


@pytest.mark.parametrize("recorded", STREAMS, ids=names(STREAMS))
def test_a_recorded_stream_that_is_cut_short_never_looks_finished(recorded):
    finish = max(recorded.body.rfind(b'"finish_reason":"'), recorded.body.rfind(b'"finish_reason": "'))
    last = recorded.body.rfind(b"\n\n", 0, finish)  # the end of the event before the one that finishes
    for offset in range(0, last, 7):
        out, stream = play([recorded.body[:offset]])
        assert stream.failed is not None
        assert "[DONE]" not in events(out)
        assert json.loads(events(out)[-1])["error"]["code"] == "upstream_broken"


@pytest.mark.parametrize("recorded", ANSWERS, ids=names(ANSWERS))
def test_a_recorded_answer_is_an_answer_with_usage(recorded):
    answer = OpenAI().answer(recorded.body, chat())
    wire = json.loads(recorded.body)["usage"]
    assert answer.failed is None
    assert answer.usage is not None
    assert answer.usage.total == wire["total_tokens"]
    assert answer.written_bytes > 0


@pytest.mark.parametrize("name", USED)
def test_recorded_usage_falls_into_disjoint_buckets(name):
    recorded = next(each for each in RECORDED if each.name == name)
    used = play([recorded.body])[1].usage if recorded.streamed else OpenAI().answer(recorded.body, chat()).usage
    assert used == USED[name]


@pytest.mark.parametrize("recorded", ERRORS, ids=names(ERRORS))
def test_a_recorded_error_becomes_the_envelope(recorded):
    failed = OpenAI().failure(recorded.status, recorded.headers, recorded.body)
    assert {"message", "type", "param", "code"} <= failed.error.keys()
    assert isinstance(failed.error["message"], str)
    assert isinstance(failed.error["type"], str)
    assert failed.error["code"] is None or isinstance(failed.error["code"], str)


@pytest.mark.parametrize(
    ("name", "kind", "status", "code"),
    [
        ("llama-server/err_ctx_overflow", FailureKind.CONTEXT_TOO_LONG, 400, "context_length_exceeded"),
        ("vllm-cpu/err_ctx_overflow", FailureKind.CONTEXT_TOO_LONG, 400, "context_length_exceeded"),
        ("llama-server/err_bad_type", FailureKind.REJECTED, 400, None),
        ("vllm-cpu/err_bad_type", FailureKind.REJECTED, 400, None),
        ("vllm-cpu/err_unknown_model", FailureKind.MODEL_MISSING, 502, "upstream_model_missing"),
        ("transformers-serve/err_unknown_model", FailureKind.REJECTED, 400, None),
        ("transformers-serve/err_bad_type", FailureKind.SERVER_ERROR, 500, None),
        ("llama-server/err_image", FailureKind.SERVER_ERROR, 500, None),
    ],
)
def test_recorded_errors_mean(name, kind, status, code):
    recorded = next(each for each in ERRORS if each.name == name)
    failed = OpenAI().failure(recorded.status, recorded.headers, recorded.body)
    assert (failed.kind, failed.status, failed.error["code"]) == (kind, status, code)


def chat(**fields):
    body = {"model": "name", "messages": [{"role": "user", "content": "hi"}], **fields}
    return parse(json.dumps(body).encode())


def test_the_model_is_the_backends_and_the_rest_is_untouched():
    body = b'{"seed":9007199254740993,"model":"name","x":{"b":1,"a":[ 1.50 ]},"messages":[{"role":"user","content":"\\u00e9"}]}'
    assert OpenAI().encode(parse(body), BACKEND) == body.replace(b'"name"', b'"served-name"')


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"stream": True}, {"include_usage": True}),
        ({"stream": True, "stream_options": None}, {"include_usage": True}),
        ({"stream": True, "stream_options": {"x": 1}}, {"x": 1, "include_usage": True}),
        ({"stream": True, "stream_options": {"include_usage": False}}, {"include_usage": True}),
        ({"stream": True, "stream_options": {"include_usage": True, "x": 1}}, {"include_usage": True, "x": 1}),
        ({"stream": False}, None),
        ({}, None),
    ],
)
def test_usage_is_asked_for_upstream(fields, options):
    assert json.loads(OpenAI().encode(chat(**fields), BACKEND)).get("stream_options") == options


@pytest.mark.parametrize(
    ("sent", "limit"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 5}, 5),
        ({"max_tokens": None, "max_completion_tokens": 5}, 5),
        ({"max_tokens": 9, "max_completion_tokens": 5}, 9),
        ({"max_tokens": 5, "max_completion_tokens": 9}, 9),
        ({"max_tokens": 0, "max_completion_tokens": 5}, 5),
        ({"max_tokens": 0}, 0),
    ],
)
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_goes_under_the_one_name_that_the_server_reads(name, sent, limit):
    asked = chat(**sent)
    body = json.loads(OpenAI(limit_field=name).encode(asked, BACKEND))
    assert {each: body[each] for each in ("max_tokens", "max_completion_tokens") if each in body} == {name: limit}
    assert asked.output_limit is None or asked.output_limit == limit  # what is reserved for holds


@pytest.mark.parametrize("most", [1, 7, 100])
@pytest.mark.parametrize(
    "sent", [{}, {"max_tokens": 50}, {"max_completion_tokens": 50}, {"max_tokens": 9, "max_completion_tokens": 50}]
)
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_of_ours_holds_under_either_name(name, sent, most):
    dialect = OpenAI(limit_field=name)
    limited = discharged(chat(**sent), (Obligation("max_output_tokens", most),), dialect.limit_field)
    body = json.loads(dialect.encode(limited, BACKEND))
    assert [body[each] for each in ("max_tokens", "max_completion_tokens") if each in body] == [
        min(most, max(sent.values(), default=most))
    ]


ODD = st.none() | st.integers(-1, 3) | st.sampled_from(["", "none", "auto", "required", "developer", "name", "strict"])
ANY = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "function",
                    "name",
                    "role",
                    "content",
                    "text",
                    "strict",
                    "tool_calls",
                    "tool_call_id",
                    "reasoning_content",
                    "id",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
NAMED = st.dictionaries(
    st.sampled_from(sorted({*OPTIONAL, *HINTS, "tools", "stream", "chat_template_kwargs", "thinking"})), ANY
)
SAID = st.lists(
    st.dictionaries(st.sampled_from(["tool_calls", "name", "reasoning_content", "tool_call_id"]), ANY).flatmap(
        lambda more: st.sampled_from(
            [{"content": "x"}, {"content": None}, {"content": [{"type": "text", "text": None}]}]
        ).map(lambda content: {"role": "assistant", **content, **more})
    ),
    min_size=1,
    max_size=2,
)


@given(st.sampled_from(sorted(DIALECTS)), SAID, NAMED)
def test_any_request_is_refused_or_said(provider, messages, fields):
    try:
        asked = chat(messages=messages, **fields)
    except Refused:
        return
    dialect, to = (
        DIALECTS[provider]["chat"],
        Backend("b", provider, "http://u", "m", {}, capabilities=frozenset(CAPABILITIES)),
    )
    dropped = dialect.drops(asked, to)
    if dialect.lacks(asked, to):
        return
    try:
        sent = dialect.encode(asked, to)
    except Refused:
        return
    assert json.loads(sent).keys().isdisjoint({*dropped} - {"strict"})


@pytest.mark.parametrize("takes", ["chat", "completions", "embeddings"])
def test_azure_wants_its_key_in_a_header_of_its_own(takes):
    keys = {name: DIALECTS[name][takes].endpoint(chat(), BACKEND).key_header for name in ("azure", "openai")}
    assert keys == {"azure": "api-key", "openai": "Authorization"}


def test_usage_is_not_asked_for_where_it_would_be_refused():
    assert "stream_options" not in json.loads(OpenAI(asks_usage=False).encode(chat(stream=True), BACKEND))


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({}, None),
        ({"service_tier": None}, None),
        ({"service_tier": "priority"}, "priority"),
        ({"service_tier": 7}, None),
        ({"service_tier": ["flex"]}, None),
    ],
)
def test_the_service_tier_is_read_and_is_no_condition(named, expected):
    answer = OpenAI().answer(json.dumps({**OK, **named}).encode(), chat())
    assert (answer.failed, answer.service) == (None, expected)
    stream = Stream(wants_usage=False, continuous=False)
    stream.feed(delta("x", **named))
    stream.feed(delta("", "stop"))
    assert (stream.failed, stream.service) == (None, expected)


def test_a_usage_chunk_is_made_when_the_server_has_it_elsewhere():
    out, stream = play([delta("a") + delta(finish="stop", usage=USAGE) + DONE])
    assert [(each["choices"] != [], each.get("usage")) for each in chunks(out)] == [
        (True, None),
        (True, None),
        (False, USAGE),
    ]
    assert stream.usage == Usage(input_uncached=10, output=5)


def test_continuous_usage_is_left_alone_when_the_client_asked_for_it():
    body = delta("a", usage=USAGE) + delta(finish="stop", usage=USAGE) + USAGE_EVENT + DONE
    stream = Stream(True, continuous=True)
    assert stream.feed(body) == body


@pytest.mark.parametrize(
    "broken",
    [
        event({"error": {"message": "boom", "type": "server_error", "code": 500}}),
        event({"object": "error", "error": "boom"}),
        event(
            {
                "id": "x",
                "error": {"code": 502, "message": "boom"},
                "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}],
            }
        ),
        b"data: {not json\n\n",
        b"data: <html>boom</html>\n\n",
        b'data: {"choices": 7}\n\n',
    ],
)
def test_an_error_in_a_stream_ends_it_without_done(broken):
    out, stream = play([delta("a"), broken, delta("never shown"), DONE])
    assert stream.failed is not None
    shown = events(out)
    assert json.loads(shown[-1])["error"].keys() >= {"message", "type", "param", "code"}
    assert "[DONE]" not in shown
    assert "never shown" not in out.decode()


@pytest.mark.parametrize(
    "body",
    [
        b"<html>502 Bad Gateway</html>",
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": "x"}',
        b"\xff\xfe",
        b'{"error": "boom"}',
        b'{"error": {"message": "m", "code": 1}, "choices": []}',
    ],
)
def test_a_body_that_is_no_answer_is_a_failure(body):
    assert OpenAI().answer(body, chat()).failed is not None


def test_nothing_after_done_is_relayed():
    assert play([delta("a", "stop") + DONE + delta("more")])[0] == delta("a", "stop") + DONE


def test_comments_and_crlf_pass_untouched():
    body = (b": OPENROUTER PROCESSING\n\n" + delta("a", "stop") + DONE).replace(b"\n", b"\r\n")
    assert play([body])[0] == body


def test_generated_text_of_every_kind_counts():
    stream = reader()
    for name, value in [("content", "1234"), ("reasoning_content", "12"), ("reasoning", "12"), ("refusal", "12")]:
        stream.feed(event({"choices": [{"index": 0, "delta": {name: value}}]}))
    assert (stream.written_bytes, stream.written_events, stream.content_seen) == (10, 4, True)


def test_the_role_alone_is_no_content():
    stream = reader()
    stream.feed(event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": "", "refusal": None}}]}))
    assert (stream.written_bytes, stream.content_seen, stream.started) == (0, False, True)


@given(st.binary(max_size=400), st.integers(0, 400))
def test_any_bytes_end_in_an_error_or_in_done(raw, cut):
    out, stream = play([raw[:cut], raw[cut:]])
    assert stream.done
    assert (stream.failed is None) == out.rstrip(b"\r\n").endswith(b"[DONE]") or b"[DONE]" in raw
    assert stream.failed is None or b'"error"' in out


def streamed_form(body: dict) -> bytes:
    """A buffered answer as the same server would stream it."""
    head = {name: body[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    written = [
        event({**head, "choices": [{"index": each["index"], "delta": each["message"], "finish_reason": None}]})
        + event({**head, "choices": [{"index": each["index"], "delta": {}, "finish_reason": each["finish_reason"]}]})
        for each in body["choices"]
    ]
    return b"".join(written) + event({**head, "choices": [], "usage": body["usage"]}) + DONE


def buffered_form(raw: bytes) -> bytes:
    """A stream as the same server would send it in one piece: what its chunks write put together, its last usage."""
    seen = chunks(raw)
    texts: dict[int, str] = {}
    for each in seen:
        for choice in each["choices"]:
            texts[choice["index"]] = texts.get(choice["index"], "") + (choice["delta"].get("content") or "")
    usage = [each["usage"] for each in seen if each.get("usage")]
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in texts.items()
    ]
    return json.dumps({**OK, "choices": choices, "usage": usage[-1] if usage else None}, ensure_ascii=False).encode()


@pytest.mark.parametrize("recorded", ANSWERS, ids=names(ANSWERS))
def test_a_recorded_answer_costs_the_same_streamed(recorded):
    usage = OpenAI().answer(recorded.body, chat()).usage
    assert usage == play([streamed_form(json.loads(recorded.body))])[1].usage
    assert charge(usage, PRICE) > 0


@pytest.mark.parametrize("recorded", STREAMS, ids=names(STREAMS))
def test_a_recorded_stream_costs_the_same_buffered(recorded):
    """Where the server reported usage. Where it did not, both are estimates, and the stream's is not the lower one."""
    stream, whole = play([recorded.body])[1], OpenAI().answer(buffered_form(recorded.body), chat())
    assert whole.usage == stream.usage
    if stream.usage is None:
        counted = tokens.written_at_most(stream.written_bytes, stream.written_events)
        assert tokens.written_at_most(whole.written_bytes, 0) <= counted
