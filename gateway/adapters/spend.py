"""Questions to the ledger about what was spent. Reads only, from any process."""

import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec

from gateway.adapters.books import Books, calls
from gateway.adapters.ledger_rows import HOUR, MILLION, SUMS
from gateway.core.booked import Booked
from gateway.core.budget import utc, window_at
from gateway.core.forecast import Spent
from gateway.core.price import usd
from gateway.core.reconcile import Ours
from gateway.core.savings import Called
from gateway.core.spender import Spender
from gateway.core.usage import BUCKETS, READ, Usage

_DAY = 86_400

DIMENSIONS = {
    "team": "team",
    "app": "app",
    "key": "key",
    "project": "project",
    "purpose": "purpose",
    "model": "backend",
    "provider": "provider",
    "zone": "zone",
    "sensitivity": "sensitivity",
    "requested": "requested",
    "service": "service",
    "price": "price_version",
    "state": "state",
    "counted": "usage_source",
    "request": "request_id",
}
"""What spend can be broken down by and chosen by, and the ledger column behind it. A model is the catalog's name of it.
Calls that were folded have no request any more."""

PERIODS = {
    "hour": (HOUR, "%Y-%m-%d %H:00"),
    "day": (_DAY, "%Y-%m-%d"),
    "week": (_DAY, "%Y-%m-%d"),
    "month": (_DAY, "%Y-%m"),
}
"""Periods that spend can be broken down by (UTC): how finely SQL has to tell times apart, and how they are shown. A
week is named by its Monday."""

BY = (*DIMENSIONS, *PERIODS)
"""Everything that spend can be broken down by."""


class Asked(msgspec.Struct, frozen=True):
    """Which part of the ledger is meant: from `since` on and before `until` (Unix seconds; None: all there is), and of
    the given values. Of one dimension any value will do, of several all must.

    Calls that were folded count in an interval when their hour begins in it.
    """

    since: float
    until: float | None = None
    where: tuple[tuple[str, str], ...] = ()

    def sql(self, books: Books) -> tuple[list[str], list[object]]:
        """The conditions, and what stands for their question marks. Raises ValueError for what cannot be chosen by, and
        LedgerUnreadable."""
        wanted: dict[str, list[str]] = {}
        for name, value in self.where:
            if name not in DIMENSIONS:
                raise ValueError(f"cannot choose by {name}; known: {', '.join(DIMENSIONS)}")
            wanted.setdefault(name, []).append(value)
        time = books.time(self.since, self.until)
        terms, values = [f"{time} >= ?"], [self.since]
        if self.until is not None:
            terms.append(f"{time} < ?")
            values.append(self.until)
        terms += [f"{DIMENSIONS[name]} IN ({', '.join('?' * len(any_of))})" for name, any_of in wanted.items()]
        return terms, [*values, *(value for any_of in wanted.values() for value in any_of)]


class Line(msgspec.Struct, frozen=True):
    """One line of a breakdown. Costs are pico-USD; `estimated` is what nobody reported, `uncertain` the part of it
    that is an upper bound. A request is counted once, where its last call went. A correction is neither."""

    group: tuple[str, ...]
    requests: int
    calls: int
    input_uncached: int
    cache_read: int
    cache_write: int
    cache_write_long: int
    audio_input: int
    output: int
    reasoning: int
    audio_output: int
    cost_pico_usd: int
    estimated_pico_usd: int
    uncertain_pico_usd: int


class RequestLine(msgspec.Struct, frozen=True):
    """One request: the state of its last call, its tokens and what all its calls cost."""

    request_id: str
    time: float
    state: str
    team: str
    app: str
    key: str
    project: str
    model: str
    provider: str
    zone: str
    sensitivity: str
    input_uncached: int
    cache_read: int
    cache_write: int
    cache_write_long: int
    audio_input: int
    output: int
    reasoning: int
    audio_output: int
    usage_source: str
    cost_pico_usd: int
    calls: int
    outcome: str


