"""Our side of a connection, with raw clients at its other end, in the loop of the test."""

import asyncio
from collections import Counter
from collections.abc import Callable

from uvicorn import Config
from uvicorn.server import ServerState

from gateway.http.connection import Connection
from gateway.http.intake import Intake
from gateway.http.reply import SCOPE_KEY

GET = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"


def post(body: bytes = b"", *headers: bytes, path: bytes = b"/") -> bytes:
    """A whole request, in one piece."""
    lines = [b"POST %b HTTP/1.1" % path, b"host: h", b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Listening:
    """A listener. Requests are answered with `ok` while `answers` is set, once their bodies are read; `served` has them
    as they were (path, headers, body), `first` what of each body was there at the beginning. `early`: they are answered
    before their bodies are read; each is still being served for `lingers` seconds after its answer."""

    def __init__(
        self,
        keep_alive: float = 60,
        answer: bytes = b"ok",
        *,
        early: bool = False,
        lingers: float = 0,
        spares: Callable[..., bool] = lambda _: False,
        **intake: object,
    ) -> None:
        self.answers = asyncio.Event()
        self.answers.set()
        self.answer = answer
        self.early = early
        self.lingers = lingers
        self.served: list[tuple[str, list[tuple[bytes, bytes]], bytes]] = []
        self.first: list[bytes | None] = []
        self.cancelled = 0
        self.shed: Counter[str] = Counter()
        self.intake = Intake(lambda reason: self.shed.update([reason]), spares, **intake)
        self.state = ServerState()
        self.connections: list[Connection] = []
        self.config = Config(
            self._app, interface="asgi3", proxy_headers=False, log_config=None, timeout_keep_alive=keep_alive
        )
        self.config.load()

    async def _app(self, scope, receive, send):
        reply = scope[SCOPE_KEY]
        self.first.append(reply.body)
        body, more = b"", not self.early
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body, more = body + message["body"], message["more_body"]
        self.served.append((scope["path"], list(scope["headers"]), body))
        reply.cancel_when_lost()
        try:
            await self.answers.wait()
            await reply.start(200, [(b"content-length", b"%d" % len(self.answer))])
            await reply.end(self.answer)
            await asyncio.sleep(self.lingers)
        except asyncio.CancelledError:
            self.cancelled += 1
        finally:
            reply.forget()

    def _connection(self) -> Connection:
        self.connections.append(Connection(self.intake, self.config, self.state, {}))
        return self.connections[-1]

    async def __aenter__(self):
        self.intake.start()
        self.server = await asyncio.get_running_loop().create_server(self._connection, "127.0.0.1", 0)
        self.address = self.server.sockets[0].getsockname()
        self.reader, self.writer = await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.intake.stop()
        self.writer.close()
        self.server.close()
        for connection in list(self.state.connections):
            connection.transport.abort()
        await self.server.wait_closed()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.address)

    async def ask(self, request: bytes = GET) -> None:
        """Sends a request, or the rest of one, and takes its answer."""
        self.writer.write(request)
        assert (await self.reader.readuntil(b"\r\n\r\n" + self.answer)).startswith(b"HTTP/1.1 200")

    async def told(self, sent: bytes, seconds: float = 5) -> bytes:
        """All that a fresh connection gets for some bytes, until it is closed."""
        reader, writer = await self.connect()
        writer.write(sent)
        try:
            return await asyncio.wait_for(reader.read(), seconds)
        finally:
            writer.close()
