"""What each step of a request costs by the size of its body: which of them may be done on the event loop.

    python tests/bench/large_bodies.py [MOST_BYTES]

CPU milliseconds of one core, best of three; then what is left of it on the event loop, where bodies are large: the most
that its thread is at work without a break. Nothing leaves the process and its worker.
"""

import asyncio
import json
import sys
import time

import msgspec
import uvloop

from gateway.adapters.desk import Look
from gateway.adapters.scanning import Scanning
from gateway.core.catalog import Backend
from gateway.core.terms import BUILT_IN
from gateway.providers import DIALECTS
from gateway.sensitivity.redact import redact
from gateway.sensitivity.walk import walk
from gateway.surfaces import SURFACES

SIZES = (1_000, 8_000, 64_000, 1_000_000, 8_000_000, 32_000_000)
DENSE_BYTES = 1_000_000
"""Text that is full of findings is measured up to this size: beyond, it takes minutes."""
PROSE = "Could you explain how the tides work, and why there are two of them each day? I would like to understand it. "
DENSE = "Call +44 20 7946 0018 or write to bob.miller@example.org about order 4417, IBAN DE89 3704 0044 0532 0130 00. "
PAIRS = (("chat", "openai"), ("chat", "anthropic"), ("chat", "gemini-native"), ("messages", "openai"))


class Policy:
    """As much of a policy as the scanner asks for."""

    sensitivity = BUILT_IN


def body(surface: str, text: str, size: int) -> bytes:
    """A conversation of 99 turns, of which the user has the last one."""
    whole = (text * (size // len(text) + 1))[:size]
    each = max(1, size // 99)
    turns = [whole[at : at + each] for at in range(0, size, each)][:99]
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": turn} for at, turn in enumerate(turns)]
    return json.dumps({"model": "auto", "messages": messages, "max_tokens": 100}).encode()


def cpu(run) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        run()
        best = min(best, time.process_time() - begun)
    return best * 1e3


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1]
    look = Look(BUILT_IN)
    print(f"{'step':34}", *(f"{size / 1000:>9,.0f} kB" for size in SIZES if size <= most))

    def row(name: str, of) -> None:
        print(f"{name:34}", *(f"{of(size):12.2f}" for size in SIZES if size <= most), flush=True)

    for surface, provider in PAIRS:
        backend = Backend("b", provider, "http://b", "claude-sonnet-4-5" if provider == "anthropic" else "m", {})
        dialect = DIALECTS[provider]["chat"]

        def step(size: int, run, surface=surface) -> float:
            data = body(surface, PROSE, size)
            chat = SURFACES[surface].parse(data, 0)
            return cpu(lambda: run(data, chat))

        if provider == "openai":
            row(f"{surface}: parse", lambda size, s=surface: step(size, lambda data, _: SURFACES[s].parse(data, 0)))
        for name in ("lacks", "drops", "encode"):
            ask = getattr(dialect, name)
            row(f"{surface} to {provider}: {name}", lambda size, a=ask, b=backend: step(size, lambda _, c: a(c, b)))
    for name, text in (("clean", PROSE), ("dense", DENSE)):

        def scan(size: int, run, text=text) -> float:
            if text is DENSE and size > DENSE_BYTES:
                return -1
            data = body("chat", text, size)
            return cpu(lambda: run(data))

        def redaction(data: bytes) -> None:
            chat = SURFACES["chat"].parse(data, 0)
            scan = look.scanner.scan(msgspec.json.decode(data))
            scan = msgspec.structs.replace(scan, leaves=walk(msgspec.json.decode(data)).leaves)
            redact(chat, scan, look.tagged(frozenset({"pii"})), look.scanner)

        row(f"{name}: walk", lambda size, s=scan: s(size, lambda data: walk(msgspec.json.decode(data))))
        row(f"{name}: scan", lambda size, s=scan: s(size, lambda data: look.scanner.scan(msgspec.json.decode(data))))
        row(f"{name}: scan and redact", lambda size, s=scan: s(size, redaction))
    uvloop.run(loop(most))


async def loop(most: int) -> None:
    """The same steps by way of `Scanning`, as the relay takes them."""
    scanning = Scanning(lambda why: print("failed:", why))
    longest = [0.0]

    async def tick() -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest[0], before = max(longest[0], now - before), now

    ticking = asyncio.create_task(tick())
    backend = Backend("b", "anthropic", "http://b", "claude-sonnet-4-5", {})
    for size in (size for size in SIZES if 1_000_000 < size <= most):
        for surface in ("chat", "messages"):
            data = body(surface, PROSE, size)
            told = []

            async def step(name: str, work, told=told):
                await asyncio.sleep(0.01)
                longest[0], begun = 0.0, time.perf_counter()
                result = await work
                await asyncio.sleep(0)
                told.append(f"{name} {longest[0] * 1e3:.1f} ms ({time.perf_counter() - begun:.2f} s)")
                return result

            outline = await step("read", scanning.outlined(surface, data, 0))
            scanned = await step("scan", scanning.scan(Policy, "team", outline, data))
            redacted = await step("redact", scanned.redacted(outline, frozenset({"secret"})))
            await step("judge", scanned.lacking(outline, [(backend, ())]))
            await step("encode", scanned.encoded(redacted.chat, (), backend))
            print(f"{surface} to anthropic, {size / 1e6:.0f} MB, longest pause (all of it): {', '.join(told)}")
    ticking.cancel()
    await scanning.close()


if __name__ == "__main__":
    main()
