"""Usage as OpenAI spells it, and as most others do: read into disjoint buckets, and written again."""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, UnsetType

from gateway.core.usage import Usage, less, surest

Count = Annotated[int, Meta(ge=0, le=10**9)]
"""A token count that can be meant; anything else is not counted at all."""


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class _Details(msgspec.Struct):
    audio_tokens: Count | None = None
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    cache_creation: _CacheCreation | None = None  # DashScope, as Anthropic names them
    cache_creation_input_tokens: Count | None = None
    reasoning_tokens: Count | None = None


class _UsageWire(msgspec.Struct):
    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    cached_tokens: Count | None = None  # Moonshot
    prompt_cache_hit_tokens: Count | None = None  # DeepSeek
    num_search_queries: Count | None = None  # Perplexity, which then counts these two beside all others
    citation_tokens: Count = 0
    reasoning_tokens: Count = 0


_NO_DETAILS = _Details()
_NO_CREATION = _CacheCreation()
_USAGE = msgspec.json.Decoder(_UsageWire)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_NOTHING = (b"null", b'""', b"[]", b"{}")


def usage_of(raw: Raw | UnsetType, cached_beside: int = 0) -> Usage | None:
    """Disjoint buckets from OpenAI's, where cached and sound are inside prompt, reasoning and sound inside completion.

    Tokens that only the total counts are reasoning (xAI, Gemini). Sound out of the cache counts as cached: nobody says
    how much of it there was. `cached_beside` counts where the usage itself says nothing of a cache. Where parts are
    more than the whole, they count beside it, as an estimate: no reading of it is dearer. None when it is missing.
    """
    if isinstance(raw, UnsetType) or bytes(raw) in _NOTHING:
        return None
    try:
        wire = _USAGE.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    read = wire.prompt_tokens_details or _NO_DETAILS
    wrote = wire.completion_tokens_details or _NO_DETAILS
    cached = read.cached_tokens or wire.cached_tokens or wire.prompt_cache_hit_tokens or 0
    if not cached and read.cached_tokens is None:
        cached = min(cached_beside, wire.prompt_tokens)
    created = read.cache_creation or _NO_CREATION
    long = created.ephemeral_1h_input_tokens or 0
    short = created.ephemeral_5m_input_tokens or 0
    cache_write = max(read.cache_write_tokens or read.cache_creation_input_tokens or 0, short + long)
    heard = read.audio_tokens or 0
    if heard <= wire.prompt_tokens:
        heard = max(0, min(heard, wire.prompt_tokens - cached - cache_write))
    reasoning = wrote.reasoning_tokens or 0
    unlisted = max(0, (wire.total_tokens or 0) - wire.prompt_tokens - wire.completion_tokens)
    beside = max(unlisted, reasoning) if reasoning > wire.completion_tokens else unlisted
    inside = 0 if beside else reasoning
    cited, thought = (0, 0) if wire.num_search_queries is None else (wire.citation_tokens, wire.reasoning_tokens)
    spoken = wrote.audio_tokens or 0
    fresh, of_read = less(wire.prompt_tokens, cached, cache_write, heard)
    output, of_written = less(wire.completion_tokens, inside, spoken)
    return Usage(
        input_uncached=fresh + cited,
        cache_read=cached,
        cache_write=cache_write - long,
        cache_write_long=long,
        audio_input=heard,
        output=output,
        reasoning=inside + beside + thought,
        audio_output=spoken,
        source=surest(of_read, of_written, "reported" if beside == unlisted else "estimated"),
    )


def totalled(raw: Raw | UnsetType) -> bytes | None:
    """The same object with the sum of its two figures as `total_tokens`, where that is missing or less. One that is
    more stays: it counts what neither of the two does. None: it is right, or nobody can read it."""
    if isinstance(raw, UnsetType):
        return None
    try:
        wire = _USAGE.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    total = wire.prompt_tokens + wire.completion_tokens
    if (wire.total_tokens or 0) >= total:
        return None
    return msgspec.json.encode({**_MEMBERS.decode(raw), "total_tokens": total})


def usage_object(usage: Usage) -> dict[str, object]:
    """The object that clients of chat completions read: cached tokens are inside the prompt, reasoning inside the
    completion."""
    read, written = usage.read, usage.written
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write + usage.cache_write_long,
            "audio_tokens": usage.audio_input,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.audio_output},
    }
