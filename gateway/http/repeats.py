"""Requests that are sent again: who gives one an idempotency key has it served once.

No answer is kept, so what comes again is refused, and not answered again. Keys are of a caller: the same one of another
caller is another. What is known is digests, in the memory of this process and, with a server, of all replicas.
"""

import asyncio
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import msgspec

from gateway.core.errors import Refusal, Refused

HEADER = b"idempotency-key"
KEPT_SECONDS = 86_400.0
MOST = 10_000
"""Requests of one caller that are known at once. Beyond it the oldest that has ended is forgotten."""
_AT_ONCE_BYTES = 1_000_000
"""Of a larger body the digest is made by a thread."""
_SECRET_BYTES, _DIGEST_BYTES = 32, 20
_KEY = re.compile(rb"[\x21-\x7e]{1,255}\Z")


class First(msgspec.Struct):
    """The first request with an idempotency key. `began` is monotonic seconds."""

    caller: str
    name: bytes
    body: bytes
    request_id: str
    began: float
    ended: bool = False

    @property
    def own(self) -> bytes:
        """What takes its name."""
        return self.body + self.request_id.encode()


class Shared(Protocol):
    """What replicas know together of such requests. A request is known by its caller, the name that its key has there,
    and what took that name: the digest of its body, then its id. `answered` is set to what gives all that this process
    knows to be answered."""

    answered: Callable[[], Iterable[tuple[str, bytes, bytes]]]

    async def begin(self, caller: str, name: bytes, own: bytes) -> tuple[bytes, bool] | None:
        """Takes a name; None: taken. Else what took it, and whether that was answered. Raises Refused (503) where
        nobody can say."""

    def end(self, caller: str, name: bytes, own: bytes, *, served: bool) -> None:
        """A request has ended. Where it was not served, its name is free again. Waits for nothing."""


class Repeats:
    """What is known of requests with idempotency keys. `secret` is for digests, the same for all who share."""

    def __init__(
        self, shared: Shared | None = None, secret: Callable[[], bytes] = lambda: os.urandom(_SECRET_BYTES)
    ) -> None:
        self._known: dict[str, dict[bytes, First]] = {}  # by caller, the oldest first
        self._shared = shared
        self._find_secret = secret
        self._secret = b""
        if shared is not None:
            shared.answered = self._answered

    async def begin(self, caller: str, key: bytes, surface: str, body: bytes, request_id: str) -> First:
        """Takes a request. Raises Refused (409) for one that is under way or was answered, or whose key another request
        of the caller has; 400 for what is no key."""
        if not _KEY.match(key):
            raise Refused(
                Refusal.INVALID_TYPE,
                "`idempotency-key` is 1 to 255 visible ASCII characters, such as a UUID",
                param="idempotency-key",
            )
        self._secret = self._secret or self._find_secret()
        said = surface.encode() + b"\0" + body
        large = len(said) > _AT_ONCE_BYTES
        digest = await asyncio.to_thread(self._digest, said) if large else self._digest(said)
        known = self._known.setdefault(caller, {})
        now, name = time.monotonic(), self._digest(key)
        self._forget(known, now)
        if (first := known.get(name)) is not None:
            raise _refusal(first, same=first.body == digest)
        known[name] = first = First(caller, name, digest, request_id, now)
        if self._shared is not None:
            await self._take(self._shared, first)
        return first

    async def _take(self, shared: Shared, first: First) -> None:
        """Takes a request among all replicas, or forgets it here."""
        taken = False
        try:
            found = await shared.begin(first.caller, first.name, first.own)
            taken = found is None
        finally:
            if not taken:
                self._forget_one(first)
        if found is not None:
            own, answered = found
            body, id = own[:_DIGEST_BYTES], own[_DIGEST_BYTES:].decode()
            other = First(first.caller, first.name, body, id, first.began, answered)
            raise _refusal(other, same=body == first.body)

    def end(self, first: First, *, served: bool) -> None:
        """A request has ended. One that was not served whole may be sent again."""
        first.ended = True
        if self._shared is not None:
            self._shared.end(first.caller, first.name, first.own, served=served)
        if not served:
            self._forget_one(first)

    def _forget_one(self, first: First) -> None:
        known = self._known[first.caller]
        del known[first.name]
        if not known:
            del self._known[first.caller]

    def _answered(self) -> Iterator[tuple[str, bytes, bytes]]:
        oldest = time.monotonic() - KEPT_SECONDS
        every = (first for known in self._known.values() for first in known.values())
        return ((first.caller, first.name, first.own) for first in every if first.ended and first.began >= oldest)

    def _digest(self, said: bytes) -> bytes:
        return hashlib.blake2b(said, key=self._secret, digest_size=_DIGEST_BYTES).digest()

    @staticmethod
    def _forget(known: dict[bytes, First], now: float) -> None:
        for name, each in list(known.items()) if len(known) >= MOST else _oldest(known):
            if each.ended and (len(known) >= MOST or now - each.began > KEPT_SECONDS):
                del known[name]
            elif len(known) < MOST:
                break


def _oldest(known: dict[bytes, First]) -> list[tuple[bytes, First]]:
    """A few of those that are known for longest: each new request pays for some that are over."""
    return [each for each, _ in zip(known.items(), range(4), strict=False)]


def _refusal(first: First, *, same: bool) -> Refused:
    if not same:
        return Refused(
            Refusal.KEY_REUSED,
            f"this idempotency key belongs to another request ({first.request_id}); take a new one for a new request",
            param="idempotency-key",
        )
    if first.ended:
        return Refused(
            Refusal.REPEATED,
            f"this request was answered before ({first.request_id}), and answers are not kept; to have it done again"
            " send it with a new idempotency key",
            param="idempotency-key",
        )
    return Refused(
        Refusal.REPEATED,
        f"this request is being answered ({first.request_id})",
        param="idempotency-key",
        retry_after=1,
    )
