"""Money is exact: a price is a whole number of pico-USD or it is refused."""

import operator
import re
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.price import (
    PICO_PER_USD,
    UNKNOWN_SERVICE,
    UNPRICED,
    USUAL,
    Machine,
    Price,
    Rates,
    Schedule,
    Tier,
    charge,
    dearest,
    per_gpu_hour,
    per_million,
    pico_per_token,
    pico_usd,
    rates_of,
    rates_per_million,
    scaled,
    service_of,
    unpriced,
    usd,
)
from gateway.core.usage import BUCKETS, READ, Usage

RATES = Rates(
    input=2,
    cache_read=500,
    cache_write=7000,
    cache_write_long=90_000,
    audio_input=1_000_000,
    output=30,
    reasoning=110_000,
    audio_output=13_000_000,
)
PRICE = Price(rates=RATES, version="v")
N = len(BUCKETS)


def flat(figure):
    return Rates(*[figure] * N)


counts = st.integers(0, 10**9)
usages = st.builds(Usage, *[counts] * N)
rates = st.builds(Rates, *[counts] * N)
tiers = st.lists(st.tuples(st.integers(1, 10**9), rates), max_size=3, unique_by=lambda tier: tier[0]).map(
    lambda found: tuple(Tier(above, of) for above, of in sorted(found, key=lambda tier: tier[0]))
)
schedules = st.builds(Schedule, rates, tiers)
prices = st.builds(
    Price,
    rates,
    tiers,
    version=st.just("v"),
    services=st.dictionaries(st.sampled_from(["flex", "priority", "batch"]), schedules, max_size=3),
)
tiers_named = st.sampled_from(["", "default", "auto", "flex", "priority", "batch", "gold"])


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
    ("figures", "expected"),
    [
        ({}, Rates(3, 3, 3, 3, 15, 15, 15, 15)),
        ({"cache_read": 1}, Rates(3, 1, 3, 3, 15, 15, 15, 15)),
        ({"cache_read": 0}, Rates(3, 0, 3, 3, 15, 15, 15, 15)),
        ({"cache_write": 4}, Rates(3, 3, 4, 4, 15, 15, 15, 15)),
        ({"cache_write_long": 6}, Rates(3, 3, 3, 6, 15, 15, 15, 15)),
        ({"cache_write": 4, "cache_write_long": 6}, Rates(3, 3, 4, 6, 15, 15, 15, 15)),
        ({"reasoning": 0}, Rates(3, 3, 3, 3, 15, 15, 0, 15)),
        ({"reasoning": 20}, Rates(3, 3, 3, 3, 20, 15, 20, 20)),
        ({"audio_input": 40}, Rates(3, 3, 3, 3, 40, 15, 15, 40)),
        ({"audio_output": 80}, Rates(3, 3, 3, 3, 80, 15, 15, 80)),
        ({"audio_input": 5, "audio_output": 8}, Rates(3, 3, 3, 3, 5, 15, 15, 8)),
    ],
)
def test_a_figure_left_out_is_the_one_beside_it(figures, expected):
    """And what sound costs where nobody knows it is the dearest that is known."""
    actual = rates_per_million(input=Decimal(3), output=Decimal(15), **{k: Decimal(v) for k, v in figures.items()})
    assert Rates(*(1_000_000 * figure for figure in expected.figures())) == actual


@pytest.mark.parametrize("name", Rates.__struct_fields__)
def test_every_figure_is_checked(name):
    figures = {"input": Decimal(1), "output": Decimal(1), name: Decimal("0.0000001")}
    with pytest.raises(ValueError, match="at most 6 decimals"):
        per_million("v", **figures)


def test_rates_stand_in_the_order_of_buckets():
    assert ("input", *BUCKETS[1:]) == Rates.__struct_fields__
    assert RATES.figures() == tuple(getattr(RATES, name) for name in Rates.__struct_fields__)


@pytest.mark.parametrize(
    ("by", "expected"),
    [("0.5", (1, 2)), ("1.8", None), ("2", (4, 8)), ("0", (0, 0)), ("1.5", (3, 6)), ("0.3333", None)],
)
def test_a_factor_is_exact_at_every_length_or_refused(by, expected):
    schedule = Schedule(flat(2), (Tier(100, flat(4)),))
    if expected is None:
        with pytest.raises(ValueError, match=f"{by} times the price is finer than a pico-USD per token"):
            scaled(schedule, Decimal(by))
    else:
        assert scaled(schedule, Decimal(by)) == Schedule(flat(expected[0]), (Tier(100, flat(expected[1])),))


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
    assert Price(rates=msgspec.structs.replace(flat(expected), cache_read=0), version="v") == actual


@pytest.mark.parametrize(("utilisation", "expected"), [("1", 1_000_000), ("0.4", 2_500_000), ("0.3", 3_333_334)])
def test_a_machine_that_idles_costs_more_per_token(utilisation, expected):
    price = per_gpu_hour(
        "v", usd_per_hour=Decimal("3.6"), tokens_per_second=Decimal(1000), utilisation=Decimal(utilisation)
    )
    assert (price.rates.input, price.rates.cache_read) == (expected, 0)


