"""Calls of models, from the socket to the relay: one raw ASGI callable for each surface, past the web framework."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from itertools import islice

import msgspec
from msgspec import Raw
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.core import scopes
from gateway.core.errors import Refusal, Refused
from gateway.core.record import Call, End, refused_record
from gateway.core.room import FREE_BYTES, RETRY_SECONDS, Room, Share
from gateway.core.trace import HEADER, Trace
from gateway.http import errors, repeats
from gateway.http.callers import KEY_HEADERS, NOBODY, FindCaller, authenticate, only_one_each
from gateway.http.ids import request_id
from gateway.http.reply import SCOPE_KEY, ConnectionReply
from gateway.http.seats import Seats
from gateway.ports import Sink
from gateway.relay import Relay
from gateway.wire import Surface

SCOPE: scopes.Scope = "inference"
"""What a key must be for to call a model, whichever way."""

_HINTS = {
    b"x-gateway-sensitivity": "sensitivity",
    b"x-gateway-purpose": "purpose",
    b"x-gateway-project": "project",
    b"x-request-id": "client_request_id",
}
_TRACED = {**_HINTS, HEADER.encode(): HEADER}
_LISTS = ("sensitivity", HEADER)
"""Hints that are joined where they come twice: a label counts twice, and of two traces neither is meant."""
_READ = frozenset({*KEY_HEADERS, b"content-length", b"content-encoding", b"content-type", repeats.HEADER})
_PASSED = {
    b"anthropic-beta": re.compile(rb"[\w.,: -]{1,1024}\Z"),
    b"x-grok-conv-id": re.compile(rb"[\w.:-]{1,128}\Z"),
}
"""Headers that a dialect may want to pass on, and what they may hold: they are written into our own requests."""
_MAX_HINT = 256


class Calls:
    """All calls of models. `inflight` is how many are being served, `room` is for their bodies, `seats` are shared by
    teams, `known` is what came with an idempotency key. `trace` gives a request its trace, from its id and the header
    of a known caller; None: there are no traces, and that header is not read."""

    def __init__(
        self,
        relay: Relay,
        find: FindCaller,
        sink: Sink,
        max_body_bytes: int,
        room: Room,
        seats: Seats,
        known: repeats.Repeats,
        trace: Callable[[str, str | None], Trace] | None = None,
    ) -> None:
        self._relay = relay
        self._find = find
        self._sink = sink
        self._max_body_bytes = max_body_bytes
        self._room = room
        self._seats = seats
        self._small_bytes = min(FREE_BYTES, max_body_bytes)
        self._trace = trace
        self._hints = _HINTS if trace is None else _TRACED
        self._repeats = known
        self.inflight = 0

    def through(self, surface: Surface, model: str | None = None) -> ASGIApp:
        """What serves one path. `model` is the one that the path names: then the body need not."""

        async def serve(scope: Scope, receive: Receive, _: Send) -> None:
            await self._serve(surface, model, scope, receive)

        return serve

    def spares(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a call with these headers is taken although there is more to do than can be done: most of that is of
        another team."""
        try:
            caller = authenticate(only_one_each(headers, KEY_HEADERS), self._find, SCOPE)
        except Exception:  # noqa: BLE001  a store that cannot be read, too: the connection that asks must not end by it
            return False
        return self._seats.another_crowds(caller.team)

    async def _serve(self, surface: Surface, model: str | None, scope: Scope, receive: Receive) -> None:
        """Serves one request. Is cancelled, and then ends quietly, when the client hangs up."""
        now, arrived = time.time(), time.perf_counter()
        id = request_id()
        reply: ConnectionReply = scope[SCOPE_KEY]
        caller, share = NOBODY, None
        seated = relayed = served = False
        first: repeats.First | None = None
        self.inflight += 1
        try:
            headers, hints, passed = _read_headers(scope, self._hints)
            caller = authenticate(headers, self._find, SCOPE)
            self._seats.take(caller.team)
            seated = True
            _check_coding(headers)
            if (whole := reply.body) is None or len(whole) > self._small_bytes:
                share = self._room.share(caller.team)
                whole = await _read_body(receive, headers.get(b"content-length"), self._max_body_bytes, share)
            body = whole
            if model is not None:
                body = _named(body, model)
            if (key := headers.get(repeats.HEADER)) is not None:
                first = await self._repeats.begin(caller.key, key, surface.name, body, id)
            call = Call(
                id,
                caller,
                time.perf_counter(),  # an upload's time is its client's, not ours
                now,
                _text(hints.get("sensitivity")),
                _text(hints.get("purpose")),
                _text(hints.get("project")),
                _text(hints.get("client_request_id")),
                self._trace(id, _text(hints.get(HEADER))) if self._trace is not None else None,
            )
            reply.cancel_when_lost()
            relayed = True
            served = await self._relay.serve(surface, call, body, reply, passed) is End.COMPLETE
        except Refused as refused:
            if not relayed:
                trace = self._trace(id, None) if self._trace is not None else None
                call = Call(id, caller, arrived, now, trace=trace)
                self._sink.put(refused_record(call, refused, time.perf_counter() - arrived))
            await _refuse(reply, surface, refused, id)
        except asyncio.CancelledError:
            if reply.gone:
                return
            if reply.started:
                reply.abort()
            else:
                stopping = Refused(Refusal.STOPPING, "the gateway is stopping; try again", retry_after=5)
                await _refuse(reply, surface, stopping, id)
        except ClientGone:
            pass
        except Exception:
            if reply.started:
                raise  # the server closes the connection, so that the answer does not look complete
            message = f"the gateway failed; tell its operator the request id {id}"
            await _refuse(reply, surface, Refused(Refusal.INTERNAL, message), id)
            raise
        finally:
            self.inflight -= 1
            if seated:
                self._seats.give_back(caller.team)
            if share is not None:
                share.end()
            if first is not None:
                self._repeats.end(first, served=served)
            reply.forget()


