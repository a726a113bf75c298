"""What the ledger says, as Prometheus series: spending, where it ends, how long limits last. A scrape reads nothing."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.adapters.ledger_figures import Figures
from gateway.adapters.series import Drop
from gateway.core.price import PICO_PER_USD

MAX_ACCOUNTS = 500
"""Accounts whose runway is shown, the shortest first."""


class LedgerSeries(Collector):
    """The series of the ledger, as it was last read; without values while it cannot be read."""

    def __init__(self, drop: Drop) -> None:
        self._drop = drop
        self._figures: Figures | None = None

    def show(self, figures: Figures | None) -> None:
        """What the next scrape is to get; None: nothing is known."""
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What a scrape gets."""
        period, figures = ("period",), self._figures
        cost = GaugeMetricFamily("gateway_ledger_cost_usd", "Booked, by the ledger", labels=period)
        measured = GaugeMetricFamily(
            "gateway_ledger_measured_ratio", "Share of what was booked that was reported", labels=period
        )
        projected = GaugeMetricFamily(
            "gateway_ledger_projected_month_usd", "Where the month will end", labels=("bound",)
        )
        read = GaugeMetricFamily("gateway_ledger_read_timestamp_seconds", "When the ledger was read")
        largest = GaugeMetricFamily(
            "gateway_concentration_ratio",
            "Largest share of what was booked this month that one value has",
            labels=("dimension",),
        )
        if figures is not None:
            read.add_metric((), figures.moment)
            for name, booked in (("today", figures.today), ("month", figures.month)):
                cost.add_metric((name,), booked.pico_usd / PICO_PER_USD)
                if (share := booked.measured) is not None:
                    measured.add_metric((name,), share)
            end = figures.projected
            bounds = {"low": end.low_pico_usd, "likely": end.end_pico_usd, "high": end.high_pico_usd}
            for name, pico_usd in bounds.items():
                if pico_usd is not None:
                    projected.add_metric((name,), pico_usd / PICO_PER_USD)
            for name, share in figures.largest.items():
                largest.add_metric((name,), share)
        yield from (cost, measured, projected, read, largest, self._runways())

    def _runways(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "gateway_budget_runway_days",
            "Days until the limit is reached at the present pace",
            labels=("budget", "per", "account", "window"),
        )
        if self._figures is not None:
            last = [(each.runway_days, each) for each in self._figures.runways if each.runway_days is not None]
            last.sort(key=lambda pair: pair[0])
            self._drop(max(0, len(last) - MAX_ACCOUNTS))
            for days, each in last[:MAX_ACCOUNTS]:
                terms = each.limit.terms
                family.add_metric((each.limit.id, terms.per, each.value, terms.window), days)
        return family
