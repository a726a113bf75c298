"""What becomes traces and measurements, and what does not."""

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.util import find_spec

import httpx2
import pytest
from support.collector import Collector, attributes
from support.server import ROOT, Server, backend, free_port, serving
from support.upstream import DONE, HANG, OK, STREAM_HEAD, USAGE_EVENT, answer, chunk, delta, stream

from gateway.adapters import otel as module
from gateway.adapters.otel import Otel
from gateway.core.record import Call, Caller, End, Record

CANARY = "Zanzibar quokka whispers"
VENDOR = {"deployment": "vendor_api", "zone": "us-vendors", "trains_on_data": "never", "audience": "anyone"}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = PARENT[:-2] + "00"


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.stop()


def settings(collector: Collector, **more: str) -> dict[str, str]:
    return {
        "GATEWAY_OTEL_ENDPOINT": collector.url,
        "GATEWAY_OTEL_SAMPLE": "1",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        **more,
    }


def asked(server: Server, key: str, model: str, **more) -> httpx2.Response:
    headers = {"authorization": f"Bearer {key}", "x-request-id": CANARY, **more.pop("headers", {})}
    body = {"model": model, "messages": [{"role": "user", "content": CANARY}], "user": CANARY, **more}
    return httpx2.post(f"{server.base}/v1/chat/completions", json=body, headers=headers)


def events(server: Server) -> list[dict]:
    return [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]


