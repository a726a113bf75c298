"""Usage, stop reasons and errors as Anthropic Messages writes them."""

import json

import msgspec
import pytest
from msgspec import UNSET, Raw

from gateway.core.errors import Failed, FailureKind
from gateway.core.usage import NOTHING, Usage
from gateway.providers.messages_wire import (
    FINISH,
    STOP_REASONS,
    Reported,
    billed,
    error_event,
    error_type,
    usage_object,
)


def reported(*wires) -> Usage | None:
    usage, told = None, Reported()
    for wire in wires:
        usage = told.add(Raw(json.dumps(wire).encode())) or usage
    return usage


MESSAGE = {"input_tokens": 23, "output_tokens": 10}
COMPACTED = {
    "type": "compaction",
    "input_tokens": 180,
    "output_tokens": 4,
    "output_tokens_details": {"thinking_tokens": 1},
    "cache_read_input_tokens": 7,
    "cache_creation": {"ephemeral_1h_input_tokens": 5},
}
COMPACTED_TOO = Usage(input_uncached=203, cache_read=7, cache_write_long=5, output=13, reasoning=1)


@pytest.mark.parametrize(
    ("wires", "usage"),
    [
        (({"input_tokens": 10, "output_tokens": 5},), Usage(input_uncached=10, output=5)),
        (
            ({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 3},),
            Usage(input_uncached=10, cache_read=7, cache_write=3, output=5),
        ),
        (
            (
                {
                    "input_tokens": 10,
                    "output_tokens": 5,
                    "cache_creation_input_tokens": 9,
                    "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5},
                },
            ),
            Usage(input_uncached=10, cache_write=4, cache_write_long=5, output=5),
        ),
        (
            ({"input_tokens": 1, "output_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 5}},),
            Usage(input_uncached=1, cache_write_long=5, output=1),
        ),
        (
            ({"input_tokens": 1, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 7}},),
            Usage(input_uncached=1, output=2, reasoning=7),
        ),
        (
            ({"input_tokens": 1, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 70}},),
            Usage(input_uncached=1, output=9, reasoning=70, source="estimated"),
        ),
        # the parts of a stream: a later event leaves figures out, or says 0 for them, or knows better
        (({"input_tokens": 10, "output_tokens": 1}, {"output_tokens": 8}), Usage(input_uncached=10, output=8)),
        (
            ({"input_tokens": 10, "output_tokens": 1}, {"input_tokens": 0, "output_tokens": 8}),
            Usage(input_uncached=10, output=8),
        ),
        (
            ({"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 12, "output_tokens": 8}),
            Usage(input_uncached=12, output=8),
        ),
        (
            (
                {"input_tokens": 3, "output_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 6}},
                {"input_tokens": 3, "output_tokens": 8, "cache_creation_input_tokens": 6},
            ),
            Usage(input_uncached=3, cache_write_long=6, output=8),
        ),
        (
            ({"input_tokens": 10, "output_tokens": 1, "server_tool_use": {"web_search_requests": 2}},),
            Usage(10, output=1),
        ),
        # passes of the model: compaction and advice are left out of the figures, and so are models that declined
        (
            ({"input_tokens": 23, "output_tokens": 10, "iterations": [COMPACTED, {"type": "message", **MESSAGE}]},),
            Usage(input_uncached=23 + 180, cache_read=7, cache_write_long=5, output=10 + 3, reasoning=1),
        ),
        (({"input_tokens": 23, "output_tokens": 10, "iterations": [COMPACTED]},), COMPACTED_TOO),
        (
            ({"input_tokens": 0, "output_tokens": 0, "iterations": [COMPACTED]},),
            Usage(input_uncached=180, cache_read=7, cache_write_long=5, output=3, reasoning=1),
        ),
        (
            ({"input_tokens": 25, "output_tokens": 1}, {**MESSAGE, "iterations": [COMPACTED]}, {"output_tokens": 10}),
            msgspec.structs.replace(COMPACTED_TOO, input_uncached=25 + 180),
        ),
        (
            (
                {
                    "input_tokens": 412,
                    "output_tokens": 264,
                    "iterations": [
                        {"type": "message", "input_tokens": 408, "output_tokens": 9},
                        {"type": "fallback_message", "input_tokens": 412, "output_tokens": 264},
                    ],
                },
            ),
            Usage(input_uncached=820, output=273),
        ),
        (
            (
                {
                    **MESSAGE,
                    "iterations": [
                        {"type": "message", "input_tokens": 11, "output_tokens": 4},
                        {"type": "advisor_message", "input_tokens": 823, "output_tokens": 1612},
                        {"type": "message", "input_tokens": 12, "output_tokens": 6},
                    ],
                },
            ),
            Usage(input_uncached=23 + 823, output=10 + 1612),
        ),
        (({**MESSAGE, "iterations": [{"type": "message", **MESSAGE}]},), Usage(input_uncached=23, output=10)),
        *(
            (({**MESSAGE, "iterations": odd},), Usage(23, output=10))
            for odd in (None, [], 7, [None], [{"type": None}], [{"type": []}])
        ),
        (({},), None),
        ((None,), None),
        (({"input_tokens": "10"},), None),
        (({"input_tokens": -1, "output_tokens": 1},), None),
        (({"input_tokens": 10**30, "output_tokens": 1},), None),
        (([],), None),
    ],
)
def test_reported_usage_falls_into_disjoint_buckets(wires, usage):
    assert reported(*wires) == usage


def test_no_report_is_no_usage():
    assert Reported().add(UNSET) is None


@pytest.mark.parametrize(
    ("wires", "service"),
    [
        (({"service_tier": "priority"},), "priority"),
        (({"service_tier": 7, "speed": 7, "inference_geo": 7},), None),
        (({"service_tier": "standard", "speed": "standard", "inference_geo": "not_available"},), "standard"),
        (({"service_tier": "standard", "speed": "fast", "inference_geo": "global"},), "fast"),
        (({"service_tier": "standard", "inference_geo": "us"},), "us"),
        (({"service_tier": "batch", "speed": "fast", "inference_geo": "us"},), "batch+fast+us"),
        (({"service_tier": "standard", "speed": "fast"}, {"service_tier": "standard"}, {}), "fast"),
        (({"service_tier": "standard"}, {"iterations": [{"type": "compaction"}]}), "standard"),
        (({"service_tier": "standard"}, {"iterations": [{"type": "fallback_message"}]}), "fallback_message"),
    ],
)
def test_what_it_was_served_at_is_read(wires, service):
    told = Reported()
    for wire in wires:
        told.add(Raw(json.dumps({"input_tokens": 1, **wire}).encode()))
    assert told.service == service


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_uncached=10, output=5),
        Usage(input_uncached=1, cache_read=2, cache_write=3, cache_write_long=4, output=5, reasoning=6),
        NOTHING,
    ],
)
def test_usage_reads_as_it_was_written(usage):
    assert reported(usage_object(usage)) == usage


