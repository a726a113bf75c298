"""Terms in a text: where they stand, whatever the case, the white space and the script; and nothing else."""

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.lexicon import shards, ways, written
from gateway.core.terms import Dictionary
from gateway.sensitivity.dictionary import Lexicon
from gateway.sensitivity.sight import Sight


def lexicon(*terms, whole_words=True, ignore_case=True):
    made = {way for term in terms for way in ways(term, ignore_case=ignore_case)}
    return Lexicon(Dictionary("d", shards(made), "internal", None, whole_words, ignore_case))


def found(text, *terms, **options):
    made = lexicon(*terms, **options)
    hits = list(made.find(Sight(text)))
    assert made.shows(text) or hits == []
    assert {(hit.kind, hit.detector) for hit in hits} <= {("d", "d")}
    return [text[hit.start : hit.end] for hit in sorted(hits, key=lambda hit: (hit.start, hit.end))]


TERMS = ("Acme Holdings", "Zeta", "Müller", "江灯造纸厂", "삼성전자", "Ærø A/S")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zeta", ["Zeta"]),
        ("we sold it to ZETA, and to zeta.", ["ZETA", "zeta"]),
        ("Zetas, aZeta, Zeta2", []),
        ("zeta_corp my-zeta zeta's", ["zeta", "zeta", "zeta"]),
        ("Acme Holdings", ["Acme Holdings"]),
        ("ACME\nHOLDINGS", ["ACME\nHOLDINGS"]),
        ("é acme\r\n  holdings é zeta", ["acme\r\n  holdings", "zeta"]),
        ("acme\u00a0\u2003holdings", ["acme\u00a0\u2003holdings"]),
        ("AcmeHoldings Acme", []),
        ("Mu\u0308ller MÜLLER Muller", ["Mu\u0308ller", "MÜLLER"]),
        ("Zeta\u0301", []),
        ("我们在江灯造纸厂工作", ["江灯造纸厂"]),
        ("삼성전자는 좋다", ["삼성전자"]),
        ("👍🏽 ærø a/s 👍 zeta", ["ærø a/s", "zeta"]),
        ("", []),
    ],
)
def test_where_terms_stand(text, expected):
    assert found(text, *TERMS) == expected


def test_parts_of_words_only_where_that_is_wanted():
    assert found("xZetas acmeHOLDINGS", "zeta", "holdings", whole_words=False) == ["Zeta", "HOLDINGS"]


def test_case_counts_only_where_that_is_wanted():
    assert found("IT it It\tDept it dept", "It Dept", "ITX", ignore_case=False) == ["It\tDept"]


def test_a_term_in_another_is_found_where_the_longer_one_is_no_word():
    assert found("acme holdingsx", "acme", "acme holdings") == ["acme"]
    assert found("acme holdings", "acme", "acme holdings") == ["acme", "acme holdings"]


def test_a_lone_surrogate_is_a_character_like_any_other():
    assert found("\ud800 zeta \udfff", "Zeta") == ["zeta"]


LETTERS = "ab ΣσςÀà́\t\n中_1"
WORDS = (
    st.text(LETTERS, min_size=3, max_size=5).map(lambda text: " ".join(text.split())).filter(lambda text: len(text) > 2)
)


@settings(max_examples=300)
@given(st.sets(WORDS, min_size=1, max_size=6), st.text(LETTERS, max_size=30), st.booleans())
def test_it_finds_what_looking_for_each_term_by_itself_would(terms, text, ignore_case):
    made = {way for term in terms for way in ways(term, ignore_case=ignore_case)}
    same = written(text, ignore_case=ignore_case)
    expected = set()
    for term in made:
        pattern = " +".join(map(re.escape, term.split(" ")))
        for start in range(len(same)):
            if match := re.compile(pattern).match(same, start):
                expected.add((start, match.end()))
    hits = lexicon(*terms, whole_words=False, ignore_case=ignore_case).find(Sight(text))
    assert {(hit.start, hit.end) for hit in hits} == expected


@given(st.sets(WORDS, min_size=1, max_size=4), st.text(LETTERS), st.text(LETTERS), st.text(LETTERS))
def test_it_shows_in_every_larger_text(terms, text, before, behind):
    made = lexicon(*terms)
    if list(made.find(Sight(text))):
        assert made.shows(before + text + behind)


def names(count):
    rand = random.Random(7)
    parts = ["ka", "lo", "mi", "ren", "tor", "va", "sel", "dun", "bri", "an", "co", "ster", "hol", "win", "gar", "pe"]
    return ["".join(rand.choices(parts, k=3)) + " " + "".join(rand.choices(parts, k=4)) for _ in range(count)]


def test_making_it_is_done_in_portions_that_others_can_wait_for():
    """Nothing else runs while one portion is made: about 10 ms."""
    portions = shards({written(name, ignore_case=True) for name in names(20_000)})
    times = []
    for portion in portions:
        began = time.process_time()
        Lexicon(Dictionary("d", (portion,), "internal", None))
        times.append(time.process_time() - began)
    assert len(portions) > 2
    assert sorted(times)[len(times) // 2] < 0.1


def test_a_text_takes_time_in_proportion_to_it():
    made = lexicon(*names(20_000))
    text = "the quick brown fox jumps over the lazy dog and writes to mister smith " * 1000

    def took(text):
        began = time.process_time()
        made.shows(text)
        return time.process_time() - began

    short, long = (min(took(text * times) for _ in range(3)) for times in (2, 20))
    assert long < 40 * max(short, 0.0005)
