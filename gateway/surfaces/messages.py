"""Anthropic Messages, as Claude Code and Anthropic's SDKs speak it, in front of any chat backend."""

from collections.abc import Mapping

import msgspec

from gateway.core import tokens
from gateway.core.chat import ChatRequest
from gateway.surfaces import messages_answer, messages_request
from gateway.surfaces.messages_stream import Events
from gateway.wire import StreamReader

_ID_HEADERS = (b"x-request-id", b"request-id")


class Messages(msgspec.Struct, frozen=True):
    """The surface of /v1/messages."""

    name: str = "messages"
    id_headers: tuple[bytes, ...] = _ID_HEADERS

    def parse(self, body: bytes, arrived: int) -> ChatRequest:
        """The request in a body. Raises Refused (400)."""
        return messages_request.parse(body, arrived, self.name)

    def follow(self, reader: StreamReader, chat: ChatRequest) -> StreamReader:
        """The reader of a canonical stream, with the events of a message."""
        return Events(reader, chat)

    def answer(self, body: bytes, chat: ChatRequest) -> bytes:
        """A canonical answer as a message."""
        return messages_answer.answer(body, chat)

    def drops(self, chat: ChatRequest) -> tuple[str, ...]:
        """Nothing that asks for something: see `messages_request`."""
        return ()

    def unasked(self, chat: ChatRequest) -> bytes | None:
        """None: a backend is always asked."""
        return None

    def error(self, status: int, error: Mapping[str, object], request_id: str) -> bytes:
        """Anthropic's envelope."""
        said = messages_answer.error_object(status, error)
        return msgspec.json.encode({"type": "error", "error": said, "request_id": request_id})


class CountTokens(msgspec.Struct, frozen=True):
    """The surface of /v1/messages/count_tokens. A backend that counts answers in the client's own form."""

    name: str = "count_tokens"
    id_headers: tuple[bytes, ...] = _ID_HEADERS

    def parse(self, body: bytes, arrived: int) -> ChatRequest:
        """The request in a body. Raises Refused (400)."""
        return messages_request.parse(body, arrived, self.name, counts=True)

    def follow(self, reader: StreamReader, chat: ChatRequest) -> StreamReader:
        """The reader itself: a count is never streamed."""
        return reader

    def answer(self, body: bytes, chat: ChatRequest) -> bytes:
        """The count as it came."""
        return body

    def drops(self, chat: ChatRequest) -> tuple[str, ...]:
        """Nothing that asks for something: see `messages_request`."""
        return ()

    def unasked(self, chat: ChatRequest) -> bytes | None:
        """The count where no backend counts. It errs high, since clients make room by it: what is attached counts for
        as much as it may be."""
        size = chat.text_bytes + chat.attached_bytes
        return msgspec.json.encode({"input_tokens": tokens.prompt_at_most(size, len(chat.view.messages))})

    def error(self, status: int, error: Mapping[str, object], request_id: str) -> bytes:
        """Anthropic's envelope."""
        return Messages().error(status, error, request_id)