@pytest.mark.parametrize("utilisation", ["0", "-0.1", "1.01"])
def test_no_utilisation(utilisation):
    with pytest.raises(ValueError, match="utilisation is above 0 and at most 1"):
        per_gpu_hour("v", usd_per_hour=Decimal(1), tokens_per_second=Decimal(1), utilisation=Decimal(utilisation))


@given(st.decimals(0, 1000, places=6), st.decimals("0.001", 100_000, places=3))
@settings(max_examples=200, deadline=None)
def test_a_busy_machine_never_books_less_than_it_costs(usd_per_hour, tokens_per_second):
    price = per_gpu_hour("v", usd_per_hour=usd_per_hour, tokens_per_second=tokens_per_second)
    exact = Fraction(usd_per_hour) * PICO_PER_USD / (Fraction(tokens_per_second) * 3600)
    assert exact <= price.rates.input < exact + 1


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
        (Usage(cache_write_long=1), 90_000),
        (Usage(audio_input=1), 1_000_000),
        (Usage(reasoning=1), 110_000),
        (Usage(audio_output=1), 13_000_000),
        (Usage(1, 2, 3, output=4, reasoning=5), 2 + 1000 + 21_000 + 120 + 550_000),
        (Usage(1, 2, 3, output=4, reasoning=5, source="estimated"), 2 + 1000 + 21_000 + 120 + 550_000),
        (Usage(input_uncached=10**18), 2 * 10**18),
    ],
)
def test_each_bucket_is_charged_at_its_own_price(usage, expected):
    assert expected == charge(usage, PRICE)


STEPS = Price(
    rates=flat(1),
    tiers=(Tier(100, flat(10)), Tier(200, flat(100))),
    version="v",
    services={"flex": Schedule(flat(3), (Tier(100, flat(5)),)), "priority": Schedule(flat(7))},
)


@pytest.mark.parametrize(
    ("read", "service", "expected"),
    [
        (0, "", 1),
        (100, "", 1),
        (101, "", 10),
        (200, "", 10),
        (201, "", 100),
        (100, "flex", 3),
        (101, "flex", 5),
        (999, "priority", 7),
        (100, UNKNOWN_SERVICE, 7),
        (101, UNKNOWN_SERVICE, 10),
        (201, UNKNOWN_SERVICE, 100),
        (1, "gold", 7),
    ],
)
def test_the_length_of_the_prompt_and_the_service_tier_decide_the_rates(read, service, expected):
    """A tier holds for the whole request, and a service tier that nobody priced is charged at the dearest."""
    assert rates_of(STEPS, read, service) == flat(expected)
    usage = Usage(input_uncached=read, output=5)
    assert charge(usage, STEPS, service) == expected * (read + 5)


@pytest.mark.parametrize("bucket", BUCKETS[:READ])
def test_all_that_was_read_counts_for_the_tier(bucket):
    assert charge(Usage(**{bucket: 201}), STEPS) == 201 * 100
    assert charge(Usage(**{bucket: 101}), STEPS) == 101 * 10


@pytest.mark.parametrize("bucket", BUCKETS[READ:])
def test_nothing_that_was_written_does(bucket):
    assert charge(Usage(**{bucket: 201}), STEPS) == 201


@pytest.mark.parametrize(
    ("asked", "served", "expected"),
    [
        *((asked, None, "") for asked in (None, *sorted(USUAL))),
        *(("flex", served, "") for served in sorted(USUAL - {""})),
        ("flex", None, "flex"),
        ("flex", "", "flex"),
        (None, "priority", "priority"),
        ("auto", "flex", "flex"),
        ("auto", None, UNKNOWN_SERVICE),
        ("gold", None, UNKNOWN_SERVICE),
        ("flex", "auto", UNKNOWN_SERVICE),
    ],
)
def test_the_answer_says_which_service_tier_it_was(asked, served, expected):
    assert service_of(STEPS, asked, served) == expected


@pytest.mark.parametrize(
    ("asked", "served", "expected"),
    [
        *((asked, None, "") for asked in (None, *sorted(USUAL))),
        ("flex", "default", ""),
        ("flex", None, UNKNOWN_SERVICE),
        (None, "priority", UNKNOWN_SERVICE),
        ("auto", None, UNKNOWN_SERVICE),
    ],
)
def test_a_tier_beside_a_price_without_tiers_is_told_and_costs_what_there_is(asked, served, expected):
    service = service_of(PRICE, asked, served)
    assert (service, charge(Usage(input_uncached=1, output=1), PRICE, service)) == (expected, 32)


@given(usages, usages, prices)
@settings(max_examples=100, deadline=None)
def test_two_calls_cost_what_their_sum_costs(one, other, price):
    """Where nothing depends on the length of the prompt."""
    price = msgspec.structs.replace(price, tiers=())
    both = Usage(*map(sum, zip(one.counts(), other.counts(), strict=True)))
    assert charge(one, price) + charge(other, price) == charge(both, price)


