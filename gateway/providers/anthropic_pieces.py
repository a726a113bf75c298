"""The blocks of a request that came as Messages and is said as a chat: as its client had cut them, with their marks for
the prompt cache.

So a request of which something is taken out, or whose answer is watched, keeps its cache: that goes by where blocks
end, which is the same in every turn, wherever the marks are by then.
"""

from collections.abc import Iterable, Mapping

from msgspec import Raw

from gateway.core.pieces import Kept, Piece, cut

_MARKS: Mapping[Kept, Raw] = {
    "5m": Raw(b'{"type":"ephemeral"}'),
    "1h": Raw(b'{"type":"ephemeral","ttl":"1h"}'),
}


def marks_of(pieces: Iterable[Piece]) -> Mapping[tuple[str | int, ...], Raw]:
    """The mark at the end of what is at each path that has one."""
    return {piece.path: _MARKS[piece.kept] for piece in pieces if piece.kept}


def in_blocks(messages: Raw, pieces: Iterable[Piece]) -> Raw:
    """The messages of a chat, their texts in parts as the client cut them, with its marks."""
    return cut(messages, pieces, _MARKS)
