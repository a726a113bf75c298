"""Calls that need less room than the server has for them, until it was told.

It is told beside all requests, together with other calls. What it never hears costs nobody anything: all room of a call
is given back when it is settled.
"""

from collections.abc import Container
from itertools import islice

from gateway.adapters.budgets_book import Room, shrinking
from gateway.adapters.valkey import Valkey

_AT_ONCE = 128


class Shrunk:
    """The calls, by their ids."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}

    def note(self, room: Room) -> None:
        """Takes what is left of the room of a call."""
        self._rooms[room.ask.id] = room

    async def tell(self, server: Valkey, under_way: Container[str]) -> None:
        """Tells the server of all that are still under way. To do it twice is to do it once. Raises Down."""
        while self._rooms:
            part = dict(islice(self._rooms.items(), _AT_ONCE))
            await server.run([shrinking(room) for id, room in part.items() if id in under_way])
            for id, room in part.items():
                if self._rooms.get(id) is room:  # it may need still less by now
                    del self._rooms[id]
