"""Budgets that replicas share, on a real server: the contract of all stores, concurrency, and every kind of outage."""

import asyncio
import collections
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import redis
from support.budget_replica import left_in
from support.budgets_contract import NANO, NOON, SPENDER, BudgetsContract, ask, entry, limit
from support.limit_history import CEILING, Take, out_of_order, read
from support.server import ROOT
from support.shared_books import Shared, by_set_clock, start_of_time

from gateway.adapters import budgets_keeping, budgets_valkey
from gateway.adapters.books import Books
from gateway.adapters.budgets_book import Ended, family_of
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.valkey import is_spoiled
from gateway.core.budget import Exceeded, Reserved, bucket_seconds, window_at
from gateway.core.rate import Rate

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"


class TestBudgets(BudgetsContract):
    @pytest.fixture
    async def make(self, valkey_url, monkeypatch):
        by_set_clock(monkeypatch)
        start_of_time(valkey_url)
        made = []

        async def make(*limits, rates=(), ledger=None):
            books = Shared(valkey_url, LocalBudgets(Books(ledger)).restore if ledger else None)
            made.append(books)
            await books.budgets.start()
            await books.enforce(limits, rates)
            return books

        yield make
        for books in made:
            await books.close()


@pytest.fixture
async def replica(valkey_url, monkeypatch):
    """Makes replicas of one gateway on an empty server, by its own clock."""
    monkeypatch.setattr(budgets_keeping, "OPENING_SECONDS", 0.0)
    start_of_time(valkey_url)
    made = []

    async def make(*limits, rates=(), spent=None):
        books = Shared(valkey_url, spent)
        made.append(books)
        await books.budgets.start()
        await books.enforce(limits, rates)
        return books

    yield make
    for books in made:
        await books.close()


def account(books, of, value="k1"):
    """What the server has of an account: (spent, reserved), in nano-USD."""
    key = f"{{gw}}:a:{books.keeping.generations[family_of(of)].name}:{value}"
    return tuple(int(amount or 0) for amount in books.client.hmget(key, "S", "R"))


@pytest.mark.assures("fault 26")
async def test_side_by_side_nobody_passes_a_ceiling(replica):
    wall = limit("l", "key", "month", 1000)
    books = await replica(wall)
    rooms = await asyncio.gather(*(books.budgets.reserve(ask(9), 0) for _ in range(200)))
    granted = [room for room in rooms if isinstance(room, Reserved)]
    assert (len(granted), account(books, wall)) == (111, (0, 999))
    for room in granted:
        books.budgets.settle(room, 7 * NANO, 0)
    await books.settled()
    assert account(books, wall) == (777, 0)
    assert books.client.dbsize() < 130 + 10  # nothing but what is remembered of each call


def processes(url, tmp_path, amount, names=(1, 2, 3, 4), module="budget_replica"):
    """Each with a file of its own. The amount is of seconds, or what the module says."""
    command = [sys.executable, "-m", f"support.{module}", url]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    return [
        subprocess.Popen([*command, str(tmp_path / f"{name}"), str(name), str(amount)], env=environment)
        for name in names
    ]


def ends(running):
    return [process.wait(60) for process in running]


def booked(client):
    """(spent, reserved) of the one account that the replicas have."""
    [key] = client.keys("{gw}:a:*")
    return tuple(int(amount or 0) for amount in client.hmget(key, "S", "R"))


def journals(tmp_path, state):
    return sum(amount for path in tmp_path.iterdir() for each, amount in left_in(path).values() if each == state)


@pytest.mark.assures("fault 26")
async def test_four_processes_spend_exactly_what_they_say(valkey_url, tmp_path):
    start_of_time(valkey_url)
    client = redis.Redis.from_url(valkey_url.replace("valkey:", "redis:"))
    running = processes(valkey_url, tmp_path, 3)
    while any(process.poll() is None for process in running):
        if client.keys("{gw}:a:*"):
            assert sum(booked(client)) <= 12_000
        await asyncio.sleep(0.02)
    assert ends(running) == [0, 0, 0, 0]
    assert journals(tmp_path, "open") == 0
    assert booked(client) == (journals(tmp_path, "done"), 0)
    assert 11_900 < booked(client)[0] <= 12_000


OF_TEN = [Take(0, 1, 6, granted=True), Take(2, 3, 6, granted=False), Take(4, 5, 4, granted=True)]


