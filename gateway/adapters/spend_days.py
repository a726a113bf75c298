"""More questions to the ledger: within a period, filtered, by time, and call by call. Reads only, from any process."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from gateway.adapters.spend import BY, Line, RequestLine
from gateway.core.budget import utc, window_at
from gateway.core.forecast import HOUR, Spent
from gateway.core.price import usd
from gateway.core.reconcile import Ours
from gateway.core.savings import Called
from gateway.core.usage import BUCKETS, READ, Usage

PERIODS = {
    "hour": "strftime('%Y-%m-%d %H:00', time, 'unixepoch')",
    "day": "strftime('%Y-%m-%d', time, 'unixepoch')",
    "week": "date(time, 'unixepoch', '-6 days', 'weekday 1')",
    "month": "strftime('%Y-%m', time, 'unixepoch')",
}
"""Periods that spend can be broken down by (UTC). A week is named by its Monday."""

DIMENSIONS = {**BY, **PERIODS}
"""Everything that spend can be broken down by and filtered on, and the SQL behind it."""

_SPLIT = 10**6
"""Costs are summed in two halves, so that a sum never leaves SQLite's 64 bits."""

_ESTIMATED = "CASE WHEN usage_source != 'reported' OR state = 'uncertain' THEN cost_pico_usd ELSE 0 END"
_UNCERTAIN = "CASE WHEN state = 'uncertain' THEN cost_pico_usd ELSE 0 END"
_CORRECTED = "CASE WHEN state = 'corrected' THEN cost_pico_usd ELSE 0 END"
_SERVED = "state != 'released' AND outcome NOT IN ('', 'failed', 'crashed')"
"""Of which calls a client got the answer, or a part of it."""


class Asked(msgspec.Struct, frozen=True):
    """Which part of the ledger is meant: from `since` on and before `until` (Unix seconds), and of the given values.
    Of one dimension any value will do, of several all must."""

    since: float
    until: float = inf
    where: tuple[tuple[str, str], ...] = ()

    def sql(self) -> tuple[str, list[object]]:
        """The condition, and what stands for its question marks."""
        wanted: dict[str, list[str]] = {}
        for name, value in self.where:
            wanted.setdefault(name, []).append(value)
        terms, values = ["time >= ?"], [self.since]
        if self.until != inf:
            terms.append("time < ?")
            values.append(self.until)
        terms += [f"{DIMENSIONS[name]} IN ({', '.join('?' * len(any_of))})" for name, any_of in wanted.items()]
        return " AND ".join(terms), [*values, *(value for any_of in wanted.values() for value in any_of)]


def breakdown(directory: Path, by: Sequence[str], asked: Asked) -> list[Line]:
    """Spend by the given dimensions, dearest first; by a period first of all: in its order."""
    group = ", ".join(DIMENSIONS[name] for name in by)
    figures = ", ".join(f"SUM({name})" for name in BUCKETS)
    # a correction is no call
    found = _rows(
        directory,
        f"SELECT COUNT(DISTINCT CASE WHEN state != 'corrected' THEN request_id END), SUM(state != 'corrected'), "
        f"{figures}, {_sum('cost_pico_usd')}, {_sum(_ESTIMATED)}, {_sum(_UNCERTAIN)}{', ' if group else ''}{group}",
        asked,
        f"GROUP BY {group}" if group else "HAVING COUNT(*) > 0",
    )
    fields = Line.__struct_fields__[1 : 3 + len(BUCKETS)]
    lines = []
    for row in found:
        counts, costs, values = row[: len(fields)], row[len(fields) : len(fields) + 6], row[len(fields) + 6 :]
        cost, estimated, uncertain = _whole(costs)
        lines.append(
            Line(
                tuple(map(str, values)),
                **dict(zip(fields, counts, strict=True)),
                cost_pico_usd=cost,
                estimated_pico_usd=estimated,
                uncertain_pico_usd=uncertain,
            )
        )
    in_time = bool(by) and by[0] in PERIODS
    return sorted(lines, key=lambda line: ("" if not in_time else line.group[0], -line.cost_pico_usd, line.group))


