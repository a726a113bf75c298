"""One text of the chat that a client wrote in several blocks."""

from collections.abc import Sequence

from gateway.core.pieces import Kept, Piece

BREAK = "\n\n"
"""Between blocks of text that become one text, as servers that take only strings want it."""


class Text:
    """Such a text, as it grows. It knows where in it each block is."""

    __slots__ = ("_length", "_parts", "_pieces")

    def __init__(self, *texts: str) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._pieces: list[tuple[int, int, Kept]] = []
        for text in texts:
            self.add(text)

    @property
    def said(self) -> str:
        """All of it."""
        return "".join(self._parts)

    def add(self, text: str, mark: Kept = "", between: str = BREAK) -> None:
        """One more block."""
        if self._length:
            self._parts.append(between)
            self._length += len(between)
        start, self._length = self._length, self._length + len(text)
        self._parts.append(text)
        self._pieces.append((start, self._length, mark))

    def at(self, *path: str | int) -> Sequence[Piece]:
        """Its blocks, where the text is at a path; none where that tells nothing."""
        pieces = self._pieces
        if len(pieces) == 1:
            mark = pieces[0][2]
            return [Piece(path, kept=mark)] if mark else ()
        return [Piece(path, start, end, mark) for start, end, mark in pieces]

    def __bool__(self) -> bool:
        return bool(self._pieces)
