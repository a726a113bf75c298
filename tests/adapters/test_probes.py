"""Asking backends about themselves, over real connections on loopback."""

import socket
import ssl
import threading
import time

import pytest
from support.model_servers import ModelServer, Reply, model_server
from support.vectors import ROOT, load

from gateway.adapters import probes
from gateway.adapters.probes import ask, at_once, probe, within
from gateway.adapters.secrets import Secret
from gateway.core.catalog import Backend
from gateway.review.backends import judge
from gateway.review.questions import Answer, Question, Silence

KEY = Secret("sk-very-secret")


@pytest.fixture
def server():
    with model_server() as running:
        yield running


def soon(seconds: float = 5) -> float:
    return time.monotonic() + seconds


def backend(server: ModelServer, provider: str = "openai", model: str = "m", **more: object) -> Backend:
    return Backend("b", provider, more.pop("base_url", server.base_url), model, {}, **more)


@pytest.mark.parametrize("name", ["vllm-cpu", "llama-server"])
def test_recorded_servers_are_as_the_catalog_says(server, name):
    recorded = load(ROOT / name / "models.txt")
    server.answers = {
        "/v1/models": Reply(recorded.body),
        "/health": Reply(),
        "/props": Reply({"default_generation_settings": {"n_ctx": 2048}}),
    }
    provider = "vllm" if name == "vllm-cpu" else "llamacpp"
    about = backend(server, provider, "smollm2-135m-instruct", context=2048)
    assert judge(about, probe(about, None)).worst == "ok"
    assert server.paths[:2] == ["/v1/models", "/health"]


def test_only_get_and_a_models_name_are_ever_sent(server):
    server.answers["/v1/models"] = Reply({"data": [{"id": "m"}]})
    for provider in ("openai", "anthropic", "openrouter", "vllm", "llamacpp", "ollama", "lmstudio"):
        probe(backend(server, provider), KEY)
    sent = {(each.method, each.path, each.body) for each in server.asked if each.method != "GET" or each.body}
    assert sent == {("POST", "/api/show", b'{"model":"m"}')}


@pytest.mark.parametrize(
    ("provider", "header", "value"),
    [
        ("openai", "authorization", "Bearer sk-very-secret"),
        ("anthropic", "x-api-key", "sk-very-secret"),
        ("gemini", "x-goog-api-key", "sk-very-secret"),
    ],
)
def test_the_key_travels_in_one_header_as_the_provider_wants_it(server, provider, header, value):
    probe(backend(server, provider), KEY)
    (carried,) = [(name, said) for name, said in server.asked[0].headers.items() if "sk-very" in said]
    assert carried == (header, value)
    assert ("anthropic-version" in server.asked[0].headers) is (provider == "anthropic")


def test_health_is_asked_without_the_key(server):
    server.answers["/v1/models"] = Reply({"data": []})
    probe(backend(server, "vllm"), KEY)
    assert [("authorization" in each.headers) for each in server.asked] == [True, False]


def test_pages_are_turned_and_tokens_quoted(server):
    server.answers = {
        "/v1/models": Reply({"data": [{"id": "a"}], "has_more": True, "last_id": "a/&b"}),
        "/v1/models?after_id=a%2F%26b": Reply({"data": [{"id": "m"}], "has_more": False, "last_id": "m"}),
    }
    pages = probe(backend(server, "anthropic"), KEY)["models"]
    assert len(pages) == 2
    assert judge(backend(server, "anthropic"), {"models": pages}).worst == "ok"


def test_a_list_without_end_is_left(server, monkeypatch):
    monkeypatch.setattr(probes, "_MAX_PAGES", 3)
    page = Reply({"data": [{"id": "a"}], "has_more": True, "last_id": "a"})
    server.answers = {"/v1/models": page, "/v1/models?after_id=a": page}
    pages = probe(backend(server), None)["models"]
    assert [type(page) for page in pages] == [Answer, Answer, Answer, Silence]
    assert server.paths.count("/v1/models?after_id=a") == 2


def test_a_list_that_is_none_has_no_next_page(server):
    server.answers["/v1/models"] = Reply(b"<html>")
    (answer,) = probe(backend(server), None)["models"]
    assert isinstance(answer, Answer)


def test_what_is_asked_too_late_is_not_asked(server):
    answer = ask(Question("models", f"{server.base_url}/models"), time.monotonic() - 1)
    assert isinstance(answer, Silence)
    assert server.asked == []


def test_a_redirect_is_not_followed_and_the_key_stays(server):
    with model_server() as other:
        server.answers["/v1/models"] = Reply(
            status=307, headers={"location": f"http://127.0.0.1:{other.port}/v1/models"}
        )
        about = backend(server, "openai-compatible", key_ref="env:K")
        said = judge(about, probe(about, KEY))
        assert other.asked == []
    assert said.worst == "problem"


def test_proxies_of_the_environment_are_not_used(server, monkeypatch):
    with model_server() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        probe(backend(server), KEY)
        assert proxy.asked == []
    assert server.asked


def test_a_models_name_is_quoted_in_a_path(server):
    server.answers["/v1/models"] = Reply({"data": []})
    probe(backend(server, model="z-ai/glm 5?x#"), None)
    assert server.paths == ["/v1/models", "/v1/models/z-ai%2Fglm%205%3Fx%23"]


