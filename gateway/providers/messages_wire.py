"""Values of Anthropic Messages that its dialects and translations share: usage, stop reasons, errors.

Facts: platform.claude.com/docs/en/api/messages and the types of Anthropic's SDK 2.14, November 2026.
"""

from collections.abc import Iterable, Mapping
from operator import add

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.core.errors import Failed, FailureKind
from gateway.core.price import USUAL
from gateway.core.usage import NOTHING, Usage, less
from gateway.providers.reader import UNREADABLE
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
    FailureKind.TOO_LARGE: "request_too_large",
    FailureKind.CONTENT_FILTERED: "invalid_request_error",
    FailureKind.REJECTED: "invalid_request_error",
    FailureKind.BLOCKED: "permission_error",
    FailureKind.REVOKED: "permission_error",
    FailureKind.STOPPED: "overloaded_error",
}
LEAST_BUDGET = 1024
"""The fewest tokens that a thinking budget may have."""

_NULL = (b"null", b"")


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class _OutputDetails(msgspec.Struct):
    thinking_tokens: Count | None = None


class _Counts(msgspec.Struct):
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens_details: _OutputDetails | None = None

    def told(self) -> tuple[int, ...]:
        """The figures, in the order that `Reported` keeps."""
        created, details = self.cache_creation or _NO_CREATION, self.output_tokens_details or _NO_DETAILS
        long, short = created.ephemeral_1h_input_tokens or 0, created.ephemeral_5m_input_tokens or 0
        return (
            self.input_tokens or 0,
            self.cache_read_input_tokens or 0,
            max(self.cache_creation_input_tokens or 0, long + short),
            long,
            self.output_tokens or 0,
            details.thinking_tokens or 0,
        )


class _Iteration(_Counts):
    """What one pass of the model took, of several that made the message."""

    type: object = "message"


class _UsageWire(_Counts):
    iterations: Raw | UnsetType = UNSET
    service_tier: object = None
    speed: object = None
    inference_geo: object = None


_NO_CREATION, _NO_DETAILS = _CacheCreation(), _OutputDetails()
_NONE: tuple[int, ...] = (0,) * 6
_USUAL_PLACES = USUAL | {"global", "not_available"}
_APART = ("compaction", "advisor_message")
"""Passes that the figures of a message leave out."""

_OTHER_MODELS = ("advisor_message", "fallback_message")
"""Passes of another model than the one that was asked."""

_PASSES = msgspec.json.Decoder(list[_Iteration] | None)
_USAGE = msgspec.json.Decoder(_UsageWire)


class Reported:
    """What a message has reported of its usage so far. Figures are cumulative, and a later event may leave some out,
    or say 0 for them; so of each the highest counts.

    A higher speed, a place and another model have prices of their own, so each is a word of the service beside the
    tier, where it is not the usual one.
    """

    __slots__ = ("_apart", "_counts", "_passes", "_tier", "_words")

    def __init__(self) -> None:
        self._counts, self._apart, self._passes = _NONE, _NONE, _NONE
        self._tier: str | None = None
        self._words: dict[str, None] = {}

    @property
    def service(self) -> str | None:
        """The words of what it was served at, None: it does not say."""
        unusual = () if self._tier is None or self._tier in USUAL else (self._tier,)
        return "+".join((*unusual, *self._words)) or self._tier

    def add(self, raw: Raw | UnsetType) -> Usage | None:
        """The usage with a report, as the protocol writes it, added. None: there is none that can be read.

        `input_tokens` are those that no cache was asked for; tokens read from a cache and written to one are apart.
        Compaction and advice are only in `iterations`, and so are the models that declined before another answered: on
        the bill is the sum of all.
        """
        if isinstance(raw, UnsetType) or bytes(raw) in _NULL:
            return None
        try:
            wire = _USAGE.decode(raw)
        except UNREADABLE:
            return None
        if wire.input_tokens is None and wire.output_tokens is None:
            return None
        passes = _passes(wire.iterations)
        self._serve(wire, passes)
        self._counts = _highest(self._counts, wire.told())
        self._apart = _highest(self._apart, _sum(each for each in passes if each.type in _APART))
        self._passes = _highest(self._passes, _sum(passes))
        told = _highest(self._passes, tuple(map(add, self._counts, self._apart)))
        fresh, cached, made, made_long, wrote, thought = told
        output, source = less(wrote, thought)
        return Usage(
            input_uncached=fresh,
            cache_read=cached,
            cache_write=max(0, made - made_long),
            cache_write_long=made_long,
            output=output,
            reasoning=thought,
            source=source,
        )

    def _serve(self, wire: _UsageWire, passes: Iterable[_Iteration]) -> None:
        if isinstance(wire.service_tier, str):
            self._tier = wire.service_tier
        if isinstance(wire.speed, str) and wire.speed not in USUAL:
            self._words[wire.speed] = None
        if isinstance(wire.inference_geo, str) and wire.inference_geo not in _USUAL_PLACES:
            self._words[wire.inference_geo] = None
        self._words |= {each: None for each in _OTHER_MODELS if any(one.type == each for one in passes)}


def _passes(raw: Raw | UnsetType) -> list[_Iteration]:
    """What each pass took. None where nobody can read it: the figures of the message stand all the same."""
    try:
        return [] if isinstance(raw, UnsetType) else _PASSES.decode(raw) or []
    except UNREADABLE:
        return []


def _highest(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(max, one, other))


def _sum(passes: Iterable[_Counts]) -> tuple[int, ...]:
    return tuple(map(sum, zip(_NONE, *(each.told() for each in passes), strict=True)))


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
        "output_tokens": usage.written,
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
    if usage is not None and stop_reason == "refusal" and not written and not usage.written:
        return NOTHING
    return usage
