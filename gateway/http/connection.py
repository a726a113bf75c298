"""The server's side of a connection: uvicorn's httptools protocol, with what the hot route needs.

It tells whoever serves a request when the client hangs up, which saves a watching task for each request. It takes an
answer's head in one piece, which saves going header by header through ASGI. And it has one keep-alive timer, where
uvicorn sets and cancels one for each request. Readings: docs/performance.md.
"""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.ports import Headers

SCOPE_KEY = "gateway.reply"
CLIENT_STALL_SECONDS = 60.0
"""How long a client may take nothing while there is something for it."""

_STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_UNSAFE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""What would end a header early: an upstream's or a catalog's text must not write our headers."""


class Connection(HttpToolsProtocol):
    """One client connection. `on_lost` is called once, when the client is gone before its answer is complete."""

    on_lost: Callable[[], object] | None = None
    _idle_since: float | None = None  # in loop time; None: a request is under way

    def on_headers_complete(self) -> None:
        """Lets the application find the reply of just this request; others may be waiting behind it."""
        super().on_headers_complete()
        self.scope[SCOPE_KEY] = ConnectionReply(self)  # type: ignore[literal-required]

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells whoever is serving the connection."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        if (tell := self.on_lost) is not None:
            self.on_lost = None
            tell()

    def on_response_complete(self) -> None:
        """Goes on with the next request, as uvicorn does. The timer of an idle connection is set only if none runs."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        """Something came, so the connection is not idle. The timer finds out when it fires."""
        self._idle_since = None

    def timeout_keep_alive_handler(self) -> None:
        """Closes the connection if it has been idle for long enough, else looks again when it may have been."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return  # the next answer sets it again
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_again_in(left)
        else:
            super().timeout_keep_alive_handler()

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)


class ConnectionReply:
    """The `Reply` port, straight to a connection. With a content length bodies go as they are, else in chunks."""

    __slots__ = ("_chunked", "_connection", "_cycle", "_head", "_transport", "gone", "started")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cycle = connection.cycle
        self._transport = connection.transport
        self._chunked = True
        self._head = b""  # goes out with the first block
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

        self._connection.on_lost = lost
        self._cycle.flow.resume_reading()  # a large body pauses it, and then nobody would see the client leave

    def forget(self) -> None:
        """Whoever serves the request has ended."""
        self._connection.on_lost = None

    async def start(self, status: int, headers: Headers) -> None:
        """Fixes status and headers. They leave with the first block, or at once for an answer in chunks."""
        cycle = self._cycle
        if self.started or cycle.response_started:
            raise RuntimeError("the answer has begun already")
        self.started = cycle.response_started = True
        everything = [*cycle.default_headers, *headers]
        if _UNSAFE.search(b"".join([value for _, value in everything])):
            everything = [(name, _UNSAFE.sub(b" ", value)) for name, value in everything]
        lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        for name, value in everything:
            lines += (name, b": ", value, b"\r\n")
        self._chunked = b"content-length" not in dict(headers)
        if self._chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        self._head = b"".join(lines)
        if self._chunked:
            self._send(self._take_head())

    def write(self, block: bytes) -> bool:
        """Sends a block. False: the client is slow, so the next one should wait for `room`."""
        if block:
            self._send(self._take_head() + (b"%x\r\n%b\r\n" % (len(block), block) if self._chunked else block))
        return not self._cycle.flow.write_paused

    async def room(self) -> None:
        """Waits until the client has taken something; one that takes nothing counts as gone."""
        if not self._cycle.flow.write_paused:
            return
        try:
            async with asyncio.timeout(CLIENT_STALL_SECONDS):
                await self._cycle.flow.drain()
        except TimeoutError:
            self.gone = True
            self.abort()
            raise asyncio.CancelledError from None

    async def end(self, block: bytes = b"") -> None:
        """Sends the last block and completes the answer."""
        if self._chunked:
            block = b"%x\r\n%b\r\n0\r\n\r\n" % (len(block), block) if block else b"0\r\n\r\n"
        self._send(self._take_head() + block)
        cycle = self._cycle
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.disconnected:
            if not cycle.keep_alive:
                self._transport.close()
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
