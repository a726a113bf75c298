"""A request that is sent again, by its client or by whoever recorded it, is paid once."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from support.calling import post
from support.upstream import DONE, HANG, OK, RESET, STREAM_HEAD, answer, chunk, delta, stream

BODY = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}


def code(answered):
    return answered.status, json.loads(answered.body).get("error", {}).get("code")


@pytest.mark.assures("threat B3")
def test_what_is_sent_again_is_served_once_and_never_across_keys(gateway, upstream, showed):
    upstream.scripts["a"] = [answer(OK)]
    mine, theirs = gateway.key(), gateway.key(app="b")
    again = {"idempotency-key": "6f1c"}
    before = len(upstream.seen)
    with ThreadPoolExecutor(20) as together:
        found = list(together.map(lambda _: code(post(gateway, mine, BODY, again)), range(40)))
    assert sorted(map(str, set(found))) == ["(200, None)", "(409, 'request_repeated')"]
    assert found.count((200, None)) == 1
    assert len(upstream.seen) == before + 1
    other = {**BODY, "temperature": 1}
    assert code(post(gateway, mine, other, again)) == (409, "idempotency_key_reused")
    assert code(post(gateway, theirs, other, again)) == (200, None)  # the same id of another key is another
    assert code(post(gateway, mine, BODY, [("idempotency-key", "a"), ("Idempotency-Key", "b")]))[0] == 400
    assert code(post(gateway, mine, BODY, {"idempotency-key": "a b"}))[0] == 400
    assert code(post(gateway, mine, BODY)) == (200, None)  # it is optional
    assert len(upstream.seen) == before + 3
    showed(
        "one request sent 40 times, 20 at once; by 2 keys; with another body", "1 call; 409; 1 call of the other key"
    )


@pytest.mark.assures("threat B3")
def test_who_has_the_whole_stream_and_leaves_was_served(gateway, upstream):
    """While the backend's own end is waited for."""
    key, again = gateway.key(), {"idempotency-key": f"left-{time.time()}"}
    body = {**BODY, "stream": True}
    upstream.scripts["a"] = [STREAM_HEAD, chunk(delta("x") + delta("", "stop") + DONE), HANG]
    head = {"authorization": f"Bearer {key}", **again}
    said = json.dumps(body).encode()
    with httpx2.stream("POST", f"{gateway.base}/v1/chat/completions", content=said, headers=head, timeout=10) as told:
        assert any(line == "data: [DONE]" for line in told.iter_lines())
    assert code(post(gateway, key, body, again)) == (409, "request_repeated")
    assert gateway.ledger()[-1]["state"] == "settled"


@pytest.mark.assures("threat B3")
@pytest.mark.parametrize(
    "failing", [[answer({"error": {"message": "m"}}, 400)], [RESET], [*stream(delta("x"))[:2], RESET]]
)
def test_what_failed_may_be_sent_again(gateway, upstream, failing):
    key, again = gateway.key(), {"idempotency-key": f"again-{time.time()}"}
    body = {**BODY, "model": "b", "stream": len(failing) > 1}
    upstream.scripts["b"] = failing
    gateway.ask_again(["b"])
    assert b"error" in post(gateway, key, body, again).body
    gateway.ask_again(["b"])
    upstream.scripts["b"] = stream(delta("x"), delta("", "stop"), DONE) if body["stream"] else [answer(OK)]
    found = post(gateway, key, body, again)
    assert (found.status, b"error" in found.body) == (200, False)
    assert code(post(gateway, key, body, again)) == (409, "request_repeated")
    gateway.ask_again(["b"])
