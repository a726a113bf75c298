"""What operators set is kept, replaced, removed, and seen by a server that runs."""

import pytest

from gateway.adapters.budget_store import EACH, BudgetStore, Set
from gateway.core.budget import Limit, Spend
from gateway.core.rate import Rate


def spend(per, window, pico_usd):
    return Spend(per, window, pico_usd)


def test_a_server_sees_what_the_command_line_sets(agreeing):
    server, cli = agreeing(BudgetStore), agreeing(BudgetStore)
    assert server.news()
    server.read()
    assert not server.news()
    cli.set_budget("team", "red", "month", 10**19, soft=False)
    cli.set_rate("key", EACH, "requests", 600)
    assert server.news()
    assert server.read() == Set(
        (Limit("budget:team:red:month", "budget", spend("team", "month", 10**19), whose="red"),),
        (Rate("key", "requests", 600),),
    )
    assert not server.news()


@pytest.mark.parametrize(
    ("per", "whose", "soft", "expected"),
    [
        ("app", EACH, True, ("", False)),
        ("app", "chat", False, ("chat", True)),
        ("organisation", "(all)", False, ("", True)),
    ],
)
def test_each_of_one_and_all(agreeing, per, whose, soft, expected):
    store = agreeing(BudgetStore)
    store.set_budget(per, whose, "day", 5, soft=soft)
    [limit] = store.read().limits
    assert (limit.whose, limit.enforced) == expected


def test_a_budget_is_replaced_by_one_of_the_same_window_and_stands_beside_others(agreeing):
    store = agreeing(BudgetStore)
    store.set_budget("team", "red", "day", 5, soft=False)
    store.set_budget("team", "red", "month", 50, soft=False)
    store.set_budget("team", "red", "day", 7, soft=False)
    store.set_rate("team", "red", "tokens", 100)
    store.set_rate("team", "red", "tokens", 200)
    assert [limit.terms.pico_usd for limit in store.read().limits] == [7, 50]
    assert [rate.a_minute for rate in store.read().rates] == [200]
    assert store.remove("team", "red", "day") == 1
    assert store.remove("team", "blue") == 0
    assert store.remove("team", "red") == 2
    assert store.read() == Set()


def test_what_was_set_survives_a_restart_and_is_its_owners_to_read(tmp_path):
    first = BudgetStore(tmp_path)
    first.set_budget("team", "red", "day", 5, soft=False)
    first.close()
    assert len(BudgetStore(tmp_path).read().limits) == 1
    assert (tmp_path / "budgets.sqlite").stat().st_mode & 0o077 == 0
