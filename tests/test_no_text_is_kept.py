"""Sentences in 23 places of a request, and what a gateway leaves behind: no sink has any of them."""

import json
import urllib.error
import urllib.request

import pytest
from support.server import backend, serving
from support.upstream import DONE, OK, RESET, STREAM_HEAD, Upstream, answer, chunk, delta, stream

KEY = "ghp_" + "q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i"
PLACES = 23


def sentence(number: int) -> str:
    return f"Zanzibar quokka {number} whispers to mallory.nr{number}@example.org about {KEY}"


def request(model: str, **more) -> dict:
    """A request with a sentence in each place."""
    s = iter(map(sentence, range(PLACES)))
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": next(s), "name": "sys"},
            {"role": "developer", "content": next(s)},
            {"role": "user", "content": [{"type": "text", "text": next(s)}, {"type": "text", "text": next(s)}]},
            {"role": "user", "content": next(s), "name": next(s)},
            {
                "role": "assistant",
                "content": next(s),
                "reasoning_content": next(s),
                "refusal": next(s),
                "tool_calls": [
                    {
                        "id": next(s),
                        "type": "function",
                        "function": {"name": "f", "arguments": json.dumps({"q": next(s)})},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": next(s)},
            {"role": "user", "content": "go on", "unknown_member": {"deep": [next(s)]}},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": next(s),
                    "parameters": {
                        "type": "object",
                        "description": next(s),
                        "properties": {"x": {"type": "string", "enum": [next(s)], "default": next(s)}},
                    },
                },
            }
        ],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"title": next(s)}}},
        "user": next(s),
        "metadata": {"note": next(s)},
        "stop": [next(s)],
        "prediction": {"type": "content", "content": next(s)},
        "something_new": next(s),
        **more,
    }


def test_all_places_are_used():
    assert [number for number in range(PLACES) if json.dumps(sentence(number))[1:-1] not in json.dumps(request("m")).replace('\\\\\\"', '"')] == []  # fmt: skip


ECHO = json.dumps({**OK, "choices": [{"index": 0, "message": {"role": "assistant", "content": sentence(99)}, "finish_reason": "stop"}]}).encode()  # fmt: skip
FAILURE = {"error": {"message": sentence(98), "type": "server_error", "param": None, "code": "oops"}}
SCRIPTS = {
    "good": [answer(ECHO)],
    "stream": stream(delta(sentence(97)), delta("", "stop"), DONE),
    "broken": [STREAM_HEAD, chunk(delta(sentence(96))), 0.1, RESET],
    "fails": [answer(FAILURE, status=500)],
    "rejects": [answer(FAILURE, status=400)],
    "garbage": [answer(sentence(95).encode())],
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Everything that a gateway has written after requests that end in every way."""
    directory = tmp_path_factory.mktemp("kept")
    capabilities = ["chat", "tools", "json_schema"]
    upstream = Upstream()
    upstream.scripts = SCRIPTS
    try:
        catalog = {name: backend(upstream.url(name), capabilities=capabilities) for name in SCRIPTS}
        with serving(directory, catalog) as server:
            key = server.key(project="default")
            statuses = []
            for model in [*SCRIPTS, "nobody", sentence(94)]:
                for streamed in (False, True):
                    statuses.append(send(server.base, key, request(model, stream=streamed)))
            statuses.append(send(server.base, key, request("good", messages=sentence(93))))
            statuses.append(send(server.base, sentence(92), request("good")))
            statuses.append(send(server.base, key, b'{"model": "good", "messages": "' + sentence(91).encode()))
            metrics = "\n".join(server.metrics())
            policies = urllib.request.urlopen(f"http://127.0.0.1:{server.admin_port}/admin/policies").read().decode()
            exported = [
                repr(server.cli(*command.split()))
                for command in ("spend --by request --format json", "policy replay --since 1h --base .", "keys list")
            ]
            server.stop()
    finally:
        upstream.stop()
    files = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    return statuses, len(upstream.seen), {"metrics": metrics.encode(), "policies": policies.encode(), "commands": repr(exported).encode(), **files}  # fmt: skip


def send(base: str, key: str, body: dict | bytes) -> int:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = urllib.request.Request(
        f"{base}/v1/chat/completions",
        data,
        {"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(asked, timeout=20) as response:
            response.read()
            return response.status
    except urllib.error.HTTPError as error:
        error.read()
        return error.code
    except (urllib.error.URLError, ConnectionError, OSError):
        return 0


def test_requests_ended_in_every_way(kept):
    statuses, sent, _ = kept
    assert {200, 400, 401, 404} <= set(statuses)
    assert sent >= 6


def test_no_sink_holds_any_of_it(kept):
    _, _, sinks = kept
    words = [b"Zanzibar", b"quokka", b"whispers", b"mallory", KEY.encode(), KEY[4:].encode()]
    assert [(str(name), word) for name, data in sinks.items() for word in words if word in data] == []


def test_the_sinks_are_there(kept):
    _, _, sinks = kept
    names = {getattr(name, "name", name) for name in sinks}
    assert {"gateway.log", "ledger.sqlite", "keys.sqlite", "metrics", "commands"} <= names
    assert any("decisions" in str(name) for name in sinks)
    assert b'"event":"request"' in next(
        data for name, data in sinks.items() if getattr(name, "name", "") == "gateway.log"
    )
