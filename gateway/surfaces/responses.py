"""OpenAI's Responses, as its SDKs and Codex speak them, in front of any chat backend. No state is kept.

What a request keeps from being a chat is said by `Native.only`: then only a backend that speaks Responses may serve it.
"""

from collections.abc import Mapping

import msgspec

from gateway.core.catalog import HOSTED_TOOLS
from gateway.core.chat import ChatRequest, Native, hints_in, parse, read_fields, refuse_redirection
from gateway.surfaces.responses_answer import answered
from gateway.surfaces.responses_items import sendable
from gateway.surfaces.responses_reading import present
from gateway.surfaces.responses_request import left_out, offer_of, request_of, translated
from gateway.surfaces.responses_stream import Stream
from gateway.wire import StreamReader


class Responses(msgspec.Struct, frozen=True):
    """The surface of /v1/responses."""

    name: str = "responses"
    id_headers: tuple[bytes, ...] = (b"x-request-id",)

    def parse(self, body: bytes, arrived: int) -> ChatRequest:
        """The request in a body that arrived at a time (Unix seconds). Raises Refused (400).

        What the client wrote beyond what chat says of it counts as attached: a model of its own kind may read that.
        """
        fields = read_fields(body)
        refuse_redirection(fields)
        hints = hints_in(fields)
        if present(fields.get("input")):
            fields["input"] = sendable(fields["input"])
        said = translated(fields, request_of(body))
        chat = parse(said.body, arrived)
        beyond = max(0, len(body) - len(said.body)) if said.only else 0
        return msgspec.structs.replace(
            chat,
            native=Native(
                self.name, fields, said.only, hosted=said.hosted or HOSTED_TOOLS in chat.needs, pieces=said.pieces
            ),
            attached_bytes=chat.attached_bytes + beyond,
            hints=hints,
        )

    def drops(self, chat: ChatRequest) -> tuple[str, ...]:
        """The offered tools that a chat backend is not told of: they run at the provider, and it has none."""
        return left_out(chat.native.fields, offer_of(chat.native.fields)) if chat.native is not None else ()

    def unasked(self, chat: ChatRequest) -> bytes | None:
        """None: a backend is always asked."""
        return None

    def follow(self, reader: StreamReader, chat: ChatRequest) -> StreamReader:
        """The reader of a canonical stream, which gives the events of a response back."""
        return Stream(reader, chat)

    def answer(self, body: bytes, chat: ChatRequest) -> bytes:
        """A canonical buffered answer, as a response object."""
        return answered(body, chat)

    def error(self, status: int, error: Mapping[str, object], request_id: str) -> bytes:
        """The OpenAI envelope."""
        return msgspec.json.encode({"error": error})
