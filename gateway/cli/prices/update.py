"""`gateway prices update`"""

import difflib
from typing import Annotated

import typer

from gateway.adapters import policy_files
from gateway.adapters.price_data import SOURCE, PriceData
from gateway.cli.common import Policies, cannot_run
from gateway.cli.prices.book import FILE, Book, Data, Fetch, data_of
from gateway.core.price import Price
from gateway.core.steering import plain
from gateway.policy.document import render, suggestion
from gateway.policy.prices import in_force
from gateway.review.price_edit import Row, renewed, with_version
from gateway.review.prices import differences


def update(
    models: Annotated[
        list[str] | None, typer.Argument(help=f"Also these, whatever their source. [default: those from {SOURCE}]")
    ] = None,
    policies: Policies = None,
    data: Data = None,
    fetch: Fetch = False,
) -> None:
    """Write what genai-prices says into prices.yaml, under a new version, and show the difference.

    A row with another source is yours: it is changed only when you name it. What genai-prices does not know stays.
    """
    book = Book(policies)
    if lacking := [model for model in models or () if model not in book.rows]:
        cannot_run(f"the price book has no model `{lacking[0]}`{suggestion(lacking[0], book.rows)}")
    known = data_of(data, fetch=fetch)
    source, text = f"{SOURCE} {known.version}", book.text
    for model, rows in book.rows.items():
        position = in_force(rows, book.today)
        if position is None or not (model in (models or ()) or rows[position].source.startswith(SOURCE)):
            continue
        text = _renewed(book, text, Row(model, position if len(rows) > 1 else None), known, source, fresh=fetch)
    if text == book.text:
        typer.echo(f"nothing to change: the price book is as {source} has it")
        return
    text = with_version(text, _next_version(book))
    _write(book, text)


def _renewed(book: Book, text: str, row: Row, known: PriceData, source: str, *, fresh: bool) -> str:
    """The text with a row as it is published; as it was, where nothing changed and no newer data says so."""
    told = known.known(row.model, book.urls(row.model), book.today)
    if not told:
        return text
    if any(each.published != told[0].published for each in told):
        typer.echo(f"{row.model}: {', '.join(each.provider for each in told)} do not agree; left as it is", err=True)
        return text
    if not told[0].published.exact:
        typer.echo(f"{row.model}: its price has more than 6 decimals; left as it is", err=True)
        return text
    for day, published in told[0].announced.items():
        later = book.priced(text, day)[row.model]
        if later is not None and differences(later, published):
            typer.echo(f"{row.model}: another price from {day} on; add a row with `from: {day}`", err=True)

    def priced(now: str) -> Price:
        price = book.priced(now, book.today)[row.model]
        assert price is not None  # it is in force
        return price

    written = book.rows[row.model][row.position or 0].source
    if not fresh and written == source and not differences(priced(text), told[0].published):
        return text
    return renewed(text, row, told[0].published, priced, source=source, date=book.today)


def _next_version(book: Book) -> str:
    """Today, or a further name of today: rows in the ledger name a version, so none is used twice."""
    day, _, number = book.version.partition(".")
    return f"{day}.{int(number or 1) + 1}" if day == book.today and (number or "1").isdigit() else book.today


def _write(book: Book, text: str) -> None:
    """Puts the file in place, if the tree still loads with it, and shows what has changed."""
    path = book.directory / FILE
    tree = {**book.files, FILE: text.encode()}
    parsed = policy_files.parse_tree(tree, {name: str(book.directory / name) for name in tree}, book.extra_catalog)
    if parsed.bundle is None:
        cannot_run(f"nothing was written, since the tree would not load:\n{render(parsed.problems, parsed.sources)}")
    try:
        policy_files.write_beside(book.directory, FILE, text)
    except OSError as error:
        cannot_run(f"cannot write {path}: {error.strerror}")
    lines = difflib.unified_diff(book.text.splitlines(), text.splitlines(), str(path), str(path), lineterm="", n=0)
    typer.echo("\n".join(map(plain, lines)))
