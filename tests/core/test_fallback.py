"""What to do next, for every history."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.catalog import Backend
from gateway.core.decision import Candidate, Decision, Exclusion, Facts
from gateway.core.errors import Failed, FailureKind
from gateway.core.fallback import MAX_ATTEMPTS, Attempt, GiveUp, Told, after, given_up, next_step

FACTS = Facts("internal", frozenset(), "general", "default", "team", "app", "key")
CANDIDATES = tuple(
    Candidate(Backend(f"b{at}", "openai", "http://127.0.0.1:1", "m", {}), ("rule",), at) for at in range(6)
)
LOCAL, CLOUD = CANDIDATES[:2]
THROTTLED = Failed(FailureKind.THROTTLED, 429, {"message": "later"})
UNREACHABLE = Failed(FailureKind.UNREACHABLE, 502, {"message": "gone"})
REJECTED = Failed(FailureKind.REJECTED, 400, {"message": "no"})
FILTERED = Failed(FailureKind.CONTENT_FILTERED, 400, {"message": "no"})


def decision(*candidates):
    return Decision("dec-1", "digest", "auto", FACTS, candidates, ())


@pytest.mark.parametrize(
    ("candidates", "history", "expected"),
    [
        ((), (), GiveUp(None)),
        ((LOCAL,), (), Attempt(1, LOCAL)),
        ((LOCAL,), (THROTTLED,), GiveUp(THROTTLED)),
        ((LOCAL,), (REJECTED,), GiveUp(REJECTED)),
        ((LOCAL, CLOUD), (), Attempt(1, LOCAL)),
        ((LOCAL, CLOUD), (THROTTLED,), Attempt(2, CLOUD)),
        ((LOCAL, CLOUD), (REJECTED,), GiveUp(REJECTED)),
        ((LOCAL, CLOUD), (FILTERED,), GiveUp(FILTERED)),
        ((LOCAL, CLOUD), (THROTTLED, UNREACHABLE), GiveUp(UNREACHABLE)),
        ((LOCAL, CLOUD), (UNREACHABLE, REJECTED), GiveUp(REJECTED)),
        ((CLOUD, LOCAL), (UNREACHABLE,), Attempt(2, LOCAL)),
        ((LOCAL, LOCAL), (THROTTLED,), Attempt(2, LOCAL)),  # a retry that the plan names
        (CANDIDATES, (THROTTLED,) * 3, Attempt(4, CANDIDATES[3])),
        (CANDIDATES, (THROTTLED,) * 4, GiveUp(THROTTLED)),
    ],
)
def test_a_history_has_one_next_step(candidates, history, expected):
    assert expected == next_step(decision(*candidates), history)


@pytest.mark.parametrize(
    ("most", "history", "expected"),
    [
        (0, (), GiveUp(None)),
        (1, (), Attempt(1, LOCAL)),
        (1, (THROTTLED,), GiveUp(THROTTLED)),
        (2, (THROTTLED,), Attempt(2, CLOUD)),
        (6, (THROTTLED,) * 5, Attempt(6, CANDIDATES[5])),
        (99, (THROTTLED,) * 6, GiveUp(THROTTLED)),
    ],
)
def test_the_attempts_are_bounded(most, history, expected):
    assert expected == next_step(decision(*CANDIDATES), history, most)


@pytest.mark.parametrize("kind", FailureKind)
def test_the_table_of_failures_decides_whether_to_go_on(kind):
    failed = Failed(kind, kind.status, {})
    expected = Attempt(2, CLOUD) if kind.may_fall_back else GiveUp(failed)
    assert expected == next_step(decision(LOCAL, CLOUD), (failed,))


@given(st.integers(0, 6), st.lists(st.sampled_from(list(FailureKind)), min_size=8, max_size=8))
@settings(max_examples=200, deadline=None)
def test_candidates_are_asked_once_in_order_until_one_says_no_for_good(count, kinds):
    asked, history = [], ()
    while isinstance(step := next_step(decision(*CANDIDATES[:count]), history), Attempt):
        assert len(asked) + 1 == step.hop
        asked.append(step.candidate)
        history += (Failed(kinds[len(history)], 500, {}),)
    final = next((at for at, kind in enumerate(kinds, 1) if not kind.may_fall_back), len(kinds))
    assert list(CANDIDATES[: min(count, MAX_ATTEMPTS, final)]) == asked
    assert GiveUp(history[-1] if history else None) == step


def at(**passport):
    return Backend("b", "openai", "http://127.0.0.1:1", "m", passport)


@pytest.mark.parametrize(
    ("called", "attempt", "regions", "operators"),
    [
        ([], "1", set(), set()),
        ([at(region="eu", operator_origin="us")], "2", {"eu"}, {"us"}),
        ([at(region="eu", operator_origin="us"), at(region="us", operator_origin="us")], "3", {"eu", "us"}, {"us"}),
        ([at(region="eu")], "2", {"eu"}, None),
        ([at(operator_origin="us"), at(region="eu", operator_origin="eu")], "3", None, {"us", "eu"}),
    ],
)
def test_a_hop_knows_where_the_request_has_been(called, attempt, regions, operators):
    facts = FACTS
    for backend in called:
        facts = after(facts, backend, THROTTLED)
    expected = msgspec.structs.replace(
        FACTS,
        attempt=attempt,
        last_error="throttled" if called else "none",
        visited_regions=None if regions is None else frozenset(regions),
        visited_operators=None if operators is None else frozenset(operators),
    )
    assert facts == expected


def test_what_is_unknown_of_the_hops_stays_unknown():
    unknown = msgspec.structs.replace(FACTS, attempt=None, visited_regions=None, visited_operators=None)
    facts = after(unknown, at(region="eu", operator_origin="eu"), UNREACHABLE)
    assert (facts.attempt, facts.visited_regions, facts.visited_operators) == (None, None, None)
    assert facts.last_error == "unreachable"


LONG = Failed(FailureKind.CONTEXT_TOO_LONG, 400, {"message": "long"})
LARGE = Failed(FailureKind.TOO_LARGE, 413, {"message": "large"})
DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
WAIT = Failed(FailureKind.THROTTLED, 429, {"message": "later"}, "7")


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ((UNREACHABLE,), Told(502, {"message": "gone"}, None, "unreachable")),
        ((WAIT,), Told(429, {"message": "later"}, "7", "throttled")),
        ((THROTTLED, WAIT), Told(429, {"message": "later"}, "7", "throttled")),
        ((WAIT, THROTTLED), Told(429, {"message": "later"}, "7", "throttled")),
        ((WAIT, msgspec.structs.replace(WAIT, retry_after="30")), Told(429, {"message": "later"}, "7", "throttled")),
        (
            (WAIT, msgspec.structs.replace(WAIT, retry_after="9" * 5000)),
            Told(429, {"message": "later"}, "7", "throttled"),
        ),
        ((THROTTLED,), Told(429, {"message": "later"}, "5", "throttled")),
        ((msgspec.structs.replace(WAIT, retry_after=DATE),), Told(429, {"message": "later"}, DATE, "throttled")),
        ((WAIT, REJECTED), Told(400, {"message": "no"}, None, "rejected")),
        ((UNREACHABLE, REJECTED), Told(400, {"message": "no"}, None, "rejected")),
        ((UNREACHABLE, LONG), Told(400, {"message": "long"}, None, "context_too_long")),
        ((UNREACHABLE, LARGE), Told(413, {"message": "large"}, None, "request_too_large")),
        (
            (msgspec.structs.replace(WAIT, retry_after_ms=6500),),
            Told(429, {"message": "later"}, "7", "throttled", 6500),
        ),
        (
            (THROTTLED, msgspec.structs.replace(WAIT, retry_after_ms=6500)),
            Told(429, {"message": "later"}, "7", "throttled"),
        ),
    ],
)
def test_a_failure_that_says_enough_is_told_as_it_came(failures, expected):
    assert given_up(decision(LOCAL, CLOUD), failures) == expected


@pytest.mark.parametrize(("last", "wait"), [(UNREACHABLE, "5"), (WAIT, "7")])
def test_several_failures_are_told_together(last, wait):
    told = given_up(decision(LOCAL, CLOUD), (UNREACHABLE, last))
    assert (told.status, told.code, told.retry_after) == (503, "no_backend_available", wait)
    assert told.error["message"] == f"no permitted backend is available (b0: unreachable, b1: {last.kind.code})"
    assert (told.error["type"], told.error["code"], told.error["param"]) == ("server_error", told.code, None)


def test_rules_that_keep_others_out_are_named():
    excluded = (Exclusion("x", "policy", ("stop", "halt"), "forbidden"), Exclusion("y", "price", (), "no price"))
    told = given_up(msgspec.structs.replace(decision(LOCAL, CLOUD), excluded=excluded), (UNREACHABLE, UNREACHABLE))
    assert told.error["message"].endswith("; policy denies others (rules: halt, stop)")
