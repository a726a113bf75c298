"""A reader around another one: what was learned of an answer is the inner one's, what the client sees may differ."""

from gateway.core.errors import Failed
from gateway.core.usage import Usage
from gateway.wire import StreamReader


class Following:
    """Passes on all that another reader knows. A subclass says what becomes of its events (`_pass`).

    `done` and `failed` are its own: what it does to the events may end the answer earlier.
    """

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self.done = False
        self.failed: Failed | None = None

    @property
    def started(self) -> bool:
        """The first event is in."""
        return self._reader.started

    @property
    def unfinished(self) -> bool:
        """It is done, and nobody said why it ended."""
        return self._reader.unfinished

    @property
    def usage(self) -> Usage | None:
        """As reported."""
        return self._reader.usage

    @property
    def usage_is_last(self) -> bool:
        """Nothing was written since the usage was reported."""
        return self._reader.usage_is_last

    @property
    def service(self) -> str | None:
        """The service tier that it is served at."""
        return self._reader.service

    @property
    def model(self) -> str | None:
        """The model that it is by."""
        return self._reader.model

    @property
    def content_seen(self) -> bool:
        """Some generated content went by."""
        return self._reader.content_seen

    @property
    def written_bytes(self) -> int:
        """Bytes of generated text so far."""
        return self._reader.written_bytes

    @property
    def written_events(self) -> int:
        """Events with generated text so far."""
        return self._reader.written_events

    def feed(self, block: bytes) -> bytes:
        """What the client is to see of a block."""
        return b"" if self.done else self._take(self._reader.feed(block))

    def close(self) -> bytes:
        """What the client is still to see, now that the upstream has ended."""
        return b"" if self.done else self._take(self._reader.close())

    def broke_off(self, failed: Failed) -> bytes:
        """What the client is still to see, now that the connection is lost."""
        return b"" if self.done else self._take(self._reader.broke_off(failed))

    def _take(self, events: bytes) -> bytes:
        self.done, self.failed = self._reader.done, self._reader.failed
        return self._pass(events)

    def _pass(self, events: bytes) -> bytes:
        """What the client sees of whole events. `done` says whether more of them may follow."""
        raise NotImplementedError
