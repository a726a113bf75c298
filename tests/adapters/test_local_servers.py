"""Model servers that already run on this machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from support.vectors import ROOT, load

from gateway.adapters import local_servers
from gateway.adapters.local_servers import Found, discover, named
from gateway.policy.files import BackendEntry


@pytest.fixture
def listing(monkeypatch):
    """Serves one answer to every GET, as if on vLLM's port."""
    shown = {"status": 200, "body": b""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(shown["status"])
            self.end_headers()
            self.wfile.write(shown["body"])

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(local_servers, "_USUAL_PORTS", (("vllm", server.server_port),))
    yield shown
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("server", ["vllm-cpu", "llama-server"])
def test_a_real_servers_models_become_catalog_rows(listing, server):
    listing["body"] = load(ROOT / server / "models.txt").body
    (found,) = discover(set())
    assert isinstance(found, Found)
    assert list(found.rows) == ["smollm2-135m-instruct"]
    row = found.rows["smollm2-135m-instruct"]
    assert (row["weights_origin"], row["deployment"]) == ("eu", "self_hosted")


def test_rows_are_valid_catalog_entries(listing):
    listing["body"] = json.dumps({"data": [{"id": "qwen3:8b"}, {"id": "mystery"}]}).encode()
    (found,) = discover(set())
    assert [row.get("weights_origin") for row in found.rows.values()] == ["cn", None]
    for row in found.rows.values():
        row["price"] = None
        BackendEntry.model_validate(row)


def test_models_that_are_relayed_to_a_hosted_service_are_left_out(listing):
    listing["body"] = json.dumps(
        {"data": [{"id": "gpt-oss:120b-cloud"}, {"id": "glm-5:cloud"}, {"id": "qwen3:8b"}]}
    ).encode()
    (found,) = discover(set())
    assert list(found.rows) == ["qwen3:8b"]


@pytest.mark.parametrize(
    ("status", "body"), [(404, b""), (200, b"<html>"), (200, b"[]"), (200, b'{"data": 1}'), (401, b"{}")]
)
def test_what_is_no_model_server_is_a_line_of_information(listing, status, body):
    listing.update(status=status, body=body)
    (line,) = discover(set())
    assert isinstance(line, str)
    assert "not found" in line


def test_our_own_ports_are_not_asked(listing):
    ((_, port),) = local_servers._USUAL_PORTS
    assert list(discover({port})) == []


@pytest.mark.parametrize(
    ("model", "taken", "name"),
    [
        ("qwen3:8b", (), "qwen3:8b"),
        ("glm-5.2", ("glm-5.2",), "vllm/glm-5.2"),
        ("/models/Qwen 3", (), "models/Qwen-3"),
        ("C:\\m.gguf", (), "C:-m.gguf"),
        ("auto", ("auto",), "vllm/auto"),
        ("???", (), "model"),
    ],
)
def test_a_found_model_gets_a_name_that_loads(model, taken, name):
    assert named(Found("vllm", 8000, {model: {"provider": "vllm"}}), taken) == {
        name: {"provider": "vllm", "model": model}
    }
