"""A provider's export as rows of named cells, whether it is csv or JSON."""

import csv
import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from gateway.core.day import SECONDS, day_of

Row = dict[str, str]

_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?(?: ?(?:Z|UTC|\+00:?00))?\Z", re.ASCII
)
_SEPARATORS = (",", ";", "\t")
_PICO = Decimal(10**12)
_MOST = 10**15


class Unreadable(Exception):
    """The export cannot be read. The message says why, and what to do."""


def read(content: bytes) -> list[Row]:
    """The rows of an export. Raises Unreadable.

    JSON may be an answer of an API (`{"data": [...]}`), a list of such pages, or a list of rows; a bucket's fields
    stand in each of its rows, and a bucket without rows is one. Numbers keep their digits. Nested fields are `a.b`.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8 text; export it as csv or JSON") from None
    if text.lstrip()[:1] in ("{", "["):
        return _of_json(text)
    lines = text.splitlines()
    head = next((line for line in lines if line.strip()), "")
    separator = max(_SEPARATORS, key=head.count)
    try:
        cells = [row for row in csv.reader(io.StringIO(text), delimiter=separator, strict=True) if any(row)]
    except csv.Error as error:
        raise Unreadable(f"it is no csv: {error}") from None
    if not cells:
        raise Unreadable("it is empty")
    names = [_name(cell) for cell in cells[0]]
    if len(set(names)) < len(names):
        raise Unreadable(f"two columns have the same name: {', '.join(names)}")
    for number, row in enumerate(cells[1:], 2):
        if len(row) > len(names):
            raise Unreadable(f"row {number} has {len(row)} cells, the head has {len(names)}")
    return [dict(zip(names, (cell.strip() for cell in row), strict=False)) for row in cells[1:]]


def day_in(cell: str) -> int:
    """The day (UTC) that a cell is about: a date, a moment, or Unix seconds. Raises Unreadable."""
    if cell.isascii() and cell.isdigit() and len(cell) > 8:
        return int(cell) // SECONDS
    found = _MOMENT.match(cell)
    try:
        return day_of(found[1] if found else cell)
    except ValueError:
        raise Unreadable(f"`{cell}` is no date in UTC; write 2026-11-30, or 2026-11-30T09:00:00Z") from None


def pico_usd_in(cell: str, *, cents: bool = False) -> int:
    """The amount in a cell, in pico-USD, to the nearest. Raises Unreadable."""
    return int((_number(cell) * _PICO / (100 if cents else 1)).to_integral_value())


def tokens_in(cell: str) -> int:
    """The count in a cell; none is 0. Raises Unreadable."""
    number = _number(cell or "0")
    if number != int(number) or number < 0:
        raise Unreadable(f"`{cell}` is no count of tokens")
    return int(number)


def _number(cell: str) -> Decimal:
    try:
        number = Decimal(cell.replace("$", "").replace(",", "").strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) > _MOST:
        raise Unreadable(f"`{cell}` is no amount")
    return number


def _name(cell: str) -> str:
    return re.sub(r"[\s-]+", "_", cell.strip().lower())


def _of_json(text: str) -> list[Row]:
    try:
        document = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is no JSON: {error}") from None
    pages = document if isinstance(document, list) else [document]
    if not all(isinstance(page, dict) for page in pages):
        raise Unreadable("a list must hold objects: pages of an API, or rows")
    if pages and all(page.get("has_more") is True for page in pages):
        raise Unreadable("it goes on (`has_more`): put all pages into a list, or give each as a file of a list")
    buckets: list[object] = []
    for page in pages:
        data = page.get("data")
        buckets += data if isinstance(data, list) else [page]
    return [row for bucket in buckets for row in _of_bucket(bucket)]


def _of_bucket(bucket: object) -> Iterator[Row]:
    if not isinstance(bucket, dict):
        raise Unreadable("`data` must hold objects")
    results = bucket.get("results")
    if not isinstance(results, list):
        yield dict(_cells(bucket, ""))
        return
    of_all = {name: value for name, value in bucket.items() if name != "results"}
    for result in results or [{}]:
        if not isinstance(result, dict):
            raise Unreadable("`results` must hold objects")
        yield dict(_cells(of_all | result, ""))


def _cells(fields: dict[str, object], under: str) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _cells(value, f"{under}{_name(name)}.")
        elif not isinstance(value, list):
            yield f"{under}{_name(name)}", "" if value is None else str(value)
