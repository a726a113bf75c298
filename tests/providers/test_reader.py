"""What all readers do with a stream, wherever it is cut."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.response_vectors import chat
from support.vectors import load

from gateway.core.catalog import Endpoint
from gateway.core.errors import FailureKind
from gateway.core.sse import MAX_EVENT_BYTES
from gateway.core.usage import NOTHING, Usage
from gateway.providers.anthropic import Anthropic
from gateway.providers.embeddings import Embeddings
from gateway.providers.failures import unreadable
from gateway.providers.gemini import Gemini
from gateway.providers.messages import CountTokens, Messages
from gateway.providers.plain import Plain
from gateway.providers.reader import Reader
from gateway.providers.responses import Responses
from gateway.providers.responses_chat import ResponsesChat

STREAM = b": hello\n\ndata: a\n\ndata: usage\n\ndata: b\r\n\r\nevent: x\ndata: end\n\ndata: late\n\n"


class Letters(Reader):
    """Reads events whose data is text, `usage` or `end`."""

    def _event(self, event, data):
        self.started = self.started or bool(data)
        if data == b"usage":
            self.used(Usage(1, output=self.written_bytes))
            self.used(None)
        elif data == b"end":
            self.done = True
        else:
            self.wrote(len(data))
        return event

    def _complete(self):
        return self.written_bytes > 1

    def _end(self):
        return b"END"

    def _error(self, failed):
        return b"ERROR " + failed.error["code"].encode()


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_a_stream_reads_the_same_wherever_it_is_cut(cuts):
    reader, out, at = Letters(), b"", 0
    for cut in [*sorted(cuts), len(STREAM)]:
        out += reader.feed(STREAM[at:cut])
        at = cut
    assert out == STREAM[: STREAM.index(b"data: late")]
    assert (reader.done, reader.failed, reader.written_bytes, reader.written_events) == (True, None, 2, 2)
    assert (reader.usage, reader.usage_is_last) == (Usage(1, output=1), False)
    assert (reader.feed(b"data: more\n\n"), reader.close()) == (b"", b"")


@pytest.mark.parametrize(
    ("stream", "out", "kind"),
    [
        (b"data: ab\n\n", b"data: ab\n\nEND", None),
        (b"data: ab", b"data: ab\n\nEND", None),
        (b"data: a\n\n", b"data: a\n\nERROR upstream_broken", FailureKind.BROKEN),
        (b"", b"ERROR upstream_broken", FailureKind.BROKEN),
        (b"data: end", b"data: end\n\n", None),
    ],
)
def test_the_end_of_a_stream(stream, out, kind):
    reader = Letters()
    assert reader.feed(stream) + reader.close() == out
    assert reader.done
    assert (reader.failed.kind if reader.failed else None) == kind


def test_an_endless_event_breaks_it_off():
    reader = Letters()
    assert reader.feed(b"data: " + b"x" * MAX_EVENT_BYTES) == b"ERROR upstream_broken"
    assert (reader.started, reader.done, reader.written_bytes) == (True, True, 0)


def test_it_can_be_broken_off():
    reader = Letters()
    assert reader.broke_off(unreadable("m")) == b"ERROR upstream_broken"
    assert (reader.started, reader.done, reader.failed.kind) == (True, True, FailureKind.BROKEN)


ROOT = Path(__file__).resolve().parents[1] / "vectors"
ASKED = chat(logprobs=True)
JSON = chat(response_format={"type": "json_object"})
SPOKEN = {
    "anthropic": ((Anthropic(), ASKED), (Anthropic(), JSON), (Messages(), ASKED), (CountTokens(), ASKED)),
    "gemini": ((Gemini(), ASKED),),
    "messages": ((Messages(), ASKED), (Anthropic(), ASKED)),
    "responses": ((Responses(), ASKED), (ResponsesChat(kept_as="x"), ASKED)),
}
RECORDED = [(name, load(path)) for name in SPOKEN for path in sorted((ROOT / name).rglob("*.txt"))]
PLAIN = {
    "data": [{"embedding": [0.5, 1.0]}, {"embedding": "AACAPw=="}],
    "results": [{"index": 0}],
    "usage": {
        "prompt_tokens": 3,
        "input_tokens": 3,
        "output_tokens": 1,
        "total_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 1},
    },
    "error": None,
}
ODD = (
    *(b"null", b"0", b"-1", b"1.5", b"1" + b"0" * 30, b"1e400", b"NaN", b"true", b'"x"', b'""', b'"\\ud800"', b"[]"),
    *(b"{}", b"[[]]", b"[null]", b"[" * 3000 + b"]" * 3000, b'{"error":{"message":"\xff"}}', b"\xff"),
    *(b'"\xff"', b'"\xed\xa0\x80"', b'{"a":"\xff"}', b'{"\xff":1}'),
)
_HERE = "put it here"


def _paths(value, at=()):
    yield at
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inside:
        yield from _paths(each, (*at, name))


def _put(value, at, new):
    if not at:
        return new
    copied = value.copy()
    copied[at[0]] = _put(value[at[0]], at[1:], new)
    return copied


def _mutated(data, said: bytes) -> bytes:
    """A JSON text with one value in it that is another, maybe in bytes that are no text."""
    value = json.loads(said)
    at = data.draw(st.sampled_from(list(_paths(value))))
    return (
        json.dumps(_put(value, at, _HERE)).encode().replace(b'"%b"' % _HERE.encode(), data.draw(st.sampled_from(ODD)))
    )


@settings(max_examples=1500)
@given(st.data())
def test_whatever_a_server_sends_is_read_or_fails(data):
    name, recorded = RECORDED[data.draw(st.sampled_from(range(len(RECORDED))))]
    dialect, request = SPOKEN[name][data.draw(st.sampled_from(range(len(SPOKEN[name]))))]
    if not recorded.streamed:
        body = _mutated(data, recorded.body) if recorded.body[:1] in (b"{", b"[") else recorded.body
        if recorded.status != 200:
            assert dialect.failure(recorded.status, recorded.headers, body).status >= 400
            return
        answer = dialect.answer(body, request)
        assert bool(answer.body) == (answer.failed is None)
        return
    events = [each.split(b"\n") for each in recorded.body.replace(b"\r\n", b"\n").split(b"\n\n")]
    with_data = [lines for lines in events if any(line.startswith(b"data: {") for line in lines)]
    lines = data.draw(st.sampled_from(with_data))
    at = next(index for index, line in enumerate(lines) if line.startswith(b"data: {"))
    lines[at] = b"data: " + _mutated(data, lines[at][6:])
    reader = dialect.reader(request)
    reader.feed(b"\n\n".join([b"\n".join(each) for each in events]))
    reader.close()
    assert reader.done


@given(st.data())
def test_whatever_a_server_answers_to_an_operation_is_read_or_fails(data):
    packed = msgspec.structs.replace(ASKED, fields={**ASKED.fields, "encoding_format": msgspec.Raw(b'"base64"')})
    plain = (
        Plain(takes="images", target=Endpoint("/x"), member="data"),
        Plain(takes="rerank", target=Endpoint("/x"), member="results"),
        Embeddings(),
    )
    answer = data.draw(st.sampled_from(plain)).answer(
        _mutated(data, json.dumps(PLAIN).encode()), data.draw(st.sampled_from([ASKED, packed]))
    )
    assert bool(answer.body) == (answer.failed is None)


COUNTS = st.one_of(st.integers(-1, 200), st.sampled_from([10**9, 10**10, None, "7", 1.5]))
DETAILS = st.fixed_dictionaries({}, optional={"cached_tokens": COUNTS, "reasoning_tokens": COUNTS})
PASSES = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "compaction", "advisor_message", "fallback_message", "new"])},
    optional={"input_tokens": COUNTS, "output_tokens": COUNTS, "cache_read_input_tokens": COUNTS},
)
OURS = {
    "input_tokens": COUNTS,
    "output_tokens": COUNTS,
    "total_tokens": COUNTS,
    "cache_read_input_tokens": COUNTS,
    "cache_creation_input_tokens": COUNTS,
    "input_tokens_details": DETAILS,
    "output_tokens_details": DETAILS,
    "cache_creation": st.fixed_dictionaries({}, optional={"ephemeral_1h_input_tokens": COUNTS}),
    "iterations": st.lists(PASSES, max_size=3),
    "speed": st.sampled_from(["standard", "fast"]),
    "promptTokenCount": COUNTS,
    "candidatesTokenCount": COUNTS,
    "cachedContentTokenCount": COUNTS,
    "thoughtsTokenCount": COUNTS,
    "totalTokenCount": COUNTS,
}


def _event(**members) -> bytes:
    kind = members.get("type")
    return (b"event: %b\n" % kind.encode() if kind else b"") + b"data: " + json.dumps(members).encode() + b"\n\n"


def _message(usage) -> tuple[bytes, bytes]:
    head = {"type": "message", "id": "m", "model": "m", "role": "assistant"}
    text = {"type": "text", "text": "hello"}
    whole = {**head, "content": [text], "stop_reason": "end_turn", "usage": usage}
    stream = [
        _event(type="message_start", message={**head, "content": [], "usage": {"input_tokens": 0, "output_tokens": 0}}),
        _event(type="content_block_start", index=0, content_block=text),
        _event(type="content_block_stop", index=0),
        _event(type="message_delta", delta={"stop_reason": "end_turn"}, usage=usage),
        _event(type="message_stop"),
    ]
    return json.dumps(whole).encode(), b"".join(stream)


def _response(usage) -> tuple[bytes, bytes]:
    output = [{"type": "message", "content": [{"type": "output_text", "text": "hello"}]}]
    whole = {"id": "r", "model": "m", "status": "completed", "output": output, "usage": usage}
    return json.dumps(whole).encode(), _event(type="response.completed", response=whole)


def _generated(usage) -> tuple[bytes, bytes]:
    candidate = {"content": {"parts": [{"text": "hello"}]}, "finishReason": "STOP"}
    whole = {"candidates": [candidate], "usageMetadata": usage}
    return json.dumps(whole).encode(), _event(**whole)


@pytest.mark.parametrize(
    ("dialect", "say"),
    [
        (Anthropic(), _message),
        (Messages(), _message),
        (Gemini(), _generated),
        (Responses(), _response),
        (ResponsesChat(), _response),
    ],
    ids=lambda each: type(each).__name__,
)
@given(usage=st.fixed_dictionaries({}, optional=OURS))
def test_a_stream_reports_what_the_same_answer_reports_buffered(dialect, say, usage):
    whole, stream = say(usage)
    answer, reader = dialect.answer(whole, ASKED), dialect.reader(ASKED)
    reader.feed(stream)
    reader.close()
    assert (answer.failed, reader.failed) == (None, None)
    assert (reader.usage or NOTHING, reader.service) == (answer.usage or NOTHING, answer.service)
    assert reader.written_bytes == answer.written_bytes


@pytest.mark.parametrize(("name", "recorded"), [each for each in RECORDED if each[1].streamed], ids=str)
def test_a_stream_without_its_last_words_never_ends_finished(name, recorded):
    events = recorded.body.replace(b"\r\n", b"\n").split(b"\n\n")
    ends = (b"stop_reason", b"finishReason", b"response.completed", b"response.incomplete", b"response.failed")
    last = next((at for at, event in enumerate(events) if _ends(event, ends)), len(events))
    for dialect, request in SPOKEN[name]:
        for cut in range(1, last + 1):
            reader = dialect.reader(request)
            out = reader.feed(b"\n\n".join([*events[:cut], b""])) + reader.close()
            assert reader.failed is not None
            assert b"[DONE]" not in out
            assert b"message_stop" not in out


def _ends(event: bytes, ends: tuple[bytes, ...]) -> bool:
    return any(end in event for end in ends) and b'"stop_reason":null' not in event.replace(b" ", b"")
