"""One lane: breaker, limit, pause and queue together."""

import pytest
from support.doubles import backend

from gateway.core.breaker import FAILURES
from gateway.core.concurrency import FIRST
from gateway.core.errors import Failed, FailureKind
from gateway.core.lane import FREE, FULL, LONGEST_PAUSE_SECONDS, PAUSED, Held, Lane, Passage
from gateway.core.retries import RetryBudget

OURS = {"passport": {"deployment": "self_hosted"}}


def failed(kind: FailureKind, retry_after: str | None = None) -> Failed:
    return Failed(kind, kind.status, {}, retry_after)


def lane(**more) -> Lane:
    changes = []
    made = Lane(backend("a", **more), lambda *change: changes.append(change))
    made_changes[id(made)] = changes
    return made


made_changes: dict[int, list] = {}


class Waiting:
    """A future, as far as a lane knows one."""

    def __init__(self, *, gone: bool = False) -> None:
        self.told: Passage | Held | None = None
        self.gone = gone

    def done(self) -> bool:
        return self.gone or self.told is not None

    def set_result(self, told) -> None:
        self.told = told


# Which failures count.


@pytest.mark.parametrize("kind", FailureKind)
def test_a_failure_counts_as_its_row_says(kind):
    made = lane()
    for _ in range(FAILURES):
        made.begin(0).end(failed(kind), 0)
    assert made.breaker.closed is not (kind.trips_breaker and kind is not FailureKind.SERVER_ERROR)
    assert (made.rank(0) == PAUSED) is bool(kind.pause_seconds)
    assert made.running == 0


def test_a_server_error_counts_once_another_backend_has_answered():
    made = lane()
    passages = [made.begin(0) for _ in range(FAILURES)]
    for each in passages:
        each.end(failed(FailureKind.SERVER_ERROR), 0)
    assert made.breaker.closed
    for each in passages:
        each.blame(0)
    assert not made.breaker.closed
    made.begin(1).end(failed(FailureKind.SERVER_ERROR), 1)
    assert made.held(1).wait == 2  # the probe, of which nobody else need speak


def test_calls_from_before_it_was_forgotten_do_not_count():
    made = lane()
    old = [made.begin(0) for _ in range(FAILURES)]
    made.follow(backend("a", key_ref="env:OTHER"), 0)
    for each in old:
        each.end(failed(FailureKind.UNREACHABLE), 0)
    assert made.breaker.closed


def test_a_higher_limit_lets_those_go_who_wait():
    made = lane(max_concurrent=1)
    made.begin(0)
    waiting = Waiting()
    made.waiting.append(waiting)
    made.follow(backend("a", max_concurrent=2), 0)
    assert isinstance(waiting.told, Passage)


def test_a_stream_that_breaks_off_counts_although_it_was_answered():
    made = lane()
    for _ in range(FAILURES):
        passage = made.begin(0)
        passage.answered(60, 1)
        passage.end(failed(FailureKind.BROKEN), 2)
    assert not made.breaker.closed


def test_a_client_that_leaves_says_nothing():
    made = lane()
    for _ in range(50):
        made.begin(0).end(None, 1)
    assert made.breaker.closed
    for _ in range(FAILURES):
        made.begin(0).end(failed(FailureKind.OVERLOADED), 0)
    probe = made.begin(made.held(0).wait)
    probe.end(None, 1.5)
    assert made.held(1.5) is None
    assert not made.breaker.closed


def test_one_that_refuses_is_there():
    made = lane()
    for _ in range(FAILURES):
        made.begin(0).end(failed(FailureKind.UNREACHABLE), 0)
    made.begin(1).end(failed(FailureKind.REJECTED), 1)
    assert made.breaker.closed


def test_changes_are_told_once():
    made = lane()
    for _ in range(FAILURES):
        made.begin(0).end(failed(FailureKind.OVERLOADED), 0)
    made.begin(1).end(failed(FailureKind.OVERLOADED), 1)
    made.begin(3).answered(60, 3)
    assert made_changes[id(made)] == [("a", False), ("a", True)]


# Pauses.


@pytest.mark.parametrize(
    ("kind", "retry_after", "seconds"),
    [
        (FailureKind.THROTTLED, None, 1),
        (FailureKind.THROTTLED, "7", 7),
        (FailureKind.THROTTLED, "0", 1),
        (FailureKind.THROTTLED, " 7 ", 7),
        (FailureKind.THROTTLED, "Fri, 27 Nov 2026 20:00:00 GMT", 1),
        (FailureKind.THROTTLED, "-5", 1),
        (FailureKind.THROTTLED, "86400", LONGEST_PAUSE_SECONDS),
        (FailureKind.OVERLOADED, "7", 7),
        (FailureKind.OVERLOADED, None, 0),
        (FailureKind.UNAUTHORIZED, None, 10),
    ],
)
def test_after_a_no_others_are_asked_first_for_a_while(kind, retry_after, seconds):
    made = lane()
    made.begin(100).end(failed(kind, retry_after), 100)
    assert made.rank(100 + seconds - 0.01) == (PAUSED if seconds else FREE)
    assert made.rank(100 + seconds) == FREE
    assert made.held(100) is None


# Room.


