"""What is measured of requests, as OpenTelemetry has it: histograms by the conventions for generative AI, and costs.

They are counted here, not by the SDK: its instruments take some twenty microseconds for each value, ten times as long.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Sequence

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from gateway.adapters.otel_spans import error_of, operation_of, provider_of
from gateway.core.price import PICO_PER_USD
from gateway.core.record import Record, Tried

MOST_SERIES = 2000
"""Of one metric. What comes beyond goes into one with the attribute that the standard has for it."""

_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TOKENS = tuple(4**power for power in range(14))

_TEMPORALITY = AggregationTemporality.CUMULATIVE

_Attributes = tuple[tuple[str, str], ...]
_OVERFLOW: _Attributes = (("otel.metric.overflow", "true"),)


class _Series:
    """What one series has seen."""

    __slots__ = ("counts", "greatest", "least", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum: float = 0
        self.least, self.greatest = float("inf"), float("-inf")


class _Measure:
    """One metric: a histogram, or with no bounds a sum that only grows."""

    def __init__(self, name: str, unit: str, meaning: str, bounds: tuple[float, ...] = ()) -> None:
        self.name, self.unit, self.meaning, self.bounds = name, unit, meaning, bounds
        self.series: dict[_Attributes, _Series] = {}

    def add(self, value: float, attributes: _Attributes) -> None:
        """Counts a value."""
        series = self.series.get(attributes)
        if series is None:
            if len(self.series) >= MOST_SERIES:
                attributes = _OVERFLOW
            series = self.series.setdefault(attributes, _Series(len(self.bounds) + 1))
        series.counts[bisect_left(self.bounds, value)] += 1
        series.sum += value
        series.least, series.greatest = min(series.least, value), max(series.greatest, value)

    def shown(self, since: int, now: int) -> Metric:
        """As it is sent. Moments are Unix nanoseconds."""
        data: Histogram | Sum
        if self.bounds:
            points = [
                HistogramDataPoint(
                    attributes=_named(attributes),
                    start_time_unix_nano=since,
                    time_unix_nano=now,
                    count=sum(series.counts),
                    sum=series.sum,
                    bucket_counts=tuple(series.counts),
                    explicit_bounds=self.bounds,
                    min=series.least,
                    max=series.greatest,
                )
                for attributes, series in self.series.items()
            ]
            data = Histogram(points, _TEMPORALITY)
        else:
            numbers = [
                NumberDataPoint(_named(attributes), since, now, series.sum)
                for attributes, series in self.series.items()
            ]
            data = Sum(numbers, _TEMPORALITY, is_monotonic=True)
        return Metric(self.name, self.meaning, self.unit, data)


def _named(attributes: _Attributes) -> dict[str, str | bool]:
    return {"otel.metric.overflow": True} if attributes is _OVERFLOW else dict(attributes)


class Measures:
    """All that is measured. One thread counts, another asks.

    What is sent are sums since the start, so what a collector misses is in what it gets next.
    """

    def __init__(self, resource: Resource, scope: InstrumentationScope) -> None:
        self._resource, self._scope = resource, scope
        self._lock = threading.Lock()
        self._since = time.time_ns()
        self._tokens = _Measure("gen_ai.client.token.usage", "{token}", "Tokens of upstream calls", _TOKENS)
        self._calls = _Measure("gen_ai.client.operation.duration", "s", "How long upstream calls took", _SECONDS)
        self._requests = _Measure("gen_ai.server.request.duration", "s", "How long requests took", _SECONDS)
        self._first = _Measure("gen_ai.server.time_to_first_token", "s", "Arrival to first content", _FIRST_SECONDS)
        self._cost = _Measure("gateway.cost", "USD", "Booked cost, bounds of uncertain calls included")
        self._all = (self._tokens, self._calls, self._requests, self._first, self._cost)

    def count(self, records: Sequence[Record]) -> None:
        """Counts requests that have ended."""
        with self._lock:
            for record in records:
                self._count(record)

    def shown(self) -> MetricsData | None:
        """What there is to send; None: nothing."""
        with self._lock:
            now = time.time_ns()
            metrics = [each.shown(self._since, now) for each in self._all if each.series]
        if not metrics:
            return None
        scoped = ScopeMetrics(self._scope, metrics, self._scope.schema_url or "")
        return MetricsData([ResourceMetrics(self._resource, [scoped], self._resource.schema_url)])

    def _count(self, record: Record) -> None:
        operation = ("gen_ai.operation.name", operation_of(record))
        served, decision = record.served, record.decision
        for tried in record.tried:
            self._count_call(record, tried, operation)
        if decision is None:
            return  # of a name that nobody knows, or of a body that nobody could read
        who: _Attributes = (operation, ("gen_ai.request.model", decision.requested))
        if served is not None:
            who += (("gen_ai.provider.name", provider_of(served)), ("gen_ai.response.model", served.model))
        error = error_of(record)
        self._requests.add(record.duration, (*who, ("error.type", error)) if error else who)
        if record.first_token is not None and not error:
            self._first.add(record.first_token, who)

    def _count_call(self, record: Record, tried: Tried, operation: tuple[str, str]) -> None:
        who = (
            operation,
            ("gen_ai.provider.name", provider_of(tried)),
            ("gen_ai.request.model", tried.model),
        )
        if tried.began:
            failure = (*who, ("error.type", tried.failure.code)) if tried.failure is not None else who
            self._calls.add(max(0.0, tried.ended - tried.began), failure)
        if tried.usage.total:
            source = ("gateway.usage_source", tried.usage.source)
            read = tried.usage.read
            self._tokens.add(read, (*who, ("gen_ai.token.type", "input"), source))
            self._tokens.add(tried.usage.written, (*who, ("gen_ai.token.type", "output"), source))
        if tried.cost_pico_usd > 0:
            caller = record.call.caller
            sensitivity = tried.sensitivity or record.sensitivity
            place = (("gateway.zone", tried.zone), ("gateway.sensitivity", sensitivity))
            by = (*who, *place, ("gateway.team", caller.team), ("gateway.app", caller.app))
            self._cost.add(tried.cost_pico_usd / PICO_PER_USD, by)
