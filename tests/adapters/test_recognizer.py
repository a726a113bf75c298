"""The optional recogniser: a stand-in for its package where the plumbing is looked at, the real one where it is there."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import httpx2
import pytest
from support.doubles import Calls, backend, permit_for
from support.server import ROOT, Server, serving
from support.server import backend as row
from support.upstream import OK
from support.upstream import answer as completion

from gateway.adapters import recognizer as module
from gateway.adapters.recognizer import Recognized, Recognizer
from gateway.core.catalog import Endpoint

STAND_IN = '''
"""Finds words with a capital, at once; `Slow` takes a moment, `Break` breaks, `Die` ends the process."""
import os, socket, time, types

class AnalyzerEngine:
    def __init__(self, nlp_engine, supported_languages):
        self.model, self.languages = nlp_engine, supported_languages

    def analyze(self, text, language, score_threshold):
        assert (self.model, self.languages) == (f"{language}_a", [language])
        print("what it prints", flush=True)
        words = text.split()
        if "Slow" in words:
            time.sleep(0.3)
        if "Break" in words:
            raise ValueError(text)
        if "Die" in words:
            os._exit(1)
        if "Call" in words:
            socket.create_connection(("127.0.0.1", 9))
        return [types.SimpleNamespace(entity_type="PERSON") for word in words if word.istitle()]
'''
PROVIDER = """
class NlpEngineProvider:
    def __init__(self, nlp_configuration):
        (self.model,) = nlp_configuration["models"]

    def create_engine(self):
        return self.model["model_name"]
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the stand-in for Presidio, and with what says that two models are installed."""
    folder = tmp_path / "packages"
    for name, text in {
        "presidio_analyzer/__init__.py": STAND_IN,
        "presidio_analyzer/nlp_engine.py": PROVIDER,
        "models-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: models\nVersion: 1\n",
        "models-1.dist-info/entry_points.txt": "[spacy_models]\nde_a = de:load\nen_a = en:load\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


class Heard:
    """A recogniser, and what it told."""

    def __init__(self) -> None:
        self.found: list[tuple[str, dict[str, int]]] = []
        self.skipped: list[str] = []
        self.recognizer = Recognizer(
            lambda request, kinds: self.found.append((request, dict(kinds))), self.skipped.append
        )

    def offer(self, id: str, text: str) -> None:
        body = {"model": "Auto", "messages": [{"role": "User", "content": text}]}
        self.recognizer.offer(id, json.dumps(body).encode())

    async def done(self) -> None:
        while (working := self.recognizer._working) is not None:
            await working


@pytest.fixture
async def heard(package, monkeypatch):
    monkeypatch.syspath_prepend(package)
    heard = Heard()
    yield heard
    await heard.recognizer.close()


async def test_it_tells_kinds_and_how_many_of_what_the_text_says(heard, capfd):
    heard.offer("req-1", "ask Ada and Alan")
    await heard.done()
    heard.offer("req-2", "nobody")
    await heard.done()
    assert (heard.found, heard.skipped) == ([("req-1", {"person": 2}), ("req-2", {})], [])
    assert "Ada" not in "".join(capfd.readouterr())


async def test_once_started_it_is_there_and_has_told_nothing(heard):
    heard.recognizer.start()
    heard.offer("req-1", "Ada")
    await heard.done()
    assert (heard.found, heard.skipped) == ([("req-1", {"person": 1})], [])
    assert heard.recognizer._worker.started == 1


async def test_one_text_waits_and_the_others_are_left_out(heard):
    for number in range(5):
        heard.offer(f"req-{number}", "Slow")
    heard.offer("large", "x" * module.MOST_BYTES)
    await heard.done()
    assert [id for id, _ in heard.found] == ["req-0", "req-1"]
    assert heard.skipped == [""] * 4


@pytest.mark.alone
async def test_offering_takes_no_time(heard):
    begun = time.perf_counter()
    heard.offer("req-1", "Slow " + "x" * 90_000)
    assert time.perf_counter() - begun < 0.05
    assert heard.found == []


@pytest.mark.parametrize(
    ("text", "why"), [("Break", "ValueError"), ("Die", "the process ended half-way"), ("Call", "OSError")]
)
async def test_what_goes_wrong_is_told_without_text_and_the_next_one_is_looked_at(heard, text, why):
    heard.offer("req-1", f"Ada {text}")
    await heard.done()
    heard.offer("req-2", "Ada")
    await heard.done()
    assert (heard.found, heard.skipped) == ([("req-2", {"person": 1})], [why])


@pytest.mark.alone
async def test_closing_does_not_wait_for_it(heard):
    heard.offer("req-1", "Slow")
    heard.offer("req-2", "Slow")
    begun = time.perf_counter()
    await heard.recognizer.close()
    assert (time.perf_counter() - begun < 3, heard.found) == (True, [])


async def test_only_the_first_call_of_a_request_is_offered():
    offered = []
    heard = Heard()
    heard.recognizer.offer = lambda request, body: offered.append((request, body))
    upstreams = Recognized(Calls(), heard.recognizer)
    first, later = permit_for(backend("b")), permit_for(backend("b"))
    later.hop = 2
    for permit in (first, later):
        assert (await upstreams.open(permit, Endpoint("/chat/completions"), b"{}", streamed=False)).status == 200
    assert offered == [("req-1", b"{}")]


def test_what_is_missing_is_said(monkeypatch, package):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert "pip install 'gateway[presidio]'" in module.missing()
    monkeypatch.setattr(module, "find_spec", find_spec)
    monkeypatch.syspath_prepend(package)
    assert module.missing() is None
    monkeypatch.setattr(module, "entry_points", lambda group: ())
    assert "spacy download" in module.missing()


def test_the_server_does_not_start_without_it(tmp_path):
    if find_spec("presidio_analyzer") is not None:
        pytest.skip("presidio is installed")
    with pytest.raises(RuntimeError, match="cannot start: GATEWAY_RECOGNIZER is `presidio`: it needs the"):
        Server(tmp_path, ROOT / "routing_policies", GATEWAY_RECOGNIZER="presidio").start()


def asked(server: Server, key: str, text: str) -> httpx2.Response:
    body = {"model": "r", "messages": [{"role": "user", "content": text}]}
    return httpx2.post(f"{server.base}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_server_tells_in_log_and_metrics_and_decides_nothing_by_it(tmp_path, upstream, package):
    path = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH"))))
    settings = {"GATEWAY_RECOGNIZER": "presidio", "PYTHONPATH": path}
    upstream.scripts["r"] = [completion(OK)]
    with serving(tmp_path, {"r": row(upstream.url("r"))}, **settings) as server:
        answer = asked(server, server.key(), "greet Ada")
        assert (answer.status_code, answer.headers["x-gateway-sensitivity"]) == (200, "internal")
        until(lambda: server.metrics().get('gateway_recognizer_results_total{kind="person"}') == 1)
        assert asked(server, server.key(), "x" * 200_000).status_code == 200
        until(lambda: server.metrics()["gateway_recognizer_skipped_total"] == 1)
        lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
        (told,) = [line for line in lines if line["event"] == "recognized"]
        assert (told["request_id"], told["findings"]) == (answer.headers["x-request-id"], [["person", 1]])
        assert "Ada" not in server.log.read_text()


@pytest.mark.skipif(module.missing() is not None, reason=f"no real recogniser here: {module.missing()}")
async def test_the_real_one_finds_names_and_places():
    heard = Heard()
    heard.offer("req-1", "My name is John Smith, I live in Paris and work for Microsoft. Mail john@smith.org")
    deadline = time.monotonic() + 60
    while not heard.found and not heard.skipped and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await heard.recognizer.close()
    ((id, kinds),) = heard.found
    assert id == "req-1"
    assert {"person", "location", "organization", "email_address"} <= kinds.keys()
