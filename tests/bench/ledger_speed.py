"""How fast the stores of the ledger take rows and fold them.

    python tests/bench/ledger_speed.py

Takes a minute and some 200 MB of a temporary folder. PostgreSQL is the one that tests use, with fsync on.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.stores import NOW, Place, entry, postgres

ROWS = 20_000
FOLDED = 100_000


def measure(name: str, place: Place) -> None:
    store = place.store()
    for size in (100, 1_000, 5_000):
        texts = {"model": "some-model", "team": "some-team", "decision_id": "d" * 26, "policy_digest": "x" * 27}
        groups = [
            [
                entry(f"r{size}-{group:03}-{n:06}", time=NOW + n / 1000, cost=123_456_789_012, **texts)
                for n in range(size)
            ]
            for group in range(ROWS // size)
        ]
        took = []
        for _ in range(2):
            started, cpu = time.perf_counter(), time.thread_time()
            for group in groups:
                store.write(group)
            took.append((ROWS / (time.perf_counter() - started), (time.thread_time() - cpu) / ROWS * 1e6))
        (new, cost), (again, _) = took
        print(f"{name}, groups of {size}: {new:.0f} rows/s, again {again:.0f}; {cost:.1f} us of this thread a row")
    old = [entry(f"old{n}", time=1.7e9 + n * 0.03, team=f"t{n % 50}", backend=f"b{n % 20}") for n in range(FOLDED)]
    store.write(old)
    steps, more = [], True
    while more:
        started = time.perf_counter()
        more = store.fold(1.71e9)
        steps.append(time.perf_counter() - started)
    print(
        f"{name}, {FOLDED} calls folded: {sum(steps):.2f} s, {len(steps)} steps, the longest {max(steps) * 1000:.0f} ms"
    )
    store.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        measure("file", Place(Path(directory)))
    with postgres() as server:
        server.ask("ALTER SYSTEM SET fsync = on")
        server.ask("SELECT pg_reload_conf()")
        measure("PostgreSQL", Place(Path(), server.url()))


if __name__ == "__main__":
    main()
