"""A stream on its way to the client."""

import pytest
from support.doubles import Told
from support.upstream import DONE, delta

from gateway.providers.openai import Stream as Reader
from gateway.stream import Stream


def test_a_silent_stream_is_kept_alive_between_whole_events():
    class Heard:
        def __init__(self):
            self.blocks = []

        def write(self, block):
            self.blocks.append(block)
            return True

    heard, reader = Heard(), Reader(wants_usage=False, continuous=False)
    stream = Stream(reader, heard, b"", lambda: None)
    begun = len(heard.blocks)
    stream.keep_alive()
    stream.keep_alive()
    stream.take(delta("a")[:20])
    stream.keep_alive()
    stream.keep_alive()
    stream.take(delta("a")[20:])
    stream.keep_alive()
    comment = b": keep-alive\n\n"
    assert [block for block in heard.blocks[begun:] if block] == [comment, comment, delta("a")]
    stream.take(delta("", "stop") + DONE)
    stream.keep_alive()
    stream.keep_alive()
    assert heard.blocks[-1] != comment


EARLY = b'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 0}}\n\n'
WITH = delta("a", usage={"prompt_tokens": 9, "completion_tokens": 1})


@pytest.mark.parametrize(
    ("begun", "then", "calls"),
    [
        (b"", [delta("a"), delta("b", "stop"), EARLY, DONE], 0),
        (delta("a") + delta("b", "stop") + EARLY + DONE, [], 0),
        (EARLY, [delta("a"), delta("b")], 2),
        (WITH, [delta("b"), WITH], 1),
        (delta(""), [WITH, WITH, delta("b")], 1),
        (delta("a"), [WITH, WITH], 0),
    ],
    ids=["at the end", "all at once", "first of all", "with the first content", "with content after it", "later"],
)
def test_who_asks_is_told_of_usage_that_is_there_early_and_nobody_looks_at_every_event(begun, then, calls):
    told, reader = [], Reader(wants_usage=False, continuous=False)
    begun = reader.feed(begun)
    stream = Stream(reader, Told(), begun, lambda: told.append(reader.usage.read))
    for block in then:
        stream.take(block)
    assert told == [9] * calls
