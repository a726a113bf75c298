"""OpenTelemetry, if it is installed and wanted: records on their way to a collector, off the path of the request.

The loop only puts records into a queue. One thread makes measurements of all of them and spans of those that are
sampled; another sends both. Queues are bounded, what finds no room is counted, and a collector that does not answer
holds up nothing but itself.
"""

import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Protocol

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from gateway.core.record import Record
from gateway.core.trace import Trace, trace_of

MOST_RECORDS, MOST_SPANS = 20_000, 4096
"""What may wait: to be measured, and to be sent."""
BATCH_SPANS = 512
CLOSE_SECONDS = 3.0
"""How long the end of the process waits for what is still to be sent."""
INTERVAL_SECONDS = 60.0
"""How often measurements are sent, unless the standard variable says otherwise."""
IDLE_SECONDS = 1.0
"""How long what is there may wait for more."""

_INTERVAL_NAME = "OTEL_METRIC_EXPORT_INTERVAL"
_INTERVAL = re.compile(r"[0-9]{0,9}")


class Sender(Protocol):
    """What knows OpenTelemetry. One thread measures, another sends; `stop` may be told by a third."""

    def measure(self, records: Sequence[Record]) -> list[Any]:
        """Measures requests that have ended, and gives the spans of those that are sampled."""

    def send_spans(self, spans: Sequence[Any]) -> str:
        """Sends spans. Says why it could not, else nothing."""

    def send_measurements(self) -> str:
        """Sends what was measured so far. Says why it could not, else nothing."""

    def stop(self) -> None:
        """Gives up what is being sent."""


def hindrance() -> str | None:
    """Why nothing can be sent; None: it can. Loads none of what it takes."""
    try:
        found = find_spec("opentelemetry.exporter.otlp.proto.http")
    except ModuleNotFoundError:
        found = None
    if found is None:
        return "it needs the OpenTelemetry exporter: pip install 'gateway[otel]'"
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return "OTEL_SDK_DISABLED says that nothing is to be sent; unset one of the two"
    if not _INTERVAL.fullmatch(os.environ.get(_INTERVAL_NAME, "")):
        return f"{_INTERVAL_NAME} is no number of milliseconds"
    return None


def started(endpoint: str, headers: Mapping[str, str], rate: float, tell: Callable[..., None]) -> "Otel":
    """Begins to send to a collector, by its base URL. Without hindrance only."""
    from gateway.adapters.otel_sender import OtlpSender  # the SDK takes a while to load, and may not be there

    milliseconds = os.environ.get(_INTERVAL_NAME)
    seconds = max(1.0, int(milliseconds) / 1000) if milliseconds else INTERVAL_SECONDS
    return Otel(OtlpSender(endpoint, headers), rate, tell, seconds)


class Otel(Collector):
    """A projection of records into traces and measurements, and the series of what was lost on the way.

    `rate` is the share of requests that are traced, of those whose caller does not say. `tell` gets an event when the
    collector stops taking what is sent, and one when it takes it again.
    """

    def __init__(
        self, sender: Sender, rate: float, tell: Callable[..., None], interval_seconds: float = INTERVAL_SECONDS
    ) -> None:
        self._sender = sender
        self._rate = rate
        self._interval_seconds = interval_seconds
        self._tell = tell
        self._records: deque[Record] = deque()
        self._spans: deque[Any] = deque()
        self._lock = threading.Lock()
        self._dropped = {"records": 0, "spans": 0}
        self._measure_now, self._send_now = threading.Event(), threading.Event()
        self._closing = self._lost = False
        self._measuring = threading.Thread(target=self._measure, name="otel-measure", daemon=True)
        self._sending = threading.Thread(target=self._send, name="otel-send", daemon=True)
        self._measuring.start()
        self._sending.start()

    def trace_of(self, request_id: str, header: str | None) -> Trace:
        """The trace of a request. `header` is what a known caller said of it."""
        return trace_of(request_id, header, self._rate)

    def take(self, records: Sequence[Record]) -> None:
        """Takes the records of requests that have ended."""
        room = MOST_RECORDS - len(self._records)
        if len(records) > room:
            self._drop("records", len(records) - room)
            records = records[:room]
        self._records.extend(records)
        if room < MOST_RECORDS // 2:
            self._measure_now.set()

    def collect(self) -> Iterator[CounterMetricFamily]:
        """What a scrape gets."""
        dropped = CounterMetricFamily("gateway_otel_dropped", "What no collector got", labels=("signal",))
        for signal, count in self._dropped.items():
            dropped.add_metric((signal,), count)
        yield dropped

    def close(self) -> None:
        """Sends what is still there, for `CLOSE_SECONDS` at most. What is left then is told as lost."""
        until = time.monotonic() + CLOSE_SECONDS
        self._closing = True
        self._measure_now.set()
        self._measuring.join(CLOSE_SECONDS)
        self._send_now.set()
        self._sending.join(max(0.0, until - time.monotonic()))
        self._sender.stop()
        self._sending.join(0.5)  # what was given up counts itself
        self._drop("records", len(self._records))
        self._drop("spans", len(self._spans))
        if any(self._dropped.values()):
            self._tell("otel_dropped", **self._dropped)

    def _measure(self) -> None:
        """The thread that measures."""
        last = False
        while not last:
            self._measure_now.wait(IDLE_SECONDS)
            self._measure_now.clear()
            last = self._closing
            while self._records:
                batch = [self._records.popleft() for _ in range(min(len(self._records), BATCH_SPANS))]
                try:
                    spans = self._sender.measure(batch)
                except Exception as error:  # noqa: BLE001  a fault of ours must not end the thread
                    self._drop("records", len(batch))
                    self._tell("otel_fault", error=type(error).__name__)
                    continue
                room = max(0, MOST_SPANS - len(self._spans))
                self._drop("spans", len(spans) - room)
                self._spans.extend(spans[:room])
                if len(self._spans) >= BATCH_SPANS:
                    self._send_now.set()

    def _send(self) -> None:
        """The thread that sends."""
        due, last = time.monotonic() + self._interval_seconds, False
        while not last:
            self._send_now.wait(IDLE_SECONDS)
            self._send_now.clear()
            last = self._closing and not self._measuring.is_alive()
            while self._spans:
                batch = [self._spans.popleft() for _ in range(min(len(self._spans), BATCH_SPANS))]
                if not self._sent(lambda batch=batch: self._sender.send_spans(batch)):  # type: ignore[misc]
                    self._drop("spans", len(batch))
            if last or time.monotonic() >= due:
                due = time.monotonic() + self._interval_seconds
                self._sent(self._sender.send_measurements)  # what is not sent now is in what is sent later

    def _sent(self, send: Callable[[], str]) -> bool:
        try:
            why = send()
        except Exception as error:  # noqa: BLE001  whatever it is, no request depends on it
            why = type(error).__name__
        if bool(why) != self._lost:
            self._lost = bool(why)
            if why:
                self._tell("otel_not_sent", error=why)
            else:
                self._tell("otel_sent_again")
        return not why

    def _drop(self, signal: str, count: int) -> None:
        if count > 0:
            with self._lock:
                self._dropped[signal] += count
