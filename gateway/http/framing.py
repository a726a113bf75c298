"""What the head of a request must be, beyond what llhttp refuses: whatever two readers could read in two ways is
refused here, so that nothing before us and nothing behind us can take a request for another one.

llhttp, as httptools has it, refuses by itself: two lengths, a length beside chunks, signs and lists in a length, folded
lines, a line that ends without CR, spaces before a colon, controls in names and values, and garbage for a chunk's size.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Any, Protocol

import httptools

from gateway.core.errors import Refusal, Refused

MOST_HEADERS = 100
MOST_HEAD_BYTES = 32_768
"""Names and values of the headers, and the target. More is refused with 431."""

TELLING = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
"""Headers that say how a request is framed, or whom it is for."""

_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
_VERSIONS = ("1.1", "1.0")
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?\Z")


def refused(why: str) -> Refused:
    """A request that is not read further."""
    return Refused(Refusal.BAD_FRAMING, f"this is no HTTP request that can be read in one way only: {why}")


def too_much() -> Refused:
    """A head that is too long."""
    return Refused(
        Refusal.HEADERS_TOO_LARGE, f"at most {MOST_HEADERS} headers, of {MOST_HEAD_BYTES} bytes together, are read"
    )


def check_start(method: bytes, target: bytes, version: str) -> None:
    """Raises Refused for a first line that is none of HTTP/1.1 or 1.0 to an origin. A target is a path: we are nobody's
    proxy, and a host in it could be another one than the header's."""
    if version not in _VERSIONS:
        raise refused(f"HTTP/{version} is not spoken here, use HTTP/1.1")
    if method not in _METHODS:
        raise refused("the method is not known here")
    if target[:1] != b"/" or b"#" in target:
        raise refused("the target has to be a path, such as /v1/chat/completions")


def check_host(value: bytes) -> None:
    """Raises Refused for what is no name or address, with or without a port."""
    if _HOST.match(value) is None:
        raise refused("the header `host` is no name or address")


def check_coding(value: bytes, version: str) -> None:
    """Raises Refused for a transfer coding other than chunks."""
    if value.strip().lower() != b"chunked":
        raise refused("the only transfer coding is `chunked`")
    if version == "1.0":
        raise refused("HTTP/1.0 has no transfer codings")


_OF_UPGRADE = frozenset({b"upgrade", b"http2-settings"})


def without_upgrade(method: bytes, target: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A head again, without the wish to go on in HTTP/2: whoever has that wish takes HTTP/1.1 as well, and some clients
    have it on every first request (RFC 9110, 7.8). Raises Refused for a wish for another protocol."""
    lines = [b"%b %b HTTP/%b\r\n" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"upgrade" and value.strip().lower() != b"h2c":
            raise refused("no other protocol is spoken here; send no `upgrade`")
        if name == b"connection":
            tokens = [token for each in value.split(b",") if (token := each.strip()).lower() not in _OF_UPGRADE]
            if tokens:
                lines.append(b"connection: %b\r\n" % b", ".join(tokens))
        elif name not in _OF_UPGRADE:
            lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join((*lines, b"\r\n"))


class Reading(Protocol):
    """What reads requests. A head that is to be read `instead` of the last one, if it is there."""

    parser: Any
    instead: bytes


def feed(reading: Reading, data: bytes) -> None:
    """Feeds its parser, which stops behind a head with `upgrade` and takes what follows for another protocol's. Raises
    HttpParserError."""
    rest: bytes | memoryview = data
    while (stopped := _stopped(reading.parser, rest)) is not None and (head := reading.instead):
        reading.instead = b""
        reading.parser = httptools.HttpRequestParser(reading)  # the other one may take this request for its last
        reading.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        reading.parser.feed_data(head)
        rest = memoryview(rest)[stopped:]


def _stopped(parser: Any, data: bytes | memoryview) -> int | None:
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade as stopped:
        at: int = stopped.args[0]
        return at
    return None


def is_loopback(host: bytes) -> bool:
    """Whether a `host` header, which is well formed, names this machine as it sees itself. A page that a browser loaded
    from elsewhere, and whose name came to mean 127.0.0.1, does not."""
    name = host.decode("ascii").lower()
    name = name[1:].partition("]")[0] if name[0] == "[" else name.partition(":")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
