"""USD per token become USD per million, to the last digit or with a note."""

from decimal import Decimal as D
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.litellm import OWN

from gateway.review.litellm.prices import price_of
from gateway.review.litellm.providers import place_of
from gateway.review.litellm.reading import config_in
from gateway.review.litellm.values import Findings


def read(params=None, info=None, model="hosted_vllm/x", base_model="", own=OWN):
    found = Findings()
    place = place_of({"model": model}, own)
    price, said, used = price_of(params or {}, info or {}, place, base_model, own, found, "x")
    return price, said, used, [note.key for note in found.notes()]


@pytest.mark.parametrize(
    ("params", "info", "price", "notes"),
    [
        ({"input_cost_per_token": "1e-6", "output_cost_per_token": D("0.0000025")}, {}, {"input": D(1), "output": D("2.5")}, []),
        ({}, {"input_cost_per_token": 0, "output_cost_per_token": 0}, {"input": D(0), "output": D(0)}, []),
        ({"input_cost_per_token": D("0.00000015")}, {"input_cost_per_token": 1, "output_cost_per_token": D("0.0000006")},
         {"input": D("0.15"), "output": D("0.6")}, []),
        ({"input_cost_per_token": "2e-8"}, {"mode": "embedding"}, {"input": D("0.02"), "output": D(0)},
         ["litellm_params.output_cost_per_token"]),
        ({"input_cost_per_token": "1.23456789e-6", "output_cost_per_token": 0}, {}, {"input": D("1.234568"), "output": D(0)},
         ["litellm_params.input_cost_per_token"]),
        ({"input_cost_per_token": "3e-6", "output_cost_per_token": "15e-6", "cache_read_input_token_cost": "3e-7",
          "cache_creation_input_token_cost": "3.75e-6", "input_cost_per_token_above_200k_tokens": "6e-6"}, {},
         {"input": D(3), "output": D(15), "cache_read": D("0.3"), "cache_write": D("3.75"),
          "tiers": [{"above": 200_000, "input": D(6), "output": D(15), "cache_read": D("0.3"), "cache_write": D("3.75")}]}, []),
        ({"input_cost_per_token": "lots"}, {}, None, ["litellm_params.input_cost_per_token"]),
        ({"input_cost_per_token": -1}, {}, None, ["litellm_params.input_cost_per_token"]),
        ({"cache_read_input_token_cost": "1e-6"}, {}, None, ["litellm_params.input_cost_per_token"]),
        ({}, {}, None, ["litellm_params.input_cost_per_token"]),
    ],
)  # fmt: skip
def test_written_prices(params, info, price, notes):
    got, _, used, noted = read(params, info)
    assert (got, noted) == (price, notes)
    assert bool(used) == (price is not None)


def test_the_price_book():
    assert read(model="openai/gpt-5.6-sol")[0] == "book"
    price, said, _, notes = read(model="azure/ours", base_model="azure/gpt-5.6-sol")
    assert (price, notes) == ({"input": 4, "output": 20}, [])
    assert said == "the price is that of gpt-5.6-sol in prices.yaml, 2026-11-22"
    assert (
        read(model="azure/a", base_model="gpt-5.6-sol", own=msgspec.structs.replace(OWN, book={"gpt-5.6-sol": []}))[0]
        is None
    )


@given(st.integers(0, 10**12))
def test_every_price_of_a_token_in_pico_usd_is_exact(pico):
    written = config_in(f"a: {D(pico).scaleb(-12):f}".encode())["a"]
    price, _, _, _ = read({"input_cost_per_token": written, "output_cost_per_token": "0"})
    assert Fraction(price["input"]) == Fraction(pico, 10**6)
