"""A text read in another way, with every place traced back to the text as it came."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

import msgspec


class Edit(msgspec.Struct, frozen=True):
    """Characters `start` to `end` are read as something else."""

    start: int
    end: int
    text: str


class Reading:
    """A text, and where in its source each of its characters came from."""

    __slots__ = ("_at", "_edited", "_end", "_start", "text")

    def __init__(self, source: str, edits: Iterable[Edit]) -> None:
        """The source with the edits done. Of edits that overlap, the one that begins first is done."""
        parts: list[str] = []
        self._at: list[int] = []  # where each piece begins here
        self._start: list[int] = []  # and in the source
        self._end: list[int] = []
        self._edited: list[bool] = []
        done = at = 0
        for edit in sorted(edits, key=_start_of):
            if edit.start < done:
                continue
            if edit.start > done:
                at = self._piece(parts, at, done, edit.start, source[done : edit.start], edited=False)
            at = self._piece(parts, at, edit.start, edit.end, edit.text, edited=True)
            done = edit.end
        self._piece(parts, at, done, len(source), source[done:], edited=False)
        self.text = "".join(parts)

    def _piece(self, parts: list[str], at: int, start: int, end: int, text: str, *, edited: bool) -> int:
        parts.append(text)
        self._at.append(at)
        self._start.append(start)
        self._end.append(end)
        self._edited.append(edited)
        return at + len(text)

    def source_of(self, start: int, end: int) -> tuple[int, int]:
        """The place in the source that a place here was read from. What was edited counts as a whole."""
        first, last = bisect_right(self._at, start) - 1, bisect_right(self._at, max(start, end - 1)) - 1
        begins = self._start[first] + (0 if self._edited[first] else start - self._at[first])
        ends = self._end[last] if self._edited[last] else self._start[last] + end - self._at[last]
        return begins, ends

    def place_of(self, at: int) -> int:
        """Where a place of the source is here. What was within an edit is at its end."""
        piece = bisect_left(self._end, at)  # the one that ends there or behind it
        if at == self._start[piece]:
            return self._at[piece]
        if not self._edited[piece]:
            return self._at[piece] + at - self._start[piece]
        return self._at[piece + 1]


def _start_of(edit: Edit) -> int:
    return edit.start
