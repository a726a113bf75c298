"""What readers of answers have in common, whatever the backend speaks."""

import msgspec

from gateway.core.errors import Failed
from gateway.core.sse import EventTooLarge, Splitter, data_of
from gateway.core.usage import Usage
from gateway.providers.failures import unreadable

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading raises for bytes that are not what they should be. What is kept raw is not looked at before it is read,
so its bytes may be of no text at all."""


NO_TEXT = unreadable("the backend sent bytes that are no UTF-8")
UNFINISHED = unreadable("the backend ended the answer without saying why, so it may be cut off")


def is_text(data: bytes) -> bool:
    """Whether it is UTF-8, as JSON and events must be: a client could not read on after anything else."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class Answer(msgspec.Struct, frozen=True):
    """A buffered answer: what the client is to see of it, what it used, how many bytes of text it wrote, or how it
    failed, and the service tier and the model that it names. `unfinished`: nothing says why it ended."""

    body: bytes
    usage: Usage | None
    written_bytes: int
    failed: Failed | None
    service: str | None = None
    model: str | None = None
    unfinished: bool = False


class Reader:
    """Follows one streamed answer, event by event, and gives back what the client is to see of each.

    A subclass says what an event means (`_event`), whether the stream may end as it stands (`_complete`), what then
    follows (`_end`), and how its client is told of a failure (`_error`). It sets `done` where nothing more may follow.
    """

    def __init__(self) -> None:
        self._splitter = Splitter()
        self.started = False
        self.done = False
        self.content_seen = False
        self.failed: Failed | None = None
        self.unfinished = False
        self.usage: Usage | None = None
        self.service: str | None = None
        self.model: str | None = None
        self.written_bytes = 0
        self.written_events = 0
        self._written_then = 0  # when usage was last reported

    @property
    def usage_is_last(self) -> bool:
        """Nothing was written since the usage was reported."""
        return self._written_then == self.written_bytes

    def feed(self, block: bytes) -> bytes:
        """What the client is to see of a block."""
        if self.done:
            return b""
        try:
            events = self._splitter.feed(block)
        except EventTooLarge as error:
            return self.broke_off(unreadable(str(error)))
        return b"".join([self._next(event) for event in events])

    def close(self) -> bytes:
        """What the client is still to see, now that the upstream has ended: the end that it left out, or an error."""
        out = b""
        rest = self._splitter.rest()
        if rest.strip() and not self.done:
            out = self._next(rest.rstrip(b"\r\n") + b"\n\n")
        if self.done:
            return out
        if self._complete():
            self.done = True
            return out + self._end()
        return out + self.broke_off(unreadable("the backend ended the stream before the answer was complete"))

    def broke_off(self, failed: Failed) -> bytes:
        """Ends the stream with an error: a broken stream never looks finished."""
        self.done = True
        self.started = True
        self.failed = failed
        return self._error(failed)

    def wrote(self, size: int) -> None:
        """Counts generated text of an event, in bytes."""
        if size:
            self.content_seen = True
            self.written_bytes += size
            self.written_events += 1

    def used(self, usage: Usage | None) -> None:
        """Takes what was reported; None: nobody could read it."""
        if usage is not None:
            self.usage, self._written_then = usage, self.written_bytes

    def _next(self, event: bytes) -> bytes:
        if self.done:
            return b""
        return self._event(event, data_of(event)) if is_text(event) else self.broke_off(NO_TEXT)

    def _event(self, event: bytes, data: bytes) -> bytes:
        raise NotImplementedError

    def _complete(self) -> bool:
        raise NotImplementedError

    def _end(self) -> bytes:
        raise NotImplementedError

    def _error(self, failed: Failed) -> bytes:
        raise NotImplementedError
