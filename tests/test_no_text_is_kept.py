"""Sentences in every place of requests of every surface, and what a gateway leaves behind: no sink has any of them."""

import contextlib
import json
import urllib.error
import urllib.request
from collections import Counter

import pytest
from support import stores
from support.collector import Collector
from support.debugging import talkative
from support.server import backend, serving
from support.upstream import DONE, OK, RESET, STREAM_HEAD, Upstream, answer, chunk, delta, stream

from gateway.http import paths

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


OURS = {"capabilities": ["chat", "tools", "json_schema", "messages", "responses", "completions", "embeddings", "moderations", "images", "rerank"]}  # fmt: skip
KINDS = {
    "claude": {"provider": "anthropic", "model": "claude-opus-4-5"},
    "gemini": {"provider": "gemini-native", "model": "gemini-2.5-flash"},
    "oai": {"provider": "openai-responses"},
    "native": OURS,
}
"""Backends of other kinds, which say of a request why they cannot serve it."""

MARK = "zanzibar_quokka_whispers"
"""What can stand where only a word may: a name of a member, the type of something."""


def others() -> list[tuple[str, dict]]:
    """Requests of every other surface, with a sentence or a word of ours in every place."""
    s = sentence
    user = {"role": "user", "content": s(1)}
    said = [
        ("messages", {"messages": [user], "max_tokens": 9, "system": s(2), "metadata": {"user_id": s(3)}, "stop_sequences": [s(4)]}),
        ("messages", {"messages": [user], "max_tokens": 9, MARK: s(5), s(6): 1}),
        ("messages", {"messages": [user], "max_tokens": 9, "tools": [{"type": MARK, "name": MARK, s(7): s(8)}]}),
        ("messages", {"messages": [user], "max_tokens": 9, "tools": [{"name": MARK, "description": s(9), "input_schema": {s(10): s(11)}, MARK: 1}]}),
        ("messages", {"messages": [{"role": "user", "content": [{"type": MARK, MARK: s(12)}]}], "max_tokens": 9}),
        ("messages", {"messages": [{"role": MARK, "content": s(12)}], "max_tokens": 9}),
        ("messages", {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": MARK, "data": s(13)}}]}], "max_tokens": 9}),
        ("messages", {"messages": [user], "max_tokens": 9, "thinking": {"type": MARK, MARK: s(14)}}),
        ("messages", {"messages": [user], "max_tokens": 9, "service_tier": MARK, "output_config": {"effort": MARK, MARK: 1}}),
        ("messages", {"messages": [user], "max_tokens": 9, "context_management": {"edits": [{"type": MARK}]}}),
        ("count_tokens", {"messages": [user], "system": s(15), MARK: s(16)}),
        ("responses", {"input": s(17), "instructions": s(18), "metadata": {MARK: s(19)}, "user": s(20)}),
        ("responses", {"input": s(17), MARK: s(21), s(22): MARK}),
        ("responses", {"input": [{"type": MARK, MARK: s(23)}]}),
        ("responses", {"input": [{"role": MARK, "content": [{"type": MARK, "text": s(24)}]}]}),
        ("responses", {"input": s(25), "tools": [{"type": MARK, "name": MARK, s(26): 1}], "include": [MARK]}),
        ("responses", {"input": s(25), "tools": [{"type": "function", "name": MARK, "description": s(27), "parameters": {s(28): MARK}}]}),
        ("responses", {"input": s(25), "tool_choice": {"type": MARK}, "text": {"format": {"type": MARK}}}),
        ("responses", {"input": s(25), "reasoning": {"effort": MARK}, "service_tier": MARK, "truncation": MARK}),
        ("chat", {"messages": [user], MARK: s(29), "service_tier": MARK, "reasoning_effort": MARK}),
        ("chat", {"messages": [{"role": MARK, "content": s(30)}], "response_format": {"type": MARK}}),
        ("chat", {"messages": [{"role": "user", "content": [{"type": MARK, MARK: s(31)}]}], "tools": [{"type": MARK, "name": MARK}]}),
        ("chat", {"messages": [user], "extra_body": {MARK: s(32)}, "stop": [s(33)] * 9}),
        ("chat", {"messages": [user, {"role": "tool", "tool_call_id": MARK, "content": s(34)}]}),
        ("completions", {"prompt": s(35), "suffix": s(36), MARK: s(37)}),
        ("embeddings", {"input": [s(38)], MARK: s(39), "encoding_format": MARK}),
        ("moderations", {"input": [{"type": MARK, "text": s(40)}]}),
        ("images", {"prompt": s(41), "size": MARK, "user": s(42)}),
        ("rerank", {"query": s(43), "documents": [s(44), {MARK: s(45)}]}),
    ]  # fmt: skip
    hints = [{"only": [MARK, s(46)]}, {"ignore": [MARK]}, {MARK: s(47)}, {"data_collection": MARK}, MARK]
    return said + [(surface, {**said[0][1], "provider": hint}) for hint in hints for surface in ("messages",)] + [("chat", {"messages": [user], "provider": hint}) for hint in hints]  # fmt: skip


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Everything that a gateway has written after requests that end in every way."""
    directory = tmp_path_factory.mktemp("kept")
    capabilities = ["chat", "tools", "json_schema"]
    upstream, collector = Upstream(), Collector()
    sampled = {"GATEWAY_OTEL_ENDPOINT": collector.url, "GATEWAY_OTEL_SAMPLE": "1"}
    upstream.scripts = SCRIPTS | {name: [answer(FAILURE, status=400)] for name in KINDS}
    try:
        catalog = {name: backend(upstream.url(name), capabilities=capabilities) for name in SCRIPTS}
        catalog |= {
            name: backend(upstream.url(name), **{"capabilities": capabilities, **kind}) for name, kind in KINDS.items()
        }
        with serving(directory / "gateway", catalog, **sampled, **talkative(directory / "site")) as server:
            key = server.key(project="default")
            statuses = []
            for model in [*SCRIPTS, "nobody", sentence(94)]:
                for streamed in (False, True):
                    statuses.append(send(server.base, key, request(model, stream=streamed)))
            statuses.append(send(server.base, key, request("good", messages=sentence(93))))
            statuses.append(send(server.base, sentence(92), request("good")))
            statuses.append(send(server.base, key, b'{"model": "good", "messages": "' + sentence(91).encode()))
            for surface, body in others():
                for model in KINDS:
                    statuses.append(send(server.base, key, {"model": model, **body}, PATHS[surface]))
                statuses.append(send(server.base, key, {"model": "stream", "stream": True, **body}, PATHS[surface]))
            statuses.append(
                send(
                    server.base,
                    key,
                    {"model": "good", **others()[0][1]},
                    PATHS["messages"],
                    **{"anthropic-beta": MARK, "x-gateway-purpose": MARK},
                )
            )
            metrics = "\n".join(server.metrics())
            pages = [
                urllib.request.urlopen(f"http://127.0.0.1:{server.admin_port}/admin/{page}").read().decode()
                for page in ("policies", "backends")
            ]
            exported = [
                repr(server.cli(*command.split()))
                for command in ("spend --by request --format json", "policy replay --since 1h --base .", "keys list")
            ]
            server.stop()
    finally:
        upstream.stop()
        collector.stop()
    files = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    return statuses, len(upstream.seen), {"metrics": metrics.encode(), "traces": b"".join(collector.raw), "pages": "".join(pages).encode(), "commands": repr(exported).encode(), **files}  # fmt: skip


PATHS = {surface: "/v1" + path for path, surface in paths.PATHS.items()}


def send(base: str, key: str, body: dict | bytes, path: str = PATHS["chat"], **headers: str) -> int:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = urllib.request.Request(
        base + path,
        data,
        {"authorization": f"Bearer {key}", "content-type": "application/json", **headers},
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
    assert {200, 400, 401, 403, 404} <= set(statuses)
    assert sent >= 40, (sent, Counter(statuses))


@pytest.mark.assures("threat P1")
def test_no_sink_holds_any_of_it(kept, showed):
    statuses, _, sinks = kept
    words = [b"anzibar", b"quokka", b"whispers", b"mallory", KEY.encode(), KEY[4:].encode()]
    assert [(str(name), word) for name, data in sinks.items() for word in words if word in data] == []
    showed(
        f"a sentence in {PLACES} places of chat and {len(others())} requests of other surfaces, {len(statuses)} sent, DEBUG",
        f"none of it in {len(sinks)} logs, files and pages",
    )


def test_the_sinks_are_there(kept):
    _, _, sinks = kept
    names = {getattr(name, "name", name) for name in sinks}
    assert {"gateway.log", "ledger.sqlite", "keys.sqlite", "metrics", "commands"} <= names
    assert any("decisions" in str(name) for name in sinks)
    assert sinks["traces"].count(b"gateway.request_id") > 100
    assert b'"event":"request"' in next(
        data for name, data in sinks.items() if getattr(name, "name", "") == "gateway.log"
    )


@pytest.mark.assures("threat P1", "threat K1")
def test_no_store_that_replicas_share_is_told_any_of_it_or_any_key(tmp_path, postgres_server, showed):
    """What stands in the tables of a real PostgreSQL, and every command that a real Valkey got."""
    upstream, url = Upstream(), postgres_server.url()
    upstream.scripts = dict(SCRIPTS)
    catalog = {name: backend(upstream.url(name), capabilities=["chat", "tools", "json_schema"]) for name in SCRIPTS}
    labelled = {"x-gateway-sensitivity": "confidential", "x-request-id": MARK}
    with contextlib.ExitStack() as running:
        running.callback(upstream.stop)
        valkey = running.enter_context(stores.valkey())
        watched = stores.Watched(valkey)
        shared = {"GATEWAY_VALKEY_URL": stores.url_of(valkey), "GATEWAY_DATABASE_URL": url}
        server = running.enter_context(serving(tmp_path, catalog, **shared))
        keys = [server.key(project="default", team=f"t{number}") for number in range(4)]
        made = json.loads(server.cli("keys", "create", "--team", "t", "--app", "a", "--format", "json").stdout)
        rotated = json.loads(server.cli("keys", "rotate", made["id"], "--format", "json").stdout)["key"]
        assert server.cli("budgets", "set", "--team", "t0", "--usd", "100", "--rpm", "1000").returncode == 0
        server.await_key(rotated)
        keys += [made["key"], rotated]
        statuses = []
        for number, model in enumerate([*SCRIPTS, "nobody", *keys]):
            for streamed in (False, True):
                body = request(model, stream=streamed)
                statuses.append(send(server.base, keys[number % len(keys)], body, **labelled))
        for surface, body in others():
            statuses.append(send(server.base, keys[0], {"model": "good", **body}, PATHS[surface], **labelled))
        server.stop()
        sinks = {"valkey": watched.told(), "postgres": postgres_server.dump(url)}
    assert {200, 400, 404} <= set(statuses)
    assert sinks["valkey"].count(b"reserve") > 10
    assert sinks["postgres"].count(b"'settled'") > 10
    assert made["id"].encode() in sinks["postgres"]
    words = [b"anzibar", b"quokka", b"whispers", b"mallory", KEY[4:].encode()]
    words += [key.removeprefix("sk-gw-").encode() for key in keys]
    assert [(name, word) for name, data in sinks.items() for word in words if word in data] == []
    showed(
        f"{len(statuses)} requests and {len(keys)} keys, before a real PostgreSQL and a real Valkey",
        f"none of them in {sum(map(len, sinks.values())):,} bytes of rows and commands",
    )
