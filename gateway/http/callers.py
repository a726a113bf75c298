"""Who is asking: the key of a request, wherever its client puts it, and whether it is for what is asked."""

import hmac
from collections.abc import Callable, Container, Iterable, Mapping

from fastapi import Request

from gateway.core.errors import Refusal, Refused
from gateway.core.record import Caller
from gateway.core.scopes import SCOPES, Scope

FindCaller = Callable[[bytes], Caller | None]
NOBODY = Caller("none", "none", "none")
"""Who stands in the record of a request without a valid key."""
LOCAL = Caller("loopback", "none", "none")
"""Who asks on the admin listener where no key is wanted."""

KEY_HEADERS = (b"authorization", b"x-api-key", b"api-key")
"""Where clients put a key: OpenAI's (as a bearer token), Anthropic's, Azure's."""


def only_one_each(headers: Iterable[tuple[bytes, bytes]], names: Container[bytes]) -> dict[bytes, bytes]:
    """Those of some headers that have one of the names. Raises Refused (400) for one that says two things."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in names and found.setdefault(name, value) != value:
            raise Refused(Refusal.BAD_FRAMING, f"the header `{name.decode()}` is there twice, and says two things")
    return found


def authenticate(headers: Mapping[bytes, bytes], find: FindCaller, scope: Scope) -> Caller:
    """The caller behind a request's headers, of which names are in lower case. A client may fill in several of them.

    Raises Refused: 401 in the same words whatever is wrong with the key, 403 for one that is not for this.
    """
    for name in KEY_HEADERS:
        if (key := _key_in(name, headers.get(name))) is not None and (caller := find(key)) is not None:
            if scope not in caller.scopes:
                raise Refused(
                    Refusal.NOT_GRANTED,
                    f"this key is not for this (scope `{scope}`: {SCOPES[scope]}); use one made with --scope {scope}",
                )
            return caller
    raise Refused(
        Refusal.INVALID_KEY,
        "missing or invalid API key; send `Authorization: Bearer sk-gw-…` with a key of this gateway",
    )


def _key_in(name: bytes, value: bytes | None) -> bytes | None:
    if value is None or name != b"authorization":
        return None if value is None else value.strip()
    return value[7:].strip() if value[:7].lower() == b"bearer " else None


class ClientGuard:
    """Who may use a route of the public listener: the holder of a key that is for it."""

    def __init__(self, find: FindCaller) -> None:
        self._find = find

    def __call__(self, request: Request, scope: Scope) -> Caller:
        """The caller. Raises Refused."""
        return authenticate(only_one_each(request.headers.raw, KEY_HEADERS), self._find, scope)


class AdminGuard:
    """Who may use a route of the admin listener.

    On loopback everybody may while no admin key was ever made (`has_keys`); metrics: while there is no scrape token.
    Else a key is wanted that is for the route; for metrics the token does as well.
    """

    def __init__(
        self, find: FindCaller, has_keys: Callable[[], bool], scrape_token: str | None, *, loopback: bool
    ) -> None:
        self._find = find
        self._has_keys = has_keys
        self._token = scrape_token.encode() if scrape_token is not None else None
        self._loopback = loopback

    def __call__(self, request: Request, scope: Scope) -> Caller:
        """The caller; `LOCAL`, where none has to say who it is. Raises Refused."""
        headers = only_one_each(request.headers.raw, KEY_HEADERS)
        if scope == "metrics":
            given = _key_in(b"authorization", headers.get(b"authorization"))
            if self._token is None:
                if self._loopback:
                    return LOCAL
            elif given is not None and hmac.compare_digest(given, self._token):
                return LOCAL
        elif self._loopback and not self._has_keys():
            return LOCAL
        return authenticate(headers, self._find, scope)
