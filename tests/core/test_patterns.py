"""Expressions of operators: what is refused, and that taking out anchors never loses a match."""

import random

import pytest

from gateway.core.patterns import MAX_PROGRAM, compiled, why_refused, without_anchors

PARTS = [
    "a", "b", "[ab]", "[^a]", r"\b", "^", "$", r"\B", r"\A", r"\z", ".", r"\.", r"\d", r"\pL", r"\p{L}", r"\p{^Greek}",
    r"\x61", r"\x{62}", "[[:alpha:]]", "[^[:digit:]]", r"\Qa.^b\E", r"\Q(\E", "[]a]", "[^]a]", "[a^$]", r"[\]a^]", r"\^", r"\$",
    "(?i)", "(a|b)", "(?:ab)", "|", "(?P<n>a)", "ACME", "{", "}", "{,2}", "-", " ",
]  # fmt: skip
COUNTS = ["", "", "", "*", "+", "?", "{2}", "{5}", "{0,3}", "{2,}", "{12}", "*?", "{13,}?"]
ALPHABET = "ab.(^$0-ACME]}{, n\n"


def some(rand):
    """A pattern that is taken."""
    while True:
        pattern = "".join(rand.choice(PARTS) + rand.choice(COUNTS) for _ in range(rand.randint(1, 5)))
        if not why_refused(pattern):
            return pattern


def test_without_its_anchors_an_expression_matches_wherever_it_did_and_in_any_larger_text():
    rand, matched = random.Random(5), 0
    for _ in range(800):
        pattern = some(rand)
        strict, loose = compiled(pattern), compiled(without_anchors(pattern))
        for _ in range(5):
            before, text, behind = ("".join(rand.choices(ALPHABET, k=rand.randint(0, 9))) for _ in range(3))
            if strict.search(text):
                matched += 1
                assert loose.search(before + text + behind), (pattern, before, text, behind)
    assert matched > 150


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"\bACME-[0-9]{6}\b", r"(?:)ACME-[0-9]{6}(?:)"),
        (r"^a$|\Ab\z", "(?:)a(?:)|(?:)b(?:)"),
        (r"[$^]\^\$[\b-c]", r"[$^]\^\$[\b-c]"),
        (r"\Q^$\b\E^", r"\Q^$\b\E(?:)"),
        (r"\p{^Greek}\pL", r"\p{^Greek}\pL"),
        ("[[:^alpha:]^]", "[[:^alpha:]^]"),
    ],
)
def test_only_what_asks_for_a_place_is_taken_out(pattern, expected):
    assert without_anchors(pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(a", "RE2 does not take it: missing ): (a"),
        ("(?=a)b", "RE2 does not take it: invalid perl operator: (?="),
        (r"(a)\1", r"RE2 does not take it: invalid escape sequence: \1"),
        ("a{1001}", "RE2 does not take it: invalid repetition size: {1001}"),
        ("[z-a]", "RE2 does not take it: invalid character class range: z-a"),
        (r"\pL{999}", "RE2 does not take it: pattern too large - compile failed"),
        ("a*", "it matches where there is nothing"),
        ("", "it matches where there is nothing"),
        (r"\b", "it matches where there is nothing"),
        ("^$", "it matches where there is nothing"),
        (r"x|\b", "it matches where there is nothing"),
        (r"a\Cb", r"`\C` is half a character"),
    ],
)
def test_what_is_refused_is_told_why(pattern, reason):
    assert why_refused(pattern) == reason


@pytest.mark.parametrize("pattern", ["a", r"ACME-\d{6}", r"\pL+", "a{1000}", r"(?i)\bacme\b", r"[^\x{4e00}-\x{9fff}]x"])
def test_what_is_taken(pattern):
    assert why_refused(pattern) == ""


def test_the_largest_program_is_bounded_forwards_and_backwards():
    assert why_refused(r"\pL{5}").startswith("it compiles to ")
    assert str(MAX_PROGRAM) in why_refused(r"\pL{5}")


def test_refusing_says_nothing_on_the_terminal(capfd):
    why_refused("(a")
    assert capfd.readouterr() == ("", "")