@pytest.mark.parametrize(
    ("also", "wrong"),
    [
        ([], False),
        ([Take(6, 7, 1, granted=False)], False),
        ([Take(6, 7, 1, granted=True)], True),  # more than there is
        ([Take(-2, -1, 9, granted=False)], True),  # nothing had been asked for
        ([Take(-2, 0.5, 9, granted=False)], False),  # the first one may have come before it
        ([Take(3.5, 3.6, 4, granted=False)], True),  # so much was there, and was granted later
        ([Take(3.5, 4.5, 4, granted=False)], False),  # or just meanwhile
        ([Take(3.5, 3.6, 5, granted=False)], False),
    ],
)
def test_a_history_that_no_order_explains_is_seen(also, wrong):
    assert bool(out_of_order([*OF_TEN, *also], 10)) is wrong


@pytest.mark.assures("fault 26")
async def test_what_four_processes_were_told_could_have_been_told_one_after_the_other(valkey_url, tmp_path, showed):
    start_of_time(valkey_url)
    amount = 20_000 if FULL else 100
    assert ends(processes(valkey_url, tmp_path, amount, module="limit_history")) == [0, 0, 0, 0]
    first, *others = [read(path) for path in tmp_path.iterdir()]
    takes = [take for history in (first, *others) for take in history]
    assert len(takes) == 4 * amount
    assert any(mine.asked < each.answered and each.asked < mine.answered for mine in first for each in others[0])
    assert out_of_order(takes, CEILING) == []
    granted = sum(take.amount for take in takes if take.granted)
    assert CEILING - 40 < granted <= CEILING
    showed(
        f"{len(takes):,} takes of one limit by 4 processes at once",
        "one order explains all answers: none granted beyond it, none refused that there was room for",
    )


def is_stopped_with_calls_under_way(process, folder) -> bool:
    """Stops it, so that what its journal says stays so; it goes on where that is too little."""
    assert process.poll() is None, "it ended before it could be stopped in the middle"
    process.send_signal(signal.SIGSTOP)
    left = left_in(folder)
    if len(left) >= 30 and any(state == "open" for state, _ in left.values()):
        return True
    process.send_signal(signal.SIGCONT)
    return False


@pytest.mark.assures("fault 13", "fault 26")
async def test_a_replica_that_is_killed_takes_nothing_from_others_and_resolves_its_own(valkey_url, tmp_path):
    start_of_time(valkey_url)
    client = redis.Redis.from_url(valkey_url.replace("valkey:", "redis:"))
    running = processes(valkey_url, tmp_path, 3)
    while not is_stopped_with_calls_under_way(running[0], tmp_path / "1"):  # noqa: ASYNC110  a test looks
        await asyncio.sleep(0.02)
    running[0].kill()
    assert ends(running) == [-9, 0, 0, 0]
    spent, reserved = booked(client)
    left = left_in(tmp_path / "1")
    its_own = sum(amount for state, amount in left.values() if state == "open")
    assert its_own > 0
    assert spent + reserved <= 12_000
    assert reserved >= its_own  # and what had ended, and it could not say any more
    assert spent + reserved >= journals(tmp_path, "done") + its_own
    running = processes(valkey_url, tmp_path, 0, names=[1])
    assert ends(running) == [0]
    assert booked(client) == (journals(tmp_path, "done") + its_own, booked(client)[1])
    assert booked(client)[1] <= 8 * 40  # room that it got and did not live to note
    running = processes(valkey_url, tmp_path, 0, names=[1])  # once more changes nothing
    assert ends(running) == [0]
    assert booked(client)[0] == journals(tmp_path, "done") + its_own


@pytest.mark.assures("fault 9")
async def test_a_storm_of_callers_who_hang_up_leaves_nothing_reserved(replica):
    wall = limit("l", "key", "month", 10**9)
    books = await replica(wall)
    kept = []

    async def call():
        room = await books.budgets.reserve(ask(10), 0)
        kept.append(room)
        await asyncio.sleep(0.001)
        kept.remove(room)
        books.budgets.settle(room, 3 * NANO, 0)

    random.seed(3)
    cancelled = 0
    for _ in range(40):
        tasks = [asyncio.create_task(call()) for _ in range(25)]
        for task in tasks:
            if random.random() < 0.7:
                await asyncio.sleep(random.choice([0, 0, 0, 0.0002, 0.0005]))
                task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        cancelled += sum(isinstance(each, asyncio.CancelledError) for each in done)
    for room in kept:  # they had it as they were cancelled: whoever has room gives it back
        books.budgets.settle(room, 0, 0)
    await books.settled()
    await books.until(lambda: account(books, wall)[1] == 0)
    assert cancelled > 300
    assert books.keeping.under_way == {}


