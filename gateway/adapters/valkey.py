"""One Valkey (or Redis) server: commands in batches, at most one script, each round trip bounded in time.

One server, or a primary with replicas behind one address. All keys have the hash tag `{gw}`, so they are in one slot;
a cluster of several shards is not supported, as nothing here follows its redirections.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import NoScriptError, RedisError, ResponseError

CONNECT_SECONDS = 0.25
ANSWER_SECONDS = 0.5
_IDLE_CONNECTIONS = 16
_SCHEMES = {"valkey": "redis", "valkeys": "rediss", "redis": "redis", "rediss": "rediss", "unix": "unix"}

_SPOILED = "WRONGTYPE", "exhausted the last possible ID"

Command = tuple[str | bytes | int | float, ...]
Call = tuple[Sequence[str], Sequence[str | bytes | int]]
"""Keys and arguments of one run of the script."""


class Down(Exception):
    """The server did not answer, or not in time: what was asked of it may have happened, or may yet."""


def is_spoiled(answer: object) -> bool:
    """Whether the server says that a key holds something of another kind, or the last entry that there may be: then
    somebody else wrote to it."""
    return isinstance(answer, ResponseError) and any(said in str(answer) for said in _SPOILED)


class Valkey:
    """A server, by its address. `run_id` is whose answers are taken: another server behind the same address (one that
    was restarted, or took over) is Down, until `forget`. So is one that removes keys when its memory is full."""

    def __init__(self, url: str, script: str = "") -> None:
        scheme = url.partition("://")[0]
        self._pool = ConnectionPool.from_url(
            _SCHEMES[scheme] + url.removeprefix(scheme),
            protocol=2,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=None,  # `ask` bounds the whole round trip, which costs less
            retry=Retry(NoBackoff(), 0),
        )
        self._script = script
        self._sha = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._idle: list[AbstractConnection] = []
        self.run_id = ""

    async def run(self, calls: Sequence[Call]) -> list[Any]:
        """Runs the script for each call, in one round trip. An error that the server reports is given back in its
        place. Raises Down."""
        commands = [("EVALSHA", self._sha, len(keys), *keys, *arguments) for keys, arguments in calls]
        answers = await self.ask(commands)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            await self.ask([("SCRIPT", "LOAD", self._script)])
            missing = [at for at, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            for at, answer in zip(missing, await self.ask([commands[at] for at in missing]), strict=True):
                answers[at] = answer
        return answers

    async def ask(self, commands: Sequence[Command], seconds: float = ANSWER_SECONDS) -> list[Any]:
        """The answers to commands, in one round trip of so many seconds at most. Raises Down. A connection that
        had been idle may have been closed meanwhile, so it is tried once more with a fresh one: what is asked must bear
        to be done twice."""
        try:
            if self._idle:
                with contextlib.suppress(NotConnected, ConnectionError):
                    return await self._answers(self._idle.pop(), commands, seconds)
                await self.disconnect()
            return await self._answers(await self._connected(), commands, seconds)
        except (RedisError, OSError, TimeoutError) as error:
            raise Down(f"{type(error).__name__}: {error}") from None

    async def disconnect(self) -> None:
        """Closes the connections that nobody uses."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.disconnect(nowait=True)

    def forget(self) -> None:
        """From now on takes the answers of whichever server is there."""
        self.run_id = ""

    async def _answers(self, connection: AbstractConnection, commands: Sequence[Command], seconds: float) -> list[Any]:
        answers: list[Any] = []
        try:
            async with asyncio.timeout(seconds):
                # in C: the client's own packing is a third of all; the stub speaks of tuples of one
                packed = b"".join([pack_command(command) for command in commands])  # type: ignore[arg-type]
                await connection.send_packed_command(packed, check_health=False)
                for _ in commands:
                    try:
                        answers.append(await connection.read_response())
                    except ResponseError as error:
                        answers.append(error)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        if len(self._idle) < _IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            await connection.disconnect(nowait=True)
        return answers

    async def _connected(self) -> AbstractConnection:
        """A fresh connection to the server that is known, which has the script."""
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(CONNECT_SECONDS + ANSWER_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
                load = [("SCRIPT", "LOAD", self._script)] if self._script else []
                for command in (("INFO", "server"), ("INFO", "memory"), *load):
                    await connection.send_command(*command)
                said = bytes(await connection.read_response()) + bytes(await connection.read_response())
                for _ in load:
                    await connection.read_response()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        told = dict(line.split(":", 1) for line in said.decode().splitlines() if ":" in line)
        why = ""
        policy = told.get("maxmemory_policy", "noeviction")
        if told.get("maxmemory", "0") != "0" and policy != "noeviction":
            why = (
                f"its maxmemory-policy is {policy}, so it removes keys when its memory is full; "
                "set maxmemory-policy to noeviction (CONFIG SET maxmemory-policy noeviction, and in its configuration)"
            )
        elif self.run_id and self.run_id != told["run_id"]:
            why = "another server answers at this address: it was restarted, or another took over"
        if why:
            await connection.disconnect(nowait=True)
            raise NotConnected(why)
        self.run_id = told["run_id"]
        return connection
