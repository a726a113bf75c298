"""How budgets stand, as Prometheus series. They are given when a scrape comes: nothing is counted twice."""

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.adapters.series import Drop
from gateway.core.budget import Standing
from gateway.core.price import PICO_PER_USD

MAX_ACCOUNTS = 500
"""Accounts that get series of their own, the fullest first; the rest are counted as dropped."""

_LABELS = ("budget", "per", "account", "window")


class BudgetSeries(Collector):
    """The series of all budgets but those of single keys: a key is no label."""

    def __init__(self, drop: Drop) -> None:
        self._drop = drop
        self._standings: Sequence[Standing] = ()
        self._overshot_pico_usd = 0

    def show(self, standings: Sequence[Standing], overshot_pico_usd: int) -> None:
        """What the next scrape is to get: how each account stands, and what was booked beyond limits in force."""
        self._standings, self._overshot_pico_usd = standings, overshot_pico_usd

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """What a scrape gets."""
        limit = GaugeMetricFamily("gateway_budget_limit_usd", "Ceiling of a budget", labels=_LABELS)
        settled = GaugeMetricFamily("gateway_budget_settled_usd", "Spent in the window", labels=_LABELS)
        reserved = GaugeMetricFamily("gateway_budget_reserved_usd", "Reserved for calls under way", labels=_LABELS)
        resets = GaugeMetricFamily("gateway_budget_reset_timestamp_seconds", "When the window ends", labels=_LABELS)
        shown = [each for each in self._standings if each.limit.terms.per != "key"]
        shown.sort(key=lambda each: -(each.spent_pico_usd + each.reserved_pico_usd))
        for each in shown[:MAX_ACCOUNTS]:
            terms = each.limit.terms
            labels = (each.limit.id, terms.per, each.value, terms.window)
            limit.add_metric(labels, (each.ceiling_pico_usd or 0) / PICO_PER_USD)
            settled.add_metric(labels, each.spent_pico_usd / PICO_PER_USD)
            reserved.add_metric(labels, each.reserved_pico_usd / PICO_PER_USD)
            resets.add_metric(labels, each.resets)
        self._drop(max(0, len(shown) - MAX_ACCOUNTS))
        yield from (limit, settled, reserved, resets)
        yield CounterMetricFamily(
            "gateway_budget_overshoot_usd",
            "Booked beyond limits in force; must stay 0",
            value=self._overshot_pico_usd / PICO_PER_USD,
        )
