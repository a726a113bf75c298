"""Outlines through a pipe: all but the words comes out as it went in."""

import json

import msgspec
import pytest
from support.crossing import PATHS, TOOLS, body_of

from gateway.adapters.outlines import Outlined, outline_of, outlined
from gateway.surfaces import SURFACES


@pytest.mark.parametrize("surface", PATHS)
def test_an_outline_comes_through_a_pipe_as_it_was(surface):
    body = json.dumps(body_of(surface, "m", "a secret word", tools=TOOLS[surface], stream=True)).encode()
    chat = SURFACES[surface].parse(body, 7)
    sent = msgspec.json.encode(outlined(chat, 3, ("pii",), (b"t",)))
    assert b"secret" not in sent
    told = outline_of(msgspec.json.decode(sent, type=Outlined))
    assert (told.number, told.redacted, told.turns) == (3, ("pii",), (b"t",))
    assert (told.arrived, told.streamed, told.needs, told.asks) == (7, True, chat.needs, chat.asks)
    assert len(told.view.messages) == len(chat.view.messages)
    assert told.view.tools == chat.view.tools
    assert outline_of(outlined(told)) == told  # an outline is told as it is


@pytest.mark.parametrize("turns", [1, 5])
def test_as_many_messages_come_out(turns):
    messages = [{"role": "user", "content": str(turn)} for turn in range(turns)]
    chat = SURFACES["chat"].parse(json.dumps({"model": "m", "messages": messages}).encode(), 0)
    assert len(outline_of(outlined(chat)).view.messages) == turns
