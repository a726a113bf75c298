"""Errors as clients see them: in the envelope of their own protocol, always JSON."""

from collections.abc import Iterable, Mapping

import msgspec

from gateway.core.errors import Refused
from gateway.ports import Headers
from gateway.surfaces import CHAT, SURFACES
from gateway.wire import Surface

ANTHROPIC = b"anthropic-version"
"""The header that Anthropic's clients send with every request, also where paths are OpenAI's."""


def spoken(target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Surface:
    """The protocol of a client, as far as the head of its request tells: for errors before or beside a call."""
    path = target.partition(b"?")[0]
    if path.endswith((b"/messages", b"/messages/count_tokens")) or any(name == ANTHROPIC for name, _ in headers):
        return SURFACES["messages"]
    return CHAT


def envelope(
    message: str,
    type: str,
    code: str | None,
    param: str | None = None,
    details: Mapping[str, object] | None = None,
) -> bytes:
    """The body of an error. `details` are members beside those that every error has."""
    return msgspec.json.encode({"error": _error(message, type, code, param, details)})


def _error(
    message: str, type: str, code: str | None, param: str | None, details: Mapping[str, object] | None
) -> dict[str, object]:
    return {"message": message, "type": type, "param": param, "code": code, **(details or {})}


def refusal(refused: Refused, request_id: str, surface: Surface = CHAT) -> tuple[int, Headers, bytes]:
    """Status, headers and body for what we refuse, as the client reads them."""
    kind = refused.refusal
    error = _error(refused.message, kind.type, kind.code, refused.param, refused.details)
    body = surface.error(kind.status, error, request_id)
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *((name, request_id.encode()) for name in surface.id_headers),
    ]
    headers += refused.headers
    if refused.retry_after is not None:
        headers.append((b"retry-after", b"%d" % refused.retry_after))
    return kind.status, headers, body
