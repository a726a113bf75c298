"""Deadlines of calls, looked at together, so that no call needs a timer of its own, set anew at each block."""

import asyncio

NEVER = float("inf")
_SWEEP_SECONDS = 0.05


class Deadline:
    """When the task that entered it is to be interrupted, in loop time."""

    __slots__ = ("_expired", "at", "started", "task")

    def __init__(self, task: "asyncio.Task[object]", started: float, at: float) -> None:
        self.task = task
        self.started = started
        self.at = at
        self._expired = False

    def expire(self) -> None:
        """Interrupts the task."""
        self._expired = True
        self.at = NEVER
        self.task.cancel()

    def expired(self) -> bool:
        """Whether the interruption was ours alone: then it is taken back. Asked once, by the task itself."""
        return self._expired and self.task.uncancel() == 0


class Deadlines:
    """The deadlines of all calls, looked at together twenty times a second, so that no call needs a timer of its own,
    set anew at each block. A deadline of a second is kept to a tenth."""

    def __init__(self) -> None:
        self._entered: set[Deadline] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.now = 0.0  # as of the last look: good enough for deadlines that are kept to a look

    def start(self) -> None:
        """Begins to look."""
        self._loop = asyncio.get_running_loop()
        self._sweep()

    def stop(self) -> None:
        """Looks no more."""
        if self._sweeper is not None:
            self._sweeper.cancel()

    def enter(self, seconds: float) -> Deadline:
        """A deadline for the running task, so many seconds from now."""
        loop = self._loop
        task = None if loop is None else asyncio.current_task(loop)  # without a loop, 3.11 asks the kernel for our pid
        if task is None:
            raise RuntimeError("deadlines are for tasks, between start and stop")
        deadline = Deadline(task, self.now, self.now + seconds)
        self._entered.add(deadline)
        return deadline

    def leave(self, deadline: Deadline) -> None:
        """The call has ended. May be told twice."""
        self._entered.discard(deadline)

    def _sweep(self) -> None:
        assert self._loop is not None
        now = self.now = self._loop.time()
        for deadline in [each for each in self._entered if each.at <= now]:
            deadline.expire()
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
