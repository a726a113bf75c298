"""The hot path, through the whole gateway as its own process, against a scripted upstream."""

import json
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from support.server import ROOT, Server, backend, serving
from support.upstream import (
    CLOSE,
    DONE,
    HANG,
    OK,
    RESET,
    STREAM_END,
    STREAM_HEAD,
    USAGE,
    USAGE_EVENT,
    answer,
    chunk,
    delta,
    event,
    stream,
)

ERROR = {"error": {"message": "m", "type": "t", "param": "p", "code": "c"}}


def ask(gateway: Server, key: str, model: str = "a", headers: dict | None = None, **fields: object) -> httpx2.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **fields}
    return httpx2.post(
        f"{gateway.base}/v1/chat/completions",
        json=body,
        headers={"authorization": f"Bearer {key}", **(headers or {})},
        timeout=20,
    )


def rows_of(gateway: Server, response: httpx2.Response) -> list[dict]:
    return [row for row in gateway.ledger() if row["request_id"] == response.headers["x-request-id"]]


def test_an_answer_passes_byte_for_byte_and_is_booked(gateway, upstream, key):
    raw = json.dumps({**OK, "future": {"b": 1, "a": [1.50]}}, indent=1).encode()
    upstream.scripts["a"] = [answer(raw, x_request_id="theirs")]
    response = ask(gateway, key)
    assert response.content == raw
    (row,) = rows_of(gateway, response)
    told = {name: response.headers[name] for name in response.headers if name.startswith(("x-", "content"))}
    assert told == {
        "content-type": "application/json",
        "content-length": str(len(raw)),
        "x-request-id": row["request_id"],
        "x-gateway-decision": row["decision_id"],
        "x-gateway-backend": "a",
        "x-gateway-model": "a",
        "x-gateway-sensitivity": "public",
        "x-gateway-attempts": "1",
        "x-gateway-cost-usd": "0.000015",
        "x-upstream-request-id": "theirs",
    }
    assert (row["state"], row["input_uncached"], row["output"], row["usage_source"]) == ("settled", 10, 5, "reported")
    assert (row["cost_pico_usd"], row["outcome"]) == (15_000_000, "complete")


def test_unknown_fields_reach_the_upstream_and_our_headers_do_not(gateway, upstream, key):
    upstream.scripts["a"] = [answer(OK)]
    ask(gateway, key, seed=9007199254740993, thinking={"type": "enabled"}, headers={"cookie": "c", "x-secret": "s"})
    (seen,) = upstream.requests("a")
    assert seen.json == {
        "model": "a",
        "messages": [{"role": "user", "content": "hi"}],
        "seed": 9007199254740993,
        "thinking": {"type": "enabled"},
    }
    head = seen.head.decode().lower()
    assert key.lower() not in head
    assert "cookie" not in head
    assert "x-secret" not in head


def test_a_stream_passes_byte_for_byte_with_usage_hidden(gateway, upstream, key):
    upstream.scripts["a"] = stream(delta("hel"), delta("lo", "stop"), USAGE_EVENT, DONE)
    response = ask(gateway, key, stream=True)
    assert response.content == delta("hel") + delta("lo", "stop") + DONE
    assert response.headers["content-type"] == "text/event-stream"
    assert upstream.requests("a")[0].json["stream_options"] == {"include_usage": True}
    (row,) = rows_of(gateway, response)
    assert (row["cost_pico_usd"], row["usage_source"], row["outcome"]) == (15_000_000, "reported", "complete")


def test_a_stream_shows_usage_to_a_client_that_asks(gateway, upstream, key):
    upstream.scripts["a"] = stream(delta("hello", "stop"), USAGE_EVENT, DONE)
    response = ask(gateway, key, stream=True, stream_options={"include_usage": True})
    assert response.content == delta("hello", "stop") + USAGE_EVENT + DONE


