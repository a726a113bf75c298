"""The policy in force as Prometheus series: what it is, whom it lets be reached, and what its catalog says. They are
given when a scrape comes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.adapters.series import Drop
from gateway.core.catalog import OUT_OF_USE, Backend
from gateway.core.day import SECONDS, day_of
from gateway.policy.decide import Eligibility
from gateway.policy.model import Bundle
from gateway.policy.reach import LABELS
from gateway.review.prices import break_even_share, per_million, rival

MAX_BACKENDS = 500
"""Backends that have series of their own, in the order of the catalog."""
MAX_RULES = 500
"""Rules that an exception lifts and that have a series, those lifted longest first."""
MAX_ZONES = 100
"""Zones whose cells are shown, by name."""
_OUT = (*OUT_OF_USE, "unknown")
"""Statuses of what is not in use; one that nobody declared counts so, as it does for rules."""

_Named = TypeVar("_Named")


class _State(Protocol):
    @property
    def stale(self) -> bool:
        """Whether a newer tree did not load."""


class InForce(Protocol):
    """What is in force, and the clock that exceptions go by (Unix seconds)."""

    @property
    def current(self) -> Eligibility:
        """The snapshot in force."""

    @property
    def state(self) -> _State:
        """How the last load went."""

    def moment(self) -> float:
        """Now."""


class PolicySeries(Collector):
    """The series of the snapshot in force."""

    def __init__(self, policies: InForce, drop: Drop) -> None:
        self._policies = policies
        self._drop = drop
        self._made: tuple[Eligibility, tuple[GaugeMetricFamily, ...], int] | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What a scrape gets."""
        policies = self._policies
        policy = policies.current
        if self._made is None or self._made[0] is not policy:
            self._made = policy, *_of_snapshot(policy)
        _, families, dropped = self._made
        self._drop(dropped)
        yield from families
        yield GaugeMetricFamily("gateway_policy_stale", "1 while a newer tree did not load", value=policies.state.stale)
        yield self._exceptions(policy.bundle, policies.moment())

    def _exceptions(self, bundle: Bundle, moment: float) -> GaugeMetricFamily:
        """A rule that several exceptions lift is lifted until the last one ends."""
        ends: dict[str, float] = {}
        for exemption in bundle.exemptions:
            if exemption.starts <= moment < exemption.expires:
                ends |= {rule: max(exemption.expires, ends.get(rule, 0.0)) for rule in exemption.rules}
        family = GaugeMetricFamily(
            "gateway_breakglass_ends_timestamp_seconds", "When an exception in force ends, by rule", labels=("rule",)
        )
        shown = sorted(ends.items(), key=lambda each: (-each[1], each[0]))
        self._drop(max(0, len(shown) - MAX_RULES))
        for rule, end in shown[:MAX_RULES]:
            family.add_metric((rule,), end)
        return family


def _of_snapshot(policy: Eligibility) -> tuple[tuple[GaugeMetricFamily, ...], int]:
    """What stays the same while a snapshot is in force, and how much of it is not shown."""
    bundle = policy.bundle
    info = GaugeMetricFamily("gateway_policy_info", "1; the policy in force", labels=("digest",))
    info.add_metric((policy.digest,), 1)
    zones: dict[str, list[Backend]] = {}
    for backend in bundle.backends:
        zones.setdefault(backend.zone, []).append(backend)
    shown, hidden = _some(bundle.backends, MAX_BACKENDS)
    names, unnamed = _some(sorted(zones), MAX_ZONES)
    families = (
        info,
        _cells(bundle, [(name, zones[name]) for name in names]),
        *_models(shown),
        *_machines(shown, bundle),
    )
    return families, hidden + unnamed


def _some(all_of: Sequence[_Named], most: int) -> tuple[Sequence[_Named], int]:
    return all_of[:most], max(0, len(all_of) - most)


def _cells(bundle: Bundle, zones: Iterable[tuple[str, Sequence[Backend]]]) -> GaugeMetricFamily:
    """A cell is 1 if one of its backends may be reached, 0 if none may; it has no value where nobody knows."""
    family = GaugeMetricFamily(
        "gateway_policy_cell_permitted",
        "1 if some request of this label may be sent to this zone, 0 if none ever",
        labels=("sensitivity", "zone"),
    )
    for zone, backends in zones:
        for label in LABELS:
            reached = {bundle.reach.get((label, backend.id)) for backend in backends}
            if True in reached or None not in reached:
                family.add_metric((label, zone), True in reached)
    return family


def _models(backends: Iterable[Backend]) -> Iterator[GaugeMetricFamily]:
    by = ("model",)
    status = GaugeMetricFamily("gateway_model_status", "1 if it is in use, 0 if suspended or retired", labels=by)
    info = GaugeMetricFamily(
        "gateway_model_info", "1; what a model is", labels=("model", "provider", "zone", "operator")
    )
    review = GaugeMetricFamily(
        "gateway_passport_review_timestamp_seconds", "When a passport is due for review", labels=by
    )
    for backend in backends:
        status.add_metric((backend.id,), backend.word("status") not in _OUT)
        info.add_metric((backend.id, backend.provider, backend.zone, backend.operator), 1)
        if backend.review_by is not None:
            review.add_metric((backend.id,), day_of(backend.review_by) * SECONDS)
    yield from (status, info, review)


def _machines(backends: Iterable[Backend], bundle: Bundle) -> Iterator[GaugeMetricFamily]:
    """Own machines by what they cost: while they are busy, with their idle hours where somebody says how long these
    are, and beside the cheapest hosted model that answers to one of their names."""
    price = GaugeMetricFamily(
        "gateway_local_price_usd_per_million_tokens", "What tokens of own machines cost", labels=("model", "kind")
    )
    even = GaugeMetricFamily(
        "gateway_local_break_even_ratio",
        "Share of what a machine can serve from which on it is cheaper than a hosted model; above 1: never",
        labels=("model",),
    )
    for backend in backends:
        if (machine := backend.machine) is None:
            continue
        price.add_metric((backend.id, "marginal"), float(per_million(machine.marginal, "output")))
        if machine.utilisation is not None:
            price.add_metric((backend.id, "loaded"), float(per_million(machine.priced("").rates, "output")))
        hosted = rival(backend, bundle.backends)
        share = break_even_share(machine, hosted.price.rates) if hosted and hosted.price else None
        if share is not None:
            even.add_metric((backend.id,), float(share))
    yield from (price, even)
