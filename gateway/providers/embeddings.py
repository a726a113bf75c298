"""Embeddings as OpenAI and most other servers serve them. What comes is what was asked for: base64 or numbers.

OpenAI's clients ask for base64 and decode it unseen, so a list of numbers would be read as another vector.
"""

import base64
import struct
from operator import itemgetter

import msgspec
from msgspec import Raw

from gateway.core.catalog import Backend, Endpoint
from gateway.core.chat import ChatRequest
from gateway.core.usage import Usage
from gateway.providers.failures import unreadable
from gateway.providers.plain import Plain
from gateway.providers.reader import UNREADABLE, Answer
from gateway.providers.usage import Count

_BASE64 = Raw(b'"base64"')


class _Usage(msgspec.Struct):
    prompt_tokens: Count | None = None
    total_tokens: Count | None = None


_USAGE = msgspec.json.Decoder(_Usage | None)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_ITEMS = msgspec.json.Decoder(list[dict[str, Raw]])
_FLOATS = msgspec.json.Decoder(list[float])
_TEXT = msgspec.json.Decoder(str)
_INDEX = msgspec.json.Decoder(int | None)


class Embeddings(Plain, frozen=True, kw_only=True):
    """The dialect. `packs`: the server is known to answer in base64, else it is asked for numbers."""

    takes: str = "embeddings"
    target: Endpoint = Endpoint("/embeddings")
    member: str = "data"
    packs: bool = False

    def encode(self, chat: ChatRequest, backend: Backend) -> bytes:
        """The client's body with the backend's model name, and with a form of vectors that the server has."""
        changed = {"model": msgspec.json.encode(backend.model)}
        if bytes(chat.fields.get("encoding_format", b"")) == b"null" or (not self.packs and _asks_base64(chat)):
            changed["encoding_format"] = b'"float"'
        return chat.with_fields(changed)

    def answer(self, body: bytes, chat: ChatRequest) -> Answer:
        """What a buffered answer with status 200 says, with each vector in the form that was asked for."""
        answer = super().answer(body, chat)
        if answer.failed is not None:
            return answer
        try:
            members = _MEMBERS.decode(body)
            vectors = _in_form(members, packed=_asks_base64(chat))
            usage = _USAGE.decode(members["usage"]) if "usage" in members else None
        except (*UNREADABLE, KeyError, ValueError, OverflowError, struct.error):
            return Answer(b"", None, 0, unreadable("the backend answered with something that is no list of embeddings"))
        read = None if usage is None else usage.prompt_tokens if usage.prompt_tokens is not None else usage.total_tokens
        return Answer(vectors or body, None if read is None else Usage(input_uncached=read), 0, None)


def _asks_base64(chat: ChatRequest) -> bool:
    return chat.fields.get("encoding_format") == _BASE64


def _in_form(members: dict[str, Raw], *, packed: bool) -> bytes:
    """The body with every vector in the wanted form and in order; empty: they are so as they came."""
    items = _ITEMS.decode(members["data"])
    others = [item for item in items if (bytes(item["embedding"])[:1] == b'"') != packed]
    for item in others:
        item["embedding"] = Raw(_packed(item["embedding"]) if packed else _unpacked(item["embedding"]))
    places = [place for item in items if (place := _INDEX.decode(item.get("index", b"null"))) is not None]
    if len(places) < len(items) or places == sorted(places):
        return msgspec.json.encode({**members, "data": items}) if others else b""
    items = [item for _, item in sorted(zip(places, items, strict=True), key=itemgetter(0))]
    return msgspec.json.encode({**members, "data": items})


def _packed(raw: Raw) -> bytes:
    """Numbers as base64 of little-endian 32-bit floats."""
    floats = _FLOATS.decode(raw)
    return b'"%b"' % base64.b64encode(struct.pack(f"<{len(floats)}f", *floats))


def _unpacked(raw: Raw) -> bytes:
    data = base64.b64decode(_TEXT.decode(raw), validate=True)
    return msgspec.json.encode(struct.unpack(f"<{len(data) // 4}f", data))
