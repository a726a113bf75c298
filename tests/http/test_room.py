"""Room for bodies: never more than there is, and what ended is given back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Refusal, Refused
from gateway.http.room import FREE_BYTES, Room

MB = 1_000_000


def fits(room: Room, team: str, size: int) -> bool:
    try:
        room.share(team).hold(size)
    except Refused as refused:
        return (refused.refusal, refused.retry_after) != (Refusal.SHEDDING, 2)
    return True


def test_a_team_has_half_of_it_and_all_of_them_the_whole():
    room = Room(10 * MB)
    assert [fits(room, "a", 2 * MB) for _ in range(4)] == [True, True, False, False]
    assert [fits(room, "b", 2 * MB) for _ in range(3)] == [True, True, False]
    assert fits(room, "c", 2 * MB)
    assert not fits(room, "c", 1 * MB)
    assert fits(room, "c", FREE_BYTES)


def test_a_first_body_is_taken_whatever_its_size():
    room = Room(MB)
    assert fits(room, "a", 5 * MB)
    assert not fits(room, "a", MB)
    assert not fits(room, "b", MB)


def test_a_body_counts_as_it_grows_until_it_ends():
    room = Room(10 * MB)
    share = room.share("a")
    for size in (1, FREE_BYTES, MB, MB, 3 * MB, 2 * MB):
        share.hold(size)
    assert not fits(room, "a", 3 * MB)
    share.end()
    share.end()
    assert fits(room, "a", 5 * MB)


def test_what_a_body_has_stays_its_own_where_it_may_not_grow():
    room = Room(4 * MB)
    share = room.share("a")
    share.hold(MB)
    with pytest.raises(Refused):
        share.hold(3 * MB)
    share.hold(2 * MB)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4 * MB), st.booleans()), max_size=40))
def test_never_is_more_held_than_there_is_beside_a_first_one(asked):
    room, shares = Room(8 * MB), []
    for team, size, ends in asked:
        share = room.share(team)
        try:
            share.hold(size)
        except Refused:
            assert sum(held for _, held, _ in shares if held > FREE_BYTES) > 0
        else:
            shares.append((share, size, team))
        assert sum(held for _, held, _ in shares if held > FREE_BYTES) <= 8 * MB
        if ends and shares:
            shares.pop()[0].end()
    for share, _, _ in shares:
        share.end()
    assert not room._taken
