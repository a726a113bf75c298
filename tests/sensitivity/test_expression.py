"""An expression finds what RE2 finds, in octets."""

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from gateway.sensitivity.expression import Expression


@pytest.mark.parametrize(
    ("expression", "text", "spans"),
    [
        ("b+", "abbcb", [(1, 3), (4, 5)]),
        ("a(b)", "ab ab", [(1, 2), (4, 5)]),
        ("x", "abc", []),
        (r"\bé\b|z", "é z", [(3, 4)]),  # a boundary is one of ASCII words
        ("ü", "süß", [(1, 3)]),
        ("", "", [(0, 0)]),
    ],
)
def test_where_it_matches(expression, text, spans):
    found = Expression(expression)
    assert list(found.spans(text.encode())) == spans
    assert found.stands_in(text.encode()) is bool(spans)


def test_what_re2_does_not_take_is_refused():
    with pytest.raises(re2.error):
        Expression("a(?=b)")


@given(st.text(alphabet="ab1é ", max_size=30))
def test_it_says_the_same_both_ways(text):
    found = Expression("[a1]+é?")
    assert found.stands_in(text.encode()) is bool(list(found.spans(text.encode())))
