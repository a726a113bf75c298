"""Puts back into an answer what was taken out of the request: each placeholder becomes the text that it stands for.

Only the exact placeholder is restored. In a stream it may come in any number of pieces: the end of a text that may
still become one is held back, never more than the longest placeholder, and given out before its choice ends.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping

import msgspec

from gateway.core.findings import Path
from gateway.core.sse import Splitter
from gateway.sensitivity.chunks import Chunk, Piece, event_of, read_answer, read_event, spliced

PLACEHOLDER = re.compile(r"\[[A-Z][A-Z_]*_[1-9][0-9]*\]")
"""What stands for something that was taken out, such as `[EMAIL_1]`."""

_MOST_HELD = 4096
"""How many texts may have an end held back at once."""
_DEEPEST = 64
"""How deep in an answer a text may stand, in members and lists; no server writes a tenth of that."""


def restored_text(text: str, taken: Mapping[str, str], *, in_json: bool = False) -> str:
    """A text with the originals in it. `in_json`: the text is itself JSON, so an original is escaped."""

    def original(match: re.Match[str]) -> str:
        found = taken.get(match[0])
        if found is None:
            return match[0]
        return msgspec.json.encode(found)[1:-1].decode() if in_json else found

    return PLACEHOLDER.sub(original, text)


def restored_answer(body: bytes, taken: Mapping[str, str]) -> bytes:
    """A buffered answer with the originals in it. Without a placeholder it is the same bytes."""
    changes = {}
    for piece in read_answer(body) or ():
        if _may_change(piece):
            text = restored_text(piece.text, taken, in_json=piece.is_json)
            if text != piece.text:
                changes[piece.at] = msgspec.json.encode(text)
    return spliced(body, changes) if changes else body


class Restorer:
    """Restores one stream, from whole client-bound events to whole client-bound events. `taken` has the original of
    each placeholder."""

    __slots__ = ("_head", "_held", "_placeholders", "_splitter", "_taken")

    def __init__(self, taken: Mapping[str, str]) -> None:
        self._taken = taken
        self._placeholders = sorted(taken)
        self._splitter = Splitter()
        self._held: dict[tuple[int, Path], str] = {}  # by text: its end, which may become a placeholder
        self._head = b""  # the data of an event, whose head one of our own may have

    def feed(self, block: bytes) -> bytes:
        """What the client is to see of a block."""
        if not self._taken:
            return block
        return b"".join(map(self._event, self._splitter.feed(block)))

    def close(self) -> bytes:
        """What the client is still to see, now that the stream has ended."""
        rest = self._splitter.rest()
        return (self._event(rest) if rest else b"") + self._given_out(list(self._held))

    def _event(self, event: bytes) -> bytes:
        if not self._held and event.count(b"[") < 2 and b"\\u005" not in event:
            return event  # its one bracket is that of the choices, so no placeholder begins in it
        chunk = read_event(event)
        if chunk.silent:
            return event
        if chunk.last or chunk.closing or len(self._held) > _MOST_HELD:
            return self._given_out(list(self._held)) + event
        if chunk.pieces or chunk.finished:
            self._head = chunk.data
        changed = self._restored(chunk)
        before = b""
        if chunk.finished:
            before = self._given_out([text for text in self._held if text[0] in chunk.finished])
        return before + (chunk.with_texts(changed) if changed else event)

    def _restored(self, chunk: Chunk) -> dict[Path, str]:
        """The words of an event that change, by their places. What they end with may be held back, but not when their
        choice ends, too."""
        pieces = [piece for piece in chunk.pieces if _may_change(piece)]
        final = {(piece.choice, piece.path): piece.at for piece in pieces if piece.choice in chunk.finished}
        changed = {}
        for piece in pieces:
            name = (piece.choice, piece.path)
            text = self._held.pop(name, "") + piece.text
            cut = len(text) if final.get(name) == piece.at else self._settled(text)
            if cut < len(text):
                self._held[name] = text[cut:]
            put = restored_text(text[:cut], self._taken, in_json=piece.is_json)
            if put != piece.text:
                changed[piece.at] = put
        return changed

    def _settled(self, text: str) -> int:
        """How many of the first characters of a text are no part of a placeholder that is still to come."""
        begun = text.rfind("[")  # a placeholder has no other one inside
        if begun < 0:
            return len(text)
        end = text[begun:]
        at = bisect_right(self._placeholders, end)
        return begun if at < len(self._placeholders) and self._placeholders[at].startswith(end) else len(text)

    def _given_out(self, texts: Iterable[tuple[int, Path]]) -> bytes:
        """Events of our own with what was held back of these texts."""
        return b"".join(event_of(self._head, *text, self._held.pop(text)) for text in texts)


def _may_change(piece: Piece) -> bool:
    return not piece.echo and len(piece.at) <= _DEEPEST
