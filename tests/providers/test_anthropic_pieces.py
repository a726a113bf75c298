"""Marks for the prompt cache, as this provider reads them."""

import json

from msgspec import Raw

from gateway.core.pieces import Piece
from gateway.providers.anthropic_pieces import in_blocks, marks_of

SHORT, LONG = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}


def test_blocks_are_cut_as_they_were_with_their_marks():
    place = ("messages", 0, "content")
    said = in_blocks(Raw(b'[{"role":"user","content":"ab"}]'), [Piece(place, 0, 1, "1h"), Piece(place, 1, 2, "5m")])
    assert json.loads(bytes(said))[0]["content"] == [
        {"type": "text", "text": "a", "cache_control": LONG},
        {"type": "text", "text": "b", "cache_control": SHORT},
    ]


def test_marks_are_found_by_their_paths():
    marks = marks_of([Piece(("tools", 0)), Piece(("tools", 1), kept="1h"), Piece((), kept="5m")])
    assert {path: json.loads(bytes(raw)) for path, raw in marks.items()} == {("tools", 1): LONG, (): SHORT}
