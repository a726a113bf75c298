"""The Anthropic dialect: chat completions said as Anthropic Messages, and its answers as chat completions."""

from collections.abc import Mapping

import msgspec

from gateway.core.catalog import Backend, Endpoint
from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed, Refused
from gateway.providers.anthropic_answer import Stream, answer
from gateway.providers.anthropic_request import Request
from gateway.providers.failures import classify
from gateway.providers.messages import ANTHROPIC
from gateway.providers.reader import Answer

BINDING = ("anthropic-beta", "thinking-binding-controls-2026-08-01")
_THOUGHT = b'"thinking_blocks"'


class Anthropic(msgspec.Struct, frozen=True):
    """The dialect. `base_url` is the provider's default; `target` says where the key goes."""

    base_url: str | None = "https://api.anthropic.com/v1"
    target: Endpoint = ANTHROPIC
    takes: str = "chat"
    limit_field: str = "max_tokens"
    passes: tuple[str, ...] = ()  # a header of the client could switch on what no field of it may ask for

    def endpoint(self, chat: ChatRequest, backend: Backend) -> Endpoint:
        """Where the call goes. What a model shall do with earlier thinking can only be said with a header."""
        if _THOUGHT not in bytes(chat.fields["messages"]) or not _binds(chat, backend):
            return self.target
        return msgspec.structs.replace(self.target, headers=(*self.target.headers, BINDING))

    def lacks(self, chat: ChatRequest, backend: Backend) -> str:
        """Why the model cannot do what is asked. A request that is wrong for every model is not said to be lacking:
        `encode` refuses it."""
        try:
            return Request(chat, backend).lacks()
        except Refused:
            return ""

    def drops(self, chat: ChatRequest, backend: Backend) -> tuple[str, ...]:
        """Parameters that are not sent."""
        try:
            return Request(chat, backend).drops()
        except Refused:
            return ()

    def beside(self, chat: ChatRequest, longest: int) -> int:
        """No tokens: the limit holds for all that is written."""
        return 0

    def encode(self, chat: ChatRequest, backend: Backend) -> bytes:
        """The request to Messages. Raises Refused (400) for one that is wrong."""
        return Request(chat, backend).encode()

    def reader(self, chat: ChatRequest) -> Stream:
        """The reader of a streamed answer."""
        return Stream(chat)

    def answer(self, body: bytes, chat: ChatRequest) -> Answer:
        """What a buffered answer with status 200 says, as a chat completion."""
        return answer(body, chat)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failed:
        """What an answer with another status says."""
        return classify(status, body, headers)


def _binds(chat: ChatRequest, backend: Backend) -> bool:
    try:
        return Request(chat, backend).binds
    except Refused:
        return False  # nothing will be sent
