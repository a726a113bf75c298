"""What is left of a large request when its words are taken away."""

import json

import msgspec
import pytest
from support.crossing import PATHS, body_of

from gateway.core.outline import Outline, outline
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
