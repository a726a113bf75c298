"""Budgets as series: what a scrape finds, and what it does not."""

from prometheus_client import CollectorRegistry

from gateway.adapters import budget_metrics
from gateway.adapters.budget_metrics import BudgetSeries
from gateway.core.budget import Limit, Spend, Standing

USD = 10**12


def standing(per, value, spent, id="l"):
    return Standing(Limit(id, "rule", Spend(per, "day", 10 * USD)), value, spent * USD, USD // 2, 10 * USD, 86_400.0)


def registry(*standings, drop=lambda _: None):
    made, series = CollectorRegistry(), BudgetSeries(drop)
    made.register(series)
    series.show(standings, 3 * USD)
    return made


def test_an_account_has_its_figures():
    found = registry(standing("team", "red", 4))
    labels = {"budget": "l", "per": "team", "account": "red", "window": "day"}
    figures = {
        name: found.get_sample_value(f"gateway_budget_{name}", labels)
        for name in ("limit_usd", "settled_usd", "reserved_usd", "reset_timestamp_seconds")
    }
    assert figures == {"limit_usd": 10, "settled_usd": 4, "reserved_usd": 0.5, "reset_timestamp_seconds": 86_400}
    assert found.get_sample_value("gateway_budget_overshoot_usd_total") == 3


def test_a_key_is_no_label():
    found = registry(standing("key", "key_1", 4))
    assert [sample for metric in found.collect() for sample in metric.samples if "account" in sample.labels] == []


def test_the_fullest_accounts_are_shown_and_the_others_told(monkeypatch):
    monkeypatch.setattr(budget_metrics, "MAX_ACCOUNTS", 2)
    dropped = []
    found = registry(*(standing("team", f"t{n}", n) for n in range(5)), drop=dropped.append)
    shown = {sample.labels["account"] for metric in found.collect() for sample in metric.samples if sample.labels}
    assert shown == {"t4", "t3"}
    assert dropped == [3]
