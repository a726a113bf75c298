"""Triggers that no expression can say."""

from gateway.sensitivity.questions import Questions
from gateway.sensitivity.triggers import Triggers


def test_questions_keep_the_numbers_that_they_have_among_all_triggers():
    rows = ["a", lambda text: "b" in text, "c", lambda text: "d" in text]
    asked, triggers = Questions(rows), Triggers(rows)
    assert [asked.of(text) for text in ("ac", "b", "abcd")] == [[], [1], [1, 3]]
    assert [triggers.of(text) for text in ("x", "ac", "b", "abcd")] == [[], [0, 2], [1], [0, 1, 2, 3]]
    assert [(asked.any(text), triggers.any(text)) for text in ("x", "a", "b")] == [
        (False, False),
        (False, True),
        (True, True),
    ]
