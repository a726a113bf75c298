"""Records on their way to their projections."""

import asyncio

from gateway.adapters.outbox import DELAY_SECONDS, Outbox


class Taker:
    """Keeps the batches."""

    def __init__(self) -> None:
        self.batches: list[list] = []

    def take(self, records) -> None:
        self.batches.append(list(records))


async def test_records_are_handed_on_together_and_in_order():
    one, two = Taker(), Taker()
    outbox = Outbox((one, two), lambda *_: None)
    for record in "abc":
        outbox.put(record)
    assert one.batches == []
    await asyncio.sleep(DELAY_SECONDS * 3)
    outbox.put("d")
    outbox.flush()
    outbox.flush()
    await asyncio.sleep(DELAY_SECONDS * 3)
    assert one.batches == two.batches == [["a", "b", "c"], ["d"]]
