"""What a collector is sent, and by which settings."""

import logging

import pytest
from opentelemetry import metrics as metrics_api
from opentelemetry import trace as trace_api
from support.collector import Collector, attributes

from gateway.adapters.otel_sender import OtlpSender
from gateway.core.decision import Decision, Facts
from gateway.core.record import Call, Caller, End, Record, Tried
from gateway.core.trace import trace_of
from gateway.core.usage import Usage

DECISION = Decision("dec-1", "digest", "auto", Facts(*[None] * 7), (), ())
USED = Tried(1, "b", "openai", "m", "z", "settled", Usage(10, output=5), 700, "v", began=100.0, ended=101.0)


def record(rate: float) -> Record:
    call = Call("req-1", Caller("k", "t", "a"), 100.0, 0.0, trace=trace_of("req-1", None, rate))
    return Record(call, DECISION, (USED,), End.COMPLETE, 200, None, False, 2.0, 0.1)


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.stop()


def sent(collector: Collector, rate: float = 1.0, **headers: str) -> str:
    sender = OtlpSender(collector.url, headers)
    spans = sender.measure([record(rate)])
    why = (sender.send_spans(spans) if spans else "") or sender.send_measurements()
    sender.stop()
    return why


@pytest.mark.parametrize(("rate", "spans"), [(0.0, 0), (1.0, 2)])
def test_all_are_measured_and_those_that_are_sampled_are_traced(collector, rate, spans):
    assert sent(collector, rate) == ""
    assert len(collector.spans) == spans
    assert collector.sums("gen_ai.client.token.usage") == {(): 15}


def test_own_headers_come_before_those_of_the_standard_variable(collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20theirs,x-tenant=theirs")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    assert sent(collector, authorization="Bearer ours") == ""
    for head in collector.heads:
        assert (head["authorization"], head["x-tenant"]) == ("Bearer ours", "theirs")
        assert head["content-encoding"] == "gzip"


def test_no_other_address_is_asked_whatever_the_environment_says(collector, monkeypatch, tmp_path):
    other = Collector()
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, other.url)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    try:
        assert sent(collector) == ""
        assert (len(collector.spans), other.heads) == (2, [])
        assert not any("authorization" in head for head in collector.heads)
    finally:
        other.stop()


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 500])
def test_why_it_was_not_taken_is_said(collector, status, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    collector.status = status
    assert sent(collector) == f"it answers {status}"


def test_a_collector_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    collector = Collector()
    collector.stop()
    lines = []
    listener = logging.Handler(logging.WARNING)
    listener.emit = lines.append
    logging.getLogger().addHandler(listener)
    try:
        why = sent(collector)
    finally:
        logging.getLogger().removeHandler(listener)
    assert "ConnectionError" in why
    assert len(why) <= 200
    assert lines == [], "it is told once, by whoever asked"


def test_a_header_that_cannot_be_sent_is_not_quoted():
    sender = OtlpSender("http://127.0.0.1:9", {"authorization": " Bearer hush"})
    sender.measure([record(0.0)])
    assert sender.send_measurements() == "InvalidHeader"


def test_who_sends_is_said_and_can_be_added_to(collector, monkeypatch):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,k8s.pod.name=pod-1")
    monkeypatch.setenv("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "process,host,os,*")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "llm-gateway")
    assert sent(collector) == ""
    assert sent(collector) == ""
    assert {frozenset(each) for each in collector.resources} == {
        frozenset(
            {"service.name", "service.version", "service.instance.id", "deployment.environment.name", "k8s.pod.name"}
        )
    }
    assert {each["service.name"] for each in collector.resources} == {"llm-gateway"}
    assert len({each["service.instance.id"] for each in collector.resources}) == 2


def test_no_provider_of_the_process_is_set(collector):
    assert sent(collector) == ""
    assert type(trace_api.get_tracer_provider()).__name__ == "ProxyTracerProvider"
    assert type(metrics_api.get_meter_provider()).__name__ == "_ProxyMeterProvider"


def test_calls_have_the_times_that_they_had(collector):
    assert sent(collector) == ""
    request, call = sorted(collector.spans, key=lambda span: span.kind)
    assert request.end_time_unix_nano - request.start_time_unix_nano == 2_000_000_000
    assert call.end_time_unix_nano - call.start_time_unix_nano == 1_000_000_000
    assert attributes(call.attributes)["gen_ai.usage.output_tokens"] == 5
