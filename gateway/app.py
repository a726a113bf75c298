"""The composition root: the only file that names concrete adapters."""

import asyncio
import contextlib
import gc
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from gateway import __version__, providers
from gateway.adapters import dumps, library_log, otel, policy_files, recognizer, state
from gateway.adapters import metrics as metrics_adapter
from gateway.adapters.agreed import Agreed
from gateway.adapters.audit import GATEWAY, Audit, Notes
from gateway.adapters.conversations import Conversations
from gateway.adapters.decisions import Decisions
from gateway.adapters.lane_metrics import LaneSeries
from gateway.adapters.lanes import Lanes
from gateway.adapters.logs import Log
from gateway.adapters.metrics import Metrics
from gateway.adapters.outbox import Outbox
from gateway.adapters.policy_metrics import PolicySeries
from gateway.adapters.policy_versions import PolicyVersions
from gateway.adapters.policy_worker import PolicyWorker
from gateway.adapters.recognizer import Recognized, Recognizer
from gateway.adapters.scanning import Scanning
from gateway.adapters.secrets import find
from gateway.adapters.series import Series
from gateway.adapters.upstreams import AiohttpUpstreams
from gateway.core.catalog import Backend
from gateway.core.errors import Refusal
from gateway.core.room import Room
from gateway.http import server
from gateway.http.callers import AdminGuard, ClientGuard
from gateway.http.calls import Calls
from gateway.http.intake import Intake
from gateway.http.models import models_endpoints
from gateway.http.ops import admin_app, public_app
from gateway.http.paths import Paths
from gateway.http.repeats import KEPT_SECONDS, MOST, Repeats
from gateway.http.seats import Seats
from gateway.http.told import Told
from gateway.http.usage import usage_endpoints
from gateway.orders import Orders
from gateway.policy.decide import Eligibility
from gateway.policy.document import Problem, render
from gateway.relay import Relay
from gateway.settings import Settings, unknown_names
from gateway.sharing import Sharing
from gateway.spending import Spending

_REFRESH_SECONDS = 0.25
"""What another process did is seen within a second, also under load."""
_SILENCE_SECONDS = 10.0
"""How often silent streams are looked at: the first comment comes within twice as long."""
_ADMIN_CONNECTIONS = 64
_MOST_WAIT_SECONDS = 0.5


class CannotStart(Exception):
    """The server cannot start. The message says what to do about it."""


