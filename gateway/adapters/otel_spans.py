"""A record as OpenTelemetry spans, by the semantic conventions for generative AI; what is ours is under `gateway.`.

A span for the request and one for each upstream call, with the times that they had. No text, no key, and nothing that
a caller could write as he likes.
"""

import time
from collections.abc import Mapping, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from gateway.core.catalog import OPERATIONS
from gateway.core.decision import Decision, denied_by
from gateway.core.price import PICO_PER_USD
from gateway.core.record import End, Record, Tried
from gateway.core.steering import plain
from gateway.core.trace import Trace

_MOST_CHARACTERS = 256
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_UNSET, _ERROR = Status(StatusCode.UNSET), Status(StatusCode.ERROR)
_NAMED = {
    "chat": "chat",
    "messages": "chat",
    "responses": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
}
"""Operations as the conventions call them; others have no name there, and keep ours."""
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "gemini-native": "gcp.gemini",
    "mistral": "mistral_ai",
    "openai-responses": "openai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""Providers that the conventions call otherwise than the catalog."""
_BROKEN = (End.TRUNCATED, End.FAILED, End.STOPPED, End.FAULT)
"""Ends that are an error whatever the status said: it may have been sent before."""

Value = str | int | float | bool | Sequence[str]


def operation_of(record: Record) -> str:
    """What was asked for, as the conventions call it; `chat` where nobody can tell."""
    needs = record.demand.needs if record.demand is not None else ()
    found = next((each for each in OPERATIONS if each in needs), "chat")
    return _NAMED.get(found, found)


def provider_of(tried: Tried) -> str:
    """The provider of a call, as the conventions call it."""
    return _PROVIDERS.get(tried.provider, tried.provider)


def error_of(record: Record) -> str:
    """What kind of error the client got; empty: none."""
    if record.code is not None:
        return record.code
    return record.end.value if record.end in _BROKEN else str(record.status) if record.status >= 400 else ""


def spans(record: Record, trace: Trace, resource: Resource, scope: InstrumentationScope) -> list[ReadableSpan]:
    """The spans of a request that is sampled: first its own, then those of its calls."""
    offset = time.time_ns() - time.perf_counter_ns()  # the clock may have been set since: durations stay

    def span(
        name: str,
        id: int,
        parent: int,
        kind: SpanKind,
        times: tuple[float, float],
        said: Mapping[str, Value],
        *,
        ok: bool,
    ) -> ReadableSpan:
        begin, end = (offset + round(moment * 1e9) for moment in times)
        return ReadableSpan(
            name=_bounded(name),
            context=SpanContext(trace.id, id, is_remote=False, trace_flags=_SAMPLED),
            parent=SpanContext(trace.id, parent, is_remote=parent == trace.parent) if parent else None,
            resource=resource,
            instrumentation_scope=scope,
            attributes={name: _clean(value) for name, value in said.items()},
            kind=kind,
            status=_UNSET if ok else _ERROR,
            start_time=begin,
            end_time=end,
        )

    call, operation, decision = record.call, operation_of(record), record.decision
    times = call.arrived, call.arrived + record.duration
    failed = record.status >= 500 or record.end in _BROKEN
    name = f"{operation} {decision.requested}" if decision is not None else operation
    made = [span(name, trace.span, trace.parent, SpanKind.SERVER, times, _of_request(record, operation), ok=not failed)]
    for tried in record.tried:
        if tried.began:
            said = _of_call(record, tried, operation)
            ends = min(tried.ended, call.arrived + record.duration)  # it is settled a moment after all has ended
            times = tried.began, max(tried.began, ends)
            id, name = trace.hop_span(tried.hop), f"{operation} {tried.model}"
            made.append(span(name, id, trace.span, SpanKind.CLIENT, times, said, ok=tried.failure is None))
    return made


def _of_request(record: Record, operation: str) -> dict[str, Value]:
    call, decision, demand = record.call, record.decision, record.demand
    said: dict[str, Value] = {
        "gen_ai.operation.name": operation,
        "gen_ai.request.stream": record.streamed,
        "http.request.method": "POST",
        "http.response.status_code": record.status,
        "gateway.request_id": call.id,
        "gateway.key": call.caller.key,
        "gateway.team": call.caller.team,
        "gateway.app": call.caller.app,
        "gateway.sensitivity": record.sensitivity,
        "gateway.end": record.end.value,
        "gateway.attempts": len(record.tried),
        "gateway.overhead_seconds": record.overhead,
        "gateway.request.cost_usd": record.cost_pico_usd / PICO_PER_USD,
    }
    if record.first_token is not None:
        said["gateway.first_token_seconds"] = record.first_token
    if demand is not None and demand.output_limit is not None:
        said["gen_ai.request.max_tokens"] = demand.output_limit
    if decision is not None:
        said["gen_ai.request.model"] = decision.requested
        said["gateway.decision_id"] = decision.id
        said["gateway.policy_digest"] = decision.policy_digest
        if rules := denied_by(decision):
            said["gateway.denied_by"] = rules
    if record.served is not None and record.served.failure is None and not record.served.misnamed:
        said["gen_ai.response.model"] = record.served.model
    if error := error_of(record):
        said["error.type"] = error
    return said


def _of_call(record: Record, tried: Tried, operation: str) -> dict[str, Value]:
    usage = tried.usage
    said: dict[str, Value] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider_of(tried),
        "gen_ai.request.model": tried.model,
        "gen_ai.request.stream": record.streamed,
        "gateway.backend": tried.backend,
        "gateway.hop": tried.hop,
        "gateway.zone": tried.zone,
        "gateway.sensitivity": tried.sensitivity or record.sensitivity,
        "gateway.state": tried.state,
        "gateway.cost_usd": tried.cost_pico_usd / PICO_PER_USD,
    }
    if usage.total:
        said["gen_ai.usage.input_tokens"] = usage.read
        said["gen_ai.usage.output_tokens"] = usage.written
        said["gateway.usage_source"] = usage.source
        parts = {
            "gen_ai.usage.cache_read.input_tokens": usage.cache_read,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write + usage.cache_write_long,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
        }
        said |= {name: tokens for name, tokens in parts.items() if tokens}
    if record.streamed and record.first_token is not None and tried is record.served:
        said["gen_ai.response.time_to_first_chunk"] = max(0.0, record.call.arrived + record.first_token - tried.began)
    if record.decision is not None and (rules := _rules(record.decision, tried)):
        said["gateway.rules"] = rules
    said |= {name: ids for name, ids in (("gateway.watched", tried.watched), ("gateway.broken", tried.broken)) if ids}
    if tried.misnamed:
        said["gateway.misnamed"] = tried.misnamed
    if tried.failure is not None:
        said["error.type"] = tried.failure.code
    return said


def _rules(decision: Decision, tried: Tried) -> tuple[str, ...]:
    return next((each.rules for each in decision.candidates if each.backend.id == tried.backend), ())


def _clean(value: Value) -> Value:
    if isinstance(value, str):
        return _bounded(value)
    return [_bounded(each) for each in value] if isinstance(value, Sequence) else value


def _bounded(text: str) -> str:
    """Words of the catalog, of policies and of operators, in a form that can be sent."""
    return plain(text[:_MOST_CHARACTERS])
