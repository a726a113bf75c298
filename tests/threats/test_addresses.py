"""What a request only names by its address is fetched by nobody inside: not by the gateway, and not by a server of ours
unless its row of the catalog says that it may."""

import re
from pathlib import Path

import pytest
from support.calling import Sink, post
from support.server import backend, serving
from support.upstream import OK, answer

from gateway.core.catalog import CAPABILITIES, URLS

GATEWAY = Path(__file__).parents[2] / "gateway"

ODD = (
    *("http://169.254.169.254/latest/meta-data/", "http://[::ffff:a9fe:a9fe]/", "http://0x7f.1/", "http://2130706433/"),
    *("http://0177.0.0.1/", "http://127.1/", "http://localhost/", "http://[::1]/", "http://0/", "http://①②⑦.⓪.⓪.①/"),
    *("http://127.0.0.1.nip.io/", "http://metadata.google.internal/", "https://user@127.0.0.1/", "HTTP://127.0.0.1/"),
    *("//127.0.0.1/x.png", " http://127.0.0.1/", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "file:///etc/passwd"),
    *("/etc/passwd", "../../etc/passwd", "http://127.0.0.1:{port}/x.png", "http:\\\\127.0.0.1\\x", "s3://bucket/key"),
)
"""Addresses as those write them who want to get inside."""


def part(kind: str, at: str) -> dict:
    """A part that is only named, as clients of each kind write it."""
    return {
        "chat": {"type": "image_url", "image_url": {"url": at}},
        "chat, a text": {"type": "image_url", "image_url": at},
        "chat, no type": {"image_url": {"url": at}},
        "video": {"type": "video_url", "video_url": {"url": at}},
        "audio": {"type": "audio_url", "audio_url": {"url": at}},
        "file": {"type": "file", "file": {"file_url": at}},
        "source": {"type": "image", "source": {"type": "url", "url": at}},
        "another case": {"Type": "image_url", "Image_URL": {"URL": at}},
        "media": {"type": "media", "url": at},
    }[kind]


CHAT = ("chat", "chat, a text", "chat, no type", "video", "audio", "file", "source", "another case", "media")


def bodies(at: str):
    """Requests that name an address, on every surface that has a place for one."""
    for kind in CHAT:
        yield "/v1/chat/completions", {"messages": [{"role": "user", "content": [part(kind, at)]}]}
        yield (
            "/v1/chat/completions",
            {
                "messages": [
                    {"role": "user", "content": "x"},
                    {"role": "tool", "tool_call_id": "c", "content": [part(kind, at)]},
                ]
            },
        )
    yield "/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": [part("source", at)]}]}
    document = {"type": "document", "source": {"type": "url", "url": at}}
    yield "/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": [document]}]}
    for shown in ({"type": "input_image", "image_url": at}, {"type": "input_file", "file_url": at}):
        yield "/v1/responses", {"input": [{"role": "user", "content": [shown]}]}
    hidden = {"role": "user", "content": [{"type": "input_image", "image_url": at}]}
    yield "/v1/responses", {"type": "tool_use", "input": [hidden]}
    yield "/v1/embeddings", {"input": [{"image_url": at}]}
    yield "/v1/rerank", {"query": "q", "documents": [{"image_url": {"url": at}}]}


@pytest.fixture(scope="module")
def inside(upstream, tmp_path_factory):
    """A gateway with a server of ours that can do all but fetch, and one that may do that, too."""
    able = {"inside": [each for each in CAPABILITIES if each != URLS], "open": list(CAPABILITIES)}
    rows = {
        name: backend(upstream.url(name), capabilities=can, max_output=1000, context=900_000)
        for name, can in able.items()
    }
    with serving(tmp_path_factory.mktemp("inside"), rows) as server:
        yield server


@pytest.mark.assures("threat S2")
def test_nothing_inside_fetches_what_a_request_names(inside, upstream, showed):
    upstream.scripts["inside"] = [answer(OK)]
    upstream.seen.clear()
    gateway, key = inside, inside.key(sensitivity="public")
    sink, asked, refused = Sink(), 0, 0
    try:
        for number, odd in enumerate(ODD):
            at = odd.format(port=sink.port)
            chosen = list(bodies(at)) if number % 8 == 0 else list(bodies(at))[number % 5 :: 5]
            for path, body in chosen:
                status, _, said = post(gateway, key, {"model": "inside", **body}, path=path)
                assert status == 400, (status, said, body)
                asked, refused = asked + 1, refused + (b"urls" in said)
        assert upstream.seen == []
        assert sink.connections == 0
    finally:
        sink.stop()
    assert refused > asked * 9 // 10
    showed(
        f"{len(ODD)} addresses in {len(list(bodies('x')))} places",
        f"{asked} refused, 0 fetched, 0 sent on to a server of ours",
    )


@pytest.mark.parametrize("model", ["every", "away"])
def test_whoever_may_fetch_is_told_the_address_as_it_is(gateway, upstream, key, model):
    """`every` says so in its row, `away` is a vendor's. The gateway itself fetches nothing."""
    upstream.scripts[model] = [answer(OK)]
    sink = Sink()
    try:
        at = f"http://127.0.0.1:{sink.port}/x.png"
        body = {"model": model, "messages": [{"role": "user", "content": [part("chat", at)]}]}
        status, _, said = post(gateway, key, body)
        # `away` declares no `vision`: what it lacks is that, and not `urls`
        assert (status, b"urls" in said) == ((200, False) if model == "every" else (400, False)), said
        assert sink.connections == 0
    finally:
        sink.stop()
    if model == "every":
        assert at.encode() in upstream.seen[0].body


def test_no_name_is_looked_up_by_the_gateway():
    """But by its client of the catalog's backends. Discovery looks for servers on the operator's word, and the process
    of the recogniser keeps itself from looking up anything."""
    texts = {path.relative_to(GATEWAY).as_posix(): path.read_text() for path in GATEWAY.rglob("*.py")}
    assert sorted(name for name, text in texts.items() if re.search(r"getaddrinfo|gethostby|getfqdn", text)) == [
        "adapters/local_servers.py",
        "adapters/recognizer.py",
    ]


def test_a_redirect_of_an_upstream_is_not_followed(gateway, upstream, key):
    sink = Sink()
    try:
        upstream.scripts["a"] = [answer({}, status=307, location=f"http://127.0.0.1:{sink.port}/v1/chat/completions")]
        body = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}
        status, _, _ = post(gateway, key, body)
        assert (status >= 500, sink.connections) == (True, 0)
    finally:
        sink.stop()


@pytest.mark.parametrize(("model", "status"), [("inside", 400), ("open", 200)])
def test_a_large_request_is_looked_through_in_its_process(inside, upstream, model, status):
    upstream.scripts[model] = [answer(OK)]
    content = [{"type": "text", "text": "word " * 250_000}, part("chat", "https://example.org/x.png")]
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    told, _, said = post(inside, inside.key(sensitivity="public"), body)
    assert (told, b"urls" in said) == (status, status == 400), said[:300]
