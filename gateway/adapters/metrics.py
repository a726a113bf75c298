"""Prometheus metrics: a projection of the record. Labels are from closed sets; what exceeds a cap becomes `other`."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from gateway.core.catalog import Backend
from gateway.core.errors import Refusal
from gateway.core.price import PICO_PER_USD, UNPRICED, Price
from gateway.core.record import Record, Tried
from gateway.core.savings import REQUESTED, saved_by
from gateway.core.usage import BUCKETS

disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = CONTENT_TYPE_LATEST
SHED = ("inflight", "delay", "connections", "slow", "backend", "bodies")
"""Why something was turned away: too many calls, a late loop, too many connections, a client that takes too long; no
backend with room, too many large bodies."""
_SHED_BY_CODE = {Refusal.OVERLOADED.code: "backend", Refusal.SHEDDING.code: "bodies"}
"""What is turned away once it was read, by the code of its record."""
MAX_CALLERS = 500
"""Distinct (team, app) pairs that get series of their own."""

_WHO = ("team", "app", "model", "provider")
_MONEY = (*_WHO, "zone", "sensitivity")
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_OVERHEAD = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1)
_RATE = (1, 5, 10, 20, 40, 80, 160, 320, 640)


class _Values:
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


class _Histogram(Collector):
    """A histogram that one thread counts in: prometheus_client's takes two locks for each value."""

    def __init__(self, name: str, meaning: str, labels: Iterable[str], bounds: tuple[float, ...]) -> None:
        self._name = name
        self._meaning = meaning
        self._labels = tuple(labels)
        self._bounds = bounds
        self._shown = [*(str(float(bound)) for bound in bounds), "+Inf"]
        self._series: dict[tuple[str, ...], _Values] = {}

    def labels(self, *labels: str) -> _Values:
        """The series with these labels."""
        return self._series.setdefault(labels, _Values(self._bounds))

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What a scrape gets."""
        family = HistogramMetricFamily(self._name, self._meaning, labels=self._labels)
        for labels, values in self._series.items():
            family.add_metric(labels, list(zip(self._shown, accumulate(values.counts), strict=True)), values.sum)
        yield family


class Metrics:
    """All series of this process."""

    def __init__(self, *, inflight: Callable[[], int], ledger_lag: Callable[[], float], baseline: str = "") -> None:
        """`baseline` is a further model to compare costs with, by its id in the catalog; empty: none."""
        self.registry = registry = CollectorRegistry()

        def counter(name: str, meaning: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(name, meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, labels: Iterable[str] = ()) -> Gauge:
            return Gauge(name, meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, labels: Iterable[str], bounds: tuple[float, ...]) -> _Histogram:
            made = _Histogram(name, meaning, labels, bounds)
            registry.register(made)
            return made

        by = ("model", "provider")
        self._requests = counter("gateway_requests", "Requests by outcome", (*_WHO, "status"))
        self._duration = histogram("gateway_request_duration_seconds", "Arrival to last byte", by, _SECONDS)
        self._overhead = histogram(
            "gateway_overhead_seconds", "The gateway's own time to the first byte", (), _OVERHEAD
        ).labels()
        self._first = histogram("gateway_time_to_first_token_seconds", "Arrival to first content", by, _SECONDS)
        self._rate = histogram("gateway_output_tokens_per_second", "Streamed tokens per second", by, _RATE)
        self._tokens = counter("gateway_tokens", "Tokens, in disjoint buckets", (*_WHO, "bucket"))
        self._cost = counter("gateway_cost_usd", "Booked cost, bounds of uncertain calls included", _MONEY)
        self._estimated = counter("gateway_cost_estimated_usd", "The part of the cost that nobody reported", _MONEY)
        self._saved = counter("gateway_saved_usd", "What requests cost less than on the baseline", ("baseline",))
        self._lost = counter("gateway_lost_usd", "What requests cost more than on the baseline", ("baseline",))
        self._found = counter("gateway_classifier_results", "Requests by kind of what was found in them", ("kind",))
        self._unscanned = counter("gateway_classifier_failures", "Requests that the scanner failed on", ())
        self._recognized = counter(
            "gateway_recognizer_results", "Requests by kind of what the recogniser found", ("kind",)
        )
        self._unrecognized = counter("gateway_recognizer_skipped", "Requests that the recogniser did not look at", ())
        shed = counter("gateway_shed", "What was turned away, since it was too much", ("reason",))
        self._shed = {reason: shed.labels(reason) for reason in SHED}
        self._unpriced = counter("gateway_unpriced_requests", "Without a price: refused, or charged at the dearest", ())
        self._decisions = counter("gateway_policy_decisions", "Decisions", ("outcome", "rule", "sensitivity", "zone"))
        self._denied = counter("gateway_policy_denied", "Requests that a rule denied", ("rule",))
        self._watched = counter("gateway_policy_watched", "Answers that a rule in trial would stop", ("rule",))
        self._broken = counter("gateway_breakglass", "Calls that an exception let past a rule", ("rule",))
        self._fallbacks = counter("gateway_fallbacks", "Steps to the next backend", ("from", "to", "reason"))
        self._misnamed = counter("gateway_model_mismatch", "Answers by another model than was asked", ("backend",))
        self._dropped = counter("gateway_series_dropped", "Requests counted under `other`", ())
        self._reload_failures = counter("gateway_policy_reload_failures", "Policy trees that did not load", ())
        self._info = gauge("gateway_policy_info", "The policy in force", ("digest",))
        self._status = gauge("gateway_model_status", "1 if active, else 0", ("model",))
        gauge("gateway_inflight_requests", "Requests under way").set_function(inflight)
        gauge("gateway_ledger_lag_seconds", "Age of the oldest call not yet in the ledger").set_function(ledger_lag)
        self._baseline = baseline
        self._prices: dict[str, Price] = {}
        self._callers: set[tuple[str, str]] = set()
        self._put: dict[tuple[object, ...], tuple[Counter, _Values, _Values, _Values]] = {}
        self._children: dict[tuple[Counter, tuple[str, ...]], Counter] = {}
        self._put_money: dict[tuple[str, ...], tuple[Counter, Counter, tuple[Counter, ...]]] = {}

    def take(self, records: Sequence[Record]) -> None:
        """Counts requests that have ended. Counters are added up first: most requests of a batch share theirs."""
        sums: dict[Counter, float] = {}
        for record in records:
            self._count(record, sums)
        for child, amount in sums.items():
            child.inc(amount)

    def _count(self, record: Record, sums: dict[Counter, float]) -> None:
        served = record.served
        caller = record.call.caller
        team, app = self._known(caller.team, caller.app)
        model, provider = (served.backend, served.provider) if served else ("none", "none")
        key = (team, app, model, provider, record.status)
        children = self._put.get(key)
        if children is None:
            children = self._put[key] = (
                self._requests.labels(team, app, model, provider, str(record.status)),
                self._duration.labels(model, provider),
                self._first.labels(model, provider),
                self._rate.labels(model, provider),
            )
        requests, duration, first, rate = children
        sums[requests] = sums.get(requests, 0) + 1
        duration.observe(record.duration)
        self._overhead.observe(record.overhead)
        if record.first_token is not None:
            first.observe(record.first_token)
            writing = record.duration - record.first_token
            if record.streamed and served is not None and writing > 0:
                rate.observe((served.usage.output + served.usage.reasoning) / writing)
        if record.code in _SHED_BY_CODE:
            self._shed[_SHED_BY_CODE[record.code]].inc()
        for tried in record.tried:
            self._count_money(team, app, record.sensitivity, tried, sums)
        if record.decision is not None and served is not None:
            self._count_savings(record, record.decision.requested, served, sums)
        self._count_decision(record, sums)
        if (classified := record.classified) is not None:
            for kind in [kind for kind, _ in classified.kinds] or ["none" if classified.sensitivity else "unknown"]:
                found = self._child(self._found, kind)
                sums[found] = sums.get(found, 0) + 1

    def policy_loaded(self, digest: str, backends: Sequence[Backend]) -> None:
        """A policy came into force."""
        self._info.clear()
        self._info.labels(digest).set(1)
        self._status.clear()
        self._prices = {backend.id: backend.price for backend in backends if backend.price is not None}
        for backend in backends:
            self._status.labels(backend.id).set(backend.fact("status") == "active")

    def scanner_failed(self) -> None:
        """The scanner could not do its work on a request, so nothing is known of it."""
        self._unscanned.inc()

    def recognized(self, kinds: Iterable[str]) -> None:
        """The recogniser found something of these kinds in a request."""
        for kind in [*kinds] or ["none"]:
            self._recognized.labels(kind).inc()

    def recognition_skipped(self) -> None:
        """The recogniser had no time for a request, or failed on it."""
        self._unrecognized.inc()

    def shed(self, reason: str) -> None:
        """Something was turned away, for one of the reasons of `SHED`."""
        self._shed[reason].inc()

    def policy_failed(self) -> None:
        """A policy tree did not load."""
        self._reload_failures.inc()

    def exposition(self) -> bytes:
        """What a scrape gets."""
        return generate_latest(self.registry)

    def _known(self, team: str, app: str) -> tuple[str, str]:
        if (team, app) in self._callers:
            return team, app
        if len(self._callers) < MAX_CALLERS:
            self._callers.add((team, app))
            return team, app
        self._dropped.inc()
        return "other", "other"

    def _count_money(self, team: str, app: str, sensitivity: str, tried: Tried, sums: dict[Counter, float]) -> None:
        key = (team, app, tried.backend, tried.provider, tried.zone, sensitivity)
        children = self._put_money.get(key)
        if children is None:
            tokens = tuple([self._tokens.labels(*key[:4], bucket) for bucket in BUCKETS])
            children = self._put_money[key] = (self._cost.labels(*key), self._estimated.labels(*key), tokens)
        cost, estimated, tokens = children
        usd = tried.cost_pico_usd / PICO_PER_USD
        if usd:
            sums[cost] = sums.get(cost, 0) + usd
            if tried.state == "uncertain" or tried.usage.source != "reported":
                sums[estimated] = sums.get(estimated, 0) + usd
        for amount, child in zip(tried.usage.counts(), tokens, strict=True):
            if amount:
                sums[child] = sums.get(child, 0) + amount

    def _count_savings(self, record: Record, requested: str, served: Tried, sums: dict[Counter, float]) -> None:
        """Each request against the model that it named, if it named one, and against the declared one."""
        for baseline, model in ((REQUESTED, requested), (self._baseline, self._baseline)):
            if model == served.backend and len(record.tried) == 1:
                continue  # it is what it is compared with
            if (price := self._prices.get(model)) is None:
                continue
            difference = saved_by(record.tried, price)
            if difference:
                child = self._child(self._saved if difference > 0 else self._lost, baseline)
                sums[child] = sums.get(child, 0) + abs(difference) / PICO_PER_USD

    def _count_decision(self, record: Record, sums: dict[Counter, float]) -> None:
        decision = record.decision
        if decision is None:
            return
        if decision.candidates:
            chosen = decision.candidates[0]
            decided = self._child(self._decisions, "permit", chosen.rules[0], record.sensitivity, chosen.backend.zone)
            sums[decided] = sums.get(decided, 0) + 1
        else:
            rules = {rule for excluded in decision.excluded for rule in excluded.rules} or {"default-deny"}
            if any(excluded.by == "policy" for excluded in decision.excluded):
                self._child(self._decisions, "deny", min(rules), record.sensitivity, "none").inc()
                for rule in rules:
                    self._denied.labels(rule).inc()
            if any(excluded.by == "price" for excluded in decision.excluded):
                self._unpriced.inc()
        if (served := record.served) is not None:
            if served.price_version == UNPRICED:
                self._unpriced.inc()
            for rule in served.watched:  # a limit on trial may be so for every request
                watched = self._child(self._watched, rule)
                sums[watched] = sums.get(watched, 0) + 1
        for tried in record.tried:
            for rule in tried.broken:
                self._broken.labels(rule).inc()
            if tried.misnamed:
                self._child(self._misnamed, tried.backend).inc()
        for failed, following in pairwise(record.tried):
            reason = failed.failure.code if failed.failure else "none"
            self._fallbacks.labels(failed.backend, following.backend, reason).inc()

    def _child(self, counter: Counter, *labels: str) -> Counter:
        """The series of a counter with these labels, remembered: prometheus_client takes a lock to look for it."""
        child = self._children.get((counter, labels))
        if child is None:
            child = self._children[counter, labels] = counter.labels(*labels)
        return child
