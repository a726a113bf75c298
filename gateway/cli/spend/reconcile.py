"""`gateway spend reconcile`"""

import contextlib
import hashlib
import re
import time
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters import state
from gateway.adapters.audit import Audit, Noted, whoever
from gateway.adapters.books import Books, LedgerUnreadable
from gateway.adapters.spend import Asked, billed, breakdown
from gateway.adapters.stores import store_of
from gateway.cli.common import (
    Format,
    StateDir,
    books_of,
    cannot_run,
    noting,
    print_json,
    print_rows,
    settings_of,
    table,
)
from gateway.core.day import SECONDS, date_of
from gateway.core.price import usd
from gateway.core.reconcile import Compared, Invoice, compare, corrections, total
from gateway.core.steering import plain
from gateway.review.invoices import GENERIC, invoice_of
from gateway.review.invoices.rows import Unreadable
from gateway.settings import Settings

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%\Z", re.ASCII)
_PARTS = ("ours", "reported", "estimated", "uncertain", "corrected", "theirs", "difference")


def reconcile(
    files: Annotated[
        list[Path], typer.Argument(help="Exports of costs or usage of one provider, csv or JSON.", metavar="FILE...")
    ],
    provider: Annotated[
        str | None,
        typer.Option(
            help=f"Whose they are: openai, anthropic, openrouter, or as the ledger says; `{GENERIC}`: a column tells."
            " [default: the columns tell]"
        ),
    ] = None,
    tolerance: Annotated[str, typer.Option(help="How far apart figures may be that match.")] = "0.5%",
    book: Annotated[bool, typer.Option("--book", help="Add entries that make the ledger equal the invoice.")] = False,
    state_dir: StateDir = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
) -> None:
    """Compare the ledger with a provider's invoice, per model and day. Exit code 1: they differ.

    Nothing in the ledger is ever changed; --book adds to it.
    """
    written = _PERCENT.match(tolerance)
    if written is None:
        cannot_run(f"cannot read --tolerance {tolerance}; write a part in percent, for example 0.5%")
    within = Fraction(Decimal(written[1])) / 100
    contents = [_read(path) for path in files]
    if len(set(contents)) < len(contents):
        cannot_run("the same file is given twice; its amounts would count twice")
    try:
        invoice = invoice_of(((str(path), content) for path, content in zip(files, contents, strict=True)), provider)
    except Unreadable as error:
        cannot_run("\n".join(map(plain, str(error).splitlines())))
    if book and invoice.measure == "tokens":
        cannot_run("this export has tokens and no costs, so there is nothing to book; export the costs")
    settings = settings_of(state_dir=state_dir)
    books = books_of(settings)
    try:
        held = billed(books, invoice.provider, invoice.first, invoice.last)
        if book:
            _check_known(books, invoice)
    except LedgerUnreadable as error:
        cannot_run(str(error))
    compared = compare(invoice, held, within)
    booked = None
    if book:
        with noting(), _noted(settings.state_dir, invoice) as noted:
            booked = _book(settings, compared, invoice.provider, files, contents)
            noted.outcome = f"booked {booked.new} correcting entries"
    _print(invoice, compared, total(compared, within), tolerance, format, booked)
    if any(each.verdict != "match" for each in compared):
        raise typer.Exit(1)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        cannot_run(f"cannot read {path}: {error.strerror}")


def _check_known(books: Books, invoice: Invoice) -> None:
    """Ends the command where the ledger has no call of the provider: it is called otherwise there, or the ledger is not
    the one. To book the whole invoice would count it twice."""
    lines = breakdown(books, ["provider"], Asked(float(invoice.first * SECONDS), float((invoice.last + 1) * SECONDS)))
    known = sorted(line.group[0] for line in lines if line.calls)
    if invoice.provider not in known:
        cannot_run(
            f"nothing is booked: the ledger has no call of `{plain(invoice.provider)}` from {date_of(invoice.first)} to"
            f" {date_of(invoice.last)}. It has calls of: {', '.join(map(plain, known)) or 'nobody'}; name one with"
            " --provider"
        )


