"""What findings come to, and that no text shows where it must not."""

import pytest

from gateway.core.chat import parse
from gateway.core.findings import NOTHING_FOUND, Classified, Redacted


@pytest.mark.parametrize(
    ("said", "conflict"),
    [
        ((("key", "public"), ("scanner", "restricted")), False),
        ((("header", "public"), ("scanner", "restricted")), True),
        ((("header", "restricted"), ("scanner", "restricted")), False),
        ((("header", "confidential"), ("scanner", "internal")), False),
        ((("header", "restricted"), ("scanner", "unknown")), True),
        ((("header", "public"), ("attachment", "confidential")), False),
    ],
)
def test_whoever_said_less_than_was_found(said, conflict):
    assert Classified("x", frozenset(), said, "public").conflict is conflict


@pytest.mark.parametrize(("label", "shown"), [("public", "public"), (None, "unknown")])
def test_a_label_in_words(label, shown):
    assert Classified(label, None, (), "public").shown == shown


def test_what_was_taken_out_shows_nowhere():
    chat = parse(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}')
    redacted = Redacted(chat, {"[SECRET_1]": "the secret"}, NOTHING_FOUND)
    assert "the secret" not in repr(redacted)
    assert redacted.taken == {"[SECRET_1]": "the secret"}
