"""A backend that answers as another model than was asked is counted, whatever it speaks."""

import json
import shutil
import threading
import time

import pytest
from support import policy_trees
from support.calling import post
from support.policy_trees import policy, rule
from support.server import backend, serving
from support.upstream import DONE, HANG, OK, answer, delta, stream

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


SUSPECT = {"deployment": "vendor_api", "zone": "us-vendors", "trains_on_data": "never", "audience": "anyone"}


def awaited(found, seconds=5.0):
    """Whatever it finds, once it finds something."""
    until = time.monotonic() + seconds
    while not (what := found()) and time.monotonic() < until:
        time.sleep(0.02)
    return what


def lines(server, event):
    return [line for line in map(json.loads, server.log.read_text().splitlines()) if line["event"] == event]


@pytest.fixture
def watchful(tmp_path, upstream):
    """A gateway whose permit for vendors suspends those that answer as another model; its own machines are counted."""
    names = ("whole", "flowing", "known", "silent", "ours")
    for name in names:
        upstream.scripts[name] = [answer({**OK, "model": "gpt-4o-mini"})]
    upstream.scripts["silent"] = [answer({name: value for name, value in OK.items() if name != "model"})]
    catalog = {name: backend(upstream.url(name), model="gpt-4o", **SUSPECT) for name in names}
    catalog["known"]["reports_as"] = ["gpt-4o-mini"]
    catalog["ours"] = backend(upstream.url("ours"), model="gpt-4o")
    tree = policy_trees.at_home(tmp_path / "tree")
    watch = rule("permit", to={"zone": "us-vendors"}, id="watch", on_model_mismatch="suspend")
    off = rule("forbid", to={"status": "suspended"}, id="off", in_flight="revoke")
    policy_trees.written(tree, {"policies/watch.yaml": policy(watch, off)})
    with serving(tmp_path / "gateway", catalog, tree) as server:
        yield server, server.key(), tree


def ask(server, key, model, **more):
    return post(server, key, {"model": model, "messages": [{"role": "user", "content": "hi"}], **more})


@pytest.mark.assures("threat I1")
def test_where_a_permit_says_so_who_answers_as_another_model_is_suspended(watchful, upstream, showed):
    server, key, _ = watchful
    for name in ("whole", "known", "silent", "ours"):
        assert ask(server, key, name).status == 200
    assert awaited(lambda: lines(server, "backend_suspended"))
    took = time.monotonic()
    while ask(server, key, "whole").status != 403:
        assert time.monotonic() - took < 1
    assert [ask(server, key, name).status for name in ("known", "silent", "ours", "ours")] == [200] * 4
    [told] = lines(server, "backend_suspended")
    assert (told["backend"], told["by"]) == ("whole", "gateway")
    assert told["reason"] == "answered as gpt-4o-mini, asked was gpt-4o; on_model_mismatch of watch"

    def recorded(*names):
        of_names = (line for line in lines(server, "request") if line["backend"] in names)
        return {(line["backend"], *line["misnamed"], line["level"]) for line in of_names}

    assert awaited(lambda: recorded("ours") == {("ours", "gpt-4o-mini", "warning")})
    assert awaited(lambda: recorded("known", "silent") == {("known", "info"), ("silent", "info")})
    [noted] = [line for line in server.cli("audit", "show").stdout.splitlines() if "backend_suspended" in line]
    assert "gateway" in noted
    assert "gpt-4o-mini" in noted
    # once the name is known to be right, it is resumed and stays
    path = server.directory / "extra" / "test.yaml"
    catalog = json.loads(path.read_text())
    catalog["backends"]["whole"]["reports_as"] = ["gpt-4o-mini"]
    path.write_text(json.dumps(catalog))
    assert awaited(lambda: len(lines(server, "policy_loaded")) > len(lines(server, "backend_suspended")) + 1)
    assert server.cli("backends", "resume", "whole").returncode == 0
    assert awaited(lambda: ask(server, key, "whole").status == 200)
    time.sleep(0.5)
    assert ask(server, key, "whole").status == 200
    showed(
        "5 backends: a wrong name, a listed one, none, and a permit that does not say so", "1 suspended, told, noted"
    )


@pytest.mark.assures("threat I1")
def test_a_stream_of_another_model_is_cut_as_soon_as_it_names_itself(watchful, upstream, showed):
    server, key, _ = watchful
    upstream.scripts["flowing"] = [*stream(delta("x", model="gpt-4o-mini"))[:2], HANG]
    began, got = time.monotonic(), []
    asking = threading.Thread(target=lambda: got.append(ask(server, key, "flowing", stream=True)))
    asking.start()
    asking.join(20)
    assert time.monotonic() - began < 5
    assert b"policy_revoked" in got[0].body
    assert [line["backend"] for line in lines(server, "backend_suspended")] == ["flowing"]
    showed("a stream under way", f"suspended and cut after {time.monotonic() - began:.1f} s")


def test_a_suspension_that_cannot_be_noted_is_told_and_tried_again(watchful):
    server, key, _ = watchful
    trail = server.state / "audit.jsonl"
    shutil.move(trail, kept := server.state / "kept.jsonl")
    trail.mkdir()
    assert ask(server, key, "whole").status == 200
    assert awaited(lambda: lines(server, "suspension_not_kept"))
    assert lines(server, "suspension_not_kept")[0]["level"] == "error"
    assert lines(server, "backend_suspended") == []
    trail.rmdir()
    shutil.move(kept, trail)
    assert ask(server, key, "whole").status == 200
    assert awaited(lambda: lines(server, "backend_suspended"))