class _Booked(msgspec.Struct, frozen=True):
    """What came of booking: entries that are new, that were there before, and that were not made."""

    new: int
    known: int
    unfinished: int

    def __str__(self) -> str:
        said = [f"booked {self.new} correcting entries"]
        if self.known:
            said.append(
                f"{self.known} were booked before, from this file and for the same sums of ours, and stay as they are;"
                " export it again"
            )
        if self.unfinished:
            said.append(f"{self.unfinished} are of a day that is not over (UTC)")
        return "; ".join(said)


def _noted(state_dir: Path, invoice: Invoice) -> contextlib.AbstractContextManager[Noted]:
    """Notes the act in the trail of the state directory of whoever books, which is made where there is none."""
    days = f"{date_of(invoice.first)} to {date_of(invoice.last)}"
    return Audit(state.prepare(state_dir)).during(whoever(), "spend_booked", invoice.provider, days)


def _book(
    settings: Settings, compared: Sequence[Compared], provider: str, files: Sequence[Path], contents: Sequence[bytes]
) -> _Booked:
    digests = sorted(hashlib.sha256(content).hexdigest() for content in contents)
    digest = hashlib.sha256("".join(digests).encode()).hexdigest()[:12]
    source = "+".join(path.name for path in files)
    today = int(time.time()) // SECONDS
    entries = corrections(compared, provider, source, digest, today)
    try:
        store = store_of(settings.state_dir, settings.ledger_url)
        try:
            new = store.write(entries, absent=True)  # what is there stays as it is
        finally:
            store.close()
    except Exception as error:  # noqa: BLE001  whatever a store says: all are booked or none, and nobody knows which
        cannot_run(
            f"it is unknown whether the corrections were booked: {error}; run it again, which is safe: what was booked"
            " is not booked twice"
        )
    unfinished = sum(1 for each in compared if each.difference and each.day >= today)
    return _Booked(new, len(entries) - new, unfinished)


def _print(
    invoice: Invoice,
    compared: Sequence[Compared],
    sums: Compared,
    tolerance: str,
    format: Format,
    booked: _Booked | None,
) -> None:
    unit = "_pico_usd" if invoice.measure == "pico_usd" else "_tokens"
    if format is not Format.table:
        rows: list[dict[str, object]] = [
            {"day": date_of(each.day), "model": each.model, **_amounts(each, unit), "verdict": each.verdict}
            for each in compared
        ]
        if format is Format.csv:
            print_rows(rows, ["day", "model", *(f"{name}{unit}" for name in _PARTS), "verdict"], format)
            return
        print_json(
            {
                "provider": invoice.provider,
                "from": date_of(invoice.first),
                "to": date_of(invoice.last),
                "lines": rows,
                "total": {**_amounts(sums, unit), "verdict": sums.verdict},
                "booked": None if booked is None else booked.new,
            }
        )
        return
    typer.echo(f"{plain(invoice.provider)}, {date_of(invoice.first)} to {date_of(invoice.last)}\n")
    shown = [name for name in _PARTS if name != "corrected" or any(each.corrected for each in compared)]
    if invoice.measure == "tokens":
        shown = ["ours", "theirs", "difference"]
    head = ["day", "model", *(f"{name} USD" if unit == "_pico_usd" else f"{name} tokens" for name in shown), "verdict"]
    body = [
        [day, plain(each.model), *(_shown(getattr(each, name), invoice) for name in shown), each.verdict]
        for day, each in [*((date_of(each.day), each) for each in compared), ("total", sums)]
    ]
    typer.echo(table(head, body))
    differ = len([each for each in compared if each.verdict != "match"])
    typer.echo(f"\n{differ} of {len(compared)} differ by more than {tolerance}")
    if booked is not None:
        typer.echo(str(booked))


def _amounts(each: Compared, unit: str) -> dict[str, object]:
    return {f"{name}{unit}": getattr(each, name) for name in _PARTS}


def _shown(amount: int, invoice: Invoice) -> str:
    return usd(amount) if invoice.measure == "pico_usd" else str(amount)