class Gateway:
    """Everything of one process, put together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log = Log()
        self.relay: Relay | None = None  # the policies are there before it
        self._intake: Intake | None = None
        if settings.recognizer and (why := recognizer.missing()):
            raise CannotStart(f"GATEWAY_RECOGNIZER is `{settings.recognizer}`: {why}")
        if settings.otel_endpoint and (why := otel.hindrance()):
            raise CannotStart(f"GATEWAY_OTEL_ENDPOINT is set: {why}")
        try:
            parsed = policy_files.load(settings.policies, settings.extra_catalog, settings.policy_key)
        except policy_files.Unreadable as error:
            raise CannotStart(str(error)) from None
        if parsed.bundle is None:
            raise CannotStart(f"the policies do not load:\n{render(parsed.problems, parsed.sources)}")
        try:
            self._lock = state.claim(settings.state_dir)
        except state.StateTaken as error:
            raise CannotStart(str(error)) from None
        self.versions = PolicyVersions(settings.state_dir)
        if why := self.versions.admit(parsed):
            raise CannotStart(f"the policies are not put in force: {why}")
        try:
            with _readable(settings.state_dir, "keys.sqlite", "budgets.sqlite", "suspensions.sqlite"):
                self.agreed = Agreed(
                    settings.state_dir, settings.ledger_url, self.log.event, settings.keys_max_age_seconds
                )
        except state.StateTaken as error:
            raise CannotStart(str(error)) from None
        # while nobody can say, nobody comes in: where others reach the listener it always wants a key
        if self.agreed.read and (why := settings.exposed(admin_key=self.agreed.keys.guards_admin)):
            raise CannotStart(why)
        series = Series()
        self.sharing = Sharing(settings, self.log.event, lambda: self.policies.current.digest)
        self.notes = Notes(Audit(settings.state_dir), lambda why: self.log.event("act_not_noted", error=why))
        try:
            with _readable(settings.state_dir, "ledger.sqlite"):
                self.spending = Spending(settings, self.log.event, self.agreed.budgets, self.sharing.present, series)
        except ValueError as error:
            raise CannotStart(f"valkey_url: {error} (GATEWAY_VALKEY_URL)") from None
        self.metrics = Metrics(
            series,
            inflight=lambda: self.calls.inflight,
            ledger_lag=self.spending.ledger.lag_seconds,
            state_age=self.agreed.age_seconds,
            admin_ends=self.agreed.admin_ends,
            set_back=self.agreed.keys.set_back_seconds,
            baseline=settings.baseline,
        )
        at_once = Audit(settings.state_dir, patience_seconds=_MOST_WAIT_SECONDS)
        self.decisions = Decisions(
            settings.state_dir,
            self._not_kept,
            # before it is done, so at once: the trail of acts answers for these files
            lambda name, head: at_once.note(GATEWAY, "decisions_begun", name, detail=head),
            lambda name: at_once.note(GATEWAY, "decisions_forgotten", name),
        )
        if recovered := self.decisions.recover(self.spending.ledger.undecided):
            self.log.event("decisions_recovered", decisions=recovered)
        self.worker = PolicyWorker(settings.policy_key)
        self.scanning = Scanning(self._not_scanned)
        self.recognizer = Recognizer(self._recognized, self._not_recognized) if settings.recognizer else None
        self.lanes = Lanes(self._lane_changed)
        conversations = self.sharing.topics(self.agreed.keys.secret, Conversations(), self.lanes)
        series.show(LaneSeries(self.lanes.states))
        self.policies = policy_files.PolicyFiles(
            settings.policies,
            settings.extra_catalog,
            parsed,
            load_apart=self.worker.load,
            admit=self.versions.admit,
            prepare=self._restored,
            on_load=self._loaded,
            on_failure=self._not_loaded,
            suspended=frozenset(self.agreed.suspensions.in_force),
        )
        series.show(PolicySeries(self.policies, series.drop))
        self.orders = Orders(settings, self.agreed, self.policies, self.lanes, at_once, self.log.event)
        self.upstreams = AiohttpUpstreams(find)
        self.otel: otel.Otel | None = None
        if at := settings.otel_endpoint:
            self.otel = otel.started(at, settings.otel_header_pairs, settings.otel_sample, self.log.event)
            series.show(self.otel)
        self.outbox = Outbox(
            (self.metrics, self.log, self.decisions, *([self.otel] if self.otel else ())), self.decisions.decided
        )
        self.relay = Relay(
            self.policies,
            Recognized(self.upstreams, self.recognizer) if self.recognizer else self.upstreams,
            providers.DIALECTS,
            self.spending.ledger,
            self.outbox,
            conversations,
            self.spending.budgets,
            self.scanning,
            self.lanes,
            Room(settings.max_bodies_bytes),
            self.orders.distrust,
        )
        trace = self.otel.trace_of if self.otel is not None else None
        seats = Seats(settings.max_inflight, lambda: self.agreed.keys.teams)
        known = Repeats(self.sharing.repeats(KEPT_SECONDS, MOST), lambda: self.agreed.keys.secret("repeats"))
        bodies = Room(settings.max_bodies_bytes)
        self.calls = Calls(
            self.relay, self.agreed.find, self.outbox, settings.max_body_bytes, bodies, seats, known, trace
        )
        self.public = public_app(
            Paths(self.calls),
            {
                **models_endpoints(self.policies, int(time.time())),
                **usage_endpoints(self.policies, self.spending.budgets, self.spending.spent),
            },
            ClientGuard(self.agreed.find),
            self.policies.summary,
            self._unready,
            self._lifespan,
        )
        token = settings.scrape_token
        self.admin = admin_app(
            self._scrape,
            metrics_adapter.CONTENT_TYPE,
            self.policies.summary,
            self.orders,
            AdminGuard(
                self.agreed.find,
                self.agreed.guards_admin,
                token.get_secret_value() if token else None,
                loopback=settings.admin_is_loopback,
            ),
            self.sharing.present.shown,
        )
        self.agreed.put_in_force()

    async def _scrape(self) -> bytes:
        await self.spending.look()
        self.outbox.flush()
        return await asyncio.to_thread(self.metrics.exposition)  # thousands of series take longer than calls may wait

    def _restored(self, policy: Eligibility) -> Callable[[], None]:
        """Reads what was spent under new limits and makes the scanner, beside the event loop; what it returns puts both
        in force."""
        limits, scans = self.spending.restored(policy), self.scanning.prepare(policy.sensitivity)

        def put_in_force() -> None:
            limits()
            scans()

        return put_in_force

    def _loaded(self, digest: str, backends: tuple[Backend, ...]) -> None:
        self.metrics.policy_loaded(backends)
        self.log.event("policy_loaded", digest=digest, backends=len(backends))
        self.notes.note("policy_loaded", digest)
        self.lanes.retain({backend.id for backend in backends})
        if self.relay is not None:
            self.relay.running.policy_changed()

    def _lane_changed(self, backend: str, closed: bool) -> None:
        self.log.event("backend_asked_again" if closed else "backend_left_alone", backend=backend)

    def _not_scanned(self, why: str) -> None:
        self.metrics.scanner_failed()
        self.log.event("not_scanned", error=why)

    def _recognized(self, id: str, kinds: recognizer.Counts) -> None:
        self.metrics.recognized(kind for kind, _ in kinds)
        if kinds:
            self.log.event("recognized", request_id=id, findings=kinds)

    def _not_recognized(self, why: str) -> None:
        self.metrics.recognition_skipped()
        if why:
            self.log.event("not_recognized", error=why)

    def _not_kept(self, records: int, why: str) -> None:
        self.log.event("decisions_not_kept", records=records, error=why)

    def _not_loaded(self, problems: tuple[Problem, ...]) -> None:
        self.metrics.policy_failed()
        self.log.event("policy_not_loaded", problems=[str(problem) for problem in problems])
        self.notes.note("policy_refused", str(self.settings.policies), "refused", str(next(iter(problems), "")))

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        self.orders.begin()
        await self.upstreams.start()
        await self.spending.start()
        await self.sharing.begin()
        if self.recognizer is not None:
            self.recognizer.start()
        loops = [asyncio.create_task(self.policies.watch()), asyncio.create_task(self._follow_state())]
        loops.append(asyncio.create_task(self._follow_limits()))
        loops.append(asyncio.create_task(self._follow_exceptions()))
        loops.append(asyncio.create_task(self._keep_alive()))
        loops.append(asyncio.create_task(self.spending.read_on(lambda: self.policies.current)))
        self.log.event("started", version=__version__, port=self.settings.port, admin_port=self.settings.admin_port)
        if unknown := unknown_names():
            self.log.event("settings_unknown", names=unknown)  # never what they say: it may be a secret
        self.notes.note("started", __version__)
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await self.upstreams.stop()
            self.outbox.flush()
            await self.worker.close()
            await self.scanning.close()
            if self.recognizer is not None:
                await self.recognizer.close()
            await self.spending.close()
            await self.sharing.close()
            await asyncio.to_thread(self.decisions.close)
            if self.otel is not None:
                await asyncio.to_thread(self.otel.close)
            await self.agreed.close()
            self.log.event("stopped")
            self.notes.note("stopped", __version__)
            self.notes.close()

    async def _follow_state(self) -> None:
        """Sees keys and suspensions that others made or ended. Nothing that takes longer is waited for."""
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            try:
                await self.orders.follow()
            except Exception as error:  # noqa: BLE001  busy for a moment, say: the next look will see it
                self.log.event("state_not_read", error=str(error))

    async def _follow_limits(self) -> None:
        """Puts budgets in force that others set, which the ledger is read for; after that callers are found, also by
        what was read late."""
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            known = self.orders.known  # what is done now goes by what was read before
            try:
                await self.spending.follow(self.policies.current, lambda: self.policies.current)
                await self.sharing.begin()  # before anybody is let in by what was read
                if known:
                    self.agreed.put_in_force()
            except Exception as error:  # noqa: BLE001  the next round tries again
                self.log.event("limits_not_followed", error=str(error))

    async def _follow_exceptions(self) -> None:
        """Looks at running calls again when a break-glass exception ends: no file changes then."""
        before = self.policies.moment()
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            now = self.policies.moment()
            if self.relay is not None and self.policies.current.closes(before, now):
                self.log.event("exception_ended")
                self.relay.running.policy_changed()
            before = now

    async def _keep_alive(self) -> None:
        """Keeps clients and what is between from giving up on a stream while a model thinks."""
        while True:
            await asyncio.sleep(_SILENCE_SECONDS)
            if self.relay is not None:
                self.relay.running.keep_alive()

    async def serve(self, before: Told) -> None:
        """Serves both listeners until SIGINT or SIGTERM, then lets running requests end. `before` has the signal that
        came before. Raises CannotStart."""
        settings, relay = self.settings, self.relay
        assert relay is not None
        most = server.most_connections(server.raise_descriptor_limit(), settings.max_inflight)
        limited = partial(Intake, self.metrics.shed, self.calls.spares)
        self._intake = limited(connections=most, requests=settings.max_inflight)
        local = limited(connections=_ADMIN_CONNECTIONS, loopback_only=settings.admin_is_loopback)
        try:
            public = server.listen(settings.host, settings.port, "GATEWAY_PORT")
            admin = server.listen(settings.admin_host, settings.admin_port, "GATEWAY_ADMIN_PORT")
        except server.CannotListen as error:
            raise CannotStart(str(error)) from None
        await server.Server(
            server.Listener(self.public, public, self._intake, lifespan=True),
            server.Listener(self.admin, admin, local, lifespan=False),
            drain_seconds=settings.drain_seconds,
            grace_seconds=settings.grace_seconds,
            tell=self.log.event,
            cut=relay.running.stop,
            before=before,
        ).run()

    def _unready(self) -> str | None:
        if self._intake is not None and self._intake.draining:
            return "draining"
        if why := self.agreed.unready:
            return why
        return None if self.spending.ledger.takes() else Refusal.LEDGER_DOWN.code


@contextlib.contextmanager
def _readable(directory: Path, *names: str) -> Iterator[None]:
    """Raises CannotStart where SQLite cannot use one of the files."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        files = " or ".join(str(directory / name) for name in names)
        raise CannotStart(
            f"cannot use {files}: {error}; if it is damaged, put a copy back, or move it away to begin without it"
        ) from None


def run(settings: Settings, before: Told) -> None:
    """Runs the server until it is told to stop, or was `before`. Raises CannotStart."""
    library_log.install(Log())
    dumps.forbid()
    import uvloop

    gateway = Gateway(settings)
    # What is alive now stays alive. Collecting it again and again was 7 % of the hot path; requests leave few cycles.
    sys.setswitchinterval(0.0005)  # the ledger's thread gives way to requests within half a millisecond, not five
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()
    uvloop.run(gateway.serve(before))