def requests(directory: Path, asked: Asked) -> list[RequestLine]:
    """Every request, oldest first."""
    lines: dict[str, RequestLine] = {}
    columns = [BY.get(name, name) for name in RequestLine.__struct_fields__ if name != "calls"]
    for row in _rows(directory, f"SELECT {', '.join(columns)}", asked, "ORDER BY time, request_id, hop"):
        values = dict(zip((name for name in RequestLine.__struct_fields__ if name != "calls"), row, strict=True))
        line = msgspec.convert({**values, "calls": 1}, RequestLine)
        if before := lines.get(line.request_id):
            summed = {
                name: getattr(line, name) + getattr(before, name) for name in (*BUCKETS, "cost_pico_usd", "calls")
            }
            line = msgspec.structs.replace(line, **summed)
        lines[line.request_id] = line
    return list(lines.values())


def calls(directory: Path, by: Sequence[str], asked: Asked) -> Iterator[Called]:
    """Every upstream call, those of a request one after the other. Corrections are no calls."""
    group = [DIMENSIONS[name] for name in by]
    columns = ["request_id", "requested", _SERVED, "cost_pico_usd", "usage_source", *BUCKETS, *group]
    end = "AND state != 'corrected' ORDER BY request_id, hop"
    for row in _rows(directory, f"SELECT {', '.join(columns)}", asked, end):
        id, requested, served, cost, source = row[:5]
        counts, values = row[5 : 5 + len(BUCKETS)], row[5 + len(BUCKETS) :]
        usage = Usage(**dict(zip(BUCKETS, counts, strict=True)), source=source)
        yield Called(id, tuple(map(str, values)), requested, bool(served), usage, cost)


def hourly(directory: Path, per: Collection[str], since: float) -> list[Spent]:
    """What spenders spent in each hour since a moment (Unix seconds), by the dimensions that tell them apart."""
    names = sorted(per)
    hour = f"CAST(time / {HOUR} AS INTEGER) * {HOUR}"
    columns = "".join(f", {BY[name]}" for name in names)
    found = _rows(
        directory, f"SELECT {_sum('cost_pico_usd')}, {hour}{columns}", Asked(since), f"GROUP BY {hour}{columns}"
    )
    return [Spent(dict(zip(names, row[3:], strict=True)), row[2], _whole(row[:2])[0]) for row in found]


def billed(directory: Path, provider: str, first: int, last: int) -> list[Ours]:
    """What the ledger holds of a provider for each model (by its wire name) and day, on days since 1970."""
    day = "CAST(time / 86400 AS INTEGER)"
    tokens = f"SUM({' + '.join(BUCKETS)})"
    found = _rows(
        directory,
        f"SELECT {day}, model, {tokens}, {_sum('cost_pico_usd')}, {_sum(_ESTIMATED)}, {_sum(_UNCERTAIN)}, "
        f"{_sum(_CORRECTED)}, {_only('backend')}, {_only('zone')}",
        Asked(first * 86_400.0, (last + 1) * 86_400.0, (("provider", provider),)),
        f"GROUP BY {day}, model",
    )
    lines = []
    for row in found:
        cost, estimated, uncertain, corrected = _whole(row[3:11])
        lines.append(Ours(row[0], row[1], row[2], cost, estimated, uncertain, corrected, row[11] or "", row[12] or ""))
    return lines


def spent_by(directory: Path, key: str, moment: float) -> dict[str, object]:
    """What one key (its id) has spent today and this month, up to a moment: values that can be JSON."""
    told: dict[str, object] = {}
    for window in ("day", "month"):
        start = window_at(window, moment).start
        lines = breakdown(directory, ["model"], Asked(start, where=(("key", key),)))
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


def _sum(expression: str) -> str:
    return f"SUM(({expression}) / {_SPLIT}), SUM(({expression}) % {_SPLIT})"


def _only(column: str) -> str:
    """The one value that calls have, else nothing."""
    of_calls = f"CASE WHEN state != 'corrected' THEN {column} END"
    return f"CASE WHEN MIN({of_calls}) = MAX({of_calls}) THEN MIN({of_calls}) END"


def _whole(halves: Sequence[int]) -> list[int]:
    return [high * _SPLIT + low for high, low in zip(halves[::2], halves[1::2], strict=True)]


def _rows(directory: Path, select: str, asked: Asked, end: str) -> Iterator[tuple[Any, ...]]:
    path = directory / "ledger.sqlite"
    if not path.exists():
        return
    condition, values = asked.sql()
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)) as db:
        yield from db.execute(f"{select} FROM entries WHERE {condition} {end}", values)
