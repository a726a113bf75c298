"""Records on their way to their projections: handed over in batches, off the path of the request.

The log then needs one write for many lines, and a counter one addition for many requests.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.core.decided import Decided
from gateway.core.record import Record

DELAY_SECONDS = 0.01


class Projection(Protocol):
    """What takes batches of records."""

    def take(self, records: Sequence[Record]) -> None:
        """Takes the records of requests that have ended. Never raises."""


class Outbox:
    """The `Sink` port in front of projections. What is in it when the process dies is lost to metrics and log; the
    ledger has it, and its journal by which decisions calls were sent. `decided` makes what is noted there."""

    def __init__(self, projections: Sequence[Projection], decided: Callable[..., Decided]) -> None:
        self._projections = projections
        self.decided = decided
        self._records: list[Record] = []

    def put(self, record: Record) -> None:
        """Takes a record; it is handed on within `DELAY_SECONDS`."""
        self._records.append(record)
        if len(self._records) == 1:
            asyncio.get_running_loop().call_later(DELAY_SECONDS, self.flush)

    def flush(self) -> None:
        """Hands on what is there, for a scrape or at the end."""
        records, self._records = self._records, []
        if records:
            for projection in self._projections:
                projection.take(records)
