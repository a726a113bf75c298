"""What is said in a conversation, block by block, as chat messages."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import Refusal, Refused
from gateway.surfaces.messages_turns import Reasons, Turn, conversation

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
PNG_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"}}
PDF_PART = {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,BBBB"}}
SYSTEM = msgspec.json.Decoder(str | list[dict[str, msgspec.Raw]] | None)
TURNS = msgspec.json.Decoder(list[Turn])


def text(said, **more):
    return {"type": "text", "text": said, **more}


def use(**more):
    return {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}, **more}


def result(content=None, **more):
    return {"type": "tool_result", "tool_use_id": "c", **({} if content is None else {"content": content}), **more}


def converse(*turns, system=None):
    """The chat messages of turns, and why they are not all that was said."""
    only = Reasons()
    parsed = TURNS.decode(json.dumps([{"role": role, "content": content} for role, content in turns]).encode())
    messages = conversation(SYSTEM.decode(json.dumps(system).encode()), parsed, only)
    return json.loads(msgspec.json.encode(messages)), str(only)


USER = {
    "a string": ("hi", "hi"),
    "an empty string": ("", ""),
    "no blocks": ([], ""),
    "a block": ([text("hi")], "hi"),
    "blocks of text are one string": ([text("a"), text(""), text("b")], "a\n\nb"),
    "marks for caches are left out": ([text("a", cache_control={"type": "ephemeral", "ttl": "1h"})], "a"),
    "members that are unset are nothing": ([text("a", citations=None, whatever=None)], "a"),
    "an image": ([text("a"), PNG], [text("a"), PNG_PART]),
    "an image by URL": (
        [{"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}],
        [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}],
    ),
    "a PDF": ([PDF], [PDF_PART]),
    "a PDF with a title": (
        [{**PDF, "title": "t.pdf", "context": "from x"}],
        [text("from x"), {"type": "file", "file": {**PDF_PART["file"], "filename": "t.pdf"}}],
    ),
    "a document of text": (
        [
            {
                "type": "document",
                "title": "T",
                "context": "C",
                "source": {"type": "text", "media_type": "text/plain", "data": "D"},
                "citations": {"enabled": False},
            }
        ],
        "T\n\nC\n\nD",
    ),
    "a document of a string": ([{"type": "document", "source": {"type": "content", "content": "D"}}], "D"),
    "a document of blocks": (
        [{"type": "document", "source": {"type": "content", "content": [text("D"), PNG]}}],
        [text("D"), PNG_PART],
    ),
    "a search result": (
        [{"type": "search_result", "title": "T", "source": "https://s", "content": [text("a"), text("b")]}],
        "T\nhttps://s\n\na\n\nb",
    ),
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
    turns = TURNS.decode(b'[{"role":"user"},{"role":"assistant","content":' + block + b"}]")
    assert conversation(None, turns, Reasons())[1]["tool_calls"][0]["function"]["arguments"].encode() == raw


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
    said = msgspec.json.encode(conversation(None, TURNS.decode(json.dumps(raw).encode()), Reasons())).decode()
    assert [word in said for word in ("once", "always", "now")] == [False, True, True]


def test_system_messages_alone_leave_the_user_silent():
    assert converse(("system", "s"))[0] == [{"role": "system", "content": "s"}]
    assert converse(("system", ""))[0] == [{"role": "user", "content": ""}]


FILE = {"type": "file", "file_id": "f_1"}
ONLY = {
    "a block that nobody knows": ([{"type": "container_upload", "file_id": "f"}], "type `container_upload`"),
    "a member that nobody knows": ([text("a", new=1)], "member `new` in a block of type `text`"),
    "an image of theirs": ([{"type": "image", "source": FILE}], "image by a source of type `file`"),
    "a document of theirs": ([{"type": "document", "source": FILE}], "document by a source of type `file`"),
    "a document by URL": (
        [{"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}}],
        "document by a source of type `url`",
    ),
    "citations": ([{**PDF, "citations": {"enabled": True}}], "asks for citations"),
    "a block in a result": ([result([{"type": "browser_state"}])], "type `browser_state`"),
}


@pytest.mark.parametrize("name", ONLY)
def test_what_chat_has_no_word_for_is_told(name):
    content, expected = ONLY[name]
    messages, only = converse(("user", content))
    assert expected in only
    assert messages


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
    conversation(None, TURNS.decode(raw), only)
    assert str(only) == "sets `output_config` in a system message"


def test_reasons_are_few_and_short():
    _, only = converse(("user", [{"type": f"kind{at}" + "x" * 500} for at in range(9)]))
    assert only.count(" and ") == 2
    assert len(only) < 600


WRONG = {
    "no type": ([{"text": "a"}], Refusal.MISSING_PARAMETER, "messages[0].content[0].type"),
    "no text": ([{"type": "text"}], Refusal.MISSING_PARAMETER, "messages[0].content[0].text"),
    "a text that is none": ([{"type": "text", "text": 5}], Refusal.INVALID_TYPE, "messages[0].content[0].text"),
    "an image without a source": ([{"type": "image"}], Refusal.INVALID_TYPE, "messages[0].content[0].source"),
    "an image without data": (
        [{"type": "image", "source": {"type": "base64", "media_type": "image/png"}}],
        Refusal.MISSING_PARAMETER,
        "messages[0].content[0].source.data",
    ),
    "a result of nothing": ([{"type": "tool_result"}], Refusal.MISSING_PARAMETER, "messages[0].content[0].tool_use_id"),
    "a result that is no content": ([result(5)], Refusal.INVALID_TYPE, "messages[0].content[0].content"),
    "a result of no blocks": ([result([5])], Refusal.INVALID_TYPE, "messages[0].content[0].content[0]"),
    "an error that is neither": ([result("", is_error="no")], Refusal.INVALID_TYPE, "messages[0].content[0].is_error"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name):
    content, refusal, where = WRONG[name]
    with pytest.raises(Refused) as caught:
        converse(("user", content))
    assert (caught.value.refusal, caught.value.param) == (refusal, where)


def test_an_input_that_is_no_object_is_wrong():
    with pytest.raises(Refused, match=r"invalid `messages\[1\].content\[0\].input`: expected an object"):
        converse(("user", "q"), ("assistant", [use(input=[1])]))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text", "data"]), inner),
    max_leaves=4,
)
names = st.sampled_from(
    "text source content citations tool_use_id id name input thinking signature data caller".split()
)
kinds = st.sampled_from("text image document tool_use tool_result thinking redacted_thinking search_result x".split())
blocks = st.builds(lambda kind, more: {**more, "type": kind}, kinds, st.dictionaries(names, values, max_size=4))
turns = st.tuples(st.sampled_from(["user", "assistant", "system"]), st.text(max_size=4) | st.lists(blocks, max_size=3))


@given(st.lists(turns, min_size=1, max_size=4))
@settings(max_examples=400, deadline=None)
def test_any_conversation_is_said_or_refused(some):
    try:
        messages, only = converse(*some)
    except Refused as error:
        refusal = error.refusal
    else:
        refusal = None
    if refusal is not None:
        assert refusal.status == 400
        return
    assert messages
    assert isinstance(only, str)
    assert {message["role"] for message in messages} <= {"system", "user", "assistant", "tool"}
