"""What the ledger says of today and this month, read again and again beside the event loop.

A ledger with a million calls takes seconds to read as a whole, its last hours a few hundredths. So past hours are
remembered; they change only when an invoice corrects them, or a call settles late, and are read again once an hour.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from gateway.adapters.books import Books
from gateway.adapters.spend import booked, hourly
from gateway.core.booked import Booked, Sum, booked_since, concentration
from gateway.core.budget import Limit, window_at
from gateway.core.forecast import HOUR, Outlook, Projection, Spent, history_from, projection, runways

LEAST_SECONDS = 60.0
"""How often it is read at most."""
WHOLE_SECONDS = 3600.0
"""How often all of it is read at most."""
_RECENT_HOURS = 2
_PAUSES = 99
"""So many times as long as a reading took nothing is read: with both kinds of readings, that is 2 % of the time."""


class Figures(msgspec.Struct, frozen=True):
    """What the ledger says at a moment (Unix seconds). `largest` is the largest share of what was booked this month
    that one value of a dimension has, `runways` how accounts of limits stand that are used up in their window."""

    moment: float
    today: Sum
    month: Sum
    largest: dict[str, float]
    projected: Projection
    runways: tuple[Outlook, ...]


class LedgerReader:
    """Reads the figures of one ledger, for one thread at a time. `pause_seconds` is to pass before the next reading."""

    def __init__(self, books: Books, clock: Callable[[], float] = time.monotonic) -> None:
        self._books = books
        self._clock = clock
        self._per: frozenset[str] | None = None
        self._booked: list[Booked] = []
        self._spent: list[Spent] = []
        self._since = 0.0
        self._whole_due = 0.0
        self._looked = 0.0  # Unix seconds
        self.pause_seconds = LEAST_SECONDS

    def read(self, limits: Sequence[Limit], origins: Mapping[str, str], now: float) -> Figures:
        """The figures at a moment (Unix seconds). `origins` says where the weights of models come from. Limits of
        single keys are left out: a key is no label. Raises LedgerUnreadable."""
        began = self._clock()
        self.pause_seconds = LEAST_SECONDS  # also where it fails
        limits = [limit for limit in limits if limit.terms.per != "key" and limit.terms.pico_usd is not None]
        whole = self._look(limits, now, whole=began >= self._whole_due)
        month = window_at("month", now).start
        this_month = [row for row in self._booked if row.hour >= month]
        hours: dict[int, int] = {}
        for row in self._spent:
            hours[row.hour] = hours.get(row.hour, 0) + row.pico_usd
        found = Figures(
            now,
            booked_since(this_month, window_at("day", now).start),
            booked_since(this_month, month),
            concentration(this_month, origins),
            projection(hours, "month", now),
            tuple(each for each in runways(limits, self._spent, now) if each.runway_days is not None),
        )
        took = self._clock() - began
        if whole:
            self._whole_due = self._clock() + max(WHOLE_SECONDS, _PAUSES * took)
        else:
            self.pause_seconds = max(LEAST_SECONDS, _PAUSES * took)
        return found

    def _look(self, limits: Sequence[Limit], now: float, *, whole: bool) -> bool:
        """Reads what is new, or everything if it is due or the limits ask for more; whether it was everything."""
        month = window_at("month", now).start
        starts = [history_from(now), *(window_at(limit.terms.window, now).start for limit in limits)]
        since = min(starts) // HOUR * HOUR
        per = frozenset(limit.terms.per for limit in limits if limit.terms.per != "organisation")
        if any(limit.project for limit in limits):
            per |= {"project"}
        whole = whole or per != self._per or since < self._since
        # since the last time, too: readings may have failed for hours, or the machine slept
        recent = since if whole else max(since, (min(now, self._looked) // HOUR - _RECENT_HOURS) * HOUR)
        new_spent = hourly(self._books, per, recent)
        new_booked = booked(self._books, max(month, recent))
        self._spent = [*(row for row in self._spent if not whole and since <= row.hour < recent), *new_spent]
        self._booked = [*(row for row in self._booked if not whole and month <= row.hour < recent), *new_booked]
        self._per = per
        self._since = since
        self._looked = now
        return whole


async def follow(
    reader: LedgerReader,
    read: Callable[[], Figures],
    show: Callable[[Figures | None], None],
    tell: Callable[..., None],
) -> None:
    """Shows what is read, until it is cancelled; None while it cannot be read. `tell` is told that once."""
    told = False
    while True:
        try:
            show(await _apart(read))
            told = False
        except Exception as error:  # noqa: BLE001  whatever it is, the next reading may go well
            show(None)
            if not told:
                tell("figures_not_read", error=str(error))
            told = True
        await asyncio.sleep(reader.pause_seconds)


async def _apart(read: Callable[[], Figures]) -> Figures:
    """Reads in a thread that nobody waits for: a server that stops does not wait for a long question to be answered."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Figures] = loop.create_future()

    def give(figures: Figures | None, error: Exception | None) -> None:
        if answer.done():  # cancelled
            return
        if figures is None:
            answer.set_exception(error or RuntimeError("nothing was read"))
        else:
            answer.set_result(figures)

    def run() -> None:
        figures, error = None, None
        try:
            figures = read()
        except Exception as raised:  # noqa: BLE001  it is raised where it is awaited
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(give, figures, error)

    threading.Thread(target=run, name="ledger figures", daemon=True).start()
    return await answer