def test_sound_counts_as_text_where_there_is_no_bucket_for_it():
    assert usage_object(Usage(audio_input=3, audio_output=4))["input_tokens"] == 3
    assert usage_object(Usage(audio_input=3, audio_output=4))["output_tokens"] == 4


def test_stop_reasons_agree_both_ways():
    assert set(FINISH.values()) | {"function_call"} == set(STOP_REASONS)
    assert [STOP_REASONS[FINISH[reason]] for reason in ("end_turn", "max_tokens", "tool_use", "refusal")] == [
        "end_turn",
        "max_tokens",
        "tool_use",
        "refusal",
    ]


@pytest.mark.parametrize(
    ("reason", "written", "used", "bill"),
    [
        ("refusal", 0, Usage(input_uncached=30), NOTHING),
        ("refusal", 4, Usage(input_uncached=30), Usage(input_uncached=30)),
        ("refusal", 0, Usage(input_uncached=30, output=2), Usage(input_uncached=30, output=2)),
        ("end_turn", 0, Usage(input_uncached=30), Usage(input_uncached=30)),
        (None, 0, Usage(input_uncached=30), Usage(input_uncached=30)),
        ("refusal", 0, None, None),
    ],
)
def test_only_a_refusal_before_anything_was_written_is_free(reason, written, used, bill):
    assert billed(used, reason, written) == bill


@pytest.mark.parametrize(
    ("kind", "type"),
    [
        (FailureKind.THROTTLED, "rate_limit_error"),
        (FailureKind.OVERLOADED, "overloaded_error"),
        (FailureKind.TIMED_OUT, "timeout_error"),
        (FailureKind.REJECTED, "invalid_request_error"),
        (FailureKind.REVOKED, "permission_error"),
        (FailureKind.UNAUTHORIZED, "api_error"),
        (FailureKind.BROKEN, "api_error"),
    ],
)
def test_a_failure_is_called(kind, type):
    assert error_type(kind) == type
    said = error_event(Failed(kind, 500, {"message": "m", "type": "x"}))
    assert said == f'event: error\ndata: {{"type":"error","error":{{"type":"{type}","message":"m"}}}}\n\n'.encode()
