"""Providers' exports of usage and costs, read as invoices."""

from collections.abc import Iterable, Sequence

from gateway.core.reconcile import Invoice, Measure, Theirs
from gateway.review.invoices.formats import FORMATS, Format
from gateway.review.invoices.rows import Row, Unreadable, day_in, pico_usd_in, read, tokens_in

GENERIC = "generic"
"""The name of the export that is nobody's own. Its column `provider` says whose it is."""


def invoice_of(files: Iterable[tuple[str, bytes]], provider: str | None) -> Invoice:
    """What exports of one provider say, given by name and content. Raises Unreadable, and names the file.

    `provider` is the name in the ledger, or `generic`; None: the columns tell.
    """
    lines: list[Theirs] = []
    days: set[int] = set()
    found: set[tuple[str, Measure]] = set()
    for name, content in files:
        try:
            rows = read(content)
            format = _format(rows, provider)
            found.add((_whose(format, rows, provider), "pico_usd" if format.cost else "tokens"))
            for row in rows:
                line = _line(format, row)
                days.add(line.day)
                if line.amount or line.model:
                    lines.append(line)
        except Unreadable as error:
            raise Unreadable(f"{name}: {error}") from None
    if len(found) > 1:
        said = ", ".join(
            sorted(f"{whose}: {'costs' if measure == 'pico_usd' else measure}" for whose, measure in found)
        )
        raise Unreadable(f"the files are of several kinds ({said}); reconcile them one by one")
    ((whose, measure),) = found
    return Invoice(whose, measure, tuple(lines), min(days), max(days))


def _format(rows: Sequence[Row], provider: str | None) -> Format:
    columns = {column: None for row in rows for column in row}
    if not rows:
        raise Unreadable("it has no rows")
    known = [format for format in FORMATS if provider is None or format.provider in {"", provider}]
    for format in known:
        if all(any(name in columns for name in names) for names in format.wanted):
            return format
    wanted = "".join(
        f"\n  {format.provider or GENERIC}, {format.name}: {', '.join(' or '.join(names) for names in format.wanted)}"
        for format in known
    )
    raise Unreadable(f"no known export has these columns: {', '.join(columns)}\nwanted are those of one of:{wanted}")


def _whose(format: Format, rows: Sequence[Row], provider: str | None) -> str:
    if format.provider or provider not in {None, GENERIC}:
        return format.provider or str(provider)
    said = {_first(row, format.whose) for row in rows} - {""}
    if len(said) != 1:
        raise Unreadable("say whose it is: by --provider, or by a column `provider` with one value")
    return said.pop()


def _line(format: Format, row: Row) -> Theirs:
    """A row without an amount is nothing, on a day that is counted."""
    currency = _first(row, format.currency)
    if currency.upper() not in {"", "USD"}:
        raise Unreadable(f"it is in {currency}; only USD can be compared with the ledger")
    if format.cost:
        amount = pico_usd_in(_first(row, format.cost) or "0", cents=format.cents)
    else:
        amount = sum(tokens_in(_first(row, names)) for names in format.tokens)
    return Theirs(day_in(_first(row, format.day)), format.model_of(_first(row, format.model)), amount)


def _first(row: Row, names: Iterable[str]) -> str:
    return next((row[name] for name in names if row.get(name)), "")
