"""The Anthropic dialect as the relay uses it."""

import json

import pytest
from msgspec import structs
from support.anthropic_vectors import VECTORS, backend, chat, chunks_of, play

from gateway.core.catalog import Endpoint
from gateway.core.chat import parse
from gateway.core.errors import FailureKind, Refused
from gateway.providers.anthropic import BINDING, Anthropic
from gateway.providers.messages import ANTHROPIC, VERSION

DIALECT = Anthropic()


def test_a_chat_goes_there_and_back():
    asked = chat(stream=True, temperature=0.3, seed=7)
    assert DIALECT.lacks(asked, backend()) == ""
    assert DIALECT.drops(asked, backend()) == ("seed", "temperature")
    assert json.loads(DIALECT.encode(asked, backend("claude-x")))["model"] == "claude-x"
    out = play(DIALECT.reader(asked), [VECTORS["documented/text_stream"].body])
    said = [choice["delta"].get("content", "") for chunk in chunks_of(out) for choice in chunk["choices"]]
    assert "".join(said) == "Hello wörld 🌍"
    whole = json.loads(DIALECT.answer(VECTORS["documented/text"].body, asked).body)
    assert whole["choices"][0]["message"]["content"] == "Hello wörld 🌍"


def test_what_a_chat_client_sends_back_is_what_came():
    """A client that returns the assistant's message unchanged returns the signed thinking and the calls."""
    body = VECTORS["documented/thinking"].body
    message = json.loads(DIALECT.answer(body, chat()).body)["choices"][0]["message"]
    again = json.loads(DIALECT.encode(chat("hi", message, "and?"), backend()))["messages"]
    assert again[1] == {"role": "assistant", "content": json.loads(body)["content"]}
    body = VECTORS["documented/tools"].body
    message = json.loads(DIALECT.answer(body, chat()).body)["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "1"} for call in message["tool_calls"]]
    again = json.loads(DIALECT.encode(chat("hi", message, *results), backend()))["messages"]
    blocks = [{k: v for k, v in block.items() if k != "caller"} for block in json.loads(body)["content"]]
    assert again[1]["content"] == blocks
    assert [block["tool_use_id"] for block in again[2]["content"]] == [block["id"] for block in blocks[1:]]


def test_a_lack_is_said_and_a_wrong_request_refused():
    assert DIALECT.lacks(chat(n=2), backend()) == "does not take `n` above 1"
    wrong = chat(stop=7, n=2)
    assert (DIALECT.lacks(wrong, backend()), DIALECT.drops(wrong, backend())) == ("", ())
    with pytest.raises(Refused, match="invalid `stop`"):
        DIALECT.encode(wrong, backend())


def test_what_is_wrong_with_messages_is_refused_when_it_is_sent():
    lost = chat({"role": "king", "content": "x"}, reasoning_effort="low")
    assert DIALECT.drops(lost, backend("claude-sonnet-4-5")) == ()
    with pytest.raises(Refused, match="role"):
        DIALECT.encode(lost, backend("claude-sonnet-4-5"))


def test_an_error_means_what_it_says():
    recorded = VECTORS["documented/err_rate_limit"]
    failed = DIALECT.failure(recorded.status, recorded.headers, recorded.body)
    assert (failed.kind, failed.retry_after) == (FailureKind.THROTTLED, "12")


def test_where_calls_go():
    assert DIALECT.endpoint(chat(), backend()) is ANTHROPIC
    bearer = Endpoint("/messages", headers=VERSION)
    assert Anthropic("http://u/v1", bearer).endpoint(chat(), backend()) is bearer
    signed = {"role": "assistant", "thinking_blocks": [{"type": "redacted_thinking", "data": "d"}], "content": "so"}
    bound = DIALECT.endpoint(chat("hi", signed, "on"), backend())
    assert bound == structs.replace(ANTHROPIC, headers=(*ANTHROPIC.headers, BINDING))
    assert DIALECT.endpoint(chat("hi", signed, "on"), backend("claude-opus-5")) is ANTHROPIC
    assert DIALECT.endpoint(chat({**signed, "role": "king"}), backend()) is ANTHROPIC
    assert (DIALECT.takes, DIALECT.limit_field, DIALECT.passes) == ("chat", "max_tokens", ())
    assert DIALECT.base_url == "https://api.anthropic.com/v1"


def test_a_limit_that_the_gateway_sets_is_kept():
    asked = parse(
        b'{"model":"m","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":900,"max_tokens":50}'
    )
    assert json.loads(DIALECT.encode(asked, backend()))["max_tokens"] == 50
