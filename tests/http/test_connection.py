"""Connections, with a client at the other end."""

import asyncio

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
