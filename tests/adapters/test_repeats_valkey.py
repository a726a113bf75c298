"""Idempotency keys on a real Valkey: who holds a name and for how long, and a server that hangs, forgets or is full."""

import asyncio
import os
import signal

import pytest
from support import stores

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
    os.kill(server._process.pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            with pytest.raises(Refused) as refused:
                await one.begin("k", b"m", b"two")
            assert (refused.value.refusal, refused.value.retry_after) == (Refusal.STATE_DOWN, 2)
        one.end("k", b"n", b"one", served=True)
    finally:
        os.kill(server._process.pid, signal.SIGCONT)

    async def free():
        return one.told == ["repeats_down", "repeats_up"] and not one._ended

    await until(free)
    assert await other.begin("k", b"n", b"three") == (b"one", True)
    assert await taken(other, b"three", b"m")


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

    await until(knows)
    other._closed_until = 0.0
    assert await other.begin("k", b"done", b"two") == (b"one", True)
    assert await other.begin("k", b"n", b"two") == (b"one", False)


async def test_what_somebody_else_wrote_over_serves_nobody(replicas):
    one = replicas()
    await one._server.ask([("SET", "{gw}:repeats:k", "theirs")])
    with pytest.raises(Refused):
        await one.begin("k", b"n", b"one")
    assert await one._server.ask([("GET", "{gw}:repeats:k")]) == [b"theirs"]


async def test_what_has_ended_is_told_before_it_closes(replicas):
    one, other = replicas(), replicas()
    assert await taken(one, b"one")
    one.end("k", b"n", b"one", served=False)
    await one.close()
    assert await taken(other, b"two")
