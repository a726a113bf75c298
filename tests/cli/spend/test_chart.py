"""Bars that fit a terminal, and periods without gaps."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli.spend.chart import Bar, chart, without_gaps

USD = 10**12


def test_bars_are_as_long_as_amounts():
    bars = [Bar("a", 8 * USD), Bar("longer", 4 * USD), Bar("c", USD // 2), Bar("d\x1b", 1), Bar("e", 0), Bar("f", -USD)]
    expected = [
        "a               8.0000  ████████████",
        "longer          4.0000  ██████",
        "c               0.5000  ▊",
        "d\N{REPLACEMENT CHARACTER}      0.000000000001  ▏",
        "e               0.0000",
        "f              -1.0000",
    ]
    assert chart(bars, 36) == expected


@pytest.mark.parametrize("bars", [[Bar("a", 0)], [Bar("a", 0), Bar("b", -5)]])
def test_nothing_has_no_bar(bars):
    assert not {"█", "▏"} & set("".join(chart(bars, 80)))


def test_no_spend_is_no_chart():
    assert (chart([], 80), without_gaps({}, "day")) == ([], [])


@given(
    st.lists(st.builds(Bar, st.text(max_size=40), st.integers(-(10**15), 10**15)), min_size=1, max_size=8),
    st.integers(80, 200),
)
@settings(max_examples=100, deadline=None)
def test_a_chart_fits(bars, width):
    lines = chart(bars, width)
    assert len(lines) == len(bars)
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("period", "labels", "expected"),
    [
        ("hour", ["2026-11-30 22:00", "2026-12-01 01:00"],
         ["2026-11-30 22:00", "2026-11-30 23:00", "2026-12-01 00:00", "2026-12-01 01:00"]),
        ("day", ["2028-03-01", "2028-02-28"], ["2028-02-28", "2028-02-29", "2028-03-01"]),
        ("week", ["2026-11-16", "2026-11-30"], ["2026-11-16", "2026-11-23", "2026-11-30"]),
        ("month", ["2026-11", "2027-02"], ["2026-11", "2026-12", "2027-01", "2027-02"]),
    ],
)  # fmt: skip
def test_periods_have_no_gaps(period, labels, expected):
    found = without_gaps(dict.fromkeys(labels, 3), period)
    assert [(bar.label, bar.pico_usd) for bar in found] == [(each, 3 if each in labels else 0) for each in expected]
