"""An OpenTelemetry collector on loopback: OTLP over HTTP, read with the protocol's own messages."""

import gzip
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def attributes(of) -> dict:
    """Attributes as Python has them."""
    return {each.key: value(each.value) for each in of}


def value(of):
    kind = of.WhichOneof("value")
    return [value(each) for each in of.array_value.values] if kind == "array_value" else getattr(of, kind)


class Collector:
    """What it got, and what it answers with. `raw` has all bytes, as they were sent."""

    def __init__(self, port: int = 0) -> None:
        self.status = 200
        self.heads: list[dict] = []
        self.raw: list[bytes] = []
        self.resources: list[dict] = []
        self.spans: list = []
        self.points: dict[str, list] = {}  # the newest of each metric: sums since the start
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers["content-encoding"] == "gzip":
                    body = gzip.decompress(body)
                collector.heads.append({name.lower(): said for name, said in self.headers.items()})
                if collector.status == 200:
                    collector.take(self.path, body)
                self.send_response(collector.status)
                if collector.status in (301, 307):
                    self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def take(self, path: str, body: bytes) -> None:
        self.raw.append(body)
        if path == "/v1/traces":
            for each in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(attributes(each.resource.attributes))
                self.spans += [span for scope in each.scope_spans for span in scope.spans]
        elif path == "/v1/metrics":
            for each in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.resources.append(attributes(each.resource.attributes))
                for metric in (metric for scope in each.scope_metrics for metric in scope.metrics):
                    kind = metric.WhichOneof("data")
                    self.points[metric.name] = list(getattr(metric, kind).data_points)
        else:
            raise AssertionError(path)

    def sums(self, name: str, *by: str) -> dict[tuple, float]:
        """The sum of a metric's values, by attributes."""
        sums = defaultdict(float)
        for point in self.points.get(name, ()):
            said = attributes(point.attributes)
            sums[tuple(said.get(each) for each in by)] += getattr(point, "sum", None) or getattr(point, "as_double", 0)
        return dict(sums)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
