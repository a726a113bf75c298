"""Requests that two readers could read in two ways, as raw bytes: refused, the connection closed, nothing relayed."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from support.server import free_port
from support.upstream import OK, answer

BODY = json.dumps({"model": "a", "messages": [{"role": "user", "content": "hi"}]}).encode()
HIDDEN = json.dumps({"model": "b", "messages": [{"role": "user", "content": "smuggled"}]}).encode()
"""What an attacker wants to reach a backend past whoever looks at requests before us."""
LINE = b"POST /v1/chat/completions HTTP/1.1\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
CLOSE = b"connection: close\r\n"
H2C = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMA\r\n"
"""A wish for HTTP/2, as Java's client has it on every first request."""


def length(body: bytes = BODY) -> bytes:
    return b"content-length: %d\r\n" % len(body)


def chunks(body: bytes = BODY, size: bytes | None = None, end: bytes = b"0\r\n\r\n") -> bytes:
    return (size or b"%x" % len(body)) + b"\r\n" + body + b"\r\n" + end


def head(key: str, *lines: bytes, first: bytes = LINE, host: bytes = b"host: gateway\r\n") -> bytes:
    return first + host + b"authorization: Bearer " + key.encode() + b"\r\n" + b"".join(lines) + b"\r\n"


def smuggled(key: str) -> bytes:
    return head(key, length(HIDDEN)) + HIDDEN


