"""Input items become messages that any chat backend takes."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from gateway.core.errors import Refused
from gateway.providers.response_wire import SEALED
from gateway.surfaces.responses_items import Carried, Listed, Messages, messages_of, seal, sendable, tools_in, unseal

PIXEL = "data:image/png;base64,AAAA"


def chat(given_input: object, instructions: str | None = None) -> Messages:
    return messages_of(Raw(json.dumps(given_input).encode()), instructions)


def said(given_input: object, instructions: str | None = None) -> list[dict]:
    return json.loads(msgspec.json.encode(chat(given_input, instructions).messages))


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def call(id: str, name: str = "shell", **more: object) -> dict:
    return {"type": "function_call", "call_id": id, "name": name, "arguments": '{"a": 1}', **more}


def called(id: str, name: str = "shell", arguments: str = '{"a": 1}') -> dict:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def output(id: str, result: object = "done") -> dict:
    return {"type": "function_call_output", "call_id": id, "output": result}


THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "short"}]}
OPEN = {**THOUGHT, "content": [{"type": "reasoning_text", "text": "long"}]}
SAID = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "phase": "commentary",
    "content": [{"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}],
}

CASES = {
    "a string": ("hi", None, [user("hi")]),
    "easy messages": (
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}],
        None,
        [user("a"), {"role": "assistant", "content": "b"}, user("c")],
    ),
    "instructions lead": ("hi", "Be short.", [{"role": "system", "content": "Be short."}, user("hi")]),
    "all that instructs first is one message": (
        [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "A"}]},
            {"type": "message", "role": "system", "content": "B"},
            user("hi"),
            {"role": "developer", "content": "C"},
            user("ho"),
        ],
        "I",
        [
            {"role": "system", "content": "I\n\nA\n\nB"},
            user("hi"),
            {"role": "developer", "content": "C"},
            user("ho"),
        ],
    ),
    "instructions alone": ([], "Go.", [{"role": "system", "content": "Go."}]),
    "one text part is a string, more stay parts": (
        [
            {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
        ],
        None,
        [user("a"), {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
    ),
    "images, files and sound": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": PIXEL, "detail": "high"},
                    {"type": "input_image", "image_url": PIXEL},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "AAAA"},
                    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                ],
            }
        ],
        None,
        [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": PIXEL, "detail": "high"}},
                    {"type": "image_url", "image_url": {"url": PIXEL}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "AAAA"}},
                    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                ],
            }
        ],
    ),
    "a turn is one message": (
        [user("go"), OPEN, SAID, call("c1"), call("c2"), output("c1"), output("c2")],
        None,
        [
            user("go"),
            {
                "role": "assistant",
                "content": "I look.",
                "reasoning_content": "long",
                "tool_calls": [called("c1"), called("c2")],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
            {"role": "tool", "tool_call_id": "c2", "content": "done"},
        ],
    ),
    "text between a call and its result does not part them": (
        [user("go"), call("c1"), SAID, THOUGHT, output("c1")],
        None,
        [
            user("go"),
            {"role": "assistant", "content": "I look.", "reasoning_content": "short", "tool_calls": [called("c1")]},
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
        ],
    ),
    "two rounds": (
        [user("go"), call("c1"), output("c1"), call("c2"), output("c2"), SAID],
        None,
        [
            user("go"),
            {"role": "assistant", "content": None, "tool_calls": [called("c1")]},
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
            {"role": "assistant", "content": None, "tool_calls": [called("c2")]},
            {"role": "tool", "tool_call_id": "c2", "content": "done"},
            {"role": "assistant", "content": "I look."},
        ],
    ),
    "reasoning alone says nothing": ([user("a"), THOUGHT, user("b")], None, [user("a"), user("b")]),
    "a refusal": (
        [user("a"), {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}],
        None,
        [user("a"), {"role": "assistant", "content": None, "refusal": "No."}],
    ),
    "a custom tool": (
        [
            user("a"),
            {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** x\n"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
        ],
        None,
        [
            user("a"),
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [called("c1", "apply_patch", '{"input":"*** x\\n"}')],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        ],
    ),
    "a call in a namespace has the name that is offered": (
        [user("a"), call("c1", "search", namespace="mcp__docs"), output("c1")],
        None,
        [
            user("a"),
            {"role": "assistant", "content": None, "tool_calls": [called("c1", "mcp__docs__search")]},
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
        ],
    ),
    "what a tool shows follows all results": (
        [
            user("a"),
            call("c1"),
            call("c2"),
            output("c1", [{"type": "input_image", "image_url": PIXEL}]),
            output("c2", [{"type": "input_text", "text": "x"}, {"type": "input_text", "text": "y"}]),
            user("b"),
        ],
        None,
        [
            user("a"),
            {"role": "assistant", "content": None, "tool_calls": [called("c1"), called("c2")]},
            {"role": "tool", "tool_call_id": "c1", "content": "The result is in the next message of the user."},
            {"role": "tool", "tool_call_id": "c2", "content": "x\n\ny"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "From the result of the tool call c1:"},
                    {"type": "image_url", "image_url": {"url": PIXEL}},
                ],
            },
            user("b"),
        ],
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_items_as_messages(case):
    given_input, instructions, expected = case
    assert said(given_input, instructions) == expected
    assert chat(given_input, instructions).only == ""


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"type": "web_search_call", "action": {"type": "search"}}, "`web_search_call`"),
        ({"type": "computer_call_output", "output": {"type": "computer_screenshot"}}, "`computer_call_output`"),
        ({"type": "local_shell_call", "action": {}}, "`local_shell_call`"),
        ({"type": "compaction", "encrypted_content": "x"}, "`compaction`"),
        ({"role": "user", "content": [{"type": "input_file", "file_url": "https://x/y"}]}, "by its address"),
        ({"role": "user", "content": [{"type": "input_video"}]}, "`input_video`"),
        ({"role": "assistant", "content": [{"type": "output_audio"}]}, "`output_audio`"),
        (output("c1", [{"type": "encrypted_content"}]), "`encrypted_content`"),
    ],
)
def test_what_chat_has_no_word_for_is_for_native_backends_only(item, why):
    assert why in chat([user("a"), item]).only


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "item_reference", "id": "msg_1"}, "input[1]"),
        ({"id": "msg_1"}, "input[1].type"),
        ({"role": "tool", "content": "x"}, "input[1].role"),
        ({"role": "user"}, "input[1].content"),
        ({"role": "user", "content": [{"type": "input_text"}]}, "input[1].content[0].text"),
        ({"role": "user", "content": [{"type": "input_image"}]}, "input[1].content[0].image_url"),
        ({"role": "user", "content": [{"type": "input_file"}]}, "input[1].content[0].file_data"),
        ({"role": "user", "content": [{"type": "input_image", "image_url": {"url": "x"}}]}, None),
        ({"type": "function_call", "name": "x"}, "input[1].call_id"),
        ({"type": "function_call_output", "call_id": "x"}, "input[1].output"),
        ({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}, "input[1].content[0].file_id"),
        ({"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}, "input[1].content[0].file_id"),
        ({"role": "assistant", "content": [{"type": "other", "file_id": "f"}]}, "input[1].content[0].file_id"),
        (output("c", [{"type": "input_file", "file_id": "f"}]), "input[1].output[0].file_id"),
        (7, "input[1]"),
    ],
)
def test_what_is_wrong_is_refused_by_its_path(item, param):
    with pytest.raises(Refused) as refused:
        chat([user("a"), item])
    assert refused.value.param == (param or "input[1].content[0].image_url")


def test_tools_among_the_items_are_found_however_they_are_written():
    raw = b'[{"type":"additional\\u005ftools","tools":[1]},{"role":"user","content":"x","tools":[2]},'
    raw += b'{"type":"tool_search_output","tools":[3]}]'
    listed = tools_in(Raw(raw))
    assert listed == Listed((("input[0].tools", Raw(b"[1]")),), (("input[2].tools", Raw(b"[3]")),))
    assert tools_in(Raw(b'"additional_tools"')) == Listed()


@pytest.mark.parametrize("type", ["additional_tools", "tool_search_output"])
def test_an_item_of_tools_has_some(type):
    with pytest.raises(Refused) as refused:
        tools_in(Raw(json.dumps([user("a"), {"type": type}]).encode()))
    assert refused.value.param == "input[1].tools"


@pytest.mark.parametrize(
    ("more", "stays"),
    [
        ({}, False),
        ({"summary": [], "content": None, "encrypted_content": None}, False),
        ({"summary": [{"type": "summary_text", "text": ""}], "encrypted_content": ""}, False),
        ({"summary": [{"type": "summary_text", "text": "x"}]}, True),
        ({"content": [{"type": "reasoning_text", "text": "x"}]}, True),
        ({"encrypted_content": "x"}, True),
    ],
)
def test_reasoning_that_is_an_id_alone_is_not_sent(more, stays):
    items = [user("a"), {"type": "reasoning", "id": "rs_1", **more}, user("b")]
    left = json.loads(bytes(sendable(Raw(json.dumps(items).encode()))))
    assert left == (items if stays else [items[0], items[2]])


def test_what_is_sendable_keeps_its_bytes():
    for raw in (b'"hi"', b'[{"role": "user",  "content": "x"}]'):
        assert bytes(sendable(Raw(raw))) == raw


BLOCK = {"type": "thinking", "thinking": "hm", "signature": "s"}


def test_what_a_backend_wants_back_returns_with_its_turn():
    sealed = seal(Carried([Raw(json.dumps(BLOCK).encode())], {"c1": Raw(b'{"google":{"thought_signature":"t"}}')}))
    items = [user("a"), OPEN, call("c1"), call("c2"), {"type": "reasoning", "summary": [], "encrypted_content": sealed}]
    [_, turn] = said(items)
    assert turn["thinking_blocks"] == [BLOCK]
    assert turn["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "t"}}
    assert "extra_content" not in turn["tool_calls"][1]


@pytest.mark.parametrize("text", [None, "", "gAAAAABl", SEALED, SEALED + "!!", SEALED + "e30", SEALED + "WzFd"])
def test_content_that_others_encrypted_is_nothing(text):
    assert unseal(text) == Carried()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    ["type", "role", "content", "call_id", "name", "arguments", "input", "output", "summary", "text", "tools"]
)
VALUES = st.sampled_from(
    ["message", "user", "assistant", "reasoning", "function_call", "function_call_output", "custom_tool_call", "x"]
)
ITEMS = st.dictionaries(KEYS, VALUES | JSON | st.lists(st.dictionaries(KEYS, VALUES | JSON, max_size=3), max_size=2))


@given(st.lists(ITEMS | JSON, max_size=4) | JSON)
def test_any_input_is_messages_or_a_refusal(given_input):
    try:
        made = chat(given_input)
    except Refused:
        return
    assert all("role" in message for message in made.messages)
    sendable(Raw(json.dumps(given_input).encode()))


def test_parts_that_became_one_text_are_told_beside_the_chat():
    def parts(*texts: str, type: str = "input_text") -> list[dict]:
        return [{"type": type, "text": text} for text in texts]

    made = chat(
        [
            {"role": "developer", "content": parts("a", "b")},
            {"role": "user", "content": parts("c", "d")},
            {"role": "assistant", "content": parts("e", "f", type="output_text")},
            {"role": "assistant", "content": "g"},
            call("c1"),
            output("c1", parts("h", "i")),
            {"role": "developer", "content": parts("j", "k")},
        ],
        "lead",
    )
    told = [made.messages[piece.path[1]]["content"][piece.start : piece.end] for piece in made.pieces]
    assert told == ["lead", "a", "b", "e", "f", "g", "h", "i", "j", "k"]
    assert {piece.path[0::2] for piece in made.pieces} == {("messages", "content")}
    assert chat("hi", "lead").pieces == ()
