"""The content blocks of Anthropic Messages, and how chat says those that a user may send.

What chat has no word for is kept as its JSON in a text, so that its size is known, with a reason beside it: no chat
backend gets such a request. Marks for prompt caches have no place in chat, where strict servers (Mistral, Groq) refuse
members that they do not know, so they are told beside it (`core.pieces`).
Facts: types of anthropic 2.14, requests of Claude Code 2.1.2xx, November 2026.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
from msgspec import Raw

from gateway.core.errors import Refusal, Refused
from gateway.core.pieces import Kept
from gateway.surfaces.text import BREAK

Message = dict[str, object]
Members = Mapping[str, Raw]

_ABSENT = Raw(b"")


class Source(msgspec.Struct, gc=False):
    """Where an image or a document is."""

    type: str = ""
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: "str | list[Block] | None" = None


class Block(msgspec.Struct, gc=False):
    """One content block, with the members of those kinds that chat can say. What it has beyond them is looked up in
    its bytes."""

    type: str
    text: str | None = None
    source: str | Source | None = None
    title: str | None = None
    context: str | None = None
    citations: Raw = _ABSENT
    id: str | None = None
    name: str | None = None
    input: Raw = _ABSENT
    caller: Raw = _ABSENT
    tool_use_id: str | None = None
    content: "str | list[Block] | dict[str, Raw] | None" = None
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    tool_name: str | None = None


class Place(msgspec.Struct, gc=False):
    """A block, all its members, and where it stands."""

    block: Block
    members: Members
    path: str


class _Mark(msgspec.Struct):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


_MARK = msgspec.json.Decoder(_Mark | None)


def kept(members: Members) -> Kept:
    """For how long the prompt cache shall keep what ends with something that has these members. Only these few words
    are read, so that a mark never holds a text; one in other words is none."""
    if (raw := members.get("cache_control")) is None:
        return ""
    try:
        mark = _MARK.decode(raw)
    except msgspec.ValidationError:
        return ""
    return "" if mark is None else mark.ttl or "5m"


class Reasons:
    """Why a request cannot be said as chat, each once, in words that follow "the request"."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def add(self, reason: str) -> None:
        """One more. It may name what the client wrote, so it is not endless."""
        self._said[reason[:160]] = None

    def __str__(self) -> str:
        return " and ".join(list(self._said)[:3])


def places_of(path: str, content: str | list[Block], raw: Raw | list[dict[str, Raw]] | str) -> list[Place]:
    """The blocks of a content. A string is one of text."""
    if isinstance(content, str):
        return [Place(Block("text", text=content), NO_MEMBERS, path)]
    members = _BLOCKS.decode(raw) if isinstance(raw, Raw) else () if isinstance(raw, str) else raw
    return [Place(block, each, f"{path}[{at}]") for at, (block, each) in enumerate(zip(content, members, strict=True))]


def parts_of(place: Place, only: Reasons) -> list[Message]:
    """The chat parts of a block that a user may send, in a message or in the result of a tool."""
    kind = place.block.type
    if kind not in _KINDS:
        only.add(f"has a block of type `{kind}`")
        return [text_part(as_json(place.members))]
    known, said = _KINDS[kind]
    check_known(place, known, only)
    return said(place, only)


def _text(place: Place, _only: Reasons) -> list[Message]:
    text = needed(place, "text")
    return [text_part(text)] if text else []


def _image(place: Place, only: Reasons) -> list[Message]:
    source = _source(place)
    if source.type == "url":
        url = source.url
    elif source.type == "base64":
        url = _data_url(source, place)
    else:
        only.add(f"sends an image by a source of type `{source.type}`")
        url = as_json(place.members)
    if url is None:
        raise missing(f"{place.path}.source.url")
    return [{"type": "image_url", "image_url": {"url": url}}]


def _document(place: Place, only: Reasons) -> list[Message]:
    """A document. Its title and what is said about it come before its text."""
    block, source, where = place.block, _source(place), f"{place.path}.source"
    _uncited(place, only)
    title = [text_part(block.title)] if block.title else []
    about = [text_part(block.context)] if block.context else []
    if source.type == "text":
        if source.data is None:
            raise missing(f"{where}.data")
        return [*title, *about, text_part(source.data)]
    if source.type == "content":
        if isinstance(source.content, str):
            return [*title, *about, text_part(source.content)]
        raw = MEMBERS.decode(place.members["source"]).get("content")
        return [*title, *about, *inside_of(f"{where}.content", source.content, raw, only)]
    if source.type == "base64":
        file: Message = {"filename": block.title or "document.pdf", "file_data": _data_url(source, place)}
        return [*about, {"type": "file", "file": file}]
    only.add(f"sends a document by a source of type `{source.type}`")
    return [*title, *about, {"type": "file", "file": {"file_id": source.file_id or source.url or ""}}]


