"""What backends write on the Responses API, as far as the two dialects that speak it look.

Facts: OpenAI's API reference and SDK types, Perplexity's SDK types, recorded answers of vLLM and llama.cpp, 2026.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.core.errors import Failed
from gateway.core.price import AUTO
from gateway.core.usage import Usage, less, surest
from gateway.providers.failures import classify
from gateway.providers.reader import UNREADABLE
from gateway.providers.usage import Count

SEALED = "gateway.1."
"""How encrypted content begins that we sealed ourselves, for backends that have no such thing."""

BEGINNING = frozenset({"response.created", "response.in_progress", "response.queued"})
"""Events that come before anything is generated. A backend that has no room says so after them."""

FAILED = frozenset({"response.failed", "response.cancelled"})
"""Events that end a stream without an answer."""

LAST = FAILED | {"response.completed", "response.incomplete"}
"""Events that end a stream. What they came to is in their response."""

NOT_ANSWERED = ("failed", "cancelled")
"""Statuses of a response that is no answer."""

UNFINISHED = ("queued", "in_progress")
"""Statuses of a response that is still being made."""

_CALLERS_FAULT = ("image", "policy", "invalid_prompt")
"""What the codes have in common by which a response fails because of what the caller sent."""

_NOTHING = (b"", b"null", b'""', b"[]", b"{}")


Scalar = str | int | float | bool | None
"""What is compared and looked up: a list or an object in its place is unreadable."""


class Event(msgspec.Struct):
    """One event of a stream. What only one dialect reads is left as it came."""

    type: str = ""
    sequence_number: object = None
    output_index: Scalar = None
    content_index: Scalar = None
    summary_index: Scalar = None
    item_id: Scalar = None
    delta: Raw | UnsetType = UNSET
    logprobs: Raw | UnsetType = UNSET
    annotation: Raw | UnsetType = UNSET
    item: Raw | UnsetType = UNSET
    response: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class Incomplete(msgspec.Struct):
    """Why an answer is not whole."""

    reason: Scalar = None


class Outcome(msgspec.Struct):
    """What a response came to: a whole buffered answer, or what is under `response` in an event."""

    id: object = None
    model: object = None
    status: Scalar = None
    service_tier: object = None
    incomplete_details: Incomplete | None = None
    output: list[Raw] | None = None
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class Part(msgspec.Struct):
    """A piece of a message or of a reasoning item."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[Raw] | None = None
    logprobs: Raw | UnsetType = UNSET


class Item(msgspec.Struct):
    """What a model wrote in one go: a message, a call, or its reasoning."""

    type: Literal["message", "reasoning", "function_call", "custom_tool_call"] = "message"
    id: str | None = None
    content: list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None

    @property
    def written(self) -> str:
        """What a call says to its tool."""
        return (self.input if self.type == "custom_tool_call" else self.arguments) or ""

    @property
    def size(self) -> int:
        """Bytes of generated text in it."""
        parts = (*(self.content or ()), *(self.summary or ()))
        texts = (self.name, self.written, *(text for part in parts for text in (part.text, part.refusal)))
        return sum(len(text.encode()) for text in texts if text)


class _Type(msgspec.Struct):
    type: Scalar = "message"


class _Read(msgspec.Struct):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None  # Perplexity
    cache_creation_input_tokens: Count | None = None  # Perplexity


class _Wrote(msgspec.Struct):
    reasoning_tokens: Count | None = None


class _Usage(msgspec.Struct):
    input_tokens: Count
    output_tokens: Count
    total_tokens: Count | None = None
    input_tokens_details: _Read | None = None
    output_tokens_details: _Wrote | None = None


class _Error(msgspec.Struct):
    code: object = None
    message: object = None
    type: object = None
    param: object = None
    error: object = None


