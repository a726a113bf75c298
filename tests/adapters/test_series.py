"""Series that stay few."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.adapters import series as module
from gateway.adapters.series import Series


@pytest.fixture
def series() -> Series:
    return Series()


def value(series, name, **labels):
    return series.registry.get_sample_value(name, labels)


def test_beyond_the_cap_words_become_other_and_closed_labels_stay(series, monkeypatch):
    monkeypatch.setattr(module, "MAX_SERIES", 2)
    made = series.counters("x", "X", ("team", "outcome"), ("team",))
    for team, outcome in [("a", "ok"), ("b", "ok"), ("c", "ok"), ("d", "failed"), ("c", "ok"), ("a", "ok")]:
        made.labels(team, outcome).inc()
    found = {
        (team, outcome): value(series, "x_total", team=team, outcome=outcome)
        for team in ("a", "b", "c", "other")
        for outcome in ("ok", "failed")
    }
    assert {key: number for key, number in found.items() if number is not None} == {
        ("a", "ok"): 2,
        ("b", "ok"): 1,
        ("other", "ok"): 2,
        ("other", "failed"): 1,
    }
    assert value(series, "gateway_series_dropped_total") == 3
    assert (made.has("a", "ok"), made.has("c", "ok")) == (True, False)


def test_a_histogram_counts_each_value_in_its_bucket(series):
    made = series.histogram("h_seconds", "H", ("model",), (1, 2))
    for each in (0.5, 1, 1.5, 9):
        made.labels("m").observe(each)
    buckets = [value(series, "h_seconds_bucket", model="m", le=le) for le in ("1.0", "2.0", "+Inf")]
    assert (buckets, value(series, "h_seconds_sum", model="m")) == ([2, 3, 4], 12)


def test_histograms_are_capped_too(series, monkeypatch):
    monkeypatch.setattr(module, "MAX_HISTOGRAMS", 1)
    made = series.histogram("h_seconds", "H", ("model",), (1,))
    for model in ("a", "b", "c"):
        made.labels(model).observe(0)
    assert [value(series, "h_seconds_count", model=model) for model in ("a", "b", "other")] == [1, None, 2]
    assert value(series, "gateway_series_dropped_total") == 2
    assert (made.has("a"), made.has("b")) == (True, False)


def test_what_others_drop_is_counted_with_it(series):
    series.drop(0)
    assert value(series, "gateway_series_dropped_total") == 0
    series.drop(7)
    assert value(series, "gateway_series_dropped_total") == 7


def test_nothing_says_when_it_was_made(series):
    series.counter("x", "X").inc()
    series.gauge("g", "G", ("l",)).labels("a").set(1)
    assert [each for metric in series.registry.collect() for each in metric.samples if "created" in each.name] == []


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["a", "b", '"', "\\", "\n", "\\n"]
)


@given(st.lists(st.tuples(words, words, st.floats(0, 1e12))))
def test_a_scrape_says_what_prometheus_client_would(counted):
    """Whatever operators call things, each series comes once, and can be read."""
    made = Series()
    counter, histogram = made.counters("c", "C", ("team", "app"), ("team",)), made.histogram("h", "H", ("app",), (1, 9))
    made.counters("none", "N", ("team",))
    for team, app, amount in counted:
        counter.labels(team, app).inc(amount)
        histogram.labels(app).observe(amount)

    def read(text):
        samples = [each for family in text_string_to_metric_families(text.decode()) for each in family.samples]
        found = {(each.name, *sorted(each.labels.items())): each.value for each in samples}
        assert len(found) == len(samples)
        return found

    assert read(made.exposition()) == read(generate_latest(made.registry))


def test_what_is_beyond_the_cap_is_one_series_even_where_somebody_is_called_other(series, monkeypatch):
    monkeypatch.setattr(module, "MAX_SERIES", 2)
    made = series.counters("x", "X", ("team",), ("team",))
    for team in ("other", "a", "b", "c"):
        made.labels(team).inc()
    assert [line for line in series.exposition().decode().splitlines() if line.startswith("x_")] == [
        'x_total{team="other"} 3.0',
        'x_total{team="a"} 1.0',
    ]


def test_it_is_scraped_while_it_grows(series):
    made, histogram = series.counters("x", "X", ("team",)), series.histogram("h", "H", ("team",), (1,))
    done = threading.Event()
    scraping = threading.Thread(target=lambda: [series.exposition() for _ in range(50)] and done.set())
    scraping.start()
    number = 0
    while not done.is_set() and scraping.is_alive():
        made.labels(f"t{number % 5000}").inc()
        histogram.labels(f"t{number % 500}").observe(number)
        number += 1
    scraping.join()
    assert done.is_set()
