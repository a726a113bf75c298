"""What a call needs no more of its room, on its way to the server that replicas share."""

import random

import pytest
from support.budgets_contract import DAY, NANO, NOON, SPENDER, ask, limit
from support.shared_books import NOWHERE, Shared, by_set_clock, start_of_time

from gateway.adapters import budgets_shrunk
from gateway.adapters.books import Books
from gateway.adapters.budgets_book import family_of
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.budgets_shrunk import Shrunk
from gateway.adapters.valkey import Down

WALL = limit("wall", "key", "month", 100)
LIMITS = [
    limit("key", "key", "day", 100_000),
    limit("team", "team", "7d", 100_000),
    limit("all", "organisation", "week", 100_000),
]


@pytest.fixture
async def books(valkey_url, monkeypatch):
    by_set_clock(monkeypatch)
    start_of_time(valkey_url)
    books = Shared(valkey_url)
    await books.budgets.start()
    await books.enforce([WALL])
    yield books
    await books.close()


def reserved(books):
    key = f"{{gw}}:a:{books.keeping.generations[family_of(WALL)].name}:k1"
    return int(books.client.hget(key, "R") or 0)


class Deaf:
    """A server that hears nothing."""

    def __init__(self, times=1):
        self.times, self.heard = times, []

    async def run(self, calls):
        self.times -= 1
        if self.times >= 0:
            raise Down("deaf")
        self.heard += [(keys[0], arguments[-1]) for keys, arguments in calls]
        return [1] * len(calls)


async def room(books, nano_usd):
    return await books.reserve(ask(nano_usd), NOON)


async def test_nothing_waits_for_the_server(books):
    call = await room(books, 60)
    less = books.budgets.shrink(call, 10 * NANO)  # no await
    assert (less.pico_usd, reserved(books)) == (10 * NANO, 60)
    await books.until(lambda: reserved(books) == 10)


async def test_what_was_not_heard_is_told_again_and_only_of_calls_under_way(books):
    first, second = await room(books, 30), await room(books, 30)
    shrunk, server = Shrunk(), Deaf()
    shrunk.note(books.budgets.shrink(first, 20 * NANO))
    shrunk.note(books.budgets.shrink(second, 20 * NANO))
    with pytest.raises(Down):
        await shrunk.tell(server, {first.ask.id})
    await shrunk.tell(server, {first.ask.id})
    await shrunk.tell(server, {first.ask.id})
    assert server.heard == [(f"{{gw}}:c:{first.ask.id}", 20)]


async def test_what_shrinks_again_while_the_server_is_told_is_told_again(books):
    call, shrunk, server = await room(books, 30), Shrunk(), Deaf(0)
    call = books.budgets.shrink(call, 20 * NANO)
    shrunk.note(call)
    run = server.run

    async def meanwhile(calls):
        server.run = run
        shrunk.note(books.budgets.shrink(call, 5 * NANO))
        return await run(calls)

    server.run = meanwhile
    await shrunk.tell(server, {call.ask.id})
    assert [amount for _, amount in server.heard] == [20, 5]


async def test_many_are_told_in_parts(books, monkeypatch):
    monkeypatch.setattr(budgets_shrunk, "_AT_ONCE", 2)
    rooms = [await room(books, 10) for _ in range(5)]
    shrunk, server = Shrunk(), Deaf(0)
    for each in rooms:
        shrunk.note(books.budgets.shrink(each, NANO))
    await shrunk.tell(server, {each.ask.id for each in rooms})
    assert len(server.heard) == 5


async def test_what_arrives_after_the_call_was_settled_or_is_of_nobody_changes_nothing(books):
    call = await room(books, 60)
    await books.settle(call, 50 * NANO, 0)
    before = {key: books.client.dump(key) for key in books.client.keys("{gw}:[acp]:*")}
    for id in (call.ask.id, "call-of-nobody"):
        assert await books.keeping.server.run([((f"{{gw}}:c:{id}",), ("shrink", 10))]) == [1]
    assert {key: books.client.dump(key) for key in books.client.keys("{gw}:[acp]:*")} == before


async def test_how_long_a_room_is_kept_stays_as_it_was(books):
    call = await room(books, 60)
    key = f"{{gw}}:c:{call.ask.id}"
    books.client.expire(key, 1000)
    await books.shrink(call, 10 * NANO)
    assert 990 <= books.client.ttl(key) <= 1000
    assert reserved(books) == 10