EVENT = msgspec.json.Decoder(Event)
OUTCOME = msgspec.json.Decoder(Outcome)
TEXT = msgspec.json.Decoder(str)
_ITEM = msgspec.json.Decoder(Item)
_TYPE = msgspec.json.Decoder(_Type)
_USAGE = msgspec.json.Decoder(_Usage)
_ERROR = msgspec.json.Decoder(_Error)
_READABLE = ("message", "reasoning", "function_call", "custom_tool_call")
_NO_READ, _NO_WROTE = _Read(), _Wrote()


def present(raw: Raw | UnsetType) -> bool:
    """Whether a value says anything."""
    return not isinstance(raw, UnsetType) and bytes(raw) not in _NOTHING


def word(value: object) -> str | None:
    """A word, None: it is none."""
    return value if isinstance(value, str) else None


def service_in(outcome: Outcome) -> str | None:
    """The service tier that the answer was served at, None: it does not say. `auto` is what was asked for."""
    return None if outcome.service_tier == AUTO else word(outcome.service_tier)


def usage_in(raw: Raw | UnsetType) -> Usage | None:
    """Disjoint buckets from a response's usage, where cached tokens are inside the input, reasoning inside the output.

    Tokens that only the total counts are reasoning (xAI). Where parts are more than the whole, they count beside it, as
    an estimate. None when it is missing.
    """
    if isinstance(raw, UnsetType) or not present(raw):
        return None
    try:
        wire = _USAGE.decode(raw)
    except UNREADABLE:
        return None
    read = wire.input_tokens_details or _NO_READ
    cached = read.cached_tokens or read.cache_read_input_tokens or 0
    cache_write = read.cache_write_tokens or read.cache_creation_input_tokens or 0
    reasoning = (wire.output_tokens_details or _NO_WROTE).reasoning_tokens or 0
    unlisted = max(0, (wire.total_tokens or 0) - wire.input_tokens - wire.output_tokens)
    beside = max(unlisted, reasoning) if reasoning > wire.output_tokens else unlisted
    inside = 0 if beside else reasoning
    fresh, of_read = less(wire.input_tokens, cached, cache_write)
    return Usage(
        input_uncached=fresh,
        cache_read=cached,
        cache_write=cache_write,
        output=wire.output_tokens - inside,
        reasoning=inside + beside,
        source=surest(of_read, "reported" if beside == unlisted else "estimated"),
    )


def item_in(raw: Raw) -> Item | None:
    """An item that the model wrote; None: what a hosted tool did, or of a kind that nobody here knows.

    Raises msgspec.DecodeError for one that is not as it should be.
    """
    return _ITEM.decode(raw) if _TYPE.decode(raw).type in _READABLE else None


def items_in(outcome: Outcome) -> list[Item]:
    """What the model wrote of a response. Raises msgspec.DecodeError for an item that is not as it should be."""
    return [item for raw in outcome.output or () if (item := item_in(raw)) is not None]


def written_in(output: list[Raw] | None) -> int:
    """Bytes of generated text in items; of one that nobody can read, all of it."""
    size = 0
    for raw in output or ():
        try:
            item = item_in(raw)
        except UNREADABLE:
            size += len(bytes(raw))
        else:
            size += item.size if item is not None else 0
    return size


def failed_in(raw: bytes) -> Failed:
    """The failure in an error object, or in an object with one under `error`, that came as a success."""
    try:
        said = _ERROR.decode(raw)
        if isinstance(said.error, dict):
            said = msgspec.convert(said.error, _Error)
    except UNREADABLE:
        said = _Error(message=None)
    code = word(said.code)
    callers = code is not None and any(each in code for each in _CALLERS_FAULT)
    usual = "invalid_request_error" if callers else "server_error"
    error = {
        "message": said.message or word(said.error) or "the backend gave no reason",
        "type": kind if (kind := word(said.type)) and not kind.startswith(("error", "response.")) else usual,
        "code": code,
        "param": said.param,
    }
    return classify(400 if callers else 200, msgspec.json.encode({"error": error}))
