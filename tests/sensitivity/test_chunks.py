"""Events are read for a model's words, and changed only where those stand."""

import json

import pytest
from support.findable import chunk, delta, event
from support.vectors import all_recorded

from gateway.core.sse import Splitter, data_of
from gateway.sensitivity.chunks import TOGETHER, Piece, event_of, read_answer, read_event, spliced

RECORDED = [each for each in all_recorded() if each.status == 200 and not each.name.endswith("/models")]


def at(*path):
    return ("choices", 0, "delta", *path)


CALL = {"index": 2, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}


@pytest.mark.parametrize(
    ("said", "pieces"),
    [
        ({"role": "assistant", "content": None}, []),
        ({"role": "assistant", "content": ""}, [(("content",), at("content"), "")]),
        (
            {"content": "a", "reasoning": "b"},
            [(("content",), at("content"), "a"), (("reasoning",), at("reasoning"), "b")],
        ),
        (
            {"tool_calls": [CALL]},
            [
                (("tool_calls", 2, "function", "name"), at("tool_calls", 0, "function", "name"), "f"),
                (("tool_calls", 2, "function", "arguments"), at("tool_calls", 0, "function", "arguments"), "{"),
            ],
        ),
        (
            {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, "c"]},
            [
                (("content", TOGETHER, "text"), at("content", 0, "text"), "a"),
                (("content", TOGETHER, "text"), at("content", 1, "text"), "b"),
                (("content", TOGETHER), at("content", 2), "c"),
            ],
        ),
        ({"unknown": {"deep": ["x"]}}, [(("unknown", "deep", TOGETHER), at("unknown", "deep", 0), "x")]),
        ({"role": {"odd": "x"}}, [(("role", "odd"), at("role", "odd"), "x")]),
    ],
)
def test_every_string_of_a_delta_is_a_piece(said, pieces):
    assert read_event(chunk(said)).pieces == tuple(Piece(0, *each) for each in pieces)


def test_the_tokens_of_log_probabilities_say_the_same_again():
    choice = {
        "index": 1,
        "delta": {"content": "ab"},
        "logprobs": {
            "content": [{"token": "a", "top_logprobs": [{"token": "z"}]}, {"token": "b"}, {"token": None}, None],
            "refusal": None,
        },
    }
    path = ("logprobs", "content", TOGETHER, "token")
    assert read_event(event({"choices": [choice]})).pieces[1:] == (
        Piece(1, path, ("choices", 0, "logprobs", "content", 0, "token"), "a", echo=True),
        Piece(1, path, ("choices", 0, "logprobs", "content", 1, "token"), "b", echo=True),
    )


@pytest.mark.parametrize(
    ("raw", "silent", "last", "closing", "readable"),
    [
        (b": ping\n\n", True, False, False, True),
        (b"event: x\n\n", True, False, False, True),
        (b"data: \n\n", True, False, False, True),
        (b"data: [DONE]\n\n", False, True, False, True),
        (event({"error": {"message": "no"}}), False, True, False, True),
        (event({"error": None, "choices": []}), False, False, False, True),
        (event({"choices": [], "usage": {"total_tokens": 1}}), False, False, True, True),
        (event({"choices": [], "usage": None}), False, False, False, True),
        (event({"choices": None}), False, False, False, True),
        (event({"choices": "odd"}), False, False, False, True),
        (event({"choices": ["odd"]}), False, False, False, True),
        (chunk({}, usage={"total_tokens": 1}), False, False, False, True),
        (b"data: [1]\n\n", False, True, False, False),
        (b"data: {\n\n", False, True, False, False),
        (b'data: {"x":"\xff"}\n\n', False, True, False, False),
        (b"data: " + b"[" * 5000 + b"\n\n", False, True, False, False),
    ],
)
def test_events_are_told_apart(raw, silent, last, closing, readable):
    read = read_event(raw)
    assert (read.silent, read.last, read.closing, read.readable) == (silent, last, closing, readable)
    assert (read.event, read.pieces) == (raw, ())


