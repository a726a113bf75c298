"""Idempotency keys on a real Valkey: who holds a name and for how long, and a server that hangs, forgets or is full."""

import asyncio
import contextlib
import os
import signal
import time

import pytest
from support import stores

from gateway.adapters import repeats_valkey
from gateway.adapters.repeats_valkey import ValkeyRepeats
from gateway.core.errors import Refusal, Refused


@pytest.fixture
def server():
    with stores.valkey() as found:
        yield found


@pytest.fixture
async def replicas(server):
    """Makes one; `told` of each is what it told."""
    made = []

    def replica(*, kept_seconds=100, most=10, lease_seconds=60):
        told = []
        url = stores.url_of(server)
        found = ValkeyRepeats(url, kept_seconds, most, lambda name, **_: told.append(name), lease_seconds)
        found.told = told
        made.append(found)
        return found

    yield replica
    for each in made:
        await each.close()


@contextlib.contextmanager
def frozen(server):
    os.kill(server._process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server._process.pid, signal.SIGCONT)


async def until(reached):
    async with asyncio.timeout(10):
        while not await reached():  # noqa: ASYNC110  a server tells nobody
            await asyncio.sleep(0.05)


async def taken(replica, own, name=b"n"):
    return await replica.begin("k", name, own) is None


async def test_a_name_is_held_while_its_process_lives_and_not_for_long_after_that(replicas):
    first, second = replicas(lease_seconds=1), replicas(lease_seconds=1)
    assert await taken(first, b"one")
    for _ in range(5):
        await asyncio.sleep(0.5)
        assert await second.begin("k", b"n", b"two") == (b"one", False)
    first._task.cancel()  # as if it were killed

    await until(lambda: taken(second, b"two"))
    first.end("k", b"n", b"one", served=True)  # it was not, and is late: what took the name since keeps it
    await first._tell_ended()
    assert await first.begin("k", b"n", b"three") == (b"two", False)


async def test_what_was_answered_is_kept_so_long_and_what_failed_is_free(replicas):
    one, other = replicas(kept_seconds=1), replicas(kept_seconds=1)
    for served in (True, False):
        name = b"%d" % served
        assert await taken(one, b"one", name)
        one.end("k", name, b"one", served=served)
        assert (await one.begin("k", name, b"two")) == ((b"one", True) if served else None)  # told before it asks
    assert await other.begin("k", b"1", b"two") == (b"one", True)
    await asyncio.sleep(1.1)
    assert await taken(other, b"two", b"1")


async def test_of_a_caller_no_more_are_known_than_may_be(replicas):
    one = replicas(most=3)
    assert await taken(one, b"runs", b"runs")
    for number in range(6):
        name = b"%d" % number
        assert await taken(one, b"x", name)
        one.end("k", name, b"x", served=True)
        await one._tell_ended()  # what is under way is not forgotten
    assert await one.begin("k", b"runs", b"y") == (b"runs", False)
    assert await one.begin("k", b"5", b"y") == (b"x", True)
    assert await taken(one, b"y", b"0")
    keys = await one._server.ask([("ZCARD", "{gw}:repeats:k:order"), ("HLEN", "{gw}:repeats:k")])
    assert keys == [3, 3]
    assert 0 < (await one._server.ask([("TTL", "{gw}:repeats:k")]))[0] <= 100


@pytest.mark.assures("threat B3", "fault 10")
async def test_while_the_server_hangs_nobody_is_served_and_nothing_stays_taken(replicas, server):
    one, other = replicas(), replicas()
    assert await taken(one, b"one")
    with frozen(server):
        for _ in range(3):
            with pytest.raises(Refused) as refused:
                await one.begin("k", b"m", b"two")
            assert (refused.value.refusal, refused.value.retry_after) == (Refusal.STATE_DOWN, 2)
        one.end("k", b"n", b"one", served=True)

    async def free():
        return one.told == ["repeats_down", "repeats_up"] and not one._ended

    await until(free)
    assert await other.begin("k", b"n", b"three") == (b"one", True)
    assert await taken(other, b"three", b"m")


