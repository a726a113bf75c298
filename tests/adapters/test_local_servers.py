"""Model servers that already run on this machine, and on hosts that were named."""

import pytest
from support.model_servers import Reply, model_server
from support.vectors import ROOT, load

from gateway.adapters import local_servers
from gateway.adapters.local_servers import answers_well, assumed, demo_row, discover, places
from gateway.policy.files import BackendEntry
from gateway.review.discovered import Found, row


@pytest.fixture
def server():
    with model_server() as running:
        yield running


def look(server):
    (found,) = discover([("127.0.0.1", server.port)])
    return found


@pytest.mark.parametrize(
    ("name", "provider", "context"), [("vllm-cpu", "vllm", 2048), ("llama-server", "llamacpp", 4096)]
)
def test_a_real_servers_models_are_found(server, name, provider, context):
    server.answers["/v1/models"] = Reply(load(ROOT / name / "models.txt").body)
    found = look(server)
    assert isinstance(found, Found)
    (model,) = found.models
    assert (found.provider, model.id, model.context) == (provider, "smollm2-135m-instruct", context)
    assert row(found, model)["deployment"] == "self_hosted"
    assert {each.method for each in server.asked} == {"GET"}


OLLAMA = {
    "/v1/models": Reply(
        {"data": [{"id": id, "owned_by": "library"} for id in ("qwen3:8b", "copy", "glm-5:cloud", "mxbai")]}
    ),
    "/api/tags": Reply({"models": [{"name": "copy", "remote_host": "https://ollama.com:443"}, {"name": "qwen3:8b"}]}),
    "/api/ps": Reply({"models": [{"name": "qwen3:8b", "context_length": 4096}]}),
    "/api/show": Reply({"capabilities": ["completion", "tools"], "model_info": {"qwen3.context_length": 40960}}),
}


def test_an_ollama_is_asked_about_each_of_its_models_but_not_for_those_that_it_passes_on(server):
    server.answers = dict(OLLAMA)
    found = look(server)
    assert (found.provider, [model.id for model in found.models]) == ("ollama", ["qwen3:8b", "mxbai"])
    assert sorted(found.relayed) == ["copy", "glm-5:cloud"]
    assert [model.context for model in found.models] == [4096, None]  # what is not loaded may be set to anything
    assert found.models[0].has == {"chat", "tools"}
    assert [each.body for each in server.asked if each.method == "POST"] == [
        b'{"model":"qwen3:8b"}',
        b'{"model":"mxbai"}',
    ]


def test_a_copy_of_a_hosted_model_is_told_by_what_ollama_shows(server):
    server.answers = {
        **OLLAMA,
        "/api/tags": Reply(status=404),
        "/api/show": Reply({"remote_host": "https://ollama.com"}),
    }
    assert look(server) == f"ollama at 127.0.0.1:{server.port} serves no model of its own"


@pytest.mark.parametrize(
    ("path", "body", "provider"),
    [
        ("/api/version", {"version": "0.40.12"}, "ollama"),
        ("/props", {"default_generation_settings": {"n_ctx": 4096}}, "llamacpp"),
        ("/api/v1/models", {"models": []}, "lmstudio"),
        ("/info", {"router": "text-generation-router"}, "openai-compatible"),
    ],
)
def test_where_the_list_does_not_tell_other_paths_do(server, path, body, provider):
    server.answers = {"/v1/models": Reply({"data": [{"id": "m", "owned_by": "me"}]}), path: Reply(body)}
    assert look(server).provider == provider


def test_at_most_so_many_models_are_asked_about(server):
    server.answers["/v1/models"] = Reply({"data": [{"id": f"m{n}", "owned_by": "vllm"} for n in range(50)]})
    assert len(look(server).models) == 20


def test_a_model_whose_name_would_steer_a_terminal_is_left_out(server):
    server.answers["/v1/models"] = Reply(
        {"data": [{"id": "a\x1b[2J", "owned_by": "vllm"}, {"id": "b", "owned_by": "vllm"}]}
    )
    assert [model.id for model in look(server).models] == ["b"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(status=404), "not found"),
        (Reply(b"<html>"), "not found"),
        (Reply(b"[]"), "serves no model"),
        (Reply({"data": 1}), "not found"),
        (Reply(status=302, headers={"location": "http://127.0.0.1:1/"}), "not found"),
        (Reply(status=401), "asks for a key (401)"),
        (Reply(status=503), "not ready yet (503)"),
        (Reply({"data": [{"id": "auto", "owned_by": "gateway"}]}), "a gateway like this one"),
    ],
)
def test_what_is_no_model_server_is_a_line_of_information(server, reply, words):
    server.answers["/v1/models"] = reply
    assert words in look(server)


def test_nobody_there():
    with model_server() as gone:
        pass
    assert "not found" in look(gone)


def test_a_server_that_does_not_answer_is_left_in_time(server, monkeypatch):
    monkeypatch.setattr(local_servers, "_SECONDS", 0.2)
    server.answers["/v1/models"] = Reply(pause=30)
    assert "not found" in look(server)


@pytest.mark.parametrize(
    ("hosts", "own", "looked"),
    [
        ((), {8080, 8081}, ["127.0.0.1:8000", "127.0.0.1:30000", "127.0.0.1:11434", "127.0.0.1:1234"]),
        (["localhost:9000", "127.0.0.1:9000"], {8000, 30000, 11434, 8080, 1234}, ["127.0.0.1:9000"]),
        (["localhost:9000", "[::1]:9000", "gpu:9000"], {8000, 30000, 11434, 8080, 1234, 9000}, ["gpu:9000"]),
        (["gpu"], {8000, 30000, 11434, 8080, 1234}, ["gpu:8000", "gpu:30000", "gpu:11434", "gpu:8080", "gpu:1234"]),
    ],
)
def test_our_own_ports_are_not_asked_here_but_they_are_elsewhere(hosts, own, looked):
    assert [f"{host}:{port}" for host, port in places(hosts, own)] == looked


def test_what_is_no_host_is_refused():
    with pytest.raises(ValueError, match="is no host"):
        places(["http://gpu"], ())


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("192.168.0.9", True),
        ("fd00::1", True),
        ("169.254.1.1", True),
        ("8.8.8.8", False),
        ("2001:4860:4860::8888", False),
        ("no-such-host.invalid", False),
    ],
)
def test_a_machine_is_ours_at_a_private_address(host, ours):
    assert local_servers._is_ours(host) is ours


@pytest.mark.parametrize("entry", [demo_row(8001), assumed("ollama", "http://127.0.0.1:11434/v1") | {"model": "q"}])
def test_rows_of_quickstart_are_valid_catalog_entries(entry):
    BackendEntry.model_validate(entry | {"price": None})


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False), (404, False)])
def test_whether_a_url_answers_well(server, status, well):
    server.answers["/health"] = Reply(status=status)
    assert answers_well(f"http://127.0.0.1:{server.port}/health", 2) is well


def test_a_url_where_nobody_is_does_not_answer_well():
    assert not answers_well("http://127.0.0.1:1/health", 2)
