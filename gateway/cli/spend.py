"""`gateway spend`"""

import csv
import io
import time
from typing import Annotated

import msgspec
import typer

from gateway.adapters.books import Books, LedgerUnreadable
from gateway.adapters.spend import BY, Line, RequestLine, breakdown, requests
from gateway.cli.common import Format, StateDir, cannot_run, moment_of, print_json, settings_of, table
from gateway.core.price import usd
from gateway.core.usage import BUCKETS, READ


def spend(
    by: Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(BY)}.")] = "model",
    since: Annotated[str, typer.Option(help="How far back: 90m, 24h, 30d, 8w.")] = "30d",
    state_dir: StateDir = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
) -> None:
    """Show what was spent. Costs are exact: pico-USD in JSON and CSV, USD in the table."""
    dimensions = [name.strip() for name in by.split(",") if name.strip()]
    if unknown := [name for name in dimensions if name not in BY]:
        cannot_run(f"unknown breakdown {', '.join(unknown)}; known: {', '.join(BY)}")
    start = moment_of(since)
    settings = settings_of(state_dir=state_dir)
    books = Books(settings.state_dir, settings.ledger_url)
    try:
        if dimensions == ["request"]:
            _print_requests(requests(books, start), format)
        else:
            _print_breakdown(dimensions, breakdown(books, dimensions, start), format)
    except LedgerUnreadable as error:
        cannot_run(str(error))


def _print_requests(lines: list[RequestLine], format: Format) -> None:
    if format is not Format.table:
        _print_data([msgspec.structs.asdict(line) for line in lines], list(RequestLine.__struct_fields__), format)
        return
    typer.echo(
        table(
            ["request", "when (UTC)", "team", "app", "model", "state", "tokens", "counted", "cost USD"],
            [
                [
                    line.request_id,
                    time.strftime("%m-%d %H:%M:%S", time.gmtime(line.time)),
                    line.team,
                    line.app,
                    line.model,
                    line.state,
                    str(sum(getattr(line, name) for name in BUCKETS)),
                    line.usage_source,
                    usd(line.cost_pico_usd),
                ]
                for line in lines
            ],
        )
    )


def _print_breakdown(dimensions: list[str], lines: list[Line], format: Format) -> None:
    if format is not Format.table:
        fields = [name for name in Line.__struct_fields__ if name != "group"]
        data = [
            dict(zip(dimensions, line.group, strict=True)) | {name: getattr(line, name) for name in fields}
            for line in lines
        ]
        _print_data(data, [*dimensions, *fields], format)
        return
    total = sum(line.cost_pico_usd for line in lines)
    rows = [
        [
            *(line.group or ("all",)),
            str(line.requests),
            str(sum(getattr(line, name) for name in BUCKETS[:READ])),
            str(sum(getattr(line, name) for name in BUCKETS[READ:])),
            usd(line.cost_pico_usd),
            usd(line.estimated_pico_usd),
            usd(line.uncertain_pico_usd),
        ]
        for line in lines
    ]
    head = [*(dimensions or ["total"]), "requests", "tokens in", "tokens out", "cost USD", "estimated", "uncertain"]
    typer.echo(table(head, rows))
    typer.echo(f"\ntotal {usd(total)} USD")


def _print_data(rows: list[dict[str, object]], fields: list[str], format: Format) -> None:
    if format is Format.json:
        print_json(rows)
        return
    out = io.StringIO()
    writer = csv.DictWriter(out, fields)
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    typer.echo(out.getvalue(), nl=False)


def _cell(value: object) -> object:
    """A text that a spreadsheet would run as a formula is shown as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value