@pytest.mark.assures("fault 10")
async def test_while_the_server_hangs_nobody_waits_for_it_and_what_is_to_be_told_does_not_grow(replicas, server):
    one = replicas()
    assert await taken(one, b"one")
    with frozen(server):
        for number in range(60):  # three seconds: it is looked for again meanwhile
            began = time.monotonic()
            with pytest.raises(Refused):
                await one.begin("k", b"%d" % number, b"two")
            assert number == 0 or time.monotonic() - began < 0.4
            await asyncio.sleep(0.05)
        assert list(one._ended) == [("k", b"0")]
        assert one._held == {("k", b"n", b"one")}

    async def served():
        with contextlib.suppress(Refused):
            return await taken(one, b"two", b"59")

    await until(served)
    assert one.told == ["repeats_down", "repeats_up"]


@pytest.mark.assures("fault 10")
async def test_what_is_told_after_longer_than_it_is_kept_is_not_told(replicas, server):
    one, other = replicas(kept_seconds=1), replicas(kept_seconds=1)
    for name in (b"old", b"new"):
        assert await taken(one, b"one", name)

    async def looked():
        return one._due

    await until(looked)
    with frozen(server):  # what is sent to it now is done later
        assert await served(one, b"x", b"one") is None  # from now on nothing is
        one.end("k", b"old", b"one", served=True)
        await asyncio.sleep(1.1)
        one.end("k", b"new", b"one", served=True)

    async def told():
        return not one._ended

    await until(told)
    assert await taken(other, b"two", b"old")
    assert await other.begin("k", b"new", b"two") == (b"one", True)


@pytest.mark.assures("fault 10", "threat B3")
async def test_after_it_was_away_for_longer_than_names_are_held_others_tell_before_anybody_is_served(replicas, server):
    one = replicas(lease_seconds=1)
    assert await taken(one, b"one")
    with frozen(server):
        assert await served(one, b"x", b"one") is None
        await asyncio.sleep(0.6)
    back = time.monotonic()

    async def serves():
        return await served(one, b"y", b"one")

    await until(serves)
    assert time.monotonic() - back > repeats_valkey._OTHERS_SECONDS
    assert one.told == ["repeats_down", "repeats_up"]


@pytest.mark.parametrize("how", ["restarted", "flushed"])
async def test_a_server_that_lost_what_it_had_is_told_again(replicas, server, how):
    one, other = replicas(lease_seconds=1), replicas()
    one.answered = lambda: [("k", b"done", b"one")]
    assert await taken(one, b"one")
    assert await taken(one, b"one", b"done")
    one.end("k", b"done", b"one", served=True)

    async def told():
        return not one._ended

    await until(told)
    await asyncio.sleep(0.1)
    if how == "restarted":
        port = server.port
        server.stop()
        server._desired_port = port
        server.start()
    else:
        await other._server.ask([("FLUSHALL",)])

    async def knows():
        other._server.forget()
        found = await other._server.ask([("HKEYS", "{gw}:repeats:k")])
        return sorted(found[0]) == [b"done", b"n"]

    async def back():
        return not other._down

    await until(knows)
    await until(back)
    assert await other.begin("k", b"done", b"two") == (b"one", True)
    assert await other.begin("k", b"n", b"two") == (b"one", False)


async def served(replica, name, own, caller="k"):
    """Whether a request that comes is taken; None: nobody can say whether it was."""
    try:
        return await replica.begin(caller, name, own) is None
    except Refused:
        return None


OTHERS = [
    ("SET", "{gw}:repeats:k", "theirs"),
    ("RPUSH", "{gw}:repeats:k", "theirs"),
    ("SET", "{gw}:repeats:k:order", "theirs"),
]


