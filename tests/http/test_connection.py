"""Connections, with a client at the other end."""

import asyncio
import json

import pytest
from support.listening import GET, Listening, post


async def test_requests_that_wait_behind_each_other_are_answered_in_turn():
    async with Listening(keep_alive=60) as served:
        served.writer.write(GET * 3)
        for _ in range(3):
            await served.reader.readuntil(b"\r\n\r\nok")


async def test_a_body_that_is_all_there_needs_not_be_received():
    async with Listening(keep_alive=60) as served:
        head = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n"
        await served.ask(head + b"abc")
        served.writer.write(head + b"a")
        await asyncio.sleep(0.1)
        await served.ask(b"bc")
        assert served.first == [b"abc", None]


async def test_a_trailer_is_no_header():
    async with Listening() as served:
        head = b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"
        await served.ask(head + b"2\r\nhi\r\n0\r\nauthorization: Bearer x\r\n\r\n")
        ((_, headers, body),) = served.served
        assert (body, [name for name, _ in headers]) == (b"hi", [b"host", b"transfer-encoding"])


async def test_few_requests_wait_behind_one_and_those_before_are_answered():
    async with Listening() as served:
        served.answers.clear()
        reader, writer = await served.connect()
        writer.write(GET * 5000)
        await asyncio.sleep(0.3)
        assert max(len(each.pipeline) for each in served.connections) == 16
        served.answers.set()
        got = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert (got.count(b"HTTP/1.1 200 "), got.count(b"HTTP/1.1 503 "), served.shed) == (17, 1, {"inflight": 1})
        assert got.index(b"HTTP/1.1 503 ") > got.rindex(b"HTTP/1.1 200 ")


async def test_a_call_that_waits_behind_another_request_counts_when_its_turn_comes():
    async with Listening(requests=1) as served:
        served.writer.write(post(b"abc")[:-1])  # takes the only room
        await asyncio.sleep(0.1)
        got = await served.told(GET + post(b"b") + GET)
        assert [line[:3] for line in got.split(b"HTTP/1.1 ")[1:]] == [b"200", b"503"]
        assert served.shed == {"inflight": 1}


async def test_who_hangs_up_is_seen_although_the_one_before_has_not_ended():
    async with Listening(lingers=0.2) as served:
        await served.ask()
        served.answers.clear()
        served.writer.write(GET)
        await asyncio.sleep(0.4)  # the first one has ended by now
        served.writer.close()
        await asyncio.sleep(0.2)
        assert served.cancelled == 1


async def test_who_hangs_up_with_more_behind_is_no_error(caplog):
    async with Listening() as served:
        _, writer = await served.connect()
        served.answers.clear()
        writer.write(GET * 3)
        await asyncio.sleep(0.1)
        writer.close()
        await asyncio.sleep(0.2)
        assert (served.cancelled, len(served.state.tasks), caplog.records) == (1, 0, [])


async def test_bodies_of_one_size_after_each_other_are_all_read():
    async with Listening() as served:
        whole = post(b"y" * 600_000)
        for _ in range(4):
            for at in range(0, len(whole), 250_000):
                served.writer.write(whole[at : at + 250_000])
                await asyncio.sleep(0.02)
            await served.ask(b"")
        assert [len(body) for _, _, body in served.served] == [600_000] * 4


async def test_trailers_are_bounded():
    async with Listening() as served:
        reader, writer = await served.connect()
        body = b"x" * 1_000_000
        writer.write(
            b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nx: " % (len(body), body)
        )
        await asyncio.sleep(0.3)
        sent = 0
        while sent < 3_000_000 and not served.connections[-1]._left:
            writer.write(b"y" * 20_000)
            sent += 20_000
            await asyncio.sleep(0.01)
        assert sent < 300_000
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(b"HTTP/1.1 400 ")
        writer.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (post(b"", path=b"/v1/messages"), b"503"),
        (post(b"", b"anthropic-version: 2023-06-01"), b"503"),
        (b"POST /v1/messages HTTP/1.1\r\nhost: h\r\nx-a: " + b"y" * 40_000 + b"\r\n\r\n", b"431"),
        (b"POST /v1/messages HTTP/1.1\r\nhost: h\r\nhost: h\r\n\r\n", b"400"),
        (post(b"abc", path=b"/v1/messages")[:-1], b"408"),
        (post(), b"503"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
async def test_what_is_refused_unseen_is_in_the_clients_own_envelope(sent, status):
    async with Listening(requests=1, body_seconds=0.3, head_seconds=0.3) as served:
        if status == b"503":
            served.intake.requests = 0
            sent = sent.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
        got = await served.told(sent)
        assert got[9:12] == status
        envelope = json.loads(got.partition(b"\r\n\r\n")[2])
        assert (envelope.get("type") == "error") == (b"messages" in sent or b"anthropic" in sent)


async def test_a_wish_for_http_2_does_not_hide_what_follows():
    h2c = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMA"
    async with Listening() as served:
        await served.ask(post(b"abc", h2c))
        await served.ask(post(b"def", h2c, b"x-a: b"))
        assert [body for _, _, body in served.served] == [b"abc", b"def"]
        assert [name for name, _ in served.served[1][1]] == [b"host", b"content-length", b"x-a"]
        got = await served.told(post(b"ghi", h2c, b"connection: close"))
        assert got.startswith(b"HTTP/1.1 200 ")
        assert served.served[-1][2] == b"ghi"
