"""What is held at once has a most, and comes back."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.held import Held


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
