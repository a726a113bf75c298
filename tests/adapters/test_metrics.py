"""Metrics as projections of the record."""

import math
from decimal import Decimal

import msgspec
import pytest
from support import doubles

from gateway import __version__
from gateway.adapters import metrics as module
from gateway.adapters import series
from gateway.adapters.metrics import SHED, UNPRICED_OUTCOMES, Metrics
from gateway.adapters.series import Series
from gateway.core.catalog import Backend
from gateway.core.decision import Candidate, Decision, Exclusion, Facts
from gateway.core.errors import FailureKind
from gateway.core.price import UNPRICED, per_million
from gateway.core.record import Call, Caller, End, Record, Tried
from gateway.core.usage import BUCKETS, NOTHING, Usage
from gateway.routing.plan import refusal

BACKEND = Backend("b", "openai", "u", "m", {"zone": "inhouse", "status": "active"})
FACTS = Facts("public", frozenset(), "general", "default", "t", "a", "k")
PERMITTED = Decision("dec-1", "d", "b", FACTS, (Candidate(BACKEND, ("own",), 1),), ())
DENIED = Decision("dec-1", "d", "b", FACTS, (), (Exclusion("b", "policy", ("stop", "halt"), "forbidden"),))
USED = Tried(1, "b", "openai", "m", "inhouse", "settled", Usage(10, 1, 2, output=5, reasoning=3), 2_000_000, "v")


def record(*tried: Tried, decision: Decision | None = PERMITTED, team: str = "t", status: int = 200) -> Record:
    call = Call("req-1", Caller("k", team, "a"), 0.0, 0.0)
    return Record(
        call, decision, tried, End.COMPLETE, status, None, True, 2.0, 0.001, 1.0, "public", "general", "default"
    )


@pytest.fixture
def metrics() -> Metrics:
    return doubles.metrics(
        Series(), inflight=lambda: 3, ledger_lag=lambda: 0.5, state_age=lambda: math.inf, set_back=lambda: 3600.0
    )


