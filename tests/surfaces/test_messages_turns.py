"""What is said in a conversation, block by block, as chat messages."""

import json

import msgspec
import pytest

from gateway.core.errors import Refused
from gateway.surfaces.messages_blocks import Block, Reasons
from gateway.surfaces.messages_turns import Turn, conversation

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
PNG_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"}}
PDF_PART = {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,BBBB"}}
SYSTEM = msgspec.json.Decoder(str | list[Block] | None)
TURNS = msgspec.json.Decoder(list[Turn])


def text(said, **more):
    return {"type": "text", "text": said, **more}


def use(**more):
    return {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}, **more}


def result(content=None, **more):
    return {"type": "tool_result", "tool_use_id": "c", **({} if content is None else {"content": content}), **more}


def say(system, turns, only):
    """The chat messages of what came as bytes."""
    fields = {"system": msgspec.Raw(system), "messages": msgspec.Raw(turns)}
    messages, _ = conversation(SYSTEM.decode(system), TURNS.decode(turns), fields, only)
    return json.loads(msgspec.json.encode(messages))


def converse(*turns, system=None):
    """The chat messages of turns, and why they are not all that was said."""
    only = Reasons()
    raw = json.dumps([{"role": role, "content": content} for role, content in turns]).encode()
    return say(json.dumps(system).encode(), raw, only), str(only)


USER = {
    "a string": ("hi", "hi"),
    "an empty string": ("", ""),
    "no blocks": ([], ""),
    "a block": ([text("hi")], "hi"),
    "blocks of text are one string": ([text("a"), text(""), text("b")], "a\n\nb"),
    "an image": ([text("a"), PNG], [text("a"), PNG_PART]),
}


@pytest.mark.parametrize("name", USER)
def test_what_a_user_says(name):
    content, expected = USER[name]
    assert converse(("user", content)) == ([{"role": "user", "content": expected}], "")


RESULTS = {
    "a string": (result("r"), "r"),
    "nothing": (result(), ""),
    "null": ({**result(), "content": None}, ""),
    "blocks": (result([text("a"), text("b")]), "a\n\nb"),
    "an error": (result("r", is_error=True), "Error: r"),
    "an error without words": (result(is_error=True), "Error"),
    "no error": (result("r", is_error=False), "r"),
    "a tool that was found": (
        result([{"type": "tool_reference", "tool_name": "g"}]),
        "The tool `g` is available.",
    ),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_of_tools_are_messages(name):
    block, expected = RESULTS[name]
    messages, only = converse(("user", "q"), ("assistant", [use()]), ("user", [block]))
    assert messages[2:] == [{"role": "tool", "tool_call_id": "c", "content": expected}]
    assert only == ""


def test_results_come_first_and_in_order_then_all_else():
    content = [text("first"), result("1"), {**result("2"), "tool_use_id": "d"}, text("last")]
    messages, _ = converse(("user", "q"), ("assistant", [use(), use(id="d")]), ("user", content))
    assert messages[2:] == [
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "tool", "tool_call_id": "d", "content": "2"},
        {"role": "user", "content": "first\n\nlast"},
    ]


def test_what_is_attached_to_a_result_follows_in_the_users_message():
    messages, only = converse(
        ("user", "q"), ("assistant", [use()]), ("user", [result([PNG]), result([text("a"), PDF]), text("go on")])
    )
    assert only == ""
    assert messages[2:] == [
        {"role": "tool", "tool_call_id": "c", "content": "The result is attached to the message that follows."},
        {"role": "tool", "tool_call_id": "c", "content": "a"},
        {
            "role": "user",
            "content": [
                text("Attached to the result of tool call c:"),
                PNG_PART,
                text("Attached to the result of tool call c:"),
                PDF_PART,
                text("go on"),
            ],
        },
    ]


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
THOUGHT = {"type": "thinking", "thinking": "t", "signature": "s"}
HIDDEN = {"type": "redacted_thinking", "data": "d"}
ASSISTANT = {
    "a string": ("a", {"content": "a"}),
    "nothing": ([], {"content": ""}),
    "text in a row is one": ([text("a"), text("b", citations=[{"type": "char_location"}])], {"content": "ab"}),
    "text parted by a call": ([text("a"), use(), text("b")], {"content": "a\n\nb", "tool_calls": [CALL]}),
    "a call alone": ([use(caller={"type": "direct"})], {"content": None, "tool_calls": [CALL]}),
    "a call with unset members": ([use(caller=None, toolset_name=None)], {"content": None, "tool_calls": [CALL]}),
    "thinking": (
        [THOUGHT, HIDDEN, text("a")],
        {"content": "a", "reasoning_content": "t", "thinking_blocks": [THOUGHT, HIDDEN]},
    ),
    "thinking that nobody signed": (
        [{**THOUGHT, "signature": ""}, text("a"), {"type": "thinking", "thinking": "u"}],
        {"content": "a", "reasoning_content": "t\n\nu"},
    ),
    "thinking of which only the signature is left": (
        [{**THOUGHT, "thinking": ""}, text("a")],
        {"content": "a", "thinking_blocks": [{**THOUGHT, "thinking": ""}]},
    ),
}


