"""Room for bodies and answers: never more than there is beside others, and what ended is given back."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.room import FREE_BYTES, Room

MB = 1_000_000


def fits(room: Room, team: str, size: int) -> bool:
    return room.share(team).hold(size)


def test_a_team_has_half_of_it_and_all_of_them_the_whole():
    room = Room(10 * MB)
    assert [fits(room, "a", 2 * MB) for _ in range(4)] == [True, True, False, False]
    assert [fits(room, "b", 2 * MB) for _ in range(3)] == [True, True, False]
    assert fits(room, "c", 2 * MB)
    assert not fits(room, "c", 1 * MB)
    assert fits(room, "c", FREE_BYTES)


def test_what_comes_first_is_taken_whatever_its_size():
    room = Room(MB)
    assert fits(room, "a", 5 * MB)
    assert not fits(room, "a", MB)
    assert not fits(room, "b", MB)


def test_what_is_all_that_its_team_has_may_be_more_than_half():
    room = Room(10 * MB)
    assert fits(room, "a", MB)
    assert fits(room, "b", 7 * MB)
    assert not fits(room, "b", MB)
    assert fits(room, "a", 2 * MB)


def test_what_is_alone_may_grow_to_any_size_and_others_find_no_room_then():
    room = Room(4 * MB)
    share, other = room.share("a"), room.share("b")
    assert [share.hold(size * MB) for size in (1, 3, 9)] == [True] * 3
    assert not other.hold(MB)
    share.end()
    assert [other.hold(size * MB) for size in (1, 2)] == [True] * 2


def test_it_counts_as_it_grows_and_until_it_ends():
    room = Room(10 * MB)
    share = room.share("a")
    for size in (1, FREE_BYTES, MB, MB, 3 * MB, 2 * MB):
        assert share.hold(size)
    assert not fits(room, "a", 3 * MB)
    share.end()
    share.end()
    assert fits(room, "a", 5 * MB)


def test_what_one_has_stays_his_own_where_it_may_not_grow():
    room = Room(4 * MB)
    share, other = room.share("a"), room.share("a")
    assert share.hold(MB)
    assert other.hold(MB)
    assert not share.hold(2 * MB)
    other.end()
    assert share.hold(2 * MB)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4 * MB), st.booleans()), max_size=40))
def test_never_is_more_held_than_there_is_beside_others(asked):
    room, shares = Room(8 * MB), []

    def held(of: str = "abc") -> list[int]:
        return [size for _, size, team in shares if size > FREE_BYTES and team in of]

    for team, size, ends in asked:
        share = room.share(team)
        if share.hold(size):
            shares.append((share, size, team))
        else:
            assert sum(held()) + size > 8 * MB or sum(held(team)) + size > 4 * MB
        assert len(held()) < 2 or sum(held()) <= 8 * MB
        assert len(held(team)) < 2 or sum(held(team)) <= 4 * MB
        if ends and shares:
            shares.pop()[0].end()
    for share, _, _ in shares:
        share.end()
    assert not room._taken
