"""Messages as servers take them that do not take OpenAI's."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.chat import parse
from gateway.providers.history import (
    DEVELOPER_AS_SYSTEM,
    FOR_MISTRAL,
    PARTS_IN_ONE,
    THOUGHTS_IN_TAGS,
    Rewrite,
    rewritten,
)

ALL = (DEVELOPER_AS_SYSTEM, PARTS_IN_ONE, THOUGHTS_IN_TAGS, FOR_MISTRAL)


def changed(messages: list, *rewrites: Rewrite) -> list:
    chat = parse(json.dumps({"model": "m", "messages": messages}).encode())
    return json.loads(rewritten(rewrites, chat))


def needed(rewrite: Rewrite, *messages: dict) -> bool:
    return rewrite.needed(parse(json.dumps({"model": "m", "messages": messages}).encode()))


def user(content="hi", **more):
    return {"role": "user", "content": content, **more}


def assistant(content="a", **more):
    return {"role": "assistant", "content": content, **more}


def text(said):
    return {"type": "text", "text": said}


IMAGE = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}


@pytest.mark.parametrize(
    ("rewrite", "before", "after"),
    [
        (DEVELOPER_AS_SYSTEM, {"role": "developer", "content": "d"}, {"role": "system", "content": "d"}),
        (PARTS_IN_ONE, user([text("a"), text("b")]), user("a\nb")),
        (PARTS_IN_ONE, user([text("a")]), user("a")),
        (THOUGHTS_IN_TAGS, assistant(reasoning_content="hm\n"), assistant("<think>\nhm\n</think>\n\na")),
        (THOUGHTS_IN_TAGS, assistant(None, reasoning_content="hm"), assistant("<think>\nhm\n</think>\n\n")),
        (
            THOUGHTS_IN_TAGS,
            assistant("<think>hm</think>a", reasoning_content="hm"),
            assistant("<think>hm</think>a"),
        ),
    ],
)
def test_a_message_is_changed(rewrite, before, after):
    assert needed(rewrite, user(), before)
    assert changed([before, user()], rewrite) == [after, user()]


@pytest.mark.parametrize(
    ("rewrite", "message"),
    [
        (DEVELOPER_AS_SYSTEM, user('"developer"')),
        (DEVELOPER_AS_SYSTEM, {"role": "system", "content": "developer"}),
        (PARTS_IN_ONE, user()),
        (THOUGHTS_IN_TAGS, assistant()),
        (THOUGHTS_IN_TAGS, assistant(reasoning_content=None)),
        (THOUGHTS_IN_TAGS, assistant(reasoning_content="")),
    ],
)
def test_nothing_is_needed(rewrite, message):
    assert not needed(rewrite, message)


@pytest.mark.parametrize(
    ("rewrite", "message"),
    [
        (PARTS_IN_ONE, user([text("a"), IMAGE])),
        (PARTS_IN_ONE, user([text("a") | {"cache_control": {"type": "ephemeral"}}])),
        (PARTS_IN_ONE, user([])),
        (PARTS_IN_ONE, user([{"type": "text", "text": None}])),
        (FOR_MISTRAL, assistant(tool_calls=[7])),
        (FOR_MISTRAL, assistant(tool_calls="odd")),
        (FOR_MISTRAL, {"role": "tool", "tool_call_id": 7, "content": ""}),
        (THOUGHTS_IN_TAGS, assistant([text("a")], reasoning_content="hm")),
        (FOR_MISTRAL, user([text("a"), IMAGE])),
        (FOR_MISTRAL, assistant(tool_calls=[{"id": "abcDEF123", "function": {}}])),
    ],
)
def test_what_cannot_be_said_otherwise_stays(rewrite, message):
    assert changed([message, user()], rewrite) == [message, user()]


def test_messages_that_need_no_change_keep_their_bytes():
    kept = b'{"role":  "user", "content":"\\u00e9", "x":1.50}'
    body = b'{"model":"m","messages":[%b, {"content":"d","role":"developer","y":[ 1 ]}]}' % kept
    out = rewritten((DEVELOPER_AS_SYSTEM,), parse(body))
    assert out == b'[%b,{"content":"d","role":"system","y":[ 1 ]}]' % kept


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (assistant(refusal=None, annotations=[], audio=None, tool_calls=[]), assistant()),
        (assistant(refusal="no"), assistant(refusal="no")),
        (
            assistant("a", reasoning_content="hm"),
            assistant([{"type": "thinking", "thinking": [text("hm")]}, text("a")]),
        ),
        (assistant(None, reasoning_content="hm"), assistant([{"type": "thinking", "thinking": [text("hm")]}])),
        (assistant(reasoning_content=None), assistant()),
    ],
)
def test_mistral_gets_what_it_knows(before, after):
    assert changed([before, user()], FOR_MISTRAL) == [after, user()]


def test_mistral_is_told_that_it_is_to_go_on():
    assert changed([user(), assistant()], FOR_MISTRAL) == [user(), assistant(prefix=True)]
    assert changed([user(), assistant(prefix=False)], FOR_MISTRAL)[1]["prefix"] is False
    calls = [{"id": "abcdef123", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    assert "prefix" not in changed([user(), assistant(tool_calls=calls)], FOR_MISTRAL)[1]


@given(st.text(), st.text())
def test_ids_for_mistral_stay_together(one, other):
    calls = [{"id": id, "function": {"name": "f", "arguments": "{}"}} for id in (one, other)]
    answers = [{"role": "tool", "tool_call_id": id, "content": ""} for id in (one, other)]
    first, *rest = changed([assistant(tool_calls=calls), *answers], FOR_MISTRAL)
    ids = [call["id"] for call in first["tool_calls"]]
    assert ids == [each["tool_call_id"] for each in rest]
    assert all(len(id) == 9 and id.isascii() and id.isalnum() for id in ids)
    assert (ids[0] == ids[1]) == (one == other)


def test_all_of_it_together():
    assert changed([{"role": "developer", "content": [text("a"), text("b")]}, user()], *ALL) == [
        {"role": "system", "content": "a\nb"},
        user(),
    ]
