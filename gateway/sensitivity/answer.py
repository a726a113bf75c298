"""Scans what a model writes before the client sees it.

Events are released in order and unchanged, each once nothing in it can be part of a finding any more. Until a text ends
its last characters are held back: few while no detector has anything to do, more when one has. A text ends with its
choice, with the stream, or when others have been written for a while.
"""

from collections import deque
from collections.abc import Mapping

import msgspec

from gateway.core.findings import Path
from gateway.core.sse import Splitter
from gateway.sensitivity.chunks import Piece, read_answer, read_event
from gateway.sensitivity.scan import Scanner

ERROR: Mapping[str, object] = {
    "message": "the answer was stopped by policy: it was about to show what must not be shown",
    "type": "permission_error",
    "param": None,
    "code": "answer_blocked",
}
"""What the client is told of an answer that was blocked."""

_CALM, _ALERT = 64, 256
"""Characters at the end of a text that are held back: while no detector is triggered near them, and when one is."""
_LONGEST = 4096
"""Characters in a row without a space that are held back at most: a token is not released while it grows."""
_CONTEXT = 256
"""Characters already released that are read again with what follows: more than any detector looks back."""
_AHEAD = 176
"""Characters after a finding that may still speak against it: more than any detector looks ahead."""
_STEP, _SHARE = 16, 8
"""A text is examined again when it has grown by so many characters, and by this share of what is held back: so all of
it costs little."""
_MOST_HELD_BYTES = 8_000_000
_MOST_TEXTS = 4096
_RUN = "".join(map(chr, range(0x21, 0x7F)))
_NONE: frozenset[str] = frozenset()
_BLOCKED = b"data: " + msgspec.json.encode({"error": ERROR}) + b"\n\n"


def check(body: bytes, scanner: Scanner, kinds: frozenset[str]) -> frozenset[str]:
    """The kinds, of these, that a buffered answer shows. What cannot be examined may show all of them."""
    pieces = read_answer(body)
    if pieces is None:
        return kinds
    texts: dict[tuple[int, Path], list[str]] = {}
    for piece in pieces:
        texts.setdefault((piece.choice, piece.path), []).append(piece.text)
    try:
        return frozenset(
            finding.kind
            for (_, path), parts in texts.items()
            for finding in scanner.scan_text("".join(parts), _key(path))
            if finding.kind in kinds
        )
    except ValueError:
        return kinds


