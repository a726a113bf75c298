"""A fuzz target for atheris: whatever a body is, a canary at any of its paths is found or the body is refused.

    python tests/support/fuzz_bodies.py CORPUS -max_total_time=600

No input may raise anything but a refusal, and none may take a second of the processor.
"""

import contextlib
import sys
import time

import msgspec

try:
    import atheris
except ImportError:  # the check itself needs none
    atheris = None

with atheris.instrument_imports(include=["gateway.sensitivity"]) if atheris else contextlib.nullcontext():
    from gateway.adapters.desk import walked_of
    from gateway.core.errors import Refused
    from gateway.core.findings import Scan
    from gateway.core.terms import BUILT_IN
    from gateway.sensitivity.own import scanner_of

MOST_SECONDS = 1.0
MOST_BYTES = 16_384
CANARY = "see ghp_16C7e42F292c6912E7710c838347Ae178B4a there"
SEEDS = (
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
_SCANNER = scanner_of(BUILT_IN)


class Slow(Exception):
    """An input took longer than any may."""


class Lost(Exception):
    """A canary was not found, and the body was not refused."""


def check(data: bytes) -> None:
    """Raises Slow or Lost, or whatever went wrong. The first byte says how the rest is read, the second where a canary
    goes."""
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


def _scanned(body: bytes) -> Scan | None:
    """What is in a body; None: it is refused."""
    for _ in range(2):  # what is slow is so again; where garbage of the process that tests was collected it is not
        began = time.thread_time()
        try:
            walked = walked_of(body)
        except Refused:
            return None
        scan = _SCANNER.examine(walked) if _SCANNER.concerns(walked) else Scan((), (), bool(walked.opaque))
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


def main() -> None:
    atheris.Setup([*sys.argv, f"-max_len={MOST_BYTES}", "-timeout=60", "-rss_limit_mb=2048"], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
