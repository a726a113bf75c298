"""The way to one backend: whether it is asked now, and how many calls it has at once. Moments are handed in, in
monotonic seconds."""

from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from gateway.core.breaker import Breaker
from gateway.core.catalog import OURSELVES, Backend
from gateway.core.concurrency import Concurrency, Found, Given
from gateway.core.errors import Failed, FailureKind
from gateway.core.retries import RetryBudget

FREE, PAUSED, FULL = range(3)
"""In which order backends are asked, whatever else they are ordered by: those with room, those that have just said no,
those where a call has to wait."""

LONGEST_PAUSE_SECONDS = 60.0
_HINT_SECONDS = 0.5
"""What differs by less is not told: each answer that says no may move the end of a pause a little."""
_SHORTEST_QUEUE = 16
_LATE = 0.25
"""A call is late when it has taken so much of the time that it is allowed: early enough to act before calls fail."""

_CROWDED = frozenset({FailureKind.TIMED_OUT, FailureKind.OVERLOADED, FailureKind.THROTTLED})
_OURS = frozenset({FailureKind.REVOKED, FailureKind.BLOCKED, FailureKind.STOPPED})


class Held(msgspec.Struct, frozen=True):
    """Why a backend is not asked now: calls to it fail (`health`), or it has no room (`load`). `wait` is the seconds
    until it may be otherwise."""

    by: Literal["health", "load"]
    reason: str
    wait: float


class LaneState(msgspec.Struct, frozen=True):
    """How it is with a backend: its breaker, the calls under way and waiting, and how many there may be at once (None:
    any number)."""

    backend: str
    closed: bool
    running: int
    waiting: int
    most: int | None


class Waiter(Protocol):
    """One who waits for room: a future, as asyncio has them."""

    def done(self) -> bool:
        """It has left, or was told."""

    def set_result(self, told: "Passage | Held") -> None:
        """Lets it go, or says why it cannot."""


class Lane:
    """`waiting` are those who want to call when there is room, in the order in which they came. `on_change` is told
    when the breaker opens (False) and closes (True); `on_hint` for how many seconds others had better be asked first,
    whenever that changes."""

    __slots__ = (
        "_hinted_until",
        "_on_change",
        "_on_hint",
        "_paused_until",
        "backend",
        "breaker",
        "concurrency",
        "running",
        "waiting",
    )

    def __init__(
        self,
        backend: Backend,
        on_change: Callable[[str, bool], None],
        on_hint: Callable[[str, float], None] = lambda *_: None,
    ) -> None:
        self.backend = backend
        self.breaker = Breaker()
        self.concurrency = _concurrency(backend)
        self.running = 0
        self.waiting: deque[Waiter] = deque()
        self._paused_until = self._hinted_until = 0.0
        self._on_change = on_change
        self._on_hint = on_hint

    def follow(self, backend: Backend, moment: float) -> None:
        """The catalog was read again. At another address, or with another key, nothing that was seen still holds."""
        before, self.backend = self.backend, backend
        if (before.max_concurrent, before.operator) != (backend.max_concurrent, backend.operator):
            self.concurrency = _concurrency(backend)
        if (before.base_url, before.key_ref, before.model) != (backend.base_url, backend.key_ref, backend.model):
            self.forget()
        self.move_up(moment)

    def forget(self) -> bool:
        """Forgets how calls failed, so that it is asked at once. False: nothing stood against it."""
        closed, paused = self.breaker.closed, self._paused_until
        self.breaker.reset()
        self._paused_until = 0.0
        self.was(closed, 0.0)
        return not closed or bool(paused)

    @property
    def state(self) -> LaneState:
        """As operators see it."""
        most = None if self.concurrency is None else self.concurrency.most
        return LaneState(self.backend.id, self.breaker.closed, self.running, len(self.waiting), most)

    @property
    def full(self) -> bool:
        """A call has to wait."""
        return bool(self.waiting) or (self.concurrency is not None and self.running >= self.concurrency.most)

    def rank(self, moment: float) -> int:
        """Where it stands among those that may be asked."""
        return FULL if self.full else PAUSED if self._paused_until > moment else FREE

    def held(self, moment: float) -> Held | None:
        """Why no call may be sent or wait; None: one may."""
        if (broken := self._broken(moment)) is not None:
            return broken
        if self.concurrency is not None and len(self.waiting) >= max(_SHORTEST_QUEUE, self.concurrency.most):
            reason = f"it has {self.running} calls under way, and {len(self.waiting)} wait"
            return Held("load", reason, 1.0)
        return None

    def _broken(self, moment: float) -> Held | None:
        wait = self.breaker.wait(moment)
        return Held("health", "its last calls failed, so it is left alone for a moment", wait) if wait else None

    def begin(self, moment: float, retries: RetryBudget | None = None) -> "Passage":
        """A call is sent. `retries`: what paid for it, if it is not the first one for its request."""
        self.running += 1
        return Passage(self, moment, retries)

    def move_up(self, moment: float) -> None:
        """Lets those go who wait, as far as there is room. Once the breaker is open none waits any longer."""
        broken = self._broken(moment)
        while self.waiting and (broken or self.concurrency is None or self.running < self.concurrency.most):
            if not (waiter := self.waiting.popleft()).done():
                waiter.set_result(broken or self.begin(moment))

    def pause(self, failed: Failed, moment: float) -> None:
        """Others are asked first for as long as the backend wishes, or as its kind of failure lasts."""
        seconds = failed.kind.pause_seconds
        if failed.retry_after is not None and failed.retry_after.strip().isdecimal():
            seconds = max(seconds, float(failed.retry_after))
        if seconds:
            self._paused_until = max(self._paused_until, moment + min(seconds, LONGEST_PAUSE_SECONDS))

    @property
    def alone_until(self) -> float:
        """The moment until which it is left alone, or asked after others. It may have passed."""
        return max(self.breaker.until, self._paused_until)

    def was(self, closed: bool, moment: float) -> None:
        """Tells if the breaker is no longer what it was, or others should be asked first for another time."""
        if self.breaker.closed != closed:
            self._on_change(self.backend.id, self.breaker.closed)
        if abs((until := self.alone_until) - self._hinted_until) >= _HINT_SECONDS:
            self._hinted_until = until
            self._on_hint(self.backend.id, max(0.0, until - moment))


