"""Calls to backends, by aiohttp. One pool for all; blocks come out as they came in."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import AddrInfoType, Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDict
from yarl import URL

from gateway import __version__
from gateway.adapters import half_open
from gateway.adapters.deadlines import NEVER, Deadline, Deadlines
from gateway.adapters.secrets import Secret
from gateway.core.catalog import Backend, Endpoint
from gateway.core.errors import Failed, FailureKind
from gateway.core.permit import Permit
from gateway.ports import Headers, UpstreamError

_IDLE_SECONDS = {"http": 4.0, "https": 55.0}
"""How long a connection may wait for its next call. Model servers close theirs after 5 s (llama.cpp, uvicorn); a call
sent in that moment would be lost. Hosted APIs wait a minute or more, and a new connection costs them a handshake."""
_END_SECONDS = 0.1
"""How long the end of a complete stream may follow its last event."""
_ONE_WRITE_BYTES = 65_536
_KEY_SECONDS = 30.0
"""How long a key from a file is used before the file is read again: tokens of clouds live for an hour."""
_PART_BYTES = 8_192
"""How much of a stream is read in one turn of the loop: small events take a few milliseconds then."""
_NO_HEADERS: Headers = []
_MESSAGES = {
    FailureKind.UNREACHABLE: "the backend cannot be reached",
    FailureKind.TIMED_OUT: "the backend did not answer in time",
    FailureKind.BROKEN: "the backend broke off its answer",
}


def _lost(kind: FailureKind, message: str = "") -> UpstreamError:
    code = f"upstream_{kind.code}"
    said = message or _MESSAGES[kind]
    error: dict[str, object] = {"message": said, "type": "server_error", "param": None, "code": code}
    return UpstreamError(Failed(kind, kind.status, error))


class _Link(ResponseHandler):
    """aiohttp's protocol, which also tells whoever passes an answer on that there is news of it."""

    came: "Callable[[_Link], object] | None" = None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.loop = loop
        self._paused = False

    def pause_reading(self) -> None:
        """Reads no more until what is here was taken."""
        self._paused = True
        super().pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT002 - as aiohttp has it
        """Reads on, if that was paused: aiohttp asks for it after each block, and would have its parser look again."""
        if self._paused:
            self._paused = False
            super().resume_reading(resume_parser)

    def data_received(self, data: bytes) -> None:
        """Parses, then tells."""
        super().data_received(data)
        if (tell := self.came) is not None:
            tell(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Ends the answer, then tells."""
        super().connection_lost(exc)
        if (tell := self.came) is not None:
            tell(self)


def _watched(address: AddrInfoType) -> socket.socket:
    """A socket that shows within two minutes that a backend is gone, also where it is to think for ten. What it does
    not take is left to the deadlines: a full model server may let a long prompt wait."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    half_open.probe(made)
    return made


class _Connector(aiohttp.TCPConnector):
    """aiohttp's pool, of links."""

    def __init__(self, keepalive_seconds: float) -> None:
        super().__init__(limit=0, keepalive_timeout=keepalive_seconds, socket_factory=_watched)
        self._factory = cast("functools.partial[ResponseHandler]", functools.partial(_Link, self._loop))


class _Request(aiohttp.ClientRequest):
    """aiohttp's request, as far as its pool asks: never sent, so the key of the pool is worked out once."""

    @functools.cached_property
    def connection_key(self) -> ConnectionKey:
        """Where the pool keeps the connections."""
        return super().connection_key


class _Target:
    """A backend as a call needs it, made once for each endpoint: the key of its pool, and the head that every request
    has."""

    __slots__ = ("backend", "connector", "endpoint", "head", "request", "secret", "timeout", "until")

    def __init__(
        self, backend: Backend, endpoint: Endpoint, secret: Secret | None, connector: aiohttp.TCPConnector
    ) -> None:
        url = URL(backend.base_url + endpoint.path)
        self.backend = backend
        self.endpoint = endpoint
        self.until = NEVER
        self.secret = secret
        self.connector = connector
        self.timeout = aiohttp.ClientTimeout(total=None, sock_connect=backend.timeouts.connect)
        self.request = _Request("POST", url, loop=asyncio.get_running_loop())
        bearer = "Bearer " if endpoint.key_header == "Authorization" else ""
        key = f"{endpoint.key_header}: {bearer}{secret.reveal()}\r\n" if secret is not None else ""
        more = "".join(f"{name}: {value}\r\n" for name, value in endpoint.headers)
        self.head = (
            f"POST {url.raw_path_qs} HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\n"
            "Content-Type: application/json\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
            f"User-Agent: gateway/{__version__}\r\n{key}{more}"
        ).encode()


class AiohttpUpstreams:
    """The `Upstreams` port. `secret` finds the key of a backend; keys leave in the one header that the endpoint names.

    aiohttp's pool, TLS, parser and streams, without its session: what a session prepares for each request (cookies,
    redirects, proxies, a writer task) is either the same for every call to a backend or must not happen at all.
    """

    def __init__(self, secret: Callable[[str], Secret | None]) -> None:
        self._secret = secret
        self._connectors: dict[str, aiohttp.TCPConnector] = {}
        self._deadlines = Deadlines()
        self._targets: dict[tuple[str, str], _Target] = {}

    async def start(self) -> None:
        """Opens the pools."""
        self._deadlines.start()
        for scheme, seconds in _IDLE_SECONDS.items():
            self._connectors[scheme] = _Connector(seconds)

    async def stop(self) -> None:
        """Closes all connections."""
        self._deadlines.stop()
        for connector in self._connectors.values():
            await connector.close()

    async def open(
        self, permit: Permit, endpoint: Endpoint, body: bytes, *, streamed: bool, headers: Headers = _NO_HEADERS
    ) -> "AiohttpOpened":
        """Sends the body; returns when status and headers are in. Raises UpstreamError when they do not come."""
        backend = permit.spend()
        target = self._target(backend, endpoint)
        deadline = self._deadlines.enter(backend.timeouts.first_byte if streamed else backend.timeouts.total)
        try:
            connection = await _connect(target)
            permit.sent = True
            try:
                message, content = await _exchange(connection, target, headers, body)
            except BaseException:
                connection.close()
                raise
        except BaseException as error:
            self._deadlines.leave(deadline)
            _raise_lost(error, deadline)
            raise
        return AiohttpOpened(connection, message, content, target, deadline, self._deadlines)

    def _target(self, backend: Backend, endpoint: Endpoint) -> _Target:
        name = (backend.id, endpoint.path)
        known = self._targets.get(name)
        if (
            known is None
            or known.backend is not backend
            or known.endpoint != endpoint
            or known.until < self._deadlines.now
        ):
            secret = self._secret(backend.key_ref) if backend.key_ref is not None else None
            connector = self._connectors[URL(backend.base_url).scheme]
            known = self._targets[name] = _Target(backend, endpoint, secret, connector)
            if backend.key_ref is not None:  # which may be in a file, by its own reference or by NAME_FILE
                known.until = self._deadlines.now + _KEY_SECONDS
        return known


async def _connect(target: _Target) -> Connection:
    try:
        return await target.connector.connect(target.request, [], target.timeout)
    except TimeoutError:
        raise aiohttp.ConnectionTimeoutError from None


async def _exchange(
    connection: Connection, target: _Target, headers: Headers, body: bytes
) -> tuple[RawResponseMessage, StreamReader]:
    """Sends one request and reads the head of its answer, past any 1xx."""
    protocol = connection.protocol
    if protocol is None or protocol.transport is None:
        raise aiohttp.ServerDisconnectedError
    protocol.set_response_params(read_until_eof=True, auto_decompress=False)
    more = b"".join([b"%b: %b\r\n" % each for each in headers]) if headers else b""
    head = b"%b%bContent-Length: %d\r\n\r\n" % (target.head, more, len(body))
    if len(body) < _ONE_WRITE_BYTES:
        protocol.transport.write(head + body)
    else:
        protocol.transport.writelines([head, body])
    while True:
        message, content = await protocol.read()
        if message.code >= 200:
            return message, content


def _as_it_is(data: bytes) -> bytes:
    """What is shown of an answer where there is no key to keep."""
    return data


def _raise_lost(error: BaseException, deadline: Deadline) -> None:
    """Raises what an exception means for the call, if it is about the call. Whoever caught it has no name for what is
    raised: a frame that holds the exception that holds it is freed by nothing but a collection."""
    if isinstance(error, asyncio.CancelledError):
        if deadline.expired():
            raise _lost(FailureKind.TIMED_OUT) from None
    elif isinstance(error, aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError):
        raise _lost(FailureKind.UNREACHABLE) from None
    elif isinstance(error, aiohttp.ClientError | HttpProcessingError | OSError):
        error.__traceback__ = None  # aiohttp's connection keeps its end, and the frames keep the connection
        raise _lost(FailureKind.BROKEN) from None  # sent, then lost: it may be billed


def _told(answer: bytes, grew: Callable[[int], None] | None) -> bytes:
    """An answer that came at once, once its size was told."""
    if grew is not None:
        grew(len(answer))
    return answer


class AiohttpOpened:
    """An answer under way. Its first event must come in time, each block within `idle` of being asked for, all within
    `total`. The clock of a block runs only while it is waited for: a slow client is not the upstream's fault.

    An upstream that repeats our key is not repeated: nothing behind this sees it."""

    __slots__ = (
        *("_connection", "_content", "_deadline", "_deadlines", "_ended", "_first", "_held", "_idle", "_rest"),
        *("_secret", "_shown", "_take", "_until", "headers", "status"),
    )

    def __init__(
        self,
        connection: Connection,
        message: RawResponseMessage,
        content: StreamReader,
        target: _Target,
        deadline: Deadline,
        deadlines: Deadlines,
    ) -> None:
        backend = target.backend
        self._connection = connection
        self._content = content
        self._rest = b""  # of a block that is handed on in parts
        self._deadline = deadline
        self._deadlines = deadlines
        self._first, deadline.at = deadline.at, NEVER
        self._idle = backend.timeouts.idle
        self._until = deadline.started + backend.timeouts.total
        self.status = message.code
        self._shown = target.secret.out_of if target.secret is not None else _as_it_is
        self._secret = target.secret
        self._held = b""  # perhaps the beginning of our key
        self._take: Callable[[bytes], bool]  # while a stream is passed on
        self._ended: asyncio.Future[bool]  # False: not all of it was wanted
        self.headers: Mapping[str, str] = message.headers
        if any(self._shown(value) is not value for _, value in message.raw_headers):
            shown = [
                (name.decode(), self._shown(value).decode("utf-8", "replace")) for name, value in message.raw_headers
            ]
            self.headers = CIMultiDict(shown)

    async def read(self, *, first: bool = False) -> bytes:
        """The next block as it came, b"" at the end."""
        deadline = self._deadline
        deadline.at = self._first if first else min(self._deadlines.now + self._idle, self._until)
        try:
            block: bytes = self._clear(await self._content.readany())
            while not block and not self._content.at_eof():  # all of it is held
                block = self._clear(await self._content.readany())
        except BaseException as error:
            _raise_lost(error, deadline)
            raise
        deadline.at = NEVER
        return block

    def _clear(self, block: bytes) -> bytes:
        """A block without our key. What may be the beginning of it is held until the rest has come."""
        if self._secret is None:
            return block
        whole = self._held + block
        held = 0 if self._content.at_eof() else self._secret.begun_in(whole)
        self._held = whole[len(whole) - held :]
        return self._shown(whole[: len(whole) - held])

    async def pass_on(self, take: Callable[[bytes], bool]) -> bool:
        """Hands each block to `take` from within the callback that read it, so that no task wakes for it."""
        link = self._connection.protocol
        if not isinstance(link, _Link):
            raise _lost(FailureKind.BROKEN)
        self._take, self._ended = take, link.loop.create_future()
        self._came(link)
        try:
            return await self._ended
        except BaseException as error:
            _raise_lost(error, self._deadline)
            raise
        finally:
            link.came = None
            self._deadline.at = NEVER

    def _came(self, link: _Link) -> None:
        link.came = None  # reading lets the parser go on, which may call us again in between
        ended, content, take = self._ended, self._content, self._take
        if ended.done():
            return
        try:
            while block := self._rest or self._clear(content.read_nowait()):
                self._rest = block[_PART_BYTES:]
                if not take(block[:_PART_BYTES]):
                    ended.set_result(False)
                    return
                if self._rest:  # an upstream that is faster than we are leaves others their turn
                    self._deadline.at = min(self._deadlines.now + self._idle, self._until)
                    link.loop.call_soon(self._came, link)
                    return
            if content.at_eof():
                ended.set_result(True)
                return
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            ended.set_exception(error)
            return
        self._deadline.at = min(self._deadlines.now + self._idle, self._until)
        link.came = self._came

    async def read_all(self, limit: int, grew: Callable[[int], None] | None) -> bytes:
        """All that is left."""
        content = self._content
        if content.is_eof() and content.exception() is None:  # nearly every answer comes in one piece
            return _told(self._shown(content.read_nowait()), grew)
        first = await self.read()
        if content.at_eof():
            return _told(first, grew)
        whole = BytesIO()  # a large answer is not copied once more at the end
        whole.write(first)
        while not content.at_eof():
            whole.write(await self.read())
            if whole.tell() > limit:
                raise _lost(FailureKind.BROKEN, f"the backend's answer is larger than {limit} bytes")
            if grew is not None:
                grew(whole.tell())
        return whole.getvalue()

    async def drain(self) -> None:
        """Takes the end that follows a complete answer, if it comes at once."""
        if not self._content.at_eof():
            self._idle = _END_SECONDS
            with contextlib.suppress(UpstreamError):
                await self.read()

    def close(self) -> None:
        """Ends the call. A connection whose answer is complete goes back to the pool, any other is dropped."""
        self._deadlines.leave(self._deadline)
        if self._content.at_eof():
            self._connection.release()
        else:
            self._connection.close()