async def _refuse(reply: ConnectionReply, surface: Surface, refused: Refused, id: str) -> None:
    status, headers, body = errors.refusal(refused, id, surface)
    await reply.start(status, headers)
    await reply.end(body)


class ClientGone(Exception):
    """The client hung up before its request was complete."""


def _read_headers(
    scope: Scope, read: Mapping[bytes, str] = _HINTS
) -> tuple[dict[bytes, bytes], dict[str, bytes], dict[str, str]]:
    """The few headers that are read: ours, hints, and those that may go on to a backend. `read` are the hints by their
    names. A label given twice counts twice: both are joined. Raises Refused (400) for one that could not go on as it
    is."""
    hints: dict[str, bytes] = {}
    passed: dict[str, str] = {}
    for name, value in scope["headers"]:
        if hint := read.get(name):
            hints[hint] = hints[hint] + b"," + value if hint in hints and hint in _LISTS else value
        elif allowed := _PASSED.get(name):
            word = name.decode()
            whole = passed[word].encode() + b"," + value if word in passed else value
            if not allowed.match(whole):
                raise Refused(Refusal.INVALID_TYPE, f"the header `{word}` is no list of words", param=word)
            passed[word] = whole.decode()
    return only_one_each(scope["headers"], _READ), hints, passed


def _check_coding(headers: Mapping[bytes, bytes]) -> None:
    """Raises Refused (415) for a body that would have to be decoded: a few bytes can become as many as one likes."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Refused(
            Refusal.ENCODED,
            "bodies are read as they come; send it without `content-encoding`",
            param="content-encoding",
        )
    if headers.get(b"content-type", b"")[:10].lower() == b"multipart/":
        raise Refused(Refusal.ENCODED, "bodies are JSON; send `content-type: application/json`", param="content-type")


class _Says(msgspec.Struct):
    """The model that a body says."""

    model: Raw | msgspec.UnsetType = msgspec.UNSET


_BEGINS = re.compile(rb"[ \t\n\r]*\{[ \t\n\r]*")
_MODEL = re.compile(rb'"model"[ \t\n\r]*:[ \t\n\r]*')
_MOST_MODELS, _MOST_ALIKE = 1000, 4
"""Members `model`, also further inside, among which the one that counts is looked for; of those, ones of its value."""


def _named(body: bytes, model: str) -> bytes:
    """The body with the model that the path names, whatever it said itself, as Azure reads it. All else is as it came:
    a name that is there twice is still so for whoever judges that. Raises Refused (400) where it is not found."""
    name = msgspec.json.encode(model)
    said = _said(body)
    if said is None:
        return body  # whoever reads it says what is wrong with it
    if said is msgspec.UNSET:
        begins = _BEGINS.match(body)
        assert begins is not None
        at = begins.end()
        return b"".join((body[:at], b'"model":', name, b"" if body[at : at + 1] == b"}" else b",", body[at:]))
    was = bytes(said)
    if was == name:
        return body
    alike = (at for found in islice(_MODEL.finditer(body), _MOST_MODELS) if body.startswith(was, at := found.end()))
    for at in islice(alike, _MOST_ALIKE):
        renamed = b"".join((body[:at], name, body[at + len(was) :]))
        now = _said(renamed)
        if isinstance(now, Raw) and bytes(now) == name:
            return renamed
    raise Refused(Refusal.INVALID_TYPE, "the path names the model; leave `model` out of the body", param="model")


def _said(body: bytes) -> Raw | msgspec.UnsetType | None:
    """What is in a body as its model; None: nothing can be read. Values are passed over, not made."""
    try:
        return msgspec.json.decode(body, type=_Says).model
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _text(value: bytes | None) -> str | None:
    """A hint as text. One that is too long is not cut, which could lower a label, but made unreadable."""
    if value is None:
        return None
    return value.decode("latin-1") if len(value) <= _MAX_HINT else "too long"


async def _read_body(receive: Receive, length: bytes | None, limit: int, share: Share) -> bytes:
    """The whole body. Raises Refused (413) as soon as it is known to be too large, or (503) to be more than there is
    room for, ClientGone when it breaks off."""
    if length is not None:
        if not length.isdigit() or int(length) > limit:
            raise _too_large(limit)
        _hold(share, int(length))
    message = await receive()
    if message["type"] != "http.request":
        raise ClientGone
    body: bytes = message["body"]
    if not message["more_body"] and len(body) <= limit:
        _hold(share, len(body))
        return body
    whole = BytesIO()  # a large body is not copied once more at the end
    whole.write(body)
    while message["more_body"] and whole.tell() <= limit:
        _hold(share, whole.tell())
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        whole.write(message["body"])
    if whole.tell() > limit:
        raise _too_large(limit)
    return whole.getvalue()


def _hold(share: Share, size: int) -> None:
    """Raises Refused (503) where there is no room for a body of that size."""
    if not share.hold(size):
        raise Refused(
            Refusal.SHEDDING,
            "too many large requests are under way at this moment; try again",
            retry_after=RETRY_SECONDS,
        )


def _too_large(limit: int) -> Refused:
    return Refused(Refusal.TOO_LARGE, f"the request body exceeds {limit} bytes")
