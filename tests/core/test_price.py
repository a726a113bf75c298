"""Money is exact: a price is a whole number of pico-USD or it is refused."""

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.price import PICO_PER_USD, Price, charge, per_gpu_hour, per_million, pico_per_token, usd
from gateway.core.usage import Usage

PRICE = Price(input=2, output=30, cache_read=500, cache_write=7000, reasoning=110000, version="v")

counts = st.integers(0, 10**9)
usages = st.builds(Usage, counts, counts, counts, counts, counts)
prices = st.builds(Price, counts, counts, counts, counts, counts, st.just("v"))


@pytest.mark.parametrize(
    ("usd_per_million", "expected"),
    [
        ("0", 0),
        ("-0", 0),
        ("0.000001", 1),
        ("0.0500", 50_000),
        ("0.27", 270_000),
        ("1", 1_000_000),
        ("2.5", 2_500_000),
        ("75", 75_000_000),
        ("1E+2", 100_000_000),
        ("123456789.123456", 123_456_789_123_456),
        ("1.000000000000", 1_000_000),
    ],
)
def test_a_published_price_is_exact(usd_per_million, expected):
    assert expected == pico_per_token(Decimal(usd_per_million))


@pytest.mark.parametrize(
    "usd_per_million",
    [
        "-1",
        "-0.000001",
        "0.0000001",
        "1E-7",
        "1.0000001",
        "0.9999999",
        "1.000000000000000000000000001",
        "1.0000000000000000000000000000001",
    ],
)
def test_a_price_that_would_need_rounding_is_refused(usd_per_million):
    with pytest.raises(ValueError, match="at most 6 decimals"):
        pico_per_token(Decimal(usd_per_million))


@given(st.integers(0, 10**18))
@settings(max_examples=100, deadline=None)
def test_every_pico_can_be_published(pico):
    assert pico == pico_per_token(Decimal(pico).scaleb(-6))


@pytest.mark.parametrize(
    ("given_figures", "expected"),
    [
        ({}, Price(3_000_000, 15_000_000, 3_000_000, 3_000_000, 15_000_000, "book:m")),
        ({"cache_read": "0.3"}, Price(3_000_000, 15_000_000, 300_000, 3_000_000, 15_000_000, "book:m")),
        ({"cache_read": "0"}, Price(3_000_000, 15_000_000, 0, 3_000_000, 15_000_000, "book:m")),
        ({"cache_write": "3.75"}, Price(3_000_000, 15_000_000, 3_000_000, 3_750_000, 15_000_000, "book:m")),
        ({"reasoning": "0"}, Price(3_000_000, 15_000_000, 3_000_000, 3_000_000, 0, "book:m")),
    ],
)
def test_a_figure_left_out_is_the_one_beside_it(given_figures, expected):
    figures = {name: Decimal(figure) for name, figure in given_figures.items()}
    assert expected == per_million("book:m", input=Decimal(3), output=Decimal(15), **figures)


@pytest.mark.parametrize("name", ["input", "output", "cache_read", "cache_write", "reasoning"])
def test_every_figure_is_checked(name):
    figures = {"input": Decimal(1), "output": Decimal(1), name: Decimal("0.0000001")}
    with pytest.raises(ValueError, match="at most 6 decimals"):
        per_million("v", **figures)


@pytest.mark.parametrize(
    ("usd_per_hour", "tokens_per_second", "expected"),
    [
        ("0", "1", 0),
        ("3.6", "1000", 1_000_000),
        ("1", "7", 39_682_540),
        ("2.49", "0.5", 1_383_333_334),
        ("1e-9", "9", 1),
    ],
)
def test_a_machine_costs_its_hour_rounded_up(usd_per_hour, tokens_per_second, expected):
    actual = per_gpu_hour("v", usd_per_hour=Decimal(usd_per_hour), tokens_per_second=Decimal(tokens_per_second))
    assert Price(expected, expected, 0, expected, expected, "v") == actual


@given(st.decimals(0, 1000, places=6), st.decimals("0.001", 100_000, places=3))
@settings(max_examples=200, deadline=None)
def test_a_busy_machine_never_books_less_than_it_costs(usd_per_hour, tokens_per_second):
    price = per_gpu_hour("v", usd_per_hour=usd_per_hour, tokens_per_second=tokens_per_second)
    exact = Fraction(usd_per_hour) * PICO_PER_USD / (Fraction(tokens_per_second) * 3600)
    assert exact <= price.input < exact + 1


@pytest.mark.parametrize(("usd_per_hour", "tokens_per_second"), [("-1", "1"), ("1", "0"), ("1", "-1")])
def test_a_machine_without_speed_has_no_price(usd_per_hour, tokens_per_second):
    with pytest.raises(ValueError, match="tokens_per_second"):
        per_gpu_hour("v", usd_per_hour=Decimal(usd_per_hour), tokens_per_second=Decimal(tokens_per_second))


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(), 0),
        (Usage(input_uncached=1), 2),
        (Usage(output=1), 30),
        (Usage(cache_read=1), 500),
        (Usage(cache_write=1), 7000),
        (Usage(reasoning=1), 110_000),
        (Usage(1, 2, 3, output=4, reasoning=5), 2 + 1000 + 21_000 + 120 + 550_000),
        (Usage(1, 2, 3, output=4, reasoning=5, source="estimated"), 2 + 1000 + 21_000 + 120 + 550_000),
        (Usage(input_uncached=10**18), 2 * 10**18),
    ],
)
def test_each_bucket_is_charged_at_its_own_price(usage, expected):
    assert expected == charge(usage, PRICE)


@given(usages, usages, prices)
@settings(max_examples=100, deadline=None)
def test_two_calls_cost_what_their_sum_costs(one, other, price):
    both = Usage(*(getattr(one, name) + getattr(other, name) for name in Usage.__struct_fields__[:-1]))
    assert charge(one, price) + charge(other, price) == charge(both, price)


@given(usages, prices)
@settings(max_examples=100, deadline=None)
def test_the_dearest_prices_are_an_upper_bound(usage, price):
    read = usage.input_uncached + usage.cache_read + usage.cache_write
    written = usage.output + usage.reasoning
    assert charge(usage, price) <= read * price.dearest_input + written * price.dearest_output


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (Price(3, 1, 2, 1, 1, "v"), (3, 1)),
        (Price(1, 1, 3, 2, 2, "v"), (3, 2)),
        (Price(1, 4, 2, 3, 2, "v"), (3, 4)),
    ],
)
def test_the_dearest_is_found_in_any_bucket(price, expected):
    assert expected == (price.dearest_input, price.dearest_output)


@pytest.mark.parametrize(
    ("pico", "expected"),
    [
        (0, "0"),
        (1, "0.000000000001"),
        (-1, "-0.000000000001"),
        (10**12, "1"),
        (10**13, "10"),
        (100 * 10**12, "100"),
        (1_500_000_000_000, "1.5"),
        (-1_500_000_000_000, "-1.5"),
        (10**30 + 1, "1000000000000000000.000000000001"),
    ],
)
def test_usd_reads_plainly(pico, expected):
    assert expected == usd(pico)


@given(st.integers(-(10**40), 10**40) | st.integers(-(10**13), 10**13))
@settings(max_examples=200, deadline=None)
def test_usd_loses_nothing(pico):
    text = usd(pico)
    assert Fraction(pico, PICO_PER_USD) == Fraction(Decimal(text))
    assert re.fullmatch(r"-?(0|[1-9]\d*)(\.\d*[1-9])?", text)
