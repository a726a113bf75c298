"""Limits are in force once it is known what was spent under them, and closed while it is not."""

import msgspec
from support.stores import NOW, entry

from gateway.adapters.books import Books, LedgerUnreadable
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.ledger_sqlite import SqliteStore
from gateway.adapters.limits import Limits, uncounted
from gateway.core.budget import Ask, Limit, Reserved, Spend
from gateway.core.spender import Spender

SPENDER = Spender("k1", "red", "chat", "alpha", "openai", "us")
DAILY = Limit("daily", "daily", Spend("team", "day", 100))
WEEKLY = Limit("weekly", "weekly", Spend("team", "week", 1000))
SHARE = Limit("share", "share", Spend("provider", "day", share=0.5, minimum_pico_usd=50))
QUOTA = Limit("quota", "quota", Spend("team", "day", 100, on_store_down="local_quota"))


class Reading:
    """Budgets over a real ledger that cannot be read for a while."""

    def __init__(self, directory) -> None:
        self.budgets = LocalBudgets(Books(directory))
        self.failing = self.behind = False
        self.told: list[str] = []
        self.limits = Limits(self.restore, self.budgets.enforce, lambda: self.behind, self.tell)

    def restore(self, limits):
        if self.failing:
            raise LedgerUnreadable("no connection")
        return self.budgets.restore(limits, NOW)

    def tell(self, event, **fields):
        self.told.append(event)

    def room(self, amount, **spender) -> bool:
        reserved = self.budgets.reserve(Ask("call", msgspec.structs.replace(SPENDER, **spender), amount, amount), NOW)
        if isinstance(reserved, Reserved):
            self.budgets.settle(reserved, 0, 0)
        return isinstance(reserved, Reserved)


def test_what_was_spent_counts_once_the_ledger_can_be_read(tmp_path):
    store = SqliteStore(tmp_path / "ledger.sqlite")
    store.write([entry("a", cost=60, time=NOW, **msgspec.structs.asdict(SPENDER))])
    store.close()
    reading = Reading(tmp_path)
    reading.failing = True
    for _ in range(2):
        reading.limits.prepare([DAILY])()
        assert (reading.limits.due, reading.room(1), reading.room(0)) == (True, False, True)
    reading.failing = False
    reading.limits.prepare([DAILY])()
    assert (reading.limits.due, reading.room(40), reading.room(41)) == (False, True, False)
    assert reading.told == ["limits_closed", "limits_counted"]


def test_limits_that_were_counted_stay_open_when_the_ledger_goes_away(tmp_path):
    reading = Reading(tmp_path)
    reading.limits.prepare([DAILY])()
    reading.behind = True
    reading.limits.prepare([DAILY])()
    assert (reading.limits.due, reading.room(100)) == (False, True)
    reading.limits.prepare([DAILY, WEEKLY])()
    assert (reading.limits.due, reading.room(1)) == (True, False)
    reading.limits.prepare([DAILY])()
    assert (reading.limits.due, reading.room(100), reading.room(101)) == (False, True, False)


def test_a_local_quota_is_open_for_what_this_process_counts(tmp_path):
    reading = Reading(tmp_path)
    reading.behind = True
    reading.limits.prepare([QUOTA])()
    assert (reading.limits.due, reading.room(100), reading.room(101)) == (True, True, False)


def test_what_is_in_force_instead_is_never_the_limit_itself():
    free = Limit("free", "free", Spend("team", "day", 0))
    assert [limit for limit in (DAILY, WEEKLY, SHARE, QUOTA, free) if uncounted(limit) == limit] == []
