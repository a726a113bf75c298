"""One target of the fuzzer, in a process of its own, which it may end.

    python -m support.fuzz TARGET CORPUS [options of libFuzzer]

A target raises for nothing but what it documents. What it takes more than a second for is a failure, too, by the option
`-timeout=1`.
"""

import random
import sys
from collections.abc import Callable
from contextlib import suppress


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


TARGETS: dict[str, Callable[[bytes], None]] = {
    "requests": _chat,
    "splitter": _splitter,
    "streams": _stream,
    "yaml": _yaml,
    "tree": _tree,
    "detectors": _detectors,
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


def main() -> None:
    import atheris

    name, *rest = sys.argv[1:]
    with atheris.instrument_imports(include=["gateway"]):  # a target imports what it is for
        TARGETS[name](b"")
    atheris.Setup([sys.argv[0], *rest], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
