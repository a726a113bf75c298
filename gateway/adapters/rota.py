"""Whose turn it is at what one alone can use: teams in turn, and within a team who came first."""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator


class Rota:
    """A lock. Who waits has it after at most one turn of each other team that waits, however many of those there are of
    one."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: OrderedDict[str | None, deque[asyncio.Future[None]]] = OrderedDict()  # whose turn is next first

    @contextlib.asynccontextmanager
    async def turn(self, team: str | None) -> AsyncIterator[None]:
        """A turn of a team, None: of nobody's, who is a team of its own here."""
        await self._wait(team)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, team: str | None) -> None:
        if not self._taken:
            self._taken = True
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(team, deque()).append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # it was its turn in the moment in which it left
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """To the next who is still there. Its team is the last one from now on."""
        while self._waiting:
            team, queue = self._waiting.popitem(last=False)
            queue = deque(each for each in queue if not each.done())  # who left takes none of its team's turns
            if not queue:
                continue
            waiter = queue.popleft()
            if queue:
                self._waiting[team] = queue
            waiter.set_result(None)
            return
        self._taken = False
