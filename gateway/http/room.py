"""How much of clients' bodies is held at once. What would be more is turned away, before memory has no room for it."""

from collections import Counter

from gateway.core.errors import Refusal, Refused

FREE_BYTES = 262_144
"""A body up to this size counts for nothing: the connection has most of it before anybody asks, and how many there are
is limited."""

_RETRY_SECONDS = 2


class Room:
    """Room for the bodies of requests under way. One team may have half of it, so that there is some for others; a
    first one is taken whatever its size."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._taken: Counter[str] = Counter()

    def share(self, team: str) -> "Share":
        """A team's request's share, empty at first."""
        return Share(self, team)

    def take(self, team: str, size: int) -> bool:
        """Takes so many bytes more; False: there is no room for them."""
        taken, total = self._taken[team], self._taken.total()
        if (taken and taken + size > self._most // 2) or (total and total + size > self._most):
            return False
        self._taken[team] = taken + size
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

    def hold(self, size: int) -> None:
        """The body has, or will have, so many bytes. Raises Refused (503) where there is no room for it."""
        if size <= max(FREE_BYTES, self._size):
            return
        if not self._room.take(self._team, size - self._size):
            raise Refused(
                Refusal.SHEDDING,
                "too many large requests are under way at this moment; try again",
                retry_after=_RETRY_SECONDS,
            )
        self._size = size

    def end(self) -> None:
        """The request has ended. May be told twice."""
        if self._size:
            self._room.give_back(self._team, self._size)
            self._size = 0
