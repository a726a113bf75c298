"""One text of the chat that a client wrote in several blocks."""

from collections.abc import Sequence

from gateway.core.pieces import Kept, Piece

BREAK = "\n\n"
"""Between blocks of text that become one text, as servers that take only strings want it."""


class Text:
    """Such a text, as it grows. It knows where in it each block is."""

    __slots__ = ("_pieces", "said")

    def __init__(self, *texts: str) -> None:
        self.said = ""
        self._pieces: list[tuple[int, int, Kept]] = []
        for text in texts:
            self.add(text)

    def add(self, text: str, mark: Kept = "", between: str = BREAK) -> None:
        """One more block."""
        before = self.said + between if self.said else ""
        self.said = before + text
        self._pieces.append((len(before), len(self.said), mark))

    def at(self, *path: str | int) -> Sequence[Piece]:
        """Its blocks, where the text is at a path; none where that tells nothing."""
        pieces = self._pieces
        if len(pieces) < 2 and not (pieces and pieces[0][2]):
            return ()
        return [Piece(path, start, end, mark) for start, end, mark in pieces]

    def __bool__(self) -> bool:
        return bool(self._pieces)
