"""Prometheus metrics: a projection of the record. Labels are from closed sets; what exceeds a cap becomes `other`."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway import __version__
from gateway.adapters.call_metrics import CallSeries
from gateway.adapters.series import OTHER, CappedCounter, Count, Series, Sums, Values
from gateway.core.catalog import Backend
from gateway.core.decision import Decision, denied_by
from gateway.core.errors import Refusal
from gateway.core.price import PICO_PER_USD, UNPRICED, Price
from gateway.core.record import Record, Tried
from gateway.core.savings import REQUESTED, saved_by

CONTENT_TYPE = CONTENT_TYPE_LATEST
SHED = ("inflight", "delay", "connections", "slow", "backend", "bodies", "team")
"""Why something was turned away: too many calls, a late loop, too many connections, a client that takes too long; no
backend with room, too many large bodies, too many calls of one team."""
_SHED_BY_CODE = {
    Refusal.OVERLOADED.code: "backend",
    Refusal.SHEDDING.code: "bodies",
    Refusal.CROWDED.code: "team",
}
"""What is turned away once it was read, by the code of its record."""
UNPRICED_OUTCOMES = ("refused", "left_out", "charged")
"""What came of a request to what has no price: it alone was the reason of a 503; something else was; it was served, and
charged at the dearest."""
_TOLD_FIRST = frozenset({"load", "health", "budget"})
"""Exclusions that a client is told of rather than of a price that is missing."""
MAX_CALLERS = 500
"""Distinct (team, app) pairs that get series of their own."""

_WHO = ("team", "app", "model", "provider")
_WORDS = ("team", "app", "model", "rule", "zone", "kind")
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_OVERHEAD = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1)
_RATE = (1, 5, 10, 20, 40, 80, 160, 320, 640)


class Metrics:
    """All series of this process."""

    def __init__(
        self,
        series: Series,
        *,
        inflight: Callable[[], int],
        ledger_lag: Callable[[], float],
        state_age: Callable[[], float],
        admin_ends: Callable[[], float],
        set_back: Callable[[], float],
        baseline: str,
    ) -> None:
        """`baseline` is a further model to compare costs with, by its id in the catalog; empty: none."""
        self.registry = series.registry
        self._drop = series.drop
        self.exposition = series.exposition

        def counters(name: str, meaning: str, *labels: str) -> CappedCounter:
            return series.counters(name, meaning, labels, _WORDS)

        by = ("model", "provider")
        self._calls = CallSeries(series)
        self._requests = counters("gateway_requests", "Requests by outcome", *_WHO, "status")
        self._duration = series.histogram("gateway_request_duration_seconds", "Arrival to last byte", by, _SECONDS)
        self._overhead = series.histogram(
            "gateway_overhead_seconds", "The gateway's own time to the first byte", (), _OVERHEAD
        ).labels()
        self._first = series.histogram("gateway_time_to_first_token_seconds", "Arrival to first content", by, _SECONDS)
        self._rate = series.histogram("gateway_output_tokens_per_second", "Streamed tokens per second", by, _RATE)
        self._choices = counters("gateway_choices", "Answered requests, by the price of who served them", "choice")
        self._saved = counters("gateway_saved_usd", "What requests cost less than on the baseline", "baseline")
        self._lost = counters("gateway_lost_usd", "What requests cost more than on the baseline", "baseline")
        self._found = counters("gateway_classifier_results", "Requests by kind of what was found in them", "kind")
        self._unscanned = series.counter("gateway_classifier_failures", "Requests that the scanner failed on")
        self._recognized = counters(
            "gateway_recognizer_results", "Requests by kind of what the recogniser found", "kind"
        )
        self._unrecognized = series.counter(
            "gateway_recognizer_skipped", "Requests that the recogniser did not look at"
        )
        shed = counters("gateway_shed", "What was turned away, since it was too much", "reason")
        self._shed = {reason: shed.labels(reason) for reason in SHED}
        unpriced = counters("gateway_unpriced_requests", "Requests to what has no price, by outcome", "outcome")
        self._unpriced = {outcome: unpriced.labels(outcome) for outcome in UNPRICED_OUTCOMES}
        decided = ("outcome", "rule", "sensitivity", "zone")
        self._decisions = counters("gateway_policy_decisions", "Decisions", *decided)
        self._denied = counters("gateway_policy_denied", "Requests that a rule denied", "rule")
        self._watched = counters("gateway_policy_watched", "Answers that a rule in trial would stop", "rule")
        self._reload_failures = series.counter("gateway_policy_reload_failures", "Policy trees that did not load")
        series.gauge("gateway_build_info", "1; the version of this process", ("version",)).labels(__version__).set(1)
        series.gauge("gateway_inflight_requests", "Requests under way").set_function(inflight)
        series.gauge("gateway_ledger_lag_seconds", "Age of the oldest call not yet in the ledger").set_function(
            ledger_lag
        )
        series.gauge("gateway_state_age_seconds", "Since keys, suspensions and budgets were last read").set_function(
            state_age
        )
        series.gauge("gateway_admin_key_ends_timestamp_seconds", "When the last admin key ends").set_function(
            admin_ends
        )
        series.gauge("gateway_clock_set_back_seconds", "How far the clock is behind the latest time seen").set_function(
            set_back
        )
        self._baseline = baseline
        self._prices: dict[str, Price] = {}
        self._callers: set[tuple[str, str]] = set()
        self._put: dict[tuple[object, ...], tuple[Count, Values, Values, Values]] = {}

    def take(self, records: Sequence[Record]) -> None:
        """Counts requests that have ended. Counters are added up first: most requests of a batch share theirs."""
        sums: Sums = {}
        for record in records:
            self._count(record, sums)
        for child, amount in sums.items():
            child.inc(amount)

    def _count(self, record: Record, sums: Sums) -> None:
        served = record.served
        caller = record.call.caller
        team, app = self._known(caller.team, caller.app)
        model, provider = (served.backend, served.provider) if served else ("none", "none")
        key = (team, app, model, provider, record.status)
        children = self._put.get(key)
        if children is None:
            children = self._made(key, team, app, model, provider, str(record.status))
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
        if record.tried:
            self._calls.count(record, team, app, sums)
        if record.decision is not None and served is not None:
            self._count_savings(record, record.decision.requested, served, sums)
            if served.failure is None:
                self._count_choice(record.decision, served, sums)
        self._count_decision(record, sums)
        if (classified := record.classified) is not None:
            for kind in [kind for kind, _ in classified.kinds] or ["none" if classified.sensitivity else "unknown"]:
                found = self._found.labels(kind)
                sums[found] = sums.get(found, 0) + 1

    def policy_loaded(self, backends: Sequence[Backend]) -> None:
        """A policy came into force: what requests are compared with."""
        self._prices = {backend.id: backend.price for backend in backends if backend.price is not None}

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

    def _known(self, team: str, app: str) -> tuple[str, str]:
        if (team, app) in self._callers:
            return team, app
        if len(self._callers) < MAX_CALLERS:
            self._callers.add((team, app))
            return team, app
        self._drop(1)
        return OTHER, OTHER

    def _made(self, key: tuple[object, ...], *labels: str) -> tuple[Count, Values, Values, Values]:
        by = labels[2:4]
        timed = (self._duration, self._first, self._rate)
        first, second, third = (each.labels(*by) for each in timed)
        children = self._requests.labels(*labels), first, second, third
        if self._requests.has(*labels) and all(each.has(*by) for each in timed):
            self._put[key] = children  # else each request counts as one that was left without
        return children

    def _count_choice(self, decision: Decision, served: Tried, sums: Sums) -> None:
        """Whether the cheapest of those served that policy let serve, as costs were expected."""
        expected = {each.backend.id: each.expected_pico_usd for each in decision.candidates}
        if (own := expected.get(served.backend)) is not None:
            child = self._choices.labels("cheapest" if own <= min(expected.values()) else "dearer")
            sums[child] = sums.get(child, 0) + 1

    def _count_savings(self, record: Record, requested: str, served: Tried, sums: Sums) -> None:
        """Each request against the model that it named, if it named one, and against the declared one."""
        for baseline, model in ((REQUESTED, requested), (self._baseline, self._baseline)):
            if model == served.backend and len(record.tried) == 1:
                continue  # it is what it is compared with
            if (price := self._prices.get(model)) is None:
                continue
            difference = saved_by(record.tried, record.end, price)
            if difference:
                child = (self._saved if difference > 0 else self._lost).labels(baseline)
                sums[child] = sums.get(child, 0) + abs(difference) / PICO_PER_USD

    def _count_decision(self, record: Record, sums: Sums) -> None:
        decision = record.decision
        if decision is None:
            return
        if decision.candidates:
            chosen = decision.candidates[0]
            rule = chosen.rules[0] if chosen.rules else "none"  # it counts as bypassed
            decided = self._decisions.labels("permit", rule, record.sensitivity, chosen.backend.zone)
            sums[decided] = sums.get(decided, 0) + 1
        else:
            if rules := denied_by(decision):
                self._decisions.labels("deny", rules[0], record.sensitivity, "none").inc()
                for rule in rules:
                    self._denied.labels(rule).inc()
            by = {excluded.by for excluded in decision.excluded}
            if "price" in by:
                self._unpriced["left_out" if by & _TOLD_FIRST else "refused"].inc()
        if (served := record.served) is not None:
            if served.price_version == UNPRICED:
                self._unpriced["charged"].inc()
            for rule in served.watched:  # a limit on trial may be so for every request
                watched = self._watched.labels(rule)
                sums[watched] = sums.get(watched, 0) + 1
