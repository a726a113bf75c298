"""A large request without what is said in it, which is left to the process that reads large bodies."""

import msgspec
from msgspec import Raw

from gateway.core.catalog import Endpoint
from gateway.core.chat import ChatRequest

LARGE_BYTES = 1_000_000
"""Bodies above this size are read, scanned and said anew in a process of their own: up to it each step is done within
some 10 ms, if the body is mostly text."""

MOST_PARTS = 20_000
"""Bodies of more parts are, too: each costs a step about a microsecond, however short it is, so many 10 to 30 ms. Parts
are quotes around texts and names, commas between them, and opening brackets."""

SAID = ("messages", "input", "prompt", "query", "documents", "system")
"""Members that hold what is said. An outline is without them."""

_LISTS = "input"
"""The member whose items may also list tools, which the answer goes by: those items are kept."""

_ITEMS = msgspec.json.Decoder(list[Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


class Outline(ChatRequest, frozen=True):
    """All that is to be known of a large request to choose a backend for it and to read the answer.

    Neither `fields` nor the native ones have what is said, nor is told how it was cut into blocks; `view` has as many
    messages, all alike and empty. `number` names the body, `redacted` are the tags of the findings that are taken out,
    `turns` is what `core.turns` gives.
    """

    number: int = 0
    redacted: tuple[str, ...] = ()
    turns: tuple[bytes, ...] = ()


class Encoded(msgspec.Struct, frozen=True):
    """A request as a backend takes it: its body, where it goes, and the parameters that are left out."""

    body: bytes
    endpoint: Endpoint
    drops: tuple[str, ...]


def is_large(body: bytes) -> bool:
    """Whether a body is too much for the event loop, by its size or by how much there is in it."""
    if not MOST_PARTS < len(body) <= LARGE_BYTES:
        return len(body) > LARGE_BYTES
    quotes = body.count(b'"') - body.count(b'\\"')  # or fewer: two backslashes may stand before one
    return quotes > MOST_PARTS or _parts(body) > MOST_PARTS


def _parts(body: bytes) -> int:
    """How many parts a JSON body has. What texts say does not count."""
    between = body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
    outside = b"".join(between[::2])
    return len(between) - 1 + outside.count(b",") + outside.count(b"{") + outside.count(b"[")


def outline(chat: ChatRequest, number: int, redacted: tuple[str, ...], turns: tuple[bytes, ...]) -> Outline:
    """The outline of a request."""
    native = chat.native
    if native is not None:
        fields = _without_words(native.fields)
        if _LISTS in native.fields:
            fields[_LISTS] = Raw(b"[%b]" % b",".join(_listing(bytes(native.fields[_LISTS]))))
        native = msgspec.structs.replace(native, fields=fields, pieces=())
    whole = {name: getattr(chat, name) for name in chat.__struct_fields__}
    return Outline(
        **{**whole, "fields": _without_words(chat.fields), "native": native},
        number=number,
        redacted=redacted,
        turns=turns,
    )


def _without_words(fields: dict[str, Raw]) -> dict[str, Raw]:
    return {name: raw for name, raw in fields.items() if name not in SAID}


def _listing(items: bytes) -> list[bytes]:
    """The items that have tools."""
    if not items.startswith(b"["):
        return []
    return [bytes(raw) for raw in _ITEMS.decode(items) if bytes(raw)[:1] == b"{" and "tools" in _MEMBERS.decode(raw)]
