"""What a test says was spent bounds what may be sent, as the gateway's own books would."""

import random
from decimal import Decimal

import pytest
from support.policy_trees import FACTS

from gateway.adapters.books import Books
from gateway.adapters.budgets_local import LocalBudgets
from gateway.core.budget import EVERYTHING, Ask, Exceeded, Limit, Spend
from gateway.core.catalog import Backend
from gateway.core.price import per_million
from gateway.core.spender import Spender
from gateway.policy.model import OWN
from gateway.review.spending import Purse, Room, spender_of

PRICE = per_million("p", input=Decimal(2), output=Decimal(10))
WHO = Spender("k1", "legal", "web", "default", "openai", "us")
MOMENT = 1_800_000_000.0


def limit(per="key", usd=10, *, enforced=True, **terms):
    return Limit("l#1", "l", Spend(per, "day", usd, **terms), enforced=enforced)


@pytest.mark.parametrize(
    ("terms", "spent", "cost", "full"),
    [
        (limit(), {}, 10, False),
        (limit(), {}, 11, True),
        (limit(), {"l#1": {OWN: 9}}, 1, False),
        (limit(), {"l#1": {OWN: 9}}, 2, True),
        (limit(), {"l#1": {"k1": 9}}, 2, True),
        (limit(), {"l#1": {"k2": 9}}, 2, False),
        (limit(), {"l#1": {"k1": 0, OWN: 9}}, 2, False),
        (limit(), {"l#2": {OWN: 99}}, 2, False),
        (limit("organisation"), {"l#1": {OWN: 9}}, 2, True),
        (limit("provider", None, share=0.6), {"l#1": {"openai": 60, "mistral": 40}}, 1, True),
        (limit("provider", None, share=0.6), {"l#1": {"openai": 58, "mistral": 42}}, 1, False),
        (limit("provider", None, share=0.6, minimum_pico_usd=200), {"l#1": {"openai": 99}}, 1, False),
    ],
)
def test_room(terms, spent, cost, full):
    found = Purse([terms], spent).room(WHO, cost, MOMENT, None)
    assert (found.full is not None, found.watched) == (full, ())


def test_on_trial_a_limit_is_told_and_the_one_downgraded_by_is_not_asked_again():
    spent = {"l#1": {OWN: 10}}
    assert Purse([limit(enforced=False)], spent).room(WHO, 1, MOMENT, None) == Room(None, ("l",))
    assert Purse([limit()], spent).room(WHO, 1, MOMENT, "l#1") == Room(None, ())


@pytest.mark.parametrize("seed", range(200))
def test_the_books_of_the_gateway_say_the_same(seed, tmp_path):
    dice = random.Random(seed)
    share = dice.random() < 0.5
    terms = Spend("provider", "day", None if share else 50, share=0.6 if share else None, minimum_pico_usd=20)
    asked = Limit("l#1", "l", terms, enforced=dice.random() < 0.7)
    spent = {name: dice.randint(0, 60) for name in dice.sample(["openai", "mistral", "qwen"], 2)}
    books = LocalBudgets(Books(tmp_path))
    restored = {("l#1", name): {int(MOMENT // 3600) * 3600: cost} for name, cost in spent.items()}
    if share:
        restored["l#1", EVERYTHING] = {int(MOMENT // 3600) * 3600: sum(spent.values())}
    books.enforce([asked], restored)
    cost = dice.randint(0, 30)
    expected, found = (
        books.reserve(Ask("call", WHO, cost, cost), MOMENT),
        Purse([asked], {"l#1": spent}).room(WHO, cost, MOMENT, None),
    )
    assert found.full == (expected if isinstance(expected, Exceeded) else None)
    assert found.watched == (() if isinstance(expected, Exceeded) else expected.watched)


def test_whose_accounts_a_call_counts_in():
    backend = Backend("b", "openai", "", "b", {"zone": "us"})
    assert spender_of(FACTS, backend) == WHO