@given(usages, prices, tiers_named)
@settings(max_examples=100, deadline=None)
def test_a_call_costs_what_its_buckets_cost(usage, price, service):
    figures = rates_of(price, usage.read, service).figures()
    assert charge(usage, price, service) == sum(map(operator.mul, usage.counts(), figures))


@given(usages, prices, tiers_named, st.sampled_from(BUCKETS), counts)
@settings(max_examples=100, deadline=None)
def test_more_tokens_never_cost_less_where_longer_prompts_cost_no_less(usage, price, service, bucket, more):
    price = msgspec.structs.replace(
        price, **_rising(price), services={name: Schedule(**_rising(each)) for name, each in price.services.items()}
    )
    larger = msgspec.structs.replace(usage, **{bucket: getattr(usage, bucket) + more})
    assert charge(usage, price, service) <= charge(larger, price, service)


def _rising(schedule):
    """The schedule with each tier at least as dear as the one before."""
    last, found = schedule.rates, []
    for tier in schedule.tiers:
        last = Rates(*map(max, last.figures(), tier.rates.figures()))
        found.append(Tier(tier.above, last))
    return {"rates": schedule.rates, "tiers": tuple(found)}


@given(usages, prices, tiers_named, tiers_named, counts, counts)
@settings(max_examples=300, deadline=None)
def test_no_call_costs_more_than_its_bound(usage, price, asked, served, more_read, more_written):
    """Whatever it used within the counts, at the tier that was asked for or the usual one; of `auto`, at any."""
    if asked in ("", "default", "flex", "priority", "batch") and served not in ("", "default", asked):
        served = ""
    read, written = dearest(price, usage.read + more_read, asked)
    bound = (usage.read + more_read) * read + (usage.total - usage.read + more_written) * written
    assert charge(usage, price, service_of(price, asked, served)) <= bound


@given(prices, counts, tiers_named)
@settings(max_examples=50, deadline=None)
def test_a_call_without_sound_is_bound_without_its_price(price, prompt, asked):
    quiet = dearest(price, prompt, asked, audio=False)
    assert all(map(operator.le, quiet, dearest(price, prompt, asked)))
    assert quiet == dearest(_silent(price), prompt, asked)


def _silent(price):
    def silent(rates):
        return msgspec.structs.replace(rates, audio_input=0, audio_output=0)

    def schedule(each):
        return {"rates": silent(each.rates), "tiers": tuple(Tier(t.above, silent(t.rates)) for t in each.tiers)}

    services = {name: Schedule(**schedule(each)) for name, each in price.services.items()}
    return Price(**schedule(price), version="v", services=services)


@pytest.mark.parametrize(
    ("prompt", "asked", "expected"),
    [
        (100, "", 1),
        (101, "", 10),
        (201, "", 100),
        (100, "flex", 3),
        (101, "flex", 10),
        (100, "priority", 7),
        (101, "priority", 10),
        (100, "auto", 7),
        (100, "gold", 7),
    ],
)
def test_the_dearest_that_may_apply(prompt, asked, expected):
    assert dearest(STEPS, prompt, asked) == (expected, expected)


def test_the_dearest_is_found_in_any_bucket():
    assert dearest(PRICE, 1) == (1_000_000, 13_000_000)
    assert dearest(PRICE, 1, audio=False) == (90_000, 110_000)


@pytest.mark.parametrize(("amount", "expected"), [("1", 10**12), ("0.0000000000001", 1), ("0", 0)])
def test_an_amount_is_rounded_up(amount, expected):
    assert pico_usd(Decimal(amount)) == expected


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


def test_what_has_no_price_costs_the_dearest_of_each_bucket_in_every_tier_and_service():
    cheap = rates_per_million(input=Decimal(1), output=Decimal(9))
    long = rates_per_million(input=Decimal(5), output=Decimal(2))
    fast = rates_per_million(input=Decimal(2), output=Decimal(12))
    one = Price(rates=cheap, tiers=(Tier(100, long),), version="a")
    other = Price(rates=cheap, version="b", services={"priority": Schedule(fast)})
    found = unpriced([one, other])
    assert (found.version, found.rates.input, found.rates.output) == (UNPRICED, 5_000_000, 12_000_000)
    assert unpriced([]) is None


def test_a_machine_costs_more_a_token_with_its_idle_hours():
    machine = Machine(Decimal("3.6"), Decimal(1000), Decimal("0.5"))  # 3.6 million tokens an hour
    assert (machine.marginal.output, machine.priced("v").rates.output) == (10**6, 2 * 10**6)
    assert machine.priced("v") == per_gpu_hour(
        "v", usd_per_hour=Decimal("3.6"), tokens_per_second=Decimal(1000), utilisation=Decimal("0.5")
    )
    assert Machine(Decimal("3.6"), Decimal(1000)).priced("v").rates == machine.marginal