AMBIGUOUS = {
    "a length beside chunks": lambda k: head(k, length(), CHUNKED) + chunks() + smuggled(k),
    "chunks beside a length": lambda k: head(k, CHUNKED, b"content-length: 4\r\n") + chunks() + smuggled(k),
    "two lengths": lambda k: head(k, length(), b"content-length: 5\r\n") + BODY + smuggled(k),
    "two equal lengths": lambda k: head(k, length(), length()) + BODY,
    "a list of lengths": lambda k: head(k, b"content-length: %d, %d\r\n" % (len(BODY), len(BODY))) + BODY,
    "a length with a sign": lambda k: head(k, b"content-length: +%d\r\n" % len(BODY)) + BODY,
    "a negative length": lambda k: head(k, b"content-length: -1\r\n") + BODY,
    "a length in two parts": lambda k: head(k, b"content-length: 1 %d\r\n" % len(BODY)) + BODY,
    "a length in hex": lambda k: head(k, b"content-length: 0x5\r\n") + BODY,
    "no length in a length": lambda k: head(k, b"content-length: \r\n") + BODY,
    "a length beyond 64 bits": lambda k: head(k, b"content-length: 18446744073709551617\r\n") + BODY,
    "a folded line": lambda k: head(k, b"x-a: b\r\n c\r\n", length()) + BODY,
    "a folded coding": lambda k: head(k, b"transfer-encoding:\r\n chunked\r\n") + chunks(),
    "a first header that is folded": lambda k: head(k, length(), host=b" host: gateway\r\n") + BODY,
    "NUL in a value": lambda k: head(k, b"x-a: b\0c\r\n", length()) + BODY,
    "CR in a value": lambda k: head(k, b"x-a: b\rc\r\n", length()) + BODY,
    "a bare LF in a value": lambda k: head(k, b"x-a: b\nx-gateway-sensitivity: public\r\n", length()) + BODY,
    "a control in a value": lambda k: head(k, b"x-a: b\x01c\r\n", length()) + BODY,
    "DEL in a value": lambda k: head(k, b"x-a: b\x7fc\r\n", length()) + BODY,
    "NUL in a name": lambda k: head(k, b"x\0a: b\r\n", length()) + BODY,
    "a control in a name": lambda k: head(k, b"x\x0ba: b\r\n", length()) + BODY,
    "a byte beyond ASCII in a name": lambda k: head(k, b"x\xffa: b\r\n", length()) + BODY,
    "a bracket in a name": lambda k: head(k, b"x(a: b\r\n", length()) + BODY,
    "a space before the colon": lambda k: head(k, b"content-length : 5\r\n", CHUNKED) + chunks(),
    "a tab before the colon": lambda k: head(k, b"transfer-encoding\t: chunked\r\n", length()) + BODY,
    "no name": lambda k: head(k, b": b\r\n", length()) + BODY,
    "no colon": lambda k: head(k, b"nothing\r\n", length()) + BODY,
    "lines that end with LF": lambda k: head(k, length()).replace(b"\r\n", b"\n") + BODY,
    "one line that ends with LF": lambda k: head(k, b"x-a: b\n", length()) + BODY,
    "a first line that ends with LF": lambda k: head(k, length(), first=LINE.replace(b"\r", b"")) + BODY,
    "CR CR LF": lambda k: head(k, b"x-a: b\r\r\n", length()) + BODY,
    "xchunked": lambda k: head(k, b"transfer-encoding: xchunked\r\n") + chunks(),
    "identity": lambda k: head(k, b"transfer-encoding: identity\r\n", length()) + BODY,
    "identity alone": lambda k: head(k, b"transfer-encoding: identity\r\n") + BODY,
    "chunked twice": lambda k: head(k, CHUNKED, CHUNKED) + chunks(),
    "chunked, chunked": lambda k: head(k, b"transfer-encoding: chunked, chunked\r\n") + chunks(),
    "chunked, identity": lambda k: head(k, b"transfer-encoding: chunked, identity\r\n") + chunks(),
    "identity, chunked": lambda k: head(k, b"transfer-encoding: identity, chunked\r\n") + chunks(),
    "gzip, chunked": lambda k: head(k, b"transfer-encoding: gzip, chunked\r\n") + chunks(),
    "quoted chunked": lambda k: head(k, b'transfer-encoding: "chunked"\r\n') + chunks(),
    "chunked with a parameter": lambda k: head(k, b"transfer-encoding: chunked;q=1\r\n") + chunks(),
    "chunked after a vertical tab": lambda k: head(k, b"transfer-encoding: \x0bchunked\r\n") + chunks(),
    "an empty coding": lambda k: head(k, b"transfer-encoding: \r\n", length()) + BODY,
    "chunks in HTTP/1.0": lambda k: head(k, CHUNKED, first=LINE.replace(b"1.1", b"1.0")) + chunks(),
    "a chunk of garbage": lambda k: head(k, CHUNKED) + chunks(size=b"zz"),
    "a chunk in 0x": lambda k: head(k, CHUNKED) + chunks(size=b"0x%x" % len(BODY)),
    "a chunk with a sign": lambda k: head(k, CHUNKED) + chunks(size=b"+%x" % len(BODY)),
    "a negative chunk": lambda k: head(k, CHUNKED) + chunks(size=b"-1"),
    "a space after a chunk's size": lambda k: head(k, CHUNKED) + chunks(size=b"%x " % len(BODY)),
    "a chunk beyond 64 bits": lambda k: head(k, CHUNKED) + chunks(size=b"1000000000000000%x" % len(BODY)),
    "a chunk that is longer than its size": lambda k: head(k, CHUNKED) + chunks(size=b"4"),
    "a chunk that ends with LF": lambda k: head(k, CHUNKED) + b"%x\n%b\n0\n\n" % (len(BODY), BODY),
    "an extension that ends with LF": lambda k: head(k, CHUNKED) + b"%x;a\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    "a length as a trailer": lambda k: head(k, CHUNKED) + chunks(end=b"0\r\ncontent-length: 9\r\n\r\n"),
    "HTTP/0.9": lambda k: b"POST /v1/chat/completions\r\n\r\n" + BODY,
    "GET by HTTP/0.9": lambda k: b"GET /v1/models\r\n\r\n",
    "HTTP/2.0": lambda k: head(k, length(), first=LINE.replace(b"1.1", b"2.0")) + BODY,
    "HTTP/1.2": lambda k: head(k, length(), first=LINE.replace(b"1.1", b"1.2")) + BODY,
    "HTTP/1.10": lambda k: head(k, length(), first=LINE.replace(b"1.1", b"1.10")) + BODY,
    "the preface of HTTP/2": lambda k: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a TLS hello": lambda k: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32,
    "a method in lower case": lambda k: head(k, length(), first=LINE.replace(b"POST", b"post")) + BODY,
    "a method that nobody knows": lambda k: head(k, length(), first=LINE.replace(b"POST", b"POSTX")) + BODY,
    "another protocol's method": lambda k: head(k, first=b"SOURCE /v1/chat/completions ICE/1.0\r\n"),
    "CONNECT": lambda k: head(k, first=b"CONNECT example.org:443 HTTP/1.1\r\n") + smuggled(k),
    "a target with a host": lambda k: (
        head(k, length(), first=b"POST http://example.org/v1/chat/completions HTTP/1.1\r\n") + BODY
    ),
    "a target that is a host": lambda k: head(k, length(), first=b"POST example.org:80 HTTP/1.1\r\n") + BODY,
    "a star": lambda k: head(k, first=b"OPTIONS * HTTP/1.1\r\n"),
    "a fragment": lambda k: head(k, length(), first=LINE.replace(b"s HTTP", b"s#x HTTP")) + BODY,
    "a query alone": lambda k: head(k, length(), first=b"POST ?x HTTP/1.1\r\n") + BODY,
    "NUL in the target": lambda k: head(k, length(), first=LINE.replace(b"s HTTP", b"s\0 HTTP")) + BODY,
    "a tab in the target": lambda k: head(k, length(), first=LINE.replace(b"s HTTP", b"s\tx HTTP")) + BODY,
    "a byte beyond ASCII in the target": lambda k: (
        head(k, length(), first=LINE.replace(b"s HTTP", b"s\xff HTTP")) + BODY
    ),
    "a space in the target": lambda k: head(k, length(), first=LINE.replace(b"s HTTP", b"s x HTTP")) + BODY,
    "a space after the version": lambda k: head(k, length(), first=LINE.replace(b"1.1", b"1.1 ")) + BODY,
    "a space before the method": lambda k: b" " + head(k, length()) + BODY,
    "no host": lambda k: head(k, length(), host=b"") + BODY,
    "two hosts": lambda k: head(k, length(), b"host: other\r\n") + BODY,
    "two equal hosts": lambda k: head(k, length(), b"host: gateway\r\n") + BODY,
    "an empty host": lambda k: head(k, length(), host=b"host: \r\n") + BODY,
    "a host with a path": lambda k: head(k, length(), host=b"host: gateway/v1\r\n") + BODY,
    "a host with a user": lambda k: head(k, length(), host=b"host: a@gateway\r\n") + BODY,
    "a host with a fragment": lambda k: head(k, length(), host=b"host: x/#@attacker\r\n") + BODY,
    "a host with a query": lambda k: head(k, length(), host=b"host: x?y\r\n") + BODY,
    "a host that is a list": lambda k: head(k, length(), host=b"host: a, b\r\n") + BODY,
    "a host with a port that is none": lambda k: head(k, length(), host=b"host: gateway:80a\r\n") + BODY,
    "another protocol": lambda k: head(k, length(), b"connection: upgrade\r\nupgrade: websocket\r\n") + smuggled(k),
    "HTTP/2 or another protocol": lambda k: head(k, length(), H2C, b"upgrade: websocket\r\n") + BODY,
    "HTTP/2, with a length beside chunks": lambda k: head(k, H2C, length(), CHUNKED) + chunks() + smuggled(k),
    "HTTP/2, with two hosts": lambda k: head(k, H2C, length(), b"host: other\r\n") + BODY,
    "an expectation that nobody knows": lambda k: head(k, length(), b"expect: 200-ok\r\n") + BODY,
}


