"""What is kept of a request: one record, from which ledger rows, metrics and the log line derive. No prompt text."""

from collections.abc import Mapping
from enum import Enum
from typing import Literal

import msgspec

from gateway.core.catalog import Backend
from gateway.core.chat import Demand
from gateway.core.decided import Decided
from gateway.core.decision import Decision
from gateway.core.errors import FailureKind, Refused, unknown_model
from gateway.core.findings import Classified
from gateway.core.scopes import DEFAULT_SCOPES
from gateway.core.spender import Spender
from gateway.core.trace import Trace
from gateway.core.usage import NOTHING, Usage


class Caller(msgspec.Struct, frozen=True):
    """Who asks: what is known of a key. The first project and the first purpose are the defaults.

    `opaque_as` is the level that parts count as which nobody can read; None: nobody said. `scopes` are what the key is
    for, `models` the names that it may send as `model`; empty: all.
    """

    key: str
    team: str
    app: str
    projects: tuple[str, ...] = ("default",)
    purposes: tuple[str, ...] = ("general",)
    floor: str = "internal"
    person: str | None = None
    opaque_as: str | None = None
    scopes: frozenset[str] = frozenset(DEFAULT_SCOPES)
    models: frozenset[str] = frozenset()

    def spender(self, project: str, provider: str | None = None, zone: str | None = None) -> Spender:
        """Whose accounts a request of his counts in, by this provider in this zone; None: whichever serves it."""
        return Spender(self.key, self.team, self.app, project, provider, zone)

    def named(self, model: str) -> str:
        """The model that a request of his names. Raises Refused, as for one that does not exist, if he may not."""
        if self.models and model not in self.models:
            raise unknown_model()
        return model

    def reached(
        self, name: str, behind: tuple[Backend, ...], names: Mapping[str, tuple[Backend, ...]]
    ) -> tuple[Backend, ...]:
        """Of the backends behind a name those that some name of his leads to: a limit may downgrade a request to an
        alias that its key does not have."""
        if not self.models or name in self.models:
            return behind
        his = {backend.id for model in self.models for backend in names.get(model, ())}
        return tuple(backend for backend in behind if backend.id in his)


class Call(msgspec.Struct, frozen=True):
    """A request as it arrived, without its body. `arrived` is monotonic seconds, `time` is Unix seconds.

    The hints are what the headers said, unread; None: nothing. `trace` None: no traces are made.
    """

    id: str
    caller: Caller
    arrived: float
    time: float
    sensitivity_hint: str | None = None
    purpose_hint: str | None = None
    project_hint: str | None = None
    client_request_id: str | None = None
    trace: Trace | None = None


class End(Enum):
    """How a request ended."""

    COMPLETE = "complete"  # the client has the whole answer
    TRUNCATED = "truncated"  # the upstream broke off after the first byte, or never said why its answer ended
    CLIENT_GONE = "client_gone"  # the client hung up
    FAILED = "failed"  # every permitted backend failed, or one said no for good
    REFUSED = "refused"  # we did not try
    REVOKED = "revoked"  # the policy came to forbid it while it was running; the client was told
    BLOCKED = "blocked"  # the answer showed what policy does not let out; the client was told
    STOPPED = "stopped"  # this server was told to stop
    FAULT = "fault"  # a bug of ours
    CRASHED = "crashed"  # the process died; known from what was noted before anything was sent


BROKEN_BY_US = {
    FailureKind.REVOKED: End.REVOKED,
    FailureKind.BLOCKED: End.BLOCKED,
    FailureKind.STOPPED: End.STOPPED,
}
"""How a stream ended that we broke off ourselves, by why."""

State = Literal["open", "settled", "released", "uncertain", "corrected"]
"""`open`: under way. `settled`: owed. `released`: never billed. `uncertain`: outcome unknown, upper bound kept.
`corrected`: no call, but what a provider's invoice adds to a day, or takes from it (then the cost is negative)."""


class Tried(msgspec.Struct, frozen=True):
    """One upstream call: where it went, how it failed (None: it did not), what was used and what is owed.

    `watched` are rules in trial that would have fired, `broken` the forbids that a break-glass exception lifted,
    `service` is the provider's service tier, empty: the usual one. `misnamed` is the name of another model that the
    answer says it is by, empty: it does not. `began` and `ended` are monotonic seconds, `began` 0: it was never sent.
    `sensitivity` is the label that this call was sent with, since the next one may be sent with more or less in it;
    empty: that of the record.
    """

    hop: int
    backend: str
    provider: str
    model: str
    zone: str
    state: State
    usage: Usage
    cost_pico_usd: int
    price_version: str
    failure: FailureKind | None = None
    watched: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    service: str = ""
    misnamed: str = ""
    began: float = 0.0
    ended: float = 0.0
    sensitivity: str = ""

    @property
    def sent(self) -> bool:
        """Whether anything went out, or was about to: one that was given up before cost nothing, and did not fail."""
        return self.state != "released" or self.failure is not None


