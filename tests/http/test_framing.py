"""What the head of a request must be. The corpus on the wire is in tests/threats/test_framing.py."""

import pytest

from gateway.core.errors import Refused
from gateway.http import framing


@pytest.mark.parametrize(
    ("method", "target", "version", "taken"),
    [
        (b"POST", b"/v1/chat/completions", "1.1", True),
        (b"GET", b"/", "1.0", True),
        (b"GET", b"//x/y?z", "1.1", True),
        (b"POST", b"/", "0.9", False),
        (b"POST", b"/", "2.0", False),
        (b"SOURCE", b"/", "1.1", False),
        (b"POST", b"http://h/", "1.1", False),
        (b"POST", b"h:80", "1.1", False),
        (b"OPTIONS", b"*", "1.1", False),
        (b"POST", b"", "1.1", False),
        (b"POST", b"/a#b", "1.1", False),
    ],
)
def test_first_lines(method, target, version, taken):
    assert _passes(framing.check_start, method, target, version) == taken


@pytest.mark.parametrize(
    ("host", "taken", "loopback"),
    [
        (b"gateway", True, False),
        (b"my_service:8080", True, False),
        (b"localhost", True, True),
        (b"LocalHost:8081", True, True),
        (b"a.localhost", True, True),
        (b"alocalhost", True, False),
        (b"127.0.0.1:8081", True, True),
        (b"127.9.9.9", True, True),
        (b"[::1]:8081", True, True),
        (b"[::2]", True, False),
        (b"0.0.0.0", True, False),
        (b"127.0.0.1.example.org", True, False),
        (b"", False, None),
        (b"a b", False, None),
        (b"a@b", False, None),
        (b"a/b", False, None),
        (b"a:b", False, None),
        (b"a:123456", False, None),
        (b"::1", False, None),
        (b"a\n", False, None),
    ],
)
def test_hosts(host, taken, loopback):
    assert _passes(framing.check_host, host) == taken
    if taken:
        assert framing.is_loopback(host) == loopback


@pytest.mark.parametrize(
    ("value", "version", "taken"),
    [
        (b"chunked", "1.1", True),
        (b"CHUNKED ", "1.1", True),
        (b"chunked", "1.0", False),
        (b"gzip, chunked", "1.1", False),
    ],
)
def test_transfer_codings(value, version, taken):
    assert _passes(framing.check_coding, value, version) == taken


def test_a_head_that_is_too_long_is_told_the_bounds():
    assert str(framing.MOST_HEADERS) in framing.too_much().message


def _passes(check, *arguments) -> bool:
    try:
        check(*arguments)
    except Refused:
        return False
    return True
