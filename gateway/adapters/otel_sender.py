"""Spans and measurements on their way to a collector, by OTLP over HTTP."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import requests  # noqa: TID251  what the exporter sends with
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from gateway import __version__
from gateway.adapters.otel_measures import Measures
from gateway.adapters.otel_spans import spans
from gateway.core.record import Record
from gateway.core.steering import plain

_MOST_WORDS = 200
"""Characters of what a collector says, or of what went wrong on the way to it."""


class _Session(requests.Session):
    """Asks the host that is named, and nobody else: no proxy, no password of a file, no redirect. Remembers how the
    last request ended: the exporter tells that to the log only, a line each."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.why = ""

    def request(self, *args: Any, **named: Any) -> Any:
        """As the library has it; a redirect is no success."""
        try:
            response = super().request(*args, **named)
        except Exception as error:
            quoted = isinstance(error, ValueError)  # what is wrong with a header, which may be the password
            self.why = plain(type(error).__name__ if quoted else f"{type(error).__name__}: {error}"[:_MOST_WORDS])
            raise
        self.why = "" if 200 <= response.status_code < 300 else f"it answers {response.status_code}"
        if response.is_redirect:  # the exporter would take it for a success
            raise requests.TooManyRedirects(self.why)
        return response


class OtlpSender:
    """The `Sender` of a collector. Of the standard variables the exporter itself reads those about certificates,
    compression and time-outs, and the headers that are not given here."""

    def __init__(self, endpoint: str, headers: Mapping[str, str]) -> None:
        """`endpoint` is the base URL."""
        _quiet()
        self._session, said = _Session(), dict(headers)
        self._traces = OTLPSpanExporter(f"{endpoint}/v1/traces", headers=said, session=self._session)
        self._metrics = OTLPMetricExporter(f"{endpoint}/v1/metrics", headers=said, session=self._session)
        self._resource = _resource()
        self._scope = InstrumentationScope("gateway", __version__)
        self._measures = Measures(self._resource, self._scope)

    def measure(self, records: Sequence[Record]) -> list[Any]:
        """As the port says."""
        self._measures.count(records)
        made: list[ReadableSpan] = []
        for record in records:
            if (trace := record.call.trace) is not None and trace.sampled:
                made += spans(record, trace, self._resource, self._scope)
        return made

    def send_spans(self, spans: Sequence[Any]) -> str:
        """As the port says."""
        sent = self._traces.export(spans) is SpanExportResult.SUCCESS
        return "" if sent else self._session.why or "given up"

    def send_measurements(self) -> str:
        """As the port says."""
        if (shown := self._measures.shown()) is None:
            return ""
        sent = self._metrics.export(shown) is MetricExportResult.SUCCESS
        return "" if sent else self._session.why or "given up"

    def stop(self) -> None:
        """As the port says."""
        self._traces.shutdown()  # type: ignore[no-untyped-call]
        self._metrics.shutdown()


def _resource() -> Resource:
    """Who sends: ourselves, with what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES add. No other detector is asked:
    they look at the process, the host and its network."""
    own = {"service.name": "gateway", "service.version": __version__, "service.instance.id": str(uuid.uuid4())}
    return Resource(own).merge(OTELResourceDetector().detect())


def _quiet() -> None:
    """Keeps the SDK's own lines, one for each request that fails, out of the log: we tell when it begins and ends."""
    logger = logging.getLogger("opentelemetry")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
