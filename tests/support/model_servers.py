"""Small model servers on loopback: a table of answers by path, and a log of what was asked."""

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    """One answer. `pause`: seconds before it; `drip`: seconds between the bytes of its body."""

    body: bytes | dict | list = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0
    drip: float = 0

    @property
    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Asked:
    """One request as it came in; names of headers in small letters."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class ModelServer:
    """What a server answers, by path with query; any other path is 404."""

    port: int
    answers: dict[str, Reply] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def paths(self) -> list[str]:
        return [each.path for each in self.asked]


@contextlib.contextmanager
def model_server(answers: dict[str, Reply] | None = None, tls: ssl.SSLContext | None = None) -> Iterator[ModelServer]:
    """Runs one until the block ends."""
    state = ModelServer(0, dict(answers or {}))

    class Serve(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.asked.append(Asked(self.command, self.path, headers, self.rfile.read(length)))
            reply = state.answers.get(self.path, Reply({"error": "not found"}, 404))
            time.sleep(reply.pause)
            self.send_response_only(reply.status)
            for name, value in {"content-length": str(len(reply.data)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                for piece in [reply.data] if not reply.drip else [bytes([byte]) for byte in reply.data]:
                    self.wfile.write(piece)
                    time.sleep(reply.drip)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass  # a client that hung up

    server = Server(("127.0.0.1", 0), Serve)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
