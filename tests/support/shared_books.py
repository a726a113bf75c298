"""Budgets on a real Valkey server, with a clock that a test sets."""

import asyncio
from pathlib import Path

import redis

from gateway.adapters import budgets_keeping, budgets_valkey
from gateway.adapters.books import Books
from gateway.adapters.budgets_lag import at_once
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.budgets_valkey import ValkeyBudgets
from support.budgets_contract import NOON

NOWHERE = Path("/nonexistent")
SET_CLOCK = budgets_valkey.SCRIPT.replace("redis.call('TIME')", "redis.call('HMGET', '{gw}:clock', 's', 'us')")


class Shared:
    """Books of one replica, behind the awaited methods of the contract. What is settled is on the server when
    `settle` returns."""

    def __init__(self, url: str, spent=None, told=lambda _: None, lag=at_once, present=None) -> None:
        self.client = redis.Redis.from_url(url.replace("valkey://", "redis://"))
        self.budgets = ValkeyBudgets(url, spent or LocalBudgets(Books(NOWHERE)).restore, told, lag, present)
        self.keeping = self.budgets._keeping

    def set_clock(self, moment: float) -> None:
        self.client.hset("{gw}:clock", mapping={"s": int(moment), "us": round(moment % 1 * 1e6)})

    async def enforce(self, limits, rates=()):
        self.budgets.enforce(limits, {}, rates)
        await self.until(lambda: self.keeping.up)

    async def until(self, reached, seconds=10.0):
        async with asyncio.timeout(seconds):
            while not reached():  # noqa: ASYNC110  a test looks
                await asyncio.sleep(0.001)

    async def reserve(self, ask, moment):
        self.set_clock(moment)
        return await self.budgets.reserve(ask, moment)

    async def settle(self, room, pico_usd, tokens):
        self.budgets.settle(room, pico_usd, tokens)
        await self.settled()

    async def shrink(self, room, pico_usd):
        room = self.budgets.shrink(room, pico_usd)
        await self.until(lambda: not self.budgets._shrunk._rooms)
        return room

    async def settled(self):
        await self.until(lambda: not self.keeping._ended)

    async def standings(self, spender, moment):
        self.set_clock(moment)
        return await self.budgets.standings(spender, moment)

    async def every_standing(self, moment):
        self.set_clock(moment)
        return await self.budgets.every_standing(moment)

    async def pace(self, spender, moment):
        self.set_clock(moment)
        return await self.budgets.pace(spender, moment)

    async def close(self):
        await self.budgets.close()
        self.client.close()


def by_set_clock(monkeypatch) -> None:
    """Has the script read the clock that a test sets, and nobody wait for other replicas."""
    monkeypatch.setattr(budgets_valkey, "SCRIPT", SET_CLOCK)
    monkeypatch.setattr(budgets_keeping, "OPENING_SECONDS", 0.0)


def start_of_time(url: str) -> None:
    client = redis.Redis.from_url(url.replace("valkey://", "redis://"))
    client.flushall()
    client.hset("{gw}:clock", mapping={"s": int(NOON), "us": 0})
    client.close()