@pytest.mark.assures("fault 10")
@pytest.mark.parametrize("theirs", OTHERS, ids=lambda command: " ".join(command[:2]))
async def test_whose_key_somebody_else_wrote_over_is_not_served_and_everybody_else_is(replicas, theirs):
    one, other = replicas(lease_seconds=1), replicas(lease_seconds=1)
    one.answered = lambda: [("k", b"done", b"one"), ("l", b"done", b"one")]
    for caller in ("k", "l"):
        for name in (b"done", b"runs"):
            assert await served(one, name, b"one", caller)
    await one._server.ask([("DEL", theirs[1]), theirs])
    for caller in ("k", "l"):
        one.end(caller, b"done", b"one", served=True)

    async def told():
        return not one._ended

    await until(told)  # nobody waits behind the one that cannot be told
    assert await other.begin("l", b"done", b"two") == (b"one", True)
    for replica in (one, other):
        for name in (b"done", b"new"):
            assert await served(replica, name, b"two") is None
        assert await served(replica, b"%d" % id(replica), b"two", "l") is True
        assert replica.told == ["repeats_spoiled"]
    kept = await one._server.ask([("TYPE", theirs[1])])
    assert kept == [{"SET": b"string", "RPUSH": b"list"}[theirs[0]]]
    await asyncio.sleep(1.2)  # longer than a lease
    assert await other.begin("l", b"runs", b"two") == (b"one", False)

    await one._server.ask([("DEL", "{gw}:repeats:k", "{gw}:repeats:k:order", "{gw}:repeats-life")])

    async def mended():  # asked of one who finds out, perhaps, before the one who knows
        return await served(other, b"done", b"two") is not None

    await until(mended)
    await until(told)
    assert await other.begin("l", b"done", b"two") == (b"one", True)

    async def known():
        return await served(one, b"new", b"two") is not None

    await until(known)
    assert await other.begin("k", b"done", b"two") == (b"one", True)
    assert await other.begin("k", b"runs", b"two") == (b"one", False)
    assert (one.told, other.told) == (["repeats_spoiled"], ["repeats_spoiled"])


@pytest.mark.parametrize("theirs", ["theirs", "1.2.3 theirs", ". theirs", "1. theirs"])
async def test_what_somebody_else_wrote_into_is_taken_for_nothing_and_hurts_nobody(replicas, theirs):
    one = replicas()
    assert await taken(one, b"one")
    await one._server.ask([("HSET", "{gw}:repeats:k", b"m", theirs)])
    assert await served(one, b"m", b"one")
    assert await one.begin("k", b"n", b"two") == (b"one", False)
    assert one.told == []


async def test_a_sign_of_life_that_somebody_else_wrote_over_is_made_anew(replicas):
    one = replicas(lease_seconds=1)
    assert await taken(one, b"one")
    await one._server.ask([("DEL", "{gw}:repeats-life"), ("RPUSH", "{gw}:repeats-life", "theirs")])

    async def made():
        return await one._server.ask([("TYPE", "{gw}:repeats-life")]) == [b"string"]

    await until(made)
    assert await taken(one, b"two", b"m")
    assert one.told == []


async def test_a_server_that_is_full_is_away(replicas):
    one = replicas()
    assert await taken(one, b"one")
    one.end("k", b"n", b"one", served=False)

    async def told():
        return not one._ended

    await until(told)
    await one._server.ask([("CONFIG", "SET", "maxmemory", "1")])
    assert [await served(one, b"m", b"two") for _ in range(2)] == [None, None]
    await asyncio.sleep(1.5)
    assert await served(one, b"m", b"two") is None  # that it can still be read does not mean that it is back
    assert one.told == ["repeats_down"]
    await one._server.ask([("CONFIG", "SET", "maxmemory", "0")])

    async def back():
        return await served(one, b"l", b"two")

    await until(back)
    assert one.told == ["repeats_down", "repeats_up"]


async def test_what_has_ended_is_told_before_it_closes(replicas):
    one, other = replicas(), replicas()
    assert await taken(one, b"one")
    one.end("k", b"n", b"one", served=False)
    await one.close()
    assert await taken(other, b"two")
