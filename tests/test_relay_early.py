"""A stream that said what it read leaves room for others while it is open. The relay, with stand-ins around it."""

import asyncio
import json
from decimal import Decimal

import msgspec
import pytest
from support.doubles import HANG, Calls, Snapshot, Told, backend, call, streaming
from support.house import House
from support.upstream import DONE, delta

from gateway.core.budget import Limit, Spend
from gateway.core.price import per_million
from gateway.core.record import End
from gateway.core.spender import Spender
from gateway.surfaces import SURFACES

PRICE = per_million(
    "v", input=Decimal(3), cache_read=Decimal("0.3"), cache_write=Decimal("3.75"), output=Decimal(15)
)  # fmt: skip
CLAUDE = msgspec.structs.replace(
    backend("claude", price=PRICE, max_output=1000, capabilities=frozenset({"chat", "tools", "messages"})),
    provider="anthropic",
)
TEXT = "word " * 60_000  # 300,000 bytes: 100,000 tokens, counted high
USD = 10**12


def event(type, **fields):
    return f"event: {type}\ndata: {json.dumps({'type': type, **fields})}\n\n".encode()


def begin(**usage):
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    return event("message_start", message={**head, "stop_reason": None, "usage": {"output_tokens": 1, **usage}})


CACHED = begin(input_tokens=50, cache_read_input_tokens=74_900, cache_creation_input_tokens=50)
BLOCK = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
TEXTS = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "hello"})
END = (
    event("content_block_stop", index=0)
    + event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 12})
    + event("message_stop")
)
READ = 50 * 3_000_000 + 74_900 * 300_000 + 50 * 3_750_000
LEFT = READ + 1000 * 15_000_000


class Holding:
    """Stands where a stream is held open, until the test lets it go on."""

    def __init__(self, *steps, then=()):
        self.let_go = asyncio.Event()
        self.stream = streaming(*steps)
        self.then, self.read = list(then), self.stream.read
        self.stream.read = self.next

    async def next(self, *, first=False):
        if not self.stream.steps:
            await self.let_go.wait()
            self.stream.steps, self.then = self.then, []
        return await self.read(first=first)


def ask(house, number, **fields):
    body = {"model": "claude", "max_tokens": 1000, "stream": True, "messages": [{"role": "user", "content": TEXT}]}
    told = Told()
    served = house.relay.serve(SURFACES["messages"], call(number), json.dumps({**body, **fields}).encode(), told)
    return asyncio.create_task(served), told


def house(usd, *answers):
    made = House(Snapshot([CLAUDE]), {})
    given = list(answers)
    made.upstreams = made.relay._upstreams = Calls()
    made.upstreams.before = lambda of: made.upstreams.answers.update({of: given.pop(0)})
    made.budgets.enforce([Limit("l", "l", Spend("key", "day", int(usd * USD)))], {})
    return made


def standing(house):
    [found] = house.budgets.standings(Spender("k"), 0.0)
    return found.spent_pico_usd, found.reserved_pico_usd


async def begun(told, what=b""):
    """Waits until the client has something of its stream."""
    async with asyncio.timeout(10):
        while not told.body or what not in told.body:  # noqa: ASYNC110  a test looks
            await asyncio.sleep(0.001)


async def ended(task):
    return await asyncio.wait_for(task, 5)


async def test_while_a_stream_is_open_another_request_has_what_the_first_can_no_longer_cost():
    first = Holding(CACHED, BLOCK + TEXTS, then=[END])
    one = house(0.5, first.stream, streaming(CACHED, BLOCK + TEXTS + END))
    task, told = ask(one, 1)
    await begun(told, b"hello")
    assert one.books.intents[0].cost_pico_usd > 0.38 * USD  # two of these have no room
    assert standing(one) == (0, LEFT)
    assert not told.ended

    assert await ended(ask(one, 2)[0]) is End.COMPLETE
    assert standing(one) == (READ + 12 * 15_000_000, LEFT)
    first.let_go.set()
    assert await ended(task) is End.COMPLETE
    assert standing(one) == (2 * (READ + 12 * 15_000_000), 0)
    assert all(row.usage_source == "reported" for row in one.books.rows)


async def test_the_journal_keeps_the_bound_that_it_had_before_the_call_was_sent():
    first = Holding(CACHED, then=[BLOCK + TEXTS + END])
    one = house(0.5, first.stream)
    task, told = ask(one, 1)
    await begun(told)
    [intent] = one.books.intents
    assert (intent.state, intent.cost_pico_usd > 10 * LEFT) == ("open", True)
    first.let_go.set()
    await ended(task)


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        (begin(input_tokens=0), {}),
        (begin(input_tokens=20_000), {}),
        (CACHED, {"context_management": {"edits": [{"type": "compact_20260112"}]}}),
        (CACHED, {"a_field_that_nobody_knows": 1}),
    ],
    ids=["zeros", "less than the text can have", "a compaction may come", "what nobody knows may come"],
)
async def test_what_may_still_be_billed_stays_reserved(said, fields):
    first = Holding(said, then=[BLOCK + TEXTS + END])
    one = house(0.5, first.stream)
    task, told = ask(one, 1, **fields)
    await begun(told)
    assert standing(one) == (0, one.books.intents[0].cost_pico_usd)
    first.let_go.set()
    await ended(task)


async def test_a_client_that_leaves_is_booked_within_what_was_left_of_its_room():
    one = house(0.5, streaming(CACHED, BLOCK + TEXTS * 400, HANG))
    task, told = ask(one, 1)
    await begun(told, b"hello")
    told.gone = True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    spent, reserved = standing(one)
    assert (READ < spent <= LEFT, reserved) == (True, 0)
    [row] = one.books.rows
    assert (row.input_uncached, row.cache_read, row.cache_write, row.usage_source) == (50, 74_900, 50, "estimated")


async def test_a_stream_whose_room_is_mostly_for_what_it_may_write_is_left_alone():
    few = begin(input_tokens=3)
    first = Holding(few, then=[BLOCK + TEXTS + END])
    one = house(0.5, first.stream)
    task, told = ask(one, 1, messages=[{"role": "user", "content": "hello there"}])
    await begun(told)
    assert standing(one) == (0, one.books.intents[0].cost_pico_usd)
    first.let_go.set()
    await ended(task)


async def test_usage_that_comes_with_the_first_words_counts_too():
    """As servers of OpenAI's protocol have it whose clients ask for usage all along."""
    usage = {"prompt_tokens": 70_000, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 69_000}}
    of = backend("a", price=PRICE)
    house = House(Snapshot([of]), {"a": streaming(delta(""), delta("hi", usage=usage), HANG)})
    house.budgets.enforce([Limit("l", "l", Spend("key", "day", USD))], {})
    task, told = house.start("a", text=TEXT, stream=True, stream_options={"include_usage": True})
    await begun(told, b"hi")
    assert standing(house) == (0, 1000 * 3_000_000 + 69_000 * 300_000 + 1000 * 15_000_000)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_usage_that_comes_with_the_end_is_settled_and_nothing_before():
    house = House(Snapshot([backend("a", price=PRICE)]), {})
    usage = {"prompt_tokens": 70_000, "completion_tokens": 1}
    house.upstreams.answers["a"] = streaming(delta("hi", "stop") + delta("", usage=usage) + DONE)
    house.budgets.enforce([Limit("l", "l", Spend("key", "day", USD))], {})
    house.budgets.shrink = lambda *_: pytest.fail("there is nothing to gain")
    told = await house.ask("a", text=TEXT, stream=True)
    assert told.ended
    assert standing(house) == (70_000 * 3_000_000 + 15_000_000, 0)
