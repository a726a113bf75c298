"""The accounts that replicas share, as the server last told one of them."""

import msgspec

from gateway.adapters.budgets_book import NANO, family_of, standing
from gateway.core.budget import Limit, Standing, window_at

_REMEMBERED = 20_000


class Told(msgspec.Struct, frozen=True):
    """An account as the server told it, in nano-USD; `moment` by its clock, `at` monotonic seconds."""

    spent: int
    reserved: int
    moment: float
    at: float


class Seen:
    """What was told of each account, by the family of its limit and its value. The one that was told longest ago is
    forgotten first."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], Told] = {}

    def note(self, family: str, value: str, told: Told) -> None:
        """Takes what was told of an account."""
        self._told.pop((family, value), None)
        self._told[family, value] = told
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]

    def last(self, limit: Limit, value: str) -> Told | None:
        """What was told last."""
        return self._told.get((family_of(limit), value))

    def used(self, limit: Limit, value: str, moment: float, alone_since: float) -> int | None:
        """What is known to be spent or reserved in the window of a moment, in pico-USD, where nobody has counted for
        all since `alone_since` (Unix seconds); None: others may have spent any amount in it."""
        last = self.last(limit, value)
        if last is not None and moment < window_at(limit.terms.window, last.moment).end:
            return (last.spent + last.reserved) * NANO
        return 0 if window_at(limit.terms.window, moment).start >= alone_since else None

    def standing(self, limit: Limit, value: str, moment: float) -> Standing:
        """How an account stood when it was last told; a window that has ended since is empty."""
        last = self.last(limit, value)
        if last is None or moment >= window_at(limit.terms.window, last.moment).end:
            return standing(limit, value, 0, 0, moment)
        return standing(limit, value, last.spent, last.reserved, moment)
