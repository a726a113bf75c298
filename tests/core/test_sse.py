"""Events are the same however the bytes are cut."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import sse
from gateway.core.sse import EventTooLarge, Splitter, data_of

LINES = (
    b"data: a",
    b"data:b",
    b"data:  c",
    b"data:",
    b'data: {"choices":[{"delta":{"content":"h\xc3\xa9"}}]}',
    b"data: [DONE]",
    b": ping",
    b":",
    b"event: message",
    b"id: 1",
    b"retry: 10",
    b"odd",
)
line_ends = st.sampled_from([b"\n", b"\r", b"\r\n"])
events_of_lines = st.lists(st.lists(st.sampled_from(LINES), min_size=1, max_size=4), max_size=5)


def read(pieces):
    splitter = Splitter()
    events = [event for piece in pieces for event in splitter.feed(piece)]
    rest = splitter.rest()
    return [*events, rest] if rest else events


def cut(stream, positions):
    bounds = sorted({0, len(stream), *(position % (len(stream) + 1) for position in positions)})
    return [stream[start:end] for start, end in itertools.pairwise(bounds)]


@given(events_of_lines, line_ends, st.booleans(), st.lists(st.integers(0, 400), max_size=30))
@settings(max_examples=200, deadline=None)
def test_a_stream_reads_the_same_however_it_is_cut(events, line_end, last_is_open, positions):
    written = [b"".join(line + line_end for line in lines) + line_end for lines in events]
    if written and last_is_open:
        written[-1] = written[-1].removesuffix(line_end)
    assert written == read(cut(b"".join(written), positions))


@given(st.lists(st.sampled_from([*LINES, b"\n", b"\r", b"\r\n"]), max_size=30), st.lists(st.integers(0, 600)))
@settings(max_examples=200, deadline=None)
def test_no_byte_is_lost_or_added_and_the_data_stays(tokens, positions):
    stream = b"".join(tokens)
    whole, pieces = read([stream]), read(cut(stream, positions))
    assert stream == b"".join(whole) == b"".join(pieces)
    assert [data for event in whole if (data := data_of(event))] == [data for each in pieces if (data := data_of(each))]


@pytest.mark.parametrize(
    "stream",
    [
        b"data: a\n\ndata: b\n\n",
        b"data: a\r\n\r\ndata: b\r\n\r\n",
        b"data: a\r\rdata: b\r\r",
        b"data: a\n\r\ndata: b\r\n\n",
        b"data: a\n\r\n\rdata: b\n\n",
        b"\n\ndata: a\n\n",
        b"data: a\n\n\n\ndata: b\n\n",
        b"data: a\n\n\ndata: b\n\n",  # one blank line too many
        b"data: a\r\n\r\n\r\ndata: b\r\n\r\n",
    ],
)
def test_every_single_cut_reads_like_byte_after_byte(stream):
    expected = read([stream[at : at + 1] for at in range(len(stream))])
    for at in range(len(stream) + 1):
        assert expected == read([stream[:at], stream[at:]]), at


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([b""], [[]]),
        ([b"data: a\n\n"], [[b"data: a\n\n"]]),
        ([b"data: a\n\n: b\n\n"], [[b"data: a\n\n", b": b\n\n"]]),
        ([b"data: a\n", b"\n"], [[], [b"data: a\n\n"]]),
        ([b"data: a\n\nda", b"ta: b\n\n"], [[b"data: a\n\n"], [b"data: b\n\n"]]),
        ([b"data: a\r\n\r\n"], [[b"data: a\r\n\r\n"]]),
        ([b"data: a\r\n\r", b"\n"], [[], [b"data: a\r\n\r\n"]]),
        ([b"data: a\r\r", b"data: b"], [[], [b"data: a\r\r"]]),  # its line feed might have come
        ([b"data: a\ndata: b\n\n"], [[b"data: a\ndata: b\n\n"]]),
    ],
)
def test_an_event_is_given_back_as_soon_as_it_is_whole(blocks, expected):
    splitter = Splitter()
    assert expected == [splitter.feed(block) for block in blocks]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [(b"", b""), (b"data: a\n\n", b""), (b"data: a\n", b"data: a\n"), (b"data: a\n\ndata: b", b"data: b")],
)
def test_the_rest_is_what_has_no_end(stream, expected):
    splitter = Splitter()
    splitter.feed(stream)
    assert (expected, b"") == (splitter.rest(), splitter.rest())


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b"data: a\n\n", b"a"),
        (b"data:a\n\n", b"a"),
        (b"data:  a \n\n", b" a "),
        (b"data: a\r\n\r\n", b"a"),
        (b"data: a\r\r", b"a"),
        (b"data: a", b"a"),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"data: a\r\ndata:b\r\n\r\n", b"a\nb"),
        (b"data: a\rdata: b\r\r", b"a\nb"),
        (b"data: a\ndata:\ndata: b\n\n", b"a\n\nb"),
        (b"event: x\nid: 1\ndata: a\n\n", b"a"),
        (b"data: a\n: note\n\n", b"a"),
        (b"data: a: b\n\n", b"a: b"),
        (b": data: a\n\n", b""),
        (b" data: a\n\n", b""),
        (b"database: a\n\n", b""),
        (b"data:\n\n", b""),
        (b"\n\n", b""),
        (b"", b""),
    ],
)
def test_data_is_the_joined_data_lines(event, expected):
    assert expected == data_of(event)


@pytest.mark.parametrize(
    "blocks",
    [
        [b"data: " + b"x" * 50],
        [b"x"] * 50,
        [b"data: a\n\n" + b"x" * 50],
        [b"data: " + b"x" * 50 + b"\r\n", b"\r\n"],
        [b"data: " + b"x" * 50 + b"\n\n"],
        [b": note\r\n\r\ndata: " + b"x" * 50 + b"\r\n\r\n"],
    ],
    ids=["open", "byte by byte", "after a whole one", "cut in its end", "whole in one block", "whole among others"],
)
def test_an_event_without_measure_is_refused(monkeypatch, blocks):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 40)
    with pytest.raises(EventTooLarge, match="40 bytes"):
        read(blocks)


@pytest.mark.parametrize("size", [1, 7, 11, 100])
def test_many_events_may_be_larger_together(monkeypatch, size):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 10)
    stream = b"data: ab\n\n" * 20
    assert read([stream[at : at + size] for at in range(0, len(stream), size)]) == [b"data: ab\n\n"] * 20
