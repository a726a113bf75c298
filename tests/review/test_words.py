"""Lists that are cut short, and text that cannot steer a report."""

import pytest

from gateway.review.words import code, escaped, row, shown


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([], []),
        (["a", "b"], ["a", "b"]),
        (["a", "b", "c"], ["a", "b", "and 1 more"]),
        ("abcd", ["a", "b", "and 2 more"]),
    ],
)
def test_a_long_list_says_how_long_it_is(items, expected):
    assert shown(items, 2) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a-b.c:1", "a-b.c:1"),
        ("a|b", r"a\|b"),
        ("<script>", r"\<script>"),
        ("[x](http://y)", r"\[x\](http://y)"),
        ("_a_ *b* `c` ~d~", r"\_a\_ \*b\* \`c\` \~d\~"),
        ("a\nb", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\\|b", r"a\\\|b"),
    ],
)
def test_text_stays_text_in_markdown(text, expected):
    assert escaped(text) == expected


def test_code_cannot_be_ended_from_within():
    assert code("a`b\n") == "`ab\N{REPLACEMENT CHARACTER}`"


def test_a_row():
    assert row(["a", "b"]) == "| a | b |"
