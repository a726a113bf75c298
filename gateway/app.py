"""The composition root: the only file that names concrete adapters."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Iterator

import uvicorn
from fastapi import FastAPI

from gateway import __version__, providers
from gateway.adapters import metrics as metrics_adapter
from gateway.adapters import policy_files, state
from gateway.adapters.keys import Keys
from gateway.adapters.ledger_sqlite import SqliteLedger
from gateway.adapters.logs import Log
from gateway.adapters.metrics import Metrics
from gateway.adapters.outbox import Outbox
from gateway.adapters.secrets import find
from gateway.adapters.upstreams import AiohttpUpstreams
from gateway.core.catalog import Backend
from gateway.http.connection import Connection
from gateway.http.openai import ChatCompletions, models_router
from gateway.http.ops import admin_app, public_app
from gateway.policy.document import Problem, render
from gateway.relay import Relay
from gateway.settings import Settings

_KEY_REFRESH_SECONDS = 0.5


class CannotStart(Exception):
    """The server cannot start. The message says what to do about it."""


class Gateway:
    """Everything of one process, put together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log = Log()
        try:
            parsed = policy_files.load(settings.policies, settings.extra_catalog)
        except policy_files.Unreadable as error:
            raise CannotStart(str(error)) from None
        if parsed.bundle is None:
            raise CannotStart(f"the policies do not load:\n{render(parsed.problems, parsed.sources)}")
        try:
            self._lock = state.claim(settings.state_dir)
        except state.StateTaken as error:
            raise CannotStart(str(error)) from None
        self.keys = Keys(settings.state_dir)
        self.ledger = SqliteLedger(settings.state_dir, settings.durability)
        self.metrics = Metrics(inflight=lambda: self.chat.inflight, ledger_lag=self.ledger.lag_seconds)
        self.policies = policy_files.PolicyFiles(
            settings.policies, settings.extra_catalog, parsed, on_load=self._loaded, on_failure=self._not_loaded
        )
        self.upstreams = AiohttpUpstreams(find)
        self.outbox = Outbox((self.metrics, self.log))
        relay = Relay(self.policies, self.upstreams, providers.DIALECTS, self.ledger, self.outbox)
        self.chat = ChatCompletions(relay, self.keys.find, self.outbox, settings.max_body_bytes)
        self.public = public_app(
            {"/v1/chat/completions": self.chat},
            [models_router(self.policies, self.keys.find, int(time.time()))],
            self.policies.summary,
            self._lifespan,
        )
        token = settings.scrape_token
        self.admin = admin_app(
            self._scrape,
            metrics_adapter.CONTENT_TYPE,
            self.policies.summary,
            token.get_secret_value() if token else None,
        )

    def _scrape(self) -> bytes:
        self.outbox.flush()
        return self.metrics.exposition()

    def _loaded(self, digest: str, backends: tuple[Backend, ...]) -> None:
        self.metrics.policy_loaded(digest, backends)
        self.log.event("policy_loaded", digest=digest, backends=len(backends))

    def _not_loaded(self, problems: tuple[Problem, ...]) -> None:
        self.metrics.policy_failed()
        self.log.event("policy_not_loaded", problems=[str(problem) for problem in problems])

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        taken, uncertain = self.ledger.recovered
        if taken:
            self.log.event("ledger_recovered", entries=taken, uncertain=uncertain)
        self.keys.refresh()
        await self.upstreams.start()
        loops = [asyncio.create_task(self.policies.watch()), asyncio.create_task(self._follow_keys())]
        self.log.event("started", version=__version__, port=self.settings.port, admin_port=self.settings.admin_port)
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await self.upstreams.stop()
            self.outbox.flush()
            await asyncio.to_thread(self.ledger.close)
            self.keys.close()
            self.log.event("stopped")

    async def _follow_keys(self) -> None:
        """Sees keys that another process made or revoked."""
        while True:
            await asyncio.sleep(_KEY_REFRESH_SECONDS)
            try:
                self.keys.refresh()
            except sqlite3.Error as error:  # busy for a moment: the next look will see it
                self.log.event("keys_not_read", error=str(error))

    async def serve(self) -> None:
        """Serves both listeners until SIGINT or SIGTERM, then lets running requests end."""
        servers = [
            _Server(self._config(self.public, lifespan="on")),
            _Server(self._config(self.admin, lifespan="off")),
        ]
        sockets = [
            _listen(self.settings.host, self.settings.port, "GATEWAY_PORT"),
            _listen(self.settings.admin_host, self.settings.admin_port, "GATEWAY_ADMIN_PORT"),
        ]
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, _stop, servers)
        await asyncio.gather(
            *(_serve(server, listener, servers) for server, listener in zip(servers, sockets, strict=True))
        )

    def _config(self, app: FastAPI, *, lifespan: str) -> uvicorn.Config:
        return uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan=lifespan,  # type: ignore[arg-type]
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # nothing here believes X-Forwarded-For
            timeout_keep_alive=75,
            timeout_graceful_shutdown=self.settings.grace_seconds,
        )


class _Server(uvicorn.Server):
    """uvicorn, leaving the signals to us: there are two servers in one loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures nothing."""
        yield


async def _serve(server: _Server, listener: socket.socket, servers: list[_Server]) -> None:
    """Runs one server; when it ends, for whatever reason, the others do."""
    try:
        await server.serve([listener])
    finally:
        for each in servers:
            each.should_exit = True


def _stop(servers: list[_Server]) -> None:
    for server in servers:
        server.force_exit = server.should_exit  # a second signal does not wait
        server.should_exit = True


def _listen(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotStart(f"cannot listen on {host}:{port}: {error.strerror}; set {setting} to a free port") from None
    return listener


def run(settings: Settings) -> None:
    """Runs the server until it is told to stop. Raises CannotStart."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    import uvloop

    gateway = Gateway(settings)
    # What is alive now stays alive. Collecting it again and again was 7 % of the hot path; requests leave few cycles.
    sys.setswitchinterval(0.0005)  # the ledger's thread gives way to requests within half a millisecond, not five
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    uvloop.run(gateway.serve())
