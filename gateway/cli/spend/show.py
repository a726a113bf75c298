"""`gateway spend`"""

import shutil
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters.books import Books, LedgerUnreadable
from gateway.adapters.spend import (
    BY,
    DIMENSIONS,
    PERIODS,
    Asked,
    Line,
    RequestLine,
    breakdown,
    past_calls,
    requests,
)
from gateway.cli.common import (
    Format,
    Policies,
    StateDir,
    books_of,
    cannot_run,
    moment_at,
    print_json,
    print_rows,
    settings_of,
    table,
)
from gateway.cli.spend.chart import Bar, chart, without_gaps
from gateway.cli.spend.printed import percent
from gateway.core.price import usd
from gateway.core.savings import REQUESTED, Saved, Savings, savings
from gateway.core.usage import BUCKETS, READ


def spend(
    context: typer.Context,
    by: Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(BY)}.")] = "model",
    since: Annotated[str, typer.Option(help="From when on: a date (UTC), or how far back: 90m, 24h, 30d, 8w.")] = "30d",
    until: Annotated[
        str | None, typer.Option(help="Until when: a date (that day counts), or how far back. [default: now]")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Only this: team=search. Of one dimension any will do, of several all must."),
    ] = None,
    as_chart: Annotated[bool, typer.Option("--chart", help="Draw bars.")] = False,
    as_savings: Annotated[bool, typer.Option("--savings", help="Show what routing saved or lost.")] = False,
    baseline: Annotated[
        str | None,
        typer.Option(help=f"What savings are measured by: `{REQUESTED}`, or a model. [default: {REQUESTED}]"),
    ] = None,
    state_dir: StateDir = None,
    policies: Policies = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
) -> None:
    """Show what was spent. Costs are exact: pico-USD in JSON and CSV, USD in the table."""
    if context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return
    dimensions = [name.strip() for name in by.split(",") if name.strip()]
    if unknown := [name for name in dimensions if name not in BY]:
        cannot_run(f"unknown breakdown {', '.join(unknown)}; known: {', '.join(BY)}")
    if as_chart and (as_savings or format is not Format.table):
        cannot_run("--chart draws spend for a terminal; leave out --savings and --format")
    if baseline is not None and not as_savings:
        cannot_run("--baseline goes with --savings")
    asked = _asked(since, until, where or [])
    books = books_of(settings_of(state_dir=state_dir))
    try:
        if as_savings:
            _print_savings(dimensions, _savings(books, dimensions, asked, baseline or REQUESTED, policies), format)
        elif as_chart:
            _print_chart(dimensions, breakdown(books, dimensions, asked))
        elif dimensions == ["request"]:
            _print_requests(requests(books, asked), format)
            if format is Format.table:
                _print_total(breakdown(books, [], asked))
        else:
            _print_breakdown(dimensions, breakdown(books, dimensions, asked), format)
    except LedgerUnreadable as error:
        cannot_run(str(error))


def _refuse_options_before(context: typer.Context) -> None:
    """What stands before the name of a command would be read here, and mean nothing there."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            cannot_run(f"write options after `{context.invoked_subcommand}`")


def _asked(since: str, until: str | None, where: list[str]) -> Asked:
    pairs = []
    for each in where:
        name, equals, value = each.partition("=")
        if not equals or name.strip() not in DIMENSIONS:
            cannot_run(f"cannot read --where {each}; write dimension=value, with one of: {', '.join(DIMENSIONS)}")
        pairs.append((name.strip(), value.strip()))
    asked = Asked(moment_at(since, "--since"), where=tuple(pairs))
    if until is not None:
        asked = msgspec.structs.replace(asked, until=moment_at(until, "--until", through=True))
        if asked.until is not None and asked.until <= asked.since:
            cannot_run("--until is not after --since: there is nothing in between")
    return asked


def _savings(books: Books, dimensions: list[str], asked: Asked, baseline: str, policies: Path | None) -> Savings:
    from gateway.cli.policy.common import written  # half a second, for this option only

    bundle, _ = written(policies)
    prices = {backend.id: backend.price for backend in bundle.backends if backend.price is not None}
    if baseline != REQUESTED and baseline not in prices:
        cannot_run(f"no priced model `{baseline}` in the catalog; known: {REQUESTED}, {', '.join(sorted(prices))}")
    return savings(past_calls(books, dimensions, asked), prices, baseline)


def _print_requests(lines: list[RequestLine], format: Format) -> None:
    if format is not Format.table:
        print_rows([msgspec.structs.asdict(line) for line in lines], list(RequestLine.__struct_fields__), format)
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
        print_rows(data, [*dimensions, *fields], format)
        return
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
    _print_total(lines)


def _print_chart(dimensions: list[str], lines: list[Line]) -> None:
    if len(dimensions) == 1 and dimensions[0] in PERIODS:
        bars = without_gaps({line.group[0]: line.cost_pico_usd for line in lines}, dimensions[0])
    else:
        bars = [Bar(" ".join(line.group) or "all", line.cost_pico_usd) for line in lines]
    for line in chart(bars, shutil.get_terminal_size((80, 24)).columns):
        typer.echo(line)
    _print_total(lines)


def _print_total(lines: list[Line]) -> None:
    """The sum, and which part of it a provider reported. Corrections that lower a cost may leave less of it than is
    estimated: then nothing is measured."""
    total = sum(line.cost_pico_usd for line in lines)
    typer.echo("")
    if total > 0:
        measured = percent(total - sum(line.estimated_pico_usd for line in lines), total)
        typer.echo(f"measured {measured} (reported by providers)")
    typer.echo(f"total {usd(total)} USD")


def _print_savings(dimensions: list[str], found: Savings, format: Format) -> None:
    fields = ["requests", "cost_pico_usd", "baseline_pico_usd", "saved_pico_usd", "lost_pico_usd", "net_pico_usd"]
    if format is not Format.table:
        data = [
            dict(zip(dimensions, line.group, strict=True)) | {name: getattr(line, name) for name in fields}
            for line in found.lines
        ]
        if format is Format.csv:
            print_rows(data, [*dimensions, *fields], format)
        else:
            print_json({"lines": data, "left_out": {"unnamed": found.unnamed, "unknown": found.unknown}})
        return
    head = [*(dimensions or ["total"]), "requests", "cost USD", "baseline USD", "saved", "lost", "net"]
    typer.echo(table(head, [[*(line.group or ("all",)), *_figures(line)] for line in found.lines]))
    typer.echo("")
    if found.unnamed:
        typer.echo(
            f"left out: {found.unnamed} requests that named no priced model (an alias, or `auto`); see --baseline"
        )
    if found.unknown:
        typer.echo(f"left out: {found.unknown} requests of which nobody knows what they used")
    total = found.total
    typer.echo(f"saved {usd(total.saved_pico_usd)}, lost {usd(total.lost_pico_usd)}, net {usd(total.net_pico_usd)} USD")


def _figures(line: Saved) -> list[str]:
    amounts = (line.cost_pico_usd, line.baseline_pico_usd, line.saved_pico_usd, line.lost_pico_usd, line.net_pico_usd)
    return [str(line.requests), *map(usd, amounts)]
