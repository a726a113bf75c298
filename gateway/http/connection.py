"""The server's side of a connection: uvicorn's httptools protocol, with what clients cannot be trusted with.

It tells whoever serves a request when the client hangs up, which saves a watching task for each request. It refuses
heads that could be read in two ways (`framing`), gives up clients that keep it waiting, turns away what is too much
(`intake`), and keeps what goes on (`kept`). Readings: docs/performance.md.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.core.errors import Refusal, Refused
from gateway.http import errors, framing
from gateway.http.framing import TELLING, check_start
from gateway.http.ids import request_id
from gateway.http.intake import Intake, Reason
from gateway.http.kept import KeptConnection
from gateway.http.reply import SCOPE_KEY, ConnectionReply, head_of

_HEAD, _BODY, _WHOLE = range(3)
"""What of a request is being read: its head (or nothing yet), its body, nothing more. A head is false."""

_SHORT_BYTES = 65_536
"""A body that is read to its end although nobody wants it, so that the connection can be used again."""
_LEAVE_SECONDS = 2.0
"""How long a client that still sends may read our last words. A connection that is closed on unread data is reset, and
a client may lose them."""
_MOST_UNREAD = 64_000_000
"""How much it may send then: clients that send all before they read are told of a body that is somewhat too large."""
_MOST_LEAVING = 32
"""Connections beyond the limit that get their 503 in this way; any more are just closed."""
_MOST_FRAMING = 16
"""Bytes of chunks for a byte of body: chunks of one byte have six."""

_MOST_BEHIND = 16
"""Requests of a connection that wait for their turn: a small packet holds thousands, and each costs kilobytes."""
_MOST_IDLE_BYTES = framing.MOST_HEAD_BYTES + _SHORT_BYTES
"""Bytes of trailers and framing without one of the body: the parser takes longer for each byte of a trailer that comes
in pieces."""

_CLOSE = (b"connection", b"close")
_FULL = Refused(Refusal.SHEDDING, "the gateway has more to do than it can; try again in a moment", retry_after=1)


class Connection(KeptConnection):
    """One client connection. `on_lost` is called once, when the client is gone before its answer is complete."""

    on_lost: Callable[[], object] | None = None

    def __init__(self, intake: Intake, *arguments: Any, **named: Any) -> None:
        super().__init__(intake, *arguments, **named)
        self._part = _HEAD
        self._begun = False  # a first line
        self._long = False  # a head that may be longer than is read
        self.url = b""  # before the first one came, too
        self._head_bytes = 0
        self.instead = b""  # of the head that was read: it is to be read without its `upgrade`
        self._length: int | None = None  # None: in chunks, or nothing said
        self._total = self._wire = 0  # bytes of the body; with its framing
        self._bare, self._bare_from = 0, 0  # bytes since the body last grew, and how much of it there was
        self._host: bytes | None = None  # the last one that was checked
        self._has_host = False
        self._skipping = False  # the body of a request that was turned away
        self._reading = False  # the client keeps us waiting
        self._since, self._mark = 0.0, 0  # since when, and how much of the body was there then
        self._running: RequestResponseCycle | None = None  # the newest one (`cycle`) may wait behind it
        self._left = False  # nothing is read any more
        self._last_words: bytes | None = None  # what follows the answers that are due
        self._until: float | None = None  # when the connection is dropped

    # what the transport tells

    def connection_made(self, transport: Any) -> None:
        """Turns away what is beyond the limit, and waits for a first head."""
        super().connection_made(transport)
        most = self._intake.connections
        if most is not None and len(self.connections) > most:
            self._intake.shed("connections")
            transport.write(self._answer(_FULL))
            if len(self.connections) <= most + _MOST_LEAVING:
                self._leave()
            else:
                transport.close()
            return
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Reads on. Most requests come in one piece; only for others something has to be watched."""
        self._idle_since = None
        if self._left:
            self._wire += len(data)
            if self._wire > _MOST_UNREAD:
                self.transport.abort()
            return
        before = self.headers
        if self._part == _WHOLE:
            self._part = _HEAD
        part = self._part
        self._long = self._begun or len(data) > framing.MOST_HEAD_BYTES
        try:
            framing.feed(self, data)
        except httptools.HttpParserError as error:
            told = error.__context__
            self._give_up(told if isinstance(told, Refused) else framing.refused(f"{error}".lower()))
            return
        if self._part == _WHOLE:
            self._reading = False
        else:
            self._more_to_come(data, same=self.headers is before, began=self._part != part)

    def _more_to_come(self, data: bytes, *, same: bool, began: bool) -> None:
        if not same or began or not self._reading:
            self._wait()
        if not same:
            self._head_bytes = self._wire = self._bare = 0
            self._bare_from = self._total
        elif self._part == _BODY:
            self._wire += len(data)
            self._bare = self._bare + len(data) if self._total == self._bare_from else 0
            self._bare_from = self._total
            if self._bare > _MOST_IDLE_BYTES or (
                self._length is None and self._wire > _MOST_FRAMING * self._total + 8 * _SHORT_BYTES
            ):
                self._give_up(framing.refused("its chunks are nearly nothing but framing"))
        else:
            self._head_bytes += len(data)
            if self._head_bytes > framing.MOST_HEAD_BYTES:
                self._give_up(framing.too_much())

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells whoever is serving the connection."""
        super().connection_lost(exc)
        if (running := self._running) is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        self._intake.waiting.discard(self)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        if (tell := self.on_lost) is not None:
            self.on_lost = None
            tell()

    # what the parser tells

    def on_message_begin(self) -> None:
        """A first line has begun."""
        super().on_message_begin()
        self._part = _HEAD
        self._begun = True
        self._has_host = False
        self._length = None
        self._total = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps a header, and reads those that say how the request is framed. A trailer says nothing that counts."""
        if self._part:
            return
        name = name.lower()
        if name in TELLING:
            self._told(name, value)
        self.headers.append((name, value))

    def _told(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            if self._has_host:
                raise framing.refused("the header `host` is there twice")
            self._has_host = True
            if value != self._host:
                framing.check_host(value)
                if self._intake.loopback_only and not framing.is_loopback(value):
                    raise Refused(Refusal.WRONG_HOST, "this listener is for its own machine; reach it as localhost")
                self._host = value
        elif name == b"content-length":
            self._length = int(value)
        elif name == b"transfer-encoding":
            framing.check_coding(value, self.parser.get_http_version())
        elif value.lower() == b"100-continue":
            self.expect_100_continue = True
        else:
            raise framing.refused("the only expectation that is met is `100-continue`")

    def on_headers_complete(self) -> None:
        """Judges the head, then serves the request, or turns it away."""
        if self._left:
            return
        parser, headers, intake = self.parser, self.headers, self._intake
        version, method = parser.get_http_version(), parser.get_method()
        check_start(method, self.url, version)
        if not self._has_host and version == "1.1":
            raise framing.refused("the header `host` is missing")
        if len(headers) > framing.MOST_HEADERS or (self._long and self._too_long()):
            raise framing.too_much()
        if parser.should_upgrade():
            self.instead = framing.without_upgrade(method, self.url, version, headers)
            return
        waits = self._busy
        if waits and len(self.pipeline) >= _MOST_BEHIND:
            intake.shed("inflight")
            raise _FULL
        self._part = _BODY
        if method == b"POST" and not waits and (why := intake.full(len(self.tasks), headers)) is not None:
            self._turn_away(why)
            return
        raw_path, _, query = self.url.partition(b"?")
        path = raw_path.decode("ascii")
        scope: Any = self.scope
        scope["method"] = method.decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        cycle = self.cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version == "1.1" and parser.should_keep_alive() and not intake.draining,
            on_response=self.on_response_complete,
        )
        scope[SCOPE_KEY] = ConnectionReply(self)
        if waits:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))
        else:
            self._start_asgi_task(cycle, self.app)

    def _too_long(self) -> bool:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > framing.MOST_HEAD_BYTES

    def on_body(self, body: bytes) -> None:
        """Keeps a piece of the body, if it is still wanted."""
        self._total += len(body)
        if self._skipping or self._left or self.cycle.response_complete:
            return
        cycle = self.cycle
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """All of a request is here; or its head, which is read again."""
        if self.instead:
            return
        self._part = _WHOLE
        self._begun = False
        if self._skipping or (not self._left and self.cycle.response_complete):
            self._skipping = False
            self._idle()  # what came after its answer began no wait of its own
        elif not self._left:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    # what comes of it

    def on_response_complete(self) -> None:
        """Goes on with the next request, as uvicorn does."""
        self._intake.answered()
        if self.transport.is_closing() or self._until is not None:
            return
        if self._part == _BODY and self._unread(self.cycle) and self.cycle.response_complete:
            self._leave()
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._next(*self.pipeline.pop())
        elif self._last_words is not None:
            self.transport.write(self._last_words)
            self._leave()
        else:
            self._idle()

    def _next(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Serves a request that has waited for its turn. When that is too much, those behind it are not served, too."""
        scope = cycle.scope
        if scope["method"] == "POST" and (why := self._intake.full(len(self.tasks), scope["headers"])) is not None:
            self._intake.shed(why)
            self.pipeline.clear()
            self.transport.write(self._answer(_FULL))
            self._leave()
        else:
            self._start_asgi_task(cycle, app)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def ends_with(self, cycle: RequestResponseCycle) -> bool:
        """Whether the connection is closed once this request is answered."""
        return self._intake.draining or (self._part == _BODY and self._unread(cycle))

    def close(self) -> None:
        """Ends the connection once what was written is out, and while the client may still send."""
        if self._part == _BODY:
            self._leave()
        else:
            super().close()

    @property
    def _busy(self) -> bool:
        """Whether a request is being served."""
        return bool(self.cycle) and not self.cycle.response_complete

    def _unread(self, cycle: RequestResponseCycle | None) -> bool:
        """Whether the client is still sending this request, and too much to be waited for."""
        if cycle is not self.cycle:
            return False
        return self.expect_100_continue or self._length is None or self._length > _SHORT_BYTES

    def _turn_away(self, why: Reason) -> None:
        """Answers a request that nobody will see."""
        self._intake.shed(why)
        self._skipping = True
        ends = self._unread(self.cycle) or self._intake.draining or not self.parser.should_keep_alive()
        self.transport.write(self._answer(_FULL, ends=ends))
        if ends:
            self._leave()

    def _give_up(self, refused: Refused) -> None:
        """Reads nothing more of what the client sends. What it sent before is answered first; then it is told why."""
        self._left = True
        self._last_words = self._answer(refused)
        cycle = self.cycle
        if self._part == _BODY and not self._skipping:  # what is wrong is its body
            cycle.disconnected = True
            cycle.message_event.set()
            if self.pipeline and self.pipeline[0][0] is cycle:
                self.pipeline.popleft()
            elif cycle.response_started:
                self._leave()
                return
            else:
                cycle.response_complete = True
        elif self._skipping:
            self._leave()
            return
        if not self.pipeline and not self._busy:
            self.transport.write(self._last_words)
            self._leave()

    def _leave(self) -> None:
        """Says that nothing more comes, and reads past what the client sends until it has understood, or a while."""
        self._left = True
        if self._until is None and not self.transport.is_closing():
            self._until = self.loop.time() + _LEAVE_SECONDS
            self._intake.waiting.add(self)
            self.transport.write_eof()
            self.flow.resume_reading()

    def _answer(self, refused: Refused, *, ends: bool = True) -> bytes:
        status, headers, body = errors.refusal(refused, request_id(), errors.spoken(self.url, self.headers or ()))
        lines = head_of(status, [*self.server_state.default_headers, *headers, *((_CLOSE,) if ends else ())])
        return b"".join((*lines, b"\r\n", body))

    def look(self, now: float) -> None:
        """Gives up a client that keeps us waiting for too long: for its request, or to take what is there for it."""
        intake = self._intake
        if self._until is not None:
            if now >= self._until:
                self.transport.abort()
        elif self.flow.write_paused or self.transport.is_closing():
            super().look(now)
        elif not self._reading:
            intake.waiting.discard(self)
        elif self.flow.read_paused or (self._part == _HEAD and self._busy):
            self._wait()  # it is we who keep it waiting
        elif self._part == _HEAD:
            if now - self._since >= intake.head_seconds:
                self._slow("head")
        elif now - self._since >= intake.body_seconds:
            if self._total - self._mark < intake.body_bytes:
                self._slow("body")
            else:
                self._since, self._mark = now, self._total

    def _slow(self, part: str) -> None:
        if not self._begun:
            self.transport.close()  # it never asked for anything
            return
        self._intake.shed("slow")
        self._give_up(Refused(Refusal.TOO_SLOW, f"the {part} of the request did not come in time"))

    def _wait(self) -> None:
        self._reading = True
        self._since, self._mark = self.loop.time(), self._total
        self._intake.waiting.add(self)
