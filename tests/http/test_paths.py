"""Every operation is found where its clients look, and goes through the one relay: same label, budget and record."""

import json

import httpx2
import pytest
from support.upstream import DONE, OK, answer, event, stream

from gateway.http.paths import PATHS, ROOTS
from gateway.surfaces import SURFACES

TEXT = {"object": "text_completion", "choices": [{"index": 0, "text": "hello", "finish_reason": "stop"}]}
READ = {"prompt_tokens": 7, "total_tokens": 7}
ASKED = {
    "chat": ({"messages": [{"role": "user", "content": "hi"}]}, OK, (10, 5)),
    "completions": ({"prompt": "hi"}, {**TEXT, "usage": {**READ, "completion_tokens": 2, "total_tokens": 9}}, (7, 2)),
    "embeddings": ({"input": ["a", "b"]}, {"data": [{"index": 0, "embedding": [0.5]}], "usage": READ}, (7, 0)),
    "moderations": ({"input": "a"}, {"results": [{"flagged": False}]}, (None, 0)),
    "images": ({"prompt": "a cat"}, {"data": [], "usage": {"input_tokens": 3, "output_tokens": 40}}, (3, 40)),
    "rerank": ({"query": "q", "documents": ["d"]}, {"results": [], "usage": {"total_tokens": 9}}, (9, 0)),
}
"""For each surface that is asked in its own form: a body, an answer, and what it used."""

ROWS = [(surface, root + path) for path, surface in PATHS.items() if surface in ASKED for root in ROOTS]


def ask(gateway, key, path: str, body: dict) -> httpx2.Response:
    return httpx2.post(gateway.base + path, json=body, headers={"authorization": f"Bearer {key}"}, timeout=10)


def test_every_surface_has_a_path():
    assert set(PATHS.values()) == set(SURFACES)


@pytest.mark.parametrize(("surface", "path"), ROWS)
def test_an_operation_is_relayed_and_booked(gateway, upstream, key, surface, path):
    body, answered, (read, wrote) = ASKED[surface]
    upstream.scripts["every"] = [answer(answered)]
    response = ask(gateway, key, path, {"model": "every", **body})
    assert (response.status_code, response.json()) == (200, answered)
    sent = upstream.requests("every")[0]
    limit = {"max_tokens": 16} if surface == "completions" else {}  # what OpenAI takes where nobody says
    assert sent.json == {"model": "every", **body, **limit}
    assert sent.head.split(b" ")[1].decode() == "/every/v1" + next(p for p, s in PATHS.items() if s == surface)
    row = next(row for row in gateway.ledger() if row["request_id"] == response.headers["x-request-id"])
    assert row["state"] == "settled"
    if read is not None:
        assert (row["input_uncached"], row["output"]) == (read, wrote)


@pytest.mark.parametrize("surface", sorted(set(ASKED) - {"chat"}))
def test_a_backend_without_the_capability_is_not_asked(gateway, upstream, key, surface):
    upstream.scripts["a"] = [answer(OK)]
    path = next(path for path, name in PATHS.items() if name == surface)
    response = ask(gateway, key, "/v1" + path, {"model": "a", **ASKED[surface][0]})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "unsupported_capability")
    assert surface in response.json()["error"]["message"]
    assert upstream.seen == []


def test_azures_older_paths_name_the_model(gateway, upstream, key):
    upstream.scripts["a"] = [answer(OK)]
    path = "/openai/deployments/a/chat/completions?api-version=2024-10-21"
    body = {"messages": [{"role": "user", "content": "hi"}], "model": "whatever"}
    response = httpx2.post(gateway.base + path, json=body, headers={"api-key": key})
    assert response.status_code == 200
    assert upstream.seen[0].json == {**body, "model": "a"}
    del body["model"]
    assert httpx2.post(gateway.base + path, json=body, headers={"api-key": key}).status_code == 200
    for unreadable, code in ((b"[", "invalid_type"), (b'{"\xff":1}', "invalid_json")):
        refused = httpx2.post(gateway.base + path, content=unreadable, headers={"api-key": key})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)
    unknown = gateway.base + "/openai/deployments/a/nothing"
    assert httpx2.post(unknown, json=body, headers={"api-key": key}).status_code == 404


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("a", None),
        ("%61", None),
        ("%2561", "model_not_found"),  # decoded once
        ("org%2Fname", "model_not_found"),  # one segment, in which a slash is a part of the name
        ("org/name", "not_found"),
    ],
)
def test_azures_older_paths_are_decoded_once(gateway, upstream, key, model, code):
    upstream.scripts["a"] = [answer(OK)]
    body = {"messages": [{"role": "user", "content": "hi"}]}
    response = ask(gateway, key, f"/openai/deployments/{model}/chat/completions", body)
    assert response.json().get("error", {}).get("code") == code


def test_azures_older_paths_keep_a_name_that_is_there_twice(gateway, upstream, key):
    upstream.scripts["a"] = [answer(OK)]
    url = gateway.base + "/openai/deployments/a/chat/completions"
    for twice in (b'"model": "a", "model": "b"', b'"n": 1, "n": 2'):
        body = b'{"messages": [{"role": "user", "content": "hi"}], %b}' % twice
        assert httpx2.post(url, content=body, headers={"api-key": key}).status_code == 400
    assert upstream.seen == []


@pytest.mark.parametrize(
    "path", ["/v1/audio/speech", "/v1/audio/transcriptions", "/v1/files", "/v1/batches", "/v1/images/edits"]
)
def test_what_is_not_served_is_the_404_envelope(gateway, key, path):
    response = ask(gateway, key, path, {"model": "every"})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


def test_a_legacy_completion_is_streamed_and_booked(gateway, upstream, key):
    def piece(text: str, finish: str | None = None) -> bytes:
        return event({**TEXT, "choices": [{"index": 0, "text": text, "finish_reason": finish}]})

    events = [piece("a"), piece("b", "stop"), event({**TEXT, "choices": [], "usage": {**READ, "completion_tokens": 2}})]
    upstream.scripts["every"] = stream(*events, DONE)
    response = ask(gateway, key, "/v1/completions", {"model": "every", "prompt": "hi", "stream": True})
    assert response.content == events[0] + events[1] + DONE
    assert json.loads(upstream.seen[0].body)["stream_options"] == {"include_usage": True}
    row = next(row for row in gateway.ledger() if row["request_id"] == response.headers["x-request-id"])
    assert (row["input_uncached"], row["output"]) == (7, 2)


def test_tokens_instead_of_text_are_opaque(gateway, upstream, key):
    upstream.scripts["every"] = [answer({"data": [{"index": 0, "embedding": [0.5]}], "usage": READ})]
    for given, label in (("text", "public"), ([1, 2, 3], "confidential"), ([[1, 2], [3]], "confidential")):
        response = ask(gateway, key, "/v1/embeddings", {"model": "every", "input": given})
        assert (response.status_code, response.headers["x-gateway-sensitivity"]) == (200, label)


def test_a_secret_in_an_embedding_is_seen(gateway, upstream, key):
    upstream.scripts["every"] = [answer({"data": [{"index": 0, "embedding": [0.5]}], "usage": READ})]
    card = "4111 1111 1111 1111"
    response = ask(gateway, key, "/v1/embeddings", {"model": "every", "input": ["a", f"my visa card number is {card}"]})
    assert response.headers["x-gateway-sensitivity"] != "public"
