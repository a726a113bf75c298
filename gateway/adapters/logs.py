"""The log: one JSON line per request, and one per event of the server. Never prompt text, never keys."""

import os
import time

import msgspec

from gateway.core.price import usd
from gateway.core.record import Record

_ENCODE = msgspec.json.Encoder().encode


class Log:
    """Writes lines to a descriptor (2: standard error)."""

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor

    def put(self, record: Record) -> None:
        """The line of a request."""
        served, caller, decision = record.served, record.call.caller, record.decision
        self._line(
            {
                "time": record.call.time,
                "event": "request",
                "request_id": record.call.id,
                "client_request_id": record.call.client_request_id,
                "key": caller.key,
                "team": caller.team,
                "app": caller.app,
                "decision_id": decision.id if decision else None,
                "backend": served.backend if served else None,
                "attempts": len(record.tried),
                "failures": [tried.failure.code for tried in record.tried if tried.failure],
                "sensitivity": record.sensitivity,
                "status": record.status,
                "code": record.code,
                "end": record.end.value,
                "streamed": record.streamed,
                "tokens": record.usage.total,
                "usage_source": record.usage.source,
                "cost_usd": usd(record.cost_pico_usd),
                "duration_ms": round(record.duration * 1000, 1),
                "overhead_ms": round(record.overhead * 1000, 3),
            }
        )

    def event(self, event: str, **fields: object) -> None:
        """The line of something that the server did."""
        self._line({"time": time.time(), "event": event, **fields})

    def _line(self, fields: dict[str, object]) -> None:
        try:
            os.write(self._descriptor, _ENCODE(fields) + b"\n")
        except OSError:
            pass  # a full disk or a closed pipe must not stop requests
