"""The HAProxy configuration that is shipped, in a real HAProxy, before two real gateways that are restarted in turns."""

import contextlib
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from faults.test_drain import FULL, Client
from support.server import ROOT, Server, backend, free_port
from support.upstream import DONE, OK, STREAM_HEAD, USAGE_EVENT, Upstream, answer, chunk, delta

CONFIG = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SETTINGS = COMPOSE["services"]["gateway-1"]["environment"]


def installed() -> str:
    if (binary := shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")) is None:
        pytest.skip("haproxy is not installed here; `make servers` installs it where that is possible")
    return binary


@contextlib.contextmanager
def haproxy(directory: Path, addresses: list[str]) -> Iterator[int]:
    """HAProxy with the shipped file before some gateways; the port that clients ask."""
    binary = installed()
    port, alive = free_port(), free_port()
    named = {f"SERVER_{number}": address for number, address in enumerate(addresses, 1)}
    environment = {**os.environ, **named, "LISTEN": f"127.0.0.1:{port}", "ALIVE": f"127.0.0.1:{alive}"}
    with (directory / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([binary, "-db", "-f", CONFIG], env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{alive}/", timeout=2) as answered:
                    assert answered.status == 200
                break
            except OSError:
                assert process.poll() is None, (directory / "haproxy.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.timeout(600)
@pytest.mark.assures("fault 16")
def test_gateways_restart_in_turns_behind_the_shipped_haproxy_and_nobody_notices(tmp_path, showed):
    upstream = Upstream()
    timed = [step for number in range(30) for step in (chunk(delta(f"{number}")), 0.05)]
    upstream.scripts.update(
        quick=[0.005, answer(OK)],
        stream=[STREAM_HEAD, *timed, chunk(delta(finish="stop")), chunk(USAGE_EVENT), chunk(DONE), b"0\r\n\r\n"],
    )
    catalog = {name: backend(upstream.url(name)) for name in upstream.scripts}
    told = {name: str(SETTINGS[name]) for name in ("GATEWAY_DRAIN_SECONDS", "GATEWAY_GRACE_SECONDS")}
    rounds = 10 if FULL else 1
    with contextlib.ExitStack() as stack:
        stack.callback(upstream.stop)
        servers = [Server(tmp_path / name, ROOT / "routing_policies", catalog, **told) for name in ("one", "two")]
        key = servers[0].key(sensitivity="public")
        shutil.copytree(servers[0].state, servers[1].state)
        for server in servers:
            stack.callback(server.start().stop)
        # the third gateway is not started by default, and has no name then
        addresses = [*(f"127.0.0.1:{server.port}" for server in servers), ""]
        port = stack.enter_context(haproxy(tmp_path, addresses))
        time.sleep(3)  # until it has looked twice
        clients = [Client(port, key, "quick", streamed=False) for _ in range(8)]
        clients += [Client(port, key, "stream", streamed=True) for _ in range(8)]
        for _ in range(rounds):
            for server in servers:
                assert server.stop() == 0
                server.start()
                time.sleep(3)
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(30)
        ends = [end for client in clients for end in client.ends]
        assert set(ends) == {"whole"}, {end: ends.count(end) for end in set(ends)}
        assert len(upstream.seen) == len(ends)  # none was sent twice
        books = [len(server.ledger()) for server in servers]
        assert sum(books) == len(ends)
        assert min(books) > 0
    streams = sum(len(client.ends) for client in clients[8:])
    showed(
        f"{rounds} restarts of each of 2 gateways behind HAProxy, {len(ends)} requests, {streams} streamed", "0 failed"
    )


@pytest.mark.parametrize("third", ["", "nobody.invalid:8080"])
def test_a_third_gateway_is_asked_only_where_it_is_named(third):
    given = {"SERVER_1": "127.0.0.1:1", "SERVER_2": "127.0.0.1:2", "SERVER_3": third}
    environment = {**os.environ, **given, "LISTEN": "127.0.0.1:1024", "ALIVE": "127.0.0.1:1025"}
    checked = subprocess.run([installed(), "-c", "-f", CONFIG], env=environment, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    # one that is named and has no address yet is told, and gets one when it is there
    assert ("gateways/gateway-3" in checked.stderr) == bool(third)


def test_it_takes_longer_to_drain_than_to_be_seen_and_longer_to_be_killed_than_to_end():
    """The figures of the file and of the compose file that runs it fit together."""
    (line,) = [line.split() for line in CONFIG.read_text().splitlines() if line.strip().startswith("default-server")]
    figure = {name: float(line[line.index(name) + 1].removesuffix("s")) for name in ("inter", "fall", "maxconn")}
    drain, grace = (float(SETTINGS[f"GATEWAY_{name}_SECONDS"]) for name in ("DRAIN", "GRACE"))
    assert figure["inter"] * (figure["fall"] + 1) < drain < grace
    for name, service in COMPOSE["services"].items():
        if name.startswith(("gateway-", "haproxy")):
            assert grace < float(service["stop_grace_period"].removesuffix("s"))
