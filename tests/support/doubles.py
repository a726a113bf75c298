"""Stand-ins for everything around the relay, so that a test can hold any moment of a request still."""

import asyncio
import json
import math

from gateway.adapters.metrics import Metrics
from gateway.adapters.scanning import Scanning
from gateway.adapters.series import Series
from gateway.core.catalog import Backend, Endpoint
from gateway.core.decided import Decided
from gateway.core.decision import Candidate, Decision, Facts, Ruling, Verdict
from gateway.core.fallback import Attempt
from gateway.core.permit import Permit, mint
from gateway.core.record import Call, Caller
from gateway.core.terms import BUILT_IN
from support.prices import price
from support.upstream import DONE, OK, delta

FACTS = Facts("public", frozenset(), "general", "default", "t", "a", "k")
YES = Verdict(("p",), ())
PRICE = price(1_000_000, 1_000_000)
HANG = "hang"
SCANNING = Scanning(lambda why: None)
"""The real scanner: it needs nothing from outside. Made once, since that takes a moment."""


def backend(id: str, **more) -> Backend:
    fields = {"price": PRICE, "max_output": 1000, "capabilities": frozenset({"chat", "vision"})}
    passport = more.pop("passport", {"region": "eu", "operator_origin": "eu", "zone": "inhouse"})
    return Backend(id, "openai-compatible", "http://127.0.0.1:1", id, passport, **{**fields, **more})


def metrics(series: Series, **others) -> Metrics:
    """Those of a process in which nothing is going on."""
    nothing = dict.fromkeys(("inflight", "ledger_lag", "state_age", "set_back"), lambda: 0.0)
    return Metrics(series, **{**nothing, "admin_ends": lambda: math.inf, "baseline": "", **others})


def permit_for(of: Backend) -> Permit:
    """A permit to call a backend, as the relay would come by it."""
    candidate = Candidate(of, ("p",), 0)
    decision = Decision("dec-1", "digest", of.id, FACTS, (candidate,), ())
    ruling = Ruling(FACTS, {of.id: YES}, frozenset())
    return mint("req-1", decision, Attempt(1, candidate), ruling, ruling)


class Snapshot:
    """The `Policy` port. `verdict` says what it says of a backend, for facts at a moment; it may take fewer of them."""

    def __init__(
        self, backends, verdict=None, *, digest="d", asks_hops=False, asks_budget=False, warns=(), projects=None
    ) -> None:
        self.backends = {each.id: each for each in backends}
        self.names = {id: (each,) for id, each in self.backends.items()} | {"auto": tuple(backends)}
        self.digest = digest
        self.sensitivity = BUILT_IN
        self.not_offered = {}
        self.projects = projects or {}
        self.asks_hops = asks_hops
        self.asks_budget = asks_budget
        self.warns = frozenset(warns)
        self.asked: list[Facts] = []
        self._verdict = verdict or (lambda *_: YES)

    def ask(self, facts: Facts, moment: float) -> Ruling:
        self.asked.append(facts)
        return Ruling(facts, {id: self._verdict(id, facts, moment) for id in self.backends}, frozenset())


class Snapshots:
    """The `Policies` port, with a clock that stands still until it is moved."""

    def __init__(self, current: Snapshot) -> None:
        self.current = current
        self.now = 0.0

    def moment(self) -> float:
        return self.now


class Answering:
    """The `Opened` port: plays steps, each a block, an exception, HANG, or something to call."""

    def __init__(self, status: int, headers: dict, steps: list) -> None:
        self.status = status
        self.headers = headers
        self.steps = list(steps)
        self.closed = 0

    async def read(self, *, first: bool = False) -> bytes:
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, bytes):
                return step
            if isinstance(step, Exception):
                raise step
            if step == HANG:
                await asyncio.get_running_loop().create_future()
            else:
                step()
        return b""

    async def pass_on(self, take) -> bool:
        while block := await self.read():
            if not take(block):
                return False
        return True

    async def read_all(self, limit: int, grew) -> bytes:
        whole = b""
        while block := await self.read():
            whole += block
            if grew is not None:
                grew(len(whole))
        return whole

    async def drain(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


def answering(*steps, status: int = 200) -> Answering:
    return Answering(status, {"content-type": "application/json"}, list(steps) or [json.dumps(OK).encode()])


def streaming(*steps) -> Answering:
    return Answering(200, {"content-type": "text/event-stream"}, list(steps) or [delta("hi", "stop"), DONE])


def failing(status: int = 503) -> Answering:
    return answering(b'{"error":{"message":"m","type":"t","code":"c"}}', status=status)


class Calls:
    """The `Upstreams` port: answers by backend, each answer once, and keeps what was sent. `before` is called with the
    backend's id before a call is answered."""

    def __init__(self, answers: dict | None = None, before=None) -> None:
        self.answers = answers or {}
        self.before = before
        self.sent: list[tuple[str, dict]] = []
        self.permits: list[Permit] = []
        self.opened: list[Answering] = []

    async def open(self, permit: Permit, endpoint: Endpoint, body: bytes, *, streamed: bool, headers=()) -> Answering:
        id = permit.spend().id
        permit.sent = True
        self.permits.append(permit)
        self.sent.append((id, json.loads(body)))
        if self.before is not None:
            self.before(id)
        given = self.answers.get(id) or (streaming() if streamed else answering())
        if given == HANG:
            await asyncio.get_running_loop().create_future()
        self.opened.append(given)
        return given

    @property
    def called(self) -> list[str]:
        return [id for id, _ in self.sent]


class Told:
    """The `Reply` port: keeps what the client would get. A slow one takes the next block only once `slow` is set."""

    def __init__(self) -> None:
        self.started = self.gone = self.ended = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.slow: asyncio.Event | None = None

    async def start(self, status: int, headers) -> None:
        self.started, self.status = True, status
        self.headers = {name.decode(): value.decode() for name, value in headers}

    def write(self, block: bytes) -> bool:
        self.body += block
        return self.slow is None

    async def room(self) -> None:
        if self.slow is not None and self.body:
            await self.slow.wait()

    async def end(self, block: bytes = b"") -> None:
        self.body += block
        self.ended = True


class Books:
    """The `Ledger` and the `Sink` port."""

    def __init__(self) -> None:
        self.intents, self.decisions, self.rows, self.records = [], [], [], []
        self.sealing: asyncio.Future[None] | None = None  # what an answer's last byte has to wait for

    def open(self, entry, decided) -> None:
        self.intents.append(entry)
        self.decisions.append(decided)

    def decided(self, *of):
        return Decided(b"", b"", of[1])

    def sealed(self):
        return self.sealing

    def settle(self, entries) -> None:
        self.rows += entries

    def put(self, record) -> None:
        self.records.append(record)


def call(number: int = 1, **more) -> Call:
    who = {"key": "k", "team": "t", "app": "a", "floor": more.pop("floor", "public"), **more.pop("caller", {})}
    caller = Caller(**who)
    return Call(f"req-{number}", caller, 0.0, 0.0, **more)
