"""Token bounds: the high one is high, the low one is low."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.tokens import prompt_at_least, prompt_at_most, written_at_least, written_at_most

sizes = st.integers(0, 10**9)
counts = st.integers(0, 10**5)


@pytest.mark.parametrize(
    ("text_bytes", "messages", "expected"),
    [(0, 0, 0), (0, 1, 8), (1, 1, 9), (2, 1, 9), (3, 1, 9), (4, 1, 10), (300, 2, 116), (10**9, 0, 333_333_334)],
)
def test_a_prompt_is_at_most(text_bytes, messages, expected):
    assert expected == prompt_at_most(text_bytes, messages)


@pytest.mark.parametrize(("text_bytes", "expected"), [(0, 0), (7, 0), (8, 1), (15, 1), (16, 2), (10**9, 125_000_000)])
def test_a_prompt_is_at_least(text_bytes, expected):
    assert expected == prompt_at_least(text_bytes)


@pytest.mark.parametrize(
    ("text_bytes", "events", "expected"),
    [(0, 0, 0), (1, 0, 1), (3, 1, 1), (4, 1, 2), (0, 5, 5), (30, 5, 10), (30, 10, 10), (30, 11, 11)],
)
def test_an_answer_is_at_most(text_bytes, events, expected):
    assert expected == written_at_most(text_bytes, events)


@given(sizes, counts)
@settings(max_examples=100, deadline=None)
def test_the_bounds_never_cross(text_bytes, messages):
    assert prompt_at_least(text_bytes) <= prompt_at_most(text_bytes, messages)


@given(sizes, sizes, counts, counts)
@settings(max_examples=100, deadline=None)
def test_more_text_never_has_fewer_tokens(text_bytes, more, count, further):
    assert prompt_at_most(text_bytes, count) <= prompt_at_most(text_bytes + more, count + further)
    assert prompt_at_least(text_bytes) <= prompt_at_least(text_bytes + more)
    assert written_at_most(text_bytes, count) <= written_at_most(text_bytes + more, count + further)


@given(st.lists(sizes, max_size=10))
@settings(max_examples=100, deadline=None)
def test_cutting_a_text_never_lowers_its_high_bound(parts):
    assert sum(prompt_at_most(part, 1) for part in parts) >= prompt_at_most(sum(parts), len(parts))


def test_what_went_by_is_counted_low_by_bytes_or_by_events():
    assert [written_at_least(*each) for each in ((0, 0), (7, 0), (240, 1), (240, 50))] == [0, 0, 30, 50]
