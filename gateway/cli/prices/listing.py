"""`gateway prices list`"""

import csv
import io
from typing import Annotated, Any

import msgspec
import typer

from gateway.cli.common import Format, Policies, cannot_run, print_json, table
from gateway.cli.prices.book import Book
from gateway.core.catalog import Backend
from gateway.core.price import Price, Rates, Schedule
from gateway.policy.document import suggestion
from gateway.policy.prices import in_force
from gateway.review.prices import READ_PER_WRITTEN, break_even, per_million, plain, rival


class Line(msgspec.Struct, frozen=True):
    """A price in force, or one that will be. Figures are USD per million tokens."""

    model: str
    begins: str
    rates: dict[str, str]
    tiers: dict[str, dict[str, str]]
    services: dict[str, dict[str, Any]]
    source: str
    date: str
    version: str


class Machine(msgspec.Struct, frozen=True):
    """A machine of our own: USD per million tokens while it is busy, and with its idle hours; `tokens_per_day` is from
    where on it is cheaper than the hosted model `against`, None: never."""

    backend: str
    marginal: str
    fully_loaded: str
    utilisation: str
    against: str
    tokens_per_day: int | None


def list_prices(
    policies: Policies = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
    against: Annotated[
        str | None, typer.Option("--break-even", help="The hosted model that own machines are compared with.")
    ] = None,
) -> None:
    """List the prices in force, and what machines of our own cost. USD per million tokens."""
    book = Book(policies)
    lines, machines = _lines(book), _machines(book, against)
    match format:
        case Format.json:
            print_json({"prices": msgspec.to_builtins(lines), "machines": msgspec.to_builtins(machines)})
        case Format.csv:
            out = io.StringIO()
            writer = csv.writer(out)
            writer.writerow(
                ["model", "from", *Rates.__struct_fields__, "tiers", "services", "source", "date", "version"]
            )
            writer.writerows(
                [line.model, line.begins, *line.rates.values(), *_more(line), line.source, line.date, line.version]
                for line in lines
            )
            typer.echo(out.getvalue(), nl=False)
        case Format.table:
            typer.echo(_table(lines))
            if machines:
                typer.echo(f"\n{_machine_table(machines)}")


def _lines(book: Book) -> list[Line]:
    """Of the book, each price that is in force or will be; then what stands in the catalog itself."""
    lines = []
    for model, rows in book.rows.items():
        now = in_force(rows, book.today)
        for position, row in enumerate(rows):
            begins = row.from_ or ""
            if position == now or begins > book.today:
                price = book.priced(book.text, max(begins, book.today))[model]
                if price is not None:
                    lines.append(_line(model, begins, price, row.source, row.date))
    for backend in book.backends:
        entry = book.entries[backend.id]
        if backend.price is not None and entry.price != "book":
            lines.append(_line(backend.id, "", backend.price, entry.source or "catalog", ""))
    return lines


def _line(model: str, begins: str, price: Price, source: str, day: str) -> Line:
    services = {
        name: {**_figures(each.rates), "tiers": _tiers(each)} if each.tiers else _figures(each.rates)
        for name, each in price.services.items()
    }
    return Line(model, begins, _figures(price.rates), _tiers(price), services, source, day, price.version)


def _figures(rates: Rates) -> dict[str, str]:
    return {name: plain(per_million(rates, name)) for name in Rates.__struct_fields__}


def _tiers(schedule: Schedule) -> dict[str, dict[str, str]]:
    return {str(tier.above): _figures(tier.rates) for tier in schedule.tiers}


def _more(line: Line) -> tuple[str, str]:
    """Tiers and service tiers in a few words: input and output of each."""
    tiers = "; ".join(f"above {above}: {each['input']}/{each['output']}" for above, each in line.tiers.items())
    return tiers, "; ".join(f"{name}: {each['input']}/{each['output']}" for name, each in line.services.items())


def _table(lines: list[Line]) -> str:
    head = [
        "model",
        "input",
        "output",
        "cache read",
        "cache write",
        "longer prompts",
        "service tiers",
        "source",
        "date",
    ]
    rows = []
    for line in lines:
        written, kept = line.rates["cache_write"], line.rates["cache_write_long"]
        rows.append(
            [
                f"{line.model} from {line.begins}" if line.begins else line.model,
                *(line.rates[name] for name in ("input", "output", "cache_read")),
                written if written == kept else f"{written} ({kept} for an hour)",
                *(words or "-" for words in _more(line)),
                line.source,
                line.date or "-",
            ]
        )
    versions = ", ".join(dict.fromkeys(line.version.partition(":")[0] for line in lines if line.date))
    return (
        table(head, rows) + f"\n\nUSD per million tokens, input/output where two are shown; version {versions or '-'}"
    )


def _machines(book: Book, against: str | None) -> list[Machine]:
    hosted = {model: price for model, price in book.priced(book.text, book.today).items() if price is not None}
    if against is not None and against not in hosted:
        cannot_run(f"the price book has no model `{against}`{suggestion(against, hosted)}")
    machines = []
    for backend in book.backends:
        if (ours := backend.machine) is not None:
            price, named = (hosted[against], against) if against else _rival(book, backend)
            machines.append(
                Machine(
                    backend.id,
                    plain(per_million(ours.marginal, "input")),
                    plain(per_million(ours.priced("").rates, "input")),
                    plain(ours.utilisation) if ours.utilisation is not None else "",
                    named,
                    break_even(ours.usd_per_hour, ours.tokens_per_second, price.rates) if price else None,
                )
            )
    return machines


def _rival(book: Book, machine: Backend) -> tuple[Price | None, str]:
    found = rival(machine, book.backends)
    return (None, "") if found is None else (found.price, found.model)


def _machine_table(machines: list[Machine]) -> str:
    head = ["machine", "while busy", "with idle hours", "busy", "cheaper than", "from tokens a day on"]
    rows = [
        [
            each.backend,
            each.marginal,
            each.fully_loaded if each.utilisation else "-",
            each.utilisation or "-",
            each.against or "-",
            (f"{each.tokens_per_day:,}" if each.tokens_per_day else "never") if each.against else "-",
        ]
        for each in machines
    ]
    said = f"a day's hours, whether busy or not, against {READ_PER_WRITTEN} tokens of prompt to one of answer"
    if not all(each.against for each in machines):
        said += "; --break-even MODEL names what to compare with"
    return f"{table(head, rows)}\n\n{said}"
