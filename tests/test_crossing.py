"""Every surface in front of every kind of backend, through the running gateway: nothing is said, paid or recorded
otherwise for the way in which it was asked, and there is no other door."""

import json
import socket
import time
from collections import Counter

import openai
import pytest
from support import crossing
from support.crossing import (
    ARGUMENTS,
    BEGINNING,
    CACHED,
    COST_PICO_USD,
    KINDS,
    PATHS,
    READ,
    TEXT,
    TOOLS,
    WROTE,
    bearer,
    body_of,
    broken,
    error_of,
    failure_of,
    post,
    script_of,
    wire_of,
)
from support.server import backend, serving
from support.upstream import HANG, STREAM_END, STREAM_HEAD, answer, chunk, event

from gateway.core.catalog import CAPABILITIES
from gateway.http import paths

ALL_PATHS = {surface: "/v1" + path for path, surface in paths.PATHS.items()}
STREAMED = {False: "buffered", True: "streamed"}
CROSSINGS = [
    (surface, kind, streamed, calls)
    for surface in PATHS
    for kind in KINDS
    for streamed in (False, True)
    for calls in (False, True)
]


def ids(value: object) -> str:
    return value if isinstance(value, str) else {True: "yes", False: "no"}.get(value, "")


@pytest.fixture(scope="module")
def house(upstream, tmp_path_factory):
    """A gateway of its own, before every kind of backend."""
    rows = crossing.catalog(upstream, timeout={"connect": "1s", "first_byte": "2s", "idle": "2s", "total": "5s"})
    every = {"provider": "vllm", "capabilities": list(CAPABILITIES), "max_output": 1000, "price": crossing.PRICE}
    rows["every"] = backend(upstream.url("every"), **every)
    vendor = {"deployment": "vendor_api", "zone": "us-vendors", "trains_on_data": "never", "audience": "anyone"}
    rows["away"] = backend(upstream.url("away"), **every, **vendor)
    with serving(tmp_path_factory.mktemp("crossing"), rows) as server:
        yield server


@pytest.fixture(scope="module")
def house_key(house):
    return house.key(sensitivity="public")


@pytest.fixture
def scripts(upstream, house):
    house.ask_again(upstream.scripts)
    upstream.scripts.clear()
    upstream.seen.clear()
    return upstream.scripts


@pytest.fixture(scope="module")
def crossed(house, house_key, upstream):
    """What came of each crossing: the answer, what the backend was asked, and all rows and log lines at once."""
    got = {}
    for surface, kind, streamed, calls in CROSSINGS:
        wire = wire_of(kind, surface)
        upstream.seen.clear()
        upstream.scripts[kind] = script_of(wire, streamed=streamed, calls=calls)
        more = {"stream": True} if streamed else {}
        if surface == "chat" and streamed:
            more["stream_options"] = {"include_usage": True}
        told = post(house.base, PATHS[surface], body_of(surface, kind, tools=TOOLS[surface], **more), bearer(house_key))
        got[surface, kind, streamed, calls] = told, list(upstream.seen)
    rows = house.ledger()
    lines = [json.loads(line) for line in house.log.read_text().splitlines() if '"event":"request"' in line]
    return got, rows, Counter(line["request_id"] for line in lines)


@pytest.mark.parametrize(("surface", "kind", "streamed", "calls"), CROSSINGS, ids=ids)
def test_the_client_reads_the_same_whoever_answers(crossed, surface, kind, streamed, calls):
    told, _ = crossed[0][surface, kind, streamed, calls]
    assert told.status == 200, told.body
    got = crossing.read(surface, told, streamed=streamed)
    assert (got.text, got.calls) == (TEXT, [("look", ARGUMENTS)] if calls else [])
    assert got.finish == ("tool_calls" if calls else "stop")
    assert got.usage == (READ, CACHED, WROTE)


@pytest.mark.parametrize(("surface", "kind", "streamed", "calls"), CROSSINGS, ids=ids)
def test_it_is_asked_once_in_the_backends_own_words(crossed, surface, kind, streamed, calls):
    _, seen = crossed[0][surface, kind, streamed, calls]
    (one,) = seen
    path = one.head.split(b" ")[1].decode()
    model = KINDS[kind].get("model", kind)
    assert (
        path
        == f"/{kind}/v1"
        + {
            "chat": "/chat/completions",
            "messages": "/messages",
            "responses": "/responses",
            "gemini": f"/models/{model}:{'streamGenerateContent?alt=sse' if streamed else 'generateContent'}",
        }[wire_of(kind, surface)]
    )


