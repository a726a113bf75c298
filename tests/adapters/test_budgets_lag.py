"""What a ledger had, at a time that is over."""

import math

import pytest

from gateway.adapters.budgets_lag import Reached, at_once

LAGS = {10.0: 0.0, 11.0: 1.0, 12.0: 2.0, 13.0: 0.0, 14.0: math.inf}


@pytest.mark.parametrize(
    ("moment", "had"), [(9.9, -math.inf), (10.0, 10), (11.5, 10), (12.9, 10), (13.0, 13), (99.0, -math.inf)]
)
def test_what_it_had_is_what_it_was_behind_then(moment, had):
    lags = iter(LAGS.values())
    reached = Reached(lambda: next(lags))
    for now in LAGS:
        reached.look(now)
    assert reached.at(moment) == had


def test_it_is_not_asked_more_often_than_is_of_use():
    asked = []
    reached = Reached(lambda: asked.append(0) or 0.0)
    for number in range(100):
        reached.look(number / 100)
    assert len(asked) == 4


def test_a_ledger_without_lag_has_everything():
    assert at_once() == 0