@pytest.mark.parametrize("name", ASSISTANT)
def test_what_the_model_said(name):
    content, expected = ASSISTANT[name]
    messages, only = converse(("user", "q"), ("assistant", content), ("user", "q"))
    assert messages[1] == {"role": "assistant", **expected}
    assert only == ""


def test_arguments_are_the_bytes_of_the_input():
    raw = b'{"n":1.50, "big":123456789012345678901234567890,"u":"\\u00e9\xc3\xa9"}'
    block = b'[{"type":"tool_use","id":"c","name":"f","input":' + raw + b"}]"
    turns = b'[{"role":"user"},{"role":"assistant","content":' + block + b"}]"
    assert say(b"null", turns, Reasons())[1]["tool_calls"][0]["function"]["arguments"].encode() == raw


def test_one_speaker_in_a_row_is_one_message():
    messages, _ = converse(("user", "a"), ("user", [PNG]), ("assistant", "b"), ("assistant", [use()]), ("user", "c"))
    assert messages == [
        {"role": "user", "content": [text("a"), PNG_PART]},
        {"role": "assistant", "content": "b", "tool_calls": [CALL]},
        {"role": "user", "content": "c"},
    ]


SYSTEMS = {
    "none": (None, []),
    "a string": ("s", [{"role": "system", "content": "s"}]),
    "an empty string": ("", []),
    "blocks": ([text("s", cache_control={"type": "ephemeral", "scope": "global"}), text("t")], "s\n\nt"),
    "a line for Anthropic's books": ([text("x-anthropic-billing-header: cch=1;"), text("s")], "s"),
    "a text that only begins so": ([text("x-anthropic-billing-header: x\ny")], "x-anthropic-billing-header: x\ny"),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_system_prompts(name):
    system, expected = SYSTEMS[name]
    lead = [{"role": "system", "content": expected}] if isinstance(expected, str) else expected
    assert converse(("user", "q"), system=system) == ([*lead, {"role": "user", "content": "q"}], "")


def test_a_system_message_before_all_others_joins_the_prompt():
    messages, _ = converse(("system", "t"), ("user", "q"), system="s")
    assert messages == [{"role": "system", "content": "s\n\nt"}, {"role": "user", "content": "q"}]


def test_a_later_system_message_is_text_of_the_user():
    messages, only = converse(
        ("user", "q"), ("system", [text("s")]), ("assistant", [use()]), ("user", [result("r")]), ("system", "t")
    )
    assert only == ""
    assert [message["content"] for message in messages] == [
        "q\n\n<system-reminder>\ns\n</system-reminder>",
        None,
        "r",
        "<system-reminder>\nt\n</system-reminder>",
    ]


def test_a_system_message_for_one_turn_is_over_with_it():
    raw = [
        {"role": "user", "content": "a"},
        {"role": "system", "content": "once", "clear_at": "next_user_message"},
        {"role": "system", "content": "always", "clear_at": "never"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
        {"role": "system", "content": "now", "clear_at": "next_user_message"},
    ]
    said = json.dumps(say(b"null", json.dumps(raw).encode(), Reasons()))
    assert [word in said for word in ("once", "always", "now")] == [False, True, True]


def test_system_messages_alone_leave_the_user_silent():
    assert converse(("system", "s"))[0] == [{"role": "system", "content": "s"}]
    assert converse(("system", ""))[0] == [{"role": "user", "content": ""}]


def test_what_chat_has_no_word_for_in_an_answer_is_told():
    server = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    assert "type `server_tool_use` in an answer" in converse(("user", "q"), ("assistant", [server]), ("user", "q"))[1]
    called = use(caller={"type": "code_execution_20250825", "tool_id": "x"})
    assert "not made by the model" in converse(("user", "q"), ("assistant", [text("a"), called]), ("user", "q"))[1]
    assert "tool_addition" in converse(("user", "q"), ("system", [{"type": "tool_addition", "tool": {}}]))[1]
    after = [text("a"), server]
    assert converse(("user", "q"), ("assistant", after), ("user", "q"))[0][1]["content"].startswith("a\n\n{")


def test_an_answer_to_be_continued_is_told():
    assert "to be continued" in converse(("user", "q"), ("assistant", "The best answer is ("))[1]


def test_directives_in_a_system_message_are_told():
    raw = b'[{"role":"user","content":"q"},{"role":"system","content":[],"output_config":{"effort":"low"}}]'
    only = Reasons()
    say(b"null", raw, only)
    assert str(only) == "sets `output_config` in a system message"


def test_an_input_that_is_no_object_is_wrong():
    with pytest.raises(Refused, match=r"invalid `messages\[1\].content\[0\].input`: expected an object"):
        converse(("user", "q"), ("assistant", [use(input=[1])]))


def test_a_result_names_its_call():
    with pytest.raises(Refused, match=r"missing required parameter: `messages\[0\].content\[0\].tool_use_id`"):
        converse(("user", [{"type": "tool_result"}]))


def test_a_result_has_a_content():
    with pytest.raises(Refused, match=r"invalid `messages\[0\].content\[0\].content`: expected a string or an array"):
        converse(("user", [result({})]))


@pytest.mark.parametrize("caller", [5, "direct", {}])
def test_a_caller_that_nobody_knows_is_told(caller):
    assert "not made by the model" in converse(("user", "q"), ("assistant", [use(caller=caller)]), ("user", "q"))[1]


MARK, LONG = {"cache_control": {"type": "ephemeral"}}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def blocks(system, *turns):
    """What stands at each piece of the chat, and its mark."""
    raw = json.dumps([{"role": role, "content": content} for role, content in turns]).encode()
    fields = {"system": msgspec.Raw(json.dumps(system).encode()), "messages": msgspec.Raw(raw)}
    messages, pieces = conversation(SYSTEM.decode(fields["system"]), TURNS.decode(raw), fields, Reasons())
    told = []
    for piece in pieces:
        there = messages
        for step in piece.path[1:]:
            there = there[step]
        alone = not isinstance(there, str) or piece.end == 0
        told.append((there if alone else there[piece.start : piece.end], piece.kept))
    return told


def test_blocks_that_became_one_text_and_marks_are_told_beside_the_chat():
    system = [text("x-anthropic-billing-header: cch=1;"), text("s", **LONG), text(""), text("t", **MARK)]
    assert blocks(
        system,
        ("user", [text("a"), text("b", **MARK)]),
        ("assistant", [text("c"), text("d", **MARK), use(), use(id="e", **LONG)]),
        ("system", [text("r", **MARK)]),
        ("user", "f"),
        ("assistant", "g"),
        ("user", [text("h", **MARK)]),
    ) == [
        *[("s", "1h"), ("t", "5m"), ("a", ""), ("b", "5m"), ("c", ""), ("d", "5m")],
        ({**CALL, "id": "e"}, "1h"),
        *[("<system-reminder>\nr\n</system-reminder>", "5m"), ("f", ""), ("h", "5m")],
    ]


def test_results_of_tools_have_blocks_and_marks_too():
    told = blocks(
        None,
        (
            "user",
            [
                result("1", **MARK),
                result([text("2", **LONG), text("3")], is_error=True),
                result([PNG | LONG]),
                text("a"),
                PNG | MARK,
                PDF,
            ],
        ),
    )
    one = {"role": "tool", "tool_call_id": "c", "content": "1"}
    assert told == [(one, "5m"), ("Error: 2", "1h"), ("3", ""), (PNG_PART, "1h"), (PNG_PART, "5m")]


def test_of_a_block_in_several_parts_the_last_one_has_the_mark():
    document = {"type": "document", "source": {"type": "text", "data": "d"}, "title": "t", **MARK}
    assert blocks(None, ("user", [document])) == [("t", ""), ("d", "5m")]