@pytest.mark.parametrize("heard", [True, False])
async def test_the_settlement_is_exact_whether_the_server_heard_of_it_or_not(books, monkeypatch, heard):
    call, other = await room(books, 60), await room(books, 20)
    if not heard:
        monkeypatch.setattr(books.budgets._shrunk, "note", lambda room: None)
    less = await books.shrink(call, 10 * NANO)
    assert reserved(books) == (30 if heard else 80)
    await books.settle(less, 7 * NANO, 0)
    [standing] = await books.standings(SPENDER, NOON)
    assert (standing.spent_pico_usd, standing.reserved_pico_usd) == (7 * NANO, 20 * NANO)
    await books.settle(other, 0, 0)


async def test_accounts_that_were_lost_are_made_with_what_is_left_of_a_room(books):
    less = await books.shrink(await room(books, 60), 10 * NANO)
    books.client.flushall()
    books.set_clock(NOON)
    await books.until(lambda: not books.keeping.up)
    await books.until(lambda: books.keeping.up)
    assert reserved(books) == 10
    await books.settle(less, 3 * NANO, 0)
    assert reserved(books) == 0


def total(standings):
    [found] = {(each.spent_pico_usd, each.reserved_pico_usd) for each in standings}  # every account has the same
    return found


@pytest.mark.parametrize("seed", range(6))
async def test_in_any_order_both_stores_count_what_is_spent_and_what_open_calls_can_cost(valkey_url, monkeypatch, seed):
    by_set_clock(monkeypatch)
    start_of_time(valkey_url)
    shared, local = Shared(valkey_url), LocalBudgets(Books(NOWHERE))
    await shared.budgets.start()
    await shared.enforce(LIMITS)
    local.enforce(LIMITS, {})
    dice, moment, spent, under_way = random.Random(seed), NOON, 0, {}
    for step in range(300):
        moment += dice.choice([0, 0, 1, 60])  # all within a day
        does = dice.choice(["reserve", "reserve", "shrink", "shrink", "settle", "release", "hear"])
        if step == 150:  # the server forgets all: accounts are made anew
            shared.client.flushall()
            shared.set_clock(moment)
            await shared.until(lambda: not shared.keeping.up)
            await shared.until(lambda: shared.keeping.up)
            await shared.settled()  # what the ledger may not have had yet is booked once more
        elif does == "reserve" or not under_way:
            asked = ask(dice.randint(0, 90))
            under_way[asked.id] = await shared.reserve(asked, moment), local.reserve(asked, moment)
        elif does == "shrink":
            id, amount = dice.choice(list(under_way)), dice.randint(0, 90) * NANO
            mine, theirs = under_way[id]
            under_way[id] = shared.budgets.shrink(mine, amount), local.shrink(theirs, amount)
            assert [each.pico_usd for each in under_way[id]] == [min(amount, theirs.pico_usd)] * 2
        elif does == "hear":
            await shared.settled()
            await shared.until(lambda: not shared.budgets._shrunk._rooms)
        else:
            mine, theirs = under_way.pop(dice.choice(list(under_way)))
            cost = dice.randint(0, theirs.pico_usd // NANO) * NANO if does == "settle" else 0
            shared.budgets.settle(mine, cost, 0)
            local.settle(theirs, cost, 0)
            spent += cost
        still = sum(theirs.pico_usd for _, theirs in under_way.values())
        assert total(local.standings(SPENDER, moment)) == (spent, still)
        assert sum(total(await shared.standings(SPENDER, moment))) >= spent + still
    await shared.settled()
    await shared.until(lambda: not shared.budgets._shrunk._rooms)
    assert total(await shared.standings(SPENDER, moment)) == (spent, still)
    moment += 8 * DAY  # all have left their windows; who is under way still has room in memory alone
    await shared.until(lambda: shared.keeping.up)
    assert total(await shared.standings(SPENDER, moment)) == (0, 0)
    for mine, theirs in under_way.values():
        shared.budgets.settle(shared.budgets.shrink(mine, 0), 0, 0)
        local.settle(local.shrink(theirs, 0), 0, 0)
    await shared.settled()
    assert total(await shared.standings(SPENDER, moment)) == total(local.standings(SPENDER, moment)) == (0, 0)
    await shared.close()
