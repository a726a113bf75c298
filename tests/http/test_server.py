"""The server of a process. How it ends under load: tests/faults/test_drain.py."""

import asyncio
import resource
import socket

import pytest

from gateway.http import server


@pytest.mark.parametrize(
    ("descriptors", "requests", "most"),
    [
        (64, 4000, 8),
        (256, 4000, 96),
        (1024, 4000, 480),
        (65_536, 4000, 20_000),
        (10_000, 1000, 8936),
        (1_000_000, 4000, 20_000),
    ],
)
def test_connections_leave_descriptors_for_backends_and_stores(descriptors, requests, most):
    assert server.most_connections(descriptors, requests) == most


def test_the_limit_of_descriptors_is_raised():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] // 2, before[1]))
        told = server.raise_descriptor_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
        assert told in (before[1], 80_000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_port_in_use_names_the_setting():
    with server.listen("127.0.0.1", 0, "GATEWAY_PORT") as first:
        with pytest.raises(server.CannotListen, match="set GATEWAY_PORT to a free port"):
            server.listen("127.0.0.1", first.getsockname()[1], "GATEWAY_PORT")


def test_a_port_that_another_socket_took_of_all_addresses_is_in_use():
    with server.listen("0.0.0.0", 0, "GATEWAY_PORT") as first, pytest.raises(server.CannotListen):
        server.listen("127.0.0.1", first.getsockname()[1], "GATEWAY_ADMIN_PORT")


@pytest.mark.parametrize("host", ["nonsense.invalid", "192.0.2.1", "a..b", "2001:db8::1"])
def test_an_address_that_is_not_ours_names_the_setting(host):
    with pytest.raises(server.CannotListen, match="set GATEWAY_ADMIN_HOST to an address of this machine"):
        server.listen(host, 0, "GATEWAY_ADMIN_PORT")


TIMES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 120_000}


def test_a_peer_that_is_gone_without_a_word_is_found_out():
    with server.listen("127.0.0.1", 0, "GATEWAY_PORT") as listener:
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            found = {name: accepted.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in TIMES}
    assert found == TIMES
    idle, probes = TIMES["TCP_KEEPIDLE"], TIMES["TCP_KEEPINTVL"] * TIMES["TCP_KEEPCNT"]
    assert idle + probes == TIMES["TCP_USER_TIMEOUT"] / 1000  # whether it is sent something or not


async def test_a_connection_of_a_running_listener_is_watched():
    """What the loop accepts has what its listener has."""
    with server.listen("127.0.0.1", 0, "GATEWAY_PORT") as listener:
        made = asyncio.Queue()

        class Accepted(asyncio.Protocol):
            def connection_made(self, transport):
                made.put_nowait(transport)

        listening = await asyncio.get_running_loop().create_server(Accepted, sock=listener)
        _, writer = await asyncio.open_connection(*listener.getsockname())
        accepted = (await made.get()).get_extra_info("socket")
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        found = {name: accepted.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in TIMES}
        writer.close()
        listening.close()
    assert found == TIMES
