"""Upstream calls as Prometheus series: where they went, how they ended, what they used and cost."""

from itertools import pairwise

from gateway.adapters.series import CappedCounter, Count, Series, Sums
from gateway.core.decision import Decision
from gateway.core.errors import FailureKind
from gateway.core.price import PICO_PER_USD
from gateway.core.record import Record, Tried
from gateway.core.usage import BUCKETS

OK = "ok"
"""The outcome of a call whose backend did not fail; else it is the code of its `FailureKind`."""

_WHO = ("team", "app", "model", "provider")
_MONEY = (*_WHO, "zone", "sensitivity")
_WORDS = ("team", "app", "model", "backend", "zone", "from", "to", "rule")


class CallSeries:
    """The series of calls."""

    def __init__(self, series: Series) -> None:
        def counters(name: str, meaning: str, *labels: str) -> CappedCounter:
            return series.counters(name, meaning, labels, _WORDS)

        where = ("backend", "provider", "zone", "sensitivity")
        self._calls = counters("gateway_calls", "Upstream calls by how they ended", *where, "outcome")
        self._tokens = counters("gateway_tokens", "Tokens, in disjoint buckets", *_WHO, "bucket")
        self._cost = counters("gateway_cost_usd", "Booked cost, bounds of uncertain calls included", *_MONEY)
        self._estimated = counters("gateway_cost_estimated_usd", "The part of the cost that nobody reported", *_MONEY)
        self._fallbacks = counters("gateway_fallbacks", "Steps to the next backend", "from", "to", "reason")
        self._wasted = counters(
            "gateway_fallback_cost_usd", "Cost of calls that another backend was asked after", "from", "reason"
        )
        self._broken = counters("gateway_breakglass", "Calls that an exception let past a rule", "rule")
        self._misnamed = counters("gateway_model_mismatch", "Answers by another model than was asked", "backend")
        self._bypass = series.counter("gateway_bypass", "Calls that no decision admits; must stay 0")
        self._money: dict[tuple[str, ...], tuple[Count, Count, tuple[Count, ...]]] = {}
        self._outcomes: dict[tuple[str, str, str, str, FailureKind | None], Count] = {}

    def count(self, record: Record, team: str, app: str, sums: Sums) -> None:
        """Counts the calls of a request, as one of this team and app."""
        decision, tried = record.decision, record.tried
        for each in tried:
            sensitivity = each.sensitivity or record.sensitivity
            self._count_money(team, app, sensitivity, each, sums)
            if each.sent:
                outcome = self._outcome(each, sensitivity)
                sums[outcome] = sums.get(outcome, 0) + 1
                if not admitted(each, decision):
                    self._bypass.inc()
            for rule in each.broken:
                self._broken.labels(rule).inc()
            if each.misnamed:
                misnamed = self._misnamed.labels(each.backend)
                sums[misnamed] = sums.get(misnamed, 0) + 1
        if len(tried) > 1:
            for failed, following in pairwise(tried):
                reason = failed.failure.code if failed.failure else "none"
                self._fallbacks.labels(failed.backend, following.backend, reason).inc()
                if failed.cost_pico_usd:
                    self._wasted.labels(failed.backend, reason).inc(failed.cost_pico_usd / PICO_PER_USD)

    def _outcome(self, tried: Tried, sensitivity: str) -> Count:
        key = (tried.backend, tried.provider, tried.zone, sensitivity, tried.failure)
        child = self._outcomes.get(key)
        if child is None:
            labels = (*key[:4], tried.failure.code if tried.failure else OK)
            child = self._calls.labels(*labels)
            if self._calls.has(*labels):
                self._outcomes[key] = child
        return child

    def _count_money(self, team: str, app: str, sensitivity: str, tried: Tried, sums: Sums) -> None:
        key = (team, app, tried.backend, tried.provider, tried.zone, sensitivity)
        children = self._money.get(key)
        if children is None:
            children = self._made(key)
        cost, estimated, tokens = children
        usd = tried.cost_pico_usd / PICO_PER_USD
        if usd:
            sums[cost] = sums.get(cost, 0) + usd
            if tried.state == "uncertain" or tried.usage.source != "reported":
                sums[estimated] = sums.get(estimated, 0) + usd
        for amount, child in zip(tried.usage.counts(), tokens, strict=True):
            if amount:
                sums[child] = sums.get(child, 0) + amount

    def _made(self, key: tuple[str, ...]) -> tuple[Count, Count, tuple[Count, ...]]:
        tokens = tuple([self._tokens.labels(*key[:4], bucket) for bucket in BUCKETS])
        children = self._cost.labels(*key), self._estimated.labels(*key), tokens
        own = self._cost.has(*key) and self._estimated.has(*key)
        if own and all(self._tokens.has(*key[:4], bucket) for bucket in BUCKETS):
            self._money[key] = children  # else each request counts as one that was left without
        return children


def admitted(tried: Tried, decision: Decision | None) -> bool:
    """Whether a decision has a candidate for a call: the backend that was called, as it was called, by some permit.
    Read off the record alone, after the fact."""
    for candidate in () if decision is None else decision.candidates:
        backend = candidate.backend
        if backend.id == tried.backend:
            return backend.provider == tried.provider and backend.zone == tried.zone and bool(candidate.rules)
    return False
