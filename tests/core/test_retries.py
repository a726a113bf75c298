"""The retry budget."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.retries import A_SECOND, AT_ONCE, SHARE, RetryBudget


def test_some_may_be_made_at_once_and_then_one_a_second():
    budget = RetryBudget(0)
    assert [budget.take(0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert [budget.take(1), budget.take(1), budget.take(2)] == [True, False, True]


def test_one_for_ten_requests():
    budget = RetryBudget(0)
    made = 0
    for _ in range(1000):
        budget.requested()
        made += budget.take(0)
    assert made in (109, 110)


def test_what_is_answered_costs_nothing():
    budget = RetryBudget(0)
    for _ in range(1000):
        assert budget.take(0)
        budget.give_back()


def test_quiet_hours_are_not_saved_up():
    budget = RetryBudget(0)
    for _ in range(10_000):
        budget.requested()
    assert sum(budget.take(86_400) for _ in range(100)) == 10


@given(st.lists(st.tuples(st.sampled_from(["request", "take"]), st.floats(0, 2)), max_size=200))
def test_it_is_never_more_than_its_terms_allow(steps):
    budget, now, requests, taken = RetryBudget(0), 0.0, 0, 0
    for step, seconds in steps:
        now += seconds
        if step == "request":
            budget.requested()
            requests += 1
        else:
            taken += budget.take(now)
    assert taken <= AT_ONCE + requests * SHARE + now * A_SECOND + 1e-6
