"""What is held at once has a most, and comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Refusal, Refused
from gateway.core.held import FREE_BYTES, Held


def test_who_holds_alone_may_have_as_many_as_he_likes():
    held = Held(10)
    assert [held.take(5), held.take(45, 5), held.take(1)] == [True, True, False]
    held.give_back(50)
    assert [held.take(6), held.take(4), held.take(1)] == [True, True, False]


@given(st.lists(st.integers(1, 8)))
def test_more_than_the_most_is_never_held_beside_another(sizes):
    held, taken = Held(10), []
    for size in sizes:
        if held.take(size):
            taken.append(size)
        else:
            held.give_back(taken.pop(0))
        assert sum(taken) <= 10


def test_a_part_counts_from_a_size_on_until_it_ends():
    held = Held(FREE_BYTES * 3)
    one, other, small = held.part(), held.part(), held.part()
    one.grow(FREE_BYTES * 2)
    small.grow(FREE_BYTES)
    with pytest.raises(Refused) as refused:
        other.grow(FREE_BYTES * 2)
    assert (refused.value.refusal, refused.value.retry_after) == (Refusal.SHEDDING, 2)
    one.grow(FREE_BYTES)  # it does not shrink
    one.end()
    one.end()
    other.grow(FREE_BYTES * 2)
