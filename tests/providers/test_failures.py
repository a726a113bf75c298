"""What error answers mean, whatever their shape."""

import json

import pytest

from gateway.core.errors import FailureKind
from gateway.providers.failures import MAX_MESSAGE, classify, scrub

K = FailureKind


@pytest.mark.parametrize(
    ("status", "body", "kind", "shown"),
    [
        (429, {"error": {"message": "slow", "code": "rate_limit_exceeded", "type": "requests"}}, K.THROTTLED, 429),
        (429, {"error": {"message": "pay", "code": "insufficient_quota"}}, K.NO_CREDIT, 502),
        (402, {"error": {"message": "Insufficient Balance"}}, K.NO_CREDIT, 502),
        (401, {"error": {"message": "Incorrect API key provided: sk-abc"}}, K.UNAUTHORIZED, 502),
        (403, {"error": {"message": "no access"}}, K.UNAUTHORIZED, 502),
        (403, {"error": {"message": "flagged", "code": "content_policy_violation"}}, K.CONTENT_FILTERED, 403),
        (400, {"error": {"message": "Content Exists Risk"}}, K.CONTENT_FILTERED, 400),
        (400, {"error": {"message": "This model's maximum context length is 8 tokens"}}, K.CONTEXT_TOO_LONG, 400),
        (413, {"error": {"message": "prompt is too long"}}, K.CONTEXT_TOO_LONG, 413),
        (404, {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}, K.MODEL_MISSING, 502),
        (404, {"error": {"message": "nothing here"}}, K.REJECTED, 404),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, K.REJECTED, 422),
        (500, {"error": {"message": "boom"}}, K.SERVER_ERROR, 500),
        (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, K.OVERLOADED, 503),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, K.OVERLOADED, 529),
        (504, {"error": "gateway timeout"}, K.TIMED_OUT, 504),
        (200, {"error": {"message": "late", "code": 502}}, K.SERVER_ERROR, 502),
        (400, [{"error": {"code": 400, "message": "INVALID_ARGUMENT", "status": "X"}}], K.REJECTED, 400),
        (400, {"code": "bad", "error": "a string"}, K.REJECTED, 400),
        (
            400,
            {
                "error": {
                    "type": "invalid_request_error",
                    "message": "Your credit balance is too low to access the API.",
                }
            },
            K.NO_CREDIT,
            502,
        ),
        (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: x"}}, K.MODEL_MISSING, 502),
        (200, {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, K.OVERLOADED, 503),
        (200, {"type": "error", "error": {"type": "timeout_error", "message": "late"}}, K.TIMED_OUT, 504),
        (200, {"type": "error", "error": {"type": "authentication_error", "message": "x"}}, K.UNAUTHORIZED, 502),
        (200, {"type": "error", "error": {"type": "api_error", "message": "overloaded_error"}}, K.SERVER_ERROR, 502),
        # a message may quote the prompt: it decides nothing where the status does not fit
        (400, {"error": {"message": "invalid tool name: insufficient balance"}}, K.REJECTED, 400),
        (500, {"error": {"message": "maximum context length"}}, K.SERVER_ERROR, 500),
    ],
)
def test_an_error_means(status, body, kind, shown):
    failed = classify(status, json.dumps(body).encode())
    assert (failed.kind, failed.status) == (kind, shown)
    assert {"message", "type", "param", "code"} <= failed.error.keys()


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"null", b"[]", b"7", b'"x"', b"\xff", b"[" * 5000])
def test_any_body_gives_an_envelope(body):
    failed = classify(502, body)
    assert failed.kind is K.SERVER_ERROR
    assert isinstance(failed.error["message"], str)


def test_what_concerns_our_account_is_not_shown():
    failed = classify(401, b'{"error": {"message": "Incorrect API key provided: sk-proj-abc123 of org-acme42"}}')
    assert "sk-proj" not in json.dumps(failed.error)
    assert "org-acme" not in json.dumps(failed.error)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("key sk-proj-abcdefgh1234 is bad", "key *** is bad"),
        ("org-acme4242 has no access", "*** has no access"),
        ("AIzaSyA1234567890abc", "***"),
        ("task-force and desk-top", "task-force and desk-top"),
        ("x" * 5000, "x" * MAX_MESSAGE),
    ],
)
def test_scrub(said, shown):
    assert scrub(said) == shown


def test_retry_after_is_kept_as_it_came():
    assert (
        classify(429, b"{}", {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}).retry_after
        == "Wed, 21 Oct 2026 07:28:00 GMT"
    )
