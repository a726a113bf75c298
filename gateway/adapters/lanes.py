"""The lanes of all backends in this process: the `Lanes` port. Those who wait for room wait here.

Replicas tell each other which backends they leave alone, or ask after others (`broadcast`). What another one says is a
hint and no verdict, as its network may be the one that is bad: such a backend is asked after others, and not refused.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Annotated

import msgspec

from gateway.core.catalog import Backend
from gateway.core.lane import FREE, LONGEST_PAUSE_SECONDS, PAUSED, Held, Lane, LaneState, Passage
from gateway.core.retries import RetryBudget

_WAIT = 0.5
"""A call waits for room for at most so much of the time that it is allowed until it is answered."""

_TOO_MANY = Held("health", "too many calls fail for requests to be sent on to it", 1.0)

_NO_ROOM = Held("load", "no room was left in the time that a call may wait for it", 1.0)

_MOST_HINTING = 64
"""Replicas whose hints about one backend are known at once."""

_ENCODE = msgspec.json.Encoder().encode


class Hint(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a replica tells of a backend: ask others first for so many seconds, 0: no longer. `forget`: an operator had
    it asked again, whoever leaves it alone."""

    backend: str
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    forget: bool = False


_DECODE = msgspec.json.Decoder(Hint).decode


class Lanes:
    """`on_change` is told which backend's breaker opens (False) and closes (True)."""

    topic, kept = "hints", 1_000

    def __init__(self, on_change: Callable[[str, bool], None]) -> None:
        self._on_change = on_change
        self.tell: Callable[[bytes], None] = lambda _: None
        self._known: Collection[str] = ()
        self._hints: dict[str, dict[bytes, float]] = {}  # until when, by backend and who says so
        self._lanes: dict[str, Lane] = {}
        self._retries = RetryBudget(time.perf_counter())

    def rank(self, backend: str, moment: float) -> int:
        """When a backend is asked among those that may be."""
        lane = self._lanes.get(backend)
        rank = FREE if lane is None else lane.rank(moment)
        if rank == FREE and self._hints and (hints := self._hints.get(backend)):
            if max(hints.values()) > moment:
                return PAUSED
            del self._hints[backend]
        return rank

    def enter(
        self, backend: Backend, hop: int, allowed: float, moment: float
    ) -> Passage | Held | Awaitable[Passage | Held]:
        """Lets a call through, or says why not. At once, or when there is room."""
        lane = self._lanes.get(backend.id)
        if lane is None:
            lane = self._lanes[backend.id] = Lane(backend, self._on_change, self._hint)
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
        """Forgets how calls of a backend failed, in all replicas. False: nothing known here stood against it."""
        if backend in self._known:
            self.tell(_ENCODE(Hint(backend, forget=True)))
        return self._forget(backend)

    def _forget(self, backend: str) -> bool:
        lane, hints = self._lanes.get(backend), self._hints.pop(backend, {})
        return (lane is not None and lane.forget()) or bool(hints)

    def heard(self, by: bytes, news: bytes, age: float) -> bool:
        """Another replica gave a hint, seconds ago. False: nobody can read that."""
        try:
            hint = _DECODE(news)
        except msgspec.DecodeError:
            return False
        backend = hint.backend
        if backend not in self._known:
            return True  # its catalog may be a newer one
        if hint.forget:
            self._forget(backend)
            return True
        now, hints = time.perf_counter(), self._hints.get(backend, {})
        hints = {each: until for each, until in hints.items() if until > now and each != by}
        if (left := min(hint.seconds, LONGEST_PAUSE_SECONDS) - age) > 0 and len(hints) < _MOST_HINTING:
            hints[by] = now + left
        self._hints[backend] = hints
        if not hints:
            del self._hints[backend]
        return True

    def everything(self) -> Iterator[bytes]:
        """What this replica holds against backends now, as `heard` takes it."""
        now = time.perf_counter()
        found = [(id, lane.alone_until - now) for id, lane in self._lanes.items()]
        return (_ENCODE(Hint(id, seconds)) for id, seconds in found if seconds > 0)

    def _hint(self, backend: str, seconds: float) -> None:
        self.tell(_ENCODE(Hint(backend, min(seconds, LONGEST_PAUSE_SECONDS))))

    def retain(self, ids: Collection[str]) -> None:
        """Forgets backends that are no longer in the catalog."""
        self._known = ids
        self._hints = {id: hints for id, hints in self._hints.items() if id in ids}
        self._lanes = {id: lane for id, lane in self._lanes.items() if id in ids or lane.running or lane.waiting}

    def states(self) -> list[LaneState]:
        """How it is with each backend that was ever asked. Any thread may ask."""
        return [lane.state for lane in list(self._lanes.values())]
