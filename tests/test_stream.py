"""A stream on its way to the client."""

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
    stream = Stream(reader, heard, b"")
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
