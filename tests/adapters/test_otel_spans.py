"""Spans of a record."""

import time

import msgspec
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import StatusCode
from support.doubles import backend

from gateway.adapters.otel_spans import error_of, operation_of, provider_of, spans
from gateway.core.chat import Demand
from gateway.core.decision import Candidate, Decision, Exclusion, Facts
from gateway.core.errors import FailureKind
from gateway.core.record import Call, Caller, End, Record, Tried
from gateway.core.trace import Trace
from gateway.core.usage import NOTHING, Usage

TRACE = Trace(0xABC, 0x10, 0x7, sampled=True)
FACTS = Facts(*[None] * 7)
CALL = Call("req-1", Caller("key_1", "t", "a"), 100.0, 0.0, client_request_id="free words", trace=TRACE)
PLANNED = Decision("dec-1", "digest", "auto", FACTS, (Candidate(backend("near"), ("own",), 1),), ())
DENIED = Decision("dec-1", "digest", "auto", FACTS, (), (Exclusion("b", "policy", ("no", "never"), "words"),))
USED = Usage(10, 1, 2, 3, output=5, reasoning=7)
GOOD = Tried(2, "near", "xai", "grok", "z", "settled", USED, 2_000_000, "v", watched=("w",), began=101.0, ended=102.0)
FAILED = Tried(
    1, "far", "openai", "m", "z", "released", NOTHING, 0, "v", FailureKind.THROTTLED, began=100.2, ended=100.5
)
UNSENT = Tried(1, "far", "openai", "m", "z", "released", NOTHING, 0, "v")


def record(
    *tried, decision=PLANNED, end=End.COMPLETE, status=200, code=None, needs=("chat", "tools"), **more
) -> Record:
    demand = Demand(frozenset(needs), 10, 1, 50, 1)
    return Record(CALL, decision, tried, end, status, code, True, 2.5, 0.1, 1.5, demand=demand, **more)


def made(of: Record) -> list:
    return spans(of, of.call.trace, Resource({}), InstrumentationScope("gateway"))


