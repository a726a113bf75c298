"""How much of bodies, or of whole answers, is held at once. What would be more is turned away before memory is full."""

from collections import Counter

FREE_BYTES = 262_144
"""Up to this size it counts for nothing: a connection has most of such a body before anybody asks, and how many there
are is limited."""

RETRY_SECONDS = 2
"""When there may be room again for one who was turned away."""


class Room:
    """Room for so many bytes. One team may have half of it, so that there is some for others. What is all that its team
    has may be more, and what is alone of any size."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._taken: Counter[str] = Counter()

    def share(self, team: str) -> "Share":
        """What one request of a team has of it, nothing at first."""
        return Share(self, team)

    def take(self, team: str, more: int, own: int) -> bool:
        """Takes so many bytes more for one who has some of his own; False: there is no room for them."""
        taken, total = self._taken[team], self._taken.total()
        if (taken > own and taken + more > self._most // 2) or (total > own and total + more > self._most):
            return False
        self._taken[team] = taken + more
        return True

    def give_back(self, team: str, size: int) -> None:
        """So many bytes are not held any more."""
        self._taken[team] -= size
        if not self._taken[team]:
            del self._taken[team]


class Share:
    """What one request has of the room, until it is told that it ended."""

    __slots__ = ("_room", "_size", "_team")

    def __init__(self, room: Room, team: str) -> None:
        self._room = room
        self._team = team
        self._size = 0

    def hold(self, size: int) -> bool:
        """There are, or will be, so many bytes; False: there is no room for them, and it keeps what it has."""
        if size <= max(FREE_BYTES, self._size):
            return True
        if not self._room.take(self._team, size - self._size, self._size):
            return False
        self._size = size
        return True

    def end(self) -> None:
        """Nothing is held any more. May be told twice."""
        if self._size:
            self._room.give_back(self._team, self._size)
            self._size = 0
