"""The failure tables agree with the rulings and with themselves."""

import pytest

from gateway.core.errors import Failed, FailureKind, Refusal, Refused

ENVELOPE_TYPES = {"invalid_request_error", "permission_error", "server_error", "insufficient_quota", "requests"}


@pytest.mark.parametrize("table", [FailureKind, Refusal])
def test_codes_are_distinct(table):
    # two equal rows would silently become one member
    assert len(table.__members__) == len({row.code for row in table})


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (Refusal.INVALID_JSON, 400),
        (Refusal.INVALID_TYPE, 400),
        (Refusal.MISSING_PARAMETER, 400),
        (Refusal.FORBIDDEN_PARAMETER, 400),
        (Refusal.UNSUPPORTED, 400),
        (Refusal.CONTEXT_TOO_LONG, 400),
        (Refusal.INVALID_KEY, 401),
        (Refusal.POLICY_DENIED, 403),
        (Refusal.NOT_GRANTED, 403),
        (Refusal.MODEL_NOT_FOUND, 404),
        (Refusal.NOT_FOUND, 404),
        (Refusal.METHOD_NOT_ALLOWED, 405),
        (Refusal.TOO_LARGE, 413),
        (Refusal.INTERNAL, 500),
        (Refusal.NO_BACKEND, 503),
        (Refusal.LEDGER_DOWN, 503),
    ],
)
def test_a_refusal_has_its_ruled_status(refusal, status):
    assert status == refusal.status


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refusal.POLICY_DENIED, "policy_denied"),
        (Refusal.NO_BACKEND, "no_backend_available"),
        (Refusal.INVALID_KEY, "invalid_api_key"),
        (Refusal.MODEL_NOT_FOUND, "model_not_found"),
        (Refusal.CONTEXT_TOO_LONG, "context_length_exceeded"),
    ],
)
def test_clients_know_the_code(refusal, code):
    assert code == refusal.code


@pytest.mark.parametrize("refusal", Refusal)
def test_the_type_says_whose_fault_it_is(refusal):
    assert refusal.type in ENVELOPE_TYPES
    assert (refusal.status >= 500) == (refusal.type == "server_error")
    assert (refusal.status == 403) == (refusal.type == "permission_error")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FailureKind.UNREACHABLE, 502),
        (FailureKind.TIMED_OUT, 504),
        (FailureKind.THROTTLED, 429),
        (FailureKind.OVERLOADED, 503),
        (FailureKind.SERVER_ERROR, 502),
        (FailureKind.BROKEN, 502),
        (FailureKind.UNAUTHORIZED, 502),
        (FailureKind.NO_CREDIT, 502),
        (FailureKind.MODEL_MISSING, 502),
        (FailureKind.CONTEXT_TOO_LONG, 400),
        (FailureKind.CONTENT_FILTERED, 400),
        (FailureKind.REJECTED, 400),
        (FailureKind.REVOKED, 403),
    ],
)
def test_a_failure_has_its_status(kind, status):
    assert status == kind.status


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "may_fall_back",
            set(FailureKind)
            - {
                FailureKind.CONTENT_FILTERED,
                FailureKind.REJECTED,
                FailureKind.BLOCKED,
                FailureKind.REVOKED,
                FailureKind.STOPPED,
            },
        ),
        (
            "trips_breaker",
            {
                FailureKind.UNREACHABLE,
                FailureKind.TIMED_OUT,
                FailureKind.OVERLOADED,
                FailureKind.SERVER_ERROR,
                FailureKind.BROKEN,
            },
        ),
        (
            "pause_seconds",
            {FailureKind.THROTTLED, FailureKind.UNAUTHORIZED, FailureKind.NO_CREDIT, FailureKind.MODEL_MISSING},
        ),
        (
            "may_be_billed",
            {
                FailureKind.TIMED_OUT,
                FailureKind.BROKEN,
                FailureKind.BLOCKED,
                FailureKind.REVOKED,
                FailureKind.STOPPED,
            },
        ),
    ],
)
def test_a_failure_says_what_may_follow(question, expected):
    assert expected == {kind for kind in FailureKind if getattr(kind, question)}


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if not kind.may_fall_back])
def test_only_the_callers_own_fault_the_policy_or_our_own_end_ends_the_search(kind):
    ours = {FailureKind.BLOCKED: 403, FailureKind.REVOKED: 403, FailureKind.STOPPED: 503}
    assert (kind.status, kind.trips_breaker) == (ours.get(kind, 400), False)


def test_a_refusal_carries_its_words():
    refused = Refused(Refusal.NO_BACKEND, "try later", param="model", retry_after=30)
    actual = (refused.refusal, refused.message, str(refused), refused.param, refused.retry_after)
    assert actual == (Refusal.NO_BACKEND, "try later", "try later", "model", 30)


def test_a_refusal_names_no_field_and_invites_no_retry_by_itself():
    refused = Refused(Refusal.INVALID_JSON, "no")
    assert (refused.param, refused.retry_after) == (None, None)


def test_a_failure_is_frozen():
    failed = Failed(FailureKind.REJECTED, 400, {"message": "no"})
    assert failed.retry_after is None
    with pytest.raises(AttributeError):
        failed.status = 200
