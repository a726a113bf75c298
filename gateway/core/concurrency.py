"""How many calls a backend may have under way: a number that is given, or one that is found by how it answers."""

FIRST = 256
LEAST = 4
MOST = 4096
_DOWN = 0.7
_UP = 1.1
_USED = 0.8
_FEWEST = 8


class Given:
    """The limit of the catalog."""

    __slots__ = ("most",)

    round = 0

    def __init__(self, most: int) -> None:
        self.most = most

    def answered(self, round: int, running: int, *, late: bool) -> None:
        """Changes nothing."""


class Found:
    """A limit for a server of our own, whose capacity nobody declared: it takes what it is given and answers later and
    later. When more than half of a window's calls are late, the limit falls below what ran; when it was nearly used up
    and they are not, it rises.

    A window is a quarter of the limit. Single late calls have long prompts; a crowd that is late is too large. Calls
    that began before the last fall say nothing of the time after it.
    """

    __slots__ = ("_answered", "_late", "_most", "_peak", "round")

    def __init__(self) -> None:
        self.round = 0
        self._most = float(FIRST)
        self._answered, self._late, self._peak = 0, 0, 0  # in the window

    @property
    def most(self) -> int:
        """The limit now."""
        return int(self._most)

    def answered(self, round: int, running: int, *, late: bool) -> None:
        """A call of a round was answered, or was not in time, while so many were running, itself included."""
        if round != self.round:
            return
        self._answered += 1
        self._late += late
        self._peak = max(self._peak, running)
        if self._answered < max(_FEWEST, self._most / 4):
            return
        if self._late * 2 > self._answered:
            self._most = max(float(LEAST), min(self._most, self._peak) * _DOWN)
            self.round += 1
        elif self._peak >= self._most * _USED:
            self._most = min(float(MOST), max(self._most + 1, self._most * _UP))
        self._answered, self._late, self._peak = 0, 0, 0


Concurrency = Given | Found
