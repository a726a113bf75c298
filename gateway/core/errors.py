"""How things fail, as two tables: what an upstream did to us, and what we say to the client.

FailureKind     one attempt failed; says whether the next candidate may be asked
Refusal         we do not serve the request; says the status and the code
Refused         the exception that carries a Refusal with its words to the edge
"""

from collections.abc import Mapping, Sequence
from enum import Enum

import msgspec


class FailureKind(Enum):
    """How an attempt failed: (code, status for the client, may fall back, counts against the breaker, may be billed,
    pause).

    The status is used when the upstream gave none that the client should see. The pause is the seconds for which others
    are asked first: asked again at once, the backend would fail again.
    """

    UNREACHABLE = ("unreachable", 502, True, True, False)
    TIMED_OUT = ("timed_out", 504, True, True, True)
    THROTTLED = ("throttled", 429, True, False, False, 1.0)
    OVERLOADED = ("overloaded", 503, True, True, False)
    SERVER_ERROR = ("server_error", 502, True, True, False)
    BROKEN = ("broken", 502, True, True, True)  # an answer that nobody can read may still be on the bill
    UNAUTHORIZED = ("unauthorized", 502, True, False, False, 10.0)  # our key is refused, not the caller's
    NO_CREDIT = ("no_credit", 502, True, False, False, 10.0)  # our account is empty
    MODEL_MISSING = ("model_missing", 502, True, False, False, 10.0)  # the catalog names a model that is not there
    CONTEXT_TOO_LONG = ("context_too_long", 400, True, False, False)
    TOO_LARGE = ("request_too_large", 413, True, False, False)  # the body, in bytes: another server may take it
    CONTENT_FILTERED = ("content_filtered", 400, False, False, False)
    REJECTED = ("rejected", 400, False, False, False)  # the caller's fault: nobody else will like it better
    BLOCKED = ("answer_blocked", 403, False, False, True)  # by us: the answer showed what policy does not let out
    REVOKED = ("policy_revoked", 403, False, False, True)  # cut by us: policy came to forbid it under way
    STOPPED = ("server_stopping", 503, False, False, True)  # cut by us: the process ends

    def __init__(
        self,
        code: str,
        status: int,
        may_fall_back: bool,
        trips_breaker: bool,
        may_be_billed: bool,
        pause_seconds: float = 0.0,
    ) -> None:
        self.code = code
        self.status = status
        self.may_fall_back = may_fall_back
        self.trips_breaker = trips_breaker
        self.may_be_billed = may_be_billed
        self.pause_seconds = pause_seconds

    @property
    def is_ours(self) -> bool:
        """Only the gateway's operator can mend it, so asking again is of no use."""
        return self in (FailureKind.UNAUTHORIZED, FailureKind.NO_CREDIT, FailureKind.MODEL_MISSING)


class Failed(msgspec.Struct, frozen=True):
    """One failed attempt. `error` is the object for the client's envelope; it may quote the prompt: it is never kept.

    `retry_after` is what the upstream sent, as it sent it (seconds or a date), `retry_after_ms` its milliseconds.
    """

    kind: FailureKind
    status: int
    error: dict[str, object]
    retry_after: str | None = None
    retry_after_ms: int | None = None


class Refusal(Enum):
    """What we answer ourselves: (code, status, type of the OpenAI envelope)."""

    BAD_FRAMING = ("invalid_http", 400, "invalid_request_error")
    INVALID_JSON = ("invalid_json", 400, "invalid_request_error")
    INVALID_TYPE = ("invalid_type", 400, "invalid_request_error")
    MISSING_PARAMETER = ("missing_required_parameter", 400, "invalid_request_error")
    FORBIDDEN_PARAMETER = ("forbidden_parameter", 400, "invalid_request_error")
    UNSUPPORTED = ("unsupported_capability", 400, "invalid_request_error")
    CONTEXT_TOO_LONG = ("context_length_exceeded", 400, "invalid_request_error")
    BUDGET_EXCEEDED = ("budget_exceeded", 402, "insufficient_quota")
    INVALID_KEY = ("invalid_api_key", 401, "invalid_request_error")
    POLICY_DENIED = ("policy_denied", 403, "permission_error")
    NOT_GRANTED = ("not_granted", 403, "permission_error")
    MODEL_NOT_FOUND = ("model_not_found", 404, "invalid_request_error")
    NOT_FOUND = ("not_found", 404, "invalid_request_error")
    METHOD_NOT_ALLOWED = ("method_not_allowed", 405, "invalid_request_error")
    TOO_SLOW = ("request_too_slow", 408, "invalid_request_error")
    REPEATED = ("request_repeated", 409, "invalid_request_error")
    KEY_REUSED = ("idempotency_key_reused", 409, "invalid_request_error")
    TOO_LARGE = ("request_too_large", 413, "invalid_request_error")
    ENCODED = ("unsupported_media_type", 415, "invalid_request_error")
    WRONG_HOST = ("wrong_host", 421, "invalid_request_error")
    OVERLOADED = ("overloaded", 429, "requests")
    CROWDED = ("team_overloaded", 429, "requests")
    TOO_SOON = ("rate_limit_exceeded", 429, "requests")
    HEADERS_TOO_LARGE = ("headers_too_large", 431, "invalid_request_error")
    INTERNAL = ("internal_error", 500, "server_error")
    SHEDDING = ("gateway_overloaded", 503, "server_error")
    STOPPING = ("server_stopping", 503, "server_error")
    NO_BACKEND = ("no_backend_available", 503, "server_error")
    LEDGER_DOWN = ("ledger_unavailable", 503, "server_error")
    BUDGETS_DOWN = ("budgets_unavailable", 503, "server_error")
    STATE_DOWN = ("state_unavailable", 503, "server_error")

    def __init__(self, code: str, status: int, type: str) -> None:
        self.code = code
        self.status = status
        self.type = type


class Refused(Exception):
    """We will not serve this. `message` tells the caller what to do; `retry_after` is seconds, None: do not retry.

    `details` are further members of the error object, for programs; `headers` are told, too.
    """

    def __init__(
        self,
        refusal: Refusal,
        message: str,
        *,
        param: str | None = None,
        retry_after: int | None = None,
        details: Mapping[str, object] | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.details = details or {}
        self.headers = headers


FINAL = ((b"x-should-retry", b"false"),)
"""The header by which SDKs know that trying again is of no use, or would be paid again, whatever the status."""


def unknown_model() -> Refused:
    """Why a name leads nowhere: nobody has it, or this key may not use it. Which of them is not said."""
    return Refused(
        Refusal.MODEL_NOT_FOUND,
        "the requested model does not exist; GET /v1/models lists the names that this key may use",
        param="model",
    )
