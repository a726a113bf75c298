"""A replay of past traffic, put into words for a review: as text, as markdown, as data."""

from collections.abc import Iterator

import msgspec

from gateway.core.price import PICO_PER_USD
from gateway.core.steering import plain
from gateway.review.replay import Replay, Turned
from gateway.review.words import code, escaped, row, shown

_MOST_ROWS = 20
_MOST_RULES = 3
_DECIMALS = 4
_UNIT = PICO_PER_USD // 10**_DECIMALS


class _Table(msgspec.Struct, frozen=True):
    """Rows with a title. `detail`: it is folded where that can be."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    detail: bool = False


def text(found: Replay, old: str, new: str, since: str) -> str:
    """The replay for a terminal; `old` and `new` are what to call the sides, `since` how far back it goes."""
    lines = [_verdict(found), f"{found.requests} requests of the last {since}, from {old} to {new}", *_remarks(found)]
    for table in _tables(found):
        lines += ["", table.title, *shown(_aligned(table), _MOST_ROWS + 1)]
    return "\n".join(map(plain, lines))


def markdown(found: Replay, old: str, new: str, since: str) -> str:
    """The replay for a pull request: the verdict, what turns and what it costs; the rest folded."""
    lines = [f"### Replay: {escaped(_verdict(found))}", ""]
    lines.append(f"{found.requests} requests of the last {escaped(since)}, from {code(old)} to {code(new)}.")
    lines += [f"{escaped(each)}." for each in _remarks(found)]
    for table in _tables(found):
        body = [row(map(escaped, table.head)), row("---:" if _number(cell) else "---" for cell in table.rows[0])]
        body += [row(map(escaped, cells)) for cells in table.rows[:_MOST_ROWS]]
        if (more := len(table.rows) - _MOST_ROWS) > 0:
            body += ["", f"and {more} more"]
        if table.detail:
            lines += ["", f"<details><summary>{table.title.capitalize()}</summary>", "", *body, "", "</details>"]
        else:
            lines += ["", f"#### {table.title.capitalize()}", "", *body]
    return "\n".join(lines)


def data(found: Replay, old: str, new: str) -> dict[str, object]:
    """All of the replay, for programs. Amounts are pico-USD, moments Unix seconds."""
    totals = ("newly_denied", "newly_allowed", "rerouted", "delta_pico_usd")
    return {"old": old, "new": new, **{name: getattr(found, name) for name in totals}, **msgspec.to_builtins(found)}


def _verdict(found: Replay) -> str:
    if not found.requests:
        return "no traffic to replay"
    return (
        f"{found.newly_denied} newly denied, {found.newly_allowed} newly allowed, {found.rerouted} rerouted, "
        f"{_signed(found.delta_pico_usd)} USD expected"
    )


def _remarks(found: Replay) -> list[str]:
    if not found.unlike:
        return []
    return [f"{found.unlike} of them went elsewhere at the time: another policy was in force, or a backend was down"]


def _tables(found: Replay) -> list[_Table]:
    turned = ("requests", "team", "key", "model", "rules", "example")
    money = ("before, USD", "after, USD", "difference")
    tables = [
        _Table("newly denied", turned, [_turned(each) for each in found.denied]),
        _Table("newly allowed", turned, [_turned(each) for each in found.allowed]),
        _Table(
            "expected cost per team",
            ("team", "requests", *money, "booked, USD"),
            [
                (
                    each.team,
                    str(each.requests),
                    *_change(each.before_pico_usd, each.after_pico_usd),
                    _usd(each.booked_pico_usd),
                )
                for each in found.costs
            ],
        ),
        _Table(
            "sent to another backend first",
            ("before", "after", "requests", *money, "example"),
            [
                (
                    each.before,
                    each.after,
                    str(each.requests),
                    *_change(each.before_pico_usd, each.after_pico_usd),
                    each.example,
                )
                for each in found.moved
            ],
            detail=True,
        ),
        _Table(
            "which data goes where first",
            ("label", "operator", "weights", "zone", "before", "after", "difference"),
            [
                (
                    each.sensitivity,
                    each.operator_origin,
                    each.weights_origin,
                    each.zone,
                    str(each.before),
                    str(each.after),
                    f"{each.after - each.before:+}",
                )
                for each in found.flows
            ],
            detail=True,
        ),
    ]
    return [table for table in tables if table.rows]


def _turned(each: Turned) -> tuple[str, ...]:
    return str(each.requests), each.team, each.key, each.model, ", ".join(shown(each.why, _MOST_RULES)), each.example


def _change(before: int, after: int) -> tuple[str, str, str]:
    return _usd(before), _usd(after), _signed(after - before)


def _usd(pico: int) -> str:
    """USD, rounded."""
    return f"{round(pico / _UNIT) / 10**_DECIMALS:.{_DECIMALS}f}"


def _signed(pico: int) -> str:
    return f"+{_usd(pico)}" if pico >= 0 else _usd(pico)


def _number(cell: str) -> bool:
    return cell.lstrip("+-")[:1].isdigit()


def _aligned(table: _Table) -> Iterator[str]:
    """The rows as columns, figures to the right."""
    rows = [table.head, *table.rows]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(table.head))]
    right = [_number(cell) for cell in table.rows[0]]
    for cells in rows:
        fitted = (
            cell.rjust(width) if figure else cell.ljust(width)
            for cell, width, figure in zip(cells, widths, right, strict=True)
        )
        yield f"  {'  '.join(fitted)}".rstrip()
