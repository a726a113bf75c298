"""Values of Anthropic Messages that its dialects and translations share: usage, stop reasons, errors.

Facts: platform.claude.com/docs/en/api/messages and the types of Anthropic's SDK 2.14, November 2026.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw, UnsetType

from gateway.core.errors import Failed, FailureKind
from gateway.core.usage import NOTHING, Usage
from gateway.providers.usage import Count

FINISH: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Stop reasons as chat completions spell them."""

STOP_REASONS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""The finish reasons of chat completions as Messages spells them."""

_ERROR_TYPES: Mapping[FailureKind, str] = {
    FailureKind.THROTTLED: "rate_limit_error",
    FailureKind.OVERLOADED: "overloaded_error",
    FailureKind.TIMED_OUT: "timeout_error",
    FailureKind.CONTEXT_TOO_LONG: "invalid_request_error",
    FailureKind.CONTENT_FILTERED: "invalid_request_error",
    FailureKind.REJECTED: "invalid_request_error",
    FailureKind.BLOCKED: "permission_error",
    FailureKind.REVOKED: "permission_error",
}
LEAST_BUDGET = 1024
"""The fewest tokens that a thinking budget may have."""

_NULL = (b"null", b"")


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class _OutputDetails(msgspec.Struct):
    thinking_tokens: Count | None = None


class _UsageWire(msgspec.Struct):
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens_details: _OutputDetails | None = None
    service_tier: object = None


_USAGE = msgspec.json.Decoder(_UsageWire)


class Reported:
    """What a message has reported of its usage so far. Figures are cumulative, and a later event may leave some out,
    or say 0 for them; so of each the highest counts."""

    __slots__ = ("_counts", "service")

    def __init__(self) -> None:
        self._counts = [0] * 6
        self.service: str | None = None

    def add(self, raw: Raw | UnsetType) -> Usage | None:
        """The usage with a report, as the protocol writes it, added. None: there is none that can be read.

        `input_tokens` are those that no cache was asked for; tokens read from a cache and written to one are apart.
        """
        if isinstance(raw, UnsetType) or bytes(raw) in _NULL:
            return None
        try:
            wire = _USAGE.decode(raw)
        except msgspec.DecodeError:
            return None
        if wire.input_tokens is None and wire.output_tokens is None:
            return None
        if isinstance(wire.service_tier, str):
            self.service = wire.service_tier
        created, details = wire.cache_creation or _CacheCreation(), wire.output_tokens_details or _OutputDetails()
        long, short = created.ephemeral_1h_input_tokens or 0, created.ephemeral_5m_input_tokens or 0
        told = (
            wire.input_tokens or 0,
            wire.cache_read_input_tokens or 0,
            max(wire.cache_creation_input_tokens or 0, long + short),
            long,
            wire.output_tokens or 0,
            details.thinking_tokens or 0,
        )
        self._counts = [max(before, now) for before, now in zip(self._counts, told, strict=True)]
        fresh, cached, made, made_long, wrote, thought = self._counts
        thought = min(thought, wrote)
        return Usage(
            input_uncached=fresh,
            cache_read=cached,
            cache_write=max(0, made - made_long),
            cache_write_long=made_long,
            output=wrote - thought,
            reasoning=thought,
        )


def usage_object(usage: Usage) -> dict[str, object]:
    """The usage as Messages writes it."""
    written = usage.cache_write + usage.cache_write_long
    return {
        "input_tokens": usage.input_uncached + usage.audio_input,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": usage.cache_write_long,
        },
        "output_tokens": usage.total - usage.read,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }


def error_type(kind: FailureKind) -> str:
    """What Messages calls a failure."""
    return _ERROR_TYPES.get(kind, "api_error")


def error_event(failed: Failed) -> bytes:
    """A failure in a stream."""
    error = {"type": error_type(failed.kind), "message": failed.error.get("message", "")}
    return b"event: error\ndata: " + msgspec.json.encode({"type": "error", "error": error}) + b"\n\n"


def billed(usage: Usage | None, stop_reason: str | None, written: int) -> Usage | None:
    """What of a usage is on the bill: a refusal before anything was written is free of charge."""
    if usage is not None and stop_reason == "refusal" and not written and usage.total == usage.read:
        return NOTHING
    return usage
