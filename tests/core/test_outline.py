"""What is left of a large request when its words are taken away."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.crossing import PATHS, body_of

from gateway.core import outline as module
from gateway.core.outline import LARGE_BYTES, MOST_PARTS, Outline, is_large, outline
from gateway.surfaces import SURFACES

WORDS = "what nobody needs to know "


def read(surface: str, **more: object) -> Outline:
    body = json.dumps(body_of(surface, "m", WORDS * 9, **more)).encode()
    return outline(SURFACES[surface].parse(body, 7), 3, ("secret",), (b"turn",))


@pytest.mark.parametrize("surface", SURFACES)
def test_its_words_are_gone_and_all_else_is_there(surface):
    body = json.dumps(body_of(surface, "m", WORDS * 9, user="u")).encode()
    chat = SURFACES[surface].parse(body, 7)
    found = outline(chat, 3, ("secret",), (b"turn",))
    said = [found.fields, {} if found.native is None else found.native.fields]
    assert WORDS.encode() not in b"".join(bytes(raw) for fields in said for raw in fields.values())
    assert (found.number, found.redacted, found.turns) == (3, ("secret",), (b"turn",))
    for name in ("needs", "text_bytes", "attached_bytes", "asks", "operation", "arrived", "prompts", "hints", "demand"):
        assert getattr(found, name) == getattr(chat, name)
    assert {*chat.fields} - {*found.fields} <= {"messages", "input", "prompt", "query", "documents"}


def test_tools_that_are_listed_among_the_words_stay():
    tool = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
    items = [{"role": "user", "content": WORDS}, {"type": "additional_tools", "role": "developer", "tools": [tool]}]
    chat = SURFACES["responses"].parse(
        json.dumps({"model": "m", "input": items, "tools": [{**tool, "name": "go"}]}).encode(), 0
    )
    found = outline(chat, 1, (), ())
    assert json.loads(bytes(found.native.fields["input"])) == items[1:]
    assert found.native.fields["tools"] == chat.native.fields["tools"]


@pytest.mark.parametrize("surface", PATHS)
def test_it_stays_an_outline_when_something_of_it_is_replaced(surface):
    assert isinstance(msgspec.structs.replace(read(surface), attached_bytes=1), Outline)


def chat_with(value: object) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "x": value}).encode()


PROSE = 'He said, "so it is", {and} went on.\n'
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}}


@pytest.mark.parametrize(
    ("body", "large"),
    [
        (chat_with(["abcdefgh"] * 80_000), True),
        (chat_with([{}] * 250_000), True),
        (chat_with([[]] * 250_000), True),
        (chat_with([1] * 300_000), True),
        (chat_with({f"\\{number}": 1 for number in range(60_000)}), True),
        (chat_with(["\\"] * 100_000), True),
        (chat_with([{"role": "user", "content": "hello you there"}] * 15_000), True),
        (chat_with("x" * LARGE_BYTES), True),
        (chat_with(PROSE * 20_000), False),
        (chat_with("\\\n" * 100_000), False),
        (chat_with([[TOOL] * 60, [{"role": "user", "content": PROSE * 40}] * 300]), False),
        (chat_with([1] * (MOST_PARTS // 4)), False),
        (b"", False),
    ],
    ids=[
        *("texts", "objects", "lists", "numbers", "names", "backslashes", "messages", "size"),
        *("prose", "escapes", "an agent", "few", "nothing"),
    ],
)
def test_what_is_large_has_many_bytes_or_many_parts(body, large):
    assert (is_large(body), len(body) > LARGE_BYTES + 100) == (large, False)


def parts_of(value: object) -> int:
    if isinstance(value, str):
        return 2
    if not isinstance(value, (dict, list)):
        return 0
    names, inside = (2 * len(value), value.values()) if isinstance(value, dict) else (0, value)
    return 1 + max(len(value) - 1, 0) + names + sum(map(parts_of, inside))


@given(
    st.recursive(
        st.none() | st.integers() | st.text('a"\\,{['),
        lambda inside: st.lists(inside) | st.dictionaries(st.text('a"\\,{['), inside),
    ),
    st.sampled_from([None, 1]),
)
def test_parts_are_what_is_in_a_body_and_not_what_its_texts_say(value, indent):
    assert module._parts(json.dumps(value, indent=indent).encode()) == parts_of(value)
