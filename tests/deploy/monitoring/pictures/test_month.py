"""The month that the pictures show: its series are those that the gateway has, and its figures add up."""

import re
from itertools import pairwise

import pytest
from support.server import ROOT

from deploy.monitoring.pictures.house import EVERYBODY, LEVELS, LIMITS, MONTH, ZONES, may
from deploy.monitoring.pictures.month import month
from deploy.monitoring.pictures.series import REPLICAS, TIMES

_ROW = re.compile(r"^\| `(gateway_\w+)` \| ([`\w ]*)\|", re.MULTILINE)
PAGE = {
    name: {*re.findall(r"`(\w+)`", labels)} for name, labels in _ROW.findall((ROOT / "docs/metrics.md").read_text())
}


@pytest.fixture(scope="module")
def families():
    """Name: the kind, and each series as (labels, values, begin)."""
    made = month().families
    return {
        name: (kind, [(dict(re.findall(r'(\w+)="([^"]*)"', shown)), values, begin) for shown, values, begin in series])
        for name, (kind, series) in made.items()
    }


def of(families, name, **labels):
    found = [each for each in families[name][1] if labels.items() <= each[0].items()]
    assert found, (name, labels)
    return found


def test_every_series_is_one_that_the_gateway_has(families):
    for name, (kind, series) in families.items():
        shown = f"{name}_total" if kind == "counter" else name
        assert shown in PAGE, shown
        for labels, values, begin in series:
            assert labels.keys() - {"instance", "le"} == PAGE[shown]
            assert len(values) == len(TIMES) - begin


def test_counters_do_not_fall(families):
    for kind, series in families.values():
        if kind != "gauge":
            for _, values, _ in series:
                assert all(before <= after for before, after in pairwise(values))


def test_the_bill_is_the_sum_of_the_calls(families):
    begin = next(place for place, at in enumerate(TIMES) if at >= MONTH)
    grown = sum(values[-1] - values[begin] for _, values, _ in of(families, "gateway_cost_usd"))
    ((_, bill, _), *_) = of(families, "gateway_ledger_cost_usd", period="month")
    assert grown == pytest.approx(bill[-1], rel=1e-6)
    ((_, settled, _), *_) = of(families, "gateway_budget_settled_usd", account=EVERYBODY)
    assert settled[-1] == bill[-1]
    assert all(
        of(families, "gateway_budget_settled_usd", account=account)[0][1][-1] < limit
        for _, _, accounts in LIMITS
        for account, limit in accounts.items()
    )


def test_nothing_goes_where_it_may_not(families):
    for labels, values, _ in of(families, "gateway_calls"):
        assert may(labels["sensitivity"], labels["zone"]) or values[-1] == 0, labels
    cells = of(families, "gateway_policy_cell_permitted")
    assert len(cells) == len(LEVELS) * len(ZONES) * len(REPLICAS)
    for name in ("gateway_bypass", "gateway_budget_overshoot_usd", "gateway_unpriced_requests"):
        assert all(values[-1] == 0 for _, values, _ in of(families, name))
