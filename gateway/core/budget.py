"""Limits on spending: what they bound, and the windows they count in. Money is pico-USD, time Unix seconds (UTC)."""

import calendar
from typing import Literal

import msgspec

from gateway.core.rate import Pace
from gateway.core.spender import Spender

Dimension = Literal["organisation", "team", "app", "key", "project", "provider", "zone"]

EVERYTHING = "(all)"
"""The one value of the dimension `organisation`. No team or provider is called so."""

_UNITS = {"h": 3600, "d": 86_400}
_DAY = 86_400


class Spend(msgspec.Struct, frozen=True):
    """The terms of a limit: `pico_usd` for each value of `per` in a window, or the `share` (0 to 1) of all spending
    that one value of `per` may have, once `minimum_pico_usd` is spent in all.

    `window` is `hour`, `day`, `week`, `month` (calendar, UTC) or `7d`, `24h` (rolling). `downgrade` names the alias
    that is served beyond the limit; None: nothing is. `on_store_down` says what holds while nobody can count.
    """

    per: Dimension
    window: str
    pico_usd: int | None = None
    share: float | None = None
    minimum_pico_usd: int = 0
    downgrade: str | None = None
    on_store_down: str = "deny"


class Limit(msgspec.Struct, frozen=True):
    """A limit in force, by a rule of the policy or set by an operator (`rule` names it).

    `project`: it binds that project alone; empty: everyone. `whose`: it is the budget of that one value of `per`;
    empty: each has one. One that is not `enforced` counts and tells, and denies nothing. Of one
    that is not `counted` nobody knows what was spent, so it has no room.
    """

    id: str
    rule: str
    terms: Spend
    project: str = ""
    enforced: bool = True
    whose: str = ""
    counted: bool = True

    @property
    def counts(self) -> tuple[object, ...]:
        """What its accounts are: while this stays, what they hold does, too, whatever becomes of the amount."""
        return self.terms.per, self.terms.window, self.terms.share is None, self.project, self.whose, self.counted

    def value(self, spender: Spender) -> str | None:
        """Whose account a call goes to, None: the limit does not concern it."""
        if self.project and spender.project != self.project:
            return None
        per = self.terms.per
        value: str | None = EVERYTHING if per == "organisation" else getattr(spender, per)
        return value if not self.whose or value == self.whose else None


class Window(msgspec.Struct, frozen=True):
    """A window at a moment: it covers buckets from `start` on, and what is in it now has left it at `end`."""

    start: float
    end: float


def bucket_seconds(window: str) -> int:
    """How finely spending in a rolling window is kept: a sixtieth of an hour, a twenty-fourth of a day."""
    return 60 if _rolls(window) and window.endswith("h") else 3600


def _rolls(window: str) -> bool:
    return window[:-1].isdigit() and window[-1] in _UNITS


