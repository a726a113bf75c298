"""The turns of a conversation as bytes that stay the same however a client writes them down again."""

from collections.abc import Iterator
from hashlib import blake2b

import msgspec
from msgspec import Raw

from gateway.core.chat import ChatRequest
from gateway.core.outline import Outline

_MESSAGES = msgspec.json.Decoder(list[Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, object])
_DIGEST_BYTES = 32
_SORTED = msgspec.json.Encoder(order="sorted")


def turns(chat: ChatRequest) -> Iterator[bytes]:
    """A digest of each message in one canonical form: members sorted, escapes resolved, no spaces; null is the same as
    absent.

    A message that nobody can read stands as it came: that it is the same again is then up to the client.
    """
    if isinstance(chat, Outline):
        yield from chat.turns
    else:
        for turn in _turns(chat):
            yield blake2b(turn, digest_size=_DIGEST_BYTES).digest()


def _turns(chat: ChatRequest) -> Iterator[bytes]:
    if (messages := chat.fields.get("messages")) is None:  # an operation without a conversation: one turn
        yield b"".join(
            [bytes(chat.fields[name]) for name in ("prompt", "input", "query", "documents") if name in chat.fields]
        )
        return
    for raw in _MESSAGES.decode(messages):
        try:
            members = _MEMBERS.decode(raw)
            yield _SORTED.encode({name: value for name, value in members.items() if value is not None})
        except (msgspec.DecodeError, ValueError, RecursionError):
            yield bytes(raw)
