"""`gateway spend forecast`"""

import time
from typing import Annotated

import msgspec
import typer

from gateway.adapters.books import LedgerUnreadable
from gateway.adapters.spend import hourly
from gateway.cli.budgets import open_store
from gateway.cli.common import (
    Format,
    Policies,
    StateDir,
    books_of,
    cannot_run,
    print_json,
    print_rows,
    settings_of,
    table,
)
from gateway.cli.policy.common import written
from gateway.cli.spend.printed import short
from gateway.core.budget import EVERYTHING, window_at
from gateway.core.day import SECONDS, date_of
from gateway.core.forecast import HOUR, Outlook, Projection, history_from, outlooks, projection
from gateway.policy.decide import Eligibility

_MOST_ROWS = 40


def forecast(
    state_dir: StateDir = None,
    policies: Policies = None,
    format: Annotated[Format, typer.Option(help="How to print; csv has the limits alone.")] = Format.table,
) -> None:
    """Show where the month will end, and how long each limit lasts."""
    bundle, _ = written(policies)
    settings = settings_of(state_dir=state_dir)
    books = books_of(settings)
    store = open_store(settings)
    limits = (*Eligibility(bundle).limits, *store.read().limits)
    store.close()
    now = time.time()
    since = min([history_from(now), *(window_at(limit.terms.window, now).start for limit in limits)])
    per = {limit.terms.per for limit in limits if limit.terms.per != "organisation"}
    if any(limit.project for limit in limits):
        per.add("project")
    try:
        spent = hourly(books, per, since // HOUR * HOUR)
    except LedgerUnreadable as error:
        cannot_run(str(error))
    hours: dict[int, int] = {}
    for each in spent:
        hours[each.hour] = hours.get(each.hour, 0) + each.pico_usd
    month, found = projection(hours, "month", now), outlooks(limits, spent, now)
    limits_found = [_outlook(each) for each in found]
    if format is Format.json:
        print_json({"month": _data(month), "limits": limits_found})
        return
    if format is Format.csv:
        print_rows(limits_found, _FIELDS, format)
        return
    _print_month(month)
    if found:
        typer.echo("")
        head = ["limit", "whose", "window ends", "spent USD", "of USD", "used", "expected at its end", "runway", "mode"]
        typer.echo(table(head, [_row(each) for each in found[:_MOST_ROWS]]))
        if len(found) > _MOST_ROWS:
            typer.echo(f"and {len(found) - _MOST_ROWS} more; --format json or csv has all")


def _print_month(month: Projection) -> None:
    first = date_of(int(month.window.start // SECONDS))
    typer.echo(f"month to date        {short(month.spent_pico_usd)} USD since {first}")
    if month.low_pico_usd is None or month.high_pico_usd is None:
        range = "too few days for a range"
    else:
        range = f"four in five times between {short(month.low_pico_usd)} and {short(month.high_pico_usd)}"
    typer.echo(f"projected month end  {short(month.end_pico_usd)} USD, {range}; from: {month.method}")


def _row(each: Outlook) -> list[str]:
    terms, ceiling = each.limit.terms, each.ceiling_pico_usd
    if terms.share is not None:
        runway = "none: a share"
    elif each.runway_days is None:
        runway = "lasts"
    else:
        runway = f"{each.runway_days:.1f} days" if each.runway_days else "used up"
    return [
        each.limit.id,
        "everyone" if each.value == EVERYTHING else f"{terms.per} {each.value}",
        time.strftime("%Y-%m-%d %H:%M", time.gmtime(each.resets)) if each.resets_at_once else f"rolls, {terms.window}",
        short(each.spent_pico_usd),
        "not yet" if ceiling is None else short(ceiling),
        "" if ceiling is None else f"{each.used:.0%}",
        short(each.end_pico_usd),
        runway,
        "enforced" if each.limit.enforced else "watched",
    ]


def _data(month: Projection) -> dict[str, object]:
    return {**msgspec.structs.asdict(month), "window": msgspec.structs.asdict(month.window)}


_FIELDS = (
    *("limit", "rule", "project", "enforced", "per", "value", "window", "spent_pico_usd", "ceiling_pico_usd"),
    *("used", "end_pico_usd", "resets", "runway_days"),
)


def _outlook(each: Outlook) -> dict[str, object]:
    limit = each.limit
    return {
        "limit": limit.id,
        "rule": limit.rule,
        "project": limit.project,
        "enforced": limit.enforced,
        "per": limit.terms.per,
        "value": each.value,
        "window": limit.terms.window,
        "spent_pico_usd": each.spent_pico_usd,
        "ceiling_pico_usd": each.ceiling_pico_usd,
        "used": each.used,
        "end_pico_usd": each.end_pico_usd,
        "resets": each.resets,
        "runway_days": each.runway_days,
    }