def left(server: Server, key: str, model: str) -> None:
    """A client that hangs up in the middle of a stream."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": CANARY}]}
    head = {"authorization": f"Bearer {key}"}
    with httpx2.stream("POST", f"{server.base}/v1/chat/completions", json=body, headers=head) as response:
        next(response.iter_bytes())


def test_traces_and_measurements_agree_with_the_ledger_and_hold_no_text(tmp_path, upstream, collector):
    upstream.scripts |= {
        "good": [answer(OK)],
        "stream": stream(delta("hel"), delta("lo", "stop"), USAGE_EVENT, DONE),
        "fails": [answer({"error": {"message": CANARY, "code": "oops"}}, status=500)],
        "hangs": [STREAM_HEAD, chunk(delta(CANARY)), HANG],
    }
    catalog = {name: backend(upstream.url(name)) for name in upstream.scripts}
    catalog["good"]["aliases"] = catalog["fails"]["aliases"] = ["both"]
    catalog["good"]["model"] = "scripted"
    catalog["fails"]["price"] = {"input": 0.5, "output": 0.5}  # so it is asked first
    catalog["outside"] = backend(upstream.url("good"), provider="openai", **VENDOR)
    with serving(tmp_path, catalog, **settings(collector)) as server:
        key = server.key(team="blue", app="bot")
        said = {model: asked(server, key, model) for model in ("good", "both", "fails", "nobody")}
        said["denied"] = asked(server, key, "outside", headers={"x-gateway-sensitivity": "restricted"})
        said["stream"] = asked(server, key, "stream", stream=True)
        said["nokey"] = asked(server, "wrong", "good", headers={"traceparent": PARENT})
        left(server, key, "hangs")
        statuses = {name: answer.status_code for name, answer in said.items()}
        until(lambda: len([event for event in events(server) if event["event"] == "request"]) == 8)
        rows = server.ledger()
        until(lambda: len(collector.spans) == 8 + len(rows))
        spent = sum(row["cost_pico_usd"] for row in rows) / 1e12
        until(lambda: sum(collector.sums("gateway.cost").values()) == pytest.approx(spent))
        lines = [event for event in events(server) if event["event"] == "request"]
        dropped = [value for name, value in server.metrics().items() if name.startswith("gateway_otel_dropped_total")]
    assert statuses == {"good": 200, "both": 200, "fails": 500, "nobody": 404, "denied": 403, "stream": 200, "nokey": 401}  # fmt: skip
    assert dropped == [0, 0]

    roots = {attributes(span.attributes)["gateway.request_id"]: span for span in collector.spans if span.kind == 2}
    calls = defaultdict(list)
    for span in collector.spans:
        if span.kind == 3:
            calls[span.trace_id].append(span)
    assert {line["request_id"]: line["trace_id"] for line in lines} == {id: span.trace_id.hex() for id, span in roots.items()}  # fmt: skip
    by_request = defaultdict(list)
    for row in rows:
        by_request[row["request_id"]].append(row)
    for line in lines:
        root = roots[line["request_id"]]
        own = attributes(root.attributes)
        assert own["http.response.status_code"] == line["status"]
        assert own["gateway.end"] == line["end"]
        assert (own["gateway.team"], own["gateway.app"], own["gateway.key"]) == (line["team"], line["app"], line["key"])
        assert own["gateway.request.cost_usd"] == pytest.approx(line["cost_pico_usd"] / 1e12)
        assert (root.end_time_unix_nano - root.start_time_unix_nano) / 1e6 == pytest.approx(
            line["duration_ms"], abs=0.1
        )
        assert abs(root.start_time_unix_nano / 1e9 - line["time"]) < 1
        assert own.get("error.type") == (line["code"] if line["code"] or line["status"] != 499 else "499")
        assert root.status.code == (2 if line["status"] >= 500 else 0)
        spans = sorted(calls[root.trace_id], key=lambda span: attributes(span.attributes)["gateway.hop"])
        for span, row in zip(spans, by_request[line["request_id"]], strict=True):
            of = attributes(span.attributes)
            assert span.parent_span_id == root.span_id
            assert span.name == f"chat {row['model']}"
            assert (of["gateway.backend"], of["gateway.state"], of["gateway.zone"]) == (row["backend"], row["state"], row["zone"])  # fmt: skip
            assert of["gateway.cost_usd"] == pytest.approx(row["cost_pico_usd"] / 1e12)
            assert of.get("gen_ai.usage.input_tokens", 0) == row["input_uncached"]
            assert of.get("gen_ai.usage.output_tokens", 0) == row["output"]
            assert of.get("error.type", "") == row["failure"]
            assert span.status.code == (2 if row["failure"] else 0)
            assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano <= root.end_time_unix_nano  # fmt: skip

    both = roots[said["both"].headers["x-request-id"]]
    assert [attributes(span.attributes).get("error.type") for span in calls[both.trace_id]] == ["server_error", None]
    assert attributes(both.attributes)["gen_ai.response.model"] == "scripted"
    denied = attributes(roots[said["denied"].headers["x-request-id"]].attributes)
    assert denied["gateway.denied_by"]
    assert denied["error.type"] == "policy_denied"
    assert [span.parent_span_id for span in roots.values()] == [b""] * 8, "who has no key is nobody's child"

    tokens = collector.sums("gen_ai.client.token.usage", "gen_ai.token.type")
    assert tokens == {("input",): sum(row["input_uncached"] for row in rows), ("output",): sum(row["output"] for row in rows)}  # fmt: skip
    assert sum(point.count for point in collector.points["gen_ai.client.operation.duration"]) == len(rows)
    assert {resource["service.name"] for resource in collector.resources} == {"gateway"}
    assert {key for resource in collector.resources for key in resource} == {"service.name", "service.version", "service.instance.id"}  # fmt: skip
    sent = b"".join(collector.raw)
    assert [word for word in (b"anzibar", b"quokka", b"whispers", key.encode(), str(tmp_path).encode()) if word in sent] == []  # fmt: skip


def test_a_parent_is_kept_to_and_passed_on_to_our_own_backends_only(tmp_path, upstream, collector):
    upstream.scripts |= {"ours": [answer(OK)], "theirs": [answer(OK)]}
    catalog = {"ours": backend(upstream.url("ours")), "theirs": backend(upstream.url("theirs"), **VENDOR)}
    before = len(upstream.seen)
    with serving(tmp_path, catalog, **settings(collector, GATEWAY_OTEL_SAMPLE="0")) as server:
        key = server.key(sensitivity="public")
        for parent in (PARENT, UNSAMPLED, "nonsense", None):
            for model in catalog:
                assert asked(server, key, model, headers={"traceparent": parent} if parent else {}).status_code == 200
        until(lambda: len(collector.spans) == 4)
        time.sleep(1.5)
    assert {span.trace_id.hex() for span in collector.spans} == {PARENT[3:35]}
    assert [span.parent_span_id.hex() for span in collector.spans if span.kind == 2] == [PARENT[36:52]] * 2
    heads = [(seen.name, line[13:].decode()) for seen in upstream.seen[before:] for line in seen.head.split(b"\r\n") if line.lower().startswith(b"traceparent:")]  # fmt: skip
    assert [name for name, _ in heads] == ["ours"] * 4
    (call,) = [span for span in collector.spans if attributes(span.attributes).get("gateway.backend") == "ours"]
    assert heads[0][1] == f"00-{PARENT[3:35]}-{call.span_id.hex()}-01"
    assert heads[1][1].startswith(UNSAMPLED[:36])
    assert heads[1][1].endswith("-00")
    assert [head[:36] == PARENT[:36] for _, head in heads] == [True, True, False, False]


def test_where_it_is_off_no_header_goes_on_and_no_variable_turns_it_on(tmp_path, upstream, collector):
    upstream.scripts["ours"] = [answer(OK)]
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_EXPORTER": "otlp",
        "FASTAPI_OTEL_AUTO_CONFIGURE": "true", "OTEL_METRIC_EXPORT_INTERVAL": "1000"}  # fmt: skip
    with serving(tmp_path, {"ours": backend(upstream.url("ours"))}, **environment) as server:
        assert asked(server, server.key(), "ours", headers={"traceparent": PARENT}).status_code == 200
        time.sleep(1.5)
        assert not [name for name in server.metrics() if "otel" in name]
    assert collector.heads == []
    assert b"traceparent" not in upstream.seen[-1].head.lower()
    (line,) = [event for event in events(server) if event["event"] == "request"]
    assert line["trace_id"] is None


def test_a_collector_that_is_down_is_told_once_and_holds_up_nobody(tmp_path, upstream):
    upstream.scripts["ours"] = [answer(OK)]
    port = free_port()
    more = {"OTEL_EXPORTER_OTLP_TIMEOUT": "1", "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
    where = {"GATEWAY_OTEL_ENDPOINT": f"http://127.0.0.1:{port}", "GATEWAY_OTEL_SAMPLE": "1", **more}
    with serving(tmp_path, {"ours": backend(upstream.url("ours"))}, **where) as server:
        key = server.key()

        def lost() -> float:
            return server.metrics()['gateway_otel_dropped_total{signal="spans"}']

        for count in (1, 2, 3):
            assert asked(server, key, "ours").status_code == 200
            until(lambda count=count: lost() == 2 * count)
        told = [event["event"] for event in events(server) if event["event"].startswith("otel")]
        assert told == ["otel_not_sent"]
        collector = Collector(port)
        try:
            assert asked(server, key, "ours").status_code == 200
            until(lambda: len(collector.spans) == 2)
            until(lambda: any("otel_sent_again" == event["event"] for event in events(server)))
            until(
                lambda: sum(point.count for point in collector.points.get("gen_ai.client.operation.duration", ())) == 4
            )
        finally:
            collector.stop()
        assert asked(server, key, "ours").status_code == 200
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 8
    assert all(line.startswith("{") for line in server.log.read_text().splitlines())
    (dropped,) = [event for event in events(server) if event["event"] == "otel_dropped"]
    assert dropped["spans"] >= 8


def test_the_server_does_not_start_with_a_package_too_few(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['opentelemetry.exporter'] = None\n")
    more = {"GATEWAY_OTEL_ENDPOINT": "http://127.0.0.1:1", "PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}"}
    with pytest.raises(RuntimeError, match=r"GATEWAY_OTEL_ENDPOINT is set: .* pip install 'gateway\[otel\]'"):
        Server(tmp_path, ROOT / "routing_policies", **more).start()


def test_nothing_of_it_is_loaded_unless_it_is_wanted():
    # the web framework imports the API, which does nothing by itself
    code = "import sys, gateway.app; print([name for name in sys.modules if name.startswith('opentelemetry.sdk') or name.startswith('opentelemetry.exporter') or name == 'requests'])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout == "[]\n"


def test_what_hinders_it_is_said(monkeypatch):
    assert module.hindrance() is None
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "1 s")
    assert "OTEL_METRIC_EXPORT_INTERVAL" in module.hindrance()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "TRUE")
    assert "OTEL_SDK_DISABLED" in module.hindrance()
    monkeypatch.setattr(module, "find_spec", lambda name: find_spec("no_such_package.inside"))
    assert "pip install 'gateway[otel]'" in module.hindrance()


class Held:
    """A sender that stands still while it is held, and whose spans are the records."""

    def __init__(self, why: str = "", fault: bool = False) -> None:
        self.may = module.threading.Event()
        self.why, self.fault = why, fault
        self.sent: list = []
        self.measured = 0

    def measure(self, records):
        if self.fault:
            raise RuntimeError(CANARY)
        self.measured += len(records)
        return list(records)

    def send_spans(self, spans):
        self.may.wait(20)
        if not self.why:
            self.sent += spans
        return self.why

    def send_measurements(self):
        return self.why

    def stop(self):
        self.may.set()


RECORD = Record(Call("req-1", Caller("k", "t", "a"), 0.0, 0.0), None, (), End.REFUSED, 401, "x", False, 0.0, 0.0)


def told(sender: Held, act: Callable[[Otel], None]) -> tuple[Otel, list]:
    said: list = []
    otel = Otel(sender, 0.5, lambda event, **fields: said.append((event, fields)))
    act(otel)
    otel.close()
    return otel, said


def lost(otel: Otel) -> dict[str, float]:
    (family,) = otel.collect()
    return {sample.labels["signal"]: sample.value for sample in family.samples}


def test_what_finds_no_room_is_counted_and_nothing_waits():
    sender = Held()

    def act(otel):
        begun = time.monotonic()
        for _ in range(60):
            otel.take([RECORD] * 1000)
        assert time.monotonic() - begun < 5
        until(lambda: sender.measured + lost(otel)["records"] == 60_000)
        assert len(otel._spans) <= module.MOST_SPANS
        sender.may.set()

    otel, said = told(sender, act)
    assert len(sender.sent) + lost(otel)["spans"] == sender.measured
    assert len(sender.sent) <= module.MOST_SPANS + module.BATCH_SPANS
    assert said == [("otel_dropped", lost(otel))]


def test_what_is_there_at_the_end_is_sent():
    sender = Held()
    sender.may.set()
    otel, said = told(sender, lambda otel: otel.take([RECORD] * 700))
    assert (len(sender.sent), said, lost(otel)) == (700, [], {"records": 0, "spans": 0})


def test_an_end_does_not_wait_for_a_collector_that_hangs(monkeypatch):
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.3)
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.05)
    sender = Held(why="given up")
    begun = time.monotonic()
    otel, said = told(sender, lambda otel: otel.take([RECORD] * 700))
    assert time.monotonic() - begun < 3
    assert lost(otel) == {"records": 0, "spans": 700}
    assert said == [("otel_not_sent", {"error": "given up"}), ("otel_dropped", {"records": 0, "spans": 700})]


def test_a_fault_of_ours_ends_no_thread_and_tells_no_text():
    otel, said = told(Held(fault=True), lambda otel: otel.take([RECORD] * 3))
    assert lost(otel) == {"records": 3, "spans": 0}
    assert said == [("otel_fault", {"error": "RuntimeError"}), ("otel_dropped", {"records": 3, "spans": 0})]
