"""What a request leaves behind: nothing that only a collection of circles would free. A collection stops all requests
for tens of milliseconds, and until it comes the memory of a thousand requests is held."""

import ast
import json
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable

import httpx2
import pytest
from support.server import ROOT, Server, backend
from support.upstream import CLOSE, DONE, HANG, OK, USAGE_EVENT, answer, delta, stream

WATCHED = """
OFF = "a collector that is off"
import gc, os, signal
from collections import Counter
from gateway.cli import main

def tell(*_):
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    found = Counter(type(each).__qualname__ for each in gc.garbage)
    found.update([] if gc.isenabled() else [OFF])
    gc.garbage.clear()
    gc.set_debug(0)
    gc.collect()
    with open("found~", "w") as file:
        file.write(repr(dict(found)))
    os.rename("found~", "found")

signal.signal(signal.SIGUSR1, tell)
main()
"""
OFF = "a collector that is off"
STREAM = stream(delta("hello"), delta(finish="stop"), USAGE_EVENT, DONE)
TIMES = 20
CHAT = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def watched(tmp_path_factory, upstream):
    catalog = {
        name: backend(upstream.url(name), capabilities=["chat"], timeout={"first_byte": "1s", "total": "1s"})
        for name in ("a", "b")
    }
    server = Server(tmp_path_factory.mktemp("watched"), ROOT / "routing_policies", catalog)
    server.command = [sys.executable, "-c", WATCHED, "serve"]
    server.start()
    yield server, server.key(sensitivity="public")
    server.stop()


def circles(server: Server) -> Counter[str]:
    """Kinds of objects that only a collection has freed since it was last asked."""
    found = server.directory / "found"
    found.unlink(missing_ok=True)
    server.process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + 20
    while not found.exists():
        assert time.monotonic() < deadline, "it does not tell"
        time.sleep(0.02)
    return Counter(ast.literal_eval(found.read_text()))


def asks(path: str, body: object, status: int, **headers: str) -> Callable[[httpx2.Client], None]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def ask(client: httpx2.Client) -> None:
        assert client.post(path, content=content, headers=headers).status_code == status

    return ask


def leaves(client: httpx2.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port)) as line:
        body = json.dumps(CHAT).encode()
        key = client.headers["authorization"].encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: %b\r\ncontent-length: %d\r\n\r\n"
        line.sendall(head % (key, len(body)) + body)
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("ask", "script"),
    [
        pytest.param(asks("/v1/chat/completions", CHAT, 200), [answer(OK)], id="a chat"),
        pytest.param(asks("/v1/chat/completions", {**CHAT, "stream": True}, 200), STREAM, id="a stream"),
        pytest.param(asks("/v1/messages", {**CHAT, "max_tokens": 9}, 200), [answer(OK)], id="translated"),
        pytest.param(asks("/v1/messages", {**CHAT, "max_tokens": 9, "stream": True}, 200), STREAM, id="both"),
        pytest.param(asks("/v1/chat/completions", CHAT, 500), [answer({}, 500)], id="a backend that fails"),
        pytest.param(asks("/v1/chat/completions", CHAT, 502), [CLOSE], id="one that breaks off"),
        pytest.param(asks("/v1/chat/completions", {**CHAT, "model": "nobody"}, 404), [], id="an unknown model"),
        pytest.param(asks("/v1/chat/completions", b"{", 400), [], id="no JSON"),
        pytest.param(asks("/v1/chat/completions", CHAT, 401, authorization="Bearer x"), [], id="no key"),
        pytest.param(leaves, [HANG], id="a client that leaves"),
    ],
)
def test_a_request_leaves_no_circle(watched, upstream, ask, script):
    server, key = watched
    upstream.scripts["a"] = script
    with httpx2.Client(base_url=server.base, headers={"authorization": f"Bearer {key}"}, timeout=10) as client:

        def found_after(ask: Callable[[httpx2.Client], None]) -> Counter[str]:
            ask(client)
            circles(server)
            for _ in range(TIMES):
                server.ask_again(["a"])  # of the admin listener: leaves some of its own
                ask(client)
            time.sleep(0.3)  # what waits to be carried over is no circle
            return circles(server)

        found = found_after(ask) - found_after(lambda _: None)
    assert all(count < TIMES for count in found.values()), found


def test_the_collector_that_a_start_does_without_is_on(watched):
    assert OFF not in circles(watched[0])