def exchange(port: int, sent: bytes, seconds: float = 10) -> tuple[bytes, bool]:
    """All that comes for some bytes, and whether the connection was closed then."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as client:
        client.settimeout(seconds)
        client.sendall(sent)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while part := client.recv(65536):
                got += part
            return got, True
    return got, False


@pytest.mark.assures("threat H2")
def test_what_can_be_read_in_two_ways_is_read_in_none(gateway, upstream, key, showed):
    upstream.scripts.update({name: [answer(OK)] for name in "ab"})
    wrong = {}
    for name, made in AMBIGUOUS.items():
        got, closed = exchange(gateway.port, made(key))
        says, _, body = got.partition(b"\r\n\r\n")
        refused = got.startswith(b"HTTP/1.1 400 ") and got.count(b"HTTP/1.1 ") == 1
        told = refused and json.loads(body)["error"]["code"] == "invalid_http"
        last = b"connection: close" in says
        if not (refused and told and closed and last) or upstream.seen:
            wrong[name] = (got[:300], closed, len(upstream.seen))
            upstream.seen.clear()
    assert wrong == {}
    showed(f"{len(AMBIGUOUS)} raw requests", "each 400 and closed, 0 relayed")


@pytest.mark.assures("threat H2")
def test_nothing_is_hidden_in_what_we_read_in_one_way(gateway, upstream, key, showed):
    upstream.scripts.update({name: [answer(OK)] for name in "ab"})
    inner = BODY[:-1] + b', "x": "' + smuggled(key).replace(b'"', b"'").replace(b"\r\n", b" ") + b'"}'
    fine = {
        "a request in a body": head(key, length(inner)) + inner,
        "a request after the last one": head(key, length(), b"connection: close\r\n") + BODY + smuggled(key),
        "an empty line before": b"\r\n" + head(key, length()) + BODY,
        "a trailer": head(key, CHUNKED) + chunks(end=b"0\r\nauthorization: Bearer x\r\nx-gateway-purpose: no\r\n\r\n"),
        "an extension": head(key, CHUNKED) + b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
        "names with underscores": head(
            key, length(), b"transfer_encoding: chunked\r\n", b"content_length: 3\r\n", b"content_length: 4\r\n"
        )
        + BODY,
        "a wish for HTTP/2": head(key, H2C, length()) + BODY,
        "a wish for HTTP/2, in chunks": head(key, H2C, CHUNKED) + chunks(),
        "a wish for HTTP/2, and no more": head(key, H2C, length(), CLOSE) + BODY + smuggled(key),
        "a request in a body after a wish for HTTP/2": head(key, H2C, length(inner)) + inner,
        "100-continue": head(key, length(), b"expect: 100-continue\r\n") + BODY,
    }
    for name, sent in fine.items():
        upstream.seen.clear()
        got, _ = exchange(gateway.port, sent, 0.5)
        assert b"HTTP/1.1 200 OK" in got, (name, got)
        assert [seen.name for seen in upstream.seen] == ["a"], name
    showed(f"{len(fine)} raw requests with more in them than meets the eye", "one relayed each, as it was read")


def test_a_wish_for_http_2_is_ignored_each_time(gateway, upstream, key):
    upstream.scripts["a"] = [answer(OK)]
    one = head(key, H2C, length()) + BODY
    got, _ = exchange(gateway.port, one * 3 + head(key, length()) + BODY, 0.5)
    assert (got.count(b"HTTP/1.1 200 OK"), len(upstream.seen)) == (4, 4)
    upstream.seen.clear()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(one), 9):
            client.sendall(one[at : at + 9])
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert json.loads(upstream.seen[0].body) == json.loads(BODY)


@pytest.mark.assures("threat H2", "threat H1")
@pytest.mark.parametrize(
    "lines",
    [
        b"x-gateway-sensitivity: restricted\r\nconnection: x-gateway-sensitivity\r\n",
        b"connection: close, x-gateway-sensitivity\r\nx-gateway-sensitivity: restricted\r\n",
        b"x-gateway-sensitivity: restricted\r\nx-gateway-sensitivity: public\r\n",
        b"x-gateway-sensitivity: restricted\r\nx_gateway_sensitivity: public\r\nx_gateway_sensitivity: public\r\n",
        b"X-GATEWAY-SENSITIVITY: restricted\r\nx-gateway-sensitivity: nonsense\r\n",
    ],
)
def test_no_header_takes_a_label_back(gateway, upstream, key, lines, showed):
    upstream.scripts["a"] = [answer(OK)]
    got, _ = exchange(gateway.port, head(key, length(), lines) + BODY, 0.5)
    assert b"x-gateway-sensitivity: restricted\r\n" in got
    showed("5 ways to take a declared label back", "restricted stays")


@pytest.mark.assures("threat H2")
def test_what_is_wrong_behind_a_good_request_does_not_get_into_its_answer(gateway, upstream, key, showed):
    upstream.scripts.update(a=[answer(OK)], b=[0.3, answer(OK)])
    good = head(key, length(HIDDEN)) + HIDDEN
    got, closed = exchange(gateway.port, good + b"nonsense\r\n\r\n" + good)
    assert closed
    first, second = got.split(b"HTTP/1.1 ")[1:]
    assert (first[:3], second[:3]) == (b"200", b"400")
    assert json.loads(first.partition(b"\r\n\r\n")[2]) == OK
    assert len(upstream.seen) == 1
    showed("a bad request behind one that is being answered", "answered, then 400 and closed")


@pytest.mark.parametrize(
    "lines",
    [
        b"".join(b"x-%d: y\r\n" % n for n in range(101)),
        b"x-a: " + b"y" * 33_000 + b"\r\n",
        b"".join(b"x-%d: %b\r\n" % (n, b"y" * 1000) for n in range(40)),
        b"x-a: " + b"y" * 10_000_000 + b"\r\n",
    ],
    ids=["101 headers", "33 KB in one", "40 KB in 40", "10 MB in one"],
)
def test_headers_are_bounded(gateway, key, lines):
    got, closed = exchange(gateway.port, head(key, length(), lines) + BODY)
    assert (got[:13], closed) == (b"HTTP/1.1 431 ", True)
    assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["code"] == "headers_too_large"


def test_a_target_counts_as_part_of_the_head_and_a_short_head_may_come_in_pieces(gateway, upstream, key):
    upstream.scripts["a"] = [answer(OK)]
    first = LINE.replace(b"s HTTP", b"s?x=" + b"y" * 33_000 + b" HTTP")
    assert exchange(gateway.port, head(key, length(), first=first) + BODY)[0].startswith(b"HTTP/1.1 431 ")
    whole = head(key, length(), b"connection: close\r\n", *(b"x-%d: y\r\n" % n for n in range(90))) + BODY
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(whole), 7):
            client.sendall(whole[at : at + 7])
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_key_that_is_there_twice_is_refused(gateway, upstream, key):
    upstream.scripts["a"] = [answer(OK)]
    sent = head(key, length(), b"authorization: Bearer sk-gw-other\r\n", b"connection: close\r\n") + BODY
    assert exchange(gateway.port, sent)[0].startswith(b"HTTP/1.1 400 ")
    assert upstream.seen == []


@pytest.mark.assures("threat H3")
def test_the_host_decides_nothing_on_the_public_listener(gateway, upstream, key, showed):
    upstream.scripts["a"] = [answer(OK)]
    hosts = [b"gateway", b"my_service:8080", b"127.0.0.1", b"[::1]:8080", b"llm.example.org", b"x" * 200]
    for host in hosts:
        got, _ = exchange(gateway.port, head(key, length(), CLOSE, host=b"host: %b\r\n" % host) + BODY)
        assert got.startswith(b"HTTP/1.1 200 "), host
    paths = ["/admin/policies", "/metrics", "/admin/backends/a/suspend", "//admin/policies", "/v1/../admin/policies"]
    for path in paths:
        for method in (b"GET", b"POST"):
            first = b"%b %b HTTP/1.1\r\n" % (method, path.encode())
            got, _ = exchange(gateway.port, head(key, b"content-length: 0\r\n", CLOSE, first=first))
            assert got[9:12] in (b"404", b"405"), (path, got[:100])
    showed(f"{len(hosts)} hosts, {len(paths)} paths of the admin listener", "host without effect, 404")


@pytest.mark.assures("threat H3")
def test_the_admin_listener_is_for_names_of_its_own_machine(gateway, showed):
    right = [b"127.0.0.1:%d" % gateway.admin_port, b"localhost", b"LOCALHOST:1", b"[::1]", b"127.1.2.3", b"a.localhost"]
    wrong = [
        b"example.org",
        b"localhost.example.org",
        b"10.0.0.1",
        b"0.0.0.0",
        b"[::]",
        b"127.0.0.1.nip.io",
        b"2130706433",
    ]
    for path in (b"/admin/policies", b"/metrics", b"/admin/backends"):
        for host in right + wrong:
            sent = b"GET %b HTTP/1.1\r\nhost: %b\r\nconnection: close\r\n\r\n" % (path, host)
            got, _ = exchange(gateway.admin_port, sent)
            assert got.startswith(b"HTTP/1.1 200 " if host in right else b"HTTP/1.1 421 "), (host, got[:200])
    for host in (b"x/#@127.0.0.1", b"127.0.0.1/#@attacker", b"127.0.0.1@example.org", b"127.0.0.1, example.org"):
        got, closed = exchange(gateway.admin_port, b"GET /admin/policies HTTP/1.1\r\nhost: %b\r\n\r\n" % host)
        assert (got[:13], closed) == (b"HTTP/1.1 400 ", True)
    showed(f"{len(right) + len(wrong) + 4} hosts on 3 paths of the admin listener", "421 or 400 but for loopback names")


@pytest.mark.assures("threat H4")
def test_nothing_is_believed_of_where_a_client_says_it_comes_from(gateway, upstream, key, showed):
    upstream.scripts["a"] = [answer(OK)]
    chains = [
        b"x-forwarded-for: 127.0.0.1\r\n",
        b"x-forwarded-for: 10.0.0.1, 127.0.0.1\r\n",
        b"x-forwarded-for: 127.0.0.1\r\nx-forwarded-for: 198.51.100.7\r\n",
        b"forwarded: for=127.0.0.1;host=localhost;proto=https\r\n",
        b"x-real-ip: 127.0.0.1\r\nx-forwarded-host: localhost\r\nx-forwarded-proto: https\r\n",
        b"x-forwarded-for: ::1, unknown, '; drop table\r\nx-original-url: /admin/policies\r\nx-rewrite-url: /metrics\r\n",
    ]
    for chain in chains:
        upstream.seen.clear()
        assert b"HTTP/1.1 401 " in exchange(gateway.port, head("wrong", length(), CLOSE, chain) + BODY)[0]
        assert b"HTTP/1.1 200 " in exchange(gateway.port, head(key, length(), CLOSE, chain) + BODY)[0]
        assert b"forward" not in upstream.seen[0].head.lower()
        admin = b"GET /admin/policies HTTP/1.1\r\nhost: example.org\r\n%b\r\n" % chain
        assert exchange(gateway.admin_port, admin)[0].startswith(b"HTTP/1.1 421 ")
    assert not any(each in gateway.log.read_bytes() for each in (b"198.51.100.7", b"drop table"))
    showed(f"{len(chains)} chains of claims", "no effect, none passed on or kept")


@pytest.mark.assures("threat H2")
def test_behind_nginx_nothing_hidden_gets_through(gateway, upstream, key, tmp_path, showed):
    with nginx(tmp_path, f"server 127.0.0.1:{gateway.port};") as port:
        upstream.scripts.update({name: [answer(OK)] for name in "ab"})
        assert b" 200 " in exchange(port, head(key, length(), b"connection: close\r\n") + BODY)[0]
        assert [name for name, made in AMBIGUOUS.items() if _gets_through(port, upstream, made(key))] == []
    showed(f"{len(AMBIGUOUS)} raw requests to nginx before the gateway", "0 hidden requests relayed")


def _gets_through(port: int, upstream, sent: bytes) -> bool:
    upstream.seen.clear()
    exchange(port, sent, 0.3)
    return any(seen.name == "b" for seen in upstream.seen)


@contextlib.contextmanager
def nginx(directory: Path, servers: str, more: str = ""):
    """nginx before some gateways; its port."""
    if (binary := shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")) is None:
        pytest.skip("nginx is not installed here")
    port = free_port()
    (directory / "nginx.conf").write_text(
        f"""
        daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log; worker_processes 1;
        events {{ worker_connections 1024; }}
        http {{
          access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
          fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
          upstream gateways {{ {servers} keepalive 32; }}
          server {{
            listen 127.0.0.1:{port};
            location / {{
              proxy_pass http://gateways; proxy_http_version 1.1; proxy_set_header Connection ""; {more}
            }}
          }}
        }}"""
    )
    process = subprocess.Popen([binary, "-p", directory, "-c", directory / "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)
