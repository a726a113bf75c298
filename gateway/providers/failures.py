"""What an error answer means. Providers agree neither on shapes nor on codes; the words they use are rows here.

The error object that goes to the client has the four keys of the OpenAI envelope; `code` is a string or null. Further
figures that the provider sent stay, and what Azure's filters found. Facts: the providers' error pages and recorded
answers, November 2026.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.core.errors import Failed, FailureKind

_CONTEXT = (
    "context_length_exceeded",
    "exceed_context_size_error",
    "maximum context length",
    "longer than the model's context length",
    "prompt is too long",
    "input is too long",
    "exceeded model token limit",
    "token count exceeds",
    "exceeds the maximum number of tokens",
    "range of input length",
    "too large for model",
    "tokens + `max_new_tokens` must be",
)
_FILTERED = (
    "content_policy_violation",
    "content_filter",
    "data_inspection_failed",
    "datainspectionfailed",
    "content exists risk",
    "responsibleaipolicyviolation",
    "considered high risk",
    "sensitive content",
    "sensitive information",
    "sensitive_content",
    "flagged_input",
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
    "in arrears",
    "overdue",
    "freetieronly",
    "resourceinsufficient",
    "out of credits",
    "used all available credits",
    "credits are depleted",
)
_NO_CREDIT_REJECTED = ("your credit balance is too low to access", "you have reached your specified api usage limits")
"""What Anthropic says of an empty account, or of one at its own limit, with status 400."""
_TIMED_OUT = ("timeout_error",)
_NO_KEY = ("authentication_error", "permission_error")
_TOO_MANY = ("rate_limit", "throttling", "too many requests", "resource_exhausted", "limitexceeded")
_BUSY = ("overloaded",)
_NO_MODEL = ("model_not_found", "does not exist", "notfounderror", "not_found_error")
_BAD_KEY = ("incorrect api key", "api key not valid", "invalid api key")
"""How a message begins where a key is refused under another status than 401: at xAI and Gemini."""

_BASE_RESP: Mapping[str, FailureKind] = {
    "1000": FailureKind.SERVER_ERROR,
    "1001": FailureKind.TIMED_OUT,
    "1002": FailureKind.THROTTLED,
    "1004": FailureKind.UNAUTHORIZED,
    "1008": FailureKind.NO_CREDIT,
    "1013": FailureKind.SERVER_ERROR,
    "1024": FailureKind.SERVER_ERROR,
    "1026": FailureKind.CONTENT_FILTERED,
    "1027": FailureKind.CONTENT_FILTERED,
    "1033": FailureKind.SERVER_ERROR,
    "1039": FailureKind.THROTTLED,
    "2013": FailureKind.REJECTED,
    "2049": FailureKind.UNAUTHORIZED,
}
"""MiniMax's codes under `base_resp`, whatever the status."""

ZAI_CODES: Mapping[str, FailureKind] = {
    "1113": FailureKind.NO_CREDIT,
    "1211": FailureKind.MODEL_MISSING,
    "1230": FailureKind.SERVER_ERROR,
    "1234": FailureKind.SERVER_ERROR,
    "1261": FailureKind.CONTEXT_TOO_LONG,
    "1301": FailureKind.CONTENT_FILTERED,
    "1302": FailureKind.THROTTLED,
    "1303": FailureKind.THROTTLED,
    "1304": FailureKind.NO_CREDIT,  # the plan is used up until it is renewed
    "1305": FailureKind.OVERLOADED,
    "1308": FailureKind.NO_CREDIT,
    "1310": FailureKind.NO_CREDIT,
    "1312": FailureKind.OVERLOADED,
}
"""Z.ai's business codes, which say more than its statuses: an empty account is a 429."""

QWEN_CODES: Mapping[str, FailureKind] = {"insufficient_quota": FailureKind.THROTTLED}
"""DashScope says so of tokens per minute, and is willing again a minute later."""

_SECRET = re.compile(r"\b(?:sk|pk|rk|gsk|xai|nvapi|key|AIza)[-_][\w*.\-]{6,}|\bAIza[\w\-]{10,}|\borg-[\w]{6,}")
_FIGURE = re.compile(r"\d{1,9}(\.\d{1,9})?\Z")
_STATUS = re.compile(r"[45]\d\d\Z")
_NOT_JSON = "the backend answered with an error that is not JSON"
_WORD = re.compile(r"[A-Za-z]+(_[A-Za-z]+){0,5}\Z")
GROQ_FLEX_IS_FULL, BEDROCK_MODEL_FAILED = 498, 424
MAX_MESSAGE = 2000
"""Characters of a provider's message that are passed on."""