_COUNTS = tuple(name for name in Line.__struct_fields__ if name in SUMS)
_PART = {
    "cost": "{}",
    "estimated": "CASE WHEN usage_source <> 'reported' OR state = 'uncertain' THEN {} ELSE 0 END",
    "uncertain": "CASE WHEN state = 'uncertain' THEN {} ELSE 0 END",
    "corrected": "CASE WHEN state = 'corrected' THEN {} ELSE 0 END",
}
_SERVED = "state <> 'released' AND outcome NOT IN ('', 'failed', 'crashed')"
"""Of which calls a client got the answer, or a part of it."""


def breakdown(books: Books, by: Sequence[str], asked: Asked) -> list[Line]:
    """Spend by the given dimensions. The dearest comes first; by a period first of all, the earliest.

    Raises LedgerUnreadable, and ValueError for a dimension that cannot be asked for.
    """
    groups = [_period(books, name) if name in PERIODS else DIMENSIONS[name] for name in by]
    columns = {DIMENSIONS[name] for name in by if name in DIMENSIONS}
    sums = [*(f"SUM({name})" for name in _COUNTS), *_costs("cost", "estimated", "uncertain")]
    found: dict[tuple[str, ...], list[int]] = {}
    for row in _grouped(books, sums, groups, columns, asked):
        group = tuple(_shown(name, value) for name, value in zip(by, row[len(sums) :], strict=True))
        figures = [*map(int, row[: len(_COUNTS)]), *_whole(row[len(_COUNTS) : len(sums)])]
        found[group] = [sum(pair) for pair in zip(found[group], figures, strict=True)] if group in found else figures
    lines = [Line(group, *figures) for group, figures in found.items()]
    chronological = bool(by) and by[0] in PERIODS
    return sorted(lines, key=lambda line: (line.group[0] if chronological else "", -line.cost_pico_usd, line.group))


def requests(books: Books, asked: Asked) -> list[RequestLine]:
    """Every request whose calls are meant, oldest first; not those that were folded. Raises as `breakdown` does."""
    conditions, values = asked.sql(books)
    columns = {name: name for name in RequestLine.__struct_fields__} | {"model": "backend", "calls": "1"}
    found = books.ask(
        f"SELECT {', '.join(columns.values())} FROM entries WHERE {' AND '.join(conditions)} "
        "ORDER BY time, request_id, hop",
        values,
    )
    lines: dict[str, RequestLine] = {}
    for row in found:
        line = RequestLine(*row)
        if before := lines.get(line.request_id):
            summed = {
                name: getattr(line, name) + getattr(before, name) for name in (*BUCKETS, "cost_pico_usd", "calls")
            }
            line = msgspec.structs.replace(line, **summed)
        lines[line.request_id] = line
    return list(lines.values())


def past_calls(books: Books, by: Sequence[str], asked: Asked) -> Iterator[Called]:
    """Every single call, those of a request one after the other; not those that were folded. Corrections are no calls.
    Raises as `breakdown` does."""
    conditions, values = asked.sql(books)
    group = ["time" if name in PERIODS else DIMENSIONS[name] for name in by]
    columns = ["request_id", "requested", f"CASE WHEN {_SERVED} THEN 1 ELSE 0 END", "cost_pico_usd", "usage_source"]
    rows = books.ask(
        f"SELECT {', '.join([*columns, *BUCKETS, *group])} FROM entries WHERE {' AND '.join(conditions)} "
        "AND state <> 'corrected' ORDER BY request_id, hop",
        values,
    )
    for row in rows:
        id, requested, served, cost, source = row[:5]
        usage = Usage(**dict(zip(BUCKETS, row[5 : 5 + len(BUCKETS)], strict=True)), source=source)
        shown = tuple(_shown(name, value) for name, value in zip(by, row[5 + len(BUCKETS) :], strict=True))
        yield Called(id, shown, requested, bool(served), usage, cost)


def hourly(books: Books, per: Collection[str], since: float) -> list[Spent]:
    """What spenders spent in each hour since a moment (Unix seconds), by the dimensions that tell them apart. Raises as
    `breakdown` does."""
    names = sorted(per)
    columns = [DIMENSIONS[name] for name in names]
    rows = _grouped(books, _costs("cost"), [_period(books, "hour"), *columns], columns, Asked(since))
    return [Spent(Spender(**dict(zip(names, row[3:], strict=True))), int(row[2]), _whole(row[:2])[0]) for row in rows]


