"""Calls under way of each team: one that asks for as much as there is leaves room for others."""

from collections.abc import Callable

from gateway.core.errors import Refusal, Refused

_SHARE = 4
"""So many times as much as is left one team may have: alone four fifths of all, where two ask for all they can four
ninths each. So there is always room for a first call of another one, and nobody has to know who will come."""
_RETRY_SECONDS = 1


class Seats:
    """`most` calls are under way at once, of all teams. `teams` says how many teams have keys: while there is one,
    nothing is left for others. `taken` is how many calls are under way now."""

    def __init__(self, most: int, teams: Callable[[], int]) -> None:
        self._most = most
        self._teams = teams
        self._of: dict[str, int] = {}
        self.taken = 0

    def take(self, team: str) -> None:
        """One more call of a team is under way. Raises Refused (429) where others would have no room left."""
        own = self._of.get(team, 0)
        if own and own >= _SHARE * (self._most - self.taken - 1) and self._teams() > 1:
            raise Refused(
                Refusal.CROWDED,
                f"your team has {own} calls under way, and the rest is kept for others; try again once some have ended",
                retry_after=_RETRY_SECONDS,
            )
        self._of[team] = own + 1
        self.taken += 1

    def another_crowds(self, team: str) -> bool:
        """Whether another team has more than half of all calls that are under way."""
        return any(own * 2 > self.taken for other, own in self._of.items() if other != team)

    def give_back(self, team: str) -> None:
        """A call of a team has ended."""
        self.taken -= 1
        if left := self._of[team] - 1:
            self._of[team] = left
        else:
            del self._of[team]
