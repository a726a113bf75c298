"""Rows behind one trigger, and where they look."""

import pytest

from gateway.sensitivity.detectors.bundles import LONGEST, anchored, beginnings, bundle, closed, gated
from gateway.sensitivity.sight import Sight, Words


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("abc", ("abc",)),
        ("ab[cd]", ("abc", "abd")),
        ("(?:ab|cd)ef", ("abef", "cdef")),
        ("abc?d", ("ab",)),
        (r"ab\.c", ("ab.c",)),
        (r"ab\d", ("ab",)),
        ("ab[0-9]c", ("ab",)),
        ("abc+d", ("abc",)),
        ("(?:ab|cd(?:e|f))g", ("abg", "cdeg", "cdfg")),
        (r"ab\$(?:x|y)\$z", ("ab$x$z", "ab$y$z")),
    ],
)
def test_beginnings(expression, expected):
    assert beginnings(expression) == expected


@pytest.mark.parametrize("expression", ["[0-9]abc", "a?bc", "a[bc]?", r"\d\d", ".*x"])
def test_what_does_not_begin_plainly_is_refused(expression):
    with pytest.raises(ValueError, match="no plain beginning"):
        beginnings(expression)


def test_open_counts_are_closed():
    assert closed(r"a{3,}b{2}c{1,4}") == rf"a{{3,{LONGEST}}}b{{2}}c{{1,4}}"


def places(row, text):
    return [text[hit.start : hit.end] for hit in row.detector.find(Sight(text))]


def test_a_row_looks_where_its_string_stands():
    row = anchored("x", ("ab-",), r"(?<!\w)(ab-\d{3,})")
    assert places(row, "ab-123 xab-456 ab-78 (ab-9999)") == ["ab-123", "ab-9999"]


def test_a_row_may_have_its_mark_in_the_middle():
    row = anchored("x", ("--",), r"--\d{2}", behind="[a-z]{3}", back=3)
    assert places(row, "abc--12 zabc--34 b--56") == ["abc--12", "abc--34"]


def test_findings_do_not_overlap():
    row = anchored("x", ("ab",), r"(?:ab){1,}")
    assert places(row, "ababab ab") == ["ababab", "ab"]


def test_words_must_stand_near():
    row = gated("x", ("acme",), r"\d{6}", words=Words("acme"))
    assert places(row, "acme 123456" + "." * 500 + "654321") == ["123456"]


def test_a_bundle_asks_the_rows_whose_strings_stand_in_the_text():
    asked = []

    def spied(id, row):
        def find(sight):
            asked.append(id)
            return row.detector.find(sight)

        return type(row)(type(row.detector)(id, row.detector.trigger, find), row.needles, row.folded, row.word)

    rows = [
        spied("word", anchored("word", ("ab-",), r"ab-\d{3}", word=True)),
        spied("anywhere", anchored("anywhere", ("=x",), r"=x\d")),
        spied("folded", gated("folded", ("acme",), r"\d{6}")),
    ]
    together = bundle("all", "ab-|=x|(?i:acme)", rows)

    def hits(text):
        asked.clear()
        return [(hit.detector, text[hit.start : hit.end]) for hit in together.find(Sight(text))]

    assert hits("nothing") == []
    assert asked == []
    assert hits("ab-123") == [("word", "ab-123")]
    assert asked == ["word"]
    assert hits("1=x2") == [("anywhere", "=x2")]
    assert hits("ACME 123456") == [("folded", "123456")]
    assert hits("xab-123") == []
    assert hits(r"\nab-123") == [("word", "ab-123")]
