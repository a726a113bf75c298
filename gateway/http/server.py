"""The server of a process: two listeners by uvicorn, from their sockets to their last connection."""

import asyncio
import contextlib
import errno
import functools
import resource
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from gateway.adapters import half_open
from gateway.http.connection import Connection
from gateway.http.intake import Intake
from gateway.http.told import ENDING, Told

KEEP_ALIVE_SECONDS = 75
_LOOK_SECONDS = 0.05
_IDLE_SECONDS = 0.5
"""How long a connection that is idle when the listener closes may bring one more request: its client may just be
sending it. The answer says that it is the last one."""
_CUT_SECONDS = 2.0
"""How long calls that were cut may take to say so."""

_SPARE_DESCRIPTORS = 64
"""For stores, logs, listeners and what Python opens."""
_MOST_CONNECTIONS = 20_000

_BACKLOG = 2048
_OF_THE_PORT = (errno.EADDRINUSE, errno.EACCES, errno.EPERM)


class CannotListen(Exception):
    """An address cannot be listened on. The message says what to do about it."""


def raise_descriptor_limit() -> int:
    """Takes as many descriptors as the system gives. Returns how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems say infinity, and mean less
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return _MOST_CONNECTIONS * 4 if soft == resource.RLIM_INFINITY else soft


def most_connections(descriptors: int, requests: int) -> int:
    """How many clients may be connected: each request under way has a connection to a backend, too."""
    left = max(16, descriptors - _SPARE_DESCRIPTORS)
    return min(_MOST_CONNECTIONS, max(left // 2, left - requests))


def listen(host: str, port: int, setting: str) -> socket.socket:
    """A socket that listens on an address. `setting` is the one of the port. Raises CannotListen, which names what to
    set: the port, or the address where that is at fault."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    half_open.probe(listener)
    half_open.bound(listener)  # a stream's comments, say, are sent: then nobody is probed
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)  # two sockets can be bound to a port where only one can listen
    except (OSError, UnicodeError) as error:
        listener.close()
        why = error.strerror if isinstance(error, OSError) else "this is no name"
        do = (
            f"set {setting} to a free port"
            if isinstance(error, OSError) and error.errno in _OF_THE_PORT and not isinstance(error, socket.gaierror)
            else f"set {setting.removesuffix('PORT')}HOST to an address of this machine, such as 127.0.0.1"
        )
        raise CannotListen(f"cannot listen on {host}:{port}: {why}; {do}") from None
    return listener


class Listener(uvicorn.Server):
    """One listener: uvicorn, leaving signals and the end to us."""

    def __init__(self, app: ASGIApp, bound: socket.socket, intake: Intake, *, lifespan: bool) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=functools.partial(Connection, intake),  # type: ignore[arg-type]
                ws="none",
                lifespan="on" if lifespan else "off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,  # nothing here believes X-Forwarded-For
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )
        self.intake = intake
        self._bound = bound

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures nothing."""
        yield

    async def run_until_told(self) -> None:
        """Serves until `should_exit`, then ends what runs beside the requests."""
        self.intake.start()
        try:
            await self.serve([self._bound])
        finally:
            self.intake.stop()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  uvicorn's signature
        """Ends the application. The connections have ended before."""
        try:
            await self.close()
            self.drop()
        finally:  # what the application keeps is kept, whatever happened to the sockets
            await self.lifespan.shutdown()

    async def close(self) -> None:
        """Accepts nothing more. Whoever was let in by the system before that is still served."""
        if not self.started or not self.servers:
            return
        loop = asyncio.get_running_loop()
        with self._bound.dup() as last:
            for server in self.servers:
                server.close()
            self.servers = []
            last.setblocking(False)
            for client in _waiting(last):
                await loop.connect_accepted_socket(self._protocol, client)

    def _protocol(self) -> asyncio.Protocol:
        made = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state, _loop=None
        )
        assert isinstance(made, asyncio.Protocol)
        return made

    @property
    def under_way(self) -> int:
        """Requests that are being served."""
        return len(self.server_state.tasks)

    @property
    def ended(self) -> bool:
        """Nobody is connected any more, and nothing is being served."""
        return not self.server_state.tasks and not self.server_state.connections

    def end_idle(self) -> None:
        """Closes connections with nothing under way; the others end with what they have."""
        for connection in list(self.server_state.connections):
            connection.shutdown()

    def cancel(self) -> None:
        """Ends what is still being served."""
        for task in list(self.server_state.tasks):
            task.cancel()

    def drop(self) -> None:
        """Drops every connection."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _waiting(listener: socket.socket) -> Iterator[socket.socket]:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:  # nobody, or no descriptor for him
            return
        client.setblocking(False)
        yield client


