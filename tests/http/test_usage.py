"""GET /v1/gateway/usage: a key sees what it spent, what is left to it, and nothing of anybody else."""

import json
import time

import httpx2
import pytest
from support.upstream import OK, answer


def usage(gateway, key) -> httpx2.Response:
    return httpx2.get(f"{gateway.base}/v1/gateway/usage", headers={"authorization": f"Bearer {key}"}, timeout=10)


@pytest.fixture
def spender(gateway, upstream):
    upstream.scripts["a"] = [answer(OK)]
    key = gateway.key(team="spenders", app="spending", sensitivity="public")
    body = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}
    for _ in range(3):
        told = httpx2.post(
            f"{gateway.base}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}, timeout=10
        )
        assert told.status_code == 200
    gateway.ledger()  # once it is there
    return key


def test_a_key_sees_what_it_spent(gateway, spender):
    told = usage(gateway, spender).json()
    assert (told["object"], told["team"], told["app"]) == ("gateway.usage", "spenders", "spending")
    for period in ("day", "month"):
        spent = told["spend"][period]
        assert (spent["requests"], spent["cost_usd"], spent["estimated_usd"]) == (3, "0.000045", "0")
        assert (spent["tokens_read"], spent["tokens_written"]) == (30, 15)
        assert spent["by_model"] == [{"model": "a", "requests": 3, "cost_usd": "0.000045"}]


def test_a_key_sees_nothing_of_others(gateway, spender):
    other = usage(gateway, gateway.key(team="spenders", app="spending", sensitivity="public")).json()
    assert (other["spend"]["month"]["requests"], other["spend"]["month"]["by_model"]) == (0, [])


def test_budgets_and_rates_of_a_key_are_told(gateway, upstream):
    upstream.scripts["a"] = [answer(OK)]
    key = gateway.key(team="t", app="a", sensitivity="public", **{"budget-usd": "2.50", "per": "day", "rpm": "100"})
    seen = _until(lambda: usage(gateway, key).json(), lambda told: told.get("budgets") and told["rate_limits"])
    mine = [each for each in seen["budgets"] if each["per"] == "key" and each["limit_usd"] == "2.5"]
    assert [(each["window"], each["settled_usd"], each["remaining_usd"], each["state"]) for each in mine] == [
        ("day", "0", "2.5", "ok")
    ]
    assert seen["rate_limits"]["requests"] == {"per_minute": 100, "remaining": 100, "resets_in_seconds": 0.0}


def test_budgets_of_every_project_that_a_key_may_name_are_told(gateway, upstream):
    for name, amount in (("usage-one", "3"), ("usage-two", "4")):
        assert gateway.cli("budgets", "set", "--project", name, "--usd", amount, "--per", "week").returncode == 0
    made = gateway.cli(
        *("keys", "create", "--team", "t", "--app", "a", "--format", "json", "--budget-usd", "5"),
        *("--project", "usage-one", "--project", "usage-two"),
    )
    key = json.loads(made.stdout)["key"]

    def told() -> list[tuple[str, str]]:
        return sorted((each["account"], each["limit_usd"]) for each in usage(gateway, key).json().get("budgets", ()))

    expected = {("usage-one", "3"), ("usage-two", "4")}
    seen = _until(told, lambda seen: expected <= set(seen))
    assert expected <= set(seen)
    assert len([limit for _, limit in seen if limit == "5"]) == 1  # its own is not told once for each project


def test_a_new_key_never_answers_without_its_budget(gateway, upstream):
    upstream.scripts["a"] = [answer(OK)]
    body = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}
    for _ in range(3):
        key = gateway.key(team="t", app="a", sensitivity="public", **{"budget-usd": "0.00001"})
        statuses, deadline = [503], time.monotonic() + 10
        while statuses[-1] == 503 and time.monotonic() < deadline:
            asked = httpx2.post(
                f"{gateway.base}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}, timeout=10
            )
            statuses.append(asked.status_code)
            time.sleep(0.05)
        assert (statuses[-1], set(statuses) - {402, 503}) == (402, set())
    assert upstream.seen == []


def _until(look, good):
    deadline = time.monotonic() + 5
    while not good(told := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return told


def test_without_a_key_there_is_nothing_to_see(gateway):
    assert httpx2.get(f"{gateway.base}/v1/gateway/usage", timeout=10).status_code == 401
