"""Two gateways, each its own process and state, one Valkey: what one spends the other does not have."""

import asyncio
import math
import socket
import time

import httpx2
import pytest
from support import stores
from support.replicas import tree
from support.server import backend, serving
from support.upstream import OK, answer

from gateway import spending as spending_module
from gateway.adapters.books import Books
from gateway.adapters.budget_store import BudgetStore
from gateway.adapters.replicas import Replicas
from gateway.adapters.series import Series
from gateway.core.errors import Refused
from gateway.settings import Settings
from gateway.spending import Spending


def ask(gateway, key):
    body = {"model": "a", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3000}
    headers = {"authorization": f"Bearer {key}"}
    return httpx2.post(f"{gateway.base}/v1/chat/completions", json=body, headers=headers, timeout=20)


def usage(gateway, key):
    headers = {"authorization": f"Bearer {key}"}
    return httpx2.get(f"{gateway.base}/v1/gateway/usage", headers=headers, timeout=20).json()


@pytest.fixture
def policies(tmp_path):
    return tree(tmp_path / "tree", 0.01)


@pytest.mark.assures("fault 26")
def test_what_one_spends_the_other_does_not_have(tmp_path, upstream, policies, postgres_server):
    ledger = stores.Place(tmp_path, postgres_server.url())
    catalog = {"a": backend(upstream.url("a"), max_output=4000)}
    dear = answer({**OK, "usage": {"prompt_tokens": 10, "completion_tokens": 3000, "total_tokens": 3010}})
    with stores.valkey() as server:
        url = {"GATEWAY_VALKEY_URL": stores.url_of(server), "GATEWAY_DATABASE_URL": ledger.url}
        with (
            serving(tmp_path / "1", catalog, policies, **url) as first,
            serving(tmp_path / "2", catalog, policies, **url) as second,
        ):
            keys = {each: each.key(sensitivity="public", rpm="6000") for each in (first, second)}
            until = time.monotonic() + 10  # a new key waits for its rate
            while not all(usage(*each).get("rate_limits") for each in keys.items()) and time.monotonic() < until:
                time.sleep(0.1)
            upstream.scripts["a"] = [dear] * 10
            answers = [ask(each, keys[each]) for each in (first, second, first, second, first)]
            assert [each.status_code for each in answers[:3]] == [200, 200, 200]
            assert answers[-1].status_code in (200, 402)  # the answer is cut to what is left
            time.sleep(1)  # ended calls are carried over in groups
            spent = sum(cost for *_, cost in ledger.rows())
            [key] = server.client().keys("{gw}:a:*")
            assert [int(amount) for amount in server.client().hmget(key, "S", "R")] == [spent // 1000, 0]
            assert usage(first, keys[first])["rate_limits"]["requests"]["per_minute"] == 6000
            server.stop()
            refused = ask(first, keys[first])
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "budgets_unavailable")
            assert refused.headers["retry-after"] == "2"
            assert '"budgets_down"' in first.log.read_text()
            until = time.monotonic() + 10  # what was spent is told once the ledger has been read anew
            while not (told := usage(first, keys[first]))["spend"]["day"]["requests"] and time.monotonic() < until:
                time.sleep(0.1)
            assert (told["rate_limits"], told["spend"]["day"]["requests"] > 0) == (None, True)


def test_budgets_are_told_how_far_the_ledger_is_behind(tmp_path, postgres_server):
    settings = Settings(state_dir=tmp_path, valkey_url="valkey://127.0.0.1:1", database_url=postgres_server.url())
    spending = Spending(settings, lambda *_, **__: None, BudgetStore(tmp_path), Replicas(), Series())
    lag = spending.budgets._keeping._reached._lag
    until = time.monotonic() + 10
    while spending.ledger.recovered is None and time.monotonic() < until:
        time.sleep(0.01)
    assert lag() == spending.ledger.lag_seconds() == 0.0
    spending.ledger.recovered = None  # as it is while the store is away
    assert lag() == math.inf
    asyncio.run(spending.close())


async def test_who_asks_what_a_key_spent_is_answered_soon_while_the_database_is_frozen(tmp_path, monkeypatch):
    monkeypatch.setattr(spending_module, "_ANSWER_SECONDS", 0.5)
    spending = Spending(
        Settings(state_dir=tmp_path), lambda *_, **__: None, BudgetStore(tmp_path), Replicas(), Series()
    )
    with socket.create_server(("127.0.0.1", 0), backlog=50) as frozen:  # it takes connections and says nothing
        spending._of_keys = Books(tmp_path, f"postgresql://me@127.0.0.1:{frozen.getsockname()[1]}/d", 0.5)
        began = time.monotonic()
        told = await asyncio.gather(*(spending.spent(f"k{n}", 0.0) for n in range(6)), return_exceptions=True)
        assert time.monotonic() - began < 3
        assert [(each.refusal.code, each.retry_after) for each in told] == [("ledger_unavailable", 5)] * 6
        assert all(isinstance(each, Refused) and "nobody can say" in each.message for each in told)
        await asyncio.wait_for(asyncio.to_thread(lambda: None), 2)  # nobody else waits for them
    await spending.close()
