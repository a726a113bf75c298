"""The series of lanes."""

from prometheus_client import CollectorRegistry, generate_latest

from gateway.adapters.lane_metrics import LaneSeries
from gateway.core.lane import LaneState


def test_what_a_scrape_gets():
    registry = CollectorRegistry()
    registry.register(LaneSeries(lambda: [LaneState("a", True, 3, 2, 8), LaneState("b", False, 0, 0, None)]))
    samples = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert samples == [
        'gateway_backend_state{backend="a"} 1.0',
        'gateway_backend_state{backend="b"} 0.0',
        'gateway_backend_inflight_calls{backend="a"} 3.0',
        'gateway_backend_inflight_calls{backend="b"} 0.0',
        'gateway_backend_queued_calls{backend="a"} 2.0',
        'gateway_backend_queued_calls{backend="b"} 0.0',
        'gateway_backend_limit_calls{backend="a"} 8.0',
    ]
