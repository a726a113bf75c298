"""Answers, written straight to a connection: a head in one piece, then blocks, without a turn through ASGI."""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.ports import Headers

SCOPE_KEY = "gateway.reply"
"""Where an application finds the reply of a request in its scope."""

_ONE_WRITE_BYTES = 65_536
"""A larger block is not copied to go out with its head."""

_STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_UNSAFE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""What would end a header early: an upstream's or a catalog's text must not write our headers."""


class Line(Protocol):
    """The connection, as a reply needs it."""

    cycle: RequestResponseCycle
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    on_lost: Callable[[], object] | None

    def ends_with(self, cycle: RequestResponseCycle) -> bool:
        """Whether nothing more is read once this request is answered."""

    def close(self) -> None:
        """Ends the connection once what was written is out."""


def head_of(status: int, headers: Headers) -> list[bytes]:
    """The lines of an answer's head, without the empty one that ends it."""
    if _UNSAFE.search(b"".join([value for _, value in headers])):
        headers = [(name, _UNSAFE.sub(b" ", value)) for name, value in headers]
    lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
    for name, value in headers:
        lines += (name, b": ", value, b"\r\n")
    return lines


class ConnectionReply:
    """The `Reply` port, straight to a connection. With a content length bodies go as they are, else in chunks;
    to a client that knows none, until the connection ends."""

    __slots__ = ("_chunked", "_connection", "_cycle", "_head", "_lost", "_transport", "gone", "started")

    def __init__(self, connection: Line) -> None:
        self._connection = connection
        self._cycle = connection.cycle
        self._transport = connection.transport
        self._chunked = True
        self._head = b""  # goes out with the first block
        self._lost: Callable[[], object] | None = None
        self.started = False
        self.gone = False

    @property
    def body(self) -> bytes | None:
        """The request's body if all of it is here, as it nearly always is; None: it has to be received."""
        cycle = self._cycle
        return None if cycle.more_body or cycle.disconnected else bytes(cycle.body)

    def cancel_when_lost(self) -> None:
        """Cancels the running task if the client hangs up from now on, until `forget`."""
        task = asyncio.current_task(self._connection.loop)

        def lost() -> None:
            self.gone = True
            if task is not None:
                task.cancel()

        self._connection.on_lost = self._lost = lost
        self._cycle.flow.resume_reading()  # a large body pauses it, and then nobody would see the client leave

    def forget(self) -> None:
        """Whoever serves the request has ended. The next one on the connection may have begun by then. What held the
        request in a circle is let go, so that it is freed at once and not by a collection, which takes milliseconds."""
        if self._connection.on_lost is self._lost:
            self._connection.on_lost = None
        self._lost = None
        cast("dict[str, object]", self._cycle.scope).pop(SCOPE_KEY, None)

    async def start(self, status: int, headers: Headers) -> None:
        """Fixes status and headers. They leave with the first block, or at once for an answer in chunks."""
        cycle = self._cycle
        if self.started or cycle.response_started:
            raise RuntimeError("the answer has begun already")
        self.started = cycle.response_started = True
        lines = head_of(status, [*cycle.default_headers, *headers])
        streamed = b"content-length" not in dict(headers)
        self._chunked = streamed and cycle.scope["http_version"] != "1.0"  # there it ends with the connection
        if self._chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        if cycle.keep_alive and self._connection.ends_with(cycle):
            cycle.keep_alive = False
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        self._head = b"".join(lines)
        if streamed:
            self._send(self._take_head())

    def _put(self, block: bytes) -> None:
        """Sends a block, with the head if it is the first. A large one is not copied for that."""
        head = self._take_head()
        if head and len(block) > _ONE_WRITE_BYTES:
            self._send(head)
            head = b""
        self._send(head + block)

    def write(self, block: bytes) -> bool:
        """Sends a block. False: the client is slow, so the next one should wait for `room`."""
        if block:
            self._put(b"%x\r\n%b\r\n" % (len(block), block) if self._chunked else block)
        return not self._cycle.flow.write_paused

    async def room(self) -> None:
        """Waits until the client has taken something. The connection gives up one that takes nothing, and then it is
        gone."""
        if self._cycle.flow.write_paused:
            await self._cycle.flow.drain()

    async def end(self, block: bytes = b"") -> None:
        """Sends the last block and completes the answer."""
        if self._chunked:
            block = b"%x\r\n%b\r\n0\r\n\r\n" % (len(block), block) if block else b"0\r\n\r\n"
        self._put(block)
        cycle = self._cycle
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.disconnected:
            if not cycle.keep_alive:
                self._connection.close()
            cycle.on_response()

    def abort(self) -> None:
        """Drops the connection, so that an answer that is not complete does not look complete."""
        self._transport.abort()

    def _take_head(self) -> bytes:
        head, self._head = self._head, b""
        return head

    def _send(self, data: bytes) -> None:
        if data and not self._cycle.disconnected:
            self._transport.write(data)
