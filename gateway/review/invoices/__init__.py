"""Providers' exports of usage and costs, read as invoices."""

from collections.abc import Iterable, Sequence

from gateway.core.day import date_of
from gateway.core.reconcile import NO_MODEL, Invoice, Measure, Theirs, same_model
from gateway.review.invoices.formats import FORMATS, Format
from gateway.review.invoices.rows import Row, Unreadable, day_in, pico_usd_in, read, tokens_in

GENERIC = "generic"
"""The name of the export that is nobody's own. Its column `provider` says whose it is."""


def invoice_of(files: Iterable[tuple[str, bytes]], provider: str | None) -> Invoice:
    """What exports of one provider say, given by name and content. Raises Unreadable, and names the file.

    `provider` is the name in the ledger, or `generic`; None: the columns tell.
    """
    told: list[tuple[str, list[Theirs]]] = []
    days: set[int] = set()
    found: set[tuple[str, Measure]] = set()
    for name, content in files:
        try:
            rows = read(content)
            format = _format(rows, provider)
            found.add((_whose(format, rows, provider), "pico_usd" if format.cost else "tokens"))
            cost = next((each for each in format.cost if any(each in row for row in rows)), None)
            read_lines = [_line(format, row, cost) for row in rows]
        except Unreadable as error:
            raise Unreadable(f"{name}: {error}") from None
        days.update(line.day for line in read_lines)
        told.append((name, [line for line in read_lines if line.amount or line.model]))
    if len(found) > 1:
        kinds = sorted(f"{whose}: {'costs' if measure == 'pico_usd' else measure}" for whose, measure in found)
        raise Unreadable(f"the files are of several kinds ({', '.join(kinds)}); reconcile them one by one")
    ((whose, measure),) = found
    _check_apart(told)
    return Invoice(whose, measure, tuple(line for _, lines in told for line in lines), min(days), max(days))


def _check_apart(told: Sequence[tuple[str, Sequence[Theirs]]]) -> None:
    """Raises Unreadable where two files tell of the same day and model."""
    first: dict[tuple[int, str], int] = {}
    for position, (name, lines) in enumerate(told):
        for line in lines:
            before = first.setdefault((line.day, same_model(line.model)), position)
            if before != position:
                what = f"{line.model or NO_MODEL} on {date_of(line.day)}"
                raise Unreadable(
                    f"{told[before][0]} and {name} both have {what}, which would count twice; give files without"
                    " a day in common"
                )


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


def _line(format: Format, row: Row, cost: str | None) -> Theirs:
    """What a row says. `cost` is the column of costs. A bucket in which there is nothing is a day that is counted."""
    currency = _first(row, format.currency)
    if currency.upper() not in {"", "USD"}:
        raise Unreadable(f"it is in {currency}; only USD can be compared with the ledger")
    day, model = day_in(_first(row, format.day)), format.model_of(_first(row, format.model))
    if cost is None:
        return Theirs(day, model, sum(tokens_in(_first(row, names)) for names in format.tokens))
    # Providers write a day without costs as a row without anything. In a table of anyone's own, a cell is missing.
    nothing = not (row.get(cost) or model or currency) and (cost not in row or bool(format.provider))
    if not nothing and not row.get(cost):
        raise Unreadable(f"{model or NO_MODEL} on {date_of(day)} has no `{cost}`; write 0 where it cost nothing")
    return Theirs(day, model, 0 if nothing else pico_usd_in(row[cost], cents=format.cents))


def _first(row: Row, names: Iterable[str]) -> str:
    return next((row[name] for name in names if row.get(name)), "")
