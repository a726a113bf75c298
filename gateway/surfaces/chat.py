"""Chat completions, as OpenAI's clients speak them: the canonical form itself, so nothing is translated."""

from collections.abc import Mapping

import msgspec

from gateway.core.chat import ChatRequest, parse
from gateway.ports import StreamReader


class Chat(msgspec.Struct, frozen=True):
    """The surface of /v1/chat/completions."""

    name: str = "chat"
    id_headers: tuple[bytes, ...] = (b"x-request-id",)

    def parse(self, body: bytes, arrived: int) -> ChatRequest:
        """The request in a body. Raises Refused (400)."""
        return parse(body, arrived)

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
