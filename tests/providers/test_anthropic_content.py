"""The messages of a chat completion as Anthropic takes them."""

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from gateway.core.errors import Refused
from gateway.providers.anthropic_content import OPENING, said


def of(*messages) -> tuple[list, list]:
    found = said(Raw(json.dumps(messages).encode()))
    return (
        json.loads(msgspec.json.encode(found.system)),
        json.loads(msgspec.json.encode(found.messages)),
    )


def text(words: str, **more) -> dict:
    return {"type": "text", "text": words, **more}


def user(content) -> dict:
    return {"role": "user", "content": content}


def assistant(content=None, **more) -> dict:
    return {"role": "assistant", "content": content, **more}


def call(id: str, arguments: str = "{}", name: str = "f") -> dict:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def use(id: str, input=None, name: str = "f") -> dict:
    return {"type": "tool_use", "id": id, "name": name, "input": input or {}}


def result(id: str, *blocks) -> dict:
    return {"type": "tool_result", "tool_use_id": id, **({"content": list(blocks)} if blocks else {})}


def tool(id: str, content) -> dict:
    return {"role": "tool", "tool_call_id": id, "content": content}


@pytest.mark.parametrize(
    ("messages", "system", "turns"),
    [
        ([user("hi")], [], [("user", [text("hi")])]),
        (
            [
                {"role": "system", "content": "a"},
                user("hi"),
                {"role": "developer", "content": [text("b"), text("c")]},
            ],
            ["a", "b", "c"],
            [("user", [text("hi")])],
        ),
        # somebody must say something
        ([{"role": "system", "content": "a"}], [], [("user", [text("a")])]),
        (
            [user("a"), user("b"), assistant("c"), assistant("d")],
            [],
            [("user", [text("a"), text("b")]), ("assistant", [text("c"), text("d")])],
        ),
        # what says nothing is left out
        (
            [user(""), user("  "), user([text("")]), user("hi"), assistant(""), assistant(None)],
            [],
            [("user", [text("hi")])],
        ),
        ([user("hi"), assistant("so \n")], [], [("user", [text("hi")]), ("assistant", [text("so")])]),
        (
            [user("hi"), assistant("so "), user("on")],
            [],
            [("user", [text("hi")]), ("assistant", [text("so ")]), ("user", [text("on")])],
        ),
        # the user speaks first
        (
            [{"role": "system", "content": "a"}, assistant("hello"), user("hi")],
            ["a"],
            [("user", [OPENING]), ("assistant", [text("hello")]), ("user", [text("hi")])],
        ),
        # calls and their results
        (
            [
                user("hi"),
                assistant("look", tool_calls=[call("a"), call("b", '{"x": 1}')]),
                tool("a", "1"),
                tool("b", [text("2")]),
                user("so?"),
            ],
            [],
            [
                ("user", [text("hi")]),
                ("assistant", [text("look"), use("a"), use("b", {"x": 1})]),
                ("user", [result("a", text("1")), result("b", text("2")), text("so?")]),
            ],
        ),
        # results come first, whatever was said before them
        (
            [user("hi"), assistant(tool_calls=[call("a")]), user("wait"), tool("a", "")],
            [],
            [("user", [text("hi")]), ("assistant", [use("a")]), ("user", [result("a"), text("wait")])],
        ),
        # ids of other servers
        (
            [user("hi"), assistant(tool_calls=[call("functions.f:0")]), tool("functions.f:0", "1")],
            [],
            [
                ("user", [text("hi")]),
                ("assistant", [use("functions_f_0")]),
                ("user", [result("functions_f_0", text("1"))]),
            ],
        ),
        # the older calls have no ids
        (
            [
                user("hi"),
                assistant(function_call={"name": "f", "arguments": ""}),
                {"role": "function", "name": "f", "content": "1"},
                assistant(function_call={"name": "f", "arguments": "{}"}),
                {"role": "function", "name": "f", "content": "2"},
            ],
            [],
            [
                ("user", [text("hi")]),
                ("assistant", [use("call_1")]),
                ("user", [result("call_1", text("1"))]),
                ("assistant", [use("call_2")]),
                ("user", [result("call_2", text("2"))]),
            ],
        ),
        (
            [
                user("hi"),
                assistant(tool_calls=[{"id": "a", "type": "custom", "custom": {"name": "f", "input": "ls"}}]),
                tool("a", "1"),
            ],
            [],
            [("user", [text("hi")]), ("assistant", [use("a", {"input": "ls"})]), ("user", [result("a", text("1"))])],
        ),
        # refusals were said, too
        (
            [user("hi"), assistant([{"type": "refusal", "refusal": "no"}], refusal="never"), user("ok")],
            [],
            [("user", [text("hi")]), ("assistant", [text("no"), text("never")]), ("user", [text("ok")])],
        ),
        # thinking comes first, and only with its signature
        (
            [
                user("hi"),
                assistant(
                    "yes",
                    reasoning_content="hm",
                    thinking_blocks=[
                        {"type": "thinking", "thinking": "hm", "signature": "s=="},
                        {"type": "thinking", "thinking": "unsigned"},
                        {"type": "redacted_thinking", "data": "d=="},
                        {"type": "invented"},
                    ],
                ),
                user("ok"),
            ],
            [],
            [
                ("user", [text("hi")]),
                (
                    "assistant",
                    [
                        {"type": "thinking", "thinking": "hm", "signature": "s=="},
                        {"type": "redacted_thinking", "data": "d=="},
                        text("yes"),
                    ],
                ),
                ("user", [text("ok")]),
            ],
        ),
    ],
)
def test_a_conversation_becomes(messages, system, turns):
    assert of(*messages) == (
        [text(words) for words in system],
        [{"role": role, "content": blocks} for role, blocks in turns],
    )


