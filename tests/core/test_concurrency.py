"""Limits on calls at once, given and found."""

import heapq
import random

import pytest

from gateway.core.concurrency import FIRST, LEAST, MOST, Found, Given


def window(limit: Found, running: int, late: int, of: int = MOST) -> None:
    """Answers of one window, so many of them late."""
    before, round = limit.most, limit.round
    for number in range(of):
        limit.answered(round, running, late=number < late)
        if limit.most != before or limit.round != round:
            return


def test_a_given_limit_stays():
    limit = Given(7)
    for _ in range(100):
        limit.answered(0, 7, late=True)
    assert limit.most == 7


def test_a_crowd_that_is_late_lowers_it_below_what_ran():
    limit = Found()
    window(limit, running=100, late=MOST)
    assert limit.most == 70


def test_single_late_calls_are_long_prompts():
    limit = Found()
    for number in range(1000):
        limit.answered(0, 100, late=number % 3 == 0)
    assert limit.most == FIRST


def test_it_never_falls_below_what_keeps_a_server_busy():
    limit = Found()
    for _ in range(50):
        window(limit, running=1, late=MOST)
    assert limit.most == LEAST


def test_it_rises_only_when_it_is_used_and_in_time():
    limit = Found()
    window(limit, running=100, late=MOST)
    for _ in range(1000):
        limit.answered(limit.round, 10, late=False)
    assert limit.most == 70
    for _ in range(1000):
        limit.answered(limit.round, limit.most, late=False)
    assert limit.most > 150


def test_it_has_an_end():
    limit = Found()
    for _ in range(100_000):
        limit.answered(0, limit.most, late=False)
    assert limit.most == MOST


def test_calls_from_before_a_fall_say_nothing_of_the_time_after():
    limit = Found()
    window(limit, running=100, late=MOST)
    for _ in range(1000):
        limit.answered(0, 100, late=True)
    assert limit.most == 70


@pytest.mark.parametrize("slots", [4, 16, 64])
def test_a_server_that_is_asked_three_times_too_much_keeps_its_pace_and_answers_in_time(slots):
    """A server that serves so many calls at once and lets the others wait, as model servers do; calls arrive at three
    times its pace, and those above the limit are turned away."""
    draw = random.Random(slots)
    service, allowed = 0.5, 20.0
    late_after = allowed / 4
    limit, running, now = Found(), 0, 0.0
    free_at = [0.0] * slots
    ends: list[tuple[float, float, int]] = []
    done, waits = 0, []
    seconds = 600.0
    while now < seconds:
        now += draw.expovariate(3 * slots / service)
        while ends and ends[0][0] <= now:
            end, began, round = heapq.heappop(ends)
            limit.answered(round, running, late=end - began > late_after)
            running -= 1
            if end > seconds / 2:
                done += 1
                waits.append(end - began)
        if running < limit.most:
            running += 1
            begins = max(now, heapq.heappop(free_at))
            end = begins + draw.uniform(0.5, 1.5) * service
            heapq.heappush(free_at, end)
            heapq.heappush(ends, (end, now, limit.round))
    assert done >= 0.9 * (seconds / 2) * slots / service
    waits.sort()
    assert waits[len(waits) // 2] <= 1.5 * late_after
    assert waits[-1] < allowed
