"""Budgets that replicas share, on a real server: the contract of all stores, concurrency, and every kind of outage."""

import pytest
from support.budgets_contract import BudgetsContract
from support.shared_books import Shared, by_set_clock, start_of_time

from gateway.adapters.budgets_local import LocalBudgets


class TestBudgets(BudgetsContract):
    @pytest.fixture
    async def make(self, valkey_url, monkeypatch):
        by_set_clock(monkeypatch)
        start_of_time(valkey_url)
        made = []

        async def make(*limits, rates=(), ledger=None):
            books = Shared(valkey_url, LocalBudgets(ledger).restore if ledger else None)
            made.append(books)
            await books.budgets.start()
            await books.enforce(limits, rates)
            return books

        yield make
        for books in made:
            await books.close()
