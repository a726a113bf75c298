"""What one replica may spend while the store that all share does not answer: its part of what was left.

Counted in memory, with the accounts of `core.budget`, and added to the store when it is back.
"""

from collections.abc import Mapping, Sequence

import msgspec

from gateway.core.budget import Account, Ask, Exceeded, Limit, granted, window_at


class Part(msgspec.Struct, frozen=True):
    """The part of a limit that this replica may spend until `ends`, in pico-USD."""

    account: Account
    pico_usd: int
    ends: float


class Parts:
    """The parts of one outage. `seen` is what was known to be spent or reserved in the window, in pico-USD."""

    def __init__(self, replicas: int) -> None:
        self._replicas = max(1, replicas)
        self._parts: dict[tuple[str, str], Part] = {}
        self._taken: dict[str, tuple[int, tuple[Part, ...]]] = {}

    def take(
        self,
        ask: Ask,
        lines: Sequence[tuple[Limit, str]],
        seen: Mapping[tuple[str, str], int],
        moment: float,
    ) -> int | Exceeded:
        """How much a call gets, or which limit leaves nothing. `lines` are limits by amount that are enforced."""
        grant, parts = ask.most, []
        for limit, value in lines:
            part = self._part(limit, value, seen, moment)
            part.account.turn(moment)
            used = part.account.spent, part.account.reserved
            most = granted(ask, part.pico_usd - sum(used))
            if most is None:
                return Exceeded(limit, value, *used, part.pico_usd, part.ends)
            grant = min(grant, most)
            parts.append(part)
        for part in parts:
            part.account.reserved += grant
        self._taken[ask.id] = grant, tuple(parts)
        return grant

    def settle(self, id: str, pico_usd: int, moment: float) -> None:
        """Gives a call's room back and books what it came to; nothing for a call that took none here."""
        grant, parts = self._taken.pop(id, (0, ()))
        for part in parts:
            part.account.reserved -= grant
            part.account.add(moment, pico_usd)

    def shrink(self, id: str, pico_usd: int) -> None:
        """Leaves a call no more room than an amount; nothing for a call that took none here."""
        grant, parts = self._taken.get(id, (0, ()))
        if pico_usd < grant:
            self._taken[id] = pico_usd, parts
            for part in parts:
                part.account.reserved -= grant - pico_usd

    def _part(self, limit: Limit, value: str, seen: Mapping[tuple[str, str], int], moment: float) -> Part:
        """A part of what was left as the outage began; once that window is over, of the whole."""
        key = limit.id, value
        part = self._parts.get(key)
        if part is None or moment >= part.ends:
            left = (limit.terms.pico_usd or 0) - (seen.get(key, 0) if part is None else 0)
            account = Account(limit.terms.window) if part is None else part.account
            ends = window_at(limit.terms.window, moment).end
            part = self._parts[key] = Part(account, max(0, left) // self._replicas, ends)
        return part