@pytest.mark.parametrize(("surface", "kind", "streamed", "calls"), CROSSINGS, ids=ids)
def test_it_is_booked_the_same_and_recorded_once(crossed, surface, kind, streamed, calls):
    got, rows, lines = crossed
    told, _ = got[surface, kind, streamed, calls]
    (row,) = [row for row in rows if row["request_id"] == told.id]
    buckets = {name: row[name] for name in ("input_uncached", "cache_read", "cache_write", "output", "reasoning")}
    assert buckets == {
        "input_uncached": READ - CACHED,
        "cache_read": CACHED,
        "cache_write": 0,
        "output": WROTE,
        "reasoning": 0,
    }
    assert (row["cost_pico_usd"], row["usage_source"], row["state"]) == (COST_PICO_USD, "reported", "settled")
    assert (row["outcome"], row["backend"]) == ("complete", kind)
    assert lines[told.id] == 1
    expected = {
        "x-gateway-decision": row["decision_id"],
        "x-gateway-backend": kind,
        "x-gateway-model": KINDS[kind].get("model", kind),
        "x-gateway-sensitivity": "public",
        "x-gateway-attempts": "1",
    }
    if not streamed:
        expected |= {"x-gateway-cost-usd": f"{COST_PICO_USD / 1e12:.6f}", "x-upstream-request-id": "theirs"}
    assert {name: told.headers.get(name) for name in expected} == expected
    assert "x-gateway-dropped" not in told.headers
    if surface == "messages":
        assert told.headers["request-id"] == told.id


@pytest.mark.parametrize("kind", KINDS)
def test_the_official_sdk_streams_and_parses(house, house_key, scripts, kind):
    client = crossing.sdk(house.base, house_key)
    scripts[kind] = script_of(wire_of(kind, "chat"), streamed=True, calls=True)
    with client.chat.completions.stream(model=kind, messages=[{"role": "user", "content": "hi"}]) as stream:
        choice = stream.get_final_completion().choices[0]
    assert (choice.message.content, choice.message.tool_calls[0].function.name) == (TEXT, "look")
    scripts[kind] = script_of(wire_of(kind, "responses"), streamed=True, calls=True)
    with client.responses.stream(model=kind, input="hi") as stream:
        response = stream.get_final_response()
    assert (response.output_text, response.output[-1].name) == (TEXT, "look")


# -- operations that are not translated -------------------------------------------------------------------------------

OTHERS = ("completions", "embeddings", "moderations", "images", "rerank")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", OTHERS)
def test_an_operation_that_a_backend_lacks_is_refused_before_anything_is_sent(
    house, house_key, scripts, upstream, surface, kind
):
    told = post(house.base, ALL_PATHS[surface], body_of(surface, kind), bearer(house_key))
    assert told.status == 400
    assert surface in error_of(surface, told)[1]
    assert upstream.seen == []


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"claude-messages"}))
def test_tokens_are_counted_here_where_no_backend_counts(house, house_key, scripts, upstream, kind):
    told = post(house.base, ALL_PATHS["count_tokens"], body_of("count_tokens", kind), bearer(house_key))
    assert told.status == 200
    assert 1 <= told.json["input_tokens"] < 50
    assert told.headers["x-gateway-backend"] == kind
    assert upstream.seen == []


def test_a_backend_that_counts_is_asked_and_nothing_is_owed(house, house_key, scripts, upstream):
    scripts["every"] = [answer({"input_tokens": 9})]
    told = post(house.base, ALL_PATHS["count_tokens"], body_of("count_tokens", "every"), bearer(house_key))
    assert (told.status, told.json) == (200, {"input_tokens": 9})
    assert upstream.seen[0].head.startswith(b"POST /every/v1/messages/count_tokens ")
    (row,) = [row for row in house.ledger() if row["request_id"] == told.id]
    assert (row["cost_pico_usd"], row["state"]) == (0, "settled")


# -- errors -----------------------------------------------------------------------------------------------------------

WRONG = {
    "chat": {"messages": "x"},
    "messages": {"messages": "x"},
    "count_tokens": {"messages": "x"},
    "responses": {"input": 7},
    "completions": {"prompt": {}},
    "embeddings": {"input": {}},
    "moderations": {"input": 1},
    "images": {"prompt": []},
    "rerank": {"query": {}},
}
ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
}


def check_error(surface: str, told: crossing.Told, status: int, code: str) -> None:
    kind, _ = error_of(surface, told)
    assert told.status == status, told.body
    if surface in ("messages", "count_tokens"):
        assert kind == ANTHROPIC[status]
    else:
        assert told.json["error"]["code"] == code


@pytest.fixture(scope="module")
def poor(house):
    """A key that can pay for nothing, and one that has asked as often as it may for now."""
    penniless = house.key(app="poor", sensitivity="public", **{"budget-usd": "0.0000001"})
    hasty = house.key(app="hasty", sensitivity="public", rpm="1")
    time.sleep(1.1)  # a running server follows within a second
    return penniless, hasty


@pytest.mark.parametrize("surface", ALL_PATHS)
def test_no_money_and_no_patience(house, poor, scripts, upstream, surface):
    def ask(key: str) -> crossing.Told:
        return post(house.base, ALL_PATHS[surface], body_of(surface, "every"), bearer(key))

    penniless, hasty = poor
    scripts["every"] = [answer({"input_tokens": 9})]
    broke = ask(penniless)
    if surface == "count_tokens":
        assert broke.status == 200  # it costs nothing
    else:
        check_error(surface, broke, 402, "budget_exceeded")
        assert int(broke.headers["retry-after"]) > 0
        assert upstream.seen == []
    ask(hasty)
    soon = ask(hasty)
    check_error(surface, soon, 429, "rate_limit_exceeded")
    assert 0 < int(soon.headers["retry-after"]) <= 60


