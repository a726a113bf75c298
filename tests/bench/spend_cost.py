"""What money costs a request: CPU on the event loop for all that is done for budgets and the ledger. Run by hand.

    python tests/bench/spend_cost.py [ROUNDS]

Each step is timed alone over many requests, with the collector as the gateway sets it; the least of several rounds is
shown, in microseconds. What is noted is written to a file, and carried to the ledger by a thread that is not counted.
"""

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.doubles import FACTS, answering, backend, call
from support.hops import hop, opened

from gateway import owed
from gateway.adapters.books import Books
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.journal import Ledger
from gateway.adapters.stores import store_of
from gateway.core.bound import bound
from gateway.core.budget import Ask, Limit, Spend
from gateway.core.chat import Demand
from gateway.core.decision import Candidate, Decision
from gateway.core.rate import Rate
from gateway.core.record import End, Record, Tried, entries, entry_of
from gateway.core.usage import NOTHING, Usage
from gateway.hop import Hop

REQUESTS = 5_000
USD = 10**12
LIMITS = [
    Limit("key", "l", Spend("key", "day", 10**6 * USD)),
    Limit("all", "l", Spend("organisation", "month", 10**8 * USD)),
    Limit("share", "l", Spend("provider", "7d", share=0.6, minimum_pico_usd=10**6 * USD)),
    Limit("team", "budget", Spend("team", "month", 10**6 * USD)),
]
RATES = [Rate("key", "requests", 10**9), Rate("team", "tokens", 10**9)]
SERVES = backend("b")
DEMAND = Demand(frozenset({"chat"}), 1000, 2, None, 1)
CALL = call()
DECISION = Decision("dec-1", "d", "b", FACTS, (Candidate(SERVES, ("p",), 0),), ())
TRIED = Tried(1, "b", "openai", "m", "z", "settled", Usage(100, 50, output=40), 700, "v")

Step = Callable[[], None]


def least(rounds: int, step: Step) -> float:
    """Microseconds for one request."""
    found = []
    for _ in range(rounds):
        begun = time.process_time()
        step()
        found.append(time.process_time() - begun)
    return min(found) / REQUESTS * 1e6


def bounds() -> None:
    """The bound of a call: the most, and the least that it can be cut down to."""
    for _ in range(REQUESTS):
        of = bound(SERVES, DEMAND)
        _ = of.most, of.least


def budgets(limits: list[Limit], rates: list[Rate]) -> Step:
    """Reserve and settle."""
    books = LocalBudgets(Books(Path("/nonexistent")))
    books.enforce(limits, {}, rates)
    caller = CALL.caller
    now = time.time()

    def step() -> None:
        for n in range(REQUESTS):
            spender = caller.spender("default", "openai", "us")
            room = books.reserve(Ask("id", spender, 10**9, 10**8, 1, 250), now + n / 1000)
            books.settle(room, 10**6, 190)  # type: ignore[arg-type]

    return step


def outcome() -> Step:
    """What becomes of a call: under way, then answered and charged."""
    asked = hop()
    answered: Hop = asyncio.run(opened(answering()))[0]

    def step() -> None:
        for _ in range(REQUESTS):
            owed.tried(asked, "open", NOTHING, asked.most)
            owed.ended(answered)

    return step


def written(ledger: Ledger) -> None:
    """The intent, the record's rows, and their way to the journal."""
    intent = entry_of(CALL, DECISION, TRIED, "p", "g", "public")
    ledger.open(intent)
    record = Record(CALL, DECISION, (TRIED,), End.COMPLETE, 200, None, False, 0.1, 0.001)
    ledger.settle(entries(record))


async def journal(rounds: int, directory: Path) -> float:
    """As `least`, of `written`: one turn of the loop for as many requests as are under way."""
    ledger = Ledger(directory, store_of(directory))
    found = []
    for _ in range(rounds):
        begun = time.thread_time()
        for n in range(REQUESTS):
            written(ledger)
            if n % 32 == 31:
                await asyncio.sleep(0)
        found.append(time.thread_time() - begun)
        await asyncio.sleep(0.5)
    ledger.close()
    return min(found) / REQUESTS * 1e6


@contextmanager
def collecting() -> Iterator[None]:
    """The collector as `gateway.app` has it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    yield
    gc.unfreeze()


def main(rounds: int) -> None:
    """Prints a line for each step, and their sums."""
    with collecting(), tempfile.TemporaryDirectory() as directory:
        always = {
            "bound": least(rounds, bounds),
            "what becomes of the call, and its charge": least(rounds, outcome()),
            "intent, rows, journal": asyncio.run(journal(rounds, Path(directory))),
        }
        room = {
            "reserve and settle: the three shipped limits": least(rounds, budgets(LIMITS[:3], [])),
            "reserve and settle: four limits, two rates": least(rounds, budgets(LIMITS, RATES)),
        }
    for name, figure in {**always, **room}.items():
        sys.stdout.write(f"{figure:6.1f} us  {name}\n")
    for name, figure in room.items():
        sys.stdout.write(f"{sum(always.values()) + figure:6.1f} us  in all, {name.rpartition(': ')[2]}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
