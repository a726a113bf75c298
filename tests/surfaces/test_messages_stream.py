"""Chat streams as the events of a message: recorded ones cut anywhere, and every order in which blocks may come."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cutting import offsets
from support.message_events import events, failure, message
from support.upstream import DONE, delta, event
from support.vectors import ROOT, all_recorded, load

from gateway.core.errors import FailureKind
from gateway.core.tokens import prompt_expected
from gateway.providers.failures import unreadable
from gateway.providers.finish import FAILED
from gateway.providers.openai import OpenAI
from gateway.surfaces.messages import Messages

STREAMS = [
    each
    for each in all_recorded()
    if each.streamed and each.status == 200 and "n2" not in each.name  # a message is one choice
]
NATIVE = [load(path) for path in sorted((ROOT.parent / "messages").glob("*/*_stream.txt"))]
REQUEST = {"model": "m", "max_tokens": 8, "stream": True, "messages": [{"role": "user", "content": "Say hi"}]}


def chat(**more):
    return Messages().parse(json.dumps({**REQUEST, **more}).encode(), 7)


def play(blocks, **more):
    """What the client sees, with its end."""
    asked = chat(**more)
    reader = Messages().follow(OpenAI().reader(asked), asked)
    out = b"".join(reader.feed(block) for block in blocks)
    return (out if reader.done else out + reader.close()), reader


def said(*deltas, finish="stop", **more):
    """The message of some deltas."""
    chunks = [chunk(each) for each in deltas]
    return message(play([b"".join(chunks), chunk({}, finish), DONE], **more)[0])


def chunk(members, finish=None, **more):
    choice = {"index": 0, "delta": members, "finish_reason": finish, **more}
    return event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "served", "choices": [choice]})


def call(index, arguments="", **more):
    """A piece of a tool call; `id` and `name` begin it."""
    function = {"arguments": arguments, **({"name": more.pop("name")} if "name" in more else {})}
    return {"tool_calls": [{"index": index, "function": function, **more}]}


@pytest.mark.parametrize("recorded", NATIVE, ids=lambda each: each.name)
def test_the_reader_of_these_tests_reads_what_real_servers_send(recorded):
    assert message(recorded.body)["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("recorded", STREAMS, ids=lambda each: each.name)
def test_a_recorded_stream_becomes_a_message(recorded):
    out, reader = play([recorded.body])
    whole = message(out)
    chunks = [json.loads(line[6:]) for line in recorded.body.decode().splitlines() if line.startswith("data: {")]
    choices = [choice for each in chunks for choice in each["choices"]]
    written = "".join(choice["delta"].get("content") or "" for choice in choices)
    assert "".join(block["text"] for block in whole["content"] if block["type"] == "text") == written
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls") or ()]
    uses = [block for block in whole["content"] if block["type"] == "tool_use"]
    assert "".join(block["input"] for block in uses) == "".join(
        call["function"].get("arguments") or "" for call in calls
    )
    assert whole["model"] == chunks[0]["model"]
    assert whole["id"].startswith("msg_")
    finish = next(choice["finish_reason"] for choice in choices if choice.get("finish_reason"))
    assert whole["stop_reason"] == {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}[finish]
    if reader.usage is not None:
        assert whole["usage"]["output_tokens"] == reader.usage.output
        assert whole["usage"]["input_tokens"] + whole["usage"]["cache_read_input_tokens"] == reader.usage.read


@pytest.mark.parametrize("recorded", STREAMS, ids=lambda each: each.name)
def test_a_recorded_stream_reads_the_same_cut_at_every_offset(recorded):
    body = recorded.body
    whole, _ = play([body])
    assert play([body[at : at + 1] for at in range(len(body))])[0] == whole
    for offset in offsets(body):
        assert play([body[:offset], body[offset:]])[0] == whole, offset


@pytest.mark.parametrize("recorded", STREAMS, ids=lambda each: each.name)
def test_a_recorded_stream_that_is_cut_short_never_looks_finished(recorded):
    finish = max(recorded.body.rfind(b'"finish_reason":"'), recorded.body.rfind(b'"finish_reason": "'))
    last = recorded.body.rfind(b"\n\n", 0, finish)
    for offset in range(0, last, 7 if last < 8000 else 97):
        out, reader = play([recorded.body[:offset]])
        assert reader.done
        assert reader.failed is not None
        assert failure(out)["type"] == "api_error"


def test_the_input_is_estimated_first_and_told_at_the_end():
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    out, _ = play([delta("hi"), delta(finish="stop"), event({"id": "x", "choices": [], "usage": usage}), DONE])
    seen = events(out)
    expected = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}
    assert seen[0]["message"]["usage"] == {"input_tokens": prompt_expected(6, 1), **expected}
    assert seen[-2]["usage"] == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 60,
        "output_tokens": 9,
    }


def test_what_nobody_counted_is_estimated():
    out, reader = play([delta("hello there"), delta(finish="stop"), DONE])
    assert reader.usage is None
    assert events(out)[-2]["usage"]["output_tokens"] == 4
    assert events(out)[-2]["usage"]["input_tokens"] == prompt_expected(6, 1)


def test_events_come_in_the_documented_order():
    out, _ = play([delta("a"), b": alive\n\n", delta("b", finish="length"), DONE])
    assert [each["type"] for each in events(out)] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_a_sign_of_life_before_the_first_chunk_stays_a_comment():
    assert play([b": alive\n\n", delta("a"), DONE])[0].startswith(b": alive\n\nevent: message_start\n")


def test_an_event_without_data_is_told_to_nobody():
    assert play([b"data\n\n", delta("a"), DONE])[0].startswith(b"event: message_start\n")


CASES = {
    "text": ([{"role": "assistant", "content": ""}, {"content": "a"}, {"content": "b"}], [("text", "ab")]),
    "nothing": ([{"role": "assistant", "content": ""}], []),
    "blank text is no block": ([{"content": "\n"}, {"content": "\n"}], []),
    "blank text before a call is no block": (
        [{"content": "\n\n"}, call(0, "{}", id="c", name="f")],
        [("tool_use", "c", "f", "{}")],
    ),
    "blank text before text belongs to it": ([{"content": "\n"}, {"content": "a"}], [("text", "\na")]),
    "reasoning": (
        [{"reasoning_content": "x"}, {"reasoning_content": "y"}, {"content": "a"}],
        [("thinking", "xy", ""), ("text", "a")],
    ),
    "reasoning by its newer name": ([{"reasoning": "x"}, {"content": "a"}], [("thinking", "x", ""), ("text", "a")]),
    "reasoning by both names is one": ([{"reasoning": "x", "reasoning_content": "x"}], [("thinking", "x", "")]),
    "text, then reasoning, then text": (
        [{"content": "a"}, {"reasoning": "x"}, {"content": "b"}],
        [("text", "a"), ("thinking", "x", ""), ("text", "b")],
    ),
    "a signature after the text": (
        [
            {"reasoning_content": "x"},
            {"reasoning_content": "y"},
            {"thinking_blocks": [{"type": "thinking", "thinking": "xy", "signature": "s"}]},
            {"content": "a"},
        ],
        [("thinking", "xy", "s"), ("text", "a")],
    ),
    "blocks beside reasoning, piece by piece": (
        [
            {"reasoning_content": "x", "thinking_blocks": [{"type": "thinking", "thinking": "x"}]},
            {"reasoning_content": "y", "thinking_blocks": [{"type": "thinking", "thinking": "y", "signature": "s"}]},
        ],
        [("thinking", "xy", "s")],
    ),
    "blocks alone, piece by piece": (
        [
            {"thinking_blocks": [{"type": "thinking", "thinking": "x"}]},
            {"thinking_blocks": [{"type": "thinking", "thinking": "y"}]},
            {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "s"}]},
        ],
        [("thinking", "xy", "s")],
    ),
    "whole blocks at once": (
        [
            {
                "thinking_blocks": [
                    {"type": "thinking", "thinking": "x", "signature": "s"},
                    {"type": "redacted_thinking", "data": "d"},
                    {"type": "thinking", "thinking": "y", "signature": "t"},
                ]
            }
        ],
        [("thinking", "x", "s"), ("redacted_thinking", "d"), ("thinking", "y", "t")],
    ),
    "an empty thought that is signed": (
        [{"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "s"}]}],
        [("thinking", "", "s")],
    ),
    "a thought after a signature is another": (
        [
            {"reasoning_content": "x"},
            {"thinking_blocks": [{"thinking": "x", "signature": "s"}]},
            {"reasoning_content": "y"},
        ],
        [("thinking", "x", "s"), ("thinking", "y", "")],
    ),
    "text of a list": ([{"content": [{"type": "text", "text": "a"}, {"type": "other"}]}], [("text", "a")]),
    "a refusal is text": ([{"refusal": "no"}], [("text", "no")]),
    "a call in pieces": (
        [call(0, id="c", name="f"), call(0, '{"a":'), call(0, "1}")],
        [("tool_use", "c", "f", '{"a":1}')],
    ),
    "a call without arguments": ([call(0, id="c", name="f")], [("tool_use", "c", "f", "")]),
    "a call whose id repeats": (
        [call(0, '{"a"', id="c", name="f"), call(0, ":1}", id="c")],
        [("tool_use", "c", "f", '{"a":1}')],
    ),
    "a call without an id": ([call(0, "{}", name="f")], [("tool_use", "toolu_msg1_0", "f", "{}")]),
    "a call whose name comes late": (
        [call(0, id="c"), call(0, "{", name="f"), call(0, "}")],
        [("tool_use", "c", "f", "{}")],
    ),
    "arguments that came as an object": (
        [{"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]}],
        [("tool_use", "c", "f", '{"a":1}')],
    ),
    "calls one after the other": (
        [call(0, "{}", id="c", name="f"), call(1, "{}", id="d", name="g")],
        [("tool_use", "c", "f", "{}"), ("tool_use", "d", "g", "{}")],
    ),
    "calls that interleave": (
        [
            call(0, id="c", name="f"),
            call(1, id="d", name="g"),
            call(0, '{"a":'),
            call(1, '{"b":'),
            call(0, "1}"),
            call(1, "2}"),
        ],
        [("tool_use", "c", "f", '{"a":1}'), ("tool_use", "d", "g", '{"b":2}')],
    ),
    "two calls on one index": (
        [call(0, "{}", id="c", name="f"), call(0, '{"b":2}', id="d", name="g")],
        [("tool_use", "c", "f", "{}"), ("tool_use", "d", "g", '{"b":2}')],
    ),
    "spaces after a call that is over": (
        [call(0, "{}", id="c", name="f"), call(1, "{}", id="d", name="g"), call(0, " ")],
        [("tool_use", "c", "f", "{}"), ("tool_use", "d", "g", "{}")],
    ),
    "text after a call": (
        [call(0, "{", id="c", name="f"), {"content": "a"}, call(0, "}")],
        [("tool_use", "c", "f", "{}"), ("text", "a")],
    ),
    "arguments that are no JSON": (
        [call(0, "{oops", id="c", name="f"), call(1, "{}", id="d", name="g")],
        [("tool_use", "c", "f", "{oops"), ("tool_use", "d", "g", "{}")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_blocks_follow_one_another(name):
    deltas, expected = CASES[name]
    content = said(*deltas)["content"]
    assert [tuple(block.values()) for block in content] == [tuple(each) for each in expected]


def test_a_second_call_begins_once_the_first_is_whole():
    asked = chat()
    reader = Messages().follow(OpenAI().reader(asked), asked)
    reader.feed(chunk(call(0, "{", id="c", name="f")))
    assert reader.feed(chunk(call(1, "{}", id="d", name="g"))) == b""
    shown = events(reader.feed(chunk(call(0, "}"))))
    assert [each["type"] for each in shown] == [
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
    ]


STOPS = {
    "stop": ({"finish": "stop"}, [{"content": "a"}], ("end_turn", None)),
    "length": ({"finish": "length"}, [{"content": "a"}], ("max_tokens", None)),
    "filter": ({"finish": "content_filter"}, [{"content": "a"}], ("refusal", None)),
    "text and a call": ({"finish": "stop"}, [{"content": "a"}, call(0, "{}", id="c", name="f")], ("tool_use", None)),
    "a call cut off": ({"finish": "length"}, [call(0, "{", id="c", name="f")], ("max_tokens", None)),
    "calls announced, none made": ({"finish": "tool_calls"}, [{"content": "a"}], ("end_turn", None)),
    "a refusal": ({"finish": "stop"}, [{"refusal": "no"}], ("refusal", None)),
    "unknown": ({"finish": "whatever"}, [{"content": "a"}], ("end_turn", None)),  # as the dialect reads it
    "sensitive": ({"finish": "sensitive"}, [{"content": "a"}], ("refusal", None)),
}


@pytest.mark.parametrize("name", STOPS)
def test_why_it_ended(name):
    how, deltas, expected = STOPS[name]
    whole = said(*deltas, **how)
    assert (whole["stop_reason"], whole["stop_sequence"]) == expected


@pytest.mark.parametrize("member", ["stop_reason", "matched_stop"])
def test_a_stop_sequence_is_named_where_the_backend_says_which(member):
    for matched, expected in (("END", ("stop_sequence", "END")), (7, ("end_turn", None)), ("x", ("end_turn", None))):
        out, _ = play([chunk({"content": "a"}), chunk({}, "stop", **{member: matched}), DONE], stop_sequences=["END"])
        whole = message(out)
        assert (whole["stop_reason"], whole["stop_sequence"]) == expected


def test_a_stream_may_begin_with_what_a_filter_says():
    first = event({"id": "", "model": "", "choices": [], "prompt_filter_results": []})
    whole = message(play([first, delta("a"), delta(finish="stop"), DONE])[0])
    assert (whole["id"], whole["model"]) == ("msg_1", "scripted")


@pytest.mark.parametrize("before", [b"", delta("a"), delta() + delta("a")])
def test_an_end_that_nobody_gives_a_reason_for_is_an_error(before):
    out, reader = play([before, DONE])
    assert (failure(out)["type"], reader.failed.kind) == ("api_error", FailureKind.BROKEN)
    assert b"message_stop" not in out


def test_an_answer_without_a_word_is_an_empty_message():
    whole = message(play([delta(finish="stop"), DONE])[0])
    assert (whole["id"], whole["model"], whole["content"], whole["stop_reason"]) == (
        "msg_1",
        "scripted",
        [],
        "end_turn",
    )


def test_an_error_in_the_stream_comes_after_what_was_written_before_it():
    error = event({"error": {"message": "busy", "type": "overloaded_error", "code": None}})
    out, reader = play([delta("a") + error])
    assert failure(out) == {"type": "overloaded_error", "message": "busy"}
    assert [each["type"] for each in events(out)] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "error",
    ]
    assert reader.feed(delta("b")) == b""


def test_a_lost_connection_is_an_error_event():
    asked = chat()
    reader = Messages().follow(OpenAI().reader(asked), asked)
    out = reader.feed(delta("a")) + reader.broke_off(unreadable("gone"))
    assert failure(out)["message"] == "gone"
    assert reader.done
    assert reader.broke_off(unreadable("gone")) == b""


class Odd:
    """A reader that lets through what is no chunk, or fails without a word."""

    def __init__(self, failed=None):
        self.done = failed is not None
        self.failed = failed
        self.unfinished = False
        self.started = True
        self.usage = None
        self.usage_is_last = True
        self.service = None
        self.model = None
        self.content_seen = False
        self.written_bytes = 0
        self.written_events = 0

    def feed(self, block):
        return block

    close = broke_off = feed


@pytest.mark.parametrize("data", ['{"choices": [{"finish_reason": 5}]}', "nonsense", '{"choices": 1}'])
def test_what_is_no_chunk_ends_the_stream(data):
    reader = Messages().follow(Odd(), chat())
    assert failure(reader.feed(event(data)))["type"] == "api_error"
    assert reader.done
    assert reader.failed.kind is FailureKind.BROKEN
    assert reader.feed(delta("a")) == b""


def test_a_failure_without_words_is_told():
    reader = Messages().follow(Odd(unreadable("gone")), chat())
    assert failure(reader.feed(b""))["message"] == "gone"


def test_an_end_whose_last_line_feed_is_missing_counts():
    asked = chat()
    reader = Messages().follow(OpenAI().reader(asked), asked)
    out = reader.feed(delta("a")) + reader.feed(delta(finish="stop")) + reader.feed(b"data: [DONE]\r\r")
    assert message(out if reader.done else out + reader.close())["stop_reason"] == "end_turn"


def test_an_end_of_carriage_returns_counts_whoever_passes_it_on():
    reader = Messages().follow(Odd(), chat())
    out = reader.feed(delta("a") + b"data: [DONE]\r\r")
    reader._reader.done = True
    assert message(out + reader.feed(b""))["content"] == [{"type": "text", "text": "a"}]


def test_nothing_follows_the_end():
    reader = Messages().follow(Odd(), chat())
    assert message(reader.feed(delta("a") + DONE + delta("b") + DONE))["content"] == [{"type": "text", "text": "a"}]


def test_a_choice_without_a_delta_says_nothing():
    bare = event({"id": "chatcmpl-1", "choices": [{"index": 0, "finish_reason": "length"}]})
    assert message(play([delta("a"), bare, DONE])[0])["stop_reason"] == "max_tokens"


deltas = st.one_of(
    st.builds(lambda text: {"content": text}, st.text(max_size=4)),
    st.builds(lambda text: {"reasoning_content": text}, st.text(max_size=4)),
    st.builds(
        lambda text, signature: {"thinking_blocks": [{"type": "thinking", "thinking": text, "signature": signature}]},
        st.text(max_size=3),
        st.text(max_size=3),
    ),
    st.builds(call, st.integers(0, 2), st.text(alphabet='{}":,ab 1', max_size=5)),
    st.just({}),
)


@given(st.lists(deltas, max_size=12), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_order_of_deltas_is_a_message_and_loses_nothing(some, tell):
    begun = [call(index, id=f"c{index}", name=f"f{index}") for index in range(3)] if tell else []
    whole = said(*begun, *some)
    text = "".join(each.get("content", "") for each in some)
    shown = "".join(block["text"] for block in whole["content"] if block["type"] == "text")
    assert shown.split() == text.split()
    for index in range(3) if tell else ():
        pieces = [
            call["function"]["arguments"]
            for each in some
            for call in each.get("tool_calls", ())
            if call["index"] == index
        ]
        block = next(each for each in whole["content"] if each.get("id") == f"c{index}")
        if not "".join(pieces).startswith("{}"):  # what follows a whole object is no part of it
            assert block["input"] == "".join(pieces)
    assert all(one["type"] != "text" or other["type"] != "text" for one, other in pairwise(whole["content"]))


def test_bytes_that_are_no_text_end_the_stream():
    reader = Messages().follow(Odd(), chat())
    out = reader.feed(delta("a") + b'data: {"id":"\xff","choices":[]}\n\n' + DONE)
    assert failure(out)["type"] == "api_error"
    assert (reader.done, reader.failed.kind) == (True, FailureKind.BROKEN)


@pytest.mark.parametrize("reason", sorted(FAILED))
def test_an_answer_that_the_backend_broke_off_is_an_error(reason):
    reader = Messages().follow(Odd(), chat())
    out = reader.feed(delta("a") + delta("b", finish=reason) + DONE)
    assert failure(out)["message"] == FAILED[reason]
    assert (reader.done, reader.failed.kind) == (True, FailureKind.BROKEN)


def test_an_empty_finish_reason_is_none():
    out = (
        Messages()
        .follow(Odd(), chat())
        .feed(delta("a", finish="") + delta("b", finish="") + delta(finish="length") + DONE)
    )
    assert (message(out)["stop_reason"], message(out)["content"]) == ("max_tokens", [{"type": "text", "text": "ab"}])
    assert [each["type"] for each in events(out)].count("content_block_start") == 1
