"""A body in which a name stands twice is found out, however it is written."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.members import MOST_TEXTS, many, repeats


def members(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(members, value.values()))
    return sum(map(members, value)) if isinstance(value, list) else 0


def twice(body: bytes) -> bool:
    return repeats(body, members(msgspec.json.decode(body)))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a":1,"b":{"a":2}}', False),
        (b'{"a":1,"a":2}', True),
        (b'{"m":[{"content":"x","content":"y"}]}', True),
        (b'{"a":1,"\\u0061":2}', True),
        (b'{"a" :1,"b":2}', False),
        (b'{"a" :1,"a":2}', True),
        (b'{"a" :1,"b":2,"b":3}', True),
        (b'{"a"\n\t:1,"b":2}', False),
        (b'{"t":"say \\"no\\": never"}', False),
        (b'{"t":"say \\"no\\": never","t":1}', True),
        (b'{"a\\\\":1,"b":2}', False),
        (b'{"a\\\\":1,"b":2,"b":2}', True),
        (b'{"a\\\\\\":":1,"b":2}', False),
        (b'{"t":"\\":\\":\\":"}', False),
        (b'{"":1,"":2}', True),
        (b'{"n":123456789012345678901234567890,"m":1e400, "k" :1}', False),
        (b"[]", False),
    ],
)
def test_a_name_that_stands_twice(body, expected):
    if b"1e400" in body:
        assert repeats(body, 3) is expected
    else:
        assert twice(body) is expected


names = st.text(alphabet='ab"\\: \n\u00e9', max_size=3)
values = st.recursive(
    st.integers() | st.text(alphabet='ab":\\ {}', max_size=8) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(names, inner), max_size=4).map(tuple),
    max_leaves=12,
)


def written(value: object, colon: str) -> str:
    """JSON text in which tuples of pairs are objects, with the names as often as they are given."""
    if isinstance(value, tuple):
        return "{" + ",".join(json.dumps(name) + colon + written(inner, colon) for name, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(inner, colon) for inner in value) + "]"
    return json.dumps(value)


def has_twice(value: object) -> bool:
    if isinstance(value, tuple):
        return len(dict(value)) < len(value) or any(has_twice(inner) for _, inner in value)
    return isinstance(value, list) and any(map(has_twice, value))


@settings(max_examples=300)
@given(values, st.sampled_from([":", ": ", " :", "\n:", " : "]))
def test_it_says_what_reading_name_by_name_says(value, colon):
    assert twice(written(value, colon).encode()) is has_twice(value)


@pytest.mark.parametrize("text", [b'""', b'"a"', rb'"say \"yes\", and \"no\""', rb'"\u00e9\n"'])
def test_too_many_texts_are_counted_without_reading_them(text):
    assert many(b"[" + b",".join([text] * (MOST_TEXTS + 1)) + b"]")
    assert not many(b"[" + b",".join([text] * MOST_TEXTS) + b"]")


def test_a_long_text_about_texts_is_one():
    assert not many(json.dumps({"x": '{"a": "b"}, ' * MOST_TEXTS}).encode())
