"""Budgets and their windows: the same, or stricter with a note."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.budget import window_at
from gateway.providers import BASE_URLS
from gateway.review.litellm.budgets import WINDOWS, Budget, budget_of, budgets_of, rolling
from gateway.review.litellm.values import Ceiling, Command, Findings


@pytest.mark.parametrize(
    ("amount", "duration", "usd", "window", "same"),
    [
        (100, "1h", D(100), "hour", True),
        ("0.5", "1d", D("0.5"), "day", True),
        (1, "24h", D(1), "day", True),
        (1, "7d", D(1), "week", True),
        (1, "30d", D(1), "month", True),
        (1, "1mo", D(1), "month", True),
        (1, "30s", D(1), "hour", False),
        (1, "10d", D(1), "month", False),
        (90, "90d", D(30), "month", False),
        (100, "3mo", D("33.333333"), "month", False),
        (1, None, D(1), "month", False),
        (1, "fortnight", D(1), "month", False),
        (0, "1d", D(0), "day", True),
    ],
)
def test_windows(amount, duration, usd, window, same):
    budget = budget_of(amount, duration)
    assert budget == Budget(usd, window, budget.tightened)
    assert (budget.tightened == "") == same


@pytest.mark.parametrize("amount", [None, "much", -1, 10**9, True])
def test_what_is_no_amount(amount):
    assert budget_of(amount, "1d") is None


@given(st.integers(1, 2000), st.sampled_from(["s", "m", "h", "d", "w", "mo"]), st.integers(1, 10**6))
def test_what_is_carried_over_never_allows_more_in_any_window(count, unit, amount):
    budget = budget_of(amount, f"{count}{unit}")
    seconds = count * {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "mo": 2_592_000}[unit]
    whole = -(-seconds // WINDOWS[budget.window])
    assert budget.usd * whole <= amount


@pytest.mark.parametrize(
    ("duration", "window"),
    [
        ("1d", "day"),
        ("10d", "10d"),
        ("24h", "day"),
        ("36h", "36h"),
        ("1mo", "month"),
        ("2mo", "60d"),
        ("30s", None),
        (None, None),
    ],
)
def test_windows_of_policies(duration, window):
    assert rolling(duration) == window
    if window:
        assert window_at(window, 1e9).end > 1e9


@pytest.mark.parametrize(
    ("config", "ceilings", "commands", "notes"),
    [
        ({"litellm_settings": {"max_budget": 100, "budget_duration": "30d"}},
         [Ceiling("litellm_settings.max_budget", D(100), "organisation", "month")], [], []),
        ({"litellm_settings": {"max_budget": 100}},
         [Ceiling("litellm_settings.max_budget", D(100), "organisation", "month")], [], ["litellm_settings.max_budget"]),
        ({"litellm_settings": {"max_budget": "os.environ/X"}}, [], [], ["litellm_settings.max_budget"]),
        ({"litellm_settings": {"default_team_settings": [
            {"team_id": "default-settings", "max_budget": 5, "budget_duration": "12d"},
            {"team_id": "red", "max_budget": 7, "budget_duration": "1d", "success_callback": ["x"]}, {"team_id": "blue"}, 3]}},
         [Ceiling("litellm_settings.default_team_settings", D(5), "team", "12d")],
         ["--team=red --usd=7 --per=day"],
         ["litellm_settings.default_team_settings.success_callback", "litellm_settings.default_team_settings"]),
        ({"router_settings": {"provider_budget_config": {
            "openai": {"budget_limit": D("0.50"), "time_period": "1d"}, "dashscope": {"max_budget": 9, "budget_duration": "1mo"},
            "cohere": {"budget_limit": 1, "time_period": "1d"}, "groq": {"budget_limit": "x"}, "xai": {"budget_limit": 1, "time_period": "1d", "a": 1}}}},
         [], ["--provider=openai --usd=0.5 --per=day", "--provider=qwen --usd=9 --per=month", "--provider=xai --usd=1 --per=day"],
         ["router_settings.provider_budget_config", "router_settings.provider_budget_config", "router_settings.provider_budget_config.a"]),
    ],
)  # fmt: skip
def test_budgets(config, ceilings, commands, notes):
    found = Findings()
    got, told, _ = budgets_of(config, BASE_URLS, found)
    assert got == ceilings
    assert told == [Command(("gateway", "budgets", "set", *words.split())) for words in commands]
    assert [note.key for note in found.notes()] == notes
