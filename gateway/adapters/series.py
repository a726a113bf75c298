"""Series that stay few, whatever operators and callers call things: counters and histograms of one thread."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]

MAX_SERIES = 10_000
"""Series of one counter. What comes later is counted under `other`."""
MAX_HISTOGRAMS = 500
"""Series of one histogram: each is a dozen of a counter's."""
OTHER = "other"

Drop = Callable[[int], None]
"""Is told how many were left without a series of their own, each time that they are."""

Sums = dict[Counter, float]
"""What a batch of records adds to each series: most requests of a batch share theirs."""


class CappedCounter:
    """A counter with `MAX_SERIES` series. Beyond, the labels in `words`, which anybody may choose, become `other`; the
    rest are of closed sets, so they stay."""

    def __init__(self, counter: Counter, labels: Iterable[str], words: Iterable[str], drop: Drop) -> None:
        self._counter = counter
        self._open = tuple(label in {*words} for label in labels)
        self._drop = drop
        self._series: dict[tuple[str, ...], Counter] = {}

    def labels(self, *labels: str) -> Counter:
        """The series with these labels, remembered: prometheus_client takes a lock to look for it."""
        found = self._series.get(labels)
        if found is None:
            if len(self._series) >= MAX_SERIES:
                self._drop(1)
                pairs = zip(labels, self._open, strict=True)
                return self._counter.labels(*(OTHER if open else label for label, open in pairs))
            found = self._series[labels] = self._counter.labels(*labels)
        return found

    def has(self, *labels: str) -> bool:
        """Whether these labels have a series of their own."""
        return labels in self._series


class Values:
    """What one series of a histogram has seen: how many values fell into each bucket, and their sum."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Counts a value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class Histogram(Collector):
    """A histogram that one thread counts in: prometheus_client's takes two locks for each value. Beyond
    `MAX_HISTOGRAMS` series all labels become `other`."""

    def __init__(self, name: str, meaning: str, labels: Iterable[str], bounds: tuple[float, ...], drop: Drop) -> None:
        self._name = name
        self._meaning = meaning
        self._labelnames = tuple(labels)
        self._bounds = bounds
        self._drop = drop
        self._shown = [*(str(float(bound)) for bound in bounds), "+Inf"]
        self._series: dict[tuple[str, ...], Values] = {}

    def labels(self, *labels: str) -> Values:
        """The series with these labels."""
        found = self._series.get(labels)
        if found is None:
            if len(self._series) >= MAX_HISTOGRAMS:
                self._drop(1)
                labels = (OTHER,) * len(labels)
            found = self._series.setdefault(labels, Values(self._bounds))
        return found

    def has(self, *labels: str) -> bool:
        """Whether these labels have a series of their own."""
        return labels in self._series

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What a scrape gets."""
        family = HistogramMetricFamily(self._name, self._meaning, labels=self._labelnames)
        for labels, values in self._series.items():
            family.add_metric(labels, list(zip(self._shown, accumulate(values.counts), strict=True)), values.sum)
        yield family


class Series:
    """Makes the series of one registry, and counts what has none of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._dropped = self.counter(
            "gateway_series_dropped", "Left without a series of its own by a cap, each time that it was"
        )

    def drop(self, number: int) -> None:
        """Counts what a cap leaves without a series."""
        if number:
            self._dropped.inc(number)

    def show(self, *collectors: Collector) -> None:
        """Has a scrape ask others, too."""
        for collector in collectors:
            self.registry.register(collector)

    def counter(self, name: str, meaning: str) -> Counter:
        """A counter without labels."""
        return Counter(name, meaning, registry=self.registry)

    def counters(self, name: str, meaning: str, labels: Iterable[str], words: Iterable[str] = ()) -> CappedCounter:
        """A counter by labels, of which those in `words` may be any that operators or callers choose."""
        labels = tuple(labels)
        return CappedCounter(Counter(name, meaning, labels, registry=self.registry), labels, words, self.drop)

    def gauge(self, name: str, meaning: str, labels: Iterable[str] = ()) -> Gauge:
        """A gauge."""
        return Gauge(name, meaning, labels, registry=self.registry)

    def histogram(self, name: str, meaning: str, labels: Iterable[str], bounds: tuple[float, ...]) -> Histogram:
        """A histogram."""
        made = Histogram(name, meaning, labels, bounds, self.drop)
        self.show(made)
        return made
