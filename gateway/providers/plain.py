"""Operations that are one JSON object in and one out, and pass through: moderations, reranking, images."""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.core.catalog import Backend
from gateway.core.chat import ChatRequest
from gateway.core.usage import Usage
from gateway.providers.failures import classify, unreadable
from gateway.providers.passing import Passing
from gateway.providers.reader import UNREADABLE, Answer
from gateway.providers.usage import Count, usage_of
from gateway.wire import StreamReader

_NOTHING = (b"null", b'""', b"[]", b"{}")
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


class _Tokens(msgspec.Struct):
    """Usage as images report it, and as rerankers do."""

    input_tokens: Count | None = None
    output_tokens: Count = 0
    total_tokens: Count | None = None


_TOKENS = msgspec.json.Decoder(_Tokens)


class Plain(Passing, frozen=True, kw_only=True):
    """The dialect of one operation. `member` is what an answer has, if it is one."""

    member: str

    def encode(self, chat: ChatRequest, backend: Backend) -> bytes:
        """The client's body with the backend's model name."""
        return chat.with_fields({"model": msgspec.json.encode(backend.model)})

    def reader(self, chat: ChatRequest) -> StreamReader:
        """Raises RuntimeError: no request of these operations asks for a stream."""
        raise RuntimeError(f"{self.takes} are not streamed")

    def answer(self, body: bytes, chat: ChatRequest) -> Answer:
        """What a buffered answer with status 200 says."""
        try:
            members = _MEMBERS.decode(body)
        except UNREADABLE:
            members = {}
        if bytes(members.get("error", b"null")) not in _NOTHING:
            return Answer(b"", None, 0, classify(200, body))
        if self.member not in members:
            return Answer(b"", None, 0, unreadable(f"the backend answered without `{self.member}`"))
        return Answer(body, _used(members.get("usage", UNSET)), 0, None)


def _used(raw: Raw | UnsetType) -> Usage | None:
    if isinstance(raw, UnsetType):
        return None
    if (usage := usage_of(raw)) is not None:
        return usage
    try:
        tokens = _TOKENS.decode(raw)
    except UNREADABLE:
        return None
    read = tokens.total_tokens if tokens.input_tokens is None else tokens.input_tokens
    return None if read is None else Usage(input_uncached=read, output=tokens.output_tokens)