def error_object(
    message: str, type: str, code: str | None, param: str | None = None, **further: object
) -> dict[str, object]:
    """The object under `error` in the OpenAI envelope."""
    return {"message": message, "type": type, "param": param, "code": code, **further}


def classify(
    status: int,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    means: Mapping[str, FailureKind] | None = None,
) -> Failed:
    """The failure in an error answer, whatever its shape. A status below 400: an error that came as a success.

    `means` are error codes that at this provider mean something of their own.
    """
    headers = headers or {}
    read = _read(body)
    error = read.error
    if status < 400 and read.status is not None:
        status = read.status
    names = f"{read.names} {headers.get('x-amzn-errortype', '')}".lower()
    kind = (means or {}).get(read.code) or read.kind or _kind(status, names, str(error["message"]).lower())
    if kind in (FailureKind.UNAUTHORIZED, FailureKind.NO_CREDIT, FailureKind.MODEL_MISSING):
        # the operator's affair: the caller cannot mend it and is not shown our account
        error = error_object(_NEUTRAL[kind], "server_error", f"upstream_{kind.code}")
        return Failed(kind, kind.status, error)
    if kind is FailureKind.CONTEXT_TOO_LONG:
        error["code"] = "context_length_exceeded"
    if kind is FailureKind.TOO_LARGE:
        error["code"] = error["code"] or "request_too_large"
        if error["message"] == _NOT_JSON:  # a proxy before the backend said it
            error |= {"message": "the request is larger than the backend takes", "type": "invalid_request_error"}
    error["type"] = error["type"] or ("server_error" if kind in _THEIRS else "invalid_request_error")
    own = not 400 <= status < 600 or status == GROQ_FLEX_IS_FULL or (kind is FailureKind.SERVER_ERROR and status < 500)
    exact = headers.get("retry-after-ms", "")
    milliseconds = math.ceil(float(exact)) if _FIGURE.match(exact) else None
    return Failed(kind, kind.status if own else status, error, _wait(headers, read.wait), milliseconds)


def _wait(headers: Mapping[str, str], told: str) -> str | None:
    """How long to wait, as a header says it; else in whole seconds, by a header of milliseconds or by the body."""
    if (said := headers.get("retry-after")) is not None:
        return said
    for figure, unit in ((headers.get("retry-after-ms", ""), 1000), (told.removesuffix("s"), 1)):
        if _FIGURE.match(figure):
            return str(max(1, math.ceil(float(figure) / unit)))
    return None


_THEIRS = (FailureKind.SERVER_ERROR, FailureKind.OVERLOADED, FailureKind.TIMED_OUT)
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
    if status != 413 and (status == 429 or (status < 400 and says(_TOO_MANY)) or "throttlingexception" in names):
        return FailureKind.OVERLOADED if says(_BUSY, also_message=False) else FailureKind.THROTTLED
    if status == GROQ_FLEX_IS_FULL:
        return FailureKind.THROTTLED
    if status < 400 and says(_BUSY, also_message=False):
        return FailureKind.OVERLOADED
    if status < 400 and says(_TIMED_OUT, also_message=False):
        return FailureKind.TIMED_OUT
    if status in (401, 403) or (status < 400 and says(_NO_KEY, also_message=False)):
        return FailureKind.CONTENT_FILTERED if says(_FILTERED) else FailureKind.UNAUTHORIZED
    if status == 400 and message.startswith(_BAD_KEY):
        return FailureKind.UNAUTHORIZED
    if says(_CONTEXT, also_message=status in (200, 400, 413, 422)):
        return FailureKind.CONTEXT_TOO_LONG
    if status == 413:
        return FailureKind.TOO_LARGE
    if status in (503, 529):
        return FailureKind.OVERLOADED
    if status in (408, 504):
        return FailureKind.TIMED_OUT
    if status >= 500 or status < 400 or status == BEDROCK_MODEL_FAILED:
        return FailureKind.SERVER_ERROR
    if says(_FILTERED, also_message=status == 400):
        return FailureKind.CONTENT_FILTERED
    if status == 404 and says(_NO_MODEL):
        return FailureKind.MODEL_MISSING
    return FailureKind.REJECTED


