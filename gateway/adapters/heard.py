"""What is asked about a large buffered answer and what is told of it, through the pipe of the process that reads it."""

from collections.abc import Callable, Mapping

import msgspec

from gateway.adapters.outlines import Outlined, outline_of, outlined
from gateway.answering import whole
from gateway.core.catalog import Backend
from gateway.core.decision import Obligation
from gateway.core.errors import Failed, FailureKind
from gateway.core.usage import Usage
from gateway.ports import Sent
from gateway.providers import DIALECTS
from gateway.providers.reader import Answer
from gateway.routing.spoken import spoken
from gateway.surfaces import SURFACES

Shown = Callable[[bytes, frozenset[str], Mapping[str, str]], bytes | Failed]
"""Gives the client's view of an answer, by the tags that it may not show and by what was taken out of the request."""


class ToAnswer(msgspec.Struct, frozen=True):
    """Read a backend's answer to a request, and say it as its client reads it. `surface` is the client's, empty: it
    reads what the dialect gives."""

    told: Outlined
    backend: Backend
    do: tuple[Obligation, ...]
    surface: str
    watched: frozenset[str]
    taken: dict[str, str]


class Lost(msgspec.Struct, frozen=True):
    """A `Failed`, with its kind by name."""

    kind: str
    status: int
    error: dict[str, object]
    retry_after: str | None


class Heard(msgspec.Struct, frozen=True):
    """What goes beside the body that the client is to see."""

    usage: Usage | None
    written_bytes: int
    lost: Lost | None
    service: str | None
    model: str | None
    unfinished: bool


_HEARD = msgspec.json.Decoder(Heard)


def to_answer(sent: Sent) -> ToAnswer:
    """The question about the answer to a request. Of the request its words are left out: no reading goes by them."""
    surface = sent.surface.name if sent.surface is not None else ""
    return ToAnswer(outlined(sent.chat), sent.backend, sent.do, surface, sent.watched, dict(sent.taken))


def heard(ask: ToAnswer, raw: bytes, shown: Shown) -> list[bytes]:
    """The answer to the question."""
    chat = outline_of(ask.told)
    dialect = spoken(chat, ask.do, ask.backend, DIALECTS)
    if dialect is None:
        raise RuntimeError("answered by what does not serve it")
    surface = SURFACES[ask.surface] if ask.surface else None
    told = whole(raw, Sent(chat, ask.backend, ask.do, dialect, surface, ask.watched, ask.taken), shown)
    beside = Heard(told.usage, told.written_bytes, _lost(told.failed), told.service, told.model, told.unfinished)
    return [msgspec.json.encode(beside), told.body]


def whole_of(beside: bytes, body: bytes) -> Answer:
    """What was told."""
    told = _HEARD.decode(beside)
    return Answer(body, told.usage, told.written_bytes, _failed(told.lost), told.service, told.model, told.unfinished)


def _lost(failed: Failed | None) -> Lost | None:
    return None if failed is None else Lost(failed.kind.name, failed.status, failed.error, failed.retry_after)


def _failed(lost: Lost | None) -> Failed | None:
    return None if lost is None else Failed(FailureKind[lost.kind], lost.status, lost.error, lost.retry_after)
