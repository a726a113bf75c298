"""Up to when the ledger of a replica had all that ended there, now and a while ago.

What ended later is in no account that was made from the ledger at that time.
"""

import math
from collections import deque
from collections.abc import Callable

Lag = Callable[[], float]
"""How many seconds the ledger is behind what ended in this replica; infinity: it may have nothing of that."""

_SAMPLE_SECONDS = 0.25
_SAMPLES = 4096


def at_once() -> float:
    """The lag of a ledger that has everything at once."""
    return 0.0


class Reached:
    """Moments are monotonic seconds."""

    def __init__(self, lag: Lag) -> None:
        self._lag = lag
        self._samples: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)

    def look(self, now: float) -> None:
        """Notes how far the ledger is."""
        if not self._samples or now >= self._samples[-1][0] + _SAMPLE_SECONDS:
            self._samples.append((now, now - self._lag()))

    def at(self, moment: float) -> float:
        """The ledger had all that ended before this at `moment`; minus infinity: nobody knows that it had anything."""
        return next((had for looked, had in reversed(self._samples) if looked <= moment), -math.inf)
