"""Bodies that mean to cost much: refused at once, in bounded memory, at nobody else's expense."""

import gzip
import itertools
import json
import os
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from support.upstream import OK, answer

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
AT_ONCE = 50 if FULL else 8
FIRST = b'{"model": "a", "messages": [{"role": "user", "content": "hi"}]'
JSON = {"content-type": "application/json"}


def beside(member: bytes) -> bytes:
    return FIRST + b", " + member + b"}"


def said(content: bytes) -> bytes:
    return b'{"model": "a", "messages": [{"role": "user", "content": ' + content + b"}]}"


def coded(coding: str, body: bytes) -> tuple[bytes, dict[str, str]]:
    return body, {**JSON, "content-encoding": coding}


DEEP = 100_000
ZEROS = b"0" * 50_000_000
BAD: dict[str, tuple[bytes, dict[str, str]]] = {
    name: (body, JSON)
    for name, body in {
        "deep lists": b"[" * DEEP,
        "deep lists that end": b"[" * DEEP + b"]" * DEEP,
        "deep objects": b'{"a":' * DEEP,
        "deep objects beside": beside(b'"x": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        "deep lists beside": beside(b'"x": ' + b"[" * DEEP + b"]" * DEEP),
        "deep content": said(b"[" * DEEP + b"]" * DEEP),
        "deep metadata": beside(b'"metadata": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        "deep tools": beside(b'"tools": [' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"]"),
        "mixed depth": beside(b'"x": ' + b'[{"a":' * DEEP + b"1" + b"}]" * DEEP),
        "a name twice": beside(b'"model": "b"'),
        "a name twice below": said(b'[{"type": "text", "text": "a", "text": "b"}]'),
        "a name twice by an escape": beside(b'"\\u006dodel": "b"'),
        "a name twice in an unknown field": beside(b'"x": {"a": 1, "a": 2}'),
        "a name twice far below": beside(b'"x": ' + b'{"a":' * 20 + b'{"b": 1, "b": 2}' + b"}" * 20),
        "NaN": beside(b'"temperature": NaN'),
        "NaN beside": beside(b'"x": NaN'),
        "Infinity": beside(b'"temperature": Infinity'),
        "-Infinity": beside(b'"x": [-Infinity]'),
        "a number in hex": beside(b'"x": 0x10'),
        "a number with a plus": beside(b'"x": +1'),
        "a number with zeros before": beside(b'"x": 01'),
        "a number without an end": beside(b'"x": 1.'),
        "1e400": beside(b'"temperature": 1e400'),
        "-1e400": beside(b'"temperature": -1e400'),
        "a limit of 1e400": beside(b'"max_tokens": 1e400'),
        "a seed of a million digits": beside(b'"n": ' + b"9" * 1_000_000),
        "half a surrogate": said(b'"\\ud800"'),
        "the other half": said(b'"\\udc00"'),
        "halves in the wrong order": said(b'"\\udc00\\ud800"'),
        "half a surrogate as a name": beside(b'"\\ud800": 1'),
        "half a surrogate beside": beside(b'"x": "\\ud83d"'),
        "bad UTF-8": said(b'"\xff\xfe"'),
        "a surrogate in UTF-8": said(b'"\xed\xa0\x80"'),
        "an overlong slash": said(b'"\xc0\xaf"'),
        "NUL unescaped": said(b'"a\0b"'),
        "a line break unescaped": said(b'"a\nb"'),
        "a bad escape": said(b'"\\x41"'),
        "half an escape": said(b'"\\u12"'),
        "UTF-16": FIRST.decode().encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + FIRST + b"}",
        "a comma too many": FIRST + b",}",
        "a comment": FIRST + b"/* */}",
        "two values": FIRST + b"}{}",
        "no end": FIRST,
        "a string without an end": FIRST + b', "x": "' + b"y" * 1_000_000,
        "nothing": b"",
        "only spaces": b" " * 1_000_000,
        "a model of a megabyte": b'{"model": "' + b"x" * 1_000_000 + b'", "messages": [{"role": "user"}]}',
        "YAML": b"model: a\nmessages: []\n",
        "XML with entities": b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
    }.items()
} | {
    "gzip": coded("gzip", gzip.compress(FIRST + b"}")),
    "a gzip bomb": coded("gzip", gzip.compress(ZEROS)),
    "gzip twice": coded("gzip, gzip", gzip.compress(gzip.compress(ZEROS))),
    "deflate": coded("deflate", zlib.compress(ZEROS)),
    "br": coded("br", b"\x8b\x00\x80" * 10),
    "zstd": coded("zstd", b"\x28\xb5\x2f\xfd" + b"\0" * 40),
    "a coding that nobody knows": coded("x-gateway", FIRST + b"}"),
    "a coding in capitals": coded("GZIP", FIRST + b"}"),
    "multipart": (b"--x\r\n\r\n\r\n--x--", {"content-type": "multipart/form-data; boundary=x"}),
    "multipart with many parts": (b"--x\r\n\r\n" * 100_000, {"content-type": "Multipart/Mixed; boundary=x"}),
}


MILLION = 1_000_000


def named(names: Iterable[bytes]) -> bytes:
    return b",".join([b'"%b":1' % name for name in names])


def words() -> Iterator[bytes]:
    """A million names, each as a field may have it."""
    letters = itertools.product(b"abcdefghijklmnopqrstuvwxyz", repeat=5)
    return (bytes(word) for word in itertools.islice(letters, 0, 11 * MILLION, 11))


MANY: dict[str, Callable[[], bytes]] = {
    "a million elements": lambda: beside(b'"x": [' + b",".join([b"1"] * MILLION) + b"]"),
    "a million names": lambda: beside(b'"x": {' + named(words()) + b"}"),
    "names that are numbers": lambda: beside(b'"x": {' + named(b"%d" % n for n in range(MILLION // 5)) + b"}"),
    "a million fields": lambda: FIRST + b", " + named(words()) + b"}",
    "a million texts with a backslash at their end": lambda: beside(b'"x": [' + b",".join([rb'"\\"'] * MILLION) + b"]"),
}
"""Bodies of many small things: good JSON. Where they are not too many, whether one is served is for the policy to say."""


def rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def p99_of(client: httpx2.Client, url: str, until: float) -> float:
    took = []
    while (time.monotonic() < until) if isinstance(until, float) else (len(took) < until):
        started = time.monotonic()
        assert client.post(url, content=FIRST + b"}", headers=JSON).status_code == 200
        took.append(time.monotonic() - started)
    return sorted(took)[int(len(took) * 0.99)]


@pytest.mark.assures("threat D1")
def test_a_body_that_means_harm_is_refused_with_a_word(gateway, upstream, key, showed):
    upstream.scripts["a"] = [answer(OK)]
    url, wrong, slowest = f"{gateway.base}/v1/chat/completions", {}, 0.0
    with httpx2.Client(headers={"authorization": f"Bearer {key}"}, timeout=30) as client:
        assert client.post(url, content=FIRST + b"}", headers=JSON).status_code == 200
        upstream.seen.clear()
        usual = min(_took(client, url, said(b'"' + b"y" * 600_000 + b'"'), JSON)[1] for _ in range(3))
        upstream.seen.clear()
        before = most = rss(gateway.process.pid)
        for name, (body, headers) in BAD.items():
            response, took = _took(client, url, body, headers)
            if took > slowest:  # the body, or a machine that was busy with something else
                took = min(took, *(_took(client, url, body, headers)[1] for _ in range(2)))
            slowest = max(slowest, took)
            error = response.json().get("error", {"message": ""})
            expected = 415 if "content-encoding" in headers or "ultipart" in headers["content-type"] else 4
            if response.status_code // (1 if expected == 415 else 100) != expected or not error["message"]:
                wrong[name] = (response.status_code, error)
            if upstream.seen:
                wrong[name] = "relayed"
                upstream.seen.clear()
            most = max(most, rss(gateway.process.pid))
    assert wrong == {}
    assert most - before < 32_000_000
    assert slowest < 0.3 + 10 * usual  # a body of a megabyte takes its time on a busy machine, whatever is in it
    showed(
        f"{len(BAD)} bodies",
        f"4xx each, slowest {slowest * 1000:.0f} ms with its upload, memory +{(most - before) / 1e6:.0f} MB",
    )


def _took(client: httpx2.Client, url: str, body: bytes, headers: dict[str, str]) -> tuple[httpx2.Response, float]:
    started = time.monotonic()
    response = client.post(url, content=body, headers=headers)
    return response, time.monotonic() - started


@pytest.mark.assures("threat D1")
def test_a_body_of_a_million_things_costs_as_its_bytes_do(gateway, upstream, key, showed):
    """Beside a text of as many bytes: so many times the processor's time, and so many bytes of memory for each."""
    upstream.scripts["every"] = [answer(OK)]
    url = f"{gateway.base}/v1/chat/completions"
    seen: dict[str, tuple[float, float]] = {}

    def costs(client: httpx2.Client, body: bytes) -> tuple[int, float, float]:
        """Status; seconds of the processor and bytes of memory, for each byte of a body."""
        used, held = spent(gateway.process.pid)
        status = client.post(url, content=body.replace(b'"a"', b'"every"', 1), headers=JSON).status_code
        after, holds = spent(gateway.process.pid)
        return status, (after - used) / len(body), (holds - held) / len(body)

    with httpx2.Client(headers={"authorization": f"Bearer {key}"}, timeout=100) as client:
        text = said(b'"' + b"y" * 2_000_000 + b'"')
        costs(client, text)  # what large bodies are read in is there by now
        usual = max(0.02 / len(text), min(costs(client, text)[1] for _ in range(2)))  # in ticks of the clock
        for name, make in MANY.items():
            status, used, held = costs(client, make())
            assert status in (200, 403, 413), (name, status)
            seen[name] = used / usual, held
        assert client.post(url, content=FIRST.replace(b'"a"', b'"every"') + b"}", headers=JSON).status_code == 200
    assert {name: found for name, found in seen.items() if found[0] > MOST_TIMES or found[1] > MOST_BYTES} == {}
    slowest, largest = (max(found[at] for found in seen.values()) for at in (0, 1))
    showed(
        f"{len(MANY)} bodies of up to {MILLION:,} names or elements",
        f"each answered; up to x{slowest:.1f} the time of a text of as many bytes, {largest:.0f} bytes kept for each",
    )


def spent(pid: int) -> tuple[float, int]:
    """Seconds of the processor and resident bytes, of a process and those that it began."""
    whole = psutil.Process(pid)
    every = [whole, *whole.children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in every), sum(each.memory_info().rss for each in every)


MOST_TIMES, MOST_BYTES = 20, 64


@pytest.mark.assures("threat D1")
@pytest.mark.parametrize("framed", [b"content-length: 1000000000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n"])
def test_a_gigabyte_is_cut_off(gateway, key, framed, showed):
    before = rss(gateway.process.pid)
    line = f"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\n".encode()
    piece = b"100000\r\n" + b"y" * 1_048_576 + b"\r\n"
    sent, got = 0, b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as client:
        client.sendall(line + framed)
        try:
            while sent < 1_000_000_000:
                sent += client.send(piece)
        except OSError:
            pass
        try:
            while part := client.recv(65536):
                got += part
        except OSError:
            pass
    assert sent < 1_000_000_000
    assert got == b"" or got.startswith(b"HTTP/1.1 413 ")  # one who never listens may be reset before he reads it
    assert rss(gateway.process.pid) - before < 100_000_000
    showed("1 GB by length and in chunks", "413 and cut")


@pytest.mark.parametrize("framed", [b"content-length: 1000000000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n"])
def test_who_listens_is_told_that_it_is_too_much(gateway, key, framed):
    line = f"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\n".encode()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as client:
        client.sendall(line + framed)
        if framed.startswith(b"transfer"):
            for _ in range(31):
                client.sendall(b"100000\r\n" + b"y" * 1_048_576 + b"\r\n")
        got = b""
        while part := client.recv(65536):
            got += part
    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close\r\n" in got
    assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_too_large"


@pytest.mark.assures("threat D1")
def test_many_at_once_do_not_make_others_late(gateway, upstream, key, showed):
    upstream.scripts["a"] = [answer(OK)]
    url = f"{gateway.base}/v1/chat/completions"
    stop = threading.Event()
    names = ["deep objects beside", "a name twice by an escape", "a gzip bomb", "deep content", "multipart"]

    def harm(n: int) -> None:
        with httpx2.Client(headers={"authorization": f"Bearer {key}"}, timeout=30) as client:
            while not stop.wait(0.2):
                body, headers = BAD[names[n % len(names)]]
                assert 400 <= client.post(url, content=body, headers=headers).status_code < 500

    def usual(n: int) -> None:
        """The same bytes, and nothing wrong with them: what an upload costs anyway."""
        body = said(b'"' + b"y" * len(BAD[names[n % len(names)]][0]) + b'"')
        with httpx2.Client(headers={"authorization": f"Bearer {key}"}, timeout=30) as client:
            while not stop.wait(0.2):
                assert client.post(url, content=body, headers=JSON).status_code == 200

    measured = []
    with httpx2.Client(headers={"authorization": f"Bearer {key}"}, timeout=30) as client:
        for doing in (usual, harm):
            stop.clear()
            threads = [threading.Thread(target=doing, args=(n,)) for n in range(AT_ONCE)]
            for thread in threads:
                thread.start()
            measured.append(p99_of(client, url, time.monotonic() + 3))
            stop.set()
            for thread in threads:
                thread.join()
    assert measured[1] < 2 * max(measured[0], 0.02)
    showed(
        f"{AT_ONCE} senders of bad bodies", f"p99 of the others x{measured[1] / measured[0]:.1f} of as many good ones"
    )