def test_a_fallback_is_a_span_and_two_below_with_the_times_that_they_had():
    request, first, second = made(record(FAILED, GOOD))
    offset = time.time() - time.perf_counter()
    for span, began, ended in ((request, 100, 102.5), (first, 100.2, 100.5), (second, 101, 102)):
        assert (span.start_time / 1e9 - offset, span.end_time / 1e9 - offset) == pytest.approx((began, ended), abs=0.5)
        assert (span.end_time - span.start_time) / 1e9 == pytest.approx(ended - began, abs=1e-6)
        assert span.context.trace_id == 0xABC
    assert [(span.name, span.kind) for span in (request, first, second)] == [
        ("chat auto", SpanKind.SERVER),
        ("chat m", SpanKind.CLIENT),
        ("chat grok", SpanKind.CLIENT),
    ]
    assert [(span.context.span_id, span.parent.span_id) for span in (request, first, second)] == [
        (0x10, 0x7),
        (0x11, 0x10),
        (0x12, 0x10),
    ]
    assert [span.status.status_code for span in (request, first, second)] == [StatusCode.UNSET, StatusCode.ERROR, StatusCode.UNSET]  # fmt: skip
    assert first.attributes["error.type"] == "throttled"
    of = second.attributes
    assert (of["gen_ai.usage.input_tokens"], of["gen_ai.usage.output_tokens"]) == (16, 12)
    assert of["gen_ai.usage.cache_creation.input_tokens"] == 5
    assert of["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.5)
    assert (of["gen_ai.provider.name"], of["gateway.cost_usd"], of["gateway.rules"]) == ("x_ai", 2e-6, ["own"])
    assert of["gateway.watched"] == ["w"]
    assert request.attributes["gen_ai.response.model"] == "grok"


def test_each_call_has_the_label_that_it_was_sent_with():
    first, second = (
        msgspec.structs.replace(each, sensitivity=label) for each, label in ((FAILED, "restricted"), (GOOD, ""))
    )
    spans = made(record(first, second, sensitivity="internal"))
    assert [span.attributes["gateway.sensitivity"] for span in spans] == ["internal", "restricted", "internal"]


def test_a_denial_names_its_rules_and_has_no_call():
    (span,) = made(record(decision=DENIED, end=End.REFUSED, status=403, code="policy_denied"))
    assert span.attributes["gateway.denied_by"] == ["never", "no"]
    assert (span.attributes["error.type"], span.status.status_code) == ("policy_denied", StatusCode.UNSET)
    (span,) = made(
        record(
            decision=Decision("dec-1", "d", "auto", FACTS, (), (Exclusion("b", "policy", (), "words"),)),
            end=End.REFUSED,
            status=403,
            code="x",
        )
    )
    assert span.attributes["gateway.denied_by"] == ["default-deny"]


def test_what_was_never_sent_is_no_call_and_what_is_settled_late_ends_with_the_request():
    late = made(record(UNSENT, msgspec.structs.replace(GOOD, ended=110.0)))
    assert len(late) == 2
    assert late[1].end_time == late[0].end_time


@pytest.mark.parametrize(
    ("end", "status", "code", "error", "failed"),
    [
        (End.COMPLETE, 200, None, "", False),
        (End.TRUNCATED, 200, "broken", "broken", True),
        (End.FAULT, 500, None, "fault", True),
        (End.STOPPED, 200, None, "stopped", True),
        (End.CLIENT_GONE, 499, None, "499", False),
        (End.CLIENT_GONE, 200, None, "", False),
        (End.REFUSED, 404, "model_not_found", "model_not_found", False),
        (End.FAILED, 502, "all_failed", "all_failed", True),
        (End.REVOKED, 200, "policy_revoked", "policy_revoked", False),
    ],
)
def test_an_error_is_the_servers_only_where_it_is_ours(end, status, code, error, failed):
    of = record(GOOD, end=end, status=status, code=code)
    assert error_of(of) == error
    span = made(of)[0]
    assert span.attributes.get("error.type", "") == error
    assert (span.status.status_code is StatusCode.ERROR) == failed


@pytest.mark.parametrize(
    ("needs", "operation"),
    [(("messages", "tools"), "chat"), (("completions",), "text_completion"), (("embeddings",), "embeddings"), (("rerank",), "rerank")],
)  # fmt: skip
def test_operations_have_the_names_of_the_conventions(needs, operation):
    assert operation_of(record(needs=needs)) == operation
    assert provider_of(FAILED) == "openai"


def test_what_nobody_could_read_is_a_span_all_the_same():
    trace = Trace(0xABC, 0x10, 0, sampled=True)
    call = Call("req-1", Caller("k", "t\x1b[31m" + "x" * 900, "\ud800"), 1.0, 0.0, trace=trace)
    (span,) = made(Record(call, None, (), End.REFUSED, 400, "invalid_json", False, 0.1, 0.1))
    assert (span.name, span.parent) == ("chat", None)
    assert len(span.attributes["gateway.team"]) == 256
    assert "\x1b" not in span.attributes["gateway.team"]
    assert span.attributes["gateway.app"] == "\N{REPLACEMENT CHARACTER}"


def test_an_answer_by_another_model_is_not_claimed_to_be_of_the_one_that_was_asked():
    other = Tried(
        *[getattr(GOOD, name) for name in Tried.__struct_fields__[:13]], misnamed="other", began=101.0, ended=102.0
    )
    request, call = made(record(other))
    assert "gen_ai.response.model" not in request.attributes
    assert call.attributes["gateway.misnamed"] == "other"


def test_free_words_of_a_caller_are_nowhere():
    assert "free words" not in repr([dict(span.attributes) for span in made(record(FAILED, GOOD))])
