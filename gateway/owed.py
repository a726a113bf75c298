"""What a call came to: what was used, what is owed for it, and how sure that is."""

import time

from gateway.core import tokens
from gateway.core.bound import prompt_tokens
from gateway.core.errors import FailureKind
from gateway.core.price import UNPRICED, charge, dearest, service_of
from gateway.core.record import State, Tried
from gateway.core.usage import NOTHING, UNTOLD, Usage, highest
from gateway.hop import Hop

_UNCOUNTED = ("images",)
"""Operations whose answers only the provider can count in tokens."""


def reported(hop: Hop) -> Usage | None:
    """What was used, if the upstream said so."""
    source = hop.reader or hop.answer
    return source.usage if source else None


def _service(hop: Hop) -> str:
    """The service tier that the call is charged at, as far as is known by now."""
    price, source = hop.backend.price, hop.reader or hop.answer
    return service_of(price, hop.chat.service, source.service if source else None) if price else ""


def _estimated(hop: Hop) -> Usage:
    """What was used as far as we saw, counted high."""
    prompt = prompt_tokens(hop.backend, hop.chat.demand)
    if hop.reader is not None:
        written = tokens.written_at_most(hop.reader.written_bytes, hop.reader.written_events)
    else:
        written = tokens.written_at_most(hop.answer.written_bytes if hop.answer else 0, 0)
    unseen = 0
    if "reasoning" in hop.backend.capabilities:
        longest = hop.bound.written if hop.shortened is None else hop.shortened
        limit = max(0, longest * (hop.chat.view.n or 1) - written)
        unseen = tokens.unseen_at_most(time.perf_counter() - hop.sent_at, limit)
    return Usage(input_uncached=prompt, output=written, reasoning=unseen, source="estimated")


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

    A count that came before the end, or that has nothing of what was written, is not the last word.
    """
    if (told := reported(hop)) is None:
        return _estimated(hop)
    source, reader = hop.reader or hop.answer, hop.reader
    written = source.written_bytes if source else 0
    last = reader is None or (reader.failed is None and reader.done and reader.usage_is_last)
    if last and (not written or told.written):
        return told
    return highest(told, _estimated(hop))


def _owed(hop: Hop, usage: Usage, failure: FailureKind | None) -> Tried:
    price = hop.backend.price
    if price is None:
        return tried(hop, "settled", usage, 0, failure)
    state: State = "uncertain" if price.version == UNPRICED else "settled"
    if usage.source == "reported":
        return tried(hop, state, usage, charge(usage, price, _service(hop)), failure)
    read, wrote = dearest(price, usage.read, hop.chat.service, audio="audio" in hop.chat.needs)
    return tried(hop, state, usage, usage.read * read + usage.written * wrote, failure)
