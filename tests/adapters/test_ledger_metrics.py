"""What the ledger says, as series."""

import pytest

from gateway.adapters import ledger_metrics
from gateway.adapters.ledger_figures import Figures
from gateway.adapters.ledger_metrics import LedgerSeries
from gateway.adapters.series import Series
from gateway.core.booked import Sum
from gateway.core.budget import Limit, Spend, Window
from gateway.core.forecast import Outlook, Projection

USD = 10**12


def outlook(value, days):
    limit = Limit("l", "rule", Spend("team", "month", 10 * USD))
    return Outlook(limit, value, USD, 10 * USD, 0.0, 20 * USD, days)


FIGURES = Figures(
    1234.5,
    Sum(2 * USD, USD // 2),
    Sum(8 * USD, 2 * USD),
    {"provider": 0.5, "zone": 1.0},
    Projection(Window(0.0, 1.0), 8 * USD, 20 * USD, 15 * USD, 25 * USD, "m"),
    (outlook("red", 3.5), outlook("blue", 0.0)),
)


def shown(figures):
    made = Series()
    series = LedgerSeries(made.drop)
    made.show(series)
    series.show(figures)
    return made


def samples(made):
    return {
        (sample.name.removeprefix("gateway_"), *sample.labels.values()): sample.value
        for metric in made.registry.collect()
        for sample in metric.samples
        if sample.name != "gateway_series_dropped_total"
    }


def test_what_a_scrape_gets():
    assert samples(shown(FIGURES)) == {
        ("ledger_cost_usd", "today"): 2,
        ("ledger_cost_usd", "month"): 8,
        ("ledger_measured_ratio", "today"): 0.75,
        ("ledger_measured_ratio", "month"): 0.75,
        ("ledger_projected_month_usd", "low"): 15,
        ("ledger_projected_month_usd", "likely"): 20,
        ("ledger_projected_month_usd", "high"): 25,
        ("ledger_read_timestamp_seconds",): 1234.5,
        ("concentration_ratio", "provider"): 0.5,
        ("concentration_ratio", "zone"): 1,
        ("budget_runway_days", "l", "team", "blue", "month"): 0,
        ("budget_runway_days", "l", "team", "red", "month"): 3.5,
    }


def test_while_it_cannot_be_read_there_is_no_value():
    assert samples(shown(None)) == {}


def test_what_is_not_known_has_no_value():
    few = Figures(
        1.0, Sum(0, 0), Sum(0, 0), {}, Projection(Window(0.0, 1.0), 0, 0, None, None, "m"), (outlook("red", None),)
    )
    assert samples(shown(few)).keys() == {
        ("ledger_cost_usd", "today"),
        ("ledger_cost_usd", "month"),
        ("ledger_projected_month_usd", "likely"),
        ("ledger_read_timestamp_seconds",),
    }


@pytest.mark.parametrize(("most", "dropped"), [(1, 1), (2, 0)])
def test_the_shortest_runways_are_shown_and_the_others_counted(monkeypatch, most, dropped):
    monkeypatch.setattr(ledger_metrics, "MAX_ACCOUNTS", most)
    made = shown(FIGURES)
    accounts = [key[3] for key in samples(made) if key[0] == "budget_runway_days"]
    assert accounts == ["blue", "red"][:most]
    assert made.registry.get_sample_value("gateway_series_dropped_total") == dropped
