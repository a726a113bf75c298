"""Calls of models over raw HTTP: bad input, sizes, pipelining. Each answer comes at once, and the server goes on."""

import json
import socket
import time

import httpx2
import pytest
from support.upstream import OK, answer

from gateway.core.errors import Refused
from gateway.http.calls import _named


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
    took = []
    for _ in range(2):  # the first one of many parts starts the process that reads it
        started = time.monotonic()
        response = post(gateway, key, body)
        took.append(time.monotonic() - started)
    assert min(took) < 1
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


@pytest.mark.parametrize(
    ("value", "sent"),
    [("a-2025-01-01", b"a-2025-01-01"), ("a,b:c.d", b"a,b:c.d"), ("x\u00e9", None), ("a(b)", None), ("y" * 2000, None)],
)
def test_a_header_that_may_go_on_is_a_list_of_words(gateway, upstream, key, value, sent):
    upstream.scripts["every"] = [answer({"type": "message", "content": [], "usage": {}})]
    upstream.scripts["a"] = [answer(OK)]
    response = post(gateway, key, GOOD, {"anthropic-beta": value.encode("latin-1")})
    assert response.status_code == (400 if sent is None else 200)
    if sent is None:
        assert response.json()["error"]["param"] == "anthropic-beta"
    assert all(b"anthropic-beta" not in seen.head for seen in upstream.seen)  # `a` speaks another protocol


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{}", b'{"model":"m"}'),
        (b' { "a": 1}', b' { "model":"m","a": 1}'),
        (b'{"a": {"model": "x"}, "model" : "x", "b": 1.0}', b'{"a": {"model": "x"}, "model" : "m", "b": 1.0}'),
        (b'{"model": "x", "a": {"model": "x"}}', b'{"model": "m", "a": {"model": "x"}}'),
        (b'{"model": 1, "a": {"model": 12}}', b'{"model": "m", "a": {"model": 12}}'),
        (b'{"model": {"model": null}}', b'{"model": "m"}'),
        (b'{"model": "m", "a": 1}', b'{"model": "m", "a": 1}'),
        (b'{"model": "x", "model": "y"}', b'{"model": "x", "model": "m"}'),  # both are there for whoever judges that
        (b'{"model": "x", "a": 1, "a": 2}', b'{"model": "m", "a": 1, "a": 2}'),
        (b"[1]", b"[1]"),
        (b'{"model": "x"', b'{"model": "x"'),
        (b'{"model": "x", "a": "\xff"}', b'{"model": "m", "a": "\xff"}'),
    ],
)
def test_the_model_of_a_path_takes_the_place_of_the_body_s_and_nothing_else_changes(body, named):
    assert _named(body, "m") == named


@pytest.mark.parametrize(
    "body", [b'{"\\u006dodel": "x"}', b'{"model": "x", "a": [' + b'{"model": "x"},' * 9 + b'0], "model": "x"}']
)
def test_a_model_that_hides_is_refused(body):
    with pytest.raises(Refused, match="leave `model` out"):
        _named(body, "m")
