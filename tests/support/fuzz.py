"""One target of the fuzzer, in a process of its own, which it may end.

    python -m support.fuzz TARGET CORPUS [options of libFuzzer]

A target raises for nothing but what it documents, and imports what it is for, so that the fuzzer sees into that.
"""

import functools
import os
import random
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
FUZZERS = ROOT / ".cache/fuzzers"
"""Where `make fuzzers` installs atheris and schemathesis, which the gateway's own environment does without."""
_PACKAGES = FUZZERS / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
READY = (FUZZERS / "ready").exists() and _PACKAGES.exists()
SEES = READY and (_PACKAGES / "atheris").exists()
ABSENT = "{} is not installed: make fuzzers"


def _chat(data: bytes) -> None:
    from gateway.core.errors import Refused
    from gateway.surfaces import SURFACES

    for surface in SURFACES.values():
        with suppress(Refused):
            surface.parse(data, 0)


def _splitter(data: bytes) -> None:
    """However a stream is cut, the events are the same, and hold all of its bytes."""
    from gateway.core.sse import Splitter

    whole, cut = Splitter(), Splitter()
    once = [*whole.feed(data), whole.rest()]
    at = len(data) and data[0] % len(data)
    twice = [*cut.feed(data[:at]), *cut.feed(data[at:]), cut.rest()]
    assert once == twice
    assert b"".join(once) == data


def _stream(data: bytes) -> None:
    from gateway.core.errors import Refused
    from gateway.providers import DIALECTS
    from gateway.surfaces import SURFACES

    chat = SURFACES["chat"].parse(b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}', 0)
    for provider in ("openai-compatible", "anthropic", "gemini-native", "openai-responses"):
        reader = DIALECTS[provider]["chat"].reader(chat)
        with suppress(Refused):
            reader.feed(data)
            reader.close()


def _yaml(data: bytes) -> None:
    from gateway.policy.document import Document

    Document("x.yaml", data)


def _tree(data: bytes) -> None:
    from gateway.policy.parse import parse

    for name in ("policies/x.yaml", "catalog/x.yaml", "vocabulary.yaml"):
        parse({name: data}, {"openai-compatible": None})


def _detectors(data: bytes) -> None:
    """Detectors and the readings of a text that they look at."""
    from support.doubles import SCANNING, Snapshot

    SCANNING._look(Snapshot([])).scanner.scan_text(data.decode("utf-8", "replace"))


CANARY = "see ghp_16C7e42F292c6912E7710c838347Ae178B4a there"
MOST_SECONDS = 1.0
BODIES = (
    b'{"model":"m","messages":[{"role":"user","content":"call +44 20 7946 0018"}],"metadata":{"a":["b",{"c":12345678}]}}',
    b'{"model":"m","system":"be brief","messages":[{"role":"user","content":[{"type":"text","text":"IBAN DE89 3704 0044"}]}]}',
    b'{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"\\u0061\\u200bb %41 &#65;"}]}]}',
    b'{"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"q":{"description":"cGFzc3dvcmQ9"}}}}}]}',
    b'{"messages":[{"role":"tool","content":"{\\"password\\": \\"hunter2x\\"}"},{"role":"user","content":"data:text/plain;base64,aGk="}]}',
)
WORDS = (
    "password",
    "content",
    "messages",
    "type",
    "image_url",
    "data:",
    "gateway.1.",
    "ssn 078-05-1120",
    "\\u0041",
    "\u200b",
)


class Slow(Exception):
    """An input took longer than any may."""


class Lost(Exception):
    """A canary was not found, and the body was not refused."""


def bodies(data: bytes) -> None:
    """Whatever a body is, a canary at any of its paths is found, or the body is refused; in a second of the processor.

    The first byte says how the rest is read, the second where the canary goes. Raises Slow or Lost.
    """
    if len(data) < 3:
        return
    body = data[2:] if data[0] % 2 else msgspec.json.encode(grown(data[2:]))
    if _scanned(body) is None:
        return
    document = msgspec.json.decode(body)
    places = list(_places(document))
    if not places:
        return
    inside, step = places[data[1] % len(places)]
    inside[step] = CANARY
    scan = _scanned(msgspec.json.encode(document))
    if scan is not None and scan.complete and not any(place.finding.kind == "secret" for place in scan.places):
        raise Lost


