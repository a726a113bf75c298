"""The OpenAI surface. Chat completions are one raw ASGI callable; the rest is FastAPI."""

import asyncio
import time
from collections.abc import Callable
from random import getrandbits
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.types import Receive, Scope, Send

from gateway.core.catalog import AUTO
from gateway.core.decision import Project
from gateway.core.errors import Refusal, Refused
from gateway.core.labels import LEVELS, RANK
from gateway.core.record import Call, Caller, refused_record
from gateway.http import errors
from gateway.http.connection import SCOPE_KEY, ConnectionReply
from gateway.ports import Policies, Policy, Sink
from gateway.relay import Relay
from gateway.sensitivity.classify import classify, facts_of

FindCaller = Callable[[bytes], Caller | None]
NOBODY = Caller("none", "none", "none")
"""Who stands in the record of a request without a valid key."""

_HINTS = {
    b"x-gateway-sensitivity": "sensitivity",
    b"x-gateway-purpose": "purpose",
    b"x-gateway-project": "project",
    b"x-request-id": "client_request_id",
}
_READ = frozenset({b"authorization", b"content-length"})
_MAX_HINT = 256


def request_id() -> str:
    """A fresh id. It begins with the time (48 bits of milliseconds), so ledger rows are appended, not scattered."""
    return "req-" + (int(time.time() * 1000) << 48 | getrandbits(48)).to_bytes(12, "big").hex()


def authenticate(header: bytes | None, find: FindCaller) -> Caller:
    """The caller behind an Authorization header. Raises Refused, in the same words whatever is wrong with the key."""
    caller = find(header[7:].strip()) if header is not None and header[:7].lower() == b"bearer " else None
    if caller is None:
        raise Refused(
            Refusal.INVALID_KEY,
            "missing or invalid API key; send `Authorization: Bearer sk-gw-…` with a key of this gateway",
        )
    return caller


class ChatCompletions:
    """POST /v1/chat/completions, from the socket to the relay."""

    def __init__(self, relay: Relay, find: FindCaller, sink: Sink, max_body_bytes: int) -> None:
        self._relay = relay
        self._find = find
        self._sink = sink
        self._max_body_bytes = max_body_bytes
        self.inflight = 0

    async def __call__(self, scope: Scope, receive: Receive, _: Send) -> None:
        """Serves one request. Is cancelled, and then ends quietly, when the client hangs up."""
        now, arrived = time.time(), time.perf_counter()
        id = request_id()
        reply: ConnectionReply = scope[SCOPE_KEY]
        caller = NOBODY
        relayed = False
        self.inflight += 1
        try:
            headers = _read_headers(scope)
            caller = authenticate(headers.get("authorization"), self._find)
            body = await _read_body(reply, receive, headers.get("content-length"), self._max_body_bytes)
            call = Call(
                id,
                caller,
                time.perf_counter(),  # an upload's time is its client's, not ours
                now,
                _text(headers.get("sensitivity")),
                _text(headers.get("purpose")),
                _text(headers.get("project")),
                _text(headers.get("client_request_id")),
            )
            reply.cancel_when_lost()
            relayed = True
            await self._relay.chat(call, body, reply)
        except Refused as refused:
            if not relayed:
                call = Call(id, caller, arrived, now)
                self._sink.put(refused_record(call, refused, time.perf_counter() - arrived))
            await _refuse(reply, refused, id)
        except asyncio.CancelledError:
            if reply.gone:
                return
            if reply.started:
                reply.abort()
            else:
                await _refuse(reply, Refused(Refusal.STOPPING, "the gateway is stopping; try again", retry_after=5), id)
        except ClientGone:
            pass
        except Exception:
            if reply.started:
                raise  # the server closes the connection, so that the answer does not look complete
            message = f"the gateway failed; tell its operator the request id {id}"
            await _refuse(reply, Refused(Refusal.INTERNAL, message), id)
            raise
        finally:
            self.inflight -= 1
            reply.forget()


