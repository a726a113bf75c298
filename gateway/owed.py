"""What a call came to, or can still come to: what was used, what is owed for it, and how sure that is."""

import time

import msgspec

from gateway.core import early, tokens
from gateway.core.bound import prompt_tokens
from gateway.core.errors import FailureKind
from gateway.core.price import UNPRICED, Price, charge, dearest, service_of
from gateway.core.record import State, Tried
from gateway.core.usage import BUCKETS, NOTHING, READ, UNTOLD, Usage, highest, shortened
from gateway.hop import Hop

_UNCOUNTED = ("images",)
"""Operations whose answers only the provider can count in tokens."""


def reported(hop: Hop) -> Usage | None:
    """What was used, if the upstream said so."""
    source = hop.reader or hop.answer
    return source.usage if source else None


def _read(hop: Hop) -> Usage | None:
    """What was reported of a stream, if it has all that the model reads for it."""
    told = reported(hop)
    return told if told is not None and hop.reader is not None and early.is_read(told, hop.chat) else None


def _service(hop: Hop) -> str:
    """The service tier that the call is charged at, as far as is known by now."""
    price, source = hop.backend.price, hop.reader or hop.answer
    return service_of(price, hop.chat.service, source.service if source else None) if price else ""


def _choices(hop: Hop) -> int:
    """The most tokens that all choices can have together, as far as the limit goes that was sent."""
    written = hop.bound.written if hop.shortened is None else hop.shortened
    return (written + hop.bound.beside) * hop.chat.demand.choices


def _estimated(hop: Hop) -> Usage:
    """What was used as far as we saw, counted high."""
    prompt = prompt_tokens(hop.backend, hop.chat.demand)
    if hop.reader is not None:
        written = tokens.written_at_most(hop.reader.written_bytes, hop.reader.written_events)
    else:
        written = tokens.written_at_most(hop.answer.written_bytes if hop.answer else 0, 0)
    unseen = 0
    if "reasoning" in hop.backend.capabilities:
        limit = max(0, _choices(hop) - written)
        unseen = tokens.unseen_at_most(time.perf_counter() - hop.sent_at, limit)
    return Usage(input_uncached=prompt, output=written, reasoning=unseen, source="estimated")


def at_most(hop: Hop) -> int | None:
    """The most that a stream can still come to, in pico-USD, now that the upstream has said what the model read; None:
    it has not, or the model may read more."""
    price, told = hop.backend.price, _read(hop)
    if price is None or told is None or hop.bound.whole:
        return None
    return _at_most(hop, price, told, max(_choices(hop), told.written))


def _at_most(hop: Hop, price: Price, told: Usage, written: int) -> int:
    audio, served = "audio" in hop.chat.needs, hop.reader.service if hop.reader else None
    return early.at_most(told, written, price, hop.chat.service, served, audio=audio)


def tried(hop: Hop, state: State, usage: Usage, cost_pico_usd: int, failure: FailureKind | None = None) -> Tried:
    """The call as it is recorded."""
    backend, candidate = hop.backend, hop.permit.candidate
    return Tried(
        hop.permit.hop,
        backend.id,
        backend.provider,
        backend.model,
        backend.zone,
        state,
        usage,
        cost_pico_usd,
        backend.price.version if backend.price else "",
        failure,
        candidate.watched if hop.room is None else candidate.watched + hop.room.watched,
        candidate.broken,
        _service(hop),
        hop.misnamed,
        hop.sent_at,
        time.perf_counter(),
        hop.sensitivity,
    )


def failed(hop: Hop, failure: FailureKind) -> Tried:
    """Not sent, not billed, or nobody knows: then the upper bound stands until somebody does. What was written
    before an error is owed all the same."""
    if reported(hop) is not None or (hop.reader is not None and hop.reader.content_seen):
        return _owed(hop, _used(hop), failure)
    if failure.may_be_billed and hop.permit.sent:
        return tried(hop, "uncertain", UNTOLD, hop.most, failure)
    return tried(hop, "released", NOTHING, 0, failure)


def ended(hop: Hop) -> Tried:
    """Answered, or broken off by anyone: what went by is owed. Of an answer that never came nobody knows, nor of
    one that has no text and was not counted; what was never sent costs nothing."""
    if not hop.permit.sent:
        return tried(hop, "released", NOTHING, 0)
    if hop.reader is None and hop.answer is None:
        return tried(hop, "uncertain", UNTOLD, hop.most)
    if hop.chat.operation in _UNCOUNTED and ((told := reported(hop)) is None or not told.written):
        return tried(hop, "uncertain", _used(hop), hop.bound.most)  # no limit shortens it
    broken = hop.reader.failed if hop.reader is not None else None
    failure = broken.kind if broken is not None else FailureKind.BROKEN if hop.unfinished else None
    return _owed(hop, _used(hop), failure)


def _used(hop: Hop) -> Usage:
    """What was reported, if that is all there was; else the higher one of it and what we saw, bucket by bucket.

    A count that came before the end, or that has nothing of what was written, is not the last word of that. It may be
    of what was read: then that is as it was told.
    """
    if (told := reported(hop)) is None:
        return _within(hop, _estimated(hop), 0)
    source, reader = hop.reader or hop.answer, hop.reader
    written = source.written_bytes if source else 0
    last = reader is None or (reader.failed is None and reader.done and reader.usage_is_last)
    if last and told.source == "reported" and (not written or told.written):
        return told
    used = highest(told, _estimated(hop))
    if _read(hop) is not None:
        read = dict(zip(BUCKETS[:READ], told.counts(), strict=False))
        used = msgspec.structs.replace(used, **read)
    return _within(hop, used, told.written)


def _within(hop: Hop, used: Usage, told: int) -> Usage:
    """What was counted high, less what no answer can have written under the limit that was sent. Some servers do not
    keep to it: what was told was written, and what went by, counted low, whatever the limit."""
    if not hop.bound.written:
        return used  # nobody bounds what costs nothing
    source, events = hop.reader or hop.answer, hop.reader.written_events if hop.reader is not None else 0
    seen = tokens.written_at_least(source.written_bytes if source is not None else 0, events)
    return shortened(used, max(_choices(hop), seen, told))


def _owed(hop: Hop, usage: Usage, failure: FailureKind | None) -> Tried:
    price = hop.backend.price
    if price is None:
        return tried(hop, "settled", usage, 0, failure)
    state: State = "uncertain" if price.version == UNPRICED else "settled"
    if usage.source == "reported":
        return tried(hop, state, usage, charge(usage, price, _service(hop)), failure)
    if _read(hop) is not None:
        return tried(hop, state, usage, _at_most(hop, price, usage, usage.written), failure)
    read, wrote = dearest(price, usage.read, hop.chat.service, audio="audio" in hop.chat.needs)
    return tried(hop, state, usage, usage.read * read + usage.written * wrote, failure)
