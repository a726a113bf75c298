"""What a dashboard is made of, as frozen values. `grafana.py` says them in Grafana's words."""

from typing import Literal

import msgspec

Kind = Literal["timeseries", "bars", "stat", "table", "bargauge", "piechart", "state-timeline"]
"""Grafana's, but for `bars`: how often rare things happened, a stacked bar for each `BUCKET` or more."""
Cell = Literal["plain", "colour", "gauge"]

OK, BAD, WARN, QUIET, NEUTRAL = "green", "red", "orange", "text", "blue"

COUNT, USD = "locale", "prefix:$"
"""Units of what is counted or billed: every digit is shown."""
USD_AXIS = "currencyUSD"
"""The unit beside an axis, where `$6K` is enough."""
BUCKET = "5m"
"""What a bar counts at least. A long range has fewer, wider bars."""

Steps = tuple[tuple[float, str], ...]
"""From which value on a thing has which colour; the first holds for everything below, too."""
MUST_BE_ZERO: Steps = ((0, OK), (1e-9, BAD))
"""0 is green, everything else is red."""
PLAIN: Steps = ((0, NEUTRAL),)


class Query(msgspec.Struct, frozen=True):
    """One query. `legend` names its series (`{{label}}` stands for a value); `now`: at the end of the range only."""

    expr: str
    legend: str = ""
    now: bool = False


class Shown(msgspec.Struct, frozen=True):
    """What is shown in place of the values from `low` to `high`."""

    low: float
    high: float
    text: str
    colour: str


class Missing(msgspec.Struct, frozen=True):
    """What is shown where there is no value."""

    text: str
    colour: str


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a table: the label it shows, or `Value` (`Value #B` for the second of several queries)."""

    field: str
    title: str
    unit: str = ""
    cell: Cell = "plain"
    steps: Steps = PLAIN
    decimals: int | None = None
    shown: tuple[Shown | Missing, ...] = ()
    width: int | None = None
    """Pixels; None: as there is room."""


class Matrix(msgspec.Struct, frozen=True):
    """A table with a row for each value of one label and a column for each of another."""

    row: str
    column: str


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One panel. `says` is what it shows, `do` what follows from it; `unit` is Grafana's word for a unit.

    `lines` are legends that are drawn as dashed lines beside what is stacked. `sort` are titles of columns, the first
    counts most; the greatest value comes first, or with `ascending` the least. `interval` is the least `$__interval`.
    `signed`: values below 0 are ordinary, so no axis need begin there. `names` of bars and `legend` of lines say where
    they stand. `empty` is shown where there is nothing at all. `width` is of 24, `height` in Grafana's rows of 30
    pixels.
    """

    title: str
    says: str
    do: str
    kind: Kind
    unit: str
    queries: tuple[Query, ...]
    width: int = 12
    height: int = 8
    steps: Steps = PLAIN
    shown: tuple[Shown, ...] = ()
    decimals: int | None = None
    most: float | None = None
    stacked: Literal["none", "normal", "percent"] = "none"
    lines: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    matrix: Matrix | None = None
    sort: tuple[str, ...] = ()
    ascending: bool = False
    interval: str = ""
    signed: bool = False
    names: Literal["left", "top"] = "left"
    legend: Literal["bottom", "right"] = "bottom"
    empty: str = ""


class Row(msgspec.Struct, frozen=True):
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader may choose: values of a label. `several`: any number of them, and all at first."""

    name: str
    label: str
    query: str
    several: bool = True


class Dashboard(msgspec.Struct, frozen=True, kw_only=True):
    """One dashboard. `uid` never changes: links lead to it. `since` is where its range begins."""

    uid: str
    file: str
    title: str
    says: str
    since: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]


INSTANCE = Variable(name="instance", label="Replica", query="label_values(gateway_inflight_requests, instance)")
TEAM = Variable(name="team", label="Team", query="label_values(gateway_requests_total, team)")
MODEL = Variable(name="model", label="Model", query="label_values(gateway_model_info, model)")


def must_be_zero(
    title: str, says: str, do: str, expr: str, *, unit: str = COUNT, width: int = 4, height: int = 4
) -> Panel:
    """A number that is green while it is 0 and red ever after. `expr` gives 0 where there is nothing."""
    return Panel(
        title=title,
        says=says,
        do=do,
        kind="stat",
        unit=unit,
        queries=(Query(expr, title, now=True),),
        width=width,
        height=height,
        steps=MUST_BE_ZERO,
        decimals=0 if unit == COUNT else 4,
    )
