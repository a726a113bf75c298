"""Series that stay few, whatever operators and callers call things: counters and histograms of one thread.

They also put themselves into words, in another thread. prometheus_client makes several objects of each line: of 40,000
lines that is a second, and long pauses for the garbage.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]

MAX_SERIES = 10_000
"""Series of one counter. What comes later is counted under `other`."""
MAX_HISTOGRAMS = 500
"""Series of one histogram: each is a dozen of a counter's."""
OTHER = "other"

Drop = Callable[[int], None]
"""Is told how many were left without a series of their own, each time that they are."""

_Labels = tuple[str, ...]
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Count:
    """What one series of a counter has come to."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Counts."""
        self.value += amount


Sums = dict[Count, float]
"""What a batch of records adds to each series: most requests of a batch share theirs."""


class CappedCounter(Collector):
    """A counter with `MAX_SERIES` series. Beyond, the labels in `words`, which anybody may choose, become `other`; the
    rest are of closed sets, so they stay."""

    def __init__(self, name: str, meaning: str, labels: Iterable[str], words: Iterable[str], drop: Drop) -> None:
        self._name = name
        self._meaning = meaning
        self._labelnames = tuple(labels)
        self._open = tuple(label in {*words} for label in self._labelnames)
        self._drop = drop
        self._series: dict[_Labels, Count] = {}
        self._beyond: dict[_Labels, Count] = {}
        self._begins: dict[_Labels, str] = {}

    def labels(self, *labels: str) -> Count:
        """The series with these labels."""
        found = self._series.get(labels)
        if found is None:
            if len(self._series) < MAX_SERIES:
                found = self._series[labels] = Count()
                return found
            self._drop(1)
            pairs = zip(labels, self._open, strict=True)
            labels = tuple(OTHER if open else label for label, open in pairs)
            found = self._series.get(labels) or self._beyond.setdefault(labels, Count())
        return found

    def has(self, *labels: str) -> bool:
        """Whether these labels have a series of their own."""
        return labels in self._series

    def text(self) -> str:
        """Its lines."""
        begins, lines = self._begins, [_head(f"{self._name}_total", self._meaning, "counter")]
        for labels, count in self._all():
            if (begin := begins.get(labels)) is None:
                begin = begins[labels] = f"{self._name}_total{_braced(self._labelnames, labels)} "
            lines.append(f"{begin}{count.value!r}\n")
        return "".join(lines)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The same, as prometheus_client has it."""
        family = CounterMetricFamily(self._name, self._meaning, labels=self._labelnames)
        for labels, count in self._all():
            family.add_metric(labels, count.value)
        yield family

    def _all(self) -> list[tuple[_Labels, Count]]:
        """As they are now; the thread that counts may add some meanwhile."""
        return list(self._series.items()) + list(self._beyond.items())


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
        self._series: dict[_Labels, Values] = {}
        self._begins: dict[_Labels, tuple[list[str], str, str]] = {}

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

    def text(self) -> str:
        """Its lines."""
        lines = [_head(self._name, self._meaning, "histogram")]
        for labels, values in list(self._series.items()):
            begins = self._begins.get(labels)
            if begins is None:
                begins = self._begins[labels] = self._worded(labels)
            sums = list(accumulate(values.counts))
            lines += [f"{begin}{number}\n" for begin, number in zip(begins[0], sums, strict=True)]
            lines.append(f"{begins[1]}{sums[-1]}\n{begins[2]}{values.sum!r}\n")
        return "".join(lines)

    def _worded(self, labels: _Labels) -> tuple[list[str], str, str]:
        """How the lines of a series begin: of its buckets, of their number and of the sum."""
        names, braced = (*self._labelnames, "le"), _braced(self._labelnames, labels)
        buckets = [f"{self._name}_bucket{_braced(names, (*labels, bound))} " for bound in self._shown]
        return buckets, f"{self._name}_count{braced} ", f"{self._name}_sum{braced} "

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The same, as prometheus_client has it."""
        family = HistogramMetricFamily(self._name, self._meaning, labels=self._labelnames)
        for labels, values in list(self._series.items()):
            family.add_metric(labels, list(zip(self._shown, accumulate(values.counts), strict=True)), values.sum)
        yield family


def _head(name: str, meaning: str, kind: str) -> str:
    return f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"


def _braced(names: Iterable[str], labels: Iterable[str]) -> str:
    pairs = ",".join(
        [f'{name}="{label.translate(_ESCAPED)}"' for name, label in sorted(zip(names, labels, strict=True))]
    )
    return f"{{{pairs}}}" if pairs else ""


class Series:
    """Makes the series of one registry, and counts what has none of its own."""

    def __init__(self) -> None:
        self.registry, self._few = CollectorRegistry(), CollectorRegistry()
        self._many: list[CappedCounter | Histogram] = []
        self._dropped = self.counter(
            "gateway_series_dropped", "Left without a series of its own by a cap, each time that it was"
        )

    def exposition(self) -> bytes:
        """What a scrape gets. Not for the thread that counts: it waits for nobody, but takes a while."""
        many = "".join([each.text() for each in self._many])
        return many.encode() + generate_latest(self._few)

    def drop(self, number: int) -> None:
        """Counts what a cap leaves without a series."""
        if number:
            self._dropped.inc(number)

    def show(self, *collectors: Collector) -> None:
        """Has a scrape ask others, too. They are asked in the thread of the scrape."""
        for collector in collectors:
            self.registry.register(collector)
            self._few.register(collector)

    def counter(self, name: str, meaning: str) -> Counter:
        """A counter without labels. Any thread may count."""
        made = Counter(name, meaning, registry=None)
        self.show(made)
        return made

    def counters(self, name: str, meaning: str, labels: Iterable[str], words: Iterable[str] = ()) -> CappedCounter:
        """A counter by labels, of which those in `words` may be any that operators or callers choose."""
        made = CappedCounter(name, meaning, labels, words, self.drop)
        self._add(made)
        return made

    def gauge(self, name: str, meaning: str, labels: Iterable[str] = ()) -> Gauge:
        """A gauge."""
        made = Gauge(name, meaning, labels, registry=None)
        self.show(made)
        return made

    def histogram(self, name: str, meaning: str, labels: Iterable[str], bounds: tuple[float, ...]) -> Histogram:
        """A histogram."""
        made = Histogram(name, meaning, labels, bounds, self.drop)
        self._add(made)
        return made

    def _add(self, made: CappedCounter | Histogram) -> None:
        self.registry.register(made)
        self._many.append(made)
