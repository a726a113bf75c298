"""Terms and texts as they are compared: character for character."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.lexicon import SHARD_TERMS, shards, ways, written

EVERY = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


@pytest.mark.parametrize("ignore_case", [True, False])
def test_no_character_becomes_more_or_less_than_one(ignore_case):
    assert [each for each in EVERY if len(written(each, ignore_case=ignore_case)) != 1] == []


@given(st.text(), st.booleans())
def test_a_text_is_as_long_as_before_and_written_once(text, ignore_case):
    once = written(text, ignore_case=ignore_case)
    assert len(once) == len(text)
    assert written(once, ignore_case=ignore_case) == once


@given(st.text(), st.text(), st.booleans())
def test_what_stands_around_a_text_does_not_change_how_it_is_written(one, other, ignore_case):
    apart = written(one, ignore_case=ignore_case) + written(other, ignore_case=ignore_case)
    assert written(one + other, ignore_case=ignore_case) == apart


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Acme\tHoldings", "acme holdings"),
        ("Acme\r\nHoldings", "acme  holdings"),
        ("ACME\u00a0\u3000\u2003X", "acme   x"),
        ("İstanbul", "istanbul"),
        ("ΟΔΟΣ οδός", "οδοσ οδόσ"),
        ("ŻUBR", "żubr"),
    ],
)
def test_white_space_is_a_space_and_letters_are_small(text, expected):
    assert written(text, ignore_case=True) == expected


def test_where_case_matters_it_is_kept():
    assert written("Acme\nHoldings", ignore_case=False) == "Acme Holdings"


@pytest.mark.parametrize(
    "term", ["Müller", "Żubr & Syn", "\uff26\uff4f\uff4f Bar", "江灯造纸厂", "①②③", "ガス会社", "Acme"]
)
def test_a_term_is_looked_for_in_every_form_that_unicode_has(term):
    found = set(ways(term, ignore_case=True))
    assert {written(unicodedata.normalize(form, term), ignore_case=True) for form in ("NFC", "NFD", "NFKC")} == found


@given(st.sets(st.text("abc", min_size=3, max_size=9), max_size=30))
def test_shards_hold_each_term_once_in_order(terms):
    assert [term for shard in shards(terms) for term in shard.split("\n")] == sorted(terms)


def test_a_shard_is_not_larger_than_one_may_be():
    made = shards({f"term{number}" for number in range(2 * SHARD_TERMS + 1)})
    assert [shard.count("\n") + 1 for shard in made] == [SHARD_TERMS, SHARD_TERMS, 1]
