"""Putting limits in force once it is known what was spent under them, and closing them while it is not."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from gateway.adapters.books import LedgerUnreadable
from gateway.core.budget import Limit
from gateway.core.rate import Rate

Spent = Mapping[tuple[str, str], Mapping[int, int]]


class Limits:
    """Limits and what was spent under them.

    `restore` reads that from the ledger, for limits that are not in force yet; `enforce` puts limits in force; `behind`
    says whether the ledger has yet to take over what was spent lately. `tell` is told when limits are closed, and when
    they are not any more.
    """

    def __init__(
        self,
        restore: Callable[[Sequence[Limit]], Spent],
        enforce: Callable[[Sequence[Limit], Spent, Sequence[Rate]], None],
        behind: Callable[[], bool],
        tell: Callable[..., None],
    ) -> None:
        self._restore = restore
        self._enforce = enforce
        self._behind = behind
        self._tell = tell
        self._counted: tuple[Limit, ...] = ()
        self.due = False
        """There are limits in force of which it is not known what was spent: prepare them again."""

    def prepare(self, limits: Sequence[Limit], rates: Sequence[Rate] = ()) -> Callable[[], None]:
        """Reads what was spent under new limits, beside the event loop; what it returns puts them in force, and the
        rates. While the ledger cannot say, new ones are closed."""
        spent: Spent = {}
        error = "the ledger's store is behind" if self._behind() else ""
        if not error:
            try:
                spent = self._restore(limits)
            except LedgerUnreadable as unreadable:
                error = str(unreadable)
        wanted = tuple(limits)
        there = {(limit.id, limit.counts) for limit in self._counted}
        known = wanted if not error else tuple(limit for limit in wanted if (limit.id, limit.counts) in there)
        in_force = tuple(limit if limit in known else uncounted(limit) for limit in wanted)

        def put_in_force() -> None:
            self._enforce(in_force, spent, rates)
            self._counted = known
            if self.due != (len(known) < len(wanted)):
                self.due = not self.due
                self._tell("limits_closed" if self.due else "limits_counted", **({"error": error} if error else {}))

        return put_in_force


def uncounted(limit: Limit) -> Limit:
    """What is in force instead of a limit while nobody knows what was spent under it: no room for anything that costs,
    or, with `local_quota`, the limit for what this process counts."""
    terms = limit.terms
    if terms.on_store_down != "local_quota":
        terms = msgspec.structs.replace(terms, pico_usd=0, share=None)
    return msgspec.structs.replace(limit, terms=terms, counted=False)
