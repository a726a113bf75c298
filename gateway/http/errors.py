"""Errors as clients see them: always the OpenAI envelope, always JSON."""

from collections.abc import Mapping

import msgspec

from gateway.core.errors import Refused
from gateway.ports import Headers


def envelope(
    message: str,
    type: str,
    code: str | None,
    param: str | None = None,
    details: Mapping[str, object] | None = None,
) -> bytes:
    """The body of an error. `details` are members beside those that every error has."""
    error = {"message": message, "type": type, "param": param, "code": code, **(details or {})}
    return msgspec.json.encode({"error": error})


def refusal(refused: Refused, request_id: str) -> tuple[int, Headers, bytes]:
    """Status, headers and body for what we refuse."""
    body = envelope(refused.message, refused.refusal.type, refused.refusal.code, refused.param, refused.details)
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode()),
    ]
    headers += refused.headers
    if refused.retry_after is not None:
        headers.append((b"retry-after", b"%d" % refused.retry_after))
    return refused.refusal.status, headers, body
