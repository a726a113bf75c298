"""What a replica may spend alone."""

from support.budgets_contract import DAY, NANO, NOON, ask, limit

from gateway.adapters.budgets_alone import Parts
from gateway.core.budget import Exceeded

OF_EACH, OF_ALL = limit("key", "key", "day", 300), limit("all", "organisation", "day", 1000)
LINES = [(OF_EACH, "k1"), (OF_ALL, "(all)")]


def test_a_part_is_of_what_was_left_and_by_the_number_of_replicas():
    parts = Parts(2)
    seen = {("key", "k1"): 100 * NANO}
    assert parts.take(ask(50), LINES, seen, NOON) == 50 * NANO
    assert parts.take(ask(100, 10), LINES, seen, NOON) == 25 * NANO  # half of what is left of 100
    assert parts.take(ask(26), LINES, seen, NOON) == Exceeded(
        OF_EACH, "k1", 0, 75 * NANO, 100 * NANO, NOON // DAY * DAY + DAY
    )


def test_what_is_settled_is_spent_and_the_rest_is_there_again():
    parts, call = Parts(1), ask(300)
    assert parts.take(call, LINES, {}, NOON) == 300 * NANO
    parts.settle(call.id, 40 * NANO, NOON)
    parts.settle(call.id, 40 * NANO, NOON)  # nobody knows it any more
    assert parts.take(ask(260), LINES, {}, NOON) == 260 * NANO
    assert isinstance(parts.take(ask(1), LINES, {}, NOON), Exceeded)


def test_when_the_window_is_over_the_part_is_of_the_whole():
    parts = Parts(2)
    seen = {("key", "k1"): 300 * NANO}
    assert isinstance(parts.take(ask(1), LINES, seen, NOON), Exceeded)
    assert parts.take(ask(150), LINES, seen, NOON + DAY) == 150 * NANO
    assert isinstance(parts.take(ask(1), LINES, seen, NOON + DAY), Exceeded)


def test_without_limits_all_is_granted():
    assert Parts(3).take(ask(7), [], {}, NOON) == 7 * NANO


def test_what_a_call_can_no_longer_cost_is_there_for_the_next():
    parts, call = Parts(1), ask(300)
    parts.take(call, LINES, {}, NOON)
    for amount in (100, 100, 200):  # never more again
        parts.shrink(call.id, amount * NANO)
    parts.shrink("call-of-another", 0)
    assert isinstance(parts.take(ask(201), LINES, {}, NOON), Exceeded)
    assert parts.take(ask(200), LINES, {}, NOON) == 200 * NANO
    parts.settle(call.id, 100 * NANO, NOON)
    assert isinstance(parts.take(ask(1), LINES, {}, NOON), Exceeded)
