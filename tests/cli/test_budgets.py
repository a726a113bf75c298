"""`gateway budgets`, and the budget of a key that is made."""

import json

import pytest
from support.stores import entry
from typer.testing import CliRunner

from gateway.adapters.budget_store import BudgetStore
from gateway.adapters.stores import store_of
from gateway.cli import app
from gateway.core.budget import Limit, Spend
from gateway.core.rate import Rate

USD = 10**12


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_STATE_DIR", str(tmp_path / "state"))

    def call(*arguments: str):
        result = CliRunner().invoke(app, arguments)
        return result.exit_code, result.stdout, result.stderr

    return call


def store(tmp_path):
    return BudgetStore(tmp_path / "state").read()


def test_a_budget_and_a_rate_are_set_at_once(run, tmp_path):
    code, out, _ = run("budgets", "set", "--team", "red", "--usd", "49.50", "--per", "week", "--rpm", "60")
    assert (code, out) == (0, "team red: 49.5 USD a week\nteam red: 60 requests a minute\n")
    assert store(tmp_path).limits == (
        Limit("budget:team:red:week", "budget", Spend("team", "week", 49_500_000_000_000), whose="red"),
    )
    assert store(tmp_path).rates == (Rate("team", "requests", 60, "red"),)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--usd", "5"], "say whose"),
        (["--team", "a", "--app", "b", "--usd", "5"], "say whose"),
        (["--team", "", "--usd", "5"], "say whose"),
        (["--team", "a"], "nothing to set"),
        (["--team", "a", "--usd", "five"], "cannot read the amount five"),
        (["--team", "a", "--usd", "-1"], "cannot read the amount -1"),
        (["--team", "a", "--usd", "Infinity"], "cannot read the amount"),
        (["--team", "a", "--usd", "1e400"], "the amount 1e400 is no budget; at most 1000000000000 USD"),
        (
            ["--team", "a", "--usd", "5", "--per", "fortnight"],
            "unknown window fortnight; known: hour, day, week, month",
        ),
        (["--key", "key_x", "--usd", "5"], "no key `key_x`"),
        (["--provider", "openai", "--rpm", "5"], "a rate is for a team, app or key"),
    ],
)
def test_bad_input_is_told(run, arguments, said):
    code, _, err = run("budgets", "set", *arguments)
    assert code == 2
    assert said in err


def test_what_was_set_is_removed(run):
    assert run("budgets", "remove", "--team", "red")[0] == 1
    run("budgets", "set", "--team", "red", "--usd", "5", "--tpm", "100")
    assert run("budgets", "remove", "--team", "red", "--per", "day")[0] == 1
    code, out, _ = run("budgets", "remove", "--team", "red")
    assert (code, out) == (0, "removed 2 for team red\n")


def test_a_key_is_made_with_its_budget(run, tmp_path):
    code, out, _ = run(
        *("keys", "create", "--team", "t", "--app", "a", "--budget-usd", "20", "--per", "day", "--tpm", "1000"),
        *("--format", "json"),
    )
    id = json.loads(out)["id"]
    assert code == 0
    assert store(tmp_path).limits == (Limit(f"budget:key:{id}:day", "budget", Spend("key", "day", 20 * USD), whose=id),)
    assert store(tmp_path).rates == (Rate("key", "tokens", 1000, id),)
    assert run("budgets", "set", "--key", id, "--usd", "1")[0] == 0


def test_a_key_with_a_bad_budget_is_not_made(run):
    code, _, err = run("keys", "create", "--team", "t", "--app", "a", "--budget-usd", "lots")
    assert (code, "cannot read the amount lots" in err) == (2, True)
    assert json.loads(run("keys", "list", "--format", "json")[1]) == []


def test_the_list_has_what_the_ledger_says_was_spent(run, tmp_path):
    run("budgets", "set", "--team", "*", "--usd", "10", "--per", "month")
    run("budgets", "set", "--team", "red", "--usd", "4", "--per", "month", "--soft")
    run("budgets", "set", "--app", "chat", "--usd", "1")
    run("budgets", "set", "--key", "*", "--rpm", "5")
    store = store_of(tmp_path / "state")
    store.write([entry("a", team="red", app="batch", cost=5 * USD)])
    store.close()
    code, out, _ = run("budgets", "list", "--format", "json")
    told = json.loads(out)
    shown = {
        (
            each["per"],
            each["account"],
            each["limit_usd"],
            each["settled_usd"],
            each["used"],
            each["mode"],
            each["whose"],
        )
        for each in told["budgets"]
    }
    assert code == 0
    assert shown == {
        ("team", "red", "10", "5", "50.0%", "hard", "each"),
        ("team", "red", "4", "5", "125.0%", "soft", "one"),
        ("app", "chat", "1", "0", "0.0%", "hard", "one"),
    }
    lines = run("budgets", "list")[1].splitlines()
    assert [line.split()[:3] for line in lines if "  red " in line] == [
        ["each", "team", "red"],
        ["team", "red", "month"],
    ]
    assert told["rates"] == [{"per": "key", "unit": "requests", "a_minute": 5, "whose": ""}]
    assert "125.0%" in run("budgets", "list")[1]
    assert run("budgets", "list", "--format", "csv")[1].startswith("per,account,window,limit_usd,")
