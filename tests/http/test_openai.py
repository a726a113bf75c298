"""The OpenAI surface over raw HTTP: bad input, keys, models. Each answer comes at once, and the server goes on."""

import json
import socket
import time

import httpx2
import pytest
from support.upstream import OK, answer


def post(gateway, key, content: bytes, headers: dict | None = None) -> httpx2.Response:
    return httpx2.post(
        f"{gateway.base}/v1/chat/completions",
        content=content,
        headers={"authorization": f"Bearer {key}", **(headers or {})},
        timeout=10,
    )


GOOD = json.dumps({"model": "a", "messages": [{"role": "user", "content": "hi"}]}).encode()


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"", 400, "invalid_json", None),
        (b'{"model": "a", "messages": [', 400, "invalid_json", None),
        (b"[1, 2]", 400, "invalid_type", None),
        (b'{"model": "a"}', 400, "missing_required_parameter", "messages"),
        (b'{"messages": [{"role": "user", "content": "x"}]}', 400, "missing_required_parameter", "model"),
        (b'{"model": 7, "messages": [{"role": "user"}]}', 400, "invalid_type", "model"),
        (b'{"model": "a", "messages": "hello"}', 400, "invalid_type", "messages"),
        (b'{"model": "a", "messages": []}', 400, "invalid_type", "messages"),
        (b'{"model": "a", "messages": [{"role": 1}]}', 400, "invalid_type", "messages[0].role"),
        (b'{"model": "a", "messages": [{"content": "x"}]}', 400, "missing_required_parameter", "messages[0].role"),
        (
            b'{"model": "a", "messages": [{"role": "user", "content": "x"}], "stream": "yes"}',
            400,
            "invalid_type",
            "stream",
        ),
        (
            b'{"model": "a", "messages": [{"role": "user", "content": "x"}], "api_base": "http://x"}',
            400,
            "forbidden_parameter",
            "api_base",
        ),
        (b'{"model": "nobody", "messages": [{"role": "user", "content": "x"}]}', 404, "model_not_found", "model"),
        (b"[" * 100_000, 400, "invalid_type", None),
        (
            b'{"model": "a", "messages": [{"role": "user", "content": "x"}], "x": '
            + b'{"a":' * 100_000
            + b"1"
            + b"}" * 100_001,
            400,
            "invalid_json",
            None,
        ),
        (b'{"model": "a", "messages": [{"role": "user", "content": "\xff"}]}', 400, "invalid_json", None),
        (b'{"model": "a", "messages": [{"role": "user", "content": NaN}]}', 400, "invalid_json", None),
        (b"\x1f\x8b\x08\x00" + b"\x00" * 100, 400, "invalid_json", None),
    ],
)
def test_a_bad_body_is_refused_at_once(gateway, upstream, key, body, status, code, param):
    upstream.scripts["a"] = [answer(OK)]
    started = time.monotonic()
    response = post(gateway, key, body)
    assert time.monotonic() - started < 1
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (response.status_code, error["code"], error["param"]) == (status, code, param)
    assert response.headers["x-request-id"].startswith("req-")
    assert post(gateway, key, GOOD).status_code == 200
    assert len(upstream.seen) == 1


def test_a_body_of_33_mb_is_refused_and_one_of_30_mb_is_served(gateway, upstream, key):
    upstream.scripts["a"] = [answer(OK)]
    large = GOOD[:-1] + b', "x": "' + b"y" * 33_000_000 + b'"}'
    refused = post(gateway, key, large)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "request_too_large")
    assert post(gateway, key, GOOD[:-1] + b', "x": "' + b"y" * 30_000_000 + b'"}').status_code == 200
    assert len(upstream.requests("a")[0].body) > 30_000_000


def test_a_chunked_body_is_counted_as_it_comes(gateway, upstream, key):
    upstream.scripts["a"] = [answer(OK)]

    def pieces(count: int):
        yield GOOD[:-1] + b', "x": "'
        for _ in range(count):
            yield b"y" * 1_000_000
        yield b'"}'

    def send(count: int) -> int:
        return httpx2.post(
            f"{gateway.base}/v1/chat/completions",
            content=pieces(count),
            headers={"authorization": f"Bearer {key}"},
            timeout=20,
        ).status_code

    assert send(5) == 200
    assert send(33) == 413


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer sk-gw-wrong"},
        {"authorization": "Basic abc"},
        {"authorization": "Bearer ' OR '1'='1"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models"])
def test_every_bad_key_gets_the_same_401(gateway, headers, path):
    method = "POST" if "chat" in path else "GET"
    response = httpx2.request(method, gateway.base + path, headers=headers, content=GOOD if method == "POST" else None)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["type"]) == (401, "invalid_api_key", "invalid_request_error")
    assert error["message"].startswith("missing or invalid API key")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("POST", "/v1/nope", 404, "not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/metrics", 404, "not_found"),
        ("GET", "/admin/policies", 404, "not_found"),
        ("GET", "/openapi.json", 404, "not_found"),
    ],
)
def test_an_unknown_path_gets_the_envelope(gateway, method, path, status, code):
    response = httpx2.request(method, gateway.base + path)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_models_are_those_that_the_key_could_ever_use(gateway, key):
    def listed(used: str) -> set[str]:
        data = httpx2.get(f"{gateway.base}/v1/models", headers={"authorization": f"Bearer {used}"}).json()["data"]
        assert {tuple(sorted(each)) for each in data} == {("created", "id", "object", "owned_by")}
        return {each["id"] for each in data}

    own = {"auto", "a", "b", "c", "all", "pair", "small", "down"}
    assert listed(key) == own | {"away"}
    assert listed(gateway.key(sensitivity="confidential")) == own


@pytest.mark.parametrize(
    ("name", "status"),
    [("a", 200), ("auto", 200), ("pair", 200), ("nobody", 404), ("unpriced", 404), ("keyless", 404), ("x/y:z", 404)],
)
def test_one_model(gateway, key, name, status):
    response = httpx2.get(f"{gateway.base}/v1/models/{name}", headers={"authorization": f"Bearer {key}"})
    assert response.status_code == status
    assert (response.json().get("id") == name) == (status == 200)


def test_a_client_that_leaves_while_it_sends_does_no_harm(gateway, upstream, key):
    upstream.scripts["a"] = [answer(OK)]
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: 1000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(head.encode() + b'{"model"')
    assert post(gateway, key, GOOD).status_code == 200
    assert len(upstream.seen) == 1


def test_pipelined_requests_are_answered_in_order(gateway, upstream, key):
    upstream.scripts["a"] = [answer(OK)]
    one = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {len(GOOD)}\r\n\r\n".encode()
        + GOOD
    )
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.settimeout(5)
        client.sendall(one * 3)
        got = b""
        while got.count(b'"choices"') < 3:
            got += client.recv(65536)
    assert got.count(b"HTTP/1.1 200 OK") == 3


def test_http_1_0_and_connection_close_are_honoured(gateway, upstream, key):
    upstream.scripts["a"] = [answer(OK)]
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {key}\r\ncontent-length: {len(GOOD)}\r\n\r\n".encode()
        + GOOD
    )
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.settimeout(5)
        client.sendall(request)
        got = b""
        while block := client.recv(65536):
            got += block
    assert b"connection: close\r\n" in got
    assert got.endswith(json.dumps(OK).encode())
