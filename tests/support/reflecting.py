"""An upstream that repeats all that it was sent, headers first, in every way that an answer can have."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def _error(said: str) -> bytes:
    """An error that repeats it in each of its members."""
    names = ("message", "type", "code", "param", "detail", "metadata_raw")
    return json.dumps({"error": {name: f"{name} {said}" for name in names}}).encode()


def _quoted(said: str) -> bytes:
    """As OpenAI words it."""
    message = f"Incorrect API key provided: {said}. You can find your API key in your account."
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}
    return json.dumps({"error": error}).encode()


def _answer(said: str) -> dict:
    return {
        "id": said,
        "object": "chat.completion",
        "created": 1,
        "model": said,
        "system_fingerprint": said,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def _chunk(said: str) -> dict:
    choices = [{"index": 0, "delta": {"content": said}, "finish_reason": None}]
    return {**_answer(said), "object": "chat.completion.chunk", "choices": choices, "usage": None}


STATUSES = {f"s{status}": status for status in (302, 400, 401, 402, 403, 404, 413, 422, 429, 500, 502, 503, 529)}
WAYS = (*STATUSES, "quoted", "ok", "text", "bare", "inner", "stream", "streamed-error", "cut", "none")
"""What may stand in the path, as in `/s401/v1/chat/completions`: how it answers."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        sent = self.rfile.read(length).decode("utf-8", "replace")
        said = " ".join(f"{name}: {value}" for name, value in self.headers.items())
        way = self.path.split("/")[1]
        self.server.seen.append(way)
        if way == "none":
            self.close_connection = True
        elif way in STATUSES:
            self._whole(STATUSES[way], _error(f"{said} {sent[:200]}"), said)
        elif way == "quoted":
            self._whole(401, _quoted(said), said)
        elif way == "ok":
            self._whole(200, json.dumps(_answer(said)).encode(), said)
        elif way == "text":
            self._whole(500, said.encode(), said)
        elif way == "bare":
            self._whole(200, said.encode(), said)
        elif way == "inner":
            self._whole(200, _error(said), said)
        else:
            self._events(way, said)

    def _whole(self, status: int, body: bytes, said: str, type: str = "application/json") -> None:
        self.send_response(status, said[:60])
        self._headers(said, type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _headers(self, said: str, type: str) -> None:
        self.send_header("content-type", type)
        for name in ("x-request-id", "request-id", "retry-after", "x-upstream", "location", "set-cookie"):
            self.send_header(name, said)

    def _events(self, way: str, said: str) -> None:
        self.send_response(200)
        self._headers(said, "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._event(f": {said}\n\n")
        self._event(f"event: x\nid: {said}\ndata: {json.dumps(_chunk(said))}\n\n")
        if way == "streamed-error":
            self._event(f"data: {_error(said).decode()}\n\n")
        if way == "cut":
            self.close_connection = True
            return
        end = {**_chunk(""), "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        self._event(f"data: {json.dumps(end)}\n\n")
        self._event("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[str] = []

    def handle_error(self, *_: object) -> None:
        """A connection that was dropped is nothing to tell."""


class Reflecting:
    """The server, in threads of its own. `seen` are the ways in which it was asked to answer."""

    def __init__(self) -> None:
        self.server = _Server()
        self.seen = self.server.seen
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def url(self, way: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{way}/v1"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(5)