FAILURES = {
    "chat": {"error": {"message": "their words", "type": "t", "param": None, "code": "c"}},
    "responses": {"error": {"message": "their words", "type": "t", "param": None, "code": "c"}},
    "messages": {"type": "error", "error": {"type": "x_error", "message": "their words"}},
    "gemini": {"error": {"code": 400, "message": "their words", "status": "INVALID_ARGUMENT"}},
}


@pytest.mark.parametrize("streamed", [False, True], ids=ids)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", PATHS)
def test_a_backends_own_errors_keep_status_words_and_retry_after(
    house, house_key, scripts, upstream, surface, kind, streamed
):
    failure = FAILURES[wire_of(kind, surface)]
    for status, told_status in ((429, 429), (500, 502), (400, 400)):
        scripts[kind] = [answer(failure, status, retry_after="7")]
        body = body_of(surface, kind, **({"stream": True} if streamed else {}))
        told = post(house.base, PATHS[surface], body, bearer(house_key))
        type, message = error_of(surface, told)
        assert told.status in (told_status, status)
        if status == 429:
            assert told.headers["retry-after"] == "7"
            assert surface != "messages" or type == "rate_limit_error"
        if status == 400:
            assert "their words" in message
        assert told.headers["x-gateway-attempts"] == "1"


@pytest.mark.parametrize("surface", OTHERS)
def test_errors_of_operations_that_are_not_translated_pass(house, house_key, scripts, surface):
    scripts["every"] = [answer(FAILURES["chat"], 429, retry_after="7")]
    told = post(house.base, ALL_PATHS[surface], body_of(surface, "every"), bearer(house_key))
    assert (told.status, told.headers["retry-after"]) == (429, "7")
    assert "their words" in error_of(surface, told)[1]


IN_STREAM = {
    "chat": event({"error": {"message": "their words", "type": "server_error", "code": "c"}}),
    "gemini": event({"error": {"code": 503, "message": "their words", "status": "UNAVAILABLE"}}),
    "messages": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"their words"}}\n\n',
    "responses": b'event: error\ndata: {"type":"error","sequence_number":9,"code":"server_error","message":"their words","param":null}\n\n',
}
BREAKS = ("reset", "cut", "garbage", "told")


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", PATHS)
def test_a_stream_that_breaks_says_so_in_the_clients_own_events(house, house_key, scripts, surface, kind, how):
    wire = wire_of(kind, surface)
    script = broken(wire)
    if how != "reset":
        last = {"cut": [], "garbage": [chunk(b"data: {nonsense\n\n")], "told": [chunk(IN_STREAM[wire])]}[how]
        script = [*script[:-1], *last, STREAM_END]
    scripts[kind] = script
    told = post(house.base, PATHS[surface], body_of(surface, kind, stream=True), bearer(house_key))
    assert told.status == 200
    assert failure_of(surface, told.body)["message"]
    crossing.official(surface, told.body)
    assert BEGINNING in "".join(map(str, crossing.data_of(told.body)))
    if surface == "chat":
        client = crossing.sdk(house.base, house_key)
        with pytest.raises(openai.APIError):
            list(client.chat.completions.create(**body_of("chat", kind), stream=True))


def test_a_broken_legacy_completion_never_looks_finished(house, house_key, scripts):
    piece = event({"object": "text_completion", "choices": [{"index": 0, "text": "a", "finish_reason": None}]})
    scripts["every"] = [STREAM_HEAD, chunk(piece), STREAM_END]
    told = post(house.base, ALL_PATHS["completions"], body_of("completions", "every", stream=True), bearer(house_key))
    assert failure_of("completions", told.body)["message"]


def test_broken_streams_are_booked_as_estimates(house):
    rows = [row for row in house.ledger() if row["outcome"] == "truncated"]
    assert {row["backend"] for row in rows} >= set(KINDS)
    assert all(row["cost_pico_usd"] > 0 for row in rows)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", PATHS)
def test_a_client_that_leaves_ends_the_call_whichever_way_it_asked(house, house_key, scripts, upstream, surface, kind):
    scripts[kind] = broken(wire_of(kind, surface), HANG)
    body = json.dumps(body_of(surface, kind, stream=True)).encode()
    head = f"POST {PATHS[surface]} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {house_key}\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", house.port), 5) as client:
        client.sendall(head.encode() + body)
        while BEGINNING.encode() not in (got := client.recv(65536)) and got:
            pass
    assert upstream.requests(kind)[0].gone.wait(2)


def test_those_that_left_are_booked(house):
    rows = [row for row in house.ledger() if row["outcome"] == "client_gone"]
    assert Counter(row["backend"] for row in rows) == dict.fromkeys(KINDS, len(PATHS))
    assert all((row["state"], row["cost_pico_usd"] > 0) == ("settled", True) for row in rows)
