"""How it is with each backend that was asked, as Prometheus series. They are given when a scrape comes."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.core.lane import LaneState


class LaneSeries(Collector):
    """The series of lanes. Backends are a closed set: those of the catalog."""

    def __init__(self, states: Callable[[], Sequence[LaneState]]) -> None:
        self._states = states

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What a scrape gets."""
        by = ("backend",)
        state = GaugeMetricFamily("gateway_backend_state", "1 if it is asked, 0 while its calls fail", labels=by)
        running = GaugeMetricFamily("gateway_backend_inflight_calls", "Calls under way", labels=by)
        waiting = GaugeMetricFamily("gateway_backend_queued_calls", "Calls that wait for room", labels=by)
        most = GaugeMetricFamily("gateway_backend_limit_calls", "Calls that it may have at once", labels=by)
        for each in self._states():
            labels = (each.backend,)
            state.add_metric(labels, each.closed)
            running.add_metric(labels, each.running)
            waiting.add_metric(labels, each.waiting)
            if each.most is not None:
                most.add_metric(labels, each.most)
        yield from (state, running, waiting, most)
