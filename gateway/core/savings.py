"""What routing saved or lost against a declared baseline. Money is pico-USD; a saving has a sign."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec

from gateway.core.price import Price, charge
from gateway.core.record import End, Tried
from gateway.core.usage import NOTHING, Usage

REQUESTED = "requested"
"""The baseline that is the model which the caller named."""


def saved_by(tried: Sequence[Tried], end: End, price: Price) -> int:
    """What one request cost less than a baseline of this price, in pico-USD; negative: it cost more. As `savings` has
    it, once the ledger has the request: it was served if anything of an answer may have come, and 0 is what is told
    where nobody knows what that used."""
    served = tried[-1]
    answered = end is not End.FAILED and served.state != "released"
    if answered and not served.usage.total:
        return 0
    return (charge(served.usage, price) if answered else 0) - sum([each.cost_pico_usd for each in tried])


class Called(msgspec.Struct, frozen=True):
    """One upstream call of the past: what it was asked for, whether the client got its answer, what it used and cost.

    `group` are the values of the breakdown that is wanted.
    """

    request_id: str
    group: tuple[str, ...]
    requested: str
    served: bool
    usage: Usage
    cost_pico_usd: int


class Saved(msgspec.Struct, frozen=True):
    """What the requests of a group cost, what they would have cost, and the two sides of the difference: requests that
    were cheaper than the baseline, and requests that were dearer."""

    group: tuple[str, ...]
    requests: int = 0
    cost_pico_usd: int = 0
    baseline_pico_usd: int = 0
    saved_pico_usd: int = 0
    lost_pico_usd: int = 0

    @property
    def net_pico_usd(self) -> int:
        """Saved less lost; negative: routing cost more than the baseline."""
        return self.saved_pico_usd - self.lost_pico_usd

    def with_request(self, cost: int, baseline: int) -> "Saved":
        """The same with one request more."""
        return Saved(
            self.group,
            self.requests + 1,
            self.cost_pico_usd + cost,
            self.baseline_pico_usd + baseline,
            self.saved_pico_usd + max(0, baseline - cost),
            self.lost_pico_usd + max(0, cost - baseline),
        )


class Savings(msgspec.Struct, frozen=True):
    """Savings by group, the greatest first. Requests left out: `unnamed` asked for an alias or an unpriced model, so
    there is no model to compare with; of `unknown` nobody knows what they used."""

    lines: tuple[Saved, ...]
    unnamed: int
    unknown: int

    @property
    def total(self) -> Saved:
        """All groups together."""
        figures = Saved.__struct_fields__[1:]
        return Saved((), *(sum(getattr(line, name) for line in self.lines) for name in figures))


def savings(calls: Iterable[Called], prices: Mapping[str, Price], baseline: str = REQUESTED) -> Savings:
    """Savings against `requested`, or against all traffic on one of the priced models.

    Calls of a request follow each other, in their order. The baseline is what the served call used, at the usual price
    of the baseline's model today; tokens read from a cache, or written to one, are charged as if that model had cached
    the same. What routing itself cost is in the cost alone: calls that failed, and others beside the served one. A
    request that nobody served has a baseline of nothing. It counts in the group of its last call.
    """
    lines: dict[tuple[str, ...], Saved] = {}
    unnamed = unknown = 0
    for _, of_request in groupby(calls, key=attrgetter("request_id")):
        tried = list(of_request)
        last = tried[-1]
        price = prices.get(last.requested if baseline == REQUESTED else baseline)
        served = [call.usage for call in tried if call.served]
        if price is None:
            unnamed += 1
        elif any(usage.total == 0 for usage in served):
            unknown += 1
        else:
            usage = served[-1] if served else NOTHING
            line = lines.get(last.group) or Saved(last.group)
            lines[last.group] = line.with_request(sum(call.cost_pico_usd for call in tried), charge(usage, price))
    ordered = sorted(lines.values(), key=lambda line: (-line.net_pico_usd, line.group))
    return Savings(tuple(ordered), unnamed, unknown)
