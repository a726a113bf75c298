"""Clients that send slowly, or read slowly, or do nothing: given up in time, at no cost to the others."""

import asyncio
import json
import os
import socket
import time

import httpx2
import pytest
from support.listening import GET, Listening, post
from support.server import backend, serving
from support.upstream import HANG, OK, STREAM_HEAD, answer, chunk, delta

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
SLOW = 500 if FULL else 100
BOUND = 0.6
"""How late a deadline of a second may be kept in these tests: it is looked at four times a second."""


async def ended(reader: asyncio.StreamReader, started: float) -> tuple[bytes, float]:
    try:
        got = await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:  # closed while we wrote
        got = b""
    return got, asyncio.get_running_loop().time() - started


@pytest.mark.assures("threat D2", "fault 22")
@pytest.mark.parametrize(
    ("sent", "every", "part"),
    [
        (b"", b"", None),
        (b"\r\n", b"\r\n", None),
        (b"P", b"", b"head"),
        (b"POST / HTTP/1.1\r\nhost: h\r\n", b"x: y\r\n", b"head"),
        (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100000\r\n\r\n", b"y", b"body"),
        (b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\ny\r\n", b"body"),
        (
            b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n",
            b"1;" + b"z" * 99 + b"\r\ny\r\n",
            b"body",
        ),
    ],
    ids=[
        "nothing",
        "empty lines",
        "a letter",
        "a header at a time",
        "a byte at a time",
        "a chunk at a time",
        "extensions",
    ],
)
async def test_who_sends_too_slowly_is_told_and_closed(sent, every, part, showed):
    async with Listening(head_seconds=1, body_seconds=1) as served:
        started = asyncio.get_running_loop().time()
        reader, writer = await served.connect()

        async def drip():
            writer.write(sent)
            while True:
                await asyncio.sleep(0.1)
                writer.write(every)

        dripping = asyncio.create_task(drip())
        got, took = await ended(reader, started)
        dripping.cancel()
        writer.close()
        assert 0.9 < took < 1 + BOUND
        if part is None:
            assert got == b""
        else:
            assert got.startswith(b"HTTP/1.1 408 ")
            assert part in json.loads(got.partition(b"\r\n\r\n")[2])["error"]["message"].encode()
            assert served.shed == {"slow": 1}
        assert served.served == []
    showed("7 kinds of slow senders, deadlines of 1 s", "each told 408 (or closed) within 1.6 s, nothing served")


async def test_the_next_request_has_its_time_anew_and_a_slow_answer_is_nobody_s_fault():
    async with Listening(head_seconds=0.5, body_seconds=0.5) as served:
        await served.ask()
        await asyncio.sleep(1)  # idle is not slow
        served.answers.clear()
        served.writer.write(GET + GET[:8])  # half a head behind a request that is being answered
        await asyncio.sleep(1.2)
        served.answers.set()
        await served.reader.readuntil(b"ok")
        await served.ask(GET[8:])
        assert served.shed == {}
        served.writer.write(GET[:8])
        assert (await asyncio.wait_for(served.reader.read(), 5)).startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_keeps_its_pace_may_take_long():
    async with Listening(body_seconds=0.5) as served:
        body = b"y" * 10_000
        whole = post(body)
        head, rest = whole[: -len(body)], whole[-len(body) :]
        served.writer.write(head)
        for at in range(0, len(rest), 500):
            served.writer.write(rest[at : at + 500])
            await asyncio.sleep(0.1)
        await served.ask(b"")
        assert (served.served[0][2], served.shed) == (body, {})


@pytest.mark.assures("threat D2", "fault 22")
async def test_who_does_not_take_its_answer_is_dropped(showed):
    async with Listening(answer=b"z" * 20_000_000, stall_seconds=1) as served:
        loop = asyncio.get_running_loop()
        slow = []
        for _ in range(20):
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.setblocking(False)
            await loop.sock_connect(one, served.address)
            await loop.sock_sendall(one, GET)
            slow.append(one)
        started = loop.time()
        while len(served.state.connections) > 1 and loop.time() - started < 10:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        took = loop.time() - started
        for one in slow:
            one.close()
        assert len(served.state.connections) == 1
        assert 0.9 < took < 4
        assert served.shed == {"slow": 20}
    showed("20 clients that read nothing of 20 MB, stall limit 1 s", "dropped, their buffers freed")


@pytest.mark.parametrize("more", [b"", b"connection: close\r\n"], ids=["kept", "closed"])
async def test_who_takes_its_answer_steadily_gets_all_of_it(more):
    async with Listening(answer=b"z" * 8_000_000, stall_seconds=0.5) as served:
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        one.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(one, served.address)
        await loop.sock_sendall(one, GET[:-2] + more + b"\r\n")
        got, started = 0, loop.time()
        with one:
            while got < 8_000_000 and (part := await loop.sock_recv(one, 50_000)):
                got += len(part)
                await asyncio.sleep(0.01)
        assert (got > 8_000_000, served.shed) == (True, {})
        assert loop.time() - started > 1  # longer than one may take nothing


async def test_a_connection_that_was_turned_away_does_not_stay():
    async with Listening() as served:
        reader, writer = await served.connect()
        writer.write(b"nonsense\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        for _ in range(60):  # and it goes on sending
            writer.write(b"x" * 1000)
            await asyncio.sleep(0.05)
            if len(served.state.connections) == 1:
                break
        assert len(served.state.connections) == 1
        writer.close()


@pytest.mark.assures("fault 22")
async def test_bytes_come_one_by_one_and_nothing_is_lost(showed):
    async with Listening() as served:
        bodies = [json.dumps({"n": n}).encode() for n in range(20)]
        served.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for body in bodies:
            for at in range(len(whole := post(body))):
                served.writer.write(whole[at : at + 1])
                await asyncio.sleep(0)
            await served.reader.readuntil(b"\r\n\r\nok")
        assert [body for _, _, body in served.served] == bodies
    showed("20 requests, each byte by itself", "each served as it was sent")


@pytest.mark.timeout(300)
@pytest.mark.assures("threat D2")
def test_hundreds_of_slow_clients_do_not_make_others_late(tmp_path, upstream, showed):
    """Half of them never end their request, half take nothing of their streams."""
    big = chunk(delta("x" * 60_000))
    upstream.scripts.update(a=[answer(OK)], small=[STREAM_HEAD, *[big] * 30, HANG])
    body = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}

    catalog = {name: backend(upstream.url(name)) for name in ("a", "small")}

    def p99(client: httpx2.Client, amount: int = 200) -> float:
        took = []
        for _ in range(amount):
            started = time.monotonic()
            assert client.post(f"{gateway.base}/v1/chat/completions", json=body).status_code == 200
            took.append(time.monotonic() - started)
        return sorted(took)[int(amount * 0.99)]

    with serving(tmp_path, catalog) as gateway, httpx2.Client(timeout=20) as client:
        key = gateway.key(sensitivity="public")
        client.headers["authorization"] = f"Bearer {key}"
        before = p99(client)
        asked = json.dumps({**body, "model": "small", "stream": True}).encode()
        line = f"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\n".encode()
        slow = []
        for n in range(SLOW):
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect(("127.0.0.1", gateway.port))
            one.sendall(line + (b"x-more" if n % 2 else b"content-length: %d\r\n\r\n" % len(asked) + asked))
            slow.append(one)
        time.sleep(7)  # by then the streams have filled what there is to fill: until then they are load like any other
        after = p99(client)
        deadline = time.monotonic() + 12
        assert gateway.metrics()["gateway_inflight_requests"] >= SLOW // 2
        for one in slow[1::2]:  # given up after ten seconds
            one.settimeout(max(0.1, deadline - time.monotonic()))
            assert one.recv(1000).startswith(b"HTTP/1.1 408 ")
        for one in slow:
            one.close()
        for _ in range(100):
            if gateway.metrics()["gateway_inflight_requests"] == 0:
                break
            time.sleep(0.1)
        assert gateway.metrics()["gateway_inflight_requests"] == 0
        streams = [row for row in gateway.ledger() if row["backend"] == "small"]
        assert [row["state"] for row in streams] == ["settled"] * (SLOW // 2)
    assert after < 2 * max(before, 0.02)
    showed(
        f"{SLOW} slow clients beside normal load",
        f"p99 of the others x{after / before:.1f}, 408 after 10 s, all settled",
    )
