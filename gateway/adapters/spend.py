"""Questions to the ledger. Reads only, from any process."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

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
    "request": "request_id",
}
"""What spend can be broken down by, and the ledger column behind it. A model is the catalog's name of it."""

_SPLIT = 10**6
"""Costs are summed in two halves, so that a sum never leaves SQLite's 64 bits."""


class Line(msgspec.Struct, frozen=True):
    """One line of a breakdown. Costs are pico-USD; `estimated` is what nobody reported, `uncertain` the part of it
    that is an upper bound."""

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


def _connect(directory: Path) -> sqlite3.Connection | None:
    path = directory / "ledger.sqlite"
    if not path.exists():
        return None
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)


def _sum(expression: str) -> str:
    return f"SUM(({expression}) / {_SPLIT}), SUM(({expression}) % {_SPLIT})"


def breakdown(directory: Path, by: Sequence[str], since: float) -> list[Line]:
    """Spend since a time (Unix seconds), by the given dimensions, dearest first."""
    if (db := _connect(directory)) is None:
        return []
    columns = [BY[name] for name in by]
    group = ", ".join(columns)
    estimated = "CASE WHEN usage_source != 'reported' OR state = 'uncertain' THEN cost_pico_usd ELSE 0 END"
    uncertain = "CASE WHEN state = 'uncertain' THEN cost_pico_usd ELSE 0 END"
    found = db.execute(
        f"SELECT COUNT(DISTINCT request_id), COUNT(*), {', '.join(f'SUM({name})' for name in BUCKETS)}, "
        f"{_sum('cost_pico_usd')}, {_sum(estimated)}, {_sum(uncertain)}{', ' if group else ''}{group} "
        f"FROM entries WHERE time >= ? {f'GROUP BY {group}' if group else 'HAVING COUNT(*) > 0'}",
        (since,),
    ).fetchall()
    db.close()
    fields = Line.__struct_fields__[1 : 3 + len(BUCKETS)]
    lines = []
    for row in found:
        counts, costs, group = row[: len(fields)], row[len(fields) : len(fields) + 6], row[len(fields) + 6 :]
        cost, estimated, uncertain = (high * _SPLIT + low for high, low in zip(costs[::2], costs[1::2], strict=True))
        lines.append(
            Line(
                tuple(map(str, group)),
                **dict(zip(fields, counts, strict=True)),
                cost_pico_usd=cost,
                estimated_pico_usd=estimated,
                uncertain_pico_usd=uncertain,
            )
        )
    return sorted(lines, key=lambda line: (-line.cost_pico_usd, line.group))


def requests(directory: Path, since: float) -> list[RequestLine]:
    """Every request since a time (Unix seconds), oldest first."""
    if (db := _connect(directory)) is None:
        return []
    db.row_factory = sqlite3.Row
    found = db.execute(
        "SELECT request_id, time, state, team, app, key, project, backend AS model, provider, zone, sensitivity, "
        f"{', '.join(BUCKETS)}, usage_source, cost_pico_usd, 1 AS calls, outcome FROM entries WHERE time >= ? "
        "ORDER BY time, request_id, hop",
        (since,),
    )
    lines: dict[str, RequestLine] = {}
    for row in found:
        line = msgspec.convert(dict(row), RequestLine)
        if before := lines.get(line.request_id):
            summed = {
                name: getattr(line, name) + getattr(before, name) for name in (*BUCKETS, "cost_pico_usd", "calls")
            }
            line = msgspec.structs.replace(line, **summed)
        lines[line.request_id] = line
    db.close()
    return list(lines.values())
