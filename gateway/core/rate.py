"""Limits on pace: requests and tokens a minute. A level that drains with what is taken and fills again with time."""

import math
from typing import Literal

import msgspec

from gateway.core.spender import Spender

Unit = Literal["requests", "tokens"]
UNITS: tuple[Unit, ...] = ("requests", "tokens")

_MINUTE = 60.0


class Rate(msgspec.Struct, frozen=True):
    """So many requests or tokens a minute for one key, app or team. `whose`: for that one; empty: for each."""

    per: Literal["key", "app", "team"]
    unit: Unit
    a_minute: int
    whose: str = ""

    def value(self, spender: Spender) -> str | None:
        """Whose pace a call counts in, None: the rate does not concern it."""
        value: str | None = getattr(spender, self.per)
        return value if not self.whose or value == self.whose else None


class Left(msgspec.Struct, frozen=True):
    """What a rate leaves at a moment: of `a_minute`, `remaining` may be taken at once; in `resets` seconds all may."""

    a_minute: int
    remaining: int
    resets: float


class Pace(msgspec.Struct, frozen=True):
    """What the tightest rate of each unit leaves, None: there is none."""

    requests: Left | None = None
    tokens: Left | None = None


class Throttled(msgspec.Struct, frozen=True):
    """A call that comes too soon: which rate holds it up, whose it is, for how many seconds, and what there is left."""

    rate: Rate
    value: str
    wait: float
    pace: Pace


class Level:
    """What is left of a rate for one value: a minute's worth at most, and less than nothing once calls took more than
    they were expected to. Not frozen: it is what is counted in. Moments are Unix seconds."""

    __slots__ = ("_at", "_full", "_left")

    def __init__(self, a_minute: int, moment: float) -> None:
        self._full = a_minute
        self._left: float = a_minute
        self._at = moment

    def take(self, amount: int, moment: float) -> None:
        """Takes an amount, or gives back a negative one."""
        left = self._now(moment) - amount
        self._left = min(self._full, left)
        self._at = max(self._at, moment)

    def wait(self, amount: int, moment: float) -> float:
        """Seconds until an amount can be taken; 0: now. What is more than a minute's worth needs a full one."""
        missing = (min(self._full, amount)) - self._now(moment)
        return missing * _MINUTE / self._full if missing > 0 else 0.0

    def left(self, moment: float) -> Left:
        """What there is."""
        left = self._now(moment)
        return Left(self._full, int(left) if left > 0 else 0, (self._full - left) * _MINUTE / self._full)

    def _now(self, moment: float) -> float:
        """What is left, with what has come back. No built-in is called: this is the hot path of whoever has a rate."""
        left = self._left
        if (passed := moment - self._at) > 0:
            left += passed * self._full / _MINUTE
        return min(self._full, left)


def tightest(found: list[tuple[Unit, Left]]) -> Pace | None:
    """The pace that a caller is told: for each unit the rate that leaves least; None: there is no rate."""
    if not found:
        return None
    requests = tokens = None
    for unit, left in found:
        if unit == "requests":
            requests = left if requests is None or left.remaining < requests.remaining else requests
        else:
            tokens = left if tokens is None or left.remaining < tokens.remaining else tokens
    return Pace(requests, tokens)


def pace_headers(pace: Pace) -> list[tuple[bytes, bytes]]:
    """What a client is told of its pace, in the headers that OpenAI's clients read."""
    found = []
    for unit, left in ((b"requests", pace.requests), (b"tokens", pace.tokens)):
        if left is not None:
            found += [
                (b"x-ratelimit-limit-" + unit, b"%d" % left.a_minute),
                (b"x-ratelimit-remaining-" + unit, b"%d" % left.remaining),
                (b"x-ratelimit-reset-" + unit, _duration(left.resets)),
            ]
    return found


def _duration(seconds: float) -> bytes:
    """A duration as OpenAI writes it: `120ms`, `7s`, `1m4s`; rounded up."""
    if seconds < 1:
        return b"%dms" % math.ceil(seconds * 1000)
    minutes, rest = divmod(math.ceil(seconds), 60)
    return b"%dm%ds" % (minutes, rest) if minutes else b"%ds" % rest
