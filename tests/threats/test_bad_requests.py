"""Fault 23: bad requests without number. No 5xx of our own, no crash, nothing that takes long."""

import asyncio
import json
import os
import random
import subprocess
import time
from collections import Counter
from statistics import median

import psutil
import pytest
from support import crossing
from support.fuzz import ABSENT, BODIES, FUZZERS, READY, SEES, TARGETS, at_length, at_random
from support.server import ROOT, backend, serving
from support.upstream import DONE, OK, USAGE_EVENT, Seen, Upstream, answer, delta, stream
from test_crossing_random import request

from gateway.http.routes import ROUTES

pytestmark = pytest.mark.timeout(7200)

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
REQUESTS = 1_000_000 if FULL else 1_500
AT_ONCE = 16
FUZZ_SECONDS = 1800 if FULL else 5
FUZZ_TIMES = 200_000 if FULL else 300
EXAMPLES = 2_000 if FULL else 5
"""Of the schema of each route."""

SLOW_SECONDS = 1.0


class Willing(Upstream):
    """Answers everything well: streamed where that is asked for."""

    def script_of(self, seen: Seen) -> list:
        try:
            streamed = seen.json.get("stream") is True
        except ValueError:
            streamed = False
        return stream(delta("x"), delta(finish="stop"), USAGE_EVENT, DONE) if streamed else [answer(OK)]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    upstream = Willing()
    able = ["chat", "tools", "vision", "json_schema", "logprobs"]
    with serving(tmp_path_factory.mktemp("bad"), {"m": backend(upstream.url("m"), capabilities=able)}) as server:
        yield server, server.key(sensitivity="public"), upstream
    upstream.stop()


def wire(dice: random.Random, key: str) -> bytes:
    """A request of any surface, good or not, and not always as HTTP has it."""
    surface = dice.choice(("chat", "messages", "responses"))
    body = request(dice, surface)
    head = [f"POST {crossing.PATHS[surface]} HTTP/1.1", "host: h", f"authorization: Bearer {key}", "connection: close"]
    head += ["content-type: application/json", f"content-length: {len(body)}"]
    raw = bytearray("\r\n".join([*head, "", ""]).encode() + body)
    if dice.random() < 0.5:
        return bytes(raw)
    for _ in range(dice.randrange(1, 5)):
        at = dice.randrange(len(raw))
        raw[at : at + dice.randrange(3)] = dice.choice(
            (dice.randbytes(1), b"\r\n", b"\0", b": ", b"%00", b"\xff", b"0")
        )
    return bytes(raw[: dice.randrange(len(raw))] if dice.random() < 0.1 else raw)


