"""More than the process can do: the excess is told so at once, and the rest is served as before."""

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from support import crossing
from support.listening import GET, Listening, post
from support.server import backend, serving
from support.upstream import OK, Upstream, answer

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
SECONDS = 300 if FULL else 3


async def test_calls_beyond_the_limit_are_told_before_their_body_is_read():
    async with Listening(requests=1) as served:
        served.answers.clear()
        served.writer.write(post(b"first"))
        await asyncio.sleep(0.1)
        reader, writer = await served.connect()
        writer.write(post(b"x" * 1000)[:-1000])
        told = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in told
        assert b"x-request-id: req-" in told
        assert json.loads(await reader.readuntil(b"}}"))["error"]["code"] == "gateway_overloaded"
        writer.write(b"x" * 1000 + post(b"y"))  # the connection goes on
        assert (await reader.readuntil(b"}}")).startswith(b"HTTP/1.1 503 ")
        writer.write(GET)  # as do health and readiness
        served.answers.set()
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
        writer.write(post(b"z"))
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
        writer.close()
        assert [body for _, _, body in served.served] == [b"first", b"", b"z"]
        assert served.shed == {"inflight": 2}


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100000000\r\n\r\n" + b"x" * 100_000,
        b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n",
        b"POST / HTTP/1.0\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello",
        post(b"hello", b"connection: close"),
        post(b"hello", b"connection: close") + post(b"hidden"),
    ],
)
async def test_a_call_that_is_turned_away_ends_its_connection_where_its_body_is_not_worth_reading(sent):
    async with Listening(requests=0) as served:
        told = await served.told(sent)
        assert told.count(b"HTTP/1.1 ") == 1
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"connection: close\r\n" in told
        assert served.served == []


