"""Bars of blocks, for any terminal that shows Unicode."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from gateway.cli.spend.printed import short
from gateway.core.day import date_of, day_of
from gateway.core.steering import plain

_BLOCKS = " ▏▎▍▌▋▊▉"
_FULL = "█"
_MOST_LABEL = 32
_LEAST_BAR = 10
_MONDAY = 4
"""The first Monday of all days was the fifth of January 1970."""


class Bar(msgspec.Struct, frozen=True):
    """A bar: its label, and how long it is, in pico-USD."""

    label: str
    pico_usd: int


def chart(bars: Sequence[Bar], width: int) -> list[str]:
    """Lines no wider than `width`, if that leaves ten columns for bars. The longest bar is the greatest amount; what is
    more than nothing shows, and what is less has no bar."""
    if not bars:
        return []
    labels = [plain(bar.label)[:_MOST_LABEL] for bar in bars]
    figures = [short(bar.pico_usd) for bar in bars]
    label_width, figure_width = max(map(len, labels)), max(map(len, figures))
    room = max(_LEAST_BAR, width - label_width - figure_width - 4)
    most = max(0, *(bar.pico_usd for bar in bars))
    return [
        f"{label.ljust(label_width)}  {figure.rjust(figure_width)}  {_bar(bar.pico_usd, most, room)}".rstrip()
        for label, figure, bar in zip(labels, figures, bars, strict=True)
    ]


def _bar(amount: int, most: int, room: int) -> str:
    if amount <= 0:
        return ""
    eighths = max(1, round(room * 8 * amount / most))
    return _FULL * (eighths // 8) + _BLOCKS[eighths % 8].strip()


def without_gaps(amounts: Mapping[str, int], period: str) -> list[Bar]:
    """A bar for every hour, day, week or month from the first to the last, also for those without spending."""
    if not amounts:
        return []
    count, write = _PERIODS[period]
    numbers = sorted(count(label) for label in amounts)
    labels = [write(number) for number in range(numbers[0], numbers[-1] + 1)]
    return [Bar(label, amounts.get(label, 0)) for label in labels]


def _month(label: str) -> int:
    year, month = label.split("-")
    return int(year) * 12 + int(month) - 1


_PERIODS: Mapping[str, tuple[Callable[[str], int], Callable[[int], str]]] = {
    "hour": (
        lambda label: day_of(label[:10]) * 24 + int(label[11:13]),
        lambda number: f"{date_of(number // 24)} {number % 24:02d}:00",
    ),
    "day": (day_of, date_of),
    "week": (lambda label: day_of(label) // 7, lambda number: date_of(number * 7 + _MONDAY)),
    "month": (_month, lambda number: f"{number // 12:04d}-{number % 12 + 1:02d}"),
}
"""How the label of a period is counted, and how the count is written."""