def test_a_part_has_its_mark():
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert of(user([text("x", **mark), text("y", cache_control=None)]))[1] == [user([text("x", **mark), text("y")])]


def test_images_and_files_are_blocks():
    turns = of(
        user(
            [
                {"type": "image_url", "image_url": "https://x.test/a.png"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                {"type": "file", "file": {"file_data": "JVBERi0="}},
            ]
        )
    )[1]
    sources = [block["source"] for block in turns[0]["content"]]
    assert [block["type"] for block in turns[0]["content"]] == ["image", "image", "document"]
    assert [source["type"] for source in sources] == ["url", "base64", "base64"]


def test_a_mark_on_a_message_is_one_on_its_last_block():
    mark = {"cache_control": {"type": "ephemeral"}}
    system, turns = of(
        {"role": "system", "content": [text("a"), text("b")], **mark},
        user("hi"),
        assistant(tool_calls=[call("a")]),
        {**tool("a", "1"), **mark},
    )
    assert system == [text("a"), text("b", **mark)]
    assert turns[-1]["content"] == [{**result("a", text("1")), **mark}]


@pytest.mark.parametrize(
    ("arguments", "input"),
    [
        ("", {}),
        (" \n", {}),
        ('{"b": 1, "a": [1.50]}', {"b": 1, "a": [1.5]}),
        ('{"cut": "of', {"arguments": '{"cut": "of'}),
        ("[1]", {"arguments": "[1]"}),
        ("null", {"arguments": "null"}),
        ('{"a": NaN}', {"arguments": '{"a": NaN}'}),
        ("[" * 5000, {"arguments": "[" * 5000}),
    ],
)
def test_arguments_that_are_no_object_stand_as_they_were_written(arguments, input):
    turns = of(user("hi"), assistant(tool_calls=[call("a", arguments)]), tool("a", "1"))[1]
    assert turns[1]["content"] == [{"type": "tool_use", "id": "a", "name": "f", "input": input}]


def test_arguments_keep_their_bytes():
    found = said(
        Raw(json.dumps([user("hi"), assistant(tool_calls=[call("a", '{"n": 9007199254740993, "x":1.50}')])]).encode())
    )
    assert b'"input":{"n": 9007199254740993, "x":1.50}' in msgspec.json.encode(found.messages)


@pytest.mark.parametrize(
    ("messages", "unthought"),
    [
        ([user("hi")], False),
        ([user("hi"), assistant(tool_calls=[call("a")]), tool("a", "1")], True),
        ([user("hi"), assistant(tool_calls=[call("a")]), tool("a", "1"), user("and?")], True),
        ([user("hi"), assistant(tool_calls=[call("a")]), tool("a", "1"), assistant("so"), user("next")], False),
        (
            [
                user("hi"),
                assistant(
                    tool_calls=[call("a")], thinking_blocks=[{"type": "thinking", "thinking": "", "signature": "s"}]
                ),
                tool("a", "1"),
            ],
            False,
        ),
        ([user("hi"), assistant("so"), user("next")], False),
    ],
)
def test_a_turn_whose_thinking_was_lost_is_known(messages, unthought):
    assert said(Raw(json.dumps(messages).encode())).unthought is unthought


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([{"role": "king", "content": "x"}], "messages[0].role"),
        ([user("hi"), {"role": "tool", "content": "x"}], "messages[1].tool_call_id"),
        ([user("hi"), {"role": "function", "name": "g", "content": "x"}], "messages[1].name"),
        (
            [user([{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}])],
            "messages[0].content[0].type",
        ),
        ([user([{"type": "image_url"}])], "messages[0].content[0].image_url"),
        ([user([{"type": "file"}])], "messages[0].content[0].file"),
        ([user([{"type": "file", "file": {"file_id": "file-1"}}])], "messages[0].content[0].file"),
        ([user("hi"), assistant(audio={"id": "a"})], "messages[1].audio"),
        ([user("hi"), assistant(tool_calls=[{"id": "a"}])], "messages[1].tool_calls[0].function"),
        ([user("hi"), assistant(tool_calls=[{"id": 7}])], "messages[1].tool_calls[0].id"),
        ([user([{"type": "image_url", "image_url": {"url": 7}}])], "messages[0].content[0].image_url.url"),
        ([user(""), assistant("  ")], "messages"),
    ],
)
def test_what_is_no_conversation_is_refused(messages, param):
    with pytest.raises(Refused) as raised:
        of(*messages)
    assert raised.value.param == param
    assert f"`{param}" in raised.value.message
    assert raised.value.refusal.status == 400


