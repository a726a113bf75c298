"""What both stores of the ledger have in common: what a store is, and how single calls are folded into hours.

A call is a row of `entries`; once it is old, it is a part of a row of `hours`, and its mark is kept in `folded`, so
that a row that comes again is not counted again. Costs of hours are kept in two parts, so that no sum leaves 64 bits.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

from gateway.core.record import Entry
from gateway.core.usage import BUCKETS

COLUMNS = Entry.__struct_fields__
DIMENSIONS = (
    "key",
    "team",
    "app",
    "project",
    "purpose",
    "requested",
    "backend",
    "model",
    "provider",
    "zone",
    "sensitivity",
    "price_version",
    "service",
    "usage_source",
    "state",
)
"""By which folded calls can still be told apart."""

SUMS = ("calls", "requests", *BUCKETS, "cost_millions", "cost_rest")
"""What is summed of folded calls. A request is counted at its last call, the one that served it if any did; a
correction is no call. The cost is `cost_millions` * `MILLION` + `cost_rest`, in pico-USD."""

MILLION = 10**6
HOUR = 3600
_MARK_BYTES = 8

EACH_SUM = {
    "calls": "CASE state WHEN 'corrected' THEN 0 ELSE 1 END",
    "requests": "CASE WHEN final >= 0 THEN final WHEN hop = 1 THEN 1 ELSE 0 END",
    **{name: name for name in BUCKETS},
    "cost_millions": f"cost_pico_usd / {MILLION}",
    "cost_rest": f"cost_pico_usd % {MILLION}",
}
"""What a single call adds to each of `SUMS`, in SQL."""


class Unwritable(Exception):
    """The store will never take these entries as they are: one of them has a value that it cannot hold."""


class Store(Protocol):
    """Where ended calls are kept for good. Only one thread uses it; every method may wait."""

    def write(self, entries: Sequence[Entry], *, absent: bool = False) -> int:
        """Keeps entries, all or none. The later one of a (request, hop) replaces the earlier, unless only what is
        `absent` is wanted. A call that was folded stays as it is. Returns how many were kept.

        Raises Unwritable. Any other exception means: not now.
        """

    def fold(self, before: float) -> bool:
        """Folds some of the calls before a moment (Unix seconds) into hours; whether there is more to fold."""

    def close(self) -> None:
        """Lets go of the store, for good."""


def hour_of(moment: float) -> float:
    """The start of the hour of a moment, both in Unix seconds."""
    return moment // HOUR * HOUR


def mark(request_id: str, hop: int) -> bytes:
    """Eight bytes that stand for a folded call; two calls of an hour share them once in 10^13."""
    return hashlib.sha256(f"{request_id} {hop}".encode()).digest()[:_MARK_BYTES]


def not_folded(entries: Iterable[Entry], folded: Iterable[tuple[float, bytes]]) -> list[Entry]:
    """The entries whose marks are not among those of their hour. `folded` has the marks of hours, in any order."""
    marks: dict[float, set[bytes]] = {}
    for hour, joined in folded:
        here = marks.setdefault(hour, set())
        here.update(joined[at : at + _MARK_BYTES] for at in range(0, len(joined), _MARK_BYTES))
    return [
        entry
        for entry in entries
        if mark(entry.request_id, entry.hop) not in marks.get(hour_of(entry.time), frozenset())
    ]
