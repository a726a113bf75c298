"""The price book beside what others say, and machines of our own beside hosted models."""

from decimal import Decimal

import pytest

from gateway.core.catalog import Backend
from gateway.core.price import UNPRICED, Machine, Price, Tier, per_million, rates_per_million, scaled
from gateway.review.prices import (
    Difference,
    Published,
    Step,
    at,
    break_even,
    break_even_share,
    differences,
    plain,
    rival,
)


def rates(input, output, **more):
    figures = {"input": input, "output": output, **more}
    return rates_per_million(**{name: Decimal(str(figure)) for name, figure in figures.items()})


def step(above, **figures):
    return Step(above, {name: Decimal(str(figure)) for name, figure in figures.items()})


PLAIN = Price(rates=rates(2, 12), version="v")
STEPPED = Price(rates=rates(2, 12), tiers=(Tier(200, rates(4, 18)),), version="v")
FLEXES = Price(rates=rates(2, 12), version="v", services={"flex": scaled(PLAIN, Decimal("0.5"))})
USUAL = step(0, input=2, output=12)


@pytest.mark.parametrize(
    ("price", "published", "expected"),
    [
        (PLAIN, Published((USUAL,)), []),
        (PLAIN, Published((step(0, input=2, output=12, cache_read=2),)), []),
        (PLAIN, Published((step(0, input=2, output=11.5),)), ["output: 12, but 11.5 by genai-prices"]),
        (PLAIN, Published((step(0, input=2, output=12, cache_read=0.2),)), ["cache_read: 2, but 0.2 by genai-prices"]),
        (STEPPED, Published((USUAL, step(200, input=4, output=18))), []),
        (
            PLAIN,
            Published((USUAL, step(200, input=4, output=12))),
            ["input above 200 tokens: 2, but 4 by genai-prices"],
        ),
        (STEPPED, Published((USUAL,)), ["input above 200 tokens: 4, but 2 by genai-prices", "output above 200 tokens: 18, but 12 by genai-prices"]),
        (STEPPED, Published((USUAL, step(200, input=4, output=18), step(500, input=4, output=20))), ["output above 500 tokens: 18, but 20 by genai-prices"]),
        (STEPPED, Published((USUAL, step(100, input=4, output=12), step(200, input=4, output=18))), ["input above 100 tokens: 2, but 4 by genai-prices"]),
        (FLEXES, Published((USUAL,)), []),
        (FLEXES, Published((USUAL,), {"flex": (step(0, input=1, output=6),)}), []),
        (FLEXES, Published((USUAL,), {"flex": (step(0, input=1, output=7),)}), ["flex output: 6, but 7 by genai-prices"]),
        (PLAIN, Published((USUAL,), {"flex": (step(0, input=1),)}), ["the service tier `flex` is not in the book"]),
    ],
)  # fmt: skip
def test_all_that_is_published_is_compared(price, published, expected):
    """And nothing else: what they do not know is no difference."""
    assert [str(each) for each in differences(price, published)] == expected


def test_a_service_tier_that_we_do_not_have_differs_in_every_figure():
    found = differences(PLAIN, Published((USUAL,), {"flex": (step(0, input=1, output=6),)}))
    assert found == (
        Difference("flex", 0, "input", None, Decimal(1)),
        Difference("flex", 0, "output", None, Decimal(6)),
    )


@pytest.mark.parametrize(("above", "expected"), [(0, 1), (99, 1), (100, 2), (150, 2), (200, 3), (999, 3)])
def test_the_step_of_a_length(above, expected):
    steps = (step(0, input=1), step(100, input=2), step(200, input=3))
    assert at(steps, above) == {"input": Decimal(expected)}


@pytest.mark.parametrize(
    ("figures", "expected"), [({"input": "0.000001"}, True), ({"input": "0.0000001"}, False), ({"input": "3"}, True)]
)
def test_whether_a_figure_can_stand_in_the_book(figures, expected):
    fine = step(0, input=1, output=1)
    assert Published((step(0, **figures),)).exact is expected
    assert Published((fine,), {"flex": (step(0, **figures),)}).exact is expected


@pytest.mark.parametrize(
    ("figure", "expected"), [("4.00", "4"), ("0.0400", "0.04"), ("100", "100"), ("0", "0"), ("0.000001", "0.000001")]
)
def test_a_figure_reads_plainly(figure, expected):
    assert plain(Decimal(figure)) == expected


@pytest.mark.parametrize(
    ("gpu_hour", "speed", "hosted", "expected"),
    [
        # 24 USD a day; 3 x 2 + 10 = 16 USD for 4 million tokens, so 6 million of them
        ("1", "1000", (2, 10), 6_000_000),
        ("1", "69.5", (2, 10), 6_000_000),
        ("1", "69.4", (2, 10), None),
        ("0", "1", (2, 10), 0),
        ("1", "1000", (0, 0), None),
        ("0.000001", "1", (2, 10), 6),
    ],
)
def test_from_how_many_tokens_a_day_a_machine_pays(gpu_hour, speed, hosted, expected):
    assert break_even(Decimal(gpu_hour), Decimal(speed), rates(*hosted)) == expected


def test_the_machine_costs_less_from_there_on_and_not_before():
    price, hour = per_million("v", input=Decimal("0.77"), output=Decimal("3.1")), Decimal("2.10")
    tokens = break_even(hour, Decimal(10_000), price.rates)
    each = (3 * price.rates.input + price.rates.output) / Decimal(4) / 10**12
    assert (tokens - 1) * each < 24 * hour <= tokens * each


@pytest.mark.parametrize(
    ("speed", "utilisation", "hosted", "share"),
    [("1000", "0.5", (2, 10), "0.0694"), ("69.5", None, (2, 10), "0.9992"), ("10", None, (2, 10), "6.9444"), ("10", None, (0, 0), None)],
)  # fmt: skip
def test_from_which_share_of_its_use_on_a_machine_pays(speed, utilisation, hosted, share):
    machine = Machine(Decimal(1), Decimal(speed), None if utilisation is None else Decimal(utilisation))
    found = break_even_share(machine, rates(*hosted))
    assert (None if found is None else f"{found:.4f}") == share
    tokens = break_even(machine.usd_per_hour, machine.tokens_per_second, rates(*hosted))
    assert (tokens is not None) is (share is not None and found <= 1)


def hosted(id, usd, *aliases, price=None, **passport):
    made = price or per_million("v", input=Decimal(usd), output=Decimal(usd))
    return Backend(id, "openai", "u", f"model of {id}", passport, aliases=aliases, price=made)


MINE = Backend("mine", "vllm", "u", "m", {}, aliases=("pair",), machine=Machine(Decimal(1), Decimal(1)))


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], None),
        ([hosted("a", "3", "pair"), hosted("b", "2", "pair"), hosted("c", "1", "other")], "b"),
        ([hosted("a", "3", "pair"), hosted("b", "2", "mine")], "b"),
        ([hosted("a", "3", "pair"), hosted("b", "2", "pair", deployment="self_hosted")], "a"),
        ([hosted("a", "3", "pair", price=per_million(UNPRICED, input=Decimal(1), output=Decimal(1)))], None),
        ([Backend("a", "openai", "u", "m", {}, aliases=("pair",))], None),
        ([MINE], None),
    ],
)
def test_a_machine_stands_beside_the_cheapest_hosted_model_of_its_name(others, expected):
    found = rival(MINE, others)
    assert (found and found.id) == expected
