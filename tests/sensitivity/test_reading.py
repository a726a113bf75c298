"""A text read in another way: every place in it is traced back to the text as it came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sensitivity.reading import Edit, Reading


@pytest.mark.parametrize(
    ("source", "edits", "text"),
    [
        ("abc", [], "abc"),
        ("", [], ""),
        ("a-b-c", [Edit(1, 2, ""), Edit(3, 4, "")], "abc"),
        ("&amp;x", [Edit(0, 5, "&")], "&x"),
        ("abcd", [Edit(0, 4, "")], ""),
        ("abcdef", [Edit(1, 4, "XY"), Edit(2, 5, "never: it overlaps")], "aXYef"),
        ("ab", [Edit(1, 2, "!"), Edit(0, 1, "?")], "?!"),
    ],
)
def test_the_edits_are_done(source, edits, text):
    assert Reading(source, edits).text == text


@pytest.mark.parametrize(
    ("place", "expected"),
    [((0, 3), (0, 5)), ((0, 1), (0, 1)), ((1, 2), (2, 3)), ((2, 3), (4, 5)), ((0, 2), (0, 3))],
)
def test_what_was_left_out_between_two_characters_is_theirs(place, expected):
    assert Reading("a-b-c", [Edit(1, 2, ""), Edit(3, 4, "")]).source_of(*place) == expected


def test_a_place_of_the_source_is_found_and_what_was_within_an_edit_is_at_its_end():
    reading = Reading("abXXXcdYYe", [Edit(2, 5, "[1]"), Edit(7, 9, "")])
    assert reading.text == "ab[1]cde"
    assert [reading.place_of(at) for at in range(11)] == [0, 1, 2, 5, 5, 5, 6, 7, 7, 7, 8]


def test_between_two_edits_is_a_place():
    assert [Reading("aabb", [Edit(0, 2, "x"), Edit(2, 4, "yz")]).place_of(at) for at in (0, 1, 2, 3, 4)] == [
        0,
        1,
        1,
        3,
        3,
    ]


def test_what_was_edited_counts_as_a_whole():
    reading = Reading("x%41%42y", [Edit(1, 7, "AB")])
    assert [reading.source_of(1, 2), reading.source_of(2, 4), reading.source_of(0, 1)] == [(1, 7), (1, 8), (0, 1)]


@given(
    st.text(max_size=30), st.lists(st.tuples(st.integers(0, 29), st.integers(1, 4), st.text(max_size=3)), max_size=6)
)
def test_a_character_that_was_not_edited_comes_from_itself(source, made):
    edits = [Edit(at, min(at + size, len(source)), put) for at, size, put in made if at < len(source)]
    reading = Reading(source, edits)
    for at in range(len(reading.text)):
        start, end = reading.source_of(at, at + 1)
        assert 0 <= start < end <= len(source)
        inside = any(edit.start <= start < edit.end or edit.start < end <= edit.end for edit in edits)
        assert inside or source[start:end] == reading.text[at]
