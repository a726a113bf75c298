"""What the commands share: settings, output, and how they fail."""

import contextlib
import csv
import io
import re
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer

from gateway.adapters import state, stores
from gateway.adapters.audit import Unfinished, whoever
from gateway.adapters.books import Books
from gateway.adapters.tables import Tables
from gateway.core.day import SECONDS, day_of
from gateway.core.steering import escaped, plain
from gateway.settings import BadSettings, Settings, load


class Format(StrEnum):
    """How a command prints its result."""

    table = "table"
    json = "json"
    csv = "csv"


_NUMBER = re.compile(r"-?\d+(?:\.\d+)?\Z", re.ASCII)
_SPAN = re.compile(r"(\d{1,6})([mhdw])\Z")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}

StateDir = Annotated[Path | None, typer.Option("--state-dir", help="Keys and ledger (GATEWAY_STATE_DIR).")]
Policies = Annotated[Path | None, typer.Option("--policies", help="The policy tree (GATEWAY_POLICIES).")]


def cannot_run(message: str) -> NoReturn:
    """Ends the command with exit code 2."""
    typer.echo(message, err=True)
    raise typer.Exit(2)


def moment_of(since: str) -> float:
    """The moment (Unix seconds) that lies a written span ago: 90m, 24h, 30d, 8w. Exits with 2 for anything else."""
    if (moment := _ago(since)) is None:
        cannot_run(f"cannot read --since {since}; write a number and m, h, d or w, for example 30d")
    return moment


def moment_at(written: str, option: str, *, through: bool = False) -> float:
    """The moment (Unix seconds) that is a written span ago, or where a written date begins (UTC); `through`: where it
    ends. Exits with 2 for anything else, and names the option."""
    if (moment := _ago(written)) is not None:
        return moment
    try:
        return float((day_of(written) + through) * SECONDS)
    except ValueError:
        cannot_run(f"cannot read {option} {written}; write a date as 2026-11-30, or a number and m, h, d or w: 30d")


def end_at(written: str, option: str) -> float:
    """The moment (Unix seconds) that a written span is ahead, or where a written date ends (UTC). Exits with 2 for
    anything else, and for what is over."""
    if (seconds := _span(written)) is not None:
        return time.time() + seconds
    end = moment_at(written, option, through=True)
    if end <= time.time():
        cannot_run(f"{option} {written} is over; write a date to come, or a span: 30d")
    return end


def span_of(written: str, option: str) -> float:
    """The seconds of a written span; 0 may be written without a unit. Exits with 2 for anything else."""
    seconds = 0 if written == "0" else _span(written)
    if seconds is None:
        cannot_run(f"cannot read {option} {written}; write a number and m, h, d or w, for example 24h")
    return seconds


def _span(written: str) -> int | None:
    span = _SPAN.match(written)
    return int(span[1]) * _SECONDS[span[2]] if span else None


def _ago(written: str) -> float | None:
    seconds = _span(written)
    return None if seconds is None else time.time() - seconds


@contextlib.contextmanager
def noting() -> Iterator[None]:
    """Around an act that is noted in the audit trail: exit code 2 where it cannot be."""
    try:
        yield
    except Unfinished as error:
        cannot_run(f"done, and noted as begun; that it has ended cannot be noted in the audit trail: {error}")
    except OSError as error:
        cannot_run(f"not done: it cannot be noted in the audit trail: {error}")


def settings_of(**flags: object) -> Settings:
    """The settings in force, or exit code 2 with every problem."""
    try:
        return load(**flags)
    except BadSettings as error:
        cannot_run(f"wrong settings:\n{error}")


def books_of(settings: Settings) -> Books:
    """Where the ledger can be read. Exits with 2 where there is none: a mistyped name is no empty ledger."""
    if not settings.ledger_url and not settings.state_dir.is_dir():
        cannot_run(f"no state directory at {settings.state_dir}; set GATEWAY_STATE_DIR or --state-dir")
    return Books(settings.state_dir, settings.ledger_url)


def shared_of(settings: Settings) -> Tables | None:
    """The tables that replicas share, None: files of the state directory are used, which is there from now on.

    Exits with 2 where neither can be used. A database that is away is told when it is asked (`Unreachable`).
    """
    try:
        return stores.shared_of(state.prepare(settings.state_dir), settings.ledger_url, whoever(), _told)
    except state.StateTaken as error:
        cannot_run(str(error))


def _told(_: str, **counts: int) -> None:
    said = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in counts.items())
    typer.echo(f"the database at GATEWAY_DATABASE_URL is new, and took over from the state directory: {said}", err=True)


def print_json(data: object) -> None:
    """One JSON document."""
    typer.echo(escaped(msgspec.json.format(msgspec.json.encode(data), indent=2)).decode())


def print_rows(rows: Sequence[dict[str, object]], fields: Sequence[str], format: Format) -> None:
    """Rows as a JSON list, or as csv with the fields in their order."""
    if format is Format.json:
        print_json(rows)
        return
    out = io.StringIO()
    writer = csv.DictWriter(out, fields)
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    typer.echo(out.getvalue(), nl=False)


def _cell(value: object) -> object:
    """A text that a spreadsheet would run as a formula is shown as text; a plain number is none. None steers a
    terminal."""
    if not isinstance(value, str):
        return value
    runs = value != "" and value[0] in "=+-@\t\r\n" and not _NUMBER.match(value)
    return plain(f"'{value}" if runs else value)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A plain table: the first column to the left, figures to the right. No cell can steer a terminal."""
    head, *rows = [[plain(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = []
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [
            cell.ljust(width) if column == 0 or not cell.removeprefix("-")[:1].isdigit() else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
