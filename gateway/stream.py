"""A streamed answer on its way from the upstream's socket to the client's."""

import time
from collections.abc import Callable

from gateway.ports import Reply
from gateway.wire import StreamReader

_MONOTONIC = time.perf_counter
_COMMENT = b": keep-alive\n\n"


class Stream:
    """Passes an answer on, block by block. Its last block is kept until the charge is.

    `reported` is called if usage is there early: as the stream begins, or as its first content goes by. Nobody looks at
    later events, since most streams report with the last one.
    """

    __slots__ = ("_reply", "_reported", "_silent", "first_token", "last", "reader")

    def __init__(self, reader: StreamReader, reply: Reply, begun: bytes, reported: Callable[[], None]) -> None:
        self.reader = reader
        self._reply = reply
        self._reported = reported
        self.first_token: float | None = None
        self.last = b""
        self._silent = False
        self._pass(begun)
        if self.first_token is None:
            self._look()

    def take(self, block: bytes) -> bool:
        """Sends on what the client is to see of a block. Returns whether the next one is wanted now."""
        return self._pass(self.reader.feed(block))

    def keep_alive(self) -> None:
        """Sends a comment if nothing came since the last time. What the client has so far are whole events."""
        if self._silent and not self.reader.done:
            self._reply.write(_COMMENT)
        self._silent = True

    def _pass(self, block: bytes) -> bool:
        self._silent = False
        if self.first_token is None and self.reader.content_seen:
            self.first_token = _MONOTONIC()
            self._look()
        if self.reader.done:
            self.last = block
            return False
        return self._reply.write(block)

    def _look(self) -> None:
        if self.reader.usage is not None and not self.reader.done:
            self._reported()
