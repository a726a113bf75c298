"""What money costs a request: CPU on the event loop for bound, reservation, journal, charge and rows. Run by hand.

    python tests/bench/spend_cost.py

Each step is timed alone over many requests; the least of several rounds is shown, in microseconds.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.doubles import FACTS, PRICE, backend, call

from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.ledger_sqlite import SqliteLedger
from gateway.core.bound import bound
from gateway.core.budget import Ask, Limit, Spend
from gateway.core.chat import Demand
from gateway.core.decision import Candidate, Decision
from gateway.core.price import charge
from gateway.core.rate import Rate
from gateway.core.record import End, Record, Tried, entries, entry_of
from gateway.core.usage import Usage

REQUESTS, ROUNDS = 5_000, 7
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
USED = Usage(100, 50, output=40)
CALL = call()
DECISION = Decision("dec-1", "d", "b", FACTS, (Candidate(SERVES, ("p",), 0),), ())
TRIED = Tried(1, "b", "openai", "m", "z", "settled", USED, 700, "v")


def least(step: Callable[[], None]) -> float:
    """Microseconds for one request."""
    rounds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        step()
        rounds.append(time.process_time() - begun)
    return min(rounds) / REQUESTS * 1e6


def budgets(limits: list[Limit], rates: list[Rate]) -> Callable[[], None]:
    """Reserve and settle."""
    books = LocalBudgets(Path("/nonexistent"))
    books.enforce(limits, {}, rates)
    caller = CALL.caller
    now = time.time()

    def step() -> None:
        for n in range(REQUESTS):
            spender = {**caller.spender("default"), "provider": "openai", "zone": "us"}
            room = books.reserve(Ask("id", spender, 10**9, 10**8, 1, 250), now + n / 1000)
            books.settle(room, 10**6, 190)  # type: ignore[arg-type]

    return step


def bounds() -> None:
    """The bound of a call, and what it came to."""
    for _ in range(REQUESTS):
        bound(SERVES, DEMAND)
        charge(USED, PRICE)


async def journal(directory: Path) -> float:
    """The intent, the record's rows, and their way to the journal."""
    ledger = SqliteLedger(directory)

    async def step() -> None:
        for n in range(REQUESTS):
            intent = entry_of(CALL, DECISION, TRIED, project="p", purpose="g", sensitivity="public")
            ledger.open(intent)
            record = Record(CALL, DECISION, (TRIED,), End.COMPLETE, 200, None, False, 0.1, 0.001)
            ledger.settle(entries(record))
            if n % 32 == 31:
                await asyncio.sleep(0)  # one turn of the loop for as many requests as are under way

    rounds = []
    for _ in range(ROUNDS):
        begun = time.thread_time()
        await step()
        rounds.append(time.thread_time() - begun)
        await asyncio.sleep(0.5)
    ledger.close()
    return min(rounds) / REQUESTS * 1e6


def main() -> None:
    """Prints a line for each step, and their sum."""
    with tempfile.TemporaryDirectory() as directory:
        written = asyncio.run(journal(Path(directory)))
    steps = {
        "bound and charge": least(bounds),
        "reserve and settle: four limits, two rates": least(budgets(LIMITS, RATES)),
        "intent, rows, journal": written,
    }
    for name, figure in steps.items():
        sys.stdout.write(f"{figure:6.1f} us  {name}\n")
    sys.stdout.write(f"{sum(steps.values()):6.1f} us  in all\n")
    sys.stdout.write(f"{least(budgets(LIMITS[:3], [])):6.1f} us  reserve and settle: the three shipped limits\n")


if __name__ == "__main__":
    main()
