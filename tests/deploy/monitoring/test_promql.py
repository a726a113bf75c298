"""Parts of queries, and the check that finds a name which nobody has."""

import pytest
from support.promql import problems

from deploy.monitoring.promql import alike, grown, happened, or_none, quantile, rate, total

KNOWN = {
    "gateway_a_total": frozenset({"team"}),
    "gateway_build_info": frozenset({"version"}),
    "gateway_h_bucket": frozenset({"le", "model"}),
}


@pytest.mark.parametrize(
    "expr",
    [
        total("gateway_a_total", "team"),
        total('gateway_a_total{team="x", instance="y"}', ""),
        rate("gateway_a_total", "team"),
        alike("gateway_a_total", "team"),
        or_none(alike("gateway_a_total", "team"), "team"),
        quantile(0.5, "gateway_h", 'model="m"', "model"),
        f"sum by (team) ({happened('gateway_a_total', '1h')})",
        f"sum by (instance) ({grown('gateway_a_total', '1h')})",
        'sum by (model) (label_replace(gateway_a_total, "model", "$1", "team", "(.*)"))',
    ],
)
def test_what_is_right_is_let_pass(expr):
    assert problems(expr, KNOWN) == []


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ("gateway_b_total", "unknown series gateway_b_total"),
        ('gateway_a_total{zone="x"}', "gateway_a_total has no label zone"),
        ("sum by (team, zone) (gateway_a_total)", "gateway_a_total has no label zone"),
        (total("gateway_a_total", "zone"), "gateway_a_total has no label zone"),
        ("gateway_a_total and on (zone) gateway_build_info", "nothing has the label zone"),
    ],
)
def test_what_is_wrong_is_found(expr, problem):
    assert problem in problems(expr, KNOWN)