async def _refuse(reply: ConnectionReply, refused: Refused, id: str) -> None:
    status, headers, body = errors.refusal(refused, id)
    await reply.start(status, headers)
    await reply.end(body)


class ClientGone(Exception):
    """The client hung up before its request was complete."""


def _read_headers(scope: Scope) -> dict[str, bytes]:
    """The few headers that are read. A label given twice counts twice: both are joined."""
    found: dict[str, bytes] = {}
    for name, value in scope["headers"]:
        if name in _READ:
            found[name.decode()] = value
        elif hint := _HINTS.get(name):
            found[hint] = found[hint] + b"," + value if hint in found and hint == "sensitivity" else value
    return found


def _text(value: bytes | None) -> str | None:
    """A hint as text. One that is too long is not cut, which could lower a label, but made unreadable."""
    if value is None:
        return None
    return value.decode("latin-1") if len(value) <= _MAX_HINT else "too long"


async def _read_body(reply: ConnectionReply, receive: Receive, length: bytes | None, limit: int) -> bytes:
    """The whole body. Raises Refused (413) as soon as it is known to be too large, ClientGone when it breaks off."""
    if (here := reply.body) is not None and len(here) <= limit:
        return here
    if length is not None and (not length.isdigit() or int(length) > limit):
        raise _too_large(limit)
    message = await receive()
    if message["type"] != "http.request":
        raise ClientGone
    body: bytes = message["body"]
    if not message["more_body"] and len(body) <= limit:
        return body
    parts, size = [body], len(body)
    while message["more_body"] and size <= limit:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        parts.append(message["body"])
        size += len(message["body"])
    if size > limit:
        raise _too_large(limit)
    return b"".join(parts)


def _too_large(limit: int) -> Refused:
    return Refused(Refusal.TOO_LARGE, f"the request body exceeds {limit} bytes")


def models_router(policies: Policies, find: FindCaller, created: int) -> APIRouter:
    """GET /v1/models and /v1/models/{id}."""
    router = APIRouter()

    @router.get("/v1/models")
    async def list_models(request: Request) -> Response:
        """The names that this key may use."""
        caller = authenticate(authorization(request), find)
        return _json(
            {
                "object": "list",
                "data": [_model(name, created) for name in usable(policies.current, caller, policies.moment())],
            }
        )

    @router.get("/v1/models/{name:path}")
    async def get_model(request: Request, name: str) -> Response:
        """One name, or 404 if this key may not use it."""
        caller = authenticate(authorization(request), find)
        if name not in usable(policies.current, caller, policies.moment()):
            raise Refused(
                Refusal.MODEL_NOT_FOUND, "the model does not exist, or this key may not use it", param="model"
            )
        return _json(_model(name, created))

    return router


def usable(policy: Policy, caller: Caller, moment: float) -> list[str]:
    """The names that could ever serve a caller: for some label from its floor up, some granted purpose and project."""
    permitted: set[str] = set()
    for level in LEVELS[RANK[caller.floor] :]:
        for purpose in caller.purposes:
            for project in caller.projects:
                declared = policy.projects.get(project) or Project(project)
                facts = facts_of(caller, classify(level, None, declared.floor), purpose, declared)
                permitted |= {id for id, verdict in policy.ask(facts, moment).verdicts.items() if verdict.permitted}
    permitted -= policy.not_offered.keys()
    found = [
        name
        for name, backends in policy.names.items()
        if any(backend.id in permitted and backend.price is not None for backend in backends)
    ]
    return sorted(found, key=lambda name: (name != AUTO, name))


def authorization(request: Request) -> bytes | None:
    """The Authorization header, as it came."""
    value = request.headers.get("authorization")
    return None if value is None else value.encode("latin-1")


def _model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "gateway"}


def _json(data: object) -> Response:
    return Response(msgspec.json.encode(data), media_type="application/json")
