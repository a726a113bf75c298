"""Lists that are cut short, and text that cannot steer a report."""

import pytest

from gateway.review.words import alternatives, code, escaped, requests, row, shown


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


@pytest.mark.parametrize(("words", "expected"), [({}, "every request"), ({"a": "x, y", "b": "z"}, "a x, y; b z")])
def test_requests_attribute_by_attribute(words, expected):
    assert requests(words) == expected


@pytest.mark.parametrize(
    ("many", "few"),
    [
        ([], {}),
        ([{"a": "1"}], {0: {"a": "1"}}),
        ([{"a": "1"}, {"a": "2"}, {"a": "3"}], {0: {"a": "1 or 2 or 3"}}),
        ([{"a": "1", "b": "1"}, {"a": "2", "b": "1"}], {0: {"a": "1 or 2", "b": "1"}}),
        ([{"a": "1", "b": "1"}, {"a": "2", "b": "2"}], {0: {"a": "1", "b": "1"}, 1: {"a": "2", "b": "2"}}),
        ([{"a": "1"}, {"b": "1"}, {"a": "2"}], {0: {"a": "1 or 2"}, 1: {"b": "1"}}),
        ([{"a": "1"}, {"a": "1", "b": "1"}], {0: {"a": "1"}, 1: {"a": "1", "b": "1"}}),
        ([{"a": "1"}, {"a": "1"}], {0: {"a": "1"}}),
        # a joined one differs from what joined it in two
        ([{"a": "1", "b": "1"}, {"a": "2", "b": "1"}, {"a": "1", "b": "2"}], {0: {"a": "1 or 2", "b": "1"}, 2: {"a": "1", "b": "2"}}),
    ],
)  # fmt: skip
def test_conditions_that_differ_in_one_attribute_are_one(many, few):
    assert alternatives(many) == few
