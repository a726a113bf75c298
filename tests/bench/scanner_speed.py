"""How fast requests are scanned: clean ones, ones full of findings, large ones beside others.

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

from gateway.adapters.scanning import Scanning
from gateway.core.terms import BUILT_IN

PROSE = (
    "Could you explain how the tides work, and why there are two of them each day? I would like to understand the role "
    "of the moon and of the sun in it, and what happens where a bay is narrow. "
)
DENSE = "Call +44 20 7946 0018 or write to bob.miller@example.org about order 4417, IBAN DE89 3704 0044 0532 0130 00. "


class Policy:
    """As much of a policy as the scanner asks for."""

    sensitivity = BUILT_IN


def body(text: str, size: int) -> bytes:
    whole = text * (size // len(text) + 1)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": whole[:size]}]
    return json.dumps({"model": "auto", "messages": messages, "temperature": 0.2}).encode()


async def scan(scanning: Scanning, data: bytes) -> None:
    found = scanning.scan(Policy, data)
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
    for name, text, sizes in (("clean", PROSE, (1_000, 8_000, 40_000)), ("dense", DENSE, (1_000, 8_000, 15_000))):
        for size in sizes:  # no larger than what the loop scans itself: beyond, `scan` hands it to its process
            data = body(text, size)
            scanning.scan(Policy, data)
            seconds = cpu(lambda data=data: scanning.scan(Policy, data), max(2, 400_000 // size))
            print(f"{name} {size:6d} bytes: {seconds * 1e6:8.0f} us, {len(data) / seconds / 1e6:6.1f} MB/s")
    times = []
    for number in range(2000):
        data = body(PROSE + f"{number} ", 8_000)
        begun = time.perf_counter()
        scanning.scan(Policy, data)
        times.append(time.perf_counter() - begun)
    print(f"8 kB with numbers in it: p99 {sorted(times)[1980] * 1e3:.2f} ms")
    if len(sys.argv) > 1:
        lines = gzip.decompress(Path(sys.argv[1]).read_bytes()).splitlines()
        documents = [item.get("body", item["text"]) for item in map(json.loads, lines)]
        scanner = scanning._look(Policy).scanner
        seconds = cpu(lambda: [scanner.scan(document) for document in documents], 1)
        print(f"development set: {sum(map(len, lines)) / seconds / 1e6:.2f} MB/s, {len(lines) / seconds:.0f} texts/s")

    async def large() -> None:
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
