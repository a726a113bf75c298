"""Answers written straight to a connection."""

from types import SimpleNamespace

import pytest

from gateway.http.reply import ConnectionReply


class Wire:
    """Stands for uvicorn's connection: keeps what is written."""

    def __init__(self, *, keep_alive: bool = True, version: str = "1.1") -> None:
        self.written = b""
        self.closed = self.responded = self.ends = False
        self.transport = SimpleNamespace(write=self._write)
        self.cycle = SimpleNamespace(
            scope={"http_version": version},
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

    def ends_with(self, cycle) -> bool:
        return self.ends

    def close(self) -> None:
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


async def test_a_stream_to_http_1_0_ends_with_its_connection():
    wire = Wire(keep_alive=False, version="1.0")
    reply = ConnectionReply(wire)
    await reply.start(200, [])
    assert wire.written.endswith(b"connection: close\r\n\r\n")
    assert b"transfer-encoding" not in wire.written
    wire.written = b""
    reply.write(b"ab")
    await reply.end(b"z")
    assert (wire.written, wire.closed) == (b"abz", True)


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


async def test_an_answer_says_that_it_is_the_last_one():
    wire = Wire()
    wire.ends = True
    reply = ConnectionReply(wire)
    await reply.start(200, [(b"content-length", b"0")])
    await reply.end()
    assert b"connection: close\r\n" in wire.written
    assert wire.closed
