"""What the system is told about connections whose other end may be gone."""

import socket

from gateway.adapters import half_open


def test_an_idle_connection_is_found_out_within_two_minutes():
    with socket.socket() as one:
        half_open.probe(one)
        idle, between, probes = (
            one.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert idle + between * probes <= 120
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


def test_what_nobody_takes_is_given_up_within_two_minutes():
    with socket.socket() as one:
        half_open.bound(one)
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 120_000


def test_a_system_that_has_no_such_times_is_left_its_own(monkeypatch):
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"):
        monkeypatch.delattr(socket, name)
    with socket.socket() as one:
        half_open.probe(one)
        half_open.bound(one)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
