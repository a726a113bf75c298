"""Two gateways, each its own process and state, one Valkey: what one learns of conversations and backends the other
knows, too."""

import json
import signal
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from support import stores
from support.server import ROOT, backend, serving
from support.upstream import OK, answer

RULES = """
policy: base
owner: me
mode: enforce
rules:
  - {id: own, permit: {to: {deployment: self_hosted}}}
"""


@pytest.fixture
def valkey():
    with stores.valkey() as server:
        yield server


@pytest.fixture
def two(tmp_path, upstream, postgres_server, valkey):
    """Two replicas of one gateway: the same pepper, the same ledger, the same Valkey."""
    tree = tmp_path / "tree"
    (tree / "policies").mkdir(parents=True)
    (tree / "vocabulary.yaml").write_text((ROOT / "routing_policies" / "vocabulary.yaml").read_text())
    (tree / "policies" / "base.yaml").write_text(RULES)
    for name in ("1", "2"):
        state = tmp_path / name / "state"
        state.mkdir(parents=True, mode=0o700)
        (state / "pepper").write_bytes(b"p" * 32)
        (state / "pepper").chmod(0o600)
    upstream.scripts.clear()
    catalog = {name: backend(upstream.url(name), aliases=["pair"]) for name in ("a", "b")}
    ledger = stores.Place(tmp_path, postgres_server.url())
    url = {"GATEWAY_VALKEY_URL": stores.url_of(valkey), "GATEWAY_DATABASE_URL": ledger.url}
    with serving(tmp_path / "1", catalog, tree, **url) as one, serving(tmp_path / "2", catalog, tree, **url) as two:
        yield one, two


def ask(gateway, key, *turns, **headers):
    roles = ("user", "assistant") * len(turns)
    messages = [{"role": role, "content": text} for role, text in zip(roles, turns, strict=False)]
    return httpx2.post(
        f"{gateway.base}/v1/chat/completions",
        json={"model": "pair", "messages": messages},
        headers={"authorization": f"Bearer {key}", **headers},
        timeout=20,
    )


def admin(gateway, path, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{gateway.admin_port}{path}", method=method)
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.loads(response.read())


def until(reached, seconds=10):
    deadline = time.monotonic() + seconds
    while not (found := reached()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_replicas_share_labels_and_hints_and_know_of_each_other(two, upstream, tmp_path):
    one, other = two
    keys = {each: each.key(sensitivity="public") for each in two}
    upstream.scripts.update({name: [answer(OK)] for name in ("a", "b")})

    # a label that a header raised on one holds for whoever continues the conversation on the other
    assert ask(one, keys[one], "hi", **{"x-gateway-sensitivity": "confidential"}).status_code == 200
    time.sleep(0.5)
    continued = ask(other, keys[other], "hi", "hello", "and then?")
    assert continued.headers["x-gateway-sensitivity"] == "confidential"
    assert ask(other, keys[other], "something else").headers["x-gateway-sensitivity"] == "public"

    # a backend that throttles one is asked after others by the other
    assert ask(other, keys[other], "x").headers["x-gateway-backend"] == "a"
    slow_down = answer({"error": {"message": "slow down"}}, 429, retry_after="30")
    upstream.scripts["a"] = [slow_down]
    assert ask(one, keys[one], "x").headers["x-gateway-backend"] == "b"
    time.sleep(0.5)
    assert ask(other, keys[other], "x").headers["x-gateway-backend"] == "b"
    upstream.scripts["a"] = [answer(OK)]
    admin(other, "/admin/backends/a/resume", "POST")
    time.sleep(0.5)
    assert [ask(each, keys[each], "x").headers["x-gateway-backend"] for each in two] == ["a", "a"]

    # who is there, and with which policy
    shown = until(lambda: len(found := admin(one, "/admin/replicas")) == 2 and found)
    assert [each["here"] for each in shown] == [True, False]
    assert len({each["policy"] for each in shown}) == 1
    (tmp_path / "1" / "extra" / "more.yaml").write_text(json.dumps({"backends": {"c": backend(upstream.url("c"))}}))
    until(lambda: '"replicas_differ"' in one.log.read_text() and '"replicas_differ"' in other.log.read_text(), 30)
    assert len({each["policy"] for each in admin(other, "/admin/replicas")}) == 2


@pytest.mark.assures("threat B3")
def test_a_request_that_is_sent_again_to_the_other_replica_is_served_once(two, upstream, showed):
    key = two[0].key(sensitivity="public")
    two[1].await_key(key)
    upstream.scripts.update({name: [0.2, answer(OK)] for name in ("a", "b")})
    before = len(upstream.seen)

    def told(gateway, text="hi", id="6f1c"):
        answered = ask(gateway, key, text, **{"idempotency-key": id})
        return answered.status_code, answered.json().get("error", {}).get("code")

    with ThreadPoolExecutor(20) as together:
        found = list(together.map(lambda number: told(two[number % 2]), range(40)))
    assert sorted(set(found), key=str) == [(200, None), (409, "request_repeated")]
    assert found.count((200, None)) == 1
    assert [told(each) for each in two] == [(409, "request_repeated")] * 2
    assert [told(each, "another") for each in two] == [(409, "idempotency_key_reused")] * 2
    assert len(upstream.seen) == before + 1

    upstream.scripts.update({name: [answer({"error": {"message": "m"}}, 400)] for name in ("a", "b")})
    assert told(two[0], id="fails")[0] == 400
    upstream.scripts.update({name: [answer(OK)] for name in ("a", "b")})
    until(lambda: told(two[1], id="fails") == (200, None))  # once the other has heard of it
    assert told(two[0], id="fails") == (409, "request_repeated")
    showed("one request sent 40 times to 2 replicas, 20 at once", "1 call; 409 with its id for the others")


@pytest.mark.assures("threat B3", "fault 10")
def test_while_valkey_hangs_only_requests_with_an_idempotency_key_are_refused_for_it(two, valkey, upstream):
    key = two[0].key(sensitivity="public")
    upstream.scripts.update({name: [answer(OK)] for name in ("a", "b")})
    valkey._process.send_signal(signal.SIGSTOP)
    try:
        refused = ask(two[0], key, "hi", **{"idempotency-key": "one"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "state_unavailable")
        assert refused.headers["retry-after"] == "2"
        assert ask(two[0], key, "hi").status_code == 200
    finally:
        valkey._process.send_signal(signal.SIGCONT)
    until(lambda: ask(two[0], key, "hi", **{"idempotency-key": "one"}).status_code == 200)
    events = [json.loads(line)["event"] for line in two[0].log.read_text().splitlines() if line.startswith("{")]
    assert [each for each in events if each.startswith("repeats")] == ["repeats_down", "repeats_up"]