def test_as_many_as_the_catalog_says_and_the_others_wait_in_turn():
    made = lane(max_concurrent=2)
    first, second = made.begin(0), made.begin(0)
    assert (made.full, made.rank(0)) == (True, FULL)
    waiting = [Waiting(), Waiting(gone=True), Waiting()]
    made.waiting.extend(waiting)
    first.end(None, 1)
    assert isinstance(waiting[0].told, Passage)
    assert (waiting[2].told, made.running, len(made.waiting)) == (None, 2, 2)
    second.end(None, 2)
    assert waiting[1].told is None
    assert isinstance(waiting[2].told, Passage)
    assert (made.running, made.full) == (2, True)
    waiting[0].told.end(None, 3)
    waiting[0].told.end(None, 3)
    assert (made.running, made.full) == (1, False)


def test_a_queue_has_an_end():
    made = lane(max_concurrent=20)
    made.waiting.extend(Waiting() for _ in range(20))
    held = made.held(0)
    assert (held.by, held.wait) == ("load", 1)
    made.waiting.pop()
    assert made.held(0) is None


def test_when_the_breaker_opens_nobody_waits_any_longer():
    made = lane(max_concurrent=5)
    passages = [made.begin(0) for _ in range(5)]
    waiting = [Waiting() for _ in range(3)]
    for each in passages[:4]:
        each.end(failed(FailureKind.UNREACHABLE), 0)
    made.waiting.extend(waiting)
    passages[4].end(failed(FailureKind.UNREACHABLE), 0)
    assert [each.told.by for each in waiting] == ["health"] * 3
    assert made.running == 0


@pytest.mark.parametrize(
    ("more", "most"),
    [
        ({"max_concurrent": 9}, 9),
        ({"max_concurrent": 9, **OURS}, 9),
        (OURS, FIRST),
        ({}, None),
    ],
)
def test_who_has_which_limit(more, most):
    assert lane(**more).state.most == most


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        (FailureKind.TIMED_OUT, True),
        (FailureKind.OVERLOADED, True),
        (FailureKind.THROTTLED, True),
        (FailureKind.SERVER_ERROR, False),
        (FailureKind.UNREACHABLE, False),
    ],
)
def test_failures_of_a_crowd_lower_a_limit_that_is_found(kind, counts):
    made = lane(**OURS)
    for _ in range(3):
        passages = [made.begin(0) for _ in range(100)]
        for each in passages:
            each.end(failed(kind), 0)
    assert (made.state.most < FIRST) is counts


def test_late_answers_lower_a_limit_that_is_found():
    made = lane(**OURS)
    for allowed, lower in ((100, False), (10, True)):
        for each in [made.begin(0) for _ in range(100)]:
            each.answered(allowed, 20)
            each.end(None, 20)
        assert (made.state.most < FIRST) is lower


# Retries.


def test_a_further_call_that_is_answered_or_never_sent_is_given_back():
    made, budget = lane(), RetryBudget(0)
    for outcome in ("answered", "failed", "unsent"):
        left = sum(budget.take(0) for _ in range(20))
        for _ in range(left - 1):
            budget.give_back()
        passage = made.begin(0, budget)
        if outcome == "answered":
            passage.answered(60, 0)
        passage.end(failed(FailureKind.OVERLOADED) if outcome == "failed" else None, 0)
        now = sum(budget.take(0) for _ in range(20))
        assert now == (left - 1 if outcome == "failed" else left)
        for _ in range(now):
            budget.give_back()


# The catalog is read again.


def test_a_new_address_or_key_begins_anew_and_a_new_limit_holds():
    made = lane(max_concurrent=1)
    for _ in range(FAILURES):
        made.begin(0).end(failed(FailureKind.UNAUTHORIZED), 0)
        made.begin(0).end(failed(FailureKind.OVERLOADED), 0)
    made.follow(backend("a", max_concurrent=3), 0)
    assert (made.state.most, made.held(0).by, made.rank(0)) == (3, "health", PAUSED)
    made.follow(backend("a", max_concurrent=3, key_ref="env:OTHER"), 0)
    assert (made.held(0), made.rank(0)) == (None, FREE)


def test_what_is_forgotten_is_asked_at_once():
    made = lane()
    assert not made.forget()
    for _ in range(FAILURES):
        made.begin(0).end(failed(FailureKind.OVERLOADED), 0)
    made.begin(0).end(failed(FailureKind.THROTTLED), 0)
    assert made.forget()
    assert (made.held(0), made.rank(0)) == (None, FREE)
    assert made_changes[id(made)] == [("a", False), ("a", True)]


def test_others_are_told_how_long_it_is_left_alone_and_when_no_longer():
    hints = []
    one = Lane(backend("a"), lambda *_: None, lambda *hint: hints.append(hint))
    for _ in range(5):
        one.begin(100.0).end(failed(FailureKind.UNREACHABLE), 100.0)
    one.begin(101.0).end(failed(FailureKind.UNREACHABLE), 101.5)  # the probe
    one.begin(104.0).answered(60, 104.5)
    assert hints == [("a", 1.0), ("a", 2.0), ("a", 0.0)]


def test_others_are_told_of_a_pause_and_not_of_each_answer_that_moves_it_a_little():
    hints = []
    one = Lane(backend("a"), lambda *_: None, lambda *hint: hints.append(hint))
    for number in range(100):
        one.begin(100.0).end(failed(FailureKind.THROTTLED, "30"), 100.0 + number / 100)
    assert hints == [("a", 30.0), ("a", 30.0)]
    assert one.forget()
    assert hints[2:] == [("a", 0.0)]
    one.begin(200.0).end(failed(FailureKind.REJECTED), 200.0)
    one.begin(200.0).end(None, 200.0)
    assert len(hints) == 3