class Record(msgspec.Struct, frozen=True):
    """One request, whichever way it ended. Seconds are floats; absent ones did not happen.

    `overhead` is our own share of the time to the first byte; `first_token` counts from arrival to the first content.
    `demand` None: the body could not be read. `sensitivity` is the label as it was sent, `classified` as it came.
    `decided` is the decision of the last call as it was noted before that was sent, None: nothing was.
    """

    call: Call
    decision: Decision | None
    tried: tuple[Tried, ...]
    end: End
    status: int
    code: str | None
    streamed: bool
    duration: float
    overhead: float
    first_token: float | None = None
    sensitivity: str = "unknown"
    purpose: str = "unknown"
    project: str = "unknown"
    demand: Demand | None = None
    classified: Classified | None = None
    decided: Decided | None = None

    @property
    def served(self) -> Tried | None:
        """The call whose answer the client got, or the last one tried."""
        return self.tried[-1] if self.tried else None

    @property
    def usage(self) -> Usage:
        """What the last call used."""
        return self.tried[-1].usage if self.tried else NOTHING

    @property
    def cost_pico_usd(self) -> int:
        """What all calls of the request are booked at."""
        return sum([tried.cost_pico_usd for tried in self.tried])


def refused_record(call: Call, refused: Refused, duration: float) -> Record:
    """The record of a request that was refused before it was read."""
    refusal = refused.refusal
    return Record(call, None, (), End.REFUSED, refusal.status, refusal.code, False, duration, duration)


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One ledger row: one upstream call. Written when it is sent (`open`, cost at its upper bound) and when it ends.

    The later one of the same (request, hop) replaces the earlier, so what a crash leaves open is already complete.
    In the journal it is an array: a new field goes to the end, with a default.
    """

    request_id: str
    hop: int
    state: State
    time: float
    key: str
    team: str
    app: str
    project: str
    purpose: str
    requested: str
    backend: str
    model: str
    provider: str
    zone: str
    sensitivity: str
    decision_id: str
    policy_digest: str
    price_version: str
    input_uncached: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int
    usage_source: str
    cost_pico_usd: int
    outcome: str
    failure: str
    status: int
    duration_ms: int
    cache_write_long: int = 0
    audio_input: int = 0
    audio_output: int = 0
    service: str = ""
    """The provider's service tier (`flex`, `priority`, `batch`) that the price is of; empty: the usual one."""
    final: int = -1
    """1: the last call of its request, which is where that counts; 0: another followed; -1: nobody knows yet, or ever
    (the process died, or the row is of a version before): then the first call counts."""


def entries(record: Record) -> tuple[Entry, ...]:
    """The ledger rows of a record, one for each upstream call."""
    call, decision, served = record.call, record.decision, record.served
    if decision is None:
        return ()
    project, purpose, duration_ms = record.project, record.purpose, round(record.duration * 1000)
    found = []
    for tried in record.tried:
        sensitivity, outcome, status = tried.sensitivity or record.sensitivity, record.end.value, record.status
        if tried is not served:
            outcome, status = "failed", status if tried.failure is None else tried.failure.status
        final = 1 if tried is served else 0
        row = entry_of(call, decision, tried, project, purpose, sensitivity, outcome, status, duration_ms, final)
        found.append(row)
    return tuple(found)


def entry_of(
    call: Call,
    decision: Decision,
    tried: Tried,
    project: str,
    purpose: str,
    sensitivity: str,
    outcome: str = "",
    status: int = 0,
    duration_ms: int = 0,
    final: int = -1,
) -> Entry:
    """The ledger row of one upstream call."""
    caller, usage = call.caller, tried.usage
    return Entry(
        call.id,
        tried.hop,
        tried.state,
        call.time,
        caller.key,
        caller.team,
        caller.app,
        project,
        purpose,
        decision.requested,
        tried.backend,
        tried.model,
        tried.provider,
        tried.zone,
        sensitivity,
        decision.id,
        decision.policy_digest,
        tried.price_version,
        usage.input_uncached,
        usage.cache_read,
        usage.cache_write,
        usage.output,
        usage.reasoning,
        usage.source,
        tried.cost_pico_usd,
        outcome,
        tried.failure.code if tried.failure else "",
        status,
        duration_ms,
        usage.cache_write_long,
        usage.audio_input,
        usage.audio_output,
        tried.service,
        final,
    )
