"""Who is asking: the key of a request, wherever its client puts it."""

from collections.abc import Callable, Mapping

from fastapi import Request

from gateway.core.errors import Refusal, Refused
from gateway.core.record import Caller

FindCaller = Callable[[bytes], Caller | None]
NOBODY = Caller("none", "none", "none")
"""Who stands in the record of a request without a valid key."""

KEY_HEADERS = (b"authorization", b"x-api-key", b"api-key")
"""Where clients put a key: OpenAI's (as a bearer token), Anthropic's, Azure's."""


def authenticate(headers: Mapping[bytes, bytes], find: FindCaller) -> Caller:
    """The caller behind a request's headers, of which names are in lower case. A client may fill in several of them.

    Raises Refused, in the same words whatever is wrong with the key.
    """
    for name in KEY_HEADERS:
        if (value := headers.get(name)) is None:
            continue
        if name == b"authorization":
            if value[:7].lower() != b"bearer ":
                continue
            value = value[7:]
        if (caller := find(value.strip())) is not None:
            return caller
    raise Refused(
        Refusal.INVALID_KEY,
        "missing or invalid API key; send `Authorization: Bearer sk-gw-…` with a key of this gateway",
    )


def caller_of(request: Request, find: FindCaller) -> Caller:
    """The caller behind a request to FastAPI. Raises Refused."""
    return authenticate(dict(request.headers.raw), find)
