"""What is read of responses and their events."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from gateway.core.errors import FailureKind
from gateway.core.usage import Usage
from gateway.providers.response_wire import (
    OUTCOME,
    Event,
    Outcome,
    failed_in,
    item_in,
    items_in,
    present,
    service_in,
    usage_in,
    word,
    written_in,
)


def raw(value: object) -> Raw:
    return Raw(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        ({"input_tokens": 11, "output_tokens": 8}, Usage(input_uncached=11, output=8)),
        (
            {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
                "output_tokens": 50,
                "output_tokens_details": {"reasoning_tokens": 30},
                "total_tokens": 150,
            },
            Usage(input_uncached=50, cache_read=40, cache_write=10, output=20, reasoning=30),
        ),
        (  # xAI: reasoning counts in the total only
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 7},
                "total_tokens": 22,
            },
            Usage(input_uncached=10, output=5, reasoning=7),
        ),
        (  # Perplexity
            {
                "input_tokens": 10,
                "input_tokens_details": {"cache_read_input_tokens": 4, "cache_creation_input_tokens": 1},
                "output_tokens": 5,
            },
            Usage(input_uncached=5, cache_read=4, cache_write=1, output=5),
        ),
        ({"input_tokens": 10, "input_tokens_details": None, "output_tokens": 5}, Usage(input_uncached=10, output=5)),
        (  # parts of more than the whole count beside it
            {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 11}, "output_tokens": 5},
            Usage(input_uncached=10, cache_read=11, output=5, source="estimated"),
        ),
        (
            {"input_tokens": 10, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 6}},
            Usage(input_uncached=10, output=5, reasoning=6, source="estimated"),
        ),
        ({"input_tokens": -1, "output_tokens": 5}, None),
        ({"input_tokens": 10}, None),
        ("much", None),
        (None, None),
        ({}, None),
    ],
)
def test_usage_falls_into_disjoint_buckets(wire, usage):
    assert usage_in(raw(wire)) == usage


def test_usage_that_is_not_there_is_none():
    assert usage_in(UNSET) is None


@given(st.dictionaries(st.sampled_from(["input_tokens", "output_tokens", "total_tokens"]), st.integers(0, 10**9)))
def test_all_that_is_counted_is_in_some_bucket(wire):
    usage = usage_in(raw(wire))
    if usage is not None:
        assert usage.total == max(wire["input_tokens"] + wire["output_tokens"], wire.get("total_tokens", 0))


@pytest.mark.parametrize(
    ("said", "kind", "status", "error"),
    [
        (
            {"type": "error", "code": "rate_limit_exceeded", "message": "m", "param": None, "sequence_number": 3},
            FailureKind.THROTTLED,
            429,
            {"code": "rate_limit_exceeded", "message": "m", "type": "server_error"},
        ),
        (
            {
                "type": "error",
                "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "of org-Abc123456"},
            },
            FailureKind.THROTTLED,
            429,
            {"code": "rate_limit_exceeded", "message": "of ***", "type": "tokens"},
        ),
        (
            {"status": "failed", "error": {"code": "server_error", "message": "m"}},
            FailureKind.SERVER_ERROR,
            502,
            {"code": "server_error", "message": "m", "type": "server_error"},
        ),
        (
            {"error": {"code": "invalid_prompt", "message": "flagged"}},
            FailureKind.CONTENT_FILTERED,
            400,
            {"code": "invalid_prompt", "message": "flagged", "type": "invalid_request_error"},
        ),
        (
            {"error": {"code": "image_content_policy_violation", "message": "m"}},
            FailureKind.CONTENT_FILTERED,
            400,
            {"code": "image_content_policy_violation"},
        ),
        ({"error": {"code": "bio_policy", "message": "m"}}, FailureKind.CONTENT_FILTERED, 400, {"code": "bio_policy"}),
        (
            {"error": {"code": "image_too_large", "message": "m"}},
            FailureKind.REJECTED,
            400,
            {"code": "image_too_large", "type": "invalid_request_error"},
        ),
        (
            {"error": {"code": "context_length_exceeded", "message": "m"}},
            FailureKind.CONTEXT_TOO_LONG,
            400,
            {"code": "context_length_exceeded"},
        ),
        (
            {"error": {"code": "insufficient_quota", "message": "of org-Abc123456"}},
            FailureKind.NO_CREDIT,
            502,
            {"code": "upstream_no_credit"},
        ),
        (  # xAI
            {"code": "boom", "error": "it broke"},
            FailureKind.SERVER_ERROR,
            502,
            {"code": "boom", "message": "it broke"},
        ),
        (
            {"type": "response.failed", "response": {"error": None}},
            FailureKind.SERVER_ERROR,
            502,
            {"message": "the backend gave no reason", "type": "server_error", "code": None},
        ),
        ("boom", FailureKind.SERVER_ERROR, 502, {"message": "the backend gave no reason"}),
        ({"error": {"code": 7, "message": {"a": 1}}}, FailureKind.SERVER_ERROR, 502, {"code": None}),
    ],
)
def test_errors_mean(said, kind, status, error):
    failed = failed_in(json.dumps(said).encode())
    assert (failed.kind, failed.status) == (kind, status)
    assert error.items() <= failed.error.items()
    assert {"message", "type", "param", "code"} <= failed.error.keys()


def test_items_of_hosted_tools_are_not_what_the_model_wrote():
    output = [
        {"type": "web_search_call", "id": "w", "action": {"arguments": 7}},
        {"type": "tool_search_call", "arguments": {"not": "text"}},
        {"type": "message", "content": [{"type": "output_text", "text": "hé"}, {"type": "refusal", "refusal": "no"}]},
        {"content": [{"text": "x"}]},
        {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
        {"type": "custom_tool_call", "name": "g", "input": "ab", "arguments": "not its own", "call_id": "d"},
        {"type": "reasoning", "summary": [{"text": "s"}], "content": [{"text": "t"}], "encrypted_content": "long"},
    ]
    outcome = OUTCOME.decode(json.dumps({"output": output}))
    assert [(item.type, item.size) for item in items_in(outcome)] == [
        ("message", 5),
        ("message", 1),
        ("function_call", 3),
        ("custom_tool_call", 3),
        ("reasoning", 2),
    ]
    assert written_in(outcome.output) == 14
    assert written_in(None) == 0


def test_an_item_that_nobody_can_read_counts_whole():
    broken = raw({"type": "message", "content": 7})
    with pytest.raises(msgspec.DecodeError):
        item_in(broken)
    assert written_in([broken]) == len(bytes(broken))


@pytest.mark.parametrize(("tier", "said"), [("flex", "flex"), ("default", "default"), ("auto", None), (7, None)])
def test_auto_is_no_service_tier(tier, said):
    assert service_in(Outcome(service_tier=tier)) == said


def test_what_says_nothing_is_not_present():
    said = [UNSET, Raw(b"null"), Raw(b"[]"), Raw(b"{}"), Raw(b'""'), Raw(b"0")]
    assert [present(each) for each in said] == [False] * 5 + [True]
    assert (word("x"), word(7)) == ("x", None)


def test_an_event_reads_whatever_stands_beside_its_type():
    event = msgspec.json.decode(b'{"type":"x","sequence_number":"1","item":7,"delta":{"a":1}}', type=Event)
    assert (event.type, event.item, event.delta) == ("x", Raw(b"7"), Raw(b'{"a":1}'))