def test_choices_that_end_are_known():
    choices = [{"index": 1, "delta": {}, "finish_reason": "stop"}, {"index": 0, "delta": {}, "finish_reason": None}]
    assert read_event(event({"choices": choices})).finished == {1}
    assert read_event(event({"choices": [{"delta": {}, "finish_reason": "x"}, {"finish_reason": "y"}]})).finished == {
        0,
        1,
    }


def test_other_words_leave_all_else_as_it_came():
    raw = (
        b'data: {"id" : 1.50,"choices":[ {"index":0, "x":[1 , 2],"delta":{"content":"a","b":1e2}} ],"z":"\\u00e9"}\n\n'
    )
    changed = read_event(raw).with_texts({at("content"): 'é"\n'})
    assert changed == (
        b'data: {"id":1.50,"choices":[{"index":0,"x":[1 , 2],"delta":{"content":"\xc3\xa9\\"\\n","b":1e2}}],"z":"\\u00e9"}\n\n'
    )


def test_other_lines_of_an_event_stay():
    raw = b'id: 1\r\ndata: {"choices":\r\ndata: [{"delta":\r\ndata: {"content":"a"}}]}\r\n: x\r\n\r\n'
    changed = read_event(raw).with_texts({at("content"): "b"})
    assert changed.startswith(b"id: 1\n: x\ndata: {")
    assert json.loads(data_of(changed)) == {"choices": [{"delta": {"content": "b"}}]}
    assert len(Splitter().feed(changed)) == 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("content",), {"content": "x"}),
        (("tool_calls", 2, "function", "arguments"), {"tool_calls": [{"index": 2, "function": {"arguments": "x"}}]}),
        (("content", TOGETHER, "text"), {"content": [{"text": "x"}]}),
        (("odd", TOGETHER), {"odd": ["x"]}),
        (("odd", 3), {"odd": ["x"]}),
    ],
)
def test_an_event_of_our_own_continues_a_text(path, said):
    made = event_of(data_of(chunk({"content": "before"})), 1, path, "x")
    assert json.loads(data_of(made)) == {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 1, "delta": said, "finish_reason": None}],
    }
    assert json.loads(data_of(event_of(b"", 1, path, "x")))["choices"][0]["delta"] == said


def test_values_are_spliced_in():
    assert spliced(b"1", {(): b"2"}) == b"2"
    assert spliced(b' {"a" : [1, {"b":2}, 3.0 ], "c":null}', {("a", 1, "b"): b'"x"', ("a", 0): b"0"}) == (
        b'{"a":[0,{"b":"x"},3.0],"c":null}'
    )


@pytest.mark.parametrize("recorded", RECORDED, ids=[each.name for each in RECORDED])
def test_all_words_of_recorded_answers_are_read(recorded):
    if not recorded.streamed:
        message = json.loads(recorded.body)["choices"][0]["message"]
        pieces = {
            piece.path: piece.text for piece in read_answer(recorded.body) if piece.choice == 0 and not piece.echo
        }
        assert pieces.get(("content",)) == message["content"]
        for call in message.get("tool_calls", ()):
            assert call["function"]["arguments"] in pieces.values()
        return
    for raw in Splitter().feed(recorded.body):
        read = read_event(raw)
        assert read.readable
        for choice in json.loads(read.data)["choices"] if not read.last else ():
            said = [piece.text for piece in read.pieces if piece.choice == choice["index"] and not piece.echo]
            assert [text for text in said if text == choice["delta"].get("content")] or not choice["delta"].get(
                "content"
            )
            assert (choice["index"] in read.finished) == (choice.get("finish_reason") is not None)


def test_an_answer_that_nobody_can_read_has_no_words():
    assert read_answer(b"[]") is read_answer(b"{") is None
    assert read_answer(b"{}") == ()


def test_arguments_are_json():
    assert [piece.is_json for piece in read_event(chunk(delta("arguments", "{") | {"content": "x"})).pieces] == [
        True,
        False,
    ]