class Server:
    """The listeners of a process. `tell` is told each phase of the end, by name; `cut` ends the calls of models that
    are still running then, each with a word to its client. `before` has the signal that came before."""

    def __init__(
        self,
        public: Listener,
        admin: Listener,
        *,
        drain_seconds: float,
        grace_seconds: float,
        tell: Callable[..., None],
        cut: Callable[[], None],
        before: Told,
    ) -> None:
        self._public = public
        self._admin = admin
        self._drain_seconds = drain_seconds
        self._grace_seconds = grace_seconds
        self._tell = tell
        self._cut = cut
        self._before = before
        self._told = asyncio.Event()
        self._hurry = asyncio.Event()
        self._signal: signal.Signals = signal.SIGTERM

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT, or until a listener ends by itself; then lets running requests end."""
        serving = [asyncio.create_task(each.run_until_told()) for each in (self._public, self._admin)]
        told = asyncio.create_task(self._told.wait())
        with self._signals():
            await asyncio.wait([*serving, told], return_when=asyncio.FIRST_COMPLETED)
            if not any(task.done() for task in serving):
                await self._drain()
            told.cancel()
            self._public.should_exit = self._admin.should_exit = True
            await asyncio.gather(*serving)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for each in ENDING:
            loop.add_signal_handler(each, self._stop, each)
        if self._before.signal is not None:
            self._stop(self._before.signal)
        try:
            yield
        finally:
            for each in ENDING:
                loop.remove_signal_handler(each)

    def _stop(self, signum: signal.Signals) -> None:
        if self._told.is_set():
            self._hurry.set()
        self._signal = signum
        self._told.set()

    async def _drain(self) -> None:
        """From the signal to the last connection."""
        public, loop = self._public, asyncio.get_running_loop()
        deadline = loop.time() + self._grace_seconds
        for each in (self._public, self._admin):
            each.intake.draining = True
        self._tell("draining", signal=self._signal.name, inflight=public.under_way)
        if self._signal is signal.SIGTERM:  # a person at a keyboard does not wait for a load balancer
            await self._until(lambda: False, min(deadline, loop.time() + self._drain_seconds))
        await public.close()
        self._tell("closed", inflight=public.under_way)
        await self._until(lambda: public.ended, min(deadline, loop.time() + _IDLE_SECONDS))
        public.end_idle()
        await self._until(lambda: public.ended, deadline)
        if public.under_way:
            self._tell("cut", inflight=public.under_way)
            self._cut()
            ended = lambda: not public.under_way  # noqa: E731
            await self._until(ended, loop.time() + _CUT_SECONDS, hurried=True)
            public.cancel()
            await self._until(ended, loop.time() + _CUT_SECONDS, hurried=True)
            await self._until(lambda: public.ended, loop.time() + _IDLE_SECONDS, hurried=True)
        self._admin.cancel()

    async def _until(self, ended: Callable[[], bool], deadline: float, *, hurried: bool = False) -> None:
        """Waits until something is so, until a moment, or until a second signal."""
        loop = asyncio.get_running_loop()
        while not ended() and loop.time() < deadline and (hurried or not self._hurry.is_set()):  # noqa: ASYNC110
            await asyncio.sleep(min(_LOOK_SECONDS, max(0.0, deadline - loop.time())))