def window_at(window: str, moment: float) -> Window:
    """The window that a moment is in. A rolling one begins with the bucket that its first second is in."""
    if _rolls(window):
        length, bucket = int(window[:-1]) * _UNITS[window[-1]], bucket_seconds(window)
        return Window((moment - length) // bucket * bucket, moment + length)
    day = int(moment // _DAY)
    match window:
        case "hour":
            start = moment // 3600 * 3600
            return Window(start, start + 3600)
        case "day":
            return Window(day * _DAY, (day + 1) * _DAY)
        case "week":  # begins on Monday; the first of January 1970 was a Thursday
            start = (day - (day + 3) % 7) * _DAY
            return Window(start, start + 7 * _DAY)
        case "month":
            year, month = _month(day)
            following = (year + 1, 1) if month == 12 else (year, month + 1)
            return Window(*(float(calendar.timegm((y, m, 1, 0, 0, 0))) for y, m in ((year, month), following)))
    raise ValueError(f"no window `{window}`")


def utc(moment: float) -> str:
    """A moment in words: date and time in UTC, to the minute."""
    year, month = _month(int(moment // _DAY))
    start = calendar.timegm((year, month, 1, 0, 0, 0))
    minutes = int(moment - start) // 60
    return f"{year}-{month:02}-{1 + minutes // 1440:02}T{minutes % 1440 // 60:02}:{minutes % 60:02}Z"


def _month(day: int) -> tuple[int, int]:
    """Year and month of a day since 1970, by counting in eras of 400 years that begin in March."""
    era, of_era = divmod(day + 719_468, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    return year + era * 400 + (month >= 10), month + 3 if month < 10 else month - 9


class Ask(msgspec.Struct, frozen=True):
    """What is asked for one call before it is sent: room for `most` pico-USD, or, where that is not there, for `least`
    at least, since the answer can be cut to what is granted.

    `requests` and `tokens` are what it counts as against rates; without a request it was let in before, so no rate
    holds it up. `exempt` is the id of the limit that the request was downgraded by. `id` names the call: nobody else's
    is called so.
    """

    id: str
    spender: Spender
    most: int
    least: int
    requests: int = 1
    tokens: int = 0
    exempt: str | None = None


class Reserved(msgspec.Struct, frozen=True):
    """Room for one call: how much was granted, in pico-USD. `watched` are the rules whose limits have no room but are
    not enforced. `pace` is how much the rates leave, None: there are none."""

    pico_usd: int
    watched: tuple[str, ...] = ()
    pace: Pace | None = None


class Exceeded(msgspec.Struct, frozen=True):
    """A call that a limit has no room for: what was spent and is reserved, the ceiling, and when the window ends.
    `needed_pico_usd` is the least that the call can do with, 0: nobody asked. `shortest_pico_usd` is what it would need
    if its answer had one token."""

    limit: Limit
    value: str
    spent_pico_usd: int
    reserved_pico_usd: int
    ceiling_pico_usd: int
    resets: float
    needed_pico_usd: int = 0
    shortest_pico_usd: int = 0


class Standing(msgspec.Struct, frozen=True):
    """How an account stands: what was spent in the window and is reserved, the ceiling (None: a share of what all
    spend, which is not enough yet), and when the window ends (Unix seconds)."""

    limit: Limit
    value: str
    spent_pico_usd: int
    reserved_pico_usd: int
    ceiling_pico_usd: int | None
    resets: float

    @property
    def state(self) -> "State":
        """`exhausted`: all of a limit in force is spent; `soft`: most of it is, or a limit that denies nothing is
        passed; else `ok`. What is reserved does not count: most of it is given back."""
        ceiling = self.ceiling_pico_usd
        if ceiling is None:
            return "ok"
        used = self.spent_pico_usd
        if used >= ceiling:
            return "exhausted" if self.limit.enforced else "soft"
        return "soft" if self.limit.enforced and used >= SOFT_SHARE * ceiling else "ok"


State = Literal["ok", "soft", "exhausted"]
STATES: tuple[State, ...] = ("ok", "soft", "exhausted")
SOFT_SHARE = 0.8
"""The share of a limit from which on its state is `soft`, so that a policy can downgrade before anything is denied."""


def granted(ask: Ask, left: int | None) -> int | None:
    """How much room a call gets where so many pico-USD are left (None: no end), None: not even its least is there.

    One call takes at most half of what is left, unless it needs more: so calls side by side get shorter answers near
    the end of a budget, instead of the first one getting all and the others nothing.
    """
    if left is None or ask.most <= max(0, left // 2):  # what costs nothing passes any budget
        return ask.most
    if ask.least > left:
        return None
    return max(ask.least, min(ask.most, left // 2))


class Account:
    """What one value has spent in a window, by the start of a bucket, and has reserved. Not frozen: it is what is
    counted in.

    Time only goes on: what has left the window is forgotten. A window begins with a bucket, so `spent` holds for all
    moments before `ends`, where the bucket does; whoever asks at a later one has the account `turn` first.
    """

    __slots__ = ("_begins", "_bucket", "_buckets", "_seconds", "_window", "ends", "reserved", "spent")

    def __init__(self, window: str) -> None:
        self._window = window
        self._seconds = bucket_seconds(window)
        self._bucket = -self._seconds  # the one that now is in
        self._buckets: dict[int, int] = {}
        self._begins = self.ends = 0.0  # floats, as moments are: a float and an int take long to compare
        self.spent = 0
        self.reserved = 0

    def add(self, moment: float, pico_usd: int) -> None:
        """Books an amount, in the window that the moment is in: that may be one that has ended, which nobody asks."""
        bucket = self._bucket
        if not self._begins <= moment < self.ends:
            self.turn(moment)
            bucket = int(moment // self._seconds) * self._seconds
            if bucket < window_at(self._window, self._bucket).start:
                return
        self._buckets[bucket] = self._buckets.get(bucket, 0) + pico_usd
        self.spent += pico_usd

    def turn(self, moment: float) -> None:
        """Goes on to a moment, unless it was asked about a later one before."""
        if moment < self.ends:
            return
        self._bucket = int(moment // self._seconds) * self._seconds
        self._begins, self.ends = float(self._bucket), float(self._bucket + self._seconds)
        start = window_at(self._window, moment).start
        for bucket in [bucket for bucket in self._buckets if bucket < start]:
            self.spent -= self._buckets.pop(bucket)


def exceeded(
    limit: Limit, value: str, pico_usd: int, spent_pico_usd: int, everyone_pico_usd: int, moment: float
) -> Exceeded | None:
    """What there is to say if a limit has no room for a call that costs so much at most, None: it has.

    `spent_pico_usd` is what the account of `value` has spent in the window, `everyone_pico_usd` what all have: a share
    is a share of that. Nothing else is reserved.
    """
    terms, ceiling = limit.terms, limit.terms.pico_usd
    if ceiling is None:
        total = everyone_pico_usd + pico_usd
        if total < terms.minimum_pico_usd:
            return None
        ceiling = int((terms.share or 0.0) * total)
    if spent_pico_usd + pico_usd <= ceiling:
        return None
    return Exceeded(limit, value, spent_pico_usd, 0, ceiling, window_at(terms.window, moment).end)