async def told(port: int, raw: bytes) -> tuple[int, float]:
    """Status and seconds; 0: there was no answer, and the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    try:
        writer.write(raw)
        async with asyncio.timeout(3):  # a request whose end does not come is waited for, and that is no answer
            said = await reader.read(-1)
    except (OSError, TimeoutError):
        return 0, 0.0
    finally:
        writer.close()
    return (int(said[9:12]) if said.startswith(b"HTTP/1.1 ") else 0), time.monotonic() - began


@pytest.mark.assures("fault 23")
async def test_no_request_makes_an_error_of_our_own(served, showed):
    server, key, upstream = served
    dice, statuses, took, faults, slow = random.Random(23), Counter(), [], [], []
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    left = iter(range(REQUESTS))

    async def work() -> None:
        for _ in left:
            raw = wire(dice, key)
            status, seconds = await told(server.port, raw)
            statuses[status] += 1
            took.append(seconds)
            if seconds > SLOW_SECONDS:
                slow.append(raw)
            if status >= 500:
                faults.append((status, raw[:2000]))
            if len(upstream.seen) > 1000:
                upstream.seen.clear()

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    assert faults == [], faults[:3]
    assert statuses[200] > 0
    assert statuses[400] > REQUESTS // 10
    for raw in slow:  # a busy machine is late now and then, a request that costs much is late each time
        again = [(await told(server.port, raw))[1] for _ in range(3)]
        assert min(again) < SLOW_SECONDS, (again, raw[:2000])
    assert server.process.poll() is None
    assert process.memory_info().rss - before < 150_000_000
    said = ", ".join(f"{count:,} {status or 'closed'}" for status, count in statuses.most_common(6))
    showed(
        f"{REQUESTS:,} requests at random, half of them raw bytes",
        f"0 5xx; half within {1000 * median(took):.0f} ms, none slow again; {said}",
    )


def schema() -> dict:
    """What our routes take, as OpenAPI: by the table of routes. Bodies are objects with the fields that we name."""
    paths: dict[str, dict] = {}
    for route in ROUTES:
        if route.listener != "public" or not (FULL or route.path.startswith("/v1/")):
            continue
        path = route.path.replace(":path}", "}")
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        one: dict = {
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
            ],
            "responses": {"200": {"description": "x"}},
        }
        if route.method == "POST":
            turn = {"type": "object", "properties": {"role": {"enum": ["user", "system", "tool"]}, "content": {}}}
            fields = {
                "model": {"type": "string", "enum": ["m"]},
                "messages": {"type": "array", "items": turn},
                "input": {},
                "prompt": {},
                "max_tokens": {"type": "integer"},
                "stream": {"type": "boolean"},
                "tools": {"type": "array", "items": {"type": "object"}},
                "stop": {},
                "metadata": {"type": "object"},
            }
            body = {"type": "object", "properties": fields, "required": ["model"]}
            one["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
        paths.setdefault(path, {})[route.method.lower()] = one
    return {"openapi": "3.1.0", "info": {"title": "gateway", "version": "1"}, "paths": paths}


@pytest.mark.skipif(not READY, reason=ABSENT.format("schemathesis"))
@pytest.mark.assures("fault 23")
def test_what_is_made_of_a_schema_of_all_routes_makes_none_either(served, tmp_path, showed):
    server, key, _ = served
    (tmp_path / "openapi.json").write_text(json.dumps(schema()))
    ran = subprocess.run(
        [
            *(FUZZERS / "bin/schemathesis", "run", "openapi.json", "--url", server.base, "--mode", "all"),
            *(
                "--checks",
                "not_a_server_error",
                "--max-examples",
                str(EXAMPLES),
                "--phases",
                "examples,coverage,fuzzing" if FULL else "fuzzing",
            ),
            *("--header", f"Authorization: Bearer {key}", "--max-response-time", "5", "--seed", "23"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=7000 if FULL else 300,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert server.process.poll() is None
    showed(f"{len(schema()['paths'])} routes by their schema, {EXAMPLES} examples each", "0 answers of 5xx")


SEEDS = {
    "requests": [
        request(random.Random(at), surface) for at in range(20) for surface in ("chat", "messages", "responses")
    ],
    "splitter": [b"data: x\r\n\r\n: ping\n\ndata: y\rdata: z\r\r"],
    "streams": [b"".join(crossing.events_of(wire)) for wire in ("chat", "messages", "gemini", "responses")],
    "yaml": [path.read_bytes() for path in sorted((ROOT / "routing_policies").rglob("*.yaml"))][:8],
    "tree": [path.read_bytes() for path in sorted((ROOT / "routing_policies").rglob("*.yaml"))][:8],
    "detectors": [b"key ghp_q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i, mail a@b.example, +49 30 1234567, \\u0041%41&#65;"],
    "bodies": [b"\1" + bytes([at]) + body for at, body in enumerate(BODIES)],
}


@pytest.mark.assures("fault 23")
@pytest.mark.parametrize("target", TARGETS)
def test_no_bytes_break_a_parser(target, tmp_path, showed):
    at_random(TARGETS[target], SEEDS[target], FUZZ_TIMES)
    showed(f"{target}: {FUZZ_TIMES:,} mutations", "none raises what it does not document")


@pytest.mark.skipif(not SEES, reason=ABSENT.format("atheris"))
@pytest.mark.assures("fault 23")
@pytest.mark.parametrize("target", TARGETS)
def test_a_fuzzer_that_sees_what_runs_breaks_none_either(target, tmp_path, showed):
    corpus = ROOT / ".cache/fuzz" / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[target]):
        (corpus / f"seed-{number}").write_bytes(seed)
    at_length(target, corpus, FUZZ_SECONDS, tmp_path)
    showed(f"{target}: {FUZZ_SECONDS} s of atheris", "none raises what it does not document")
