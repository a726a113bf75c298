"""A backend that answers as another model than was asked is counted, whatever it speaks."""

import json

import pytest
from support import policy_trees
from support.calling import post
from support.server import backend, serving
from support.upstream import DONE, OK, answer, delta, stream

from gateway.core.chat import parse
from gateway.providers import DIALECTS

NAME = "other-model"
CHAT = parse(b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true}')
MESSAGE = {"type": "message", "id": "m1", "role": "assistant", "model": NAME, "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
RESPONSE = {"id": "r1", "object": "response", "status": "completed", "model": NAME, "output": [], "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
GEMINI = {
    "modelVersion": NAME,
    "candidates": [{"index": 0, "content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}],
}
STARTED = {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}}
ENDED = {"type": "response.completed", "response": RESPONSE}
SAID = [
    ("openai", "chat", {**OK, "model": NAME}, json.loads(delta("x", model=NAME)[6:])),
    ("anthropic", "chat", MESSAGE, STARTED),
    ("gemini-native", "chat", GEMINI, GEMINI),
    ("openai-responses", "chat", RESPONSE, ENDED),
    ("anthropic", "messages", MESSAGE, STARTED),
    ("openai-responses", "responses", RESPONSE, ENDED),
]


@pytest.mark.parametrize(("provider", "takes", "whole", "event"), SAID, ids=[" ".join(row[:2]) for row in SAID])
def test_the_name_of_an_answer_is_read_in_every_dialect(provider, takes, whole, event):
    dialect = DIALECTS[provider][takes]
    assert dialect.answer(json.dumps(whole).encode(), CHAT).model == NAME
    reader = dialect.reader(CHAT)
    assert reader.model is None
    reader.feed(f"event: {event.get('type', 'x')}\ndata: {json.dumps(event)}\n\n".encode())
    assert reader.model == NAME


@pytest.mark.assures("threat I1")
def test_answers_of_another_model_are_counted(tmp_path, upstream, showed):
    upstream.scripts["named"] = [answer({**OK, "model": "gpt-4o-mini"})]
    upstream.scripts["dated"] = [answer({**OK, "model": "gpt-4o-2024-08-06"})]
    upstream.scripts["flowing"] = stream(delta("x", model="gpt-4o-mini"), delta("", "stop", model="gpt-4o-mini"), DONE)
    catalog = {name: backend(upstream.url(name), model="gpt-4o") for name in ("named", "dated", "flowing")}
    with serving(tmp_path / "gateway", catalog, policy_trees.at_home(tmp_path / "tree")) as server:
        key = server.key()
        for name in ("named", "named", "dated", "flowing"):
            body = {"model": name, "stream": name == "flowing", "messages": [{"role": "user", "content": "hi"}]}
            assert post(server, key, body).status == 200
        found = {
            name: value for name, value in server.metrics().items() if name.startswith("gateway_model_mismatch_total")
        }
    assert found == {
        'gateway_model_mismatch_total{backend="named"}': 2,
        'gateway_model_mismatch_total{backend="flowing"}': 1,
    }
    showed("4 answers, whole and streamed, 3 as another model", "3 counted, by backend")
