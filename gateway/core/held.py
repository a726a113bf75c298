"""How much of whole answers is held at once, where memory is what they cost."""

from gateway.core.errors import Refusal, Refused

FREE_BYTES = 262_144
"""An answer up to this size counts for nothing."""
_RETRY_SECONDS = 2


class Held:
    """Bytes that are held at once, and the most of them. Who holds alone may have as many as he likes."""

    __slots__ = ("_most", "_total")

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._total = 0

    def part(self) -> "Part":
        """What one answer holds of it, nothing at first."""
        return Part(self)

    def take(self, size: int, own: int = 0) -> bool:
        """Takes so many bytes more, for one who has some of his own; False: there is no room for them."""
        if self._total > own and self._total + size > self._most:
            return False
        self._total += size
        return True

    def give_back(self, size: int) -> None:
        """So many bytes are not held any more."""
        self._total -= size


class Part:
    """What one answer holds, until it is told that it ended."""

    __slots__ = ("_of", "_size")

    def __init__(self, of: Held) -> None:
        self._of = of
        self._size = 0

    def grow(self, size: int) -> None:
        """The answer has so many bytes by now. Raises Refused (503) where there is no room for it."""
        if size <= max(FREE_BYTES, self._size):
            return
        if not self._of.take(size - self._size, self._size):
            raise Refused(
                Refusal.SHEDDING,
                "too many large answers are under way, so this one was given up; try again, or stream it",
                retry_after=_RETRY_SECONDS,
            )
        self._size = size

    def end(self) -> None:
        """It is not held any more. May be told twice."""
        self._of.give_back(self._size)
        self._size = 0
