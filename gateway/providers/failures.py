"""What an error answer means. Providers agree neither on shapes nor on codes; the words they use are rows here.

The error object that goes to the client has the four keys of the OpenAI envelope; `code` is a string or null, and
further fields that the provider sent stay. Facts: the providers' error pages and recorded answers, November 2026.
"""

import re
from collections.abc import Mapping

import msgspec

from gateway.core.errors import Failed, FailureKind

_CONTEXT = (
    "context_length_exceeded",
    "exceed_context_size_error",
    "maximum context length",
    "prompt is too long",
    "exceeded model token limit",
    "token count exceeds",
    "range of input length",
    "too large for model",
)
_FILTERED = (
    "content_policy_violation",
    "content_filter",
    "data_inspection_failed",
    "content exists risk",
    "responsibleaipolicyviolation",
    "invalid_prompt",  # OpenAI's Responses API: flagged, like the next two
    "bio_policy",
    "misalignment_policy_violation",
)
_NO_CREDIT = (
    "insufficient_quota",
    "insufficient balance",
    "insufficient_balance",
    "exceeded_current_quota_error",
    "billing_error",
    "arrearage",
)
_NO_CREDIT_REJECTED = ("your credit balance is too low to access", "you have reached your specified api usage limits")
"""What Anthropic says of an empty account, or of one at its own limit, with status 400."""
_OVERLOADED = ("overloaded_error",)
_TIMED_OUT = ("timeout_error",)
_NO_KEY = ("authentication_error", "permission_error")
_TOO_MANY = ("rate_limit", "throttling", "too many requests", "resource_exhausted", "engine_overloaded")
_NO_MODEL = ("model_not_found", "does not exist", "notfounderror", "not_found_error")

_SECRET = re.compile(r"\b(?:sk|pk|rk|gsk|xai|nvapi|key|AIza)[-_][\w*.\-]{6,}|\bAIza[\w\-]{10,}|\borg-[\w]{6,}")
MAX_MESSAGE = 2000
"""Characters of a provider's message that are passed on."""


def error_object(
    message: str, type: str, code: str | None, param: str | None = None, **further: object
) -> dict[str, object]:
    """The object under `error` in the OpenAI envelope."""
    return {"message": message, "type": type, "param": param, "code": code, **further}


def classify(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Failed:
    """The failure in an error answer, whatever its shape. A status below 400: an error that came as a success."""
    error = _read(body)
    names, message = f"{error['code'] or ''} {error['type']}".lower(), str(error["message"]).lower()
    kind = _kind(status, names, message)
    if kind in (FailureKind.UNAUTHORIZED, FailureKind.NO_CREDIT, FailureKind.MODEL_MISSING):
        # the operator's affair: the caller cannot mend it and is not shown our account
        error = error_object(_NEUTRAL[kind], "server_error", f"upstream_{kind.code}")
        return Failed(kind, kind.status, error)
    if kind is FailureKind.CONTEXT_TOO_LONG:
        error["code"] = "context_length_exceeded"
    shown = status if status >= 400 and kind is not FailureKind.SERVER_ERROR else kind.status
    if kind is FailureKind.SERVER_ERROR and status >= 500:
        shown = status
    return Failed(kind, shown, error, (headers or {}).get("retry-after"))


_NEUTRAL = {
    FailureKind.UNAUTHORIZED: "the backend does not accept the gateway's credentials; tell the gateway's operator",
    FailureKind.NO_CREDIT: "the gateway's account with the backend has no credit; tell the gateway's operator",
    FailureKind.MODEL_MISSING: "the backend does not serve the model of the catalog; tell the gateway's operator",
}


def _kind(status: int, names: str, message: str) -> FailureKind:
    """The kind of an error. `names` are its code and type; a message may quote the prompt, so it counts only where
    the status fits."""

    def says(table: tuple[str, ...], *, also_message: bool = True) -> bool:
        return any(phrase in names or (also_message and phrase in message) for phrase in table)

    if status == 402 or says(_NO_CREDIT, also_message=status in (200, 403, 429)):
        return FailureKind.NO_CREDIT
    if status == 400 and says(_NO_CREDIT_REJECTED):
        return FailureKind.NO_CREDIT
    if status == 429 or (status < 400 and says(_TOO_MANY)):
        return FailureKind.THROTTLED
    if status < 400 and says(_OVERLOADED, also_message=False):
        return FailureKind.OVERLOADED
    if status < 400 and says(_TIMED_OUT, also_message=False):
        return FailureKind.TIMED_OUT
    if status in (401, 403) or (status < 400 and says(_NO_KEY, also_message=False)):
        return FailureKind.CONTENT_FILTERED if says(_FILTERED) else FailureKind.UNAUTHORIZED
    if says(_CONTEXT, also_message=status in (200, 400, 413, 422)):
        return FailureKind.CONTEXT_TOO_LONG
    if status in (503, 529):
        return FailureKind.OVERLOADED
    if status in (408, 504):
        return FailureKind.TIMED_OUT
    if status >= 500 or status < 400:
        return FailureKind.SERVER_ERROR
    if says(_FILTERED, also_message=status == 400):
        return FailureKind.CONTENT_FILTERED
    if status == 404 and says(_NO_MODEL):
        return FailureKind.MODEL_MISSING
    return FailureKind.REJECTED


def unreadable(message: str) -> Failed:
    """A failure for an answer that nobody can read."""
    return Failed(
        FailureKind.BROKEN, FailureKind.BROKEN.status, error_object(message, "server_error", "upstream_broken")
    )


def _read(body: bytes) -> dict[str, object]:
    """The error object in a body: under `error` (an object or a string), at the top level, in `detail`, or none."""
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return error_object("the backend answered with an error that is not JSON", "server_error", None)
    if isinstance(data, list) and data:
        data = data[0]
    if not isinstance(data, dict):
        return error_object("the backend answered with an error of unknown shape", "server_error", None)
    inner = data.get("error")
    if isinstance(inner, str):
        inner = {"message": inner, "code": data.get("code")}
    elif not isinstance(inner, dict):
        inner = data
    message = inner.get("message") or inner.get("detail") or data.get("message") or "the backend gave no reason"
    if not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    code, type_, param = inner.get("code"), inner.get("type"), inner.get("param")
    named = ("message", "code", "type", "param", "detail", "error", "object")
    return {
        **{name: value for name, value in inner.items() if name not in named and isinstance(value, int | float | bool)},
        "message": scrub(message),
        "type": type_ if isinstance(type_, str) else "invalid_request_error",
        "param": param if isinstance(param, str) else None,
        "code": code if isinstance(code, str) else None,
    }


def scrub(message: str) -> str:
    """A provider's message without anything that looks like a key or an account, and not endless."""
    return _SECRET.sub("***", message)[:MAX_MESSAGE]
