"""What replicas keep with their server while it is slow, down, full, emptied or replaced: no budget is passed."""

import asyncio
import contextlib
import math
import os
import random
import signal
import time
from threading import Thread

import pytest
from support import stores
from support.budgets_contract import NANO, SPENDER, ask, limit
from support.shared_books import Shared

from gateway.adapters import budgets_keeping, budgets_valkey
from gateway.adapters.budgets_book import family_of
from gateway.core.budget import EVERYTHING, Exceeded, Reserved
from gateway.core.errors import Refusal, Refused
from gateway.core.rate import Rate
from gateway.core.spender import Spender

WALL = limit("all", "organisation", "month", 3000)


@pytest.fixture
def server():
    with stores.valkey() as running:
        yield running


@pytest.fixture
async def replica(server, monkeypatch):
    """Makes replicas of one gateway."""
    monkeypatch.setattr(budgets_keeping, "OPENING_SECONDS", 0.8)
    made = []

    async def make(*limits, rates=(), spent=None, **more):
        books = Shared(stores.url_of(server), spent or (lambda *_: {}), **more)
        books.heard = []
        books.keeping._told = books.heard.append
        made.append(books)
        books.budgets.enforce(limits, {}, rates)
        await books.budgets.start()
        return books

    yield make
    for books in made:
        await books.close()


def restart(server):
    """The same address, another process, and nothing in it."""
    port = server.port
    server.terminate()
    server._desired_port = port
    server.start()


def account(books, of=WALL, value=EVERYTHING):
    key = f"{{gw}}:a:{books.keeping.generations[family_of(of)].name}:{value}"
    return tuple(int(amount or 0) for amount in books.client.hmget(key, "S", "R"))


async def refused(books, most=1, **who):
    with pytest.raises(Refused) as caught:
        await books.budgets.reserve(ask(most, **who), time.time())
    assert caught.value.refusal is Refusal.BUDGETS_DOWN
    return caught.value


