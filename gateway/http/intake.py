"""What a listener takes in, and when it takes no more: connections, requests, and time for both.

One timer for all connections looks at those that keep the gateway waiting, so that no request needs a timer of its own.
The same timer shows how late the loop is by its own work, which is how long everything waits for its turn.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

Reason = Literal["inflight", "delay", "connections", "slow"]
REASONS: tuple[Reason, ...] = ("inflight", "delay", "connections", "slow")
"""Why something was not taken, or given up."""

TICK_SECONDS = 0.02
_TICKS_A_LOOK = 12
LATE_SECONDS = 0.1
"""A loop that is so late by its own work is asked for more than it can do, if it stays so. 256 busy clients that each
wait for their answers make it half as late, and all of them are served."""
_LATE_FOR_SECONDS = 0.2
"""So long it has to stay so: a single large body is no overload."""
_AGAIN_WITHIN_SECONDS = 1.0
"""One that was late is late again at once: else each new beginning would let in more than there is room for."""


class Waiting(Protocol):
    """A connection that keeps the gateway waiting."""

    def look(self, now: float) -> None:
        """Does what is due at a moment (loop time)."""


class Intake:
    """The limits of one listener.

    `connections` are open at most, `requests` (calls of models) under way at most; None: no limit. A head is to be
    there `head_seconds` after its connection or its first byte; a body to bring `body_rate` bytes a second, looked at
    each `body_seconds`; a client to take what is there for it within `stall_seconds`, or as much of it as it would have
    to bring. `shed` is told of each thing that was not taken. `spares` says by its headers whether a call is taken
    although the loop is late: it is another's fault.
    """

    def __init__(
        self,
        shed: Callable[[Reason], None],
        spares: Callable[[Iterable[tuple[bytes, bytes]]], bool],
        *,
        connections: int | None = None,
        requests: int | None = None,
        loopback_only: bool = False,
        head_seconds: float = 10.0,
        body_rate: int = 1024,
        body_seconds: float = 10.0,
        stall_seconds: float = 60.0,
    ) -> None:
        self.shed = shed
        self.spares = spares
        self.connections = connections
        self.requests = requests
        self.loopback_only = loopback_only
        self.head_seconds = head_seconds
        self.body_bytes = int(body_rate * body_seconds)
        self.body_seconds = body_seconds
        self.stall_seconds = stall_seconds
        self.stall_bytes = int(body_rate * stall_seconds)
        self.draining = False
        self.waiting: set[Waiting] = set()
        self.late = Lateness()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._used = time.thread_time()  # seconds of the processor
        self._ticks = 0
        self._answered = 0  # in this turn of the loop

    def start(self) -> None:
        """Begins to look."""
        self._loop = asyncio.get_running_loop()
        self._again(self._loop.time())

    def stop(self) -> None:
        """Looks no more."""
        if self._timer is not None:
            self._timer.cancel()

    def answered(self) -> None:
        """A request was answered. Its task is counted for the rest of this turn of the loop, when its client may ask
        again already."""
        if not self._answered and self._loop is not None:
            self._loop.call_soon(self._turned)
        self._answered += 1

    def _turned(self) -> None:
        self._answered = 0

    def full(self, under_way: int, headers: Iterable[tuple[bytes, bytes]]) -> Reason | None:
        """Why one more request is not taken now, with so many tasks under way; None: it is."""
        if self.requests is None:
            return None
        if under_way - self._answered >= self.requests:
            return "inflight"
        return "delay" if self.late.shedding and not self.spares(headers) else None

    def _again(self, now: float) -> None:
        assert self._loop is not None
        self._due = now + TICK_SECONDS
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        assert self._loop is not None
        now, used = self._loop.time(), time.thread_time()
        # a machine that has no time for us is not asked too much of by our clients: what counts is our own work
        self.late.seen(min(now - self._due, used - self._used), now)
        self._used = used
        self._ticks += 1
        if self._ticks >= _TICKS_A_LOOK:
            self._ticks = 0
            for each in list(self.waiting):
                each.look(now)
        self._again(now)


class Lateness:
    """Whether a loop is asked for more than it can do. Fed with how late it was, in seconds, and when."""

    def __init__(self) -> None:
        self.shedding = False
        self._since: float | None = None  # it is late without a break
        self._ended = float("-inf")

    def seen(self, late: float, now: float) -> None:
        """The loop was so late."""
        if late < LATE_SECONDS:
            if self.shedding:
                self._ended = now
            self.shedding, self._since = False, None
        elif not self.shedding:
            if self._since is None:
                self._since = now
            self.shedding = now - self._since >= _LATE_FOR_SECONDS or now - self._ended <= _AGAIN_WITHIN_SECONDS
