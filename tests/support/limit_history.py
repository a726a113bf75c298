"""Takes of one limit by several processes at once, each noted with when it was asked for and answered; and whether one
counter, asked by one after the other, could have given these answers.

Arguments of a process: address of the server, file, seed, takes. A line of the file is `ASKED ANSWERED NANO GRANTED`.
Each begins once there are the files of `PROCESSES` in that folder.
"""

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.adapters.budgets_valkey import ValkeyBudgets
from gateway.core.budget import Ask, Exceeded, Limit, Reserved, Spend
from support.budgets_contract import NANO, SPENDER

CEILING = 3_000
LIMIT = Limit("all", "all", Spend("organisation", "month", CEILING * NANO))
PROCESSES, CALLERS = 4, 8


class Take(NamedTuple):
    """One take: monotonic seconds, which processes of a machine have in common; nano-USD; whether it was there."""

    asked: float
    answered: float
    amount: int
    granted: bool


def out_of_order(takes: Sequence[Take], ceiling: int) -> list[Take]:
    """The takes that no order of all of them explains, where each happened at one moment between its question and its
    answer. Nothing is given back, so it is enough to look at each by itself: granted is never more than there is; one
    that is refused had no room beside all that may have been granted before its answer; and where there was none for
    so much, there is none for as much or more later."""
    granted = [each for each in takes if each.granted]
    refused = [each for each in takes if not each.granted]
    if sum(each.amount for each in granted) > ceiling:
        return granted
    early = [
        each
        for each in refused
        if sum(other.amount for other in granted if other.asked < each.answered) + each.amount <= ceiling
    ]
    late = [
        each
        for each in granted
        if any(other.answered < each.asked and other.amount <= each.amount for other in refused)
    ]
    return early + late


def read(path: Path) -> list[Take]:
    """The takes of one process."""
    lines = (line.split() for line in path.read_text().splitlines())
    return [Take(float(asked), float(answered), int(nano), said == "1") for asked, answered, nano, said in lines]


async def take(url: str, path: Path, seed: int, amount: int) -> None:
    dice, left = random.Random(seed), iter(range(amount))
    budgets = ValkeyBudgets(url, lambda *_: {})
    budgets.enforce([LIMIT], {})
    await budgets.start()
    with path.open("w") as lines:
        while len(list(path.parent.iterdir())) < PROCESSES:  # noqa: ASYNC110  others start as slowly
            await asyncio.sleep(0.001)

        async def caller() -> None:
            for number in left:
                nano = dice.randint(1, 40)
                asked = time.monotonic()
                room = await budgets.reserve(Ask(f"{seed}.{number}:1", SPENDER, nano * NANO, nano * NANO), time.time())
                lines.write(f"{asked} {time.monotonic()} {nano} {isinstance(room, Reserved):d}\n")
                if isinstance(room, Reserved) and dice.random() < 0.5:
                    budgets.settle(room, nano * NANO, 0)  # at what was reserved, so the counter only rises
                else:
                    assert isinstance(room, Reserved | Exceeded)
                await asyncio.sleep(dice.random() * 0.002)

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await budgets.close()


if __name__ == "__main__":
    asyncio.run(take(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
