"""What a call can cost: no answer passes the bound, and a cut one keeps within what was granted."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.doubles import PRICE, backend

from gateway.core.bound import ENOUGH_OUTPUT, NOTHING, Bound, bound, prompt_tokens
from gateway.core.chat import Demand
from gateway.core.price import charge
from gateway.core.tokens import prompt_at_most
from gateway.core.usage import Usage


def demand(output_limit=None, choices=1, input_bytes=300, messages=2):
    return Demand(frozenset({"chat"}), input_bytes, messages, output_limit, choices)


@pytest.mark.parametrize(
    ("more", "asked", "expected"),
    [
        ({"max_output": 700}, demand(), (116, 1, 700)),
        ({"max_output": 700}, demand(50), (116, 1, 50)),
        ({"max_output": 700}, demand(900, choices=3), (116, 3, 700)),
        ({"max_output": None, "context": 900}, demand(), (116, 1, 900)),
        ({"max_output": None}, demand(), (116, 1, 131_072)),
    ],
)
def test_a_bound_is_the_prompt_and_every_choice_at_its_longest(more, asked, expected):
    prompt, choices, written = expected
    assert bound(backend("b", **more), asked) == Bound(prompt * 10**6, choices * 10**6, written)


def test_what_is_attached_is_at_most_what_the_model_can_read():
    asked = msgspec.structs.replace(demand(0), attached_bytes=300_000)
    assert prompt_tokens(backend("b"), asked) == 116 + 100_000
    assert prompt_tokens(backend("b", context=8000), asked) == 116 + 8000


def test_what_may_be_thought_beside_a_limit_is_in_the_bound_and_in_the_least():
    asked = demand(50, choices=2)
    plain, thinking = bound(backend("b"), asked), bound(backend("b"), asked, beside=1000)
    more = 1000 * 2 * 10**6
    assert (thinking.written, thinking.most - plain.most, thinking.least - plain.least) == (50, more, more)
    assert thinking.shortest - plain.shortest == more
    assert thinking.written_for(thinking.most - 10 * 2 * 10**6) == 40


def test_what_has_no_price_costs_nothing():
    assert bound(backend("b", price=None), demand()) == NOTHING


@settings(max_examples=300, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 20_000), st.data())
def test_no_usage_within_the_limits_costs_more(input_bytes, choices, limit, data):
    most = bound(backend("b", max_output=10_000), demand(limit, choices, input_bytes, 1)).most
    read = data.draw(st.integers(0, prompt_at_most(input_bytes, 1)))
    written = data.draw(st.integers(0, min(limit, 10_000) * choices))
    assert charge(Usage(cache_write=read, reasoning=written), PRICE) <= most


@settings(max_examples=300, derandomize=True)
@given(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 200_000), st.data())
def test_a_cut_answer_costs_no_more_than_was_granted(prompt, token, written, data):
    whole = Bound(prompt, token, written)
    granted = data.draw(st.integers(whole.least, whole.most))
    cut = whole.written_for(granted)
    assert min(written, ENOUGH_OUTPUT) <= cut <= written
    assert prompt + cut * token <= granted


@pytest.mark.parametrize(
    ("operation", "whole"), [("chat", False), ("completions", False), ("images", True), ("embeddings", True)]
)
def test_what_cannot_be_cut_short_wants_all_that_it_can_cost(operation, whole):
    asked = msgspec.structs.replace(demand(), needs=frozenset({operation}))
    made = bound(backend("a", max_output=100_000), asked)
    assert made.whole is whole
    assert (made.least == made.most) is whole
    assert (made.shortest == made.most) is whole


@pytest.mark.parametrize(("limit", "tokens"), [(None, 1), (5, 1), (1, 1), (0, 0)])
def test_the_shortest_answer_has_one_token_of_each_choice(limit, tokens):
    made = bound(backend("a", max_output=100_000), demand(limit, choices=3))
    assert made.shortest == made.prompt + 3 * tokens * 1_000_000
