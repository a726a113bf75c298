"""Answers written straight to a connection."""

import asyncio
from types import SimpleNamespace

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from gateway.http.connection import SCOPE_KEY, Connection, ConnectionReply


class Wire:
    """Stands for uvicorn's connection: keeps what is written."""

    def __init__(self, *, keep_alive: bool = True) -> None:
        self.written = b""
        self.closed = self.responded = False
        self.transport = SimpleNamespace(write=self._write, close=self._close)
        self.cycle = SimpleNamespace(
            response_started=False,
            response_complete=False,
            disconnected=False,
            keep_alive=keep_alive,
            default_headers=[(b"date", b"now")],
            flow=SimpleNamespace(write_paused=False, resume_reading=lambda: None),
            message_event=SimpleNamespace(set=lambda: None),
            on_response=self._responded,
        )

    def _write(self, data: bytes) -> None:
        self.written += data

    def _close(self) -> None:
        self.closed = True

    def _responded(self) -> None:
        self.responded = True


async def test_a_body_of_known_length_goes_out_with_its_head():
    wire = Wire()
    reply = ConnectionReply(wire)
    await reply.start(200, [(b"content-length", b"2")])
    assert wire.written == b""
    await reply.end(b"ok")
    assert wire.written == b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 2\r\n\r\nok"
    assert (wire.responded, wire.closed) == (True, False)


async def test_a_stream_goes_out_in_chunks():
    wire = Wire()
    reply = ConnectionReply(wire)
    await reply.start(200, [])
    assert wire.written.endswith(b"transfer-encoding: chunked\r\n\r\n")
    wire.written = b""
    reply.write(b"")
    reply.write(b"0123456789abcdef!")
    await reply.end(b"z")
    assert wire.written == b"11\r\n0123456789abcdef!\r\n1\r\nz\r\n0\r\n\r\n"


async def test_no_text_of_others_ends_a_header():
    wire = Wire()
    reply = ConnectionReply(wire)
    await reply.start(200, [(b"x-model", b"a\r\nset-cookie: b"), (b"content-length", b"0")])
    await reply.end()
    assert b"x-model: a  set-cookie: b\r\n" in wire.written


@pytest.mark.parametrize("status", [200, 499, 529])
async def test_any_status_has_a_line(status):
    wire = Wire(keep_alive=False)
    reply = ConnectionReply(wire)
    await reply.start(status, [(b"content-length", b"0")])
    await reply.end()
    assert wire.written.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close\r\n" in wire.written
    assert wire.closed


async def test_an_answer_begins_once():
    reply = ConnectionReply(Wire())
    await reply.start(200, [])
    with pytest.raises(RuntimeError):
        await reply.start(200, [])


async def test_nothing_is_written_to_a_client_that_is_gone():
    wire = Wire()
    wire.cycle.disconnected = True
    reply = ConnectionReply(wire)
    await reply.start(200, [])
    await reply.end(b"x")
    assert (wire.written, wire.responded) == (b"", False)


GET = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"


class Served:
    """A connection with a client at its other end; requests are answered when `answers` is set, with their bodies."""

    def __init__(self, keep_alive):
        self.answers = asyncio.Event()
        self.answers.set()
        self.bodies = []
        self.config = Config(
            self._app, interface="asgi3", proxy_headers=False, log_config=None, timeout_keep_alive=keep_alive
        )
        self.config.load()
        self.connections = []

    async def _app(self, scope, receive, send):
        self.bodies.append(scope[SCOPE_KEY].body)
        await self.answers.wait()
        await scope[SCOPE_KEY].start(200, [(b"content-length", b"2")])
        await scope[SCOPE_KEY].end(b"ok")

    def _connection(self):
        self.connections.append(Connection(self.config, ServerState(), {}))
        return self.connections[-1]

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(self._connection, "127.0.0.1", 0)
        self.reader, self.writer = await asyncio.open_connection(*self.server.sockets[0].getsockname())
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        self.server.close()
        await self.server.wait_closed()

    async def ask(self, request=GET):
        self.writer.write(request)
        assert (await self.reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")


async def test_an_idle_connection_is_closed_and_each_answer_begins_the_wait_anew():
    async with Served(keep_alive=0.3) as served:
        loop = asyncio.get_running_loop()
        for _ in range(4):
            await served.ask()
            await asyncio.sleep(0.15)  # together longer than it may be idle
        last = loop.time()
        await served.ask()
        assert await asyncio.wait_for(served.reader.read(), 5) == b""
        assert loop.time() - last >= 0.29


async def test_a_connection_with_a_request_under_way_is_not_idle():
    async with Served(keep_alive=0.1) as served:
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
    async with Served(keep_alive=60) as served:
        await served.ask()
        (connection,) = served.connections
        timer = connection.timeout_keep_alive_task
        assert not timer.cancelled()
        served.writer.close()
        await asyncio.sleep(0.1)
        assert timer.cancelled()


async def test_requests_that_wait_behind_each_other_are_answered_in_turn():
    async with Served(keep_alive=60) as served:
        served.writer.write(GET * 3)
        for _ in range(3):
            await served.reader.readuntil(b"\r\n\r\nok")


async def test_a_body_that_is_all_there_needs_not_be_received():
    async with Served(keep_alive=60) as served:
        head = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n"
        await served.ask(head + b"abc")
        served.writer.write(head + b"a")
        await asyncio.sleep(0.1)
        await served.ask(b"bc")
        assert served.bodies == [b"abc", None]