async def ask(port: int, key: str, tally: dict[int, list[float]], *, rate: float | None, until: float) -> None:
    """Asks over one connection, as fast as it goes, or at a rate that does not wait for answers that are late."""
    body = json.dumps({"model": "a", "messages": [{"role": "user", "content": "hi"}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\n".encode()
    sent = head + b"content-length: %d\r\n\r\n" % len(body) + body
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = time.monotonic()
    while time.monotonic() < until:
        if rate is not None:
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        started = time.monotonic()
        writer.write(sent)
        told = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in told.split(b"\r\n")[1:] if b": " in line)
        await reader.readexactly(int(fields[b"content-length"]))
        status = int(told[9:12])
        assert status == 200 or fields[b"retry-after"] == b"1"
        tally.setdefault(status, []).append(time.monotonic() - started)
    writer.close()


@pytest.mark.timeout(SECONDS * 3 + 120)
@pytest.mark.assures("fault 2")
def test_three_times_too_much_is_answered_at_once_and_what_can_be_served_is(tmp_path, showed):
    upstream = Upstream()
    upstream.scripts["a"] = [answer(OK)]
    try:
        with serving(tmp_path, {"a": backend(upstream.url("a"))}, GATEWAY_MAX_INFLIGHT="40") as server:
            key = server.key(sensitivity="public")

            async def load(connections: int) -> dict[int, list[float]]:
                tally: dict[int, list[float]] = {}
                until = time.monotonic() + SECONDS
                many = [ask(server.port, key, tally, rate=None, until=until) for _ in range(connections)]
                health = asyncio.create_task(_health(server.port, until))
                await asyncio.gather(*many)
                await health
                return tally

            peak = asyncio.run(load(32))
            over = asyncio.run(load(96))
            counted = server.metrics()
            shed = sum(counted[f'gateway_shed_total{{reason="{reason}"}}'] for reason in ("inflight", "delay"))
    finally:
        upstream.stop()
    assert set(peak) == {200}
    assert set(over) == {200, 503}
    assert shed == len(over[503])
    p50 = sorted(over[503])[len(over[503]) // 2]
    assert p50 < sorted(peak[200])[len(peak[200]) // 2] * 2  # no longer than being served takes
    showed(
        f"{96} busy connections where 40 are served at once, {SECONDS} s",
        f"{len(over[200]) / len(peak[200]):.0%} of what is served alone, though clients ask again at once; 503 in"
        f" {p50 * 1000:.0f} ms",
    )


async def _health(port: int, until: float) -> None:
    while time.monotonic() < until:
        for path in (b"/healthz", b"/readyz"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET %b HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n" % path)
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
            writer.close()
        await asyncio.sleep(0.2)


LARGE_BYTES = 8_000_000


@pytest.mark.assures("fault 2")
def test_many_large_bodies_at_once_are_turned_away_before_memory_is(tmp_path, showed):
    upstream = Upstream()
    upstream.scripts["a"] = [2.0, answer(OK)]
    body = json.dumps({"model": "a", "messages": [{"role": "user", "content": "word " * (LARGE_BYTES // 5)}]}).encode()
    small = json.dumps({"model": "a", "messages": [{"role": "user", "content": "hi"}]}).encode()
    try:
        row = backend(upstream.url("a"), context=2**31)
        with serving(tmp_path, {"a": row}, GATEWAY_MAX_BODIES_BYTES=str(8 * LARGE_BYTES)) as server:
            keys = [server.key(sensitivity="public", team=team) for team in ("s", "t")]

            def ask(at: int, sent: bytes = body) -> crossing.Told:
                return crossing.post(server.base, "/v1/chat/completions", sent, crossing.bearer(keys[at % 2]))

            assert ask(0).status == 200  # one by itself, and the process that reads it is there
            process = psutil.Process(server.process.pid)
            before, peak, asked = process.memory_info().rss, 0, 24
            with ThreadPoolExecutor(asked + 2) as apart:
                told = [apart.submit(ask, at) for at in range(asked)]
                others = [apart.submit(ask, at, small) for at in range(2)]
                while not all(each.done() for each in told):
                    peak = max(peak, process.memory_info().rss)
                    time.sleep(0.01)
            statuses = [each.result().status for each in told]
            turned_away = [each.result() for each in told if each.result().status != 200]
            assert [each.result().status for each in others] == [200, 200]
            assert ask(0).status == ask(1).status == 200  # what was held is free again
    finally:
        upstream.stop()
    assert 1 <= statuses.count(200) <= 8
    assert {(each.status, each.json["error"]["code"], each.headers["retry-after"]) for each in turned_away} == {
        (503, "gateway_overloaded", "2")
    }
    grown = max(0, peak - before)
    assert grown < 8 * LARGE_BYTES * 5, grown
    showed(
        f"{asked} bodies of 8 MB at once, where there is room for 8",
        f"{statuses.count(200)} served, the others 503 with `Retry-After`; memory grows by {grown / 1e6:.0f} MB",
    )


def test_many_large_answers_at_once_are_given_up_before_memory_is(tmp_path):
    upstream = Upstream()
    message = {"role": "assistant", "content": "x" * LARGE_BYTES}
    large = answer({**OK, "choices": [{**OK["choices"][0], "message": message}]})
    upstream.scripts["a"] = [large[: LARGE_BYTES // 2], 1.0, large[LARGE_BYTES // 2 :]]
    body = json.dumps({"model": "a", "messages": [{"role": "user", "content": "hi"}]}).encode()
    try:
        with serving(tmp_path, {"a": backend(upstream.url("a"))}, GATEWAY_MAX_BODIES_BYTES=str(LARGE_BYTES)) as server:
            key = server.key(sensitivity="public")

            def ask(_: int = 0) -> crossing.Told:
                return crossing.post(server.base, "/v1/chat/completions", body, crossing.bearer(key))

            with ThreadPoolExecutor(4) as apart:
                told = list(apart.map(ask, range(4)))
            assert ask().status == 200  # what was held is free again
            states = sorted(row["state"] for row in server.ledger())
    finally:
        upstream.stop()
    turned_away = [each for each in told if each.status != 200]
    assert turned_away
    assert {(each.status, each.json["error"]["code"], each.headers["retry-after"]) for each in turned_away} == {
        (503, "gateway_overloaded", "2")
    }
    assert {each.headers["x-should-retry"] for each in turned_away} == {"false"}  # it would be paid again
    assert states.count("uncertain") == len(turned_away)  # each may be on the bill
