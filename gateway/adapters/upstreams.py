"""Calls to backends, by aiohttp. One pool for all; blocks come out as they came in."""

import asyncio
import time
from collections.abc import Callable, Mapping

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from gateway import __version__
from gateway.adapters.secrets import Secret
from gateway.core.catalog import Backend
from gateway.core.errors import Failed, FailureKind
from gateway.ports import UpstreamError

_IDLE_SECONDS = {"http": 4.0, "https": 55.0}
"""How long a connection may wait for its next call. Model servers close theirs after 5 s (llama.cpp, uvicorn); a call
sent in that moment would be lost. Hosted APIs wait a minute or more, and a new connection costs them a handshake."""
_SWEEP_SECONDS = 0.05
_MESSAGES = {
    FailureKind.UNREACHABLE: "the backend cannot be reached",
    FailureKind.TIMED_OUT: "the backend did not answer in time",
    FailureKind.BROKEN: "the backend broke off its answer",
}


def _lost(kind: FailureKind) -> UpstreamError:
    code = f"upstream_{kind.code}"
    error: dict[str, object] = {"message": _MESSAGES[kind], "type": "server_error", "param": None, "code": code}
    return UpstreamError(Failed(kind, kind.status, error))


class AiohttpUpstreams:
    """The `Upstreams` port. `secret` finds the key of a backend; keys leave in the Authorization header only."""

    def __init__(self, secret: Callable[[str], Secret | None]) -> None:
        self._secret = secret
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._deadlines = Deadlines()
        self._targets: dict[str, tuple[Backend, URL, CIMultiDict[str], aiohttp.ClientTimeout]] = {}

    async def start(self) -> None:
        """Opens the pools."""
        self._deadlines.start()
        for scheme, seconds in _IDLE_SECONDS.items():
            self._sessions[scheme] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # we ask for no encoding, and relay what comes
                trust_env=False,  # a proxy in the environment must not redirect prompts
            )

    async def stop(self) -> None:
        """Closes all connections."""
        self._deadlines.stop()
        for session in self._sessions.values():
            await session.close()

    async def open(self, backend: Backend, path: str, body: bytes) -> "AiohttpOpened":
        """Sends the body; returns when status and headers are in. Raises UpstreamError when they do not come."""
        url, headers, timeout = self._target(backend, path)
        deadline = self._deadlines.enter(backend.timeouts.first_byte)
        try:
            response = await self._sessions[url.scheme].request(
                "POST", url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            )
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
            self._deadlines.leave(deadline)
            raise _lost(FailureKind.UNREACHABLE) from None
        except (aiohttp.ClientError, OSError):
            self._deadlines.leave(deadline)
            raise _lost(FailureKind.BROKEN) from None  # sent, then lost: it may be billed
        except asyncio.CancelledError:
            self._deadlines.leave(deadline)
            if deadline.expired():
                raise _lost(FailureKind.TIMED_OUT) from None
            raise
        return AiohttpOpened(response, backend, deadline, self._deadlines)

    def _target(self, backend: Backend, path: str) -> tuple[URL, CIMultiDict[str], aiohttp.ClientTimeout]:
        known = self._targets.get(backend.id)
        if known is None or known[0] is not backend:
            headers: CIMultiDict[str] = CIMultiDict(
                {
                    "Content-Type": "application/json",
                    "Accept": "*/*",
                    "Accept-Encoding": "identity",
                    "User-Agent": f"gateway/{__version__}",
                }
            )
            if backend.key_ref is not None and (secret := self._secret(backend.key_ref)) is not None:
                headers["Authorization"] = f"Bearer {secret.reveal()}"
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=backend.timeouts.connect)
            known = self._targets[backend.id] = (backend, URL(backend.base_url + path), headers, timeout)
        return known[1], known[2], known[3]


class AiohttpOpened:
    """An answer under way. Its first block must come within `first_byte` of the call, each further one within `idle`
    of the one before, all within `total`."""

    __slots__ = ("_content", "_deadline", "_deadlines", "_idle", "_response", "_until", "headers", "status")

    def __init__(
        self, response: aiohttp.ClientResponse, backend: Backend, deadline: "Deadline", deadlines: "Deadlines"
    ) -> None:
        self._response = response
        self._content = response.content
        self._deadline = deadline
        self._deadlines = deadlines
        self._idle = backend.timeouts.idle
        self._until = deadline.started + backend.timeouts.total
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """The next block as it came, b"" at the end."""
        deadline = self._deadline
        try:
            block: bytes = await self._content.readany()
        except (aiohttp.ClientError, OSError):
            raise _lost(FailureKind.BROKEN) from None
        except asyncio.CancelledError:
            if deadline.expired():
                raise _lost(FailureKind.TIMED_OUT) from None
            raise
        deadline.at = min(self._deadlines.now() + self._idle, self._until)
        return block

    async def read_all(self, limit: int) -> bytes:
        """All that is left."""
        first = await self.read()
        if self._content.at_eof():
            return first
        blocks, size = [first], len(first)
        while not self._content.at_eof():
            block = await self.read()
            blocks.append(block)
            size += len(block)
            if size > limit:
                raise _lost(FailureKind.BROKEN)
        return b"".join(blocks)

    def close(self) -> None:
        """Ends the call. A connection whose answer is complete goes back to the pool, any other is dropped."""
        self._deadlines.leave(self._deadline)
        if self._content.at_eof():
            self._response.release()
        else:
            self._response.close()


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
        self.at = float("inf")
        self.task.cancel()

    def expired(self) -> bool:
        """Whether the interruption was ours alone: then it is taken back. Asked once, by the task itself."""
        return self._expired and self.task.uncancel() == 0


class Deadlines:
    """The deadlines of all calls, looked at together a few times a second: a timer for each call, set anew at each
    block, cost more than the rest of the relay. A deadline of a second is kept to a twentieth."""

    def __init__(self) -> None:
        self._entered: set[Deadline] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.now: Callable[[], float] = time.monotonic

    def start(self) -> None:
        """Begins to look."""
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._sweep()

    def stop(self) -> None:
        """Looks no more."""
        if self._sweeper is not None:
            self._sweeper.cancel()

    def enter(self, seconds: float) -> Deadline:
        """A deadline for the running task, so many seconds from now."""
        task = asyncio.current_task()
        if task is None or self._loop is None:
            raise RuntimeError("deadlines are for tasks, between start and stop")
        now = self.now()
        deadline = Deadline(task, now, now + seconds)
        self._entered.add(deadline)
        return deadline

    def leave(self, deadline: Deadline) -> None:
        """The call has ended. May be told twice."""
        self._entered.discard(deadline)

    def _sweep(self) -> None:
        assert self._loop is not None
        now = self.now()
        for deadline in [each for each in self._entered if each.at <= now]:
            deadline.expire()
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
