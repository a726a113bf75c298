"""A conversation's turns read the same however they are written."""

import json
from hashlib import blake2b

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.chat import parse
from gateway.core.turns import turns
from gateway.surfaces import SURFACES


def read(messages: bytes) -> list[bytes]:
    return list(turns(parse(b'{"model":"m","messages":[%b]}' % messages)))


@pytest.mark.parametrize(
    "again",
    [
        b'{"content":"h\\u00e9","role":"user"}',
        b' { "role" : "user" , "content" : "h\xc3\xa9" } ',
        b'{"role":"user","content":"h\\u00E9","name":null,"tool_calls":null}',
    ],
    ids=["order and escapes", "spaces", "nulls"],
)
def test_another_way_of_writing_is_the_same_turn(again):
    assert read(again) == read(b'{"role":"user","content":"h\xc3\xa9"}')


@pytest.mark.parametrize(
    "other",
    [
        b'{"role":"user","content":"Hi"}',
        b'{"role":"system","content":"hi"}',
        b'{"role":"user","content":"hi","name":"x"}',
        b'{"role":"user","content":[{"type":"text","text":"hi"}]}',
    ],
)
def test_another_turn_is_another(other):
    assert read(other) != read(b'{"role":"user","content":"hi"}')


def test_each_message_is_one_turn_and_members_it_has_within_are_sorted():
    assert read(b'{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"user","content":"b"}') == [
        blake2b(turn, digest_size=32).digest()
        for turn in (b'{"content":[{"text":"hi","type":"text"}],"role":"user"}', b'{"content":"b","role":"user"}')
    ]


@pytest.mark.parametrize(
    "odd",
    [
        b'{"role":"user","content":"x","more":1e999}',
        b'{"role":"user","content":"x","tool_calls":' + b"[" * 300 + b"]" * 300 + b"}",
    ],
    ids=["number", "deep"],
)
def test_what_cannot_be_read_is_a_turn_all_the_same(odd):
    assert read(odd) == read(odd)
    assert len(read(odd + b"," + odd)) == 2


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(min_size=1, max_size=4), values, max_size=4), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_client_may_write_its_messages_down_again(more, ascii_, spaced):
    known = ("role", "content", "tool_calls", "function_call", "reasoning_content", "refusal")
    message = {"role": "user", "content": "hé", **{name: value for name, value in more.items() if name not in known}}
    again = dict(reversed(message.items()))
    separators = (", ", ": ") if spaced else (",", ":")
    assert read(json.dumps(message).encode()) == read(
        json.dumps(again, ensure_ascii=ascii_, separators=separators).encode()
    )


def test_an_operation_without_a_conversation_is_one_turn_of_all_that_it_reads():
    def turn(surface, **fields):
        return list(turns(SURFACES[surface].parse(json.dumps({"model": "m", **fields}).encode(), 0)))

    one, other = turn("rerank", query="q", documents=["a"]), turn("rerank", query="q", documents=["b"])
    assert len(one) == len(other) == 1
    assert one != other
    assert turn("embeddings", input="x") == [blake2b(b'"x"', digest_size=32).digest()]