class World:
    """What is true: callers of all replicas, and a ledger that has it a little later."""

    def __init__(self, ceiling, lag=0.1):
        self.ceiling, self.lag = ceiling, lag
        self.spent, self.under_way, self.ledger = 0, 0, 0
        self.answers = {"room": 0, "none": 0, "nobody": 0}
        self.stopped = False

    def of_the_ledger(self, limits, moment):
        return {(each.id, EVERYTHING): {int(moment) // 3600 * 3600: self.ledger * NANO} for each in limits}

    async def call(self, books, seed):
        dice = random.Random(seed)
        loop = asyncio.get_running_loop()
        while not self.stopped:
            most = dice.randint(1, 8)
            try:
                room = await books.budgets.reserve(ask(most, dice.randint(1, most)), time.time())
            except Refused:
                self.answers["nobody"] += 1
                await asyncio.sleep(0.02)
                continue
            if isinstance(room, Exceeded):
                self.answers["none"] += 1
                await asyncio.sleep(0.02)
                continue
            granted = room.pico_usd // NANO
            self.answers["room"] += 1
            self.under_way += granted
            assert self.spent + self.under_way <= self.ceiling
            await asyncio.sleep(dice.random() * 0.05)
            cost = dice.randint(0, granted)
            self.under_way -= granted
            self.spent += cost
            books.budgets.settle(room, cost * NANO, 0)
            loop.call_later(self.lag, self._book, cost)

    def _book(self, cost):
        self.ledger += cost


async def under_load(world, replicas, *events):
    """Runs callers on all replicas, and events (seconds, what happens) meanwhile."""
    callers = [asyncio.create_task(world.call(books, seed)) for seed, books in enumerate(replicas * 6)]
    for seconds, event in events:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(event)
    world.stopped = True
    await asyncio.gather(*callers)
    for books in replicas:
        await books.settled()


def nothing():
    """Time goes by."""


@pytest.mark.assures("fault 10")
@pytest.mark.parametrize("how", ["flushed", "restarted"])
async def test_a_server_that_lost_everything_gets_it_back_and_nobody_passes_the_wall(server, replica, monkeypatch, how):
    world = World(3000)
    replicas = [await replica(WALL, spent=world.of_the_ledger) for _ in range(3)]
    monkeypatch.setattr(budgets_keeping, "LEDGER_SECONDS", 0.3)

    def lose():
        if how == "flushed":
            replicas[0].client.flushall()
        else:
            restart(server)

    await under_load(world, replicas, (0.3, lose), (3.0, lose), (3.5, nothing))
    assert world.answers["nobody"] > 0
    assert world.answers["none"] > 0
    spent, reserved = account(replicas[0])
    assert reserved == 0
    assert world.spent <= spent < 2 * world.spent  # what ended shortly before may be counted twice, never not at all
    assert replicas[0].heard[-1] == ""


@pytest.mark.assures("fault 10")
@pytest.mark.parametrize(
    ("lags", "spent"),
    [
        ([math.inf, math.inf], 60),
        ([5.0, 5.0], 60),
        ([math.inf, 0.0], 60),  # it caught up just as the accounts had been made
        ([0.0, 0.0], 0),  # it says that it has them, so what it says counts
    ],
)
async def test_a_budget_outlives_its_server_while_the_ledger_is_behind(server, replica, monkeypatch, lags, spent):
    monkeypatch.setattr(budgets_keeping, "LEDGER_SECONDS", 0.1)
    lag = lags[0]

    def of_the_ledger(limits, moment):
        nonlocal lag
        if restarted:
            lag = lags[1]
        return {}

    restarted = False
    books = await replica(WALL, spent=of_the_ledger, lag=lambda: lag)
    room = await books.budgets.reserve(ask(60), 0)
    books.budgets.settle(room, 60 * NANO, 0)
    await asyncio.sleep(1.5)
    restarted = True
    restart(server)
    await books.until(lambda: not books.keeping.up)
    await books.until(lambda: books.keeping.up)
    await books.settled()
    assert account(books) == (spent, 0)


async def test_what_the_ledger_has_at_last_is_not_kept(replica, monkeypatch):
    monkeypatch.setattr(budgets_keeping, "LEDGER_SECONDS", 0.1)
    lag = math.inf
    books = await replica(WALL, lag=lambda: lag)
    books.budgets.settle(await books.budgets.reserve(ask(60), 0), 60 * NANO, 0)
    await asyncio.sleep(1.2)
    assert len(books.keeping._settled) == 1
    lag = 0.0
    await books.until(lambda: not books.keeping._settled)


async def test_what_is_booked_again_long_after_is_booked_where_it_is_not(replica):
    """A new limit, while the ledger is behind by more than the server remembers calls."""
    new = limit("new", "organisation", "month", 10**6)
    rates = [Rate("key", "tokens", 1000)]
    books = await replica(WALL, lag=lambda: math.inf, rates=rates)
    books.budgets.settle(await books.budgets.reserve(ask(60), 0), 60 * NANO, 500)
    await books.settled()
    for key in books.client.keys("{gw}:c:*"):
        books.client.delete(key)
    pace = await books.budgets.pace(SPENDER, 0)
    books.budgets.enforce([WALL, new], {}, rates)
    await books.until(lambda: books.keeping.up and not books.keeping._ended)
    assert (account(books), account(books, new)) == ((60, 0), (60, 0))
    again = await books.budgets.pace(SPENDER, 0)
    assert again.tokens.remaining >= pace.tokens.remaining


@pytest.mark.assures("fault 10")
async def test_another_server_that_took_over_with_older_accounts_is_not_believed(replica):
    books = await replica(WALL, spent=spent_before)
    held = await books.budgets.reserve(ask(10), 0)
    books.client.set("{gw}:epoch", "a server that is no more")
    await books.until(lambda: not books.keeping.up)
    await books.until(lambda: books.keeping.up)
    assert account(books) == (70, 10)
    books.budgets.settle(held, 4 * NANO, 0)
    await books.settled()
    assert account(books) == (74, 0)


@pytest.mark.alone
@pytest.mark.assures("fault 10")
async def test_a_slow_server_is_waited_for_once_and_what_it_did_late_is_given_back(server, replica):
    books = await replica(WALL)
    assert isinstance(await books.budgets.reserve(ask(1), 0), Reserved)
    os.kill(server._process.pid, signal.SIGSTOP)
    began = time.monotonic()
    await asyncio.gather(*(refused(books) for _ in range(20)))
    waited = time.monotonic() - began
    assert 0.4 < waited < 1.0
    began = time.monotonic()
    told = await refused(books)
    assert time.monotonic() - began < waited / 3
    assert told.retry_after == 2
    os.kill(server._process.pid, signal.SIGCONT)
    await books.until(lambda: books.keeping.up, 5)
    await books.settled()
    assert account(books) == (0, 1)


@pytest.mark.alone
@pytest.mark.assures("fault 10")
async def test_behind_a_server_that_hangs_nobody_waits_for_those_before(server, replica):
    books = await replica(WALL)
    os.kill(server._process.pid, signal.SIGSTOP)
    began = time.monotonic()
    await asyncio.gather(*(refused(books) for _ in range(3000)))
    assert time.monotonic() - began < 1.4
    os.kill(server._process.pid, signal.SIGCONT)


async def test_a_server_that_would_remove_accounts_is_not_used_until_it_is_set_right(replica, monkeypatch):
    monkeypatch.setattr(budgets_keeping, "_MARK_SECONDS", 5)  # so it is looked at twice a second
    books = await replica(WALL)
    books.client.config_set("maxmemory", "100mb")
    books.client.config_set("maxmemory-policy", "allkeys-lru")
    await books.until(lambda: not books.keeping.up)
    assert "set maxmemory-policy to noeviction" in books.heard[0]
    await refused(books)
    books.client.config_set("maxmemory-policy", "noeviction")
    await books.until(lambda: books.keeping.up)
    assert books.heard[1:] == [""]


async def test_one_at_a_time_makes_accounts_and_gives_back_only_its_own_lock(replica):
    first, second = (await replica()).keeping, (await replica()).keeping

    async def lock(keeping, part):
        milliseconds = (60_000,) if part == "lock" else ()
        [answer] = await keeping._run([(("{gw}:lock",), (part, keeping._name, *milliseconds))])
        return answer

    assert [await lock(first, "lock"), await lock(second, "lock")] == [1, 0]
    await lock(second, "unlock")
    assert await lock(second, "lock") == 0
    assert await lock(first, "lock") == 1  # nobody may have heard the first answer
    await lock(first, "unlock")
    assert await lock(second, "lock") == 1


async def test_a_lock_whose_answer_was_lost_holds_up_nobody(replica):
    books = await replica()
    books.client.set("{gw}:lock", books.keeping._name, px=60_000)
    books.budgets.enforce([WALL], {})
    await books.until(lambda: books.keeping.up, 3)
    assert books.client.get("{gw}:lock") is None


@pytest.mark.alone
@pytest.mark.assures("fault 10")
async def test_a_server_that_is_down_denies_and_what_ended_meanwhile_is_counted(server, replica):
    books = await replica(WALL, rates=[Rate("key", "requests", 100)])
    room = await books.budgets.reserve(ask(50), 0)
    port = server.port
    server.terminate()
    began = time.monotonic()
    await refused(books)
    await refused(books)
    assert time.monotonic() - began < 0.5
    books.budgets.settle(room, 20 * NANO, 0)
    assert [each.value for each in await books.budgets.standings(SPENDER, time.time())] == [EVERYTHING]
    assert await books.budgets.every_standing(time.time()) == []
    assert await books.budgets.pace(SPENDER, 0) is None  # nobody knows it
    server._desired_port = port
    server.start()
    await books.until(lambda: books.keeping.up)
    await books.settled()
    assert account(books) == (20, 0)


async def test_a_gateway_starts_before_its_server(server, replica):
    port = server.port
    server.terminate()
    server._desired_port = server._port = port
    books = await replica(WALL)
    await refused(books)
    server.start()
    await books.until(lambda: books.keeping.up)
    assert isinstance(await books.budgets.reserve(ask(1), 0), Reserved)


@pytest.mark.assures("fault 10")
async def test_a_full_server_denies_until_there_is_room(replica):
    books = await replica(WALL)
    room = await books.budgets.reserve(ask(50), 0)
    books.client.config_set("maxmemory-policy", "noeviction")
    books.client.config_set("maxmemory", 1)
    await refused(books)
    books.budgets.settle(room, 20 * NANO, 0)
    await asyncio.sleep(1.2)
    await refused(books)
    books.client.config_set("maxmemory", 0)
    await books.until(lambda: books.keeping.up)
    await books.settled()
    assert account(books) == (20, 0)


@pytest.mark.assures("fault 10")
async def test_what_somebody_else_wrote_over_is_made_anew(replica):
    books = await replica(WALL, rates=[Rate("key", "requests", 100)], spent=spent_before)
    held = await books.budgets.reserve(ask(10), 0)
    for pattern in ("a:*", "f:*", "p:*", "replicas", "epoch", "v:*"):
        for key in books.client.keys(f"{{gw}}:{pattern}"):
            books.client.delete(key)
            books.client.rpush(key, "nonsense")
        with contextlib.suppress(Refused):
            await books.budgets.reserve(ask(0), 0)
        await asyncio.sleep(2 * budgets_keeping.BEAT_SECONDS)
        await books.until(lambda: books.keeping.up)
        assert isinstance(await books.budgets.reserve(ask(0), 0), Reserved)
    books.budgets.settle(held, 4 * NANO, 0)
    await books.settled()
    assert account(books) == (74, 0)


def spent_before(limits, moment):
    """A ledger in which seventy were spent."""
    return {(each.id, EVERYTHING): {int(moment): 70 * NANO} for each in limits}


@pytest.mark.assures("fault 10")
async def test_a_settlement_that_meets_nonsense_is_made_again(replica):
    books = await replica(WALL, spent=spent_before)
    held = await books.budgets.reserve(ask(10), 0)
    [key] = books.client.keys("{gw}:a:*")
    books.client.set(key, "nonsense")
    books.budgets.settle(held, 4 * NANO, 0)
    await books.settled()
    assert account(books) == (74, 0)


@pytest.mark.assures("fault 10")
async def test_replicas_alone_spend_their_part_of_what_was_left(server, replica):
    of_each = limit("l", "key", "month", 1000, on_store_down="local_quota")
    denying = limit("d", "team", "month", 10**6)
    first, second = await replica(of_each, rates=[Rate("key", "requests", 1)]), await replica(of_each)
    await first.until(lambda: first.keeping.replicas == second.keeping.replicas == 2)
    room = await first.budgets.reserve(ask(200), 0)
    assert isinstance(await second.budgets.reserve(ask(0), 0), Reserved)  # so it has seen the account
    port = server.port
    server.terminate()
    granted = []
    for books in (first, second):
        for _ in range(100):
            found = await books.budgets.reserve(ask(50), time.time())
            if isinstance(found, Reserved):
                granted.append((books, found))
    assert len(granted) == 16  # of 800, each has 400
    spare = await second.budgets.reserve(ask(50), time.time())
    assert (spare.ceiling_pico_usd, spare.reserved_pico_usd) == (400 * NANO, 400 * NANO)
    for books, found in granted[::2]:
        books.budgets.settle(found, 10 * NANO, 0)
    assert isinstance(await second.budgets.reserve(ask(30), time.time()), Reserved)
    second.budgets.enforce([of_each, denying], {})
    await refused(second)
    server._desired_port = port
    server.start()
    for books in (first, second):
        await books.until(lambda books=books: books.keeping.up)
        await books.settled()
    assert account(first, of_each, "k1") == (80, 200 + 8 * 50 + 30)
    first.budgets.settle(room, 0, 0)
    await first.settled()
    assert account(first, of_each, "k1") == (80, 8 * 50 + 30)


async def test_alone_nothing_is_spent_of_what_was_never_seen(server, replica):
    of_each = limit("l", "key", "month", 1000, on_store_down="local_quota")
    first, second = await replica(of_each), await replica(of_each)
    room = await first.budgets.reserve(ask(1000), 0)
    assert isinstance(room, Reserved)
    server.terminate()
    await refused(second)  # as far as it knows, all is left
    assert isinstance(await first.budgets.reserve(ask(1), time.time()), Exceeded)


async def test_a_new_limit_is_counted_from_the_ledger_before_it_is_in_force(replica):
    new = limit("new", "organisation", "month", 100)
    asked = []

    def spent(limits, moment):
        asked.extend(each.id for each in limits)
        return {("new", EVERYTHING): {int(moment): 60 * NANO}}

    first, second = await replica(WALL, spent=spent), await replica(WALL, spent=spent)
    held = await first.budgets.reserve(ask(10), 0)
    for books in (first, second):
        reading = Thread(target=books.budgets.restore, args=([WALL, new], 0.0))
        reading.start()
        await books.until(lambda reading=reading: not reading.is_alive())
        books.budgets.enforce([WALL, new], {})
        assert books.keeping.up  # it needs nobody to wait
    assert asked == ["all", "new"]
    await first.until(lambda: account(second, new) == (60, 10))
    assert isinstance(await second.budgets.reserve(ask(31), 0), Exceeded)
    first.budgets.settle(held, 10 * NANO, 0)
    await first.settled()
    assert account(second, new) == (70, 0)


async def test_an_amount_that_changes_loses_nothing_and_a_limit_that_was_dropped_begins_anew(replica):
    books = await replica(WALL)
    await books.budgets.reserve(ask(100), 0)
    books.budgets.enforce([limit("all", "organisation", "month", 150)], {})
    assert books.keeping.up
    assert isinstance(await books.budgets.reserve(ask(51), 0), Exceeded)
    before = dict(books.keeping.generations)
    books.budgets.enforce([], {})
    await books.until(lambda: not books.keeping._dropped)
    books.budgets.enforce([WALL], {})
    await books.until(lambda: books.keeping.up)
    assert books.keeping.generations.keys() == before.keys()
    assert books.keeping.generations != before
    assert account(books) == (0, 100)  # what is under way is put back


async def test_a_reload_holds_up_nobody(replica):
    other = limit("other", "key", "day", 10**6)
    first, second = await replica(WALL), await replica(WALL)
    stopped, served = False, 0

    async def call(books):
        nonlocal served
        while not stopped:
            room = await books.budgets.reserve(ask(1), 0)
            await asyncio.sleep(0.001)
            books.budgets.settle(room, 0, 0)
            served += 1

    callers = [asyncio.create_task(call(books)) for books in (first, second) for _ in range(5)]
    for limits in ([WALL, other], [WALL], [WALL, other], [limit("all", "organisation", "month", 2000)]):
        await asyncio.to_thread(first.budgets.restore, limits, 0.0)
        first.budgets.enforce(limits, {})
        await asyncio.sleep(0.2)
    stopped = True
    await asyncio.gather(*callers)
    assert served > 200
    assert first.heard == second.heard == []
    for books in (first, second):
        await books.settled()
    assert account(first) == (0, 0)


async def test_a_ledger_that_cannot_be_read_is_asked_again(replica):
    answers = [OSError("no ledger"), OSError("no ledger")]

    def spent(limits, moment):
        if answers:
            raise answers.pop()
        return {}

    books = await replica(WALL, spent=spent)
    await books.until(lambda: books.keeping.up)
    assert books.heard == ["accounts cannot be made: no ledger", ""]


async def test_nothing_is_let_in_that_could_not_be_kept(replica, monkeypatch):
    books = await replica(WALL)
    monkeypatch.setattr(budgets_valkey, "MOST_WAITING", 2)
    rooms = [await books.budgets.reserve(ask(1), 0) for _ in range(2)]
    await refused(books)
    books.budgets.settle(rooms[0], 0, 0)
    await books.settled()
    assert isinstance(await books.budgets.reserve(ask(1), 0), Reserved)


async def test_while_nobody_counts_what_denies_nothing_lets_all_through(server, replica, monkeypatch):
    trial = limit("trial", "key", "month", 10, enforced=False)
    books = await replica(trial, rates=[Rate("key", "requests", 1)])
    port = server.port
    server.terminate()
    monkeypatch.setattr(budgets_valkey, "MOST_WAITING", 3)
    rooms = [await books.budgets.reserve(ask(20), time.time()) for _ in range(5)]
    assert [room.pico_usd for room in rooms] == [20 * NANO] * 5
    for room in rooms:
        books.budgets.settle(room, 5 * NANO, 0)
    assert books.keeping.waiting <= 4
    server._desired_port = port
    server.start()
    await books.until(lambda: books.keeping.up)
    await books.settled()
    assert account(books, trial, "k1") == (15, 0)


async def test_the_state_of_a_caller_follows_what_other_replicas_spend(replica):
    first, second = await replica(WALL), await replica(WALL)
    first.budgets.settle(await first.budgets.reserve(ask(2500), 0), 2500 * NANO, 0)
    assert second.budgets.state(Spender(key="k1"), time.time()) == "ok"  # it has not heard yet
    await second.until(lambda: second.budgets.state(Spender(key="k1"), time.time()) == "soft")
