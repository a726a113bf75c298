"""How much of something is held at once, where memory is what it costs."""


class Held:
    """Bytes that are held at once, and the most of them. Who holds alone may have as many as he likes."""

    __slots__ = ("_most", "_total")

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._total = 0

    def take(self, size: int, own: int = 0) -> bool:
        """Takes so many bytes more, for one who has some of his own; False: there is no room for them."""
        if self._total > own and self._total + size > self._most:
            return False
        self._total += size
        return True

    def give_back(self, size: int) -> None:
        """So many bytes are not held any more."""
        self._total -= size
