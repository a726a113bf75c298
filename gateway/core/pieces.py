"""The content blocks of a client's protocol, of which several may have become one text of the chat that its request is
said as; and which of them end what a prompt cache shall keep.

Chat has no place for either: many servers want one string, and refuse marks that they do not know. So both are told
beside the chat: to those who look for what goes on from one block to the next, and to the dialect of a provider that
keeps caches by blocks and marks. Pieces hold no text.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Literal

import msgspec
from msgspec import Raw

Kept = Literal["", "5m", "1h"]
"""For how long the cache shall keep what ends here; empty: there is no mark."""

_NO_MARKS: Mapping[Kept, Raw] = {}
_LIST = msgspec.json.Decoder(list[Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_TEXT = msgspec.json.Decoder(str)
_PARTS = msgspec.json.Decoder(list[dict[str, str]])


class Piece(msgspec.Struct, frozen=True, gc=False):
    """One block: characters `start` to `end` of the text at a path of the chat, where that is of several blocks. The
    only one of a path is all that is there, be it a text or not. An empty path is that of the request itself."""

    path: tuple[str | int, ...]
    start: int = 0
    end: int = 0
    kept: Kept = ""


def cut(messages: Raw, pieces: Iterable[Piece], marks: Mapping[Kept, Raw] = _NO_MARKS) -> Raw:
    """The messages of a chat with a part for each block. `marks` are written as the member `cache_control`, as clients
    of chat do it; without them only texts of several blocks are cut."""
    of_messages = [piece for piece in pieces if piece.path[:1] == ("messages",)]
    groups = [list(group) for _, group in groupby(of_messages, lambda piece: piece.path)]
    groups = [group for group in groups if len(group) > 1 or group[0].kept in marks]
    if not groups:
        return messages
    said = _LIST.decode(messages)
    for at, mine in groupby(groups, lambda group: group[0].path[1]):
        members = _MEMBERS.decode(said[int(at)])
        for name, parts in groupby(mine, lambda group: group[0].path[2:3]):
            _put(members, name, list(parts), marks)
        said[int(at)] = Raw(msgspec.json.encode(members))
    return Raw(msgspec.json.encode(said))


def _put(
    members: dict[str, Raw], name: tuple[str | int, ...], groups: Sequence[list[Piece]], marks: Mapping[Kept, Raw]
) -> None:
    """Puts the blocks that are in one member of a message, or (no name) in all of it, into the message."""

    def marked(block: Mapping[str, object], kept: Kept) -> Mapping[str, object]:
        return {**block, "cache_control": marks[kept]} if kept in marks else block

    first = groups[0]
    match name:
        case (str(member),) if len(first[0].path) == len(("messages", 0, member)):
            text = _TEXT.decode(members[member])
            texts = [text] if len(first) == 1 else [text[each.start : each.end] for each in first]
            said = [
                marked({"type": "text", "text": each}, piece.kept) for each, piece in zip(texts, first, strict=True)
            ]
            members[member] = Raw(msgspec.json.encode(said))
        case (str(member),):
            values = _LIST.decode(members[member])
            for (piece,) in groups:
                at = int(piece.path[3])
                values[at] = Raw(msgspec.json.encode(marked(_MEMBERS.decode(values[at]), piece.kept)))
            members[member] = Raw(msgspec.json.encode(values))
        case _:
            members["cache_control"] = marks[first[0].kept]


def joined(parts: Raw, messages: Raw, pieces: Iterable[Piece]) -> tuple[Raw, tuple[Piece, ...]]:
    """What was cut without marks, and may say something else since, in one text again where it was one in `messages`;
    and where the blocks are in that."""
    said, before = _LIST.decode(parts), _LIST.decode(messages)
    moved: list[Piece] = []
    for path, group in groupby(pieces, lambda piece: piece.path):
        mine = list(group)
        match path:
            case (_, int(at), str(name)) if len(mine) > 1:
                members, text = _MEMBERS.decode(said[at]), _TEXT.decode(_MEMBERS.decode(before[at])[name])
                between = ["", *(text[one.end : other.start] for one, other in pairwise(mine))]
                whole = ""
                for piece, gap, part in zip(mine, between, _PARTS.decode(members[name]), strict=True):
                    start = len(whole) + len(gap)
                    whole += gap + part["text"]
                    moved.append(Piece(path, start, len(whole), piece.kept))
                members[name] = Raw(msgspec.json.encode(whole))
                said[at] = Raw(msgspec.json.encode(members))
            case _:
                moved += mine
    return Raw(msgspec.json.encode(said)), tuple(moved)