@pytest.mark.assures("fault 15")
async def test_a_caller_whose_clock_is_wrong_counts_in_the_same_window(replica):
    wall = limit("l", "key", "hour", 100)
    books, other = await replica(wall), await replica(wall)
    await books.budgets.reserve(ask(60), time.time())
    for wrong in (-3600, 3600):
        exceeded = await other.budgets.reserve(ask(41), time.time() + wrong)
        assert isinstance(exceeded, Exceeded)
        assert 0 <= exceeded.resets - time.time() <= 3600


@pytest.mark.assures("threat B1")
async def test_a_settlement_acts_once_however_often_it_is_sent(replica):
    wall = limit("l", "key", "month", 100)
    books = await replica(wall)
    room = await books.budgets.reserve(ask(60), 0)
    other = await books.budgets.reserve(ask(30), 0)
    for _ in range(3):
        books.budgets.settle(room, 50 * NANO, 0)
    await books.settled()
    assert account(books, wall) == (50, 30)
    books.budgets.settle(other, 0, 0)
    await books.settled()
    assert account(books, wall) == (50, 0)


@pytest.mark.parametrize(
    ("part", "spoiled"),
    [(part, spoiled) for part in ("reserve", "put", "settle") for spoiled in ("first", "second")]
    + [("reserve", "rate"), ("settle", "rate")],
)
async def test_an_error_leaves_nothing_half_done(replica, part, spoiled):
    limits = [limit("first", "key", "month", 100), limit("second", "key", "month", 100)]
    books = await replica(*limits, rates=[Rate("key", "tokens", 10**6)])
    held = ask(60)
    room = await books.budgets.reserve(held, 0)
    book = books.keeping.book(SPENDER)
    call = {
        "reserve": book.asking(ask(5)),
        "put": book.putting("call-of-another", 5, time.time()),
        "settle": book.settling(Ended(held.id, SPENDER, None, 60, room.moment, 50, 7, 0.0), book.accounts),
    }[part]
    key = {**{each.limit.id: each.key for each in book.accounts}, "rate": book.rate_keys[0]}[spoiled]
    books.client.delete(key)
    books.client.rpush(key, "nonsense")
    before = {key: books.client.dump(key) for key in books.client.keys("{gw}:[acp]:*")}
    [answer] = await books.keeping.server.run([call])
    assert is_spoiled(answer)
    assert {key: books.client.dump(key) for key in books.client.keys("{gw}:[acp]:*")} == before


async def test_room_that_was_given_up_is_not_taken_later(replica):
    """The server was so slow that the request to give back overtook the one that takes."""
    wall = limit("l", "key", "month", 100)
    books = await replica(wall)
    late = ask(60)
    books.budgets._void(late, 0)
    await books.settled()
    [answer] = await books.keeping.server.run([books.keeping.book(SPENDER).asking(late)])
    assert answer == [b"void"]
    assert account(books, wall) == (0, 0)


async def test_what_is_asked_twice_is_taken_once(replica):
    wall = limit("l", "key", "month", 100)
    books = await replica(wall)
    call = books.keeping.book(SPENDER).asking(ask(60))
    first, second = [await books.keeping.server.run([call]) for _ in range(2)]
    assert [first[0][:2], second[0][:2]] == [[b"ok", 60], [b"ok", 60]]
    assert account(books, wall) == (0, 60)


@pytest.mark.parametrize("entries", ["known", "unknown", "settled", "old"])
async def test_a_restarted_replica_resolves_what_its_journal_has(replica, entries):
    wall = limit("l", "key", "month", 100)
    books = await replica(wall)
    asked = ask(60)
    if entries in ("known", "settled"):
        room = await books.budgets.reserve(asked, 0)
        if entries == "settled":
            books.budgets.settle(room, 20 * NANO, 0)
            await books.settled()
    again = await replica(wall)
    began = time.time() - (7200 if entries == "old" else 0)
    request_id = asked.id
    if entries != "unknown":
        call_key = f"{request_id}:1"
        if entries in ("known", "settled"):
            books.client.rename(f"{{gw}}:c:{asked.id}", f"{{gw}}:c:{call_key}")
    again.budgets.recover([entry(request_id=request_id, time=began, cost_pico_usd=45 * NANO)])
    await again.settled()
    expected = {"known": (45, 0), "unknown": (45, 0), "settled": (20, 0), "old": (0, 0)}[entries]
    assert account(again, wall) == expected


