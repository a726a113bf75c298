"""A scripted upstream on loopback: raw bytes out, by the name in the path, and its own log of what came in.

`http://127.0.0.1:PORT/NAME/v1/chat/completions` runs the script called NAME: a list of bytes (sent), numbers (seconds
to wait), HANG (until the client goes), RESET (drops the connection), CLOSE, a Bill (what is charged from here on).
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

HANG, RESET, CLOSE = "hang", "reset", "close"


@dataclass(frozen=True)
class Bill:
    """A step of a script: what the upstream will charge for the request, whatever comes after."""

    pico_usd: int


def answer(body: bytes | dict, status: int = 200, content_type: str = "application/json", **headers: str) -> bytes:
    """A whole HTTP answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {len(data)}\r\n{more}\r\n"
    return head.encode() + data


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
STREAM_END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(data: dict | str) -> bytes:
    """One server-sent event."""
    return b"data: " + (data if isinstance(data, str) else json.dumps(data)).encode() + b"\n\n"


def delta(text: str = "", finish: str | None = None, **more: object) -> bytes:
    """One chunk of a chat completion, as an event."""
    said = {"role": "assistant", **({"content": text} if text else {})}
    choice = {"index": 0, "delta": said, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
    return event({**head, "choices": [choice], **more})


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
USAGE_EVENT = event(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "scripted",
        "choices": [],
        "usage": USAGE,
    }
)
DONE = b"data: [DONE]\n\n"
OK = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "scripted",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": USAGE,
}


def stream(*events: bytes, end: bytes = STREAM_END) -> list:
    """A script that streams events, each in a chunk of its own."""
    return [STREAM_HEAD, *(chunk(each) for each in events), end]


@dataclass
class Seen:
    """One request as it came in. Moments are monotonic seconds; `ended` None: its script is still being played."""

    name: str
    head: bytes
    body: bytes
    at: float = field(default_factory=time.monotonic)
    ended: float | None = None
    bill: int = 0
    gone: threading.Event = field(default_factory=threading.Event)  # the gateway hung up before the script ended

    @property
    def json(self) -> dict:
        return json.loads(self.body)


def reset(writer: asyncio.StreamWriter) -> None:
    """Drops a connection, so that the other side gets a reset and no end."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Upstream:
    """The server, in a thread of its own."""

    def __init__(self) -> None:
        self.scripts: dict[str, list] = {}
        self.seen: list[Seen] = []
        self.connections: list[object] = []
        self._more: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}/v1"

    def requests(self, name: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.name == name]

    def script_of(self, seen: Seen) -> list:
        """What to answer a request with."""
        return self.scripts[seen.name]

    def listen(
        self,
        serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> int:
        """Listens on one more port, with TLS if there is a context. Returns the port."""

        async def start() -> int:
            server = await asyncio.start_server(serve or self._serve, "127.0.0.1", 0, ssl=context, backlog=512)
            self._more.append(server)
            return server.sockets[0].getsockname()[1]

        return asyncio.run_coroutine_threadsafe(start(), self._loop).result(5)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._socket.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._socket))
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
                length = next((int(v) for k, v in fields.items() if k.lower() == b"content-length"), 0)
                seen = Seen(head.split(b"/")[1].decode(), head, await reader.readexactly(length))
                self.seen.append(seen)
                goes_on = await self._play(self.script_of(seen), seen, reader, writer)
                seen.ended = time.monotonic()
                if not goes_on:
                    break
        writer.close()

    async def _pause(self, seconds: float, reader: asyncio.StreamReader) -> bool:
        """Waits; False as soon as the gateway is gone."""
        until = self._loop.time() + seconds
        while (left := until - self._loop.time()) > 0:
            await asyncio.sleep(min(left, 0.05))
            if reader.at_eof() or reader.exception() is not None:  # a close with something unread is a reset
                return False
        return True

    async def _play(self, script: list, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Plays a script; False when the connection is over."""
        try:
            for step in script:
                if isinstance(step, bytes):
                    writer.write(step)
                    await writer.drain()
                elif isinstance(step, Bill):
                    seen.bill = step.pico_usd
                elif step == HANG:
                    await reader.read()
                    seen.gone.set()
                    return False
                elif step == RESET:
                    reset(writer)
                    return False
                elif step == CLOSE:
                    return False
                elif not await self._pause(step, reader):
                    seen.gone.set()
                    return False
        except ConnectionError:
            seen.gone.set()
            return False
        return True
