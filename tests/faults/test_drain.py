"""SIGTERM under load: nobody new, streams end or are told why, everything is settled, and the process ends well."""

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import threading
import time

import pytest
from support.replicas import named
from support.server import ROOT, Server, backend, serving
from support.upstream import DONE, HANG, OK, STREAM_HEAD, USAGE_EVENT, Upstream, answer, chunk, delta, stream
from threats.test_framing import nginx

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
ROUNDS = 100 if FULL else 2
CLIENTS = 24


@pytest.fixture
def upstream():
    one = Upstream()
    yield one
    one.stop()


def ask(model: str, *, streamed: bool = False) -> bytes:
    return json.dumps({"model": model, "stream": streamed, "messages": [{"role": "user", "content": "hi"}]}).encode()


class Client(threading.Thread):
    """Asks over one connection after the other, for as long as it is told that it may. `ends` says how each went."""

    def __init__(self, port: int, key: str, model: str, *, streamed: bool, once: bool = False) -> None:
        super().__init__(daemon=True)
        self.port, self.key, self.body, self.streamed = port, key, ask(model, streamed=streamed), streamed
        self.once = once
        self.stopping = threading.Event()
        self.ends: list[str] = []
        self.start()

    def run(self) -> None:
        connection = None
        while not self.stopping.wait(0.01):
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                try:
                    connection.connect()
                except OSError:
                    self.ends.append("refused")
                    return
            try:
                headers = {"authorization": f"Bearer {self.key}"}
                connection.request("POST", "/v1/chat/completions", self.body, headers)
                response = connection.getresponse()
                data = response.read()
                self.ends.append(self._read(response.status, data))
                if response.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.ends.append(f"broken: {type(error).__name__}")
                connection.close()
                connection = None
            if self.once:
                return

    def _read(self, status: int, data: bytes) -> str:
        if status != 200:
            return f"{status} {json.loads(data)['error']['code']}"
        if not self.streamed:
            return "whole" if json.loads(data) == OK else "wrong"
        if data.endswith(b"data: [DONE]\n\n"):
            return "whole"
        return "told" if b'"server_stopping"' in data else "cut"


def events(server) -> list[dict]:
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] != "request"]


