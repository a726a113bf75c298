"""Connections whose other end is gone without a word, a cable pulled: found out within two minutes."""

import socket

_PROBES = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""Of a connection that nothing is sent on: seconds, seconds, probes."""
_ANSWER = ("TCP_USER_TIMEOUT", 120_000)
"""How long (ms) what is sent may go without an answer. Who is sent something is not probed, and the system would try
for a quarter of an hour."""


def probe(connection: socket.socket) -> None:
    """Has the other end asked, while nothing is sent, whether it is still there; what a listener accepts has it, too.
    What is between does not take the connection for an unused one then."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES:
        _set(connection, name, value)


def bound(connection: socket.socket) -> None:
    """Gives up a connection whose other end does not take what is sent."""
    _set(connection, *_ANSWER)


def _set(connection: socket.socket, name: str, value: int) -> None:
    if (option := getattr(socket, name, None)) is not None:  # not every system has them all
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
