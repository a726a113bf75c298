"""The shape of prices."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from gateway.core.price import Rates
from gateway.policy.price_files import FORMS, BookPrice, Figures, MachinePrice, TokenPrice

PRICE = {"input": 1, "output": 2}
MACHINE = {"gpu_hour": 1, "tokens_per_second": 1}


def wrong(model, data):
    try:
        model.model_validate(data)
    except ValidationError as error:
        return sorted({str(each["loc"][0]) for each in error.errors()})
    return []


def test_there_is_a_figure_for_every_rate():
    assert set(Figures.model_fields) == set(Rates.__struct_fields__)


@pytest.mark.parametrize("name", Figures.model_fields)
def test_a_figure_is_an_exact_price(name):
    for good in (0, 4, Decimal("0.000001")):
        assert wrong(TokenPrice, PRICE | {name: good}) == []
    for bad in (-1, Decimal("0.0000001"), 0.5, "1", True, 10**7):
        assert wrong(TokenPrice, PRICE | {name: bad}) == [name]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"tiers": []}, []),
        ({"tiers": [{"above": 1, **PRICE}]}, []),
        ({"tiers": [PRICE]}, ["tiers"]),
        ({"tiers": [{"above": Decimal("1.5"), **PRICE}]}, ["tiers"]),
        ({"tiers": {"above": 1, **PRICE}}, ["tiers"]),
        ({"services": {"flex": Decimal("0.5"), "batch": PRICE}}, []),
        ({"services": {"flex": "0.5"}}, ["services"]),
        ({"services": {"flex": 101}}, ["services"]),
        ({"services": {"flex": {**PRICE, "services": {}}}}, ["services"]),
        ({"services": ["flex"]}, ["services"]),
        ({"above": 1}, ["above"]),
    ],
)
def test_tiers_and_services(fields, expected):
    assert wrong(TokenPrice, PRICE | fields) == expected


@pytest.mark.parametrize(
    ("utilisation", "expected"),
    [(None, []), (1, []), (Decimal("0.4"), []), (0, ["utilisation"]), (2, ["utilisation"]), ("40%", ["utilisation"])],
)
def test_a_share_of_the_hour(utilisation, expected):
    assert wrong(MachinePrice, MACHINE | {"utilisation": utilisation}) == expected


def test_a_row_of_the_book_says_where_it_comes_from():
    row = BookPrice.model_validate(PRICE | {"source": "s", "date": "2026-11-22", "from": "2026-12-01"})
    assert row.from_ == "2026-12-01"
    assert wrong(BookPrice, PRICE) == ["date", "source"]
    assert wrong(BookPrice, PRICE | {"source": "s", "date": "2026-11-22", "from_": "2026-12-01"}) == ["from_"]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2028-02-29", []),
        ("2026-02-29", ["date", "from"]),
        ("2026-04-31", ["date", "from"]),
        ("2026-13-01", ["date", "from"]),
    ],
)
def test_a_day_is_one_of_the_calendar(day, expected):
    assert wrong(BookPrice, PRICE | {"source": "s", "date": day, "from": day}) == expected


def test_every_pattern_is_in_words():
    assert all(said and not said.endswith(".") for said in FORMS.values())
