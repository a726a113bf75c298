"""Surfaces of the OpenAI API that are not translated: an answer goes as it is, an error in the envelope."""

from collections.abc import Mapping

import msgspec

from gateway.core.chat import ChatRequest
from gateway.wire import StreamReader


class Untranslated(msgspec.Struct, frozen=True, kw_only=True):
    """A surface whose answers are the canonical ones themselves."""

    name: str
    id_headers: tuple[bytes, ...] = (b"x-request-id",)

    def follow(self, reader: StreamReader, chat: ChatRequest) -> StreamReader:
        """The reader itself."""
        return reader

    def answer(self, body: bytes, chat: ChatRequest) -> bytes:
        """The answer itself."""
        return body

    def drops(self, chat: ChatRequest) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def unasked(self, chat: ChatRequest) -> bytes | None:
        """None: a backend is always asked."""
        return None

    def error(self, status: int, error: Mapping[str, object], request_id: str) -> bytes:
        """The OpenAI envelope."""
        return msgspec.json.encode({"error": error})
