"""How the spend commands print: rows for programs, and amounts for people."""

import csv
import io
from collections.abc import Sequence

import typer

from gateway.cli.common import Format, print_json
from gateway.core.price import PICO_PER_USD, usd

_ROUGH = PICO_PER_USD // 10**4
_DIGITS = 3


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
    """A text that a spreadsheet would run as a formula is shown as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value


def short(pico: int) -> str:
    """An amount in USD for people: four decimals, below a cent three digits."""
    size = abs(pico)
    if size >= PICO_PER_USD // 100 or not size:
        whole, rest = divmod((size + _ROUGH // 2) // _ROUGH, 10**4)
        return f"{'-' if pico < 0 else ''}{whole}.{rest:04d}"
    unit = 10 ** max(0, len(str(size)) - _DIGITS)
    rounded: int = (size + unit // 2) // unit * unit
    return usd(-rounded if pico < 0 else rounded)


def percent(part: int, whole: int) -> str:
    """A part in percent with one decimal, never rounded up: 100 is all of it. Out of bounds is 0 or 100."""
    thousandths = max(0, min(1000, 1000 * part // whole))
    return f"{thousandths // 10}.{thousandths % 10} %"
