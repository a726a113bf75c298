"""One server: batches, bounded waits, a script that gets lost, and another server behind the same address."""

import asyncio
import os
import signal
import time

import pytest
from redis.exceptions import ResponseError
from support import stores

from gateway.adapters.valkey import ANSWER_SECONDS, Down, Valkey

ECHO = "return {KEYS[1], ARGV[1]}"


@pytest.fixture
async def server(valkey_url):
    found = Valkey(valkey_url, ECHO)
    yield found
    await found.disconnect()


async def test_answers_come_in_the_order_of_the_calls(server):
    answers = await server.run([((f"k{number}",), (number,)) for number in range(50)])
    assert answers == [[b"k%d" % number, b"%d" % number] for number in range(50)]


async def test_an_error_stands_in_its_place(server):
    answers = await server.ask([("SET", "k", "v"), ("HGET", "k", "f"), ("GET", "k")])
    assert (answers[0], answers[2]) == (b"OK", b"v")
    assert isinstance(answers[1], ResponseError)


async def test_a_script_that_the_server_forgot_is_loaded_again(server):
    await server.run([(("k",), ("v",))])
    await server.ask([("SCRIPT", "FLUSH")])
    assert await server.run([(("k",), ("v",)), (("k",), ("w",))]) == [[b"k", b"v"], [b"k", b"w"]]


async def test_a_connection_that_was_closed_meanwhile_is_replaced(server, valkey_url):
    [own] = await server.ask([("CLIENT", "ID")])
    other = Valkey(valkey_url, ECHO)
    await other.ask([("CLIENT", "KILL", "ID", own)])
    await other.disconnect()
    assert await server.ask([("PING",)]) == [b"PONG"]


@pytest.mark.assures("fault 10")
@pytest.mark.parametrize("url", ["valkey://127.0.0.1:1", "redis://nowhere.invalid:6379", "unix:///nonexistent"])
@pytest.mark.alone
async def test_nobody_there_is_down_at_once(url):
    began = time.monotonic()
    with pytest.raises(Down):
        await Valkey(url, ECHO).ask([("PING",)])
    assert time.monotonic() - began < 1.0


@pytest.mark.alone
@pytest.mark.assures("fault 10")
async def test_a_server_that_hangs_is_waited_for_so_long_and_no_longer():
    with stores.valkey() as process:
        server = Valkey(stores.url_of(process), ECHO)
        await server.ask([("PING",)])
        os.kill(process._process.pid, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(Down):
            await server.ask([("PING",)])
        assert ANSWER_SECONDS - 0.05 < time.monotonic() - began < 2 * ANSWER_SECONDS
        os.kill(process._process.pid, signal.SIGCONT)
        assert await server.ask([("PING",)]) == [b"PONG"]
        await server.disconnect()


@pytest.mark.assures("fault 10")
async def test_another_server_is_not_taken_for_the_one_that_is_known():
    with stores.valkey() as process:
        server = Valkey(stores.url_of(process), ECHO)
        await server.ask([("PING",)])
        port = process.port
        process.stop()
        process._desired_port = port
        process.start()
        for _ in range(2):
            with pytest.raises(Down, match="another server"):
                await server.ask([("PING",)])
        server.forget()
        assert await server.ask([("PING",)]) == [b"PONG"]
        await server.disconnect()


@pytest.mark.alone
async def test_many_at_once_keep_few_connections(server):
    await asyncio.gather(*(server.ask([("PING",)]) for _ in range(50)))
    assert 0 < len(server._idle) <= 16


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_would_remove_keys_is_not_used(policy):
    with stores.valkey(maxmemory="100mb") as process:
        process.client().config_set("maxmemory-policy", policy)
        server = Valkey(stores.url_of(process), ECHO)
        with pytest.raises(Down, match=f"is {policy}.*set maxmemory-policy to noeviction"):
            await server.ask([("PING",)])
        process.client().config_set("maxmemory-policy", "noeviction")
        assert await server.ask([("PING",)]) == [b"PONG"]
        await server.disconnect()


async def test_a_server_whose_memory_has_no_bound_removes_nothing():
    with stores.valkey() as process:
        process.client().config_set("maxmemory-policy", "allkeys-lru")
        server = Valkey(stores.url_of(process), ECHO)
        assert await server.ask([("PING",)]) == [b"PONG"]
        await server.disconnect()
