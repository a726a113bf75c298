"""A provider's export as rows of named cells, whether it is csv or JSON."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation

from gateway.core.day import SECONDS, day_of

Row = dict[str, str]

_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?(?: ?(?:Z|UTC|\+00:?00))?\Z", re.ASCII
)
_SEPARATORS = (",", ";", "\t")
_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?\Z", re.ASCII)
_SECONDS_DIGITS = range(9, 12)
"""How many digits Unix seconds have. Milliseconds have more."""
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
        if len(row) != len(names):
            raise Unreadable(f"row {number} has {len(row)} cells, the head has {len(names)}")
    return [dict(zip(names, (cell.strip() for cell in row), strict=True)) for row in cells[1:]]


def day_in(cell: str) -> int:
    """The day (UTC) that a cell is about: a date, a moment, or Unix seconds. Raises Unreadable."""
    if cell.isascii() and cell.isdigit() and len(cell) in _SECONDS_DIGITS:
        return int(cell) // SECONDS
    found = _MOMENT.match(cell)
    try:
        return day_of(found[1] if found else cell)
    except ValueError:
        raise Unreadable(
            f"`{cell}` is no date in UTC; write 2026-11-30, 2026-11-30T09:00:00Z or Unix seconds"
        ) from None


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
    written = cell.replace("$", "").strip()
    if "," in written and not _THOUSANDS.match(written):
        raise Unreadable(f"`{cell}` is no amount: a comma stands only between thousands; write decimals with a point")
    try:
        number = Decimal(written.replace(",", ""))
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
    _check_chain(pages)
    buckets: list[object] = []
    for page in pages:
        data = page.get("data")
        buckets += data if isinstance(data, list) else [page]
    return [row for bucket in buckets for row in _of_bucket(bucket)]


def _check_chain(pages: Sequence[dict[str, object]]) -> None:
    """Raises Unreadable where a page says that it goes on, and what comes next is not there."""
    whole = "put all pages of the answer into one list, in order"
    seen: set[object] = set()
    for page, following in zip(pages, [*pages[1:], None], strict=True):
        cursor = page.get("next_page")
        if not (page.get("has_more") is True or cursor):
            continue
        if following is None or "data" not in following:
            raise Unreadable(f"it goes on (`has_more`), and the next page is not there; {whole}")
        if cursor in seen:
            raise Unreadable(f"the same page is in it twice; {whole}")
        if cursor:
            seen.add(str(cursor))
        ends, begins = _edge(page, -1, ("end_time", "ending_at")), _edge(following, 0, ("start_time", "starting_at"))
        if ends and begins and ends != begins:
            raise Unreadable(f"after a page that ends at {ends} comes one that begins at {begins}; {whole}")


def _edge(page: dict[str, object], position: int, names: Sequence[str]) -> object:
    """When the first or last bucket of a page begins or ends, None: it does not say."""
    data = page.get("data")
    bucket = data[position] if isinstance(data, list) and data else None
    return next((bucket[name] for name in names if name in bucket), None) if isinstance(bucket, dict) else None


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