class Guard:
    """Watches one stream, from whole client-bound events to whole client-bound events, for findings of some kinds.

    When there is one, nothing of it was released: the stream ends with an error event and without [DONE].
    """

    __slots__ = ("_clock", "_held", "_held_bytes", "_kinds", "_open", "_scanner", "_splitter", "_texts", "found")

    def __init__(self, scanner: Scanner, kinds: frozenset[str]) -> None:
        self._scanner = scanner
        self._kinds = kinds
        self._splitter = Splitter()
        self._texts: dict[tuple[int, Path], _Text] = {}
        self._held: deque[tuple[bytes, list[tuple[_Text, int]]]] = deque()  # with each text in it, and how far it goes
        self._held_bytes = 0
        self._open: set[int] = set()  # choices that have begun and not ended
        self._clock = 0  # characters written so far, in all texts; an event counts for one at least
        self.found = _NONE

    @property
    def blocked(self) -> bool:
        """Whether the stream was ended because of what it showed. `found` then has the kinds."""
        return bool(self.found)

    def feed(self, block: bytes) -> bytes:
        """What the client may see, now that this has come."""
        return b"".join(map(self._event, self._splitter.feed(block)))

    def close(self) -> bytes:
        """What the client may still see, now that the stream has ended."""
        rest = self._splitter.rest()
        out = self._event(rest) if rest else b""
        return out + self._after(list(self._texts.values()))

    def _event(self, event: bytes) -> bytes:
        if self.found:
            return b""
        chunk = read_event(event)
        if chunk.silent:
            return event  # keeps the connection alive, and says nothing that could be out of order
        if not chunk.readable or len(self._texts) > _MOST_TEXTS:
            return self._block(self._kinds)
        self._clock += max(1, sum(len(piece.text) for piece in chunk.pieces))
        marks = [self._written(piece) for piece in chunk.pieces]
        self._held.append((event, marks))
        self._held_bytes += len(event)
        self._open -= chunk.finished
        for text, _ in marks:
            if found := text.examine(self._scanner, self._kinds):
                return self._block(found)
        ended = (
            [text for (choice, _), text in self._texts.items() if chunk.last or choice in chunk.finished]
            if chunk.last or chunk.finished
            else []
        )
        return self._after(ended)

    def _written(self, piece: Piece) -> "tuple[_Text, int]":
        self._open.add(piece.choice)
        name = (piece.choice, piece.path)
        text = self._texts.get(name)
        if text is None:
            text = self._texts[name] = _Text(_key(piece.path))
        text.add(piece.text, self._clock)
        return text, text.length

    def _after(self, ended: "list[_Text]") -> bytes:
        """What may be released, now that these texts have ended."""
        for text in ended:
            if found := text.examine(self._scanner, self._kinds, ended=True):
                return self._block(found)
        out = b""
        while self._held:
            event, marks = self._held[0]
            for text, end in marks:
                if text.clear >= end:
                    continue
                if not self._is_quiet(text) and self._held_bytes <= _MOST_HELD_BYTES:
                    return out
                if found := text.examine(self._scanner, self._kinds, ended=True):
                    return out + self._block(found)
            self._held.popleft()
            self._held_bytes -= len(event)
            out += event
        return out

    def _is_quiet(self, text: "_Text") -> bool:
        """Whether so much was written elsewhere that a text is taken to have ended."""
        return self._clock - text.written > text.hold * max(1, len(self._open))

    def _block(self, found: frozenset[str]) -> bytes:
        self.found = found
        self._held.clear()
        self._texts.clear()
        return _BLOCKED


class _Text:
    """The end of one text under way. Positions are characters from its beginning.

    `length` is what has come, `clear` what may be released, `hold` how much is held back, `written` when it last grew.
    """

    __slots__ = ("_begins", "_examined", "_key", "_window", "clear", "hold", "length", "written")

    def __init__(self, key: str) -> None:
        self._key = key
        self._window = ""
        self._begins = 0  # where the window does
        self._examined = 0
        self.length = self.clear = self.written = 0
        self.hold = _CALM

    def add(self, more: str, clock: int) -> None:
        """More of it has come."""
        self._window += more
        self.length += len(more)
        self.written = clock

    def examine(self, scanner: Scanner, kinds: frozenset[str], *, ended: bool = False) -> frozenset[str]:
        """The kinds that are found in what is held back. Without any, what can be part of none becomes clear."""
        pending = self.length - self.clear
        grown = self.length - self._examined
        if not pending or (not ended and (pending <= self.hold or grown < max(_STEP, pending // _SHARE))):
            return _NONE
        self._examined = self.length
        if not scanner.triggered(self._window):
            self.hold = _CALM
            self._release(self.length if ended else self.length - max(_CALM, min(self._run(), _ALERT)))
            return _NONE
        self.hold = _ALERT
        if not ended and pending <= _ALERT:
            return _NONE
        try:
            findings = scanner.scan_text(self._window, self._key)
        except ValueError:
            return kinds
        clear = self.length if ended else self.length - max(_ALERT, min(self._run(), _LONGEST))
        found = set()
        for finding in findings:
            start, end = self._begins + finding.start, self._begins + finding.end
            if finding.kind not in kinds or end <= self.clear:
                continue
            if ended or end + _AHEAD <= self.length or self.length - start > _LONGEST:
                found.add(finding.kind)
            clear = min(clear, start)
        if not found:
            self._release(clear)
        return frozenset(found)

    def _run(self) -> int:
        """How many characters without a space it ends with."""
        return len(self._window) - len(self._window.rstrip(_RUN))

    def _release(self, clear: int) -> None:
        self.clear = max(self.clear, clear)
        if (done := self.clear - _CONTEXT - self._begins) > 0:
            self._window = self._window[done:]
            self._begins += done


def _key(path: Path) -> str:
    """The name of the member that holds a text."""
    return next((step for step in reversed(path) if isinstance(step, str)), "")