def grown(data: bytes) -> object:
    """A document that bytes describe: any bytes do."""
    left = iter(data)

    def value(depth: int) -> object:
        kind = next(left, 0)
        if kind % 8 < 4 or depth > 12:
            return WORDS[kind % len(WORDS)] if kind >= 0xF0 else bytes(_taken(kind // 8)).decode("latin-1")
        if kind % 8 == 4:
            return int.from_bytes(bytes(_taken(kind // 16)), "big") % 10**18
        if kind % 8 == 5:
            return [value(depth + 1) for _ in range(kind // 32)]
        return {str(value(13)): value(depth + 1) for _ in range(kind // 32)}

    def _taken(count: int) -> list[int]:
        return [each for each, _ in zip(left, range(count), strict=False)]

    return {"messages": [value(0)], "more": value(0)}


@functools.cache
def _scanner():
    from gateway.core.terms import BUILT_IN
    from gateway.sensitivity.own import scanner_of

    return scanner_of(BUILT_IN)


def _scanned(body: bytes):
    """What is in a body; None: it is refused."""
    from gateway.adapters.desk import walked_of
    from gateway.core.errors import Refused
    from gateway.core.findings import Scan

    scanner = _scanner()
    for _ in range(2):  # what is slow is so again; where garbage of the process that tests was collected it is not
        began = time.thread_time()
        try:
            walked = walked_of(body)
        except Refused:
            return None
        scan = scanner.examine(walked) if scanner.concerns(walked) else Scan((), (), bool(walked.opaque))
        if time.thread_time() - began <= MOST_SECONDS:
            return scan
    raise Slow


def _places(document: object) -> list[tuple[object, object]]:
    """Where values stand in a document."""
    found, left = [], [document]
    while left:
        here = left.pop()
        steps = here.items() if isinstance(here, dict) else enumerate(here) if isinstance(here, list) else ()
        for step, child in steps:
            found.append((here, step))
            left.append(child)
    return found


TARGETS: dict[str, Callable[[bytes], None]] = {
    "requests": _chat,
    "splitter": _splitter,
    "streams": _stream,
    "yaml": _yaml,
    "tree": _tree,
    "detectors": _detectors,
    "bodies": bodies,
}


def at_random(target: Callable[[bytes], None], seeds: list[bytes], times: int) -> None:
    """What can be done without the fuzzer: seeds, cut and mixed."""
    dice = random.Random(8)
    for _ in range(times):
        data = bytearray(dice.choice(seeds))
        for _ in range(dice.randrange(6)):
            at = dice.randrange(len(data) + 1)
            data[at : at + dice.randrange(4)] = dice.choice((dice.randbytes(2), b"\n\n", b'"', b"\\u0000", b"{", b"- "))
        target(bytes(data))


def at_length(target: str, corpus: Path, seconds: int, failures: Path) -> None:
    """The fuzzer, for so many seconds, in a process of its own. What it finds is in `failures`, and raised."""
    bounds = [f"-max_total_time={seconds}", "-timeout=5", "-rss_limit_mb=2048", "-max_len=20000"]
    # atheris from its own environment, all else from that of the gateway: they have the same Python
    paths = (ROOT, ROOT / "tests", sysconfig.get_path("purelib"))
    ran = subprocess.run(
        [FUZZERS / "bin/python", "-m", "support.fuzz", target, corpus, *bounds, f"-artifact_prefix={failures}/"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        timeout=seconds + 100,
    )
    said = ran.stderr.decode("utf-8", "replace")
    assert ran.returncode == 0, said[-3000:]
    assert " cov: " in said, f"it saw nothing of what it ran: {said[-3000:]}"


def main() -> None:
    import atheris

    name, *rest = sys.argv[1:]
    with atheris.instrument_imports(include=["gateway"]):
        TARGETS[name](b"\1\0{}")  # which imports all that it runs
    atheris.Setup([sys.argv[0], *rest], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
