"""How fast requests are scanned: clean ones, ones full of findings, conversations that grow, large ones beside others.

    python tests/bench/scanner_speed.py [DEV_SET.jsonl.gz]

CPU seconds of one core, best of five. With a development set, the whole pipeline over it. Nothing leaves the process.
"""

import asyncio
import gzip
import inspect
import json
import sys
import time
from pathlib import Path

import uvloop

from gateway.adapters import scanning as scanning_module
from gateway.adapters.desk import walked_of
from gateway.adapters.scanning import Scanning
from gateway.core.chat import parse
from gateway.core.outline import LARGE_BYTES
from gateway.core.terms import BUILT_IN
from gateway.sensitivity.walk import walk

PROSE = (
    "Could you explain how the tides work, and why there are two of them each day? I would like to understand the role "
    "of the moon and of the sun in it, and what happens where a bay is narrow. "
)
DENSE = "Call +44 20 7946 0018 or write to bob.miller@example.org about order 4417, IBAN DE89 3704 0044 0532 0130 00. "


SMALL = parse(b'{"model":"m","messages":[{"role":"user"}]}')


class Policy:
    """As much of a policy as the scanner asks for."""

    sensitivity = BUILT_IN


def body(text: str, size: int) -> bytes:
    whole = text * (size // len(text) + 1)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": whole[:size]}]
    return json.dumps({"model": "auto", "messages": messages, "temperature": 0.2}).encode()


def agent(turns: int) -> bytes:
    """A coding agent's conversation: each turn reads some of a source file."""
    files = sorted(Path(scanning_module.__file__).parents[1].rglob("*.py"))
    messages = [{"role": "system", "content": "You are a coding agent. " * 40}]
    for number in range(turns):
        id, file = f"call_{number}abcXYZ123", files[number % len(files)]
        function = {"name": "read", "arguments": json.dumps({"path": file.name, "from": number})}
        messages.append({"role": "assistant", "tool_calls": [{"id": id, "type": "function", "function": function}]})
        messages.append({"role": "tool", "tool_call_id": id, "content": file.read_text()[:2500]})
    return json.dumps({"model": "auto", "messages": messages}).encode()


async def scan(scanning: Scanning, data: bytes) -> None:
    chat = await scanning.outlined("chat", data, 0) if len(data) > LARGE_BYTES else SMALL
    found = scanning.scan(Policy, "team", chat, data)
    if inspect.isawaitable(found):
        await found


def cpu(run, times: int) -> float:
    """CPU seconds of one run, the best of five."""
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        for _ in range(times):
            run()
        best = min(best, (time.process_time() - begun) / times)
    return best


async def beside(scanning: Scanning, large: bytes | None) -> tuple[float, float]:
    """Median and p99, in seconds, of small requests a millisecond apart for 8 seconds, with a large one every two."""
    small, waits = body(PROSE, 1000), []
    tasks = set()
    begun = last = time.perf_counter()
    while time.perf_counter() - begun < 8:
        if large is not None and time.perf_counter() - last > 2:
            last = time.perf_counter()
            tasks.add(asyncio.create_task(scan(scanning, large)))
        wanted = time.perf_counter() + 0.001
        await asyncio.sleep(0.001)
        await scan(scanning, small)
        waits.append(time.perf_counter() - wanted)
    await asyncio.gather(*tasks)
    waits.sort()
    return waits[len(waits) // 2], waits[int(len(waits) * 0.99)]


def main() -> None:
    scanning = Scanning(lambda why: print("failed:", why))
    look = scanning._look(Policy)

    def once(data: bytes) -> None:
        """All that is done with a body that nobody has seen, and which is no larger than what the loop takes on."""
        walked = walked_of(data)
        if look.scanner.concerns(walked):
            look.scanner.examine(walked)

    for name, text, sizes in (("clean", PROSE, (1_000, 8_000, 40_000)), ("dense", DENSE, (1_000, 8_000, 15_000))):
        for size in sizes:
            data = body(text, size)
            seconds = cpu(lambda data=data: once(data), max(2, 400_000 // size))
            print(f"{name} {size:6d} bytes: {seconds * 1e6:8.0f} us, {len(data) / seconds / 1e6:6.1f} MB/s")
    times = []
    for number in range(2000):
        data = body(PROSE + f"{number} ", 8_000)
        begun = time.perf_counter()
        once(data)
        times.append(time.perf_counter() - begun)
    print(f"8 kB with numbers in it: p99 {sorted(times)[1980] * 1e3:.2f} ms")
    if len(sys.argv) > 1:
        lines = gzip.decompress(Path(sys.argv[1]).read_bytes()).splitlines()
        items = list(map(json.loads, lines))
        documents = [item.get("body", item["text"]) for item in items]
        told = [{name: item[name] for name in ("id", "text", "body") if name in item} for item in items]
        size = sum(len(json.dumps(each, ensure_ascii=False).encode()) for each in told)  # without what is said of them
        scanner = look.scanner
        seconds = cpu(lambda: [scanner.scan(document) for document in documents], 1)
        print(f"development set: {size / seconds / 1e6:.2f} MB/s, {len(lines) / seconds:.0f} texts/s")

    async def turns() -> None:
        for turn in range(1, 31):
            data = agent(turn)
            walked = walk(json.loads(data))
            alone = cpu(lambda walked=walked: look.scanner.examine(walked), 1)
            begun, cpu_begun = time.perf_counter(), time.thread_time()
            await scan(scanning, data)
            took, here = time.perf_counter() - begun, time.thread_time() - cpu_begun
            if turn in (1, 8, 16, 24, 30):
                print(
                    f"turn {turn} of an agent, {len(data) / 1000:.0f} kB: all of it {alone * 1e3:.0f} ms; with what was seen"
                    f" {took * 1e3:.0f} ms, of which {here * 1e3:.0f} ms are the loop's"
                )

    async def large() -> None:
        await turns()
        alone = await beside(scanning, None)
        huge = body(PROSE, 20_000_000)
        await scan(scanning, huge)
        with_it = await beside(scanning, huge)
        print(f"small requests alone: median {alone[0] * 1e3:.2f} ms, p99 {alone[1] * 1e3:.2f} ms")
        print(f"with 20 MB every 2 s: median {with_it[0] * 1e3:.2f} ms, p99 {with_it[1] * 1e3:.2f} ms")
        await scanning.close()

    uvloop.run(large())


if __name__ == "__main__":
    main()
