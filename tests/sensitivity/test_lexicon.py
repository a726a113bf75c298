import pytest

from gateway.sensitivity.lexicon import Lexicon
from gateway.sensitivity.sight import Sight, Words

TAX = Words("tax id", "podatk*", "nip", "税号")
TEL = Words("tel", "télefono")
LEXICON = Lexicon((TAX, TEL))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tax id 123", True),
        ("TAX-ID: 123", True),
        ("tax_id=123", True),
        ("Podatkowy 123", True),
        ("nip:123", True),
        ("snip 123", False),
        ("nipped 123", False),
        ("公司税号123", True),
        ("tel 123", False),
    ],
)
def test_words_are_whole_and_any_blank_joins_them(text, found):
    start = text.index("123")
    assert LEXICON.read(Sight(text)).near(TAX, start, start + 3) is found


def test_near_has_two_sides_and_an_end():
    text = f"tel {'.' * 100} 123 {'.' * 100} tel"
    place = text.index("123"), text.index("123") + 3
    assert not LEXICON.read(Sight(text)).near(TEL, *place)
    assert LEXICON.read(Sight(text)).near(TEL, *place, 120, 0)
    assert LEXICON.read(Sight(text)).near(TEL, *place, 0, 120)


def test_the_name_of_the_member_is_near_to_everything():
    assert LEXICON.read(Sight("x" * 500 + " 123", "customerTaxId")).near(TAX, 501, 504)
    assert not LEXICON.read(Sight("x" * 500 + " 123", "customerTaxes")).near(TAX, 501, 504)


def test_a_word_inside_the_place_itself_says_nothing():
    assert not LEXICON.read(Sight("AB nip 12")).near(TAX, 0, 9)


def test_places_are_those_of_the_text():
    text = "Łódź, podatki: 1, tax  nip"
    assert [text[a:b] for a, b in LEXICON.read(Sight(text)).of(TAX)] == ["podatk", "nip"]


def test_a_sight_is_read_once():
    sight = Sight("nip 1")
    assert LEXICON.read(sight) is LEXICON.read(sight)
    assert Lexicon((TEL,)).read(sight).of(TEL) == []
