"""The log: one JSON line per request, and one per event of the server. Never prompt text, never keys."""

import json
import os
import time
from collections.abc import Sequence

import msgspec

from gateway.core.decision import denied_by
from gateway.core.record import End, Record, Tried
from gateway.core.steering import escaped

_ENCODE = msgspec.json.Encoder().encode
_LEVELS = {
    "act_not_noted": "error",
    "admin_key_ended": "error",
    "backend_left_alone": "warning",
    "clock_set_back": "warning",
    "cut": "warning",
    "decisions_not_kept": "error",
    "ledger_entry_refused": "error",
    "ledger_line_unread": "error",
    "ledger_stopped": "error",
    "limits_closed": "warning",
    "otel_dropped": "warning",
    "otel_fault": "error",
    "policy_not_loaded": "error",
    "repeats_spoiled": "error",
    "settings_unknown": "warning",
    "suspension_not_kept": "error",
}
"""Of events that are not what their fields make them."""


class Log:
    """Writes lines to a descriptor (2: standard error)."""

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor
        self._torn = False  # the last line has no end

    def take(self, records: Sequence[Record]) -> None:
        """The lines of requests, in one write."""
        lines: list[bytes] = []
        for record in records:
            lines.append(_ENCODE(_line(record)))
            lines += [_ENCODE(_broken(record, tried)) for tried in record.tried if tried.broken]
        self._write(b"\n".join(lines) + b"\n")

    def event(self, event: str, *, level: str = "", **fields: object) -> None:
        """The line of something that the server did. One with an `error` is a warning, unless more is known of it."""
        level = level or _LEVELS.get(event) or ("warning" if "error" in fields else "info")
        line = {"time": time.time(), "level": level, "event": event, **fields}
        try:
            said = _ENCODE(line)
        except UnicodeEncodeError:  # a file name that is no text, say
            said = json.dumps(line, default=str).encode()
        self._write(said + b"\n")

    def _write(self, lines: bytes) -> None:
        left = memoryview(b"\n" * self._torn + escaped(lines))
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
                self._torn = bool(left)
        except OSError:
            pass  # a full disk or a closed pipe must not stop requests


class RequestLine(msgspec.Struct, frozen=True):
    """The line of one request. `time` is Unix seconds, of its arrival; milliseconds and pico-USD are in the names.

    `requested` is what was asked for, `model` the provider's name of what answered, or was tried last. Of the tokens,
    those of its last call, input are those that were read. `denied_by` are rules, where no backend may be asked.
    `misnamed` are names of other models than were asked, by which answers said they are.
    """

    time: float
    level: str
    event: str
    request_id: str
    client_request_id: str | None
    trace_id: str | None
    key: str
    team: str
    app: str
    decision_id: str | None
    requested: str | None
    backend: str | None
    provider: str | None
    model: str | None
    zone: str | None
    denied_by: list[str]
    attempts: int
    failures: list[str]
    misnamed: list[str]
    watched: tuple[str, ...]
    sensitivity: str
    provenance: tuple[tuple[str, str], ...]
    findings: tuple[tuple[str, int], ...]
    label_conflict: bool
    status: int
    code: str | None
    end: str
    streamed: bool
    tokens: int
    input_tokens: int
    output_tokens: int
    usage_source: str
    cost_pico_usd: int
    duration_ms: float
    overhead_ms: float


class BreakGlassLine(msgspec.Struct, frozen=True):
    """The line of one call that `rules` forbid and that was sent because a break-glass exception lifts them."""

    time: float
    event: str
    level: str
    request_id: str
    decision_id: str | None
    policy_digest: str | None
    key: str
    team: str
    backend: str
    rules: tuple[str, ...]


def _broken(record: Record, tried: Tried) -> BreakGlassLine:
    decision = record.decision
    return BreakGlassLine(
        time=record.call.time,
        event="breakglass_used",
        level="warning",
        request_id=record.call.id,
        decision_id=decision.id if decision else None,
        policy_digest=decision.policy_digest if decision else None,
        key=record.call.caller.key,
        team=record.call.caller.team,
        backend=tried.backend,
        rules=tried.broken,
    )


def _line(record: Record) -> RequestLine:
    call, served, decision, usage = record.call, record.served, record.decision, record.usage
    caller, classified = call.caller, record.classified
    misnamed = [tried.misnamed for tried in record.tried if tried.misnamed]
    return RequestLine(
        time=call.time,
        level="error" if record.end is End.FAULT else "warning" if record.status >= 500 or misnamed else "info",
        event="request",
        request_id=call.id,
        client_request_id=call.client_request_id,
        trace_id=call.trace.hex if call.trace is not None else None,
        key=caller.key,
        team=caller.team,
        app=caller.app,
        decision_id=decision.id if decision else None,
        requested=decision.requested if decision else None,
        backend=served.backend if served else None,
        provider=served.provider if served else None,
        model=served.model if served else None,
        zone=served.zone if served else None,
        denied_by=denied_by(decision) if decision else [],
        attempts=len(record.tried),
        failures=[tried.failure.code for tried in record.tried if tried.failure],
        misnamed=misnamed,
        watched=served.watched if served else (),
        sensitivity=record.sensitivity,
        provenance=classified.provenance if classified else (),
        findings=classified.kinds if classified else (),
        label_conflict=classified.conflict if classified else False,
        status=record.status,
        code=record.code,
        end=record.end.value,
        streamed=record.streamed,
        tokens=usage.total,
        input_tokens=usage.read,
        output_tokens=usage.total - usage.read,
        usage_source=usage.source,
        cost_pico_usd=record.cost_pico_usd,
        duration_ms=round(record.duration * 1000, 1),
        overhead_ms=round(record.overhead * 1000, 3),
    )