@pytest.mark.timeout(300)
@pytest.mark.assures("fault 16")
def test_sigterm_under_load_breaks_nothing_off_without_a_word(tmp_path, upstream, showed):
    timed = [step for n in range(20) for step in (chunk(delta(f"{n}")), 0.02)]
    upstream.scripts.update(
        quick=[0.005, answer(OK)],
        stream=[STREAM_HEAD, *timed, chunk(delta(finish="stop")), chunk(USAGE_EVENT), chunk(DONE), b"0\r\n\r\n"],
        never=[STREAM_HEAD, chunk(delta("begun")), HANG],
        silent=[HANG],
    )
    catalog = {name: backend(upstream.url(name)) for name in upstream.scripts}
    ends: dict[str, int] = {}
    for round_ in range(ROUNDS):
        upstream.seen.clear()
        with serving(tmp_path / str(round_), catalog, GATEWAY_GRACE_SECONDS="3") as server:
            key = server.key(sensitivity="public")
            clients = [Client(server.port, key, "quick", streamed=False) for _ in range(CLIENTS // 3)]
            clients += [Client(server.port, key, "stream", streamed=True) for _ in range(CLIENTS // 3)]
            stuck = [Client(server.port, key, "never", streamed=True, once=True) for _ in range(2)]
            stuck += [Client(server.port, key, "silent", streamed=False, once=True) for _ in range(2)]
            time.sleep(0.5 + random.random())
            started = time.monotonic()
            assert server.stop() == 0
            took = time.monotonic() - started
            for client in clients + stuck:
                client.stopping.set()
            for client in clients + stuck:
                client.join(20)
            assert 3 * 0.9 < took < 3 + 5
            assert [client.ends for client in stuck] == [["told"]] * 2 + [["503 server_stopping"]] * 2
            for client in clients:
                for end in client.ends:
                    ends[end] = ends.get(end, 0) + 1
            assert [line["event"] for line in events(server)][-4:] == ["draining", "closed", "cut", "stopped"]
            rows = server.ledger()
            assert len(rows) == len(upstream.seen)
            assert {row["state"] for row in rows} <= {"settled", "uncertain"}
            assert not list((server.state / "journal").glob("[0-9]*.jsonl"))  # all of it is in the ledger
    assert ends.keys() <= {"whole", "refused"}, ends
    showed(
        f"{ROUNDS} SIGTERMs under {CLIENTS} busy clients and 4 stuck ones",
        f"{ends['whole']} answers whole, 0 broken, stuck ones told at the end of the grace, ledger whole, exit 0",
    )


@pytest.mark.assures("fault 16")
def test_while_it_drains_requests_are_taken_and_the_load_balancer_is_told(tmp_path, upstream, showed):
    upstream.scripts.update(quick=[answer(OK)])
    settings = {"GATEWAY_DRAIN_SECONDS": "3", "GATEWAY_GRACE_SECONDS": "10"}
    with serving(tmp_path, {"quick": backend(upstream.url("quick"))}, **settings) as server:
        key = server.key(sensitivity="public")
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        kept.request("GET", "/readyz")
        assert (kept.getresponse().read(), kept.sock is not None)[1]
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        kept.request("GET", "/readyz")
        ready = kept.getresponse()
        assert (ready.status, json.loads(ready.read())["status"]) == (503, "draining")
        assert ready.will_close
        fresh = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        fresh.request("GET", "/healthz")
        assert fresh.getresponse().status == 200
        late = Client(server.port, key, "quick", streamed=False, once=True)
        late.join(10)
        assert late.ends == ["whole"]
        assert server.process.wait(20) == 0
        assert time.monotonic() - started >= 3
        assert [line["event"] for line in events(server)][-3:] == ["draining", "closed", "stopped"]
    showed("requests within GATEWAY_DRAIN_SECONDS", "taken, each ends its connection; /readyz 503 at once")


def test_a_second_signal_ends_at_once_and_a_keyboard_does_not_wait(tmp_path, upstream):
    upstream.scripts.update(never=[STREAM_HEAD, chunk(delta("begun")), HANG])
    settings = {"GATEWAY_DRAIN_SECONDS": "20", "GATEWAY_GRACE_SECONDS": "25"}
    catalog = {"never": backend(upstream.url("never"))}
    with serving(tmp_path, catalog, **settings) as server:
        stuck = Client(server.port, server.key(sensitivity="public"), "never", streamed=True, once=True)
        time.sleep(1)
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0
        assert time.monotonic() - started < 10
        stuck.join(10)
        assert stuck.ends == ["told"]
        assert [row["state"] for row in server.ledger()] == ["settled"]
        server.start()
        started = time.monotonic()
        assert server.stop(signal.SIGINT) == 0
        assert time.monotonic() - started < 10


@pytest.mark.timeout(300)
@pytest.mark.assures("fault 16")
def test_gateways_restart_in_turns_behind_nginx_and_nobody_notices(tmp_path, upstream, showed):
    upstream.scripts.update(
        quick=[0.005, answer(OK)], stream=stream(delta("x"), delta(finish="stop"), USAGE_EVENT, DONE)
    )
    catalog = {name: backend(upstream.url(name)) for name in upstream.scripts}
    rounds = 20 if FULL else 1
    with contextlib.ExitStack() as stack:
        settings = {"GATEWAY_DRAIN_SECONDS": "1", "GATEWAY_GRACE_SECONDS": "10"}
        servers = [Server(tmp_path / name, ROOT / "routing_policies", catalog, **settings) for name in ("one", "two")]
        key = servers[0].key(sensitivity="public")
        shutil.copytree(servers[0].state, servers[1].state)
        for server in servers:
            stack.callback(server.start().stop)
        retried = "proxy_next_upstream error timeout http_503;"
        (tmp_path / "nginx").mkdir()
        port = stack.enter_context(nginx(tmp_path / "nginx", named(servers), retried))
        clients = [Client(port, key, "quick", streamed=False) for _ in range(8)]
        clients += [Client(port, key, "stream", streamed=True) for _ in range(4)]
        for _ in range(rounds):
            for server in servers:
                assert server.stop() == 0
                server.start()
                time.sleep(0.5)
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(20)
        ends = [end for client in clients for end in client.ends]
        assert set(ends) == {"whole"}, {end: ends.count(end) for end in set(ends)}
    showed(f"{rounds} restarts of each of 2 gateways behind nginx, {len(ends)} requests", "0 failed")
