"""Upstream calls as series."""

import msgspec
import pytest

from gateway.adapters import series as module
from gateway.adapters.call_metrics import CallSeries, admitted
from gateway.adapters.series import Series
from gateway.core.catalog import Backend
from gateway.core.decision import Candidate, Decision, Facts
from gateway.core.errors import FailureKind
from gateway.core.record import Call, Caller, End, Record, Tried
from gateway.core.usage import NOTHING, Usage

FACTS = Facts("public", frozenset(), "general", "default", "t", "a", "k")
HOME = Backend("home", "vllm", "u", "m", {"zone": "inhouse"})
FAR = Backend("far", "openai", "u", "m", {"zone": "us-vendors"})
DECISION = Decision("dec-1", "d", "auto", FACTS, tuple(Candidate(each, ("own",), 1) for each in (HOME, FAR)), ())
AT_HOME = Tried(1, "home", "vllm", "m", "inhouse", "settled", Usage(10, output=5), 2_000_000, "v")
AFAR = Tried(2, "far", "openai", "m", "us-vendors", "settled", Usage(10, output=5), 3_000_000, "v")
MONEY = {"team": "t", "app": "a", "sensitivity": "public"}


def record(*tried: Tried, decision: Decision | None = DECISION) -> Record:
    call = Call("req-1", Caller("k", "t", "a"), 0.0, 0.0)
    return Record(call, decision, tried, End.COMPLETE, 200, None, True, 2.0, 0.001, 1.0, "public")


def counted(*records: Record) -> Series:
    made = Series()
    calls, sums = CallSeries(made), {}
    for each in records:
        calls.count(each, "t", "a", sums)
    for child, amount in sums.items():
        child.inc(amount)
    return made


def value(made, name, **labels):
    return made.registry.get_sample_value(name, labels)


def failed(kind, tried=AT_HOME, **more):
    return msgspec.structs.replace(tried, failure=kind, **more)


@pytest.mark.parametrize(
    ("tried", "outcome"),
    [
        (AT_HOME, "ok"),
        (failed(FailureKind.THROTTLED, state="released"), "throttled"),
        (failed(FailureKind.TIMED_OUT, state="uncertain"), "timed_out"),
        (failed(None, state="uncertain"), "ok"),  # the client left: nobody failed
        (failed(None, state="released"), None),  # given up before anything was sent
    ],
)
def test_a_call_counts_by_how_it_ended(tried, outcome):
    made = counted(record(tried))
    found = {
        sample.labels["outcome"]: sample.value
        for metric in made.registry.collect()
        for sample in metric.samples
        if sample.name == "gateway_calls_total"
    }
    assert found == ({} if outcome is None else {outcome: 1})


def test_each_call_has_the_label_that_it_was_sent_with():
    """The first form was redacted, the second was not: nothing confidential went abroad."""
    redacted = msgspec.structs.replace(AFAR, sensitivity="internal", failure=FailureKind.OVERLOADED)
    raw = msgspec.structs.replace(AT_HOME, hop=2, sensitivity="confidential")
    made = counted(msgspec.structs.replace(record(redacted, raw), sensitivity="confidential"))
    far = {"backend": "far", "provider": "openai", "zone": "us-vendors", "outcome": "overloaded"}
    home = {"backend": "home", "provider": "vllm", "zone": "inhouse", "outcome": "ok"}
    assert value(made, "gateway_calls_total", **far, sensitivity="internal") == 1
    assert value(made, "gateway_calls_total", **far, sensitivity="confidential") is None
    assert value(made, "gateway_calls_total", **home, sensitivity="confidential") == 1
    cost = {**MONEY, "model": "far", "provider": "openai", "zone": "us-vendors", "sensitivity": "internal"}
    assert value(made, "gateway_cost_usd_total", **cost) == 3e-6


def test_what_a_call_cost_that_another_came_after():
    lost = failed(FailureKind.BROKEN, cost_pico_usd=4_000_000, state="uncertain")
    free = failed(FailureKind.THROTTLED, cost_pico_usd=0, state="released")
    made = counted(record(lost, AFAR), record(free, AFAR), record(lost))
    assert value(made, "gateway_fallback_cost_usd_total", **{"from": "home", "reason": "broken"}) == 4e-6
    assert value(made, "gateway_fallback_cost_usd_total", **{"from": "home", "reason": "throttled"}) is None
    steps = {"from": "home", "to": "far"}
    assert value(made, "gateway_fallbacks_total", **steps, reason="broken") == 1
    assert value(made, "gateway_fallbacks_total", **steps, reason="throttled") == 1


@pytest.mark.parametrize(
    ("tried", "decision", "bypassed"),
    [
        ((AT_HOME, AFAR), DECISION, 0),
        ((AT_HOME,), None, 1),
        ((AT_HOME, AFAR), msgspec.structs.replace(DECISION, candidates=DECISION.candidates[:1]), 1),
        ((AT_HOME, AFAR), msgspec.structs.replace(DECISION, candidates=()), 2),
        ((AT_HOME,), msgspec.structs.replace(DECISION, candidates=(Candidate(HOME, (), 1),)), 1),
        ((msgspec.structs.replace(AT_HOME, zone="us-vendors"),), DECISION, 1),
        ((msgspec.structs.replace(AT_HOME, provider="openai"),), DECISION, 1),
        ((failed(None, state="released", usage=NOTHING, cost_pico_usd=0),), None, 0),  # nothing went out
    ],
)
def test_a_call_that_no_decision_admits_is_a_bypass(tried, decision, bypassed):
    assert value(counted(record(*tried, decision=decision)), "gateway_bypass_total") == bypassed
    assert [admitted(each, decision) for each in tried if each.sent].count(False) == bypassed


def test_broken_rules_and_other_models_count_for_each_call():
    first = failed(FailureKind.BROKEN, broken=("stop",), misnamed="other")
    second = msgspec.structs.replace(AFAR, broken=("stop", "halt"), misnamed="other")
    made = counted(record(first, second))
    assert [value(made, "gateway_breakglass_total", rule=rule) for rule in ("stop", "halt")] == [2, 1]
    assert [value(made, "gateway_model_mismatch_total", backend=each) for each in ("home", "far")] == [1, 1]


def test_a_catalog_that_names_ever_new_backends_makes_no_series(monkeypatch):
    monkeypatch.setattr(module, "MAX_SERIES", 8)  # as many as one backend has buckets
    named = [msgspec.structs.replace(AT_HOME, backend=f"home-{n}") for n in range(20)]
    made = counted(*(record(each) for each in named), record(named[-1]))
    of_calls = [
        sample.labels["backend"]
        for metric in made.registry.collect()
        for sample in metric.samples
        if sample.name == "gateway_calls_total"
    ]
    assert (len(of_calls), of_calls.count("other")) == (9, 1)
    labels = {"backend": "other", "provider": "vllm", "zone": "other", "sensitivity": "public", "outcome": "ok"}
    assert value(made, "gateway_calls_total", **labels) == 13
    assert value(made, "gateway_series_dropped_total") >= 13
