"""A row finds what its expression matches, as far as its check and the words around it let it."""

import pytest

from gateway.sensitivity.detector import Hit, pattern
from gateway.sensitivity.sight import Sight, Words


def found(row, text, key=""):
    return [(hit.start, hit.end) for hit in row.find(Sight(text, key))]


def test_a_row_tells_place_kind_and_name():
    row = pattern("x.y", "secret", "k-([0-9]+)", trigger="k-")
    assert list(row.find(Sight("a k-12 b"))) == [Hit(4, 6, "secret", "x.y")]
    assert not row.of_member


@pytest.mark.parametrize(
    ("more", "text", "spans"),
    [
        ({}, "k-1 k-22", [(0, 3), (4, 8)]),
        ({}, "ü k-1 ß k-2", [(2, 5), (8, 11)]),
        ({"check": lambda sight, start, end: sight.text[end - 1] == "2"}, "k-1 k-2", [(4, 7)]),
        ({"words": Words("ticket*")}, "k-1", []),
        ({"words": Words("ticket*")}, "our tickets: k-1", [(13, 16)]),
        ({"unless": Words("model")}, "model k-1", []),
        ({"unless": Words("model")}, "key k-1", [(4, 7)]),
    ],
)
def test_check_and_words_have_a_say(more, text, spans):
    assert found(pattern("x", "secret", "k-[0-9]+", trigger="k-", **more), text) == spans


def test_the_name_of_the_member_is_among_the_words():
    row = pattern("x", "secret", "[0-9]+", trigger="[0-9]", words=Words("pin"))
    assert (found(row, "1234", "pin"), found(row, "1234", "size")) == ([(0, 4)], [])