def _search_result(place: Place, only: Reasons) -> list[Message]:
    _uncited(place, only)
    block = place.block
    if not isinstance(block.source, str):
        raise wrong(f"{place.path}.source", "expected a string")
    inside = inside_of(f"{place.path}.content", block.content, place.members.get("content"), only)
    texts = [str(part.get("text", "")) for part in inside]
    return [text_part(BREAK.join([f"{needed(place, 'title')}\n{block.source}", *texts]))]


def _tool_reference(place: Place, _only: Reasons) -> list[Message]:
    """A tool that was found by a search. Chat backends know it already: they get all tools at once."""
    return [text_part(f"The tool `{needed(place, 'tool_name')}` is available.")]


def inside_of(path: str, content: object, raw: Raw | None, only: Reasons) -> list[Message]:
    """The parts of blocks within a block."""
    return [part for place in within(path, content, raw) for part in parts_of(place, only)]


def within(path: str, content: object, raw: Raw | None) -> list[Place]:
    """The blocks within a block."""
    if content is None or raw is None:
        return []
    if not isinstance(content, list):
        raise wrong(path, "expected a string or an array")
    return places_of(path, content, raw)


_EVERYWHERE = ("type", "cache_control")
TEXT = frozenset((*_EVERYWHERE, "text", "citations"))  # citations of an earlier answer: what they are about is there
THINKING = frozenset((*_EVERYWHERE, "thinking", "signature"))
REDACTED = frozenset((*_EVERYWHERE, "data"))
USE = frozenset((*_EVERYWHERE, "id", "name", "input", "caller"))
RESULT = frozenset((*_EVERYWHERE, "tool_use_id", "content", "is_error"))
"""The members that are read of each kind of block; marks for prompt caches are known everywhere."""

_KINDS: Mapping[str, tuple[frozenset[str], Callable[[Place, Reasons], list[Message]]]] = {
    "text": (TEXT, _text),
    "image": (frozenset((*_EVERYWHERE, "source")), _image),
    "document": (frozenset((*_EVERYWHERE, "source", "title", "context", "citations")), _document),
    "search_result": (frozenset((*_EVERYWHERE, "source", "title", "content", "citations")), _search_result),
    "tool_reference": (frozenset((*_EVERYWHERE, "tool_name")), _tool_reference),
}
"""What a user may send and chat can say: the members that are read, and how they are said."""

NO_MEMBERS: Members = {}
NOTHING = (b"", b"null")
_BLOCKS = msgspec.json.Decoder(list[dict[str, Raw]])
MEMBERS = msgspec.json.Decoder(dict[str, Raw])


def check_known(place: Place, names: frozenset[str], only: Reasons) -> None:
    """Notes members that nobody here knows, unless they ask for nothing. Marks for caches are known everywhere."""
    if place.members.keys() <= names:
        return
    for name, value in place.members.items():
        if name not in names and bytes(value) not in NOTHING:
            only.add(f"has the member `{name}` in a block of type `{place.block.type}`")


def _uncited(place: Place, only: Reasons) -> None:
    raw = bytes(place.block.citations)
    if raw[:1] == b"{" and MEMBERS.decode(raw).get("enabled") == Raw(b"true"):
        only.add("asks for citations")


def _source(place: Place) -> Source:
    if not isinstance(place.block.source, Source):
        raise wrong(f"{place.path}.source", "expected an object")
    return place.block.source


def _data_url(source: Source, place: Place) -> str:
    if source.data is None or source.media_type is None:
        raise missing(f"{place.path}.source.{'data' if source.data is None else 'media_type'}")
    return f"data:{source.media_type};base64,{source.data}"


def text_part(text: str) -> Message:
    """A part of a chat message."""
    return {"type": "text", "text": text}


def as_json(members: Members) -> str:
    """What cannot be said as chat, so that its size is known. No chat backend gets it."""
    return msgspec.json.encode(members).decode()


def needed(place: Place, name: str) -> str:
    """A text that the kind of block must have. Raises Refused (400)."""
    text: str | None = getattr(place.block, name)
    if text is None:
        raise missing(f"{place.path}.{name}")
    return text


def missing(path: str) -> Refused:
    """The refusal for a value that is not there."""
    return Refused(Refusal.MISSING_PARAMETER, f"missing required parameter: `{path}`", param=path)


def wrong(path: str, problem: str) -> Refused:
    """The refusal for a value of a wrong form. Names the field, never its value."""
    return Refused(Refusal.INVALID_TYPE, f"invalid `{path}`: {problem}", param=path)
