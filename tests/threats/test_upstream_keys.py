"""Keys of upstreams go to their upstreams, in one header, and nowhere else: whatever comes back, however much is
logged."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support import policy_trees, reflecting
from support.collector import Collector
from support.debugging import talkative
from support.server import backend, free_port, serving

from gateway.providers import DIALECTS

pytestmark = pytest.mark.timeout(300)

MODELS = {"anthropic": "claude-opus-4-5", "gemini-native": "gemini-2.5-flash", "vertex-native": "gemini-2.5-flash"}
PROVIDERS = sorted(DIALECTS)
KEYS = {
    name: f"canary-{at:02d}-{name.replace('-', '')}-Q7xV2mdK9sWbT4hZ"
    for at, name in enumerate([*PROVIDERS, "collector"])
}
"""Of the providers, and of the collector that gets spans and measures."""
ADMIN = ("/metrics", "/admin/policies", "/admin/backends", "/debug", "/openapi.json", "/docs", "/")
SOME = ("s400", "s429", "s500", "quoted", "ok", "bare", "inner", "stream", "streamed-error", "cut")
FEW = ("s400", "quoted", "streamed-error")
GONE = ("refused", "nowhere", "no-tls")
"""Ways to answer nothing: nobody listens, no such name, and no TLS where there should be."""
"""`openai` is answered in every way, others in fewer: those that read answers in a way of their own in some."""
OF_THEIR_OWN = ("anthropic", "gemini-native", "openai-responses")
SENSED = ["chat", "tools", "messages", "responses", "embeddings"]


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """All that a gateway said and wrote, after calls that failed in every way at every provider."""
    directory = tmp_path_factory.mktemp("keys")
    upstream, collector = reflecting.Reflecting(), Collector()
    settings = talkative(directory / "site")
    settings |= {
        "GATEWAY_OTEL_ENDPOINT": collector.url,
        "GATEWAY_OTEL_SAMPLE": "1",
        "GATEWAY_OTEL_HEADERS": f"authorization=Bearer {KEYS['collector']}",
    }
    secrets = directory.parent / "secrets"
    secrets.mkdir(exist_ok=True)
    catalog = {}
    for at, provider in enumerate(PROVIDERS):
        path = secrets / f"key{at}"
        path.write_text(KEYS[provider])
        settings |= {f"CANARY_{at}_FILE": str(path)} if at % 4 == 2 else {f"CANARY_{at}": KEYS[provider]}
        for way, url in urls_of(provider, upstream):
            catalog[f"{provider}.{way}"] = backend(
                url,
                provider=provider,
                model=MODELS.get(provider, f"m-{provider}"),
                api_key=f"file:{path}" if at % 2 else f"env:CANARY_{at}",
                capabilities=SENSED,
                timeout={"connect": "1s", "first_byte": "5s", "idle": "5s", "total": "5s"},
            )
    said: dict[str, bytes] = {}
    statuses: list[int] = []
    try:
        with serving(directory / "gateway", catalog, policy_trees.at_home(directory / "tree"), **settings) as server:
            key = server.key()
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            for model in catalog:
                for path, body in requests(model):
                    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
                    try:
                        connection.request("POST", path, json.dumps(body), headers)
                        answer = connection.getresponse()
                        head, data = str(answer.getheaders()).encode(), answer.read()
                        statuses.append(answer.status)
                    except (http.client.HTTPException, ConnectionError) as error:
                        head, data = b"", getattr(error, "partial", b"")
                        connection.close()
                    said[f"{model} {path} {body.get('stream')}"] = head + data
            for page in ADMIN:
                try:
                    said[f"admin {page}"] = urllib.request.urlopen(
                        f"http://127.0.0.1:{server.admin_port}{page}", timeout=5
                    ).read()
                except urllib.error.HTTPError as error:
                    said[f"admin {page}"] = error.read()
            said["spend"] = repr(server.cli("spend", "--by", "request", "--format", "json")).encode()
            server.stop()
    finally:
        upstream.stop()
        collector.stop()
    assert {head["authorization"] for head in collector.heads} == {f"Bearer {KEYS['collector']}"}
    said["spans and measures"] = b"".join(collector.raw)
    files = {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    return said, files, statuses, upstream.seen, Path(directory)


def ways_of(provider: str) -> tuple[str, ...]:
    return reflecting.WAYS if provider == "openai" else SOME if provider in OF_THEIR_OWN else FEW


def urls_of(provider: str, upstream: reflecting.Reflecting) -> Iterator[tuple[str, str]]:
    """The backends of a provider, by how they answer: those with a dialect of their own also not at all."""
    yield from ((way, upstream.url(way)) for way in ways_of(provider))
    if provider == "openai" or provider in OF_THEIR_OWN:
        at = urlsplit(upstream.url("no-tls"))
        ports = ("http", f"127.0.0.1:{free_port()}"), ("http", "no-such-host.invalid"), ("https", at.netloc)
        yield from ((way, f"{scheme}://{where}{at.path}") for way, (scheme, where) in zip(GONE, ports, strict=True))


def requests(model: str):
    chat = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    provider, way = model.split(".")
    streams = way in ("stream", "streamed-error", "cut")
    if not streams or provider == "openai":
        yield "/v1/chat/completions", chat
    if streams or provider == "openai":
        yield "/v1/chat/completions", {**chat, "stream": True}
    if provider == "openai":
        yield "/v1/messages", {**chat, "max_tokens": 9, "stream": streams}
        yield "/v1/responses", {"model": model, "input": "hi", "stream": streams}


def test_every_way_was_taken(known):
    said, _, statuses, seen, _ = known
    assert set(seen) == set(reflecting.WAYS)
    assert {200, 400, 429, 502} <= set(statuses)
    assert said["spans and measures"].count(b"upstream") > 0
    assert {said[name].count(b"upstream_unreachable") for name in said if name.split(" ")[0].endswith(GONE)} == {1}


@pytest.mark.assures("threat U1", "threat U2")
def test_no_key_is_in_anything_that_was_said_or_kept(known, showed):
    said, files, _, seen, _ = known
    leaks = [
        (place, provider)
        for place, data in {**said, **files}.items()
        for provider, key in KEYS.items()
        if key.encode() in data or key[-16:].encode() in data
    ]
    assert leaks == []
    showed(
        f"{len(KEYS)} canary keys, {len(seen)} calls answered with all headers in {len(reflecting.WAYS)} ways or none, DEBUG, OpenTelemetry",
        f"0 keys in {len(said)} answers and pages and {len(files)} files",
    )


def test_the_log_is_at_its_most_talkative(known):
    _, files, _, _, directory = known
    log = files[str(directory / "gateway" / "gateway.log")]
    assert b"Started server process" in log  # of uvicorn, below what a gateway logs otherwise
