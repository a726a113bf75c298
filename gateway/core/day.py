"""Days of the calendar (UTC), counted from the first of January 1970, and how they are written."""

import calendar
import re

SECONDS = 86_400
_WRITTEN = re.compile(r"(\d{4})-(\d{2})-(\d{2})\Z", re.ASCII)
_MONTHS = range(1, 13)


def day_of(written: str) -> int:
    """The day of a date (`2026-11-30`). Raises ValueError when there is no such day, or it is before 1970."""
    found = _WRITTEN.match(written)
    if found is not None:
        year, month, day = (int(part) for part in found.groups())
        if year >= 1970 and month in _MONTHS and 1 <= day <= calendar.monthrange(year, month)[1]:
            return _first(year, month) + day - 1
    raise ValueError(f"no date `{written}`: write it as 2026-11-30")


def date_of(day: int) -> str:
    """The date of a day that is not before 1970."""
    year = 1970 + day // 366
    while _first(year + 1, 1) <= day:
        year += 1
    month = max(month for month in _MONTHS if _first(year, month) <= day)
    return f"{year:04d}-{month:02d}-{day - _first(year, month) + 1:02d}"


def weekday_of(day: int) -> int:
    """0 is Monday, 6 is Sunday."""
    return (day + 3) % 7  # the first day was a Thursday


def _first(year: int, month: int) -> int:
    return calendar.timegm((year, month, 1, 0, 0, 0)) // SECONDS