def booked(books: Books, since: float) -> list[Booked]:
    """What was booked in each hour since a moment (Unix seconds), by where it went. Raises as `breakdown` does."""
    columns = ["backend", "provider", "zone"]
    rows = _grouped(books, _costs("cost", "estimated"), [_period(books, "hour"), *columns], columns, Asked(since))
    return [Booked(int(row[4]), *row[5:], *_whole(row[:4])) for row in rows]


def billed(books: Books, provider: str, first: int, last: int) -> list[Ours]:
    """What the ledger holds of a provider for each model (by its wire name) and day, on days since 1970. Raises as
    `breakdown` does."""
    asked = Asked(float(first * _DAY), float((last + 1) * _DAY), (("provider", provider),))
    tokens = f"SUM({' + '.join(BUCKETS)})"
    sums = [tokens, *_costs("cost", "estimated", "uncertain", "corrected"), _only("backend"), _only("zone")]
    rows = _grouped(books, sums, [_period(books, "day"), "model"], {"model", "backend", "zone"}, asked)
    lines = []
    for row in rows:
        *_, backend, zone, day, model = row
        cost, estimated, uncertain, corrected = _whole(row[1:9])
        of = int(day) // _DAY, model, int(row[0])
        lines.append(Ours(*of, cost, estimated, uncertain, corrected, backend or "", zone or ""))
    return sorted(lines, key=lambda line: (line.day, line.model))


def spent_by(books: Books, key: str, moment: float) -> dict[str, object]:
    """What one key (its id) has spent today and this month, up to a moment: values that can be JSON. Raises as
    `breakdown` does."""
    told: dict[str, object] = {}
    for window in ("day", "month"):
        start = window_at(window, moment).start
        lines = breakdown(books, ["model"], Asked(start, where=(("key", key),)))
        told[window] = {
            "since": utc(start),
            "requests": sum(line.requests for line in lines),
            "tokens_read": sum(getattr(line, name) for line in lines for name in BUCKETS[:READ]),
            "tokens_written": sum(getattr(line, name) for line in lines for name in BUCKETS[READ:]),
            "cost_usd": usd(sum(line.cost_pico_usd for line in lines)),
            "estimated_usd": usd(sum(line.estimated_pico_usd for line in lines)),
            "by_model": [
                {"model": line.group[0], "requests": line.requests, "cost_usd": usd(line.cost_pico_usd)}
                for line in lines
            ],
        }
    return told


def _grouped(
    books: Books, sums: Sequence[str], groups: Sequence[str], columns: Collection[str], asked: Asked
) -> list[tuple[Any, ...]]:
    """The sums, and after them the groups, over single and folded calls."""
    conditions, values = asked.sql(books)
    numbers = ", ".join(str(len(sums) + at) for at in range(1, len(groups) + 1))
    return books.ask(
        f"SELECT {', '.join([*sums, *groups])} FROM {calls(sorted({*columns, 'usage_source', 'state'}), conditions)} "
        + (f"GROUP BY {numbers}" if groups else "HAVING COUNT(*) > 0"),
        [*values, *values],
    )


def _period(books: Books, name: str) -> str:
    seconds = PERIODS[name][0]
    return f"{books.whole(f'time / {seconds}')} * {seconds}"


def _shown(name: str, value: object) -> str:
    if name not in PERIODS:
        return str(value)
    moment = float(str(value))
    if name == "week":
        moment = window_at("week", moment).start
    return time.strftime(PERIODS[name][1], time.gmtime(moment))


def _costs(*parts: str) -> list[str]:
    """Two sums for each part of the costs: their millions, and what is left of them."""
    return [f"SUM({_PART[part].format(half)})" for part in parts for half in ("cost_millions", "cost_rest")]


def _only(column: str) -> str:
    """The one value that calls have, else nothing."""
    of_calls = f"CASE WHEN state <> 'corrected' THEN {column} END"
    return f"CASE WHEN MIN({of_calls}) = MAX({of_calls}) THEN MIN({of_calls}) END"


def _whole(halves: Sequence[Any]) -> list[int]:
    return [int(high) * MILLION + int(low) for high, low in zip(halves[::2], halves[1::2], strict=True)]