def small(value):
    """The same with a pico-USD where there was a nano-USD: so both adapters count in the same whole numbers."""
    names = [name for name in value.__struct_fields__ if name.endswith("pico_usd") or name in ("most", "least")]
    fields = {name: getattr(value, name) // NANO for name in names if getattr(value, name) is not None}
    for name in ("terms", "limit"):
        if hasattr(value, name):
            fields[name] = small(getattr(value, name))
    return msgspec.structs.replace(value, **fields)


def told(outcome):
    return (outcome.pico_usd, outcome.watched, outcome.pace) if isinstance(outcome, Reserved) else outcome


LIMITS = [
    limit("key", "key", "hour", 900),
    limit("team", "team", "2h", 2500),
    limit("all", "organisation", "day", 30_000),
    limit("share", "provider", "2d", share=0.7, minimum=2000),
    limit("trial", "app", "week", 3000, enforced=False),
]
RATES = [Rate("key", "requests", 90), Rate("team", "tokens", 4000), Rate("key", "tokens", 1500, "k2")]


@pytest.mark.assures("fault 26")
@pytest.mark.parametrize("seed", range(4))
async def test_random_traffic_has_the_outcomes_that_one_process_would_have(valkey_url, monkeypatch, seed):
    by_set_clock(monkeypatch)
    start_of_time(valkey_url)
    dice = random.Random(seed)
    shared, local = Shared(valkey_url), LocalBudgets(Books(Path("/nonexistent")))
    await shared.budgets.start()
    await shared.enforce(LIMITS, RATES)
    local.enforce([small(each) for each in LIMITS], {}, RATES)
    moment, under_way, said = NOON, [], collections.Counter()
    for _ in range(600):
        later = moment + dice.choice([0, 0.125, 1, 7.5, 30, 90])
        over = later // 3600 != moment // 3600  # nothing is under way as an hour ends: see the contract's exception
        while under_way and (over or dice.random() < 0.5):
            mine, theirs = under_way.pop(dice.randrange(len(under_way)))
            cost, tokens = dice.randrange(theirs.pico_usd * 5 // 4 + 1), dice.randrange(300)
            await shared.settle(mine, cost * NANO, tokens)
            local.settle(theirs, cost, tokens)
        moment, most = later, dice.randint(1, 200)
        asked = ask(
            most,
            dice.randint(0, most),
            exempt=dice.choice([None, None, "key"]),
            requests=dice.choice([0, 1, 1]),
            tokens=dice.randint(0, 200),
            key=dice.choice(["k1", "k2", "k3"]),
            team=dice.choice(["red", "blue"]),
            provider=dice.choice(["openai", "mistral"]),
        )
        mine, theirs = await shared.reserve(asked, moment), local.reserve(small(asked), moment)
        said[type(mine).__name__] += 1
        if isinstance(mine, Reserved):
            assert told(mine) == (theirs.pico_usd * NANO, theirs.watched, theirs.pace)
            under_way.append((mine, theirs))
        else:
            assert small(mine) == theirs
    assert shared.budgets.overshot_pico_usd == local.overshot_pico_usd * NANO
    await shared.close()
    assert min(said.values()) > 10, said


@pytest.mark.parametrize("window", ["hour", "day", "week", "month", "1h", "24h", "7d", "30d"])
async def test_the_script_reads_windows_as_we_do(replica, window):
    books = await replica()
    dice = random.Random(window)
    moments = [dice.uniform(1.6e9, 4.2e9) // 0.25 * 0.25 for _ in range(300)]
    answers = await books.keeping.server.run([((), ("window", window, repr(moment))) for moment in moments])
    rolls = window[:-1].isdigit()
    expected = []
    for moment in moments:
        found = window_at(window, moment)
        size = bucket_seconds(window) if rolls else 0
        expected.append([moment // size * size if rolls else found.start, found.start, found.end, size])
    assert [[float(each) for each in answer] for answer in answers] == expected


def test_the_script_remembers_as_long_as_we_say():
    assert f"ENDED_SECONDS = {budgets_valkey._REMEMBERED_SECONDS:.0f} " in budgets_valkey.SCRIPT
