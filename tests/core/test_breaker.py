"""The circuit breaker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.breaker import FAILURES, LAST_CALLS, LONGEST_SECONDS, SHORTEST_SECONDS, Breaker


def after(outcomes: str) -> Breaker:
    """A breaker after calls, one after the other: `.` was answered, `x` failed."""
    breaker = Breaker()
    for outcome in outcomes:
        era = breaker.begin(0)
        breaker.failed(era, 0) if outcome == "x" else breaker.succeeded(era)
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "closed"),
    [
        ("", True),
        ("xxxx", True),
        ("xxxxx", False),
        ("x.x.x.x.", True),
        ("x.x.x.x.x", False),
        ("xxxx......x", True),
        ("xxxx.....x", False),
        ("." * 100 + "xxxx", True),
    ],
)
def test_five_failures_of_the_last_ten_calls_open_it(outcomes, closed):
    assert after(outcomes).closed is closed


@given(st.text("x.", max_size=40))
def test_it_opens_exactly_when_one_window_has_too_many_failures(outcomes):
    windows = (outcomes[max(0, end - LAST_CALLS) : end] for end in range(1, len(outcomes) + 1))
    first = next((end for end, window in enumerate(windows, 1) if window.count("x") >= FAILURES), None)
    assert after(outcomes if first is None else outcomes[:first]).closed is (first is None)
    if first is not None:
        assert after(outcomes[: first - 1]).closed


def test_while_it_is_open_nobody_calls_then_one_does():
    breaker = after("xxxxx")
    assert breaker.wait(0) == SHORTEST_SECONDS
    assert breaker.wait(SHORTEST_SECONDS / 2) == SHORTEST_SECONDS / 2
    assert breaker.wait(SHORTEST_SECONDS) == 0
    breaker.begin(SHORTEST_SECONDS)
    assert breaker.wait(SHORTEST_SECONDS) > 0
    assert not breaker.closed


def test_a_probe_that_is_answered_closes_it_and_the_past_is_forgotten():
    breaker = after("xxxxx")
    breaker.succeeded(breaker.begin(1))
    assert breaker.closed
    assert breaker.wait(1) == 0
    for _ in range(FAILURES - 1):
        breaker.failed(breaker.begin(1), 1)
    assert breaker.closed


def test_each_probe_that_fails_opens_it_for_twice_as_long_up_to_a_bound():
    breaker, now, waits = after("xxxxx"), 0.0, []
    for _ in range(6):
        now += breaker.wait(now)
        breaker.failed(breaker.begin(now), now)
        waits.append(breaker.wait(now))
    assert waits == [2, 4, 8, 8, 8, 8]
    assert waits[-1] == LONGEST_SECONDS


def test_a_probe_without_an_outcome_lets_the_next_one_go_at_once():
    breaker = after("xxxxx")
    era = breaker.begin(1)
    assert breaker.wait(1.5) > 0
    breaker.forgone(era, 1.5)
    assert breaker.wait(1.5) == 0
    assert not breaker.closed


def test_a_silent_probe_is_followed_by_another():
    breaker = after("xxxxx")
    breaker.begin(1)
    assert breaker.wait(1 + LONGEST_SECONDS) == 0


def test_what_was_sent_before_it_opened_says_nothing_of_the_time_after():
    breaker = Breaker()
    early = [breaker.begin(0) for _ in range(20)]
    for era in early[:5]:
        breaker.failed(era, 0)
    breaker.succeeded(early[5])
    assert not breaker.closed
    breaker.failed(early[6], 0.5)
    breaker.forgone(early[7], 0.5)
    assert breaker.wait(0.5) == SHORTEST_SECONDS - 0.5
    breaker.succeeded(breaker.begin(1))
    for era in early[8:]:
        breaker.failed(era, 1)
    assert breaker.closed


def test_it_says_until_when_no_call_is_sent():
    breaker = Breaker()
    assert breaker.until == 0.0
    for _ in range(FAILURES):
        breaker.failed(breaker.era, 100.0)
    assert breaker.until == 100.0 + SHORTEST_SECONDS
    breaker.reset()
    assert breaker.until == 0.0
