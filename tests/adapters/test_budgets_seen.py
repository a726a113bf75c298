"""What is known of an account that cannot be asked."""

import pytest
from support.budgets_contract import DAY, NANO, NOON, limit

from gateway.adapters import budgets_seen
from gateway.adapters.budgets_book import family_of
from gateway.adapters.budgets_seen import Seen, Told

MIDNIGHT = NOON - DAY / 2
OF_EACH = limit("l", "key", "day", 300)


def seen(of=OF_EACH, *, at=NOON):
    found = Seen()
    found.note(family_of(of), "k1", Told(40, 2, at, 0.0))
    return found


@pytest.mark.parametrize(
    ("value", "told", "moment", "alone_since", "used"),
    [
        ("k1", NOON, NOON + 60, NOON + 30, 42 * NANO),
        ("k1", NOON, NOON + DAY, NOON + 30, 0),  # nobody was counted for all in this window
        ("k1", NOON, NOON + DAY, MIDNIGHT + DAY, 0),
        ("k1", NOON, NOON + DAY, MIDNIGHT + DAY + 1, None),  # others may have spent it in the second before
        ("k2", NOON, NOON + 60, NOON + 30, None),
        ("k2", NOON, NOON + DAY, NOON + 30, 0),
    ],
)
def test_what_is_used_is_known_or_it_is_not(value, told, moment, alone_since, used):
    assert seen(at=told).used(OF_EACH, value, moment, alone_since) == used


def test_in_a_window_that_rolls_what_was_told_counts_until_all_of_it_has_left():
    rolling = limit("l", "key", "1h", 300)
    found = seen(rolling)
    assert found.used(rolling, "k1", NOON + 3599, NOON) == 42 * NANO
    assert found.used(rolling, "k1", NOON + 3600, NOON) == 0
    assert found.used(rolling, "k2", NOON + 3599, NOON) is None


def test_a_standing_is_what_was_told_last_in_its_window():
    found = seen()
    for moment, amounts in ((NOON, (40 * NANO, 2 * NANO)), (NOON + DAY, (0, 0))):
        told = found.standing(OF_EACH, "k1", moment)
        assert (told.spent_pico_usd, told.reserved_pico_usd) == amounts
    assert found.standing(OF_EACH, "k2", NOON).spent_pico_usd == 0


def test_the_one_that_was_told_longest_ago_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(budgets_seen, "_REMEMBERED", 2)
    found, family = Seen(), family_of(OF_EACH)
    for value in ("k1", "k2", "k1", "k3"):
        found.note(family, value, Told(1, 0, NOON, 0.0))
    assert [value for value in ("k1", "k2", "k3") if found.last(OF_EACH, value)] == ["k1", "k3"]
