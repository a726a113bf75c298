"""A replica in a process of its own: spends until nothing is left, and keeps a journal as a gateway does.

Arguments: address of the server, file of the journal, seed, seconds. A line of the journal is `open ID NANO` once there
is room, and `done ID NANO` once the call has ended. What the journal holds from before is recovered first.
"""

import asyncio
import random
import sys
import time
from pathlib import Path

from gateway.adapters.budgets_valkey import ValkeyBudgets
from gateway.core.budget import Ask, Exceeded, Limit, Reserved, Spend
from support.budgets_contract import NANO, SPENDER, entry

LIMIT = Limit("all", "all", Spend("organisation", "month", 12_000 * NANO))


def left_in(journal: Path) -> dict[str, tuple[str, int]]:
    """What became of each call: (state, nano-USD)."""
    lines = journal.read_text().split("\n")[:-1] if journal.exists() else []
    return {id: (state, int(amount)) for state, id, amount in (line.split() for line in lines)}


async def spend(url: str, journal: Path, seed: int, seconds: float) -> None:
    random.seed(seed)
    budgets = ValkeyBudgets(url, lambda *_: {})
    budgets.enforce([LIMIT], {})
    await budgets.start()
    budgets.recover(
        entry(
            request_id=id,
            time=time.time(),
            state="uncertain" if state == "open" else "settled",
            cost_pico_usd=amount * NANO,
        )
        for id, (state, amount) in left_in(journal).items()
    )
    until = time.monotonic() + seconds
    with journal.open("a", buffering=1) as lines:

        async def call(id: str) -> bool:
            most = random.randint(1, 40)
            room = await budgets.reserve(Ask(f"{id}:1", SPENDER, most * NANO, most // 2 * NANO), time.time())
            if isinstance(room, Exceeded):
                return False
            assert isinstance(room, Reserved)
            lines.write(f"open {id} {room.nano_usd}\n")
            await asyncio.sleep(random.random() * 0.01)
            cost = random.randint(0, room.nano_usd)
            if random.random() < 0.5:
                room = budgets.shrink(room, random.randint(cost, room.nano_usd) * NANO)
            lines.write(f"done {id} {cost}\n")
            budgets.settle(room, cost * NANO, 0)
            return True

        async def caller(name: str) -> None:
            number = 0
            while time.monotonic() < until:
                number += 1
                if not await call(f"{name}.{number}"):
                    await asyncio.sleep(0.02)

        await asyncio.gather(*(caller(f"{seed}.{number}") for number in range(8)))
    await budgets.close()


if __name__ == "__main__":
    asyncio.run(spend(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
