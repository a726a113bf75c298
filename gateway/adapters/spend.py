"""Questions to the ledger about what was spent. Reads only, from any process."""

import time
from collections.abc import Mapping, Sequence

import msgspec

from gateway.adapters.books import Books, calls
from gateway.adapters.ledger_rows import MILLION, SUMS
from gateway.core.usage import BUCKETS

BY = {
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
    "hour": "time",
    "day": "time",
    "week": "time",
    "month": "time",
}
"""What spend can be broken down by, and the ledger column behind it. A model is the catalog's name of it. Calls that
were folded have no request any more. Times are UTC."""

_TIMES = {
    "hour": (3600, "%Y-%m-%dT%H:00Z"),
    "day": (86_400, "%Y-%m-%d"),
    "week": (86_400, "%G-W%V"),
    "month": (86_400, "%Y-%m"),
}
"""How finely SQL has to tell times apart, and how they are shown."""


class Line(msgspec.Struct, frozen=True):
    """One line of a breakdown. Costs are pico-USD; `estimated` is what nobody reported, `uncertain` the part of it
    that is an upper bound. A request is counted where it was sent first, a call where it went."""

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


_FIGURES = Line.__struct_fields__[1:]
_COUNTS = tuple(name for name in _FIGURES if name in SUMS)
_COSTS = ("cost", "estimated", "uncertain")
_PART = {
    "cost": "{}",
    "estimated": "CASE WHEN usage_source <> 'reported' OR state = 'uncertain' THEN {} ELSE 0 END",
    "uncertain": "CASE WHEN state = 'uncertain' THEN {} ELSE 0 END",
}


def _asked(since: float, until: float | None, where: Mapping[str, str]) -> tuple[list[str], list[object]]:
    """The conditions of a question, and their values."""
    if wrong := [name for name in where if name not in BY or name in _TIMES]:
        raise ValueError(f"cannot choose by {', '.join(wrong)}; known: {', '.join(BY.keys() - _TIMES.keys())}")
    conditions, values = ["time >= ?"], [since]
    if until is not None:
        conditions.append("time < ?")
        values.append(until)
    return [*conditions, *(f"{BY[name]} = ?" for name in where)], [*values, *where.values()]


def breakdown(
    books: Books,
    by: Sequence[str],
    since: float,
    until: float | None = None,
    where: Mapping[str, str] | None = None,
) -> list[Line]:
    """Spend from a time until before another (Unix seconds; None: all there is), by the given dimensions, of what has
    the values of `where`. The dearest comes first; by times, the earliest.

    Calls that were folded count in an interval when their hour begins in it. Raises LedgerUnreadable, and ValueError
    for a dimension that cannot be asked for.
    """
    conditions, values = _asked(since, until, where or {})
    groups = [
        f"{books.whole(f'time / {_TIMES[name][0]}')} * {_TIMES[name][0]}" if name in _TIMES else BY[name] for name in by
    ]
    named = sorted({BY[name] for name in by if name not in _TIMES} | {"usage_source", "state"})
    costs = [f"SUM({_PART[name].format(half)})" for name in _COSTS for half in ("cost_millions", "cost_rest")]
    sums = [*(f"SUM({name})" for name in _COUNTS), *costs]
    rows = books.ask(
        f"SELECT {', '.join([*sums, *groups])} FROM {calls([*named], conditions)} "
        + (
            f"GROUP BY {', '.join(str(len(sums) + at) for at in range(1, len(by) + 1))}"
            if by
            else "HAVING COUNT(*) > 0"
        ),
        [*values, *values],
    )
    found: dict[tuple[str, ...], list[int]] = {}
    for row in rows:
        group = tuple(_shown(name, value) for name, value in zip(by, row[len(sums) :], strict=True))
        counts, halves = row[: len(_COUNTS)], row[len(_COUNTS) : len(sums)]
        figures = [
            *map(int, counts),
            *(int(high) * MILLION + int(low) for high, low in zip(halves[::2], halves[1::2], strict=True)),
        ]
        found[group] = [sum(pair) for pair in zip(found[group], figures, strict=True)] if group in found else figures
    lines = [Line(group, *figures) for group, figures in found.items()]
    chronological = bool(by) and by[0] in _TIMES
    return sorted(lines, key=lambda line: (line.group[0] if chronological else "", -line.cost_pico_usd, line.group))


def _shown(name: str, value: object) -> str:
    return time.strftime(_TIMES[name][1], time.gmtime(float(str(value)))) if name in _TIMES else str(value)


def requests(
    books: Books, since: float, until: float | None = None, where: Mapping[str, str] | None = None
) -> list[RequestLine]:
    """Every request from a time until before another (Unix seconds; None: all there is) whose calls have the values
    of `where`, oldest first; not those that were folded. Raises as `breakdown` does."""
    conditions, values = _asked(since, until, where or {})
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
