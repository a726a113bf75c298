"""Connections, with a client at the other end."""

import asyncio

from support.listening import GET, Listening


async def test_an_idle_connection_is_closed_and_each_answer_begins_the_wait_anew():
    async with Listening(keep_alive=0.3) as served:
        loop = asyncio.get_running_loop()
        for _ in range(4):
            await served.ask()
            await asyncio.sleep(0.15)  # together longer than it may be idle
        last = loop.time()
        await served.ask()
        assert await asyncio.wait_for(served.reader.read(), 5) == b""
        assert loop.time() - last >= 0.29


async def test_a_connection_with_a_request_under_way_is_not_idle():
    async with Listening(keep_alive=0.1) as served:
        await served.ask()
        served.answers.clear()
        served.writer.write(GET)
        await asyncio.sleep(0.3)
        served.answers.set()
        await served.reader.readuntil(b"ok")
        served.writer.write(GET[:10])  # nor is one with half a head
        await asyncio.sleep(0.3)
        await served.ask(GET[10:])
        assert await asyncio.wait_for(served.reader.read(), 5) == b""


async def test_a_connection_that_is_gone_leaves_no_timer():
    async with Listening(keep_alive=60) as served:
        await served.ask()
        (connection,) = served.connections
        timer = connection.timeout_keep_alive_task
        assert not timer.cancelled()
        served.writer.close()
        await asyncio.sleep(0.1)
        assert timer.cancelled()


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
