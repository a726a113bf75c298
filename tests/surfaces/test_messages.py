"""The two surfaces as the relay uses them."""

import json

import pytest
from support.message_events import message
from support.upstream import DONE, delta

from gateway.core.errors import Refused
from gateway.providers.openai import OpenAI
from gateway.surfaces.messages import CountTokens, Messages
from gateway.wire import Surface

BODY = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
SURFACES: tuple[Surface, ...] = (Messages(), CountTokens())


def test_names_are_those_of_the_requests():
    for surface in SURFACES:
        chat = surface.parse(json.dumps(BODY).encode(), 7)
        assert (chat.native.surface, chat.arrived) == (surface.name, 7)


def test_only_a_count_needs_no_limit():
    body = json.dumps({name: value for name, value in BODY.items() if name != "max_tokens"}).encode()
    assert CountTokens().parse(body, 0).view.max_tokens is None
    with pytest.raises(Refused, match="max_tokens"):
        Messages().parse(body, 0)


@pytest.mark.parametrize("surface", SURFACES, ids=lambda each: each.name)
def test_errors_have_the_envelope_of_anthropic(surface):
    error = {"message": "no", "type": "insufficient_quota", "param": None, "code": "budget_exceeded"}
    assert json.loads(surface.error(402, error, "req_1")) == {
        "type": "error",
        "error": {"type": "billing_error", "message": "no", "code": "budget_exceeded"},
        "request_id": "req_1",
    }
    assert surface.id_headers == (b"x-request-id", b"request-id")


def test_an_answer_and_a_stream_say_the_same():
    chat = Messages().parse(json.dumps({**BODY, "stream": True}).encode(), 0)
    reader = Messages().follow(OpenAI().reader(chat), chat)
    streamed = message(reader.feed(delta("hi")) + reader.feed(delta(finish="stop")) + reader.feed(DONE))
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    whole = json.dumps({"id": "chatcmpl-1", "model": "scripted", "choices": [choice]}).encode()
    buffered = json.loads(Messages().answer(whole, chat))
    assert streamed == buffered


def test_a_real_count_passes_as_it_came():
    chat = CountTokens().parse(json.dumps(BODY).encode(), 0)
    reader = OpenAI().reader(chat)
    assert CountTokens().answer(b'{"input_tokens":7,"new":1}', chat) == b'{"input_tokens":7,"new":1}'
    assert CountTokens().follow(reader, chat) is reader


def test_an_estimate_errs_high_and_counts_tools():
    few = json.loads(CountTokens().unasked(CountTokens().parse(json.dumps(BODY).encode(), 0)))
    tool = {"name": "f", "description": "d" * 300, "input_schema": {"type": "object"}}
    more = json.loads(CountTokens().unasked(CountTokens().parse(json.dumps({**BODY, "tools": [tool]}).encode(), 0)))
    assert few == {"input_tokens": 9}
    assert more["input_tokens"] - few["input_tokens"] > 100
    # 4,000 bytes of English are about 1,000 tokens
    prose = "The quick brown fox jumps over the lazy dog, again. " * 77
    said = {**BODY, "messages": [{"role": "user", "content": prose}]}
    assert (
        1000
        < json.loads(CountTokens().unasked(CountTokens().parse(json.dumps(said).encode(), 0)))["input_tokens"]
        < 1400
    )


def test_an_estimate_counts_what_is_attached():
    source = {"type": "base64", "media_type": "application/pdf", "data": "A" * 90_000}
    said = {**BODY, "messages": [{"role": "user", "content": [{"type": "document", "source": source}]}]}
    estimate = json.loads(CountTokens().unasked(CountTokens().parse(json.dumps(said).encode(), 0)))
    assert estimate["input_tokens"] > 90_000
