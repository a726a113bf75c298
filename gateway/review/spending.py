"""What limits say of a request whose past spending is given: for tests of a tree, where no ledger is."""

from collections.abc import Iterable, Mapping

import msgspec

from gateway.core.budget import EVERYTHING, Exceeded, Limit, exceeded
from gateway.core.catalog import Backend
from gateway.core.decision import Facts
from gateway.core.spender import Spender
from gateway.policy.model import OWN

_UNKNOWN = "unknown"


class Room(msgspec.Struct, frozen=True):
    """Whether there is room for a call: `full` is the limit that has none, None: it may be sent. `watched` are the
    rules of limits on trial that have none."""

    full: Exceeded | None
    watched: tuple[str, ...]


class Purse:
    """Limits, and what was spent under each of them before the request: pico-USD by whose account it is, or by `OWN`
    for that of the request itself."""

    def __init__(self, limits: Iterable[Limit], spent: Mapping[str, Mapping[str, int]]) -> None:
        self._limits = tuple(limits)
        self._spent = spent

    def room(self, spender: Spender, pico_usd: int, moment: float, exempt: str | None) -> Room:
        """Whether a call that costs so much at most may be sent. `exempt` is the limit that it was downgraded by."""
        watched: dict[str, None] = {}
        for limit in self._limits:
            value = limit.value(spender)
            if value is None or limit.id == exempt:
                continue
            told = self._spent.get(limit.id, {})
            mine = told.get(value, told.get(OWN, 0))
            everyone = mine if value == EVERYTHING else sum(told.values())
            if (full := exceeded(limit, value, pico_usd, mine, everyone, moment)) is None:
                continue
            if limit.enforced:
                return Room(full, tuple(watched))
            watched[limit.rule] = None
        return Room(None, tuple(watched))


def spender_of(facts: Facts, backend: Backend) -> Spender:
    """Whose accounts a call counts in."""
    key, team, app, project = (each or _UNKNOWN for each in (facts.key, facts.team, facts.app, facts.project))
    return Spender(key, team, app, project, backend.provider, backend.zone)