SIGNED = {"type": "thinking", "thinking": "hm", "signature": "s=="}


@pytest.mark.parametrize(
    ("thinking", "content"), [(True, [SIGNED, text("so")]), (False, [text("so")])], ids=["sent back", "kept back"]
)
def test_earlier_thinking_is_sent_back_or_not(thinking, content):
    messages = [user("hi"), assistant("so", thinking_blocks=[SIGNED]), user("on")]
    found = said(Raw(json.dumps(messages).encode()), thinking=thinking)
    assert (found.messages[1]["content"], found.thought) == (content, thinking)


WORDS = st.sampled_from(["", " ", "x", "y "])
PARTS = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": WORDS}), max_size=3)
CALLS = st.lists(st.builds(call, st.sampled_from("ab"), st.sampled_from(["", "{}", "[", '{"a":1}'])), max_size=2)
MESSAGES = st.lists(
    st.one_of(
        st.builds(lambda content: {"role": "system", "content": content}, WORDS | PARTS),
        st.builds(user, WORDS | PARTS),
        st.builds(lambda content, calls: assistant(content, tool_calls=calls), WORDS | PARTS | st.none(), CALLS),
        st.builds(tool, st.sampled_from("ab"), WORDS | PARTS),
    ),
    min_size=1,
    max_size=7,
)


@given(MESSAGES)
def test_any_conversation_is_refused_or_has_turns_that_alternate(messages):
    try:
        system, turns = of(*messages)
    except Refused:
        return
    assert turns[0]["role"] == "user"
    assert all(one["role"] != other["role"] for one, other in pairwise(turns))
    blocks = [block for turn in turns for block in turn["content"]]
    assert all(turn["content"] for turn in turns)
    assert all(block["text"].strip() for block in [*system, *blocks] if block["type"] == "text")
    assert sum(block["type"] == "tool_use" for block in blocks) == sum(
        len(each.get("tool_calls") or ()) for each in messages
    )
    for turn in turns:
        kinds = [block["type"] == "tool_result" for block in turn["content"]]
        assert kinds == sorted(kinds, reverse=True)


def test_a_mark_of_what_says_nothing_is_one_of_what_stands_before():
    mark = {"cache_control": {"type": "ephemeral"}}
    assert of(user([text("x"), text(" ", **mark), text("y")]))[1] == [user([text("x", **mark), text("y")])]
    assert of(user([text("", **mark), text("y")]))[1] == [user([text("y")])]


def test_a_call_has_its_mark():
    mark = {"cache_control": {"type": "ephemeral"}}
    turns = of(user("q"), assistant(tool_calls=[call("a") | mark, call("b")]))[1]
    assert [block.get("cache_control") for block in turns[1]["content"]] == [mark["cache_control"], None]
