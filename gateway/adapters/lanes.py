"""The lanes of all backends in this process: the `Lanes` port. Those who wait for room wait here."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Container

from gateway.core.catalog import Backend
from gateway.core.lane import FREE, Held, Lane, LaneState, Passage
from gateway.core.retries import RetryBudget

_WAIT = 0.5
"""A call waits for room for at most so much of the time that it is allowed until it is answered."""

_TOO_MANY = Held("health", "too many calls fail for requests to be sent on to it", 1.0)

_NO_ROOM = Held("load", "no room was left in the time that a call may wait for it", 1.0)


class Lanes:
    """`on_change` is told which backend's breaker opens (False) and closes (True)."""

    def __init__(self, on_change: Callable[[str, bool], None]) -> None:
        self._on_change = on_change
        self._lanes: dict[str, Lane] = {}
        self._retries = RetryBudget(time.perf_counter())

    def rank(self, backend: str, moment: float) -> int:
        """When a backend is asked among those that may be."""
        lane = self._lanes.get(backend)
        return FREE if lane is None else lane.rank(moment)

    def enter(
        self, backend: Backend, hop: int, allowed: float, moment: float
    ) -> Passage | Held | Awaitable[Passage | Held]:
        """Lets a call through, or says why not. At once, or when there is room."""
        lane = self._lanes.get(backend.id)
        if lane is None:
            lane = self._lanes[backend.id] = Lane(backend, self._on_change)
        elif lane.backend is not backend:
            lane.follow(backend, moment)
        if (held := lane.held(moment)) is not None:
            return held
        retries = None
        if hop == 1:
            self._retries.requested()
        elif (retries := self._retries).take(moment) is False:
            return _TOO_MANY
        return self._wait(lane, retries, allowed * _WAIT) if lane.full else lane.begin(moment, retries)

    async def _wait(self, lane: Lane, retries: RetryBudget | None, seconds: float) -> Passage | Held:
        waiter: asyncio.Future[Passage | Held] = asyncio.get_running_loop().create_future()
        lane.waiting.append(waiter)
        cancelled = False
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:  # it may have been let through in the moment in which it gave up
            told = waiter.result() if waiter.done() and not waiter.cancelled() else _NO_ROOM
            with contextlib.suppress(ValueError):
                lane.waiting.remove(waiter)
            if isinstance(told, Held):
                if retries is not None:
                    retries.give_back()
            else:
                told.retries = retries
                if cancelled:
                    told.end(None, time.perf_counter())
        return told

    def forget(self, backend: str) -> bool:
        """Forgets how calls of a backend failed. False: nothing stood against it."""
        lane = self._lanes.get(backend)
        return lane is not None and lane.forget()

    def retain(self, ids: Container[str]) -> None:
        """Forgets backends that are no longer in the catalog."""
        self._lanes = {id: lane for id, lane in self._lanes.items() if id in ids or lane.running or lane.waiting}

    def states(self) -> list[LaneState]:
        """How it is with each backend that was ever asked."""
        return [lane.state for lane in self._lanes.values()]