def test_a_body_is_read_up_to_its_limit(server, monkeypatch):
    monkeypatch.setattr(probes, "MAX_BYTES", 100_000)
    server.answers["/v1/models"] = Reply(b"[" + b" " * 3_000_000)
    answer = ask(Question("models", f"{server.base_url}/models"), soon())
    assert isinstance(answer, Answer)
    assert not answer.whole
    assert len(answer.body) < 200_000


def test_several_megabytes_are_read(server):
    ids = [{"id": f"model-{n}", "description": "x" * 10_000} for n in range(600)]
    server.answers["/v1/models"] = Reply({"data": [*ids, {"id": "m"}]})
    said = judge(backend(server), probe(backend(server), None))
    assert said.worst == "ok"


@pytest.mark.parametrize(
    "reply", [Reply(b'{"data": []}', pause=30), Reply(b'{"data": []}' * 9, drip=0.3)], ids=["silent", "dribbling"]
)
@pytest.mark.alone
def test_a_slow_server_is_given_up_in_time(server, reply):
    server.answers["/v1/models"] = reply
    began = time.monotonic()
    (answer,) = probe(backend(server), None, 0.6)["models"]
    assert time.monotonic() - began < 1.5
    assert isinstance(answer, Silence)
    assert "in time" in answer.words


@pytest.mark.alone
def test_a_head_that_dribbles_does_not_hold_the_check():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def dribble() -> None:
            line, _ = listener.accept()
            with line:
                try:
                    for _ in range(15):
                        line.sendall(b"H")
                        time.sleep(0.1)
                except OSError:
                    pass

        thread = threading.Thread(target=dribble, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        began = time.monotonic()
        (answer,) = probe(backend(ModelServer(port)), None, 0.5)["models"]
        assert time.monotonic() - began < 1.5
        assert isinstance(answer, Silence)
        thread.join(15)


def test_what_came_in_time_counts(server):
    server.answers = {"/v1/models": Reply({"data": [{"id": "m"}]}), "/health": Reply(pause=30)}
    about = backend(server, "vllm")
    answers = probe(about, None, 0.6)
    assert {finding.about: finding.level for finding in judge(about, answers).findings}["model"] == "ok"


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("http://127.0.0.1:1/v1", "the connection is refused"),
        ("http://no-such-host.invalid/v1", "its name is not found"),
        ("http://255.255.255.255:9/v1", "it cannot be reached: "),
        ("http://127.0.0.1:99999/v1", "its address cannot be used"),
        ("http://[::1/v1", "its address cannot be used"),
        (f"http://{'a' * 70}.example/v1", "its address cannot be used"),
    ],
)
def test_why_nothing_came_is_said(base_url, words):
    (answer,) = probe(Backend("b", "openai", base_url, "m", {}), KEY)["models"]
    assert isinstance(answer, Silence)
    assert words in answer.words


def test_tls_where_there_is_none(server):
    about = backend(server, base_url=server.base_url.replace("http:", "https:"))
    (answer,) = probe(about, KEY)["models"]
    assert isinstance(answer, Silence)
    assert "is it `http://`" in answer.words


def test_a_server_that_says_nothing_to_a_handshake():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        about = Backend("b", "openai", f"https://127.0.0.1:{listener.getsockname()[1]}/v1", "m", {})
        (answer,) = probe(about, None, 0.6)["models"]
    assert isinstance(answer, Silence)
    assert "no TLS connection comes about in time" in answer.words


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"])
def test_what_is_no_whole_answer_is_none(said):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def once() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(65_536)
                line.sendall(said)

        thread = threading.Thread(target=once, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/models"
        answer = ask(Question("models", url), soon())
        thread.join(5)
    assert isinstance(answer, Silence)
    assert "ends without an answer" in answer.words


def test_a_certificate_that_nobody_signed_is_refused_unless_it_is_trusted(tmp_path, monkeypatch):
    names = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*names)
    with model_server({"/v1/models": Reply({"data": [{"id": "m"}]})}, tls) as server:
        about = backend(server, base_url=f"https://127.0.0.1:{server.port}/v1")
        (answer,) = probe(about, KEY)["models"]
        assert isinstance(answer, Silence)
        assert "its certificate is not trusted" in answer.words
        assert server.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(names[0]))
        assert judge(about, probe(about, KEY)).worst == "ok"


def certificate(folder):
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(plain)
    return folder / "cert.pem", folder / "key.pem"


def test_jobs_run_side_by_side_but_not_all_at_once():
    running, most, lock = 0, 0, threading.Lock()

    def job() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        return 1

    assert at_once([job] * 20) == [1] * 20
    assert 1 < most <= 8


def test_a_job_within_a_time():
    assert within(5, lambda: 7) == 7
    assert within(0.05, lambda: time.sleep(0.5)) is None
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)

    def late() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        within(5, late)


def test_nothing_that_is_said_has_the_key(server):
    server.answers["/v1/models"] = Reply(b'{"error": "bad key sk-very-secret"}', 401)
    for about in (backend(server, key_ref="env:K"), backend(server, base_url="http://127.0.0.1:1/v1", key_ref="env:K")):
        assert "sk-very" not in str(judge(about, probe(about, KEY)))