def wrong_end(message: str) -> Failed:
    """A failure for an answer whose finish reason says that it is none."""
    return Failed(
        FailureKind.SERVER_ERROR,
        FailureKind.SERVER_ERROR.status,
        error_object(message, "server_error", "upstream_server_error"),
    )


def unreadable(message: str) -> Failed:
    """A failure for an answer that nobody can read."""
    return Failed(
        FailureKind.BROKEN, FailureKind.BROKEN.status, error_object(message, "server_error", "upstream_broken")
    )


class _Read(msgspec.Struct, frozen=True):
    """What a body says: the error object for the client, the words that name the error, its code in exact words, the
    kind where a code alone decides, the status where a code is one, and how long to wait ("34s")."""

    error: dict[str, object]
    names: str = ""
    code: str = ""
    kind: FailureKind | None = None
    status: int | None = None
    wait: str = ""


def _read(body: bytes) -> _Read:
    """The error in a body: under `error` (an object or a string), `Response.Error` or `base_resp`, at the top level, in
    `detail`, or none."""
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Read(error_object(_NOT_JSON, "server_error", None))
    if isinstance(data, list) and data:
        data = data[0]
    if not isinstance(data, dict):
        return _Read(error_object("the backend answered with an error of unknown shape", "server_error", None))
    inner, kind = _inner(data)
    message = inner.get("message") or inner.get("detail") or data.get("message") or "the backend gave no reason"
    if not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    code, type_, param = inner.get("code"), inner.get("type"), inner.get("param")
    named = ("message", "code", "type", "param", "detail", "error", "object")
    error: dict[str, object] = {
        **{name: value for name, value in inner.items() if name not in named and isinstance(value, int | float | bool)},
        "message": scrub(message),
        "type": scrub(type_) if isinstance(type_, str) else "",
        "param": scrub(param) if isinstance(param, str) else None,
        "code": scrub(code) if isinstance(code, str) and not _STATUS.match(code) else None,
    }
    if isinstance(inner.get("innererror"), dict):
        error["innererror"] = _findings(inner["innererror"])
    names = [each for each in (code, type_, inner.get("status")) if isinstance(each, str)]
    for more in (inner.get("innererror"), inner.get("metadata")):
        if isinstance(more, dict):
            names += [more["code"]] if isinstance(more.get("code"), str) else []
            names += ["flagged_input"] if more.get("flagged_input") else []
    figure = code if isinstance(code, int) else int(code) if isinstance(code, str) and _STATUS.match(code) else 0
    status = figure if not isinstance(figure, bool) and 400 <= figure < 600 else None
    return _Read(error, " ".join(names), str(code or ""), kind, status, _retry_info(inner.get("details")))


def _findings(value: object, depth: int = 4) -> object:
    """What Azure's filters found, as programs read it: figures, flags and single words. A text could quote anything."""
    if isinstance(value, dict) and depth:
        told = {name: _findings(each, depth - 1) for name, each in value.items() if _WORD.match(name)}
        return {name: each for name, each in told.items() if each is not None}
    return value if isinstance(value, int | float) or (isinstance(value, str) and _WORD.match(value)) else None


def _inner(data: dict[str, Any]) -> tuple[dict[str, Any], FailureKind | None]:
    """The object that says what is wrong, and the kind where its code alone decides."""
    inner = data.get("error")
    if isinstance(inner, dict):
        return inner, None
    if isinstance(inner, str):  # xAI, TGI, Ollama
        return {"message": inner, "code": data.get("code"), "type": data.get("error_type")}, None
    response, answered = data.get("Response"), data.get("base_resp")
    if isinstance(response, dict) and isinstance(response.get("Error"), dict):  # Tencent
        return {"message": response["Error"].get("Message"), "code": response["Error"].get("Code")}, None
    if isinstance(answered, dict):  # MiniMax
        code = str(answered.get("status_code"))
        return {"message": answered.get("status_msg"), "code": code}, _BASE_RESP.get(code)
    return data, None


def _retry_info(details: object) -> str:
    """Google's `RetryInfo` in the details of an error."""
    for each in details if isinstance(details, list) else ():
        if isinstance(each, dict) and isinstance(each.get("retryDelay"), str):
            return str(each["retryDelay"])
    return ""


def scrub(message: str) -> str:
    """A provider's message without anything that looks like a key or an account, and not endless."""
    return _SECRET.sub("***", message)[:MAX_MESSAGE]
