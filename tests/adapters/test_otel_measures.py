"""What is measured."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from gateway.adapters import otel_measures
from gateway.adapters.otel_measures import Measures
from gateway.core.chat import Demand
from gateway.core.decision import Decision, Facts
from gateway.core.errors import FailureKind
from gateway.core.record import Call, Caller, End, Record, Tried
from gateway.core.usage import NOTHING, Usage

CALL = Call("req-1", Caller("k", "t", "a"), 100.0, 0.0)
DECISION = Decision("dec-1", "digest", "auto", Facts(*[None] * 7), (), ())
DEMAND = Demand(frozenset({"chat"}), 10, 1, None, 1)


def tried(read=10, wrote=5, cost=2_000_000, failure=None, model="m", seconds=0.5, state="settled") -> Tried:
    usage = Usage(read, output=wrote) if read + wrote else NOTHING
    return Tried(1, "b", "mistral", model, "z", state, usage, cost, "v", failure, began=100.0, ended=100.0 + seconds)


def record(*calls: Tried, decision=DECISION, status=200, code=None, first=0.2) -> Record:
    return Record(CALL, decision, calls, End.COMPLETE, status, code, True, 1.0, 0.1, first, demand=DEMAND)


def measured(*records: Record) -> dict:
    measures = Measures(Resource({}), InstrumentationScope("gateway"))
    measures.count(records)
    shown = measures.shown()
    if shown is None:
        return {}
    return {metric.name: metric for metric in shown.resource_metrics[0].scope_metrics[0].metrics}


def test_a_cost_has_the_label_that_its_call_was_sent_with():
    more = msgspec.structs.replace(tried(), sensitivity="restricted")
    points = measured(record(more, tried()))["gateway.cost"].data.data_points
    assert [point.attributes["gateway.sensitivity"] for point in points] == ["restricted", "unknown"]


def test_a_request_is_measured_as_the_conventions_say():
    metrics = measured(record(tried(0, 0, 0, FailureKind.THROTTLED), tried()))
    points = {name: list(metric.data.data_points) for name, metric in metrics.items()}
    assert {name: metric.unit for name, metric in metrics.items()} == {
        "gen_ai.client.token.usage": "{token}",
        "gen_ai.client.operation.duration": "s",
        "gen_ai.server.request.duration": "s",
        "gen_ai.server.time_to_first_token": "s",
        "gateway.cost": "USD",
    }
    who = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "mistral_ai", "gen_ai.request.model": "m"}
    assert [point.attributes for point in points["gen_ai.client.operation.duration"]] == [{**who, "error.type": "throttled"}, who]  # fmt: skip
    assert [(point.sum, point.attributes["gen_ai.token.type"]) for point in points["gen_ai.client.token.usage"]] == [(10, "input"), (5, "output")]  # fmt: skip
    (cost,) = points["gateway.cost"]
    assert cost.value == pytest.approx(2e-6)
    (request,) = points["gen_ai.server.request.duration"]
    assert request.attributes == {**who, "gen_ai.request.model": "auto", "gen_ai.response.model": "m"}
    assert (request.sum, request.min, request.max, request.count) == (1.0, 1.0, 1.0, 1)
    assert request.bucket_counts[request.explicit_bounds.index(1.28)] == 1


def test_nothing_is_nothing_and_a_name_that_nobody_knows_is_no_series():
    assert measured() == {}
    assert measured(record(decision=None, status=404, code="model_not_found")) == {}


def test_an_error_has_no_first_token():
    metrics = measured(record(tried(), status=502, code="broken"))
    assert "gen_ai.server.time_to_first_token" not in metrics
    (point,) = metrics["gen_ai.server.request.duration"].data.data_points
    assert point.attributes["error.type"] == "broken"


def test_series_beyond_the_cap_are_one_and_no_value_is_lost(monkeypatch):
    monkeypatch.setattr(otel_measures, "MOST_SERIES", 3)
    metrics = measured(*[record(tried(model=f"m{number}", seconds=1.0)) for number in range(10)])
    points = metrics["gen_ai.client.operation.duration"].data.data_points
    assert len(points) == 4
    assert [point.count for point in points if point.attributes == {"otel.metric.overflow": True}] == [7]
    assert sum(point.sum for point in points) == 10


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50))
def test_sums_and_buckets_are_those_of_the_values(values):
    metrics = measured(*[record(tried(read=value, wrote=1)) for value in values])
    points = {point.attributes["gen_ai.token.type"]: point for point in metrics["gen_ai.client.token.usage"].data.data_points}  # fmt: skip
    read = points["input"]
    assert (read.sum, read.count, read.min, read.max) == (sum(values), len(values), min(values), max(values))
    at_most = 0
    for bound, count in zip(read.explicit_bounds, read.bucket_counts, strict=False):
        at_most += count
        assert at_most == sum(value <= bound for value in values)
    assert sum(read.bucket_counts) == len(values)
