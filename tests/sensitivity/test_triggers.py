"""What is taken out of a trigger stands wherever the trigger matches, so nothing is missed."""

import re

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sensitivity.canonical import REWRITES
from gateway.sensitivity.detectors import DETECTORS
from gateway.sensitivity.payload import PACKINGS
from gateway.sensitivity.sight import Sight
from gateway.sensitivity.triggers import Triggers, needed

WRITTEN = [row.trigger for table in (DETECTORS, REWRITES, PACKINGS) for row in table if isinstance(row.trigger, str)]


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ("ghp_", {"ghp_"}),
        ("gh[pousr]_", {"ghp_", "gho_", "ghu_", "ghs_", "ghr_"}),
        ("(?i)Pass(?:word|wd)?", {"passwd", "password", "pass"}),
        ("(?i)mysql.*-p", {"mysql"}),
        ("://[^/]*@", {"://"}),
        ("a+bc", {"abc"}),
        ("abc+d", {"abc"}),
        ("(?:one|two) and", {"one and", "two and"}),
        ("(?:one|tw+o)-", {"one", "two-"}),
        (r"\d{3}-x", "digit"),
        (r"[A-Z]{1,2}\d[A-Z]|GIR 0AA", "digit"),
        ("[0-9a-f]{32}", "long"),
        ("SK[0-9a-f]{32}", "long"),
        ("sk_live_[0-9a-f]{32}", {"sk_live_"}),
        ("[\u0660-\u0669]", "beyond"),
        ("[a\u0660]", "nothing"),
        ("x|y[0-9]", "nothing"),
        ("@[a-z]", {"@"}),
        (r"\Qabc\E", "nothing"),
        ("[[:alpha:]]abc", "nothing"),
        ("(?P<name>abc)", "nothing"),
        (r"\babc\b", {"abc"}),
        ("密码", {"密码"}),
    ],
)
def test_what_a_match_cannot_do_without(trigger, expected):
    found = needed(trigger)
    if isinstance(expected, set) and isinstance(found, frozenset):
        assert all(any(word in each for word in found) for each in expected)
    else:
        assert found == expected


def test_a_text_that_has_none_of_them_has_nothing_at_all():
    triggers = Triggers(["ghp_", "[0-9]", lambda text: "magic" in text])
    assert [triggers.any(text) for text in ("plain", "GHP_", "a 1", "so magic")] == [False, True, True, True]
    assert [triggers.of(text) for text in ("plain", "xghp_9", "so magic")] == [[], [0, 1], [2]]


@pytest.mark.parametrize(
    ("trigger", "text", "expected"),
    [
        ("[0-9],? [A-Z]", "in 1999 we", False),  # a digit is not enough
        ("[0-9],? [A-Z]", "7, Baker", True),
        ("[\u0416-\u0418]x", "\u0416y", False),
        ("[\u0416-\u0418]x", "\u0416x", True),
        ("[0-9a-f]{32}", "0123456789abcdef", False),
        ("[0-9a-f]{32}", "0123456789abcdef" * 2, True),
        ("[0-9a-f]{300}", "0123456789abcdef", True),  # counted only so far
        ("[\u0416-\u0418]{9}", "\u0416", True),
    ],
)
def test_what_a_gate_lets_through_is_asked_exactly(trigger, text, expected):
    triggers = Triggers([trigger])
    assert triggers.of(text) == ([0] if expected else [])
    assert triggers.any(text) or not expected


@pytest.mark.parametrize(
    "text",
    [
        "221B Baker Street",
        "住在中关村大街27\t号",
        "0+\u0410",
        "wallet 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "IBAN GB82 WEST 1234 5698 7654 32",
    ],
)
def test_a_row_is_asked_wherever_it_finds_something(text):
    rows = [row for row in DETECTORS if not row.of_member and list(row.find(Sight(text)))]
    rewrites = [row for row in REWRITES if list(row.edits(text))]
    assert rows or rewrites
    assert all(Triggers([row.trigger]).of(text) for row in (*rows, *rewrites))


@pytest.mark.parametrize("trigger", sorted(set(WRITTEN)), ids=ascii)
def test_every_match_of_every_trigger_of_the_tables_is_seen(trigger):
    """A text that the expression matches is made by Hypothesis from the expression itself."""
    plain = re.sub(r"\\p\{L\}", "a", re.sub(r"\\p\{N\}", "0", re.sub(r"\\p\{Lu\}", "A", trigger)))
    plain = re.sub(r"\\x\{([0-9a-fA-F]+)\}", lambda m: re.escape(chr(int(m[1], 16))), plain)
    try:
        texts = st.from_regex(re.compile(plain), fullmatch=True)
    except re.error:
        pytest.skip("Python writes this expression otherwise")
    compiled, triggers = re2.compile(trigger), Triggers([trigger])

    @given(texts, st.text(max_size=3), st.text(max_size=3))
    def check(text, before, after):
        whole = before + text + after
        if compiled.search(whole) is not None:
            assert triggers.of(whole) == [0]
            assert triggers.any(whole)

    settings(max_examples=5, deadline=None, database=None)(check)()