def value(metrics: Metrics, sample: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(sample, labels)


WHO = {"team": "t", "app": "a", "model": "b", "provider": "openai"}


def test_a_request_counts_once_everywhere(metrics):
    metrics.take([record(USED)])
    assert value(metrics, "gateway_requests_total", **WHO, status="200") == 1
    buckets = {bucket: value(metrics, "gateway_tokens_total", **WHO, bucket=bucket) for bucket in BUCKETS}
    assert buckets == {name: 0 for name in BUCKETS} | {
        "input_uncached": 10,
        "cache_read": 1,
        "cache_write": 2,
        "output": 5,
        "reasoning": 3,
    }
    assert value(metrics, "gateway_cost_usd_total", **WHO, zone="inhouse", sensitivity="public") == 2e-6
    assert value(metrics, "gateway_cost_estimated_usd_total", **WHO, zone="inhouse", sensitivity="public") == 0
    assert value(metrics, "gateway_time_to_first_token_seconds_sum", model="b", provider="openai") == 1.0
    assert value(metrics, "gateway_output_tokens_per_second_sum", model="b", provider="openai") == 8.0
    assert (
        value(
            metrics,
            "gateway_policy_decisions_total",
            outcome="permit",
            rule="own",
            sensitivity="public",
            zone="inhouse",
        )
        == 1
    )


def test_what_nobody_reported_is_shown_as_estimated(metrics):
    metrics.take([record(Tried(1, "b", "openai", "m", "inhouse", "uncertain", NOTHING, 7_000_000, "v"))])
    assert value(metrics, "gateway_cost_estimated_usd_total", **WHO, zone="inhouse", sensitivity="public") == 7e-6


def test_denials_and_fallbacks(metrics):
    failed = Tried(1, "x", "openai", "m", "inhouse", "released", NOTHING, 0, "v", FailureKind.THROTTLED)
    metrics.take([record(decision=DENIED, status=403), record(failed, USED)])
    assert (
        value(metrics, "gateway_policy_denied_total", rule="stop")
        == value(metrics, "gateway_policy_denied_total", rule="halt")
        == 1
    )
    assert value(metrics, "gateway_fallbacks_total", **{"from": "x", "to": "b", "reason": "throttled"}) == 1


@pytest.mark.parametrize(
    ("by", "outcome"),
    [
        (("price",), "refused"),
        (("price", "offer"), "refused"),
        (("price", "capability"), "refused"),
        (("price", "policy"), "refused"),
        (("budget", "price"), "left_out"),
        (("price", "health"), "left_out"),
        (("price", "load"), "left_out"),
    ],
)
def test_a_refusal_counts_as_unpriced_by_what_the_client_was_told(metrics, by, outcome):
    excluded = tuple(Exclusion(name, name, (), "no") for name in by)
    decision = Decision("dec-1", "d", "b", FACTS, (), excluded)
    metrics.take([record(decision=decision, status=503)])
    counted = {each: value(metrics, "gateway_unpriced_requests_total", outcome=each) for each in UNPRICED_OUTCOMES}
    assert counted == {each: each == outcome for each in UNPRICED_OUTCOMES}
    assert ("is in service" in refusal(decision).message) == (outcome == "refused")


def test_what_is_charged_at_the_dearest_counts_as_unpriced(metrics):
    metrics.take([record(msgspec.structs.replace(USED, price_version=UNPRICED))])
    assert value(metrics, "gateway_unpriced_requests_total", outcome="charged") == 1


def test_series_are_capped(metrics, monkeypatch):
    monkeypatch.setattr(module, "MAX_CALLERS", 3)
    metrics.take([record(USED, team=f"team-{n}") for n in range(10)])
    assert value(metrics, "gateway_requests_total", **{**WHO, "team": "other", "app": "other"}, status="200") == 7
    assert value(metrics, "gateway_series_dropped_total") == 7


@pytest.mark.parametrize(("by", "rules"), [("budget", ("cap",)), ("load", ()), ("health", ())])
def test_what_one_backend_is_permitted_for_is_not_denied(metrics, by, rules):
    """The others are forbidden, but what the client is told is that money or room is lacking."""
    excluded = (*DENIED.excluded, Exclusion("c", by, rules, "not now", 5))
    metrics.take([record(decision=msgspec.structs.replace(DENIED, excluded=excluded), status=429)])
    assert value(metrics, "gateway_policy_denied_total", rule="stop") is None
    assert value(metrics, "gateway_policy_denied_total", rule="cap") is None


def test_trees_that_did_not_load_are_counted(metrics):
    metrics.policy_failed()
    assert value(metrics, "gateway_policy_reload_failures_total") == 1


def test_the_version_that_runs(metrics):
    assert value(metrics, "gateway_build_info", version=__version__) == 1


def test_a_cap_is_counted_whichever_series_it_is_of(metrics, monkeypatch):
    monkeypatch.setattr(series, "MAX_SERIES", 1)
    metrics.recognized(["person"])
    metrics.recognized(["place", "place"])
    assert value(metrics, "gateway_recognizer_results_total", kind="person") == 1
    assert value(metrics, "gateway_recognizer_results_total", kind="other") == 2
    assert value(metrics, "gateway_series_dropped_total") == 2


def test_a_request_without_series_of_its_own_is_counted_each_time(metrics, monkeypatch):
    metrics.take([record(USED)])
    monkeypatch.setattr(series, "MAX_SERIES", 1)
    metrics.take([record(USED, status=502), record(USED, status=502)])
    assert value(metrics, "gateway_requests_total", **{**WHO, "team": "other", "app": "other", "model": "other"}, status="502") == 2  # fmt: skip
    assert value(metrics, "gateway_series_dropped_total") == 2


def test_a_candidate_that_no_rule_admits_stops_nothing(metrics):
    candidate = msgspec.structs.replace(PERMITTED.candidates[0], rules=())
    metrics.take([record(USED, decision=msgspec.structs.replace(PERMITTED, candidates=(candidate,)))])
    assert value(metrics, "gateway_bypass_total") == 1
    labels = {"outcome": "permit", "rule": "none", "sensitivity": "public", "zone": "inhouse"}
    assert value(metrics, "gateway_policy_decisions_total", **labels) == 1


def test_gauges_ask_when_they_are_scraped(metrics):
    text = metrics.exposition().decode()
    assert "gateway_inflight_requests 3.0" in text
    assert "gateway_ledger_lag_seconds 0.5" in text
    assert "gateway_state_age_seconds +Inf" in text  # it was never read
    assert "gateway_clock_set_back_seconds 3600.0" in text
    assert "_created" not in text


def test_rules_in_trial_count_for_what_was_served_and_broken_ones_for_every_call():
    metrics = doubles.metrics(Series())
    first = msgspec.structs.replace(USED, failure=FailureKind.THROTTLED, watched=("quiet",), broken=("stop",))
    second = msgspec.structs.replace(USED, hop=2, watched=("loud", "louder"), broken=("stop", "halt"))
    metrics.take([record(first, second), record(USED)])
    found = {
        (name, rule): value(metrics, f"gateway_{name}_total", rule=rule)
        for name, rule in [
            ("policy_watched", "quiet"),
            ("policy_watched", "loud"),
            ("policy_watched", "louder"),
            ("breakglass", "stop"),
            ("breakglass", "halt"),
        ]
    }
    assert list(found.values()) == [None, 1, 1, 2, 1]


def test_what_the_recogniser_found_and_left_out_is_counted(metrics):
    metrics.recognized(["person", "location"])
    metrics.recognized([])
    metrics.recognition_skipped()
    found = [value(metrics, "gateway_recognizer_results_total", kind=kind) for kind in ("person", "location", "none")]
    assert (found, value(metrics, "gateway_recognizer_skipped_total")) == ([1, 1, 1], 1)


def test_what_was_turned_away_is_counted_by_reason(metrics):
    metrics.shed("delay")
    shed = {reason: value(metrics, "gateway_shed_total", reason=reason) for reason in SHED}
    assert shed == {"inflight": 0, "delay": 1, "connections": 0, "slow": 0, "backend": 0, "bodies": 0, "team": 0}


@pytest.mark.parametrize(
    ("code", "reason"),
    [("overloaded", "backend"), ("gateway_overloaded", "bodies"), ("team_overloaded", "team")],
)
def test_what_was_read_and_turned_away_is_counted_too(metrics, code, reason):
    metrics.take([msgspec.structs.replace(record(decision=None), code=code)])
    assert value(metrics, "gateway_shed_total", reason=reason) == 1


def priced(id, price):
    rates = per_million("v", input=Decimal(price), output=Decimal(price))
    return Backend(id, "openai", "http://x", id, {"zone": "z", "status": "active"}, price=rates)


@pytest.mark.parametrize(
    ("requested", "baseline", "saved", "lost"),
    [
        ("dear", "", {"requested": 40}, {}),
        ("cheap", "", {}, {"requested": 11}),
        ("auto", "", {}, {}),
        ("b", "", {}, {}),
        ("auto", "dear", {"dear": 40}, {}),
        ("cheap", "dear", {"dear": 40}, {"requested": 11}),
    ],
)
def test_a_request_is_compared_with_the_model_that_it_named_and_with_the_declared_one(requested, baseline, saved, lost):
    metrics = doubles.metrics(Series(), baseline=baseline)
    metrics.policy_loaded([priced("dear", "4"), priced("cheap", "0.6"), priced("b", "2")])
    used = Tried(1, "b", "openai", "m", "z", "settled", Usage(10, output=5), 20_000_000, "v")
    metrics.take([record(used, decision=msgspec.structs.replace(PERMITTED, requested=requested))])
    found = {
        name: {each: value(metrics, f"gateway_{name}_usd_total", baseline=each) for each in ("requested", "dear")}
        for name in ("saved", "lost")
    }
    micro = {
        name: {each: round(amount * 1e6, 6) for each, amount in figures.items() if amount}
        for name, figures in found.items()
    }
    assert micro == {"saved": saved, "lost": lost}


@pytest.mark.parametrize(
    ("expected", "failure", "cheapest", "dearer"),
    [
        ({"b": 5}, None, 1, None),
        ({"b": 5, "other": 5}, None, 1, None),
        ({"b": 5, "other": 4}, None, None, 1),
        ({"other": 4}, None, None, None),  # nobody could say what it was expected to cost
        ({"b": 5, "other": 4}, FailureKind.SERVER_ERROR, None, None),
    ],
)
def test_who_served_is_compared_with_the_cheapest_that_policy_let_serve(metrics, expected, failure, cheapest, dearer):
    candidates = tuple(Candidate(priced(id, "1"), ("p",), cost) for id, cost in expected.items())
    used = Tried(1, "b", "openai", "m", "z", "settled", Usage(10, output=5), 1, "v", failure)
    metrics.take([record(used, decision=msgspec.structs.replace(PERMITTED, candidates=candidates))])
    assert value(metrics, "gateway_choices_total", choice="cheapest") == cheapest
    assert value(metrics, "gateway_choices_total", choice="dearer") == dearer
