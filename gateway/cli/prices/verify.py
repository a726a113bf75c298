"""`gateway prices verify`"""

import csv
import io
from datetime import date
from typing import Annotated

import msgspec
import typer

from gateway.adapters.price_data import SOURCE
from gateway.cli.common import Format, Policies, print_json
from gateway.cli.prices.book import Book, Data, Fetch, data_of
from gateway.review.prices import Difference, differences

OLD_DAYS = 90
"""Days after which somebody should look at a price again."""


class Disagreement(msgspec.Struct, frozen=True):
    """A figure on which genai-prices says something else. `begins` is the day from which on it does, empty: today."""

    model: str
    provider: str
    begins: str
    difference: Difference


def verify(
    policies: Policies = None,
    data: Data = None,
    fetch: Fetch = False,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
) -> None:
    """Compare the price book with genai-prices. Exit code 1 if they disagree on a figure."""
    book = Book(policies)
    known = data_of(data, fetch=fetch)
    found: list[Disagreement] = []
    strangers, old = [], []
    for model, rows in book.rows.items():
        told = known.known(model, book.urls(model), book.today)
        if not told:
            strangers.append(model)
        for each in told:
            for day, published in {"": each.published, **each.announced}.items():
                price = book.priced(book.text, day or book.today)[model]
                if price is not None:
                    found += (Disagreement(model, each.provider, day, one) for one in differences(price, published))
        if _age(min(row.date for row in rows), book.today) > OLD_DAYS:
            old.append(model)
    if format is Format.json:
        print_json({"differences": msgspec.to_builtins(found), "unknown": strangers, "old": old, "data": known.version})
    elif format is Format.csv:
        out = io.StringIO()
        fields = Difference.__struct_fields__
        writer = csv.writer(out)
        writer.writerow(["model", "provider", "from", *fields])
        writer.writerows(
            [each.model, each.provider, each.begins, *(getattr(each.difference, name) for name in fields)]
            for each in found
        )
        typer.echo(out.getvalue(), nl=False)
    else:
        _print_report(found, strangers, old, len(book.rows), f"{SOURCE} {known.version}")
    if found:
        raise typer.Exit(1)


def _print_report(found: list[Disagreement], strangers: list[str], old: list[str], models: int, source: str) -> None:
    said = (
        f"{each.model} ({each.provider}){f' from {each.begins} on' if each.begins else ''}: {each.difference}"
        for each in found
    )
    for line in dict.fromkeys(said):  # of a service tier that is missing every figure is
        typer.echo(line)
    if strangers:
        typer.echo(f"not known to {source}: {', '.join(strangers)}")
    if old:
        typer.echo(f"not looked at for more than {OLD_DAYS} days: {', '.join(old)}")
    differ = len({each.model for each in found})
    typer.echo(f"{models - differ - len(strangers)} of {models} models agree with {source}")


def _age(day: str, today: str) -> int:
    return (date.fromisoformat(today) - date.fromisoformat(day)).days
