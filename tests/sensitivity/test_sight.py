"""What stands around a place, and whether it stands alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sensitivity.sight import Sight, Words, distinct, fold, has_any


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        (("pin",), "the PIN is", True),
        (("pin",), "spinning", False),
        (("pin",), "pins", False),
        (("pin*",), "pins", True),
        (("telefono",), "mi teléfono:", True),
        (("haslo",), "moje hasło to", True),
        (("身份证",), "我的身份证号是", True),
        (("credit card",), "my Credit Card", True),
    ],
)
def test_words_in_any_case_and_without_accents(words, text, found):
    assert Words(*words).within(fold(text)) is found


def test_a_word_speaks_of_what_is_near():
    text = "pin " + "x" * 200 + " 1234 " + "y" * 200 + " pin"
    at = text.index("1234")
    assert not Sight(text).near(at, at + 4, Words("pin"))
    assert Sight("the pin 1234").near(8, 12, Words("pin"))
    assert Sight("1234 is the pin").near(0, 4, Words("pin"))
    assert Sight("1234", "user_pin").near(0, 4, Words("pin"))


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("1234567", True),
        ("  1234567.", True),
        ("'1234567'", True),
        ("| a | 1234567 | b |", True),
        ("<id>1234567</id>", True),
        ("customer: 1234567", True),
        ("customer: 1234567 of 12", False),
        ("we sold 1234567 of them", False),
        ("1234567 and 7654321", True),
        ("x" * 30 + " " + "word " * 40 + "1234567", False),
        ("word " * 40 + "the end. 1234567", True),
        ("word " * 40 + "the end.\n1234567", True),
        ("word " * 40 + "the end. 1234567 more", False),
    ],
)
def test_what_stands_alone(text, alone):
    at = text.index("1234567")
    assert Sight(text).alone(at, at + 7) is alone


@given(st.text(max_size=30))
def test_places_stay_where_they_are(text):
    sight = Sight(text)
    assert len(sight.low) == len(text)
    assert len(sight.spaced) == len(text) + 2
    for start in range(len(text)):
        octets = len(text[:start].encode())
        assert sight.characters(octets, octets + len(text[start].encode())) == (start, start + 1)


def test_small_questions():
    assert (distinct("abca"), has_any("abc", ["x", "c"]), has_any("abc", ["x"])) == (3, True, False)
