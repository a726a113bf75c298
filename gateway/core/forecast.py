"""What is yet to be spent: the end of the month, and how long limits last. Money is pico-USD, time Unix seconds."""

from collections.abc import Iterable, Iterator, Mapping
from math import isqrt

import msgspec

from gateway.core.budget import EVERYTHING, Limit, Window, window_at
from gateway.core.day import SECONDS, weekday_of
from gateway.core.spender import Spender

HISTORY_DAYS = 56
"""How many whole days before today are looked at."""

HOUR = 3600
_WEEKDAYS_FROM = 14
_RECENT = 7
_SPREAD = 128
"""A range holds four of five outcomes, if days vary as they did: 1.28 standard deviations, in hundredths."""

BY_WEEKDAY = "mean of each weekday over the last 8 weeks"
RECENT = "mean of the last 7 days with spending"
TODAY = "today so far"
NOTHING = "no spending yet"

Hours = Mapping[int, int]
"""Pico-USD by the start of the hour."""


def history_from(now: float) -> int:
    """From when on spending is looked at (Unix seconds): the beginning of a day, as only whole days can be compared."""
    return (int(now // SECONDS) - HISTORY_DAYS) * SECONDS


class Pace(msgspec.Struct, frozen=True):
    """What a day costs: expected for each weekday, and the variance of one day (pico-USD squared), None: too few days
    to tell. `method` says what it is based on."""

    method: str
    weekdays: tuple[int, ...]
    variance: int | None

    def between(self, start: float, end: float) -> int:
        """What is expected from one moment to another; within a day it is spread evenly."""
        return sum(
            self.weekdays[weekday_of(day)] * round(min(end, (day + 1) * SECONDS) - max(start, day * SECONDS)) // SECONDS
            for day in range(int(start // SECONDS), -(int(-end // SECONDS)))
        )


def pace(hours: Hours, now: float) -> Pace:
    """The pace of spending so far. With two weeks of history weekdays count apart, and a day without spending counts;
    before that it is the mean of the last 7 days that had any. Today counts only where there is no other day."""
    today = int(now // SECONDS)
    days: dict[int, int] = {}
    for hour, spent in hours.items():
        days[hour // SECONDS] = days.get(hour // SECONDS, 0) + spent
    whole = {day: spent for day, spent in days.items() if today - HISTORY_DAYS <= day < today}
    if not whole:
        so_far = days.get(today, 0)
        elapsed = max(HOUR, round(now) - today * SECONDS)
        return Pace(TODAY if so_far else NOTHING, (so_far * SECONDS // elapsed,) * 7, None)
    first = min(whole)
    if today - first >= _WEEKDAYS_FROM:
        samples = [[whole.get(day, 0) for day in range(first, today) if weekday_of(day) == each] for each in range(7)]
        expected = tuple(sum(of_weekday) // len(of_weekday) for of_weekday in samples)
        spread = [(spent - mean) ** 2 for mean, of in zip(expected, samples, strict=True) for spent in of]
        return Pace(BY_WEEKDAY, expected, sum(spread) // (len(spread) - 7))
    recent = [whole[day] for day in sorted(whole)[-_RECENT:]]
    mean = sum(recent) // len(recent)
    variance = sum((spent - mean) ** 2 for spent in recent) // (len(recent) - 1) if len(recent) > 2 else None
    return Pace(RECENT, (mean,) * 7, variance)


class Projection(msgspec.Struct, frozen=True):
    """What a window holds so far, and at its end: expected, and within a range that four of five outcomes fall in;
    None: there are too few days to tell."""

    window: Window
    spent_pico_usd: int
    end_pico_usd: int
    low_pico_usd: int | None
    high_pico_usd: int | None
    method: str


def projection(hours: Hours, window: str, now: float) -> Projection:
    """A calendar window at its end."""
    at, found = window_at(window, now), pace(hours, now)
    spent = sum(cost for hour, cost in hours.items() if at.start <= hour < at.end)
    end = spent + found.between(now, at.end)
    if found.variance is None:
        return Projection(at, spent, end, None, None, found.method)
    spread = isqrt(found.variance * round(at.end - now) // SECONDS) * _SPREAD // 100
    return Projection(at, spent, end, max(spent, end - spread), end + spread, found.method)


class Spent(msgspec.Struct, frozen=True):
    """What one spender spent in an hour. `spender` has a value for every dimension that a limit asks for."""

    spender: Spender
    hour: int
    pico_usd: int


class Outlook(msgspec.Struct, frozen=True):
    """How one account of a limit stands. `value` is whose account it is, `ceiling_pico_usd` None: it has none yet.

    `end_pico_usd` is expected at the end of the window, of a rolling one a window's length from now. `runway_days` is
    when the limit is used up, None: not before that. A share of spending has no runway: others' spending raises it.
    """

    limit: Limit
    value: str
    spent_pico_usd: int
    ceiling_pico_usd: int | None
    resets: float
    end_pico_usd: int
    runway_days: float | None

    @property
    def resets_at_once(self) -> bool:
        """Whether the window is of the calendar: a rolling one never ends as a whole."""
        return not _rolls(self.limit.terms.window, self.resets)

    @property
    def used(self) -> float:
        """The part of the ceiling that is spent: 1.0 is all of it."""
        if self.ceiling_pico_usd is None:
            return 0.0
        return self.spent_pico_usd / self.ceiling_pico_usd if self.ceiling_pico_usd else 1.0


def outlooks(limits: Iterable[Limit], spent: Iterable[Spent], now: float) -> tuple[Outlook, ...]:
    """How every account of every limit stands, those most used first. What was spent is counted by whole hours, so a
    rolling window may hold up to an hour more than the limit itself counts."""
    rows = list(spent)
    found: list[Outlook] = []
    for limit in limits:
        accounts: dict[str, dict[int, int]] = {}
        for row in rows:
            if (value := limit.value(row.spender)) is not None:
                hours = accounts.setdefault(value, {})
                hours[row.hour] = hours.get(row.hour, 0) + row.pico_usd
        window = window_at(limit.terms.window, now)
        everyone = sum(_within(hours, window.start) for hours in accounts.values())
        if limit.terms.per == "organisation":
            accounts.setdefault(EVERYTHING, {})
        found += [_outlook(limit, value, hours, everyone, now) for value, hours in accounts.items()]
    return tuple(sorted(found, key=lambda each: (-each.used, each.limit.id, each.value)))


def runways(limits: Iterable[Limit], spent: Iterable[Spent], now: float) -> Iterator[Outlook]:
    """As `outlooks`, of the limits that are amounts: a share has no runway. For many limits: each is asked about those
    only whom it concerns."""
    rows = list(spent)
    known: dict[tuple[str, bool], dict[str, list[Spent]]] = {}
    for limit in limits:
        terms = limit.terms
        if terms.pico_usd is None:
            continue
        key = terms.per, bool(limit.project)
        if key not in known:
            known[key] = _by_value(rows, *key)
        accounts = known[key]
        concerned = accounts.get(limit.whose, []) if limit.whose else [row for of in accounts.values() for row in of]
        yield from outlooks([limit], concerned, now)


def _by_value(rows: Iterable[Spent], per: str, by_project: bool) -> dict[str, list[Spent]]:
    """What each value of a dimension spent, with everything else added up but, if it matters, the project."""
    names = ({per} - {"organisation"}) | ({"project"} if by_project else set())
    sums: dict[tuple[tuple[str, ...], int], int] = {}
    order = sorted(names)
    for row in rows:
        key = tuple([getattr(row.spender, name) for name in order]), row.hour
        sums[key] = sums.get(key, 0) + row.pico_usd
    found: dict[str, list[Spent]] = {}
    for (values, hour), pico_usd in sums.items():
        named = dict(zip(order, values, strict=True))
        found.setdefault(named.get(per, EVERYTHING), []).append(Spent(Spender(**named), hour, pico_usd))
    return found


def _rolls(window: str, end: float) -> bool:
    """Whether a window slides: then the next one begins before this one ends."""
    return window_at(window, end).start != end


def _within(hours: Hours, start: float) -> int:
    return sum(cost for hour, cost in hours.items() if hour + HOUR > start)


def _outlook(limit: Limit, value: str, hours: Hours, everyone: int, now: float) -> Outlook:
    terms = limit.terms
    window, expected = window_at(terms.window, now), pace(hours, now)
    spent = _within(hours, window.start)
    rolls = _rolls(terms.window, window.end)
    end = expected.between(now, window.end) + (0 if rolls else spent)
    ceiling, runway = terms.pico_usd, None
    if ceiling is None:
        ceiling = int((terms.share or 0.0) * everyone) if everyone >= terms.minimum_pico_usd else None
    else:
        runway = _runway(hours, window, expected, ceiling, now, rolls=rolls)
    return Outlook(limit, value, spent, ceiling, window.end, end, runway)


def _runway(hours: Hours, window: Window, expected: Pace, ceiling: int, now: float, *, rolls: bool) -> float | None:
    """Days until a ceiling is reached at the pace, hour by hour; what leaves a rolling window is room again."""
    spent, start, at = _within(hours, window.start), window.start, now
    if not rolls and spent + expected.between(now, window.end) < ceiling:
        return None  # hour by hour it is no more than that
    leaving = sorted(hour for hour in hours if hour + HOUR > start)
    while spent < ceiling:
        if at >= window.end:
            return None
        step = min(float(HOUR), window.end - at)
        at += step
        spent += expected.between(at - step, at)
        while rolls and leaving and leaving[0] + HOUR <= start + (at - now):
            spent -= hours[leaving.pop(0)]
    return (at - now) / SECONDS
