"""Calls of a gateway by whoever means no good, and a server that nobody may call."""

import http.client
import json
import socket
import threading
from typing import NamedTuple

from support.server import Server


class Answered(NamedTuple):
    """What came back: names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def post(
    gateway: Server, key: str, body: dict | bytes, headers: object = (), path: str = "/v1/chat/completions"
) -> Answered:
    """One request. `headers` are pairs, or a dict; a name may come twice, in any case."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)  # type: ignore[call-overload]
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    try:
        connection.putrequest("POST", path)
        for name, value in [
            ("authorization", f"Bearer {key}"),
            ("content-type", "application/json"),
            ("content-length", str(len(data))),
            *pairs,
        ]:
            connection.putheader(name, value)
        connection.endheaders(data)
        answered = connection.getresponse()
        found = {name.lower(): value for name, value in answered.getheaders()}
        return Answered(answered.status, found, answered.read())
    finally:
        connection.close()


def status_of(
    gateway: Server, key: str, body: dict | bytes, headers: object = (), path: str = "/v1/chat/completions"
) -> int:
    """The status of one request."""
    return post(gateway, key, body, headers, path).status


class Sink:
    """A server that nobody may call. It counts who connects."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self._socket.accept()[0].close()
            except OSError:
                return
            self.connections += 1

    def stop(self) -> None:
        self._socket.close()