@pytest.mark.alone
def test_the_first_event_is_out_before_the_second_is_in(gateway, upstream, key):
    upstream.scripts["a"] = [STREAM_HEAD, chunk(delta("first")), 0.5, chunk(delta("second", "stop") + DONE), STREAM_END]
    body = {"model": "a", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    with httpx2.stream(
        "POST", f"{gateway.base}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}
    ) as response:
        started = time.monotonic()
        blocks = [(block, time.monotonic() - started) for block in response.iter_raw()]
    assert blocks[0][0] == delta("first")
    assert blocks[0][1] < 0.3 < blocks[-1][1]


def test_an_answer_without_usage_is_estimated_and_says_so(gateway, upstream, key):
    upstream.scripts["a"] = [answer({name: value for name, value in OK.items() if name != "usage"})]
    (row,) = rows_of(gateway, ask(gateway, key))
    assert (row["state"], row["usage_source"]) == ("settled", "estimated")
    assert row["output"] >= 2


@pytest.mark.parametrize(
    ("script", "reason", "state"),
    [
        ([answer(ERROR, 500)], "server_error", "released"),
        ([answer(ERROR, 503)], "overloaded", "released"),
        ([answer(ERROR, 429)], "throttled", "released"),
        ([answer(ERROR, 401)], "unauthorized", "released"),
        ([answer({"error": {"message": "Insufficient Balance"}}, 402)], "no_credit", "released"),
        ([answer({"error": {"message": "maximum context length is 5"}}, 400)], "context_too_long", "released"),
        ([answer(b"<html>oops</html>", 200, "text/html")], "broken", "uncertain"),
        ([answer({"error": {"message": "m"}}, 200)], "server_error", "released"),
        ([RESET], "broken", "uncertain"),
        ([CLOSE], "broken", "uncertain"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", CLOSE], "broken", "uncertain"),
        ([HANG], "timed_out", "uncertain"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_next_backend_answers_when_the_first_fails(gateway, upstream, key, script, reason, state):
    upstream.scripts |= {"a": script, "b": [answer(OK)]}
    response = ask(gateway, key, "pair", max_tokens=100)
    assert (response.status_code, response.headers["x-gateway-backend"], response.headers["x-gateway-attempts"]) == (
        200,
        "b",
        "2",
    )
    first, second = rows_of(gateway, response)
    assert (first["state"], first["failure"], first["outcome"]) == (state, reason, "failed")
    assert (first["cost_pico_usd"] > 0) == (first["usage_source"] == "estimated") == (state == "uncertain")
    assert (second["state"], second["outcome"]) == ("settled", "complete")


@pytest.mark.parametrize(
    "first",
    [event(ERROR), b"data: not json\n\n", b": only a comment\n\n"],
)
def test_a_stream_whose_first_event_is_an_error_falls_back(gateway, upstream, key, first):
    upstream.scripts |= {"a": stream(first), "b": stream(delta("hello", "stop"), DONE)}
    response = ask(gateway, key, "pair", stream=True)
    assert response.content == delta("hello", "stop") + DONE
    assert response.headers["x-gateway-backend"] == "b"


def test_a_backend_that_cannot_be_reached_is_passed_over(gateway, key):
    response = ask(gateway, key, "down")
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_unreachable")
    (row,) = rows_of(gateway, response)
    assert (row["state"], row["cost_pico_usd"], row["failure"]) == ("released", 0, "unreachable")


def test_the_callers_own_mistake_is_not_retried(gateway, upstream, key):
    upstream.scripts |= {"a": [answer({**ERROR, "n": 1}, 422)], "b": [answer(OK)]}
    response = ask(gateway, key, "pair")
    assert (response.status_code, response.json()) == (422, ERROR)
    assert upstream.requests("b") == []


def test_retry_after_and_code_survive(gateway, upstream, key):
    upstream.scripts["a"] = [
        answer(
            {"error": {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"}},
            429,
            retry_after="7",
        )
    ]
    response = ask(gateway, key)
    assert (response.status_code, response.headers["retry-after"], response.json()["error"]["code"]) == (
        429,
        "7",
        "rate_limit_exceeded",
    )


def test_when_all_fail_nobody_is_available(gateway, upstream, key):
    upstream.scripts |= {"a": [answer(ERROR, 503)], "b": [answer(ERROR, 500)]}
    response = ask(gateway, key, "pair")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_backend_available")
    assert "retry-after" in response.headers
    assert [row["state"] for row in rows_of(gateway, response)] == ["released", "released"]


def test_when_all_are_throttled_the_client_is_told_to_wait(gateway, upstream, key):
    upstream.scripts |= {"a": [answer(ERROR, 429)], "b": [answer(ERROR, 429, retry_after="3")]}
    response = ask(gateway, key, "pair")
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")


def test_nothing_falls_back_after_the_first_byte(gateway, upstream, key):
    upstream.scripts |= {"a": [STREAM_HEAD, chunk(delta("hel")), 0.2, RESET], "b": stream(delta("other", "stop"), DONE)}
    response = ask(gateway, key, "pair", stream=True)
    assert response.content.startswith(delta("hel") + b'data: {"error":')
    assert b"[DONE]" not in response.content
    assert upstream.requests("b") == []
    (row,) = rows_of(gateway, response)
    assert (row["state"], row["usage_source"], row["outcome"]) == ("settled", "estimated", "truncated")


UNSAID = {**OK, "choices": [{**OK["choices"][0], "finish_reason": None}]}


@pytest.mark.parametrize("script", [[answer(UNSAID)], stream(delta("hel"), DONE)], ids=["whole", "streamed"])
def test_an_answer_that_does_not_say_why_it_ended_is_not_recorded_as_complete(gateway, upstream, key, script):
    streamed = len(script) > 1
    upstream.scripts |= {"a": script, "b": [answer(OK)]}
    response = ask(gateway, key, "pair", stream=streamed)
    assert response.status_code == 200
    assert response.content == (delta("hel") + DONE if streamed else json.dumps(UNSAID).encode())
    (row,) = rows_of(gateway, response)
    assert (row["state"], row["failure"], row["outcome"]) == ("settled", "broken", "truncated")
    head = {"authorization": f"Bearer {key}"}
    body = {"model": "a", "max_tokens": 9, "stream": streamed, "messages": [{"role": "user", "content": "hi"}]}
    said = httpx2.post(f"{gateway.base}/v1/messages", json=body, headers=head)  # said anew, so it is an error there
    assert b"message_stop" not in said.content
    assert b'"type":"error"' in said.content


@pytest.mark.parametrize("end", [[STREAM_END], [CLOSE], [0.2, RESET]], ids=["clean", "closed", "reset"])
def test_a_stream_that_breaks_off_never_looks_finished(gateway, upstream, key, end):
    upstream.scripts["a"] = [STREAM_HEAD, chunk(delta("hel")), *end]
    lines = ask(gateway, key, stream=True).content.split(b"\n\n")
    assert b'"error"' in lines[-2]
    assert b"[DONE]" not in b"".join(lines)


@pytest.mark.alone
def test_an_upstream_that_stalls_in_mid_stream_is_given_up(gateway, upstream, key):
    upstream.scripts["a"] = [STREAM_HEAD, chunk(delta("hel")), HANG]
    started = time.monotonic()
    response = ask(gateway, key, stream=True)
    assert 0.9 < time.monotonic() - started < 3
    assert b'"upstream_timed_out"' in response.content
    assert upstream.requests("a")[0].gone.wait(2)


@pytest.mark.parametrize(("streamed", "least", "most"), [(True, 0.9, 3), (False, 4.5, 7)], ids=["first_byte", "total"])
@pytest.mark.alone
def test_a_long_silence_before_the_first_byte_is_a_timeout(gateway, upstream, key, streamed, least, most):
    upstream.scripts["a"] = [HANG]
    started = time.monotonic()
    response = ask(gateway, key, stream=streamed)
    assert least < time.monotonic() - started < most
    assert (response.status_code, response.json()["error"]["code"]) == (504, "upstream_timed_out")
    assert upstream.requests("a")[0].gone.wait(2)


def hang_up(gateway: Server, key: str, *, streamed: bool, after: float) -> None:
    """Sends a request and hangs up while it is being answered."""
    body = json.dumps(
        {"model": "a", "stream": streamed, "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
    ).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(head.encode() + body)
        time.sleep(after)


@pytest.mark.parametrize(
    ("streamed", "script", "state"),
    [
        (True, [STREAM_HEAD, chunk(delta("hello ")), HANG], "settled"),
        (True, [HANG], "uncertain"),
        (False, [HANG], "uncertain"),
    ],
    ids=["in mid-stream", "before the first event", "not streamed"],
)
def test_a_client_that_leaves_cancels_the_upstream_and_is_booked(gateway, upstream, key, streamed, script, state):
    upstream.scripts["a"] = script
    before = len(gateway.ledger())
    hang_up(gateway, key, streamed=streamed, after=0.3)
    assert upstream.requests("a")[0].gone.wait(2)
    rows = gateway.ledger()
    assert len(rows) == before + 1
    assert (rows[-1]["outcome"], rows[-1]["state"]) == ("client_gone", state)
    assert rows[-1]["cost_pico_usd"] > 0


def test_the_label_only_goes_up(gateway, upstream, key):
    upstream.scripts["a"] = [answer(OK)]
    confidential = gateway.key(sensitivity="confidential")
    told = [
        httpx2.post(
            f"{gateway.base}/v1/chat/completions",
            json={"model": "a", "messages": [{"role": "user", "content": f"label {number}"}]},  # each its conversation
            headers=[("authorization", f"Bearer {used}"), *[("X-Gateway-Sensitivity", value) for value in values]],
        ).headers["x-gateway-sensitivity"]
        for number, (used, values) in enumerate(
            [
                (key, []),
                (key, ["internal"]),
                (key, ["Confidential"]),
                (key, ["public", "restricted", "public"]),
                (key, ["pubilc"]),
                (confidential, ["public"]),
            ]
        )
    ]
    assert told == ["public", "internal", "confidential", "restricted", "restricted", "confidential"]


def test_policy_denies_before_anything_is_sent(gateway, upstream, key):
    upstream.scripts["away"] = [answer(OK)]
    assert ask(gateway, key, "away").status_code == 200
    messages = [{"role": "user", "content": "a customer's file"}]
    denied = ask(gateway, key, "away", headers={"x-gateway-sensitivity": "confidential"}, messages=messages)
    error = denied.json()["error"]
    assert (denied.status_code, error["code"]) == (403, "policy_denied")
    assert "confidential-stays-home" in error["message"]
    assert "dec-" in error["message"]
    assert len(upstream.requests("away")) == 1


@pytest.mark.parametrize(
    ("model", "fields", "status", "code"),
    [
        ("nobody", {}, 404, "model_not_found"),
        ("small", {"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "unsupported_capability"),
        ("small", {"messages": [{"role": "user", "content": "word " * 1000}]}, 400, "context_length_exceeded"),
        ("keyless", {}, 503, "no_backend_available"),
        ("unpriced", {}, 503, "no_backend_available"),
    ],
)
def test_what_cannot_be_served_is_refused(gateway, key, model, fields, status, code):
    response = ask(gateway, key, model, **fields)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_a_purpose_that_is_not_granted_is_refused(gateway, key):
    response = ask(gateway, key, headers={"x-gateway-purpose": "hr"})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "not_granted")


def test_metrics_and_ledger_say_the_same(gateway, upstream):
    upstream.scripts |= {
        "a": [answer(ERROR, 500)],
        "b": [answer(OK)],
        "c": stream(delta("x", "stop"), USAGE_EVENT, DONE),
    }
    team = gateway.key(team="books")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: ask(gateway, team, ("pair", "c")[n % 2], stream=bool(n % 2)), range(40)))
    rows = [row for row in gateway.ledger() if row["team"] == "books"]
    metrics = gateway.metrics()

    def total(name: str, **labels: str) -> float:
        return sum(
            value
            for sample, value in metrics.items()
            if sample.startswith(name + "{")
            and 'team="books"' in sample
            and all(f'{k}="{v}"' in sample for k, v in labels.items())
        )

    assert total("gateway_requests_total") == 40
    failed = [row for row in rows if row["backend"] == "a"]
    assert 5 <= len(failed) <= 20  # then it is left alone
    assert len(rows) == 40 + len(failed)
    assert round(total("gateway_cost_usd_total") * 1e12) == sum(row["cost_pico_usd"] for row in rows) == 40 * 15_000_000
    assert total("gateway_tokens_total", bucket="output") == sum(row["output"] for row in rows) == 200


def test_no_prompt_text_is_kept_anywhere(gateway, upstream, key):
    canary = "canary-7f3a-quite-secret"
    upstream.scripts["a"] = [answer({"error": {"message": f"I do not like {canary}", "code": "c"}}, 422)]
    fields = {
        "messages": [{"role": "user", "content": canary, "name": canary}],
        "user": canary,
        "metadata": {"k": canary},
        "x": canary,
    }
    ask(gateway, key, **fields)
    ask(gateway, key, model=canary)
    upstream.scripts["a"] = [
        answer({**OK, "choices": [{"index": 0, "message": {"content": canary}, "finish_reason": "stop"}]})
    ]
    ask(gateway, key, **fields)
    gateway.ledger()
    kept = [path for path in [gateway.log, *gateway.state.rglob("*")] if path.is_file()]
    assert [path.name for path in kept if canary.encode() in path.read_bytes()] == []
    assert canary not in str(gateway.metrics())


def test_many_at_once_each_get_their_own_answer(gateway, upstream, key):
    upstream.scripts["a"] = [0.02, answer(OK)]
    ids = set()
    lock = threading.Lock()

    def one(_: int) -> None:
        response = ask(gateway, key)
        assert response.status_code == 200
        with lock:
            ids.add(response.headers["x-request-id"])

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(one, range(200)))
    assert len(ids) == 200
    assert USAGE["total_tokens"] * 1_000_000 * 200 == sum(
        row["cost_pico_usd"] for row in gateway.ledger() if row["request_id"] in ids
    )


def test_a_client_that_leaves_after_a_large_body_is_noticed(gateway, upstream, key):
    upstream.scripts["a"] = [HANG]
    body = json.dumps({"model": "a", "stream": True, "messages": [{"role": "user", "content": "x" * 500_000}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(head.encode())
        time.sleep(0.1)
        client.sendall(body)
        deadline = time.monotonic() + 20  # the process that examines large bodies starts with the first of them
        while not upstream.requests("a") and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)
    assert upstream.requests("a")[0].gone.wait(0.4)
    assert gateway.ledger()[-1]["outcome"] == "client_gone"


def test_a_slow_client_does_not_make_the_upstream_late(gateway, upstream, key):
    big = delta("y" * 60_000)
    upstream.scripts["a"] = [STREAM_HEAD, *[chunk(big)] * 80, chunk(delta("", "stop") + DONE), STREAM_END]
    body = json.dumps({"model": "a", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(head.encode() + body)
        time.sleep(2.5)  # more than idle and first_byte
        client.settimeout(5)
        got = b""
        while block := client.recv(1 << 20):
            got += block
    assert DONE in got
    assert gateway.ledger()[-1]["outcome"] == "complete"


def test_a_stream_leaves_its_connection_for_the_next(gateway, upstream, key):
    upstream.scripts["a"] = stream(delta("x", "stop"), DONE)
    before = len(upstream.connections)
    for _ in range(5):
        ask(gateway, key, stream=True)
    assert len(upstream.connections) - before <= 1


def test_a_refused_request_is_counted_but_not_booked(gateway, key):
    before, rows = gateway.metrics(), len(gateway.ledger())
    httpx2.post(f"{gateway.base}/v1/chat/completions", headers={"authorization": "Bearer wrong"}, content=b"{}")
    ask(gateway, key, "nobody")
    after = gateway.metrics()
    sample = 'gateway_requests_total{{app="{}",model="none",provider="none",status="{}",team="{}"}}'
    for labels in [("none", "401", "none"), ("a", "404", "t")]:
        assert after[sample.format(*labels)] == before.get(sample.format(*labels), 0) + 1
    assert len(gateway.ledger()) == rows


POLICIES = """
policy: trial
owner: me
rules:
  - {id: everyone, permit: {}}
  - {id: short, require: {when: {purpose: bulk}, do: [{max_output_tokens: 20}, strip_images]}}
  - {id: v-is-no-fallback, forbid: {when: {attempt: ">= 2"}, to: {backend: v}}}
"""
SOON = "policy: soon\nowner: me\nmode: warn\nrules:\n  - {id: no-coding, forbid: {when: {purpose: coding}}}\n"
OFF = "policy: off\nowner: me\nrules:\n  - {id: u-is-off, forbid: {to: {backend: u}}, in_flight: revoke}\n"


@pytest.fixture
def house(tmp_path, upstream):
    """A gateway with a policy tree of its own, and the folder of its rules."""
    upstream.scripts.clear()
    upstream.seen.clear()
    rules = tmp_path / "tree" / "policies"
    rules.mkdir(parents=True)
    shutil.copy(ROOT / "routing_policies" / "vocabulary.yaml", tmp_path / "tree")
    (rules / "trial.yaml").write_text(POLICIES)
    (rules / "soon.yaml").write_text(SOON)
    catalog = {id: backend(upstream.url(id), aliases=["uv"], max_output=1000) for id in ("u", "v")}
    with serving(tmp_path, catalog, tmp_path / "tree") as server:
        yield server, rules


def test_a_policy_that_revokes_cuts_a_running_stream_within_a_second_and_no_other(house, upstream):
    server, rules = house
    upstream.scripts |= {
        "u": [STREAM_HEAD, chunk(delta("hel")), HANG],
        "v": [STREAM_HEAD, chunk(delta("hel")), 4.0, chunk(delta("lo", "stop") + DONE), STREAM_END],
    }
    key = server.key()

    def digest() -> str:
        return httpx2.get(f"{server.base}/readyz").json()["policy"]["digest"]

    def stream_of(name: str) -> tuple[httpx2.Response, float]:
        return ask(server, key, name, stream=True), time.monotonic()

    before = digest()
    with ThreadPoolExecutor(2) as pool:
        cut, other = pool.submit(stream_of, "u"), pool.submit(stream_of, "v")
        time.sleep(0.5)
        (rules / "off.yaml").write_text(OFF)
        while digest() == before:
            time.sleep(0.01)
        in_force = time.monotonic()
        response, ended = cut.result()
        assert ended - in_force < 1
        assert response.content.startswith(delta("hel") + b'data: {"error":')
        assert b'"policy_revoked"' in response.content
        assert b"[DONE]" not in response.content
        assert upstream.requests("u")[0].gone.wait(1)
        assert other.result()[0].content.endswith(DONE)
    (row,) = rows_of(server, response)
    assert (row["outcome"], row["state"], row["failure"]) == ("revoked", "settled", "policy_revoked")
    assert ask(server, key, "u").json()["error"]["code"] == "policy_denied"


def test_rules_about_hops_obligations_and_rules_in_trial_hold_on_the_wire(house, upstream):
    server, _ = house
    upstream.scripts |= {"u": [answer(ERROR, 503)], "v": [answer(OK)]}
    key = server.key(sensitivity="public", purpose="coding")
    assert ask(server, key, "uv").status_code == 503
    assert upstream.requests("v") == []

    warned = ask(server, key, "v")
    assert (warned.status_code, warned.headers["x-gateway-policy-warning"]) == (200, "no-coding")
    assert server.metrics()['gateway_policy_watched_total{rule="no-coding"}'] >= 1

    image = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    messages = [{"role": "user", "content": image}]
    assert ask(server, key, "v", messages=messages).json()["error"]["code"] == "unsupported_capability"
    bulk = server.key(sensitivity="public", purpose="bulk")
    assert ask(server, bulk, "v", messages=messages, max_tokens=500).status_code == 200
    sent = upstream.requests("v")[-1].json
    assert (sent["max_tokens"], sent["messages"][0]["content"][0]["type"]) == (20, "text")


def test_a_conversation_keeps_its_label(gateway, upstream, key):
    upstream.scripts["away"] = [answer(OK)]
    first = [{"role": "user", "content": "what do we know of the merger?"}]
    then = [*first, {"role": "assistant", "content": "a lot"}, {"role": "user", "content": "and now?"}]
    assert ask(gateway, key, "away", messages=then).status_code == 200
    raised = {"x-gateway-sensitivity": "confidential"}
    assert ask(gateway, key, "away", messages=first, headers=raised).status_code == 403
    assert ask(gateway, key, "away", messages=then).status_code == 403
    upstream.scripts["a"] = [answer(OK)]
    same, other = gateway.key(sensitivity="public"), gateway.key(sensitivity="public", team="other")
    assert ask(gateway, same, "a", messages=then).headers["x-gateway-sensitivity"] == "confidential"
    assert ask(gateway, other, "a", messages=then).headers["x-gateway-sensitivity"] == "public"


def test_a_provider_object_narrows_and_nobody_sees_it(gateway, upstream, key):
    for name in ("a", "b"):
        upstream.scripts[name] = [answer(OK)]
    served = ask(gateway, key, model="pair", provider={"only": ["b"]})
    assert (served.status_code, served.headers["x-gateway-backend"]) == (200, "b")
    assert "provider" not in upstream.seen[0].json
    refused = ask(gateway, key, model="pair", provider={"only": ["c"]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unsupported_capability")
    assert "provider.only" in refused.json()["error"]["message"]


def test_without_fallbacks_one_backend_is_asked(gateway, upstream, key):
    for name in ("a", "b"):
        upstream.scripts[name] = [answer({"error": {"message": "m"}}, status=503)]
    assert ask(gateway, key, model="pair", provider={"allow_fallbacks": False}).status_code == 503
    assert len(upstream.seen) == 1


@pytest.mark.parametrize(
    ("status", "code", "told"), [(401, "invalid_api_key", "false"), (402, "x", "false"), (503, "x", None)]
)
def test_a_client_is_told_when_trying_again_is_of_no_use(gateway, upstream, key, status, code, told):
    upstream.scripts["a"] = [answer({"error": {"message": "m", "code": code}}, status=status)]
    assert ask(gateway, key, model="a").headers.get("x-should-retry") == told
