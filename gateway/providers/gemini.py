"""The Gemini dialect: chat completions to Google's generateContent and back.

The model and the way of answering are in the address, the rest is translated: requests in `gemini_request`, messages in
`gemini_content`, schemas in `gemini_schema`, answers in `gemini_answer`, errors in `gemini_errors`. What differs from
model to model is a table in `gemini_models`.
"""

from collections.abc import Mapping
from functools import cache

import msgspec

from gateway.core.catalog import Backend, Endpoint
from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed, Refusal, Refused
from gateway.providers.gemini_answer import Stream, answer_of
from gateway.providers.gemini_content import Lacking
from gateway.providers.gemini_errors import failure_of
from gateway.providers.gemini_models import family_of
from gateway.providers.gemini_request import dropped, request_of
from gateway.providers.reader import Answer

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~@/")


class Gemini(msgspec.Struct, frozen=True):
    """The dialect, at Google's own API or at Vertex AI.

    At Vertex the base URL ends in `/publishers/google`, the key is an access token, and calls have no ids.
    """

    base_url: str | None = "https://generativelanguage.googleapis.com/v1beta"
    vertex: bool = False
    limit_field: str = "max_completion_tokens"
    takes: str = "chat"
    passes: tuple[str, ...] = ()

    def endpoint(self, chat: ChatRequest, backend: Backend) -> Endpoint:
        """Where the call goes: the same object for each model and way of answering."""
        return _endpoint(backend.model, chat.streamed, "Authorization" if self.vertex else "x-goog-api-key")

    def lacks(self, chat: ChatRequest, backend: Backend) -> str:
        """Why the request cannot be said to Gemini, or to this model of it."""
        try:
            request_of(chat, family_of(backend.model), vertex=self.vertex)
        except Lacking as lacking:
            return str(lacking)
        return ""

    def drops(self, chat: ChatRequest, backend: Backend) -> tuple[str, ...]:
        """Sampling parameters that newer models do without, and hints in messages that Gemini has no place for."""
        return dropped(chat, family_of(backend.model), vertex=self.vertex)

    def beside(self, chat: ChatRequest, longest: int) -> int:
        """No tokens: the limit holds for all that is written."""
        return 0

    def encode(self, chat: ChatRequest, backend: Backend) -> bytes:
        """The body to send. Raises Refused (400) for what the backend lacks."""
        try:
            return msgspec.json.encode(request_of(chat, family_of(backend.model), vertex=self.vertex))
        except Lacking as lacking:
            raise Refused(Refusal.UNSUPPORTED, f"backend `{backend.id}` {lacking}") from None

    def reader(self, chat: ChatRequest) -> Stream:
        """The reader of a streamed answer."""
        return Stream(chat)

    def answer(self, body: bytes, chat: ChatRequest) -> Answer:
        """What a buffered answer with status 200 says."""
        return answer_of(body, chat)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failed:
        """What an answer with another status says."""
        return failure_of(status, headers, body)


@cache  # the models of a catalog are few
def _endpoint(model: str, streamed: bool, key_header: str) -> Endpoint:
    named = model if "/" in model else f"models/{model}"
    path = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in named.encode())
    return Endpoint(f"/{path}:{'streamGenerateContent?alt=sse' if streamed else 'generateContent'}", key_header)
