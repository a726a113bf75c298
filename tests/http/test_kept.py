"""Connections that are kept, and for how long. Who takes nothing: tests/threats/test_slow_clients.py."""

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


async def test_a_body_that_ends_after_its_answer_begins_the_wait():
    async with Listening(keep_alive=0.2, early=True) as served:
        await served.ask(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n")
        served.writer.write(b"abc")
        assert await asyncio.wait_for(served.reader.read(), 3) == b""
