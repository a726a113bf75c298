"""Blocks of which several are one text in the chat: cut they are what they were, and joined again the text is."""

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from gateway.core.pieces import Piece, cut, joined

MARKS = {"5m": Raw(b'"short"'), "1h": Raw(b'"long"')}
SHORT, LONG = {"cache_control": "short"}, {"cache_control": "long"}
CALLS = [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in "ab"]
PIECES = (Piece(("messages", 0, "content"), 0, 4, "1h"), Piece(("tools", 1), kept="5m"), Piece(()))


def raw(messages: list) -> Raw:
    return Raw(json.dumps(messages).encode())


def put(messages: list, *pieces: Piece, marks: dict = MARKS) -> list:
    return json.loads(bytes(cut(raw(messages), pieces, marks)))


def text(said: str, mark: dict | None = None) -> dict:
    return {"type": "text", "text": said, **(mark or {})}


def user(content: object) -> dict:
    return {"role": "user", "content": content}


def test_they_are_read_as_they_were_written():
    assert msgspec.json.decode(msgspec.json.encode(PIECES), type=tuple[Piece, ...]) == PIECES


def test_a_mark_is_one_of_a_few_words():
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"path":[],"kept":"a text"}', type=Piece)


def test_a_text_is_in_parts_again_without_what_joined_them():
    place = ("messages", 1, "content")
    pieces = (Piece(place, 0, 2, "1h"), Piece(place, 4, 7, "5m"), Piece(place, 7, 7))
    messages = [user("s"), user("ab\n\ncöd") | {"name": "n"}]
    assert put(messages, *pieces) == [
        user("s"),
        user([text("ab", LONG), text("cöd", SHORT), text("")]) | {"name": "n"},
    ]
    assert put(messages, *pieces, marks={})[1]["content"] == [text("ab"), text("cöd"), text("")]


def test_parts_calls_texts_and_whole_messages_have_their_marks():
    said = put(
        [
            user([text("a"), text("b")]),
            {"role": "assistant", "content": "x", "tool_calls": CALLS},
            {"role": "tool", "tool_call_id": "a", "content": "r"},
        ],
        Piece(("messages", 0, "content", 1), kept="5m"),
        Piece(("messages", 1, "content"), kept="1h"),
        Piece(("messages", 1, "tool_calls", 0), kept="1h"),
        Piece(("messages", 2), kept="5m"),
    )
    assert said == [
        user([text("a"), text("b", SHORT)]),
        {"role": "assistant", "content": [text("x", LONG)], "tool_calls": [CALLS[0] | LONG, CALLS[1]]},
        {"role": "tool", "tool_call_id": "a", "content": "r", **SHORT},
    ]


def test_the_only_block_of_a_text_is_all_of_it_whatever_it_says_by_now():
    mark = Piece(("messages", 0, "content"), kept="5m")
    assert put([user("longer than it was")], mark) == [user([text("longer than it was", SHORT)])]


def test_twice_the_marks_take_twice_the_time():
    def seconds(parts: int) -> float:
        messages = raw([user([text("a")] * parts)])
        pieces = [Piece(("messages", 0, "content", at), kept="5m") for at in range(parts)]
        began = time.process_time()
        cut(messages, pieces, MARKS)
        return time.process_time() - began

    assert min(seconds(4_000) for _ in range(3)) < 8 * min(seconds(1_000) for _ in range(3))


@pytest.mark.parametrize(
    "piece", [Piece(("tools", 0), kept="5m"), Piece((), kept="5m"), Piece(("messages", 0, "content"), 0, 1)]
)
def test_where_nothing_is_cut_messages_keep_their_bytes(piece):
    messages = Raw(b'[ {"role": "user",  "content":"x"}]')
    assert cut(messages, [piece], MARKS) is messages


def test_with_other_words_in_them_parts_are_one_text_again_and_it_is_known_where_each_is():
    place = ("messages", 0, "content")
    pieces = (
        Piece(place, 0, 4),
        Piece(place, 4, 8, "5m"),
        Piece(place, 10, 12, "1h"),
        Piece(("messages", 1), kept="5m"),
    )
    messages = raw([user("jane@doe\n\nhi"), user("x")])
    parts = json.loads(bytes(cut(messages, pieces)))
    assert [each["text"] for each in parts[0]["content"]] == ["jane", "@doe", "hi"]
    parts[0]["content"][0]["text"], parts[0]["content"][1]["text"] = "[EMAIL_1]", ""
    whole, moved = joined(raw(parts), messages, pieces)
    assert json.loads(bytes(whole)) == [user("[EMAIL_1]\n\nhi"), user("x")]
    assert moved == (Piece(place, 0, 9), Piece(place, 9, 9, "5m"), Piece(place, 11, 13, "1h"), pieces[3])


@given(
    st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=4), min_size=1, max_size=3),
    st.sampled_from(["", "\n\n"]),
)
def test_what_is_cut_and_not_changed_is_joined_as_it_was(texts, gap):
    pieces = []
    for at, blocks in enumerate(texts):
        start = 0
        for block in blocks:
            pieces.append(Piece(("messages", at, "content"), start, start + len(block)))
            start += len(block) + len(gap)
    messages = raw([user(gap.join(blocks)) for blocks in texts])
    whole, moved = joined(cut(messages, pieces), messages, pieces)
    assert (json.loads(bytes(whole)), moved) == (json.loads(bytes(messages)), tuple(pieces))
