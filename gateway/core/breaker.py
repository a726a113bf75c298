"""Whether a backend is asked at all: a circuit breaker. Moments are handed in, in monotonic seconds."""

LAST_CALLS = 10
FAILURES = 5
"""Of its last ten calls so many failures open it: a backend that is down has them after five, one that loses every
second call after ten."""

SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 8.0
"""How long it stays open: doubled with each probe that fails. What recovers is seen within ten seconds."""

_WINDOW = (1 << LAST_CALLS) - 1


class Breaker:
    """Closed: calls pass. Open: none does, for a while. Then one call is the probe: its outcome closes it, or opens it
    for twice as long. A probe that is silent for long does not keep the next one waiting.

    Each change begins a new era. A call tells its outcome with the era that it began in: what was sent before a change
    says nothing about the time after it.
    """

    __slots__ = ("_failed", "_open_for", "_until", "era")

    def __init__(self) -> None:
        self.era = 0
        self._failed = 0  # a bit for each of the last calls, 1: it failed
        self._open_for = 0.0  # 0: closed
        self._until = 0.0

    @property
    def closed(self) -> bool:
        """Calls pass freely."""
        return not self._open_for

    @property
    def until(self) -> float:
        """The moment from which on a call may be sent again, 0: it is closed."""
        return self._until if self._open_for else 0.0

    def wait(self, moment: float) -> float:
        """The seconds until a call may be sent, 0: now."""
        return max(0.0, self.until - moment)

    def begin(self, moment: float) -> int:
        """A call is sent, in the era that it gives back. When open, it is the probe."""
        if self._open_for:
            self._until = moment + LONGEST_SECONDS
        return self.era

    def succeeded(self, era: int) -> None:
        """A call was answered."""
        if era != self.era:
            return
        if self._open_for:
            self._change(0.0)
        else:
            self._failed = self._failed << 1 & _WINDOW

    def failed(self, era: int, moment: float) -> None:
        """A call failed by its backend's fault."""
        if era != self.era:
            return
        if self._open_for:
            self._change(min(2 * self._open_for, LONGEST_SECONDS), moment)
            return
        self._failed = (self._failed << 1 | 1) & _WINDOW
        if self._failed.bit_count() >= FAILURES:
            self._change(SHORTEST_SECONDS, moment)

    def forgone(self, era: int, moment: float) -> None:
        """A call ended and told nothing: its client left, say. If it was the probe, the next one may be."""
        if self._open_for and era == self.era:
            self._until = moment

    def reset(self) -> None:
        """Closes it, whatever was. What was sent before says nothing any more."""
        self._change(0.0)

    def _change(self, open_for: float, moment: float = 0.0) -> None:
        self.era += 1
        self._failed = 0
        self._open_for = open_for
        self._until = moment + open_for
