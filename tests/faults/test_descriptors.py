"""A process with few descriptors: what is too much is turned away, the rest is served, and nothing spins."""

import asyncio
import contextlib
import os
import resource
import socket
import time
from pathlib import Path

import httpx2
import pytest
from support.listening import GET, Listening
from support.server import ROOT, Server, backend
from support.upstream import OK, Upstream, answer

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
DESCRIPTORS = 256
SECONDS = 300 if FULL else 3


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.assures("fault 20")
def test_with_256_descriptors_what_is_too_much_is_turned_away_and_the_rest_is_served(tmp_path, showed):
    upstream = Upstream()
    upstream.scripts["a"] = [0.02, answer(OK)]
    server = Server(tmp_path, ROOT / "routing_policies", {"a": backend(upstream.url("a"))})
    server.command = ["bash", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "-", *server.command]
    server.start()
    with contextlib.ExitStack() as stack:
        stack.callback(upstream.stop)
        stack.callback(server.stop)
        key = server.key(sensitivity="public")
        client = stack.enter_context(httpx2.Client(timeout=10))
        body = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}

        def served() -> int:
            headers = {"authorization": f"Bearer {key}"}
            return client.post(f"{server.base}/v1/chat/completions", json=body, headers=headers).status_code

        assert served() == 200
        idle = []
        for _ in range(400):
            one = stack.enter_context(socket.socket())
            one.settimeout(5)
            one.connect(("127.0.0.1", server.port))
            idle.append(one)
        told = sum(_told(one) for one in idle)
        assert 400 - told <= 96 + 4
        begun, used = time.monotonic(), cpu_seconds(server.process.pid)
        asked = 0
        while time.monotonic() - begun < SECONDS:
            assert served() == 200  # by the connection that was there before
            asked += 1
            time.sleep(0.05)
        share = (cpu_seconds(server.process.pid) - used) / (time.monotonic() - begun)
        assert share < 0.5
        assert server.metrics()['gateway_shed_total{reason="connections"}'] == told
        assert len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) < DESCRIPTORS
        for one in idle:
            one.close()
        time.sleep(0.3)
        assert httpx2.get(f"{server.base}/healthz").status_code == 200
    showed(
        f"{DESCRIPTORS} descriptors, 400 connections, {SECONDS} s",
        f"{told} told 503, {asked} requests of the others served, {share:.0%} CPU, then connections are taken again",
    )


def _told(one: socket.socket) -> bool:
    one.settimeout(0.02)
    try:
        return one.recv(4096).startswith(b"HTTP/1.1 503 ")
    except TimeoutError:
        return False


async def test_connections_beyond_the_limit_are_told_and_closed():
    async with Listening(connections=3) as served:
        others = [await served.connect() for _ in range(2)]
        assert (await served.told(GET)).startswith(b"HTTP/1.1 503 ")
        assert served.shed == {"connections": 1}
        for _, writer in others:
            writer.close()
        await asyncio.sleep(0.1)
        assert b"200 OK" in await served.told(GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))


@pytest.mark.timeout(300)
@pytest.mark.assures("fault 19")
def test_idle_connections_cost_little_and_are_given_up(tmp_path, showed):
    """Without a memory cap, which needs a cgroup: what they cost is measured instead."""
    amount = 10_000 if FULL else 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    server = Server(tmp_path, ROOT / "routing_policies").start()
    try:
        before = memory(server.process.pid)
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(amount)]
        began = time.monotonic()
        assert httpx2.get(f"{server.base}/healthz", timeout=20).status_code == 200
        each = (memory(server.process.pid) - before) / amount
        for one in idle[:: amount // 100]:  # none of them ever asks for anything
            one.settimeout(30)
            assert one.recv(1) == b""
        took = time.monotonic() - began
        for one in idle:
            one.close()
    finally:
        server.stop()
    assert each < 25_000
    assert took < 20
    showed(f"{amount} idle connections", f"{each / 1000:.0f} KB each; closed after {took:.0f} s without a request")


def memory(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
