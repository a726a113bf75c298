"""Google's error answers, told in the words that the table of failures knows.

`{error: {code, message, status, details: [...]}}`, at times in a list. What went wrong is in the status, in the reason
of an ErrorInfo, or only in the message; how long to wait is in a RetryInfo.
Facts: google.rpc.Code and error_details.proto, the troubleshooting page of the Gemini API, November 2026.
"""

import math
import re
from collections.abc import Mapping

import msgspec

from gateway.core.errors import Failed, FailureKind
from gateway.providers.failures import classify, error_object, scrub

_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 503,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_MEANT: tuple[tuple[re.Pattern[str], int, str | None], ...] = (
    (re.compile(r"API_KEY_|api key (not valid|expired|not found)|ACCESS_TOKEN_", re.IGNORECASE), 401, None),
    (
        re.compile(r"SERVICE_DISABLED|CONSUMER_(INVALID|SUSPENDED)|user location is not supported", re.IGNORECASE),
        403,
        None,
    ),
    (re.compile(r"BILLING_|prepayment credits|enable billing|billing account", re.IGNORECASE), 402, None),
    (re.compile(r"token count.*exceeds|exceeds the maximum number of tokens"), 400, "context_length_exceeded"),
    (re.compile(r"models/\S+ is not found"), 404, "model_not_found"),
)
"""Words of a reason or a message, with the status and the code that they deserve."""

_OPENAI: Mapping[int, tuple[str, str]] = {429: ("rate_limit_exceeded", "rate_limit_error")}
"""Codes and types that clients know by OpenAI's names."""

_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s\Z")


class _Detail(msgspec.Struct):
    type: str = msgspec.field(default="", name="@type")
    reason: str = ""
    retry_delay: str = msgspec.field(default="", name="retryDelay")


class _Error(msgspec.Struct):
    message: str = ""
    status: str = ""
    code: int = 0
    details: list[_Detail] = []


class _Body(msgspec.Struct):
    error: _Error


_BODY = msgspec.json.Decoder(_Body | list[_Body])


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> Failed:
    """What an error answer says. A status below 400: an error that came as a success, or in a stream."""
    try:
        read = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return classify(status, body, headers)
    if isinstance(read, list):
        if not read:
            return classify(status, body, headers)
        read = read[0]
    error = read.error
    if status < 400:
        status = _STATUSES.get(error.status, error.code if 400 <= error.code < 600 else status)
    code: str | None = None
    said = " ".join((error.message, *(detail.reason for detail in error.details)))
    for words, meant, named in _MEANT:
        if status in (200, 400, 403, 404, 429) and words.search(said):
            status, code = meant, named
            break
    if status == 404:
        code = "model_not_found"  # the only thing that we ask it for by name
    code, type_ = _OPENAI.get(status, (code or error.status.lower() or None, _type(status)))
    told = error_object(error.message, type_, code)
    failed = classify(status, msgspec.json.encode({"error": told}), headers)
    if failed.retry_after is None and (wait := _delay(error.details)) is not None:
        failed = msgspec.structs.replace(failed, retry_after=wait)
    return failed


def _type(status: int) -> str:
    return "server_error" if status >= 500 else "invalid_request_error"


def _delay(details: list[_Detail]) -> str | None:
    """Whole seconds to wait, as the answer has them."""
    for detail in details:
        if detail.type.endswith("RetryInfo") and (match := _DELAY.match(detail.retry_delay)):
            return str(math.ceil(float(match[1])))
    return None


_ACCOUNT = "the gateway's account with the backend is limited; tell the gateway's operator"
_ENDS: Mapping[str, tuple[FailureKind, str]] = {
    "MALFORMED_FUNCTION_CALL": (FailureKind.BROKEN, "the model wrote a function call that nobody can read"),
    "MALFORMED_RESPONSE": (FailureKind.BROKEN, "the model wrote something that nobody can read"),
    "UNEXPECTED_TOOL_CALL": (FailureKind.BROKEN, "the model called a function that the request does not have"),
    "TOO_MANY_TOOL_CALLS": (FailureKind.BROKEN, "the model called too many functions"),
    "NO_IMAGE": (FailureKind.BROKEN, "the model made no image"),
    "MISSING_THOUGHT_SIGNATURE": (
        FailureKind.REJECTED,
        "an earlier tool call lacks its `extra_content.google.thought_signature`; send it back as it came",
    ),
    "PUP_LIMITED_DISABLED": (FailureKind.UNAUTHORIZED, _ACCOUNT),
}
"""Reasons to stop that are no end of an answer."""


def broken_end(reason: str, message: str | None) -> Failed:
    """The failure in an answer that stopped for a reason that is no end of one."""
    kind, words = _ENDS.get(reason, (FailureKind.BROKEN, f"the model stopped for the reason `{reason[:64]}`"))
    if message and kind is FailureKind.BROKEN:
        words += f": {scrub(message)}"
    type_ = "invalid_request_error" if kind is FailureKind.REJECTED else "server_error"
    code = "upstream_unauthorized" if kind is FailureKind.UNAUTHORIZED else reason.lower()[:64]
    return Failed(kind, kind.status, error_object(words, type_, code))


def blocked(reason: str) -> Failed:
    """The failure in an answer that has none, since the prompt was blocked."""
    kind = FailureKind.CONTENT_FILTERED
    words = f"the backend refused the prompt for the reason `{reason[:64]}`"
    return Failed(kind, kind.status, error_object(words, "invalid_request_error", "content_filter"))
