"""Characters that end a line or steer a terminal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.steering import escaped, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("team é 猫", "team é 猫"),
        ("a\r\nb", "a��b"),
        ("\x1b[31mred", "�[31mred"),
        ("\x9b31m\x7f", "�31m�"),
        ("x\u2028y\u202ez\u2066", "x�y�z�"),
        ("\ud800", "�"),
    ],
)
def test_what_steers_is_not_shown(text, shown):
    assert plain(text) == shown


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_a_document_says_the_same_on_one_line_of_its_own(text):
    said = escaped(json.dumps([text], ensure_ascii=False).encode())
    assert json.loads(said) == [text]
    assert len(said.decode().splitlines()) == 1
    assert plain(said.decode()) == said.decode()