class Passage:
    """One call on its way. It ends once, whoever says so first.

    A server error may be the request's own fault: some make any server fail. It counts against the backend once another
    one has answered the same request (`blame`), or when the breaker is open and this was the probe.
    """

    __slots__ = ("_answered", "_began", "_ended", "_era", "_lane", "_round", "retries")

    def __init__(self, lane: Lane, moment: float, retries: RetryBudget | None) -> None:
        self.retries = retries
        self._lane = lane
        self._began = moment
        self._era = lane.breaker.begin(moment)
        self._round = 0 if lane.concurrency is None else lane.concurrency.round
        self._answered = self._ended = False

    def sent(self, moment: float) -> None:
        """It is on its way only now: until then the backend is not late."""
        self._began = moment

    def blame(self, moment: float) -> None:
        """It failed with a server error, and another backend has answered the same request."""
        closed = self._lane.breaker.closed
        self._lane.breaker.failed(self._era, moment)
        self._lane.was(closed, moment)

    def answered(self, allowed: float, moment: float) -> None:
        """The backend has begun to answer, of the seconds that it is allowed."""
        self._answered = True
        self._give_back()
        closed = self._lane.breaker.closed
        self._lane.breaker.succeeded(self._era)
        self._lane.was(closed, moment)
        self._count(late=moment - self._began > allowed * _LATE)

    def end(self, failed: Failed | None, moment: float) -> None:
        """The call is over. `failed` None: it did not fail, or nobody knows, since its client left."""
        if self._ended:
            return
        self._ended = True
        lane = self._lane
        breaker, closed = lane.breaker, lane.breaker.closed
        if failed is not None and failed.kind not in _OURS:
            if failed.kind is FailureKind.SERVER_ERROR and closed:
                pass  # until somebody is to blame
            elif failed.kind.trips_breaker:
                breaker.failed(self._era, moment)
            elif not self._answered:
                breaker.succeeded(self._era)  # it said no, so it is there
            if failed.kind in _CROWDED and not self._answered:
                self._count(late=True)
            if not (failed.kind.trips_breaker or failed.kind.pause_seconds):
                self._give_back()  # the caller's own fault
            lane.pause(failed, moment)
        elif not self._answered:
            breaker.forgone(self._era, moment)
            self._give_back()
        lane.was(closed, moment)
        lane.running -= 1
        lane.move_up(moment)

    def _give_back(self) -> None:
        if self.retries is not None:
            self.retries.give_back()

    def _count(self, *, late: bool) -> None:
        if (concurrency := self._lane.concurrency) is not None:
            concurrency.answered(self._round, self._lane.running, late=late)


def _concurrency(backend: Backend) -> Concurrency | None:
    if backend.max_concurrent is not None:
        return Given(backend.max_concurrent)
    return Found() if backend.operator == OURSELVES else None
