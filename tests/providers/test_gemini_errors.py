"""Google's error answers."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import FailureKind
from gateway.providers.gemini_errors import blocked, broken_end, failure_of


def error(code: int, status: str, message: str = "no", *details: dict) -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "status": status, "details": details}}).encode()


def retry(delay: str) -> dict:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def info(reason: str) -> dict:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}


@pytest.mark.parametrize(
    ("status", "body", "kind", "shown", "code"),
    [
        (400, error(400, "INVALID_ARGUMENT"), FailureKind.REJECTED, 400, "invalid_argument"),
        (400, error(400, "INVALID_ARGUMENT", "no", info("API_KEY_INVALID")), FailureKind.UNAUTHORIZED, 502, None),
        (
            400,
            error(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
            FailureKind.UNAUTHORIZED,
            502,
            None,
        ),
        (
            400,
            error(400, "FAILED_PRECONDITION", "Please enable billing on project 1"),
            FailureKind.NO_CREDIT,
            502,
            None,
        ),
        (403, error(403, "PERMISSION_DENIED", "no", info("SERVICE_DISABLED")), FailureKind.UNAUTHORIZED, 502, None),
        (403, error(403, "PERMISSION_DENIED", "no", info("BILLING_DISABLED")), FailureKind.NO_CREDIT, 502, None),
        (404, error(404, "NOT_FOUND", "Publisher Model x was not found"), FailureKind.MODEL_MISSING, 502, None),
        (429, error(429, "RESOURCE_EXHAUSTED"), FailureKind.THROTTLED, 429, "rate_limit_exceeded"),
        (500, error(500, "INTERNAL"), FailureKind.SERVER_ERROR, 500, "internal"),
        (503, error(503, "UNAVAILABLE"), FailureKind.OVERLOADED, 503, "unavailable"),
        (504, error(504, "DEADLINE_EXCEEDED"), FailureKind.TIMED_OUT, 504, "deadline_exceeded"),
        (200, error(503, "UNAVAILABLE"), FailureKind.OVERLOADED, 503, "unavailable"),
        (200, error(429, "RESOURCE_EXHAUSTED"), FailureKind.THROTTLED, 429, "rate_limit_exceeded"),
        (200, error(418, "NEW"), FailureKind.REJECTED, 418, "new"),
        (200, error(0, "NEW"), FailureKind.SERVER_ERROR, 502, "new"),
        (
            400,
            error(
                400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."
            ),
            FailureKind.CONTEXT_TOO_LONG,
            400,
            "context_length_exceeded",
        ),
        (500, b"<html>", FailureKind.SERVER_ERROR, 500, None),
        (400, b"[]", FailureKind.REJECTED, 400, None),
        (400, b'{"error": "no"}', FailureKind.REJECTED, 400, None),
    ],
)
def test_what_an_error_means(status, body, kind, shown, code):
    for form in (body, b"[" + body + b"]") if body.startswith(b'{"error": {') else (body,):
        failed = failure_of(status, {}, form)
        assert (failed.kind, failed.status) == (kind, shown)
        assert {"message", "type", "param", "code"} <= failed.error.keys()
        if code:
            assert failed.error["code"] == code


def test_the_operators_affairs_are_not_told():
    failed = failure_of(
        400, {}, error(400, "INVALID_ARGUMENT", "API key not valid: AIzaSyA-1234567890", info("API_KEY_INVALID"))
    )
    assert "AIza" not in json.dumps(failed.error)


@pytest.mark.parametrize(
    ("headers", "details", "wait"),
    [
        ({}, [retry("34s")], "34"),
        ({}, [info("X"), retry("34.074824224s")], "35"),
        ({"retry-after": "7"}, [retry("34s")], "7"),
        ({}, [retry("soon")], None),
        ({}, [info("34s")], None),
        ({}, [], None),
    ],
)
def test_how_long_to_wait(headers, details, wait):
    assert failure_of(429, headers, error(429, "RESOURCE_EXHAUSTED", "no", *details)).retry_after == wait


@pytest.mark.parametrize(
    ("reason", "kind", "word"),
    [
        ("MALFORMED_FUNCTION_CALL", FailureKind.BROKEN, "nobody can read: print("),
        ("OTHER", FailureKind.BROKEN, "`OTHER`"),
        ("MISSING_THOUGHT_SIGNATURE", FailureKind.REJECTED, "thought_signature"),
        ("PUP_LIMITED_DISABLED", FailureKind.UNAUTHORIZED, "operator"),
    ],
)
def test_an_end_that_is_none(reason, kind, word):
    failed = broken_end(reason, "print(")
    assert (failed.kind, failed.status) == (kind, kind.status)
    assert word in str(failed.error["message"])


def test_a_blocked_prompt_is_filtered_content():
    assert blocked("SAFETY").kind is FailureKind.CONTENT_FILTERED
    assert blocked("SAFETY").error["code"] == "content_filter"


@settings(deadline=None)
@given(
    st.sampled_from([200, 400, 403, 429, 500, 503]),
    st.binary()
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["error", "message", "status", "details", "code"]), inner)
        ),
    ).map(lambda data: json.dumps(data).encode()),
)
def test_any_body_is_some_failure(status, body):
    assert failure_of(status, {}, body).status >= 400
