"""Anthropic Messages, passed through: requests and answers go on as bytes.

A backend is asked in this dialect when the client speaks it, too. Only the model's name is changed, and the limit of
the answer where ours is lower; `cache_control`, signed thinking and members that nobody here knows survive. The reader
looks for usage, errors and the end.
"""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.core.catalog import Backend, Endpoint
from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed
from gateway.core.usage import NOTHING
from gateway.providers.failures import classify, unreadable
from gateway.providers.messages_wire import LEAST_BUDGET, Reported, billed, error_event
from gateway.providers.passing import Passing
from gateway.providers.reader import UNREADABLE, Answer, Reader
from gateway.providers.usage import Count

VERSION = (("anthropic-version", "2023-06-01"),)
ANTHROPIC = Endpoint("/messages", "x-api-key", VERSION)
"""Where Anthropic takes messages."""

COUNTING = Endpoint("/messages/count_tokens", "x-api-key", VERSION)
"""Where Anthropic counts the tokens of a request."""

_NULL = (b"null", b"")
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
_EMPTY_TURN = {"type": "text", "text": "(thinking)"}
"""Stands for a turn in which nothing else was written: a turn without content is refused."""


class Written(msgspec.Struct):
    """What a model wrote: a content block or a piece of one, as far as size asks. Each value as it came."""

    type: str = ""
    text: Raw | UnsetType = UNSET
    thinking: Raw | UnsetType = UNSET
    partial_json: Raw | UnsetType = UNSET
    input: Raw | UnsetType = UNSET
    stop_reason: str | None = None

    @property
    def size(self) -> int:
        """Bytes of generated text, as JSON writes it."""
        size = 0
        for raw in (self.text, self.thinking, self.partial_json):
            if not isinstance(raw, UnsetType) and bytes(raw) not in _NULL:
                size += max(0, len(bytes(raw)) - 2)
        if self.type.endswith("tool_use") and not isinstance(self.input, UnsetType):
            size += max(0, len(bytes(self.input)) - 2)
        return size


class _Message(msgspec.Struct):
    type: str = ""
    model: object = None
    content: list[Written] | None = None
    stop_reason: str | None = None
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET

    @property
    def name(self) -> str | None:
        """The model that it is by, None: it does not say."""
        return self.model if isinstance(self.model, str) else None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    content_block: Written | None = None
    delta: Written | None = None
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


_EVENT = msgspec.json.Decoder(_Event)
_MESSAGE = msgspec.json.Decoder(_Message)


class Messages(Passing, frozen=True, kw_only=True):
    """The dialect. `target` says where the key goes.

    `signed`: it takes no thinking without its own signature, so that of other models is left out.
    """

    takes: str = "messages"
    target: Endpoint = ANTHROPIC
    signed: bool = True
    limit_field: str = "max_tokens"
    passes: tuple[str, ...] = ("anthropic-beta",)

    def encode(self, chat: ChatRequest, backend: Backend) -> bytes:
        """The client's own body with the backend's model, and with our limit where that is lower."""
        fields = native_fields(chat)
        changed = _lowered(fields, chat) | (_without_unsigned(fields) if self.signed else {})
        return _object({**fields, **changed, "model": Raw(msgspec.json.encode(backend.model))})

    def reader(self, chat: ChatRequest) -> "Stream":
        """The reader of a streamed answer."""
        return Stream()

    def answer(self, body: bytes, chat: ChatRequest) -> Answer:
        """What a buffered answer with status 200 says. It is the client's only if nothing failed."""
        try:
            read = _MESSAGE.decode(body)
        except UNREADABLE:
            return Answer(b"", None, 0, unreadable("the backend answered with something that is no message"))
        reported = Reported()
        usage = reported.add(read.usage)
        if read.type == "error" or not isinstance(read.error, UnsetType):
            return Answer(b"", usage, 0, classify(200, body))
        if read.content is None:
            return Answer(b"", usage, 0, unreadable("the backend answered without content"))
        written = sum(block.size for block in read.content)
        return Answer(body, billed(usage, read.stop_reason, written), written, None, reported.service, read.name)


class Stream(Reader):
    """Follows one streamed message. Its events go on byte for byte; an error is told in our words."""

    def __init__(self) -> None:
        super().__init__()
        self._reported = Reported()
        self._stop_reason: str | None = None

    def _event(self, event: bytes, data: bytes) -> bytes:
        if not data or data.isspace():
            return event  # a comment, or a bare field
        try:
            read = _EVENT.decode(data)
        except UNREADABLE:
            return self.broke_off(unreadable("the backend sent an event that is no part of a message"))
        if read.type == "error" or not isinstance(read.error, UnsetType):
            return self.broke_off(classify(200, data))
        if read.type == "ping":
            return event
        self.started = True
        for written in (read.content_block, read.delta):
            if written is not None:
                self.wrote(written.size)
                self._stop_reason = written.stop_reason or self._stop_reason
        usage = self._reported.add(read.message.usage if read.message is not None else read.usage)
        self.used(billed(usage, self._stop_reason, self.written_bytes))
        self.service = self._reported.service
        if read.message is not None:
            self.model = read.message.name
        if read.type == "message_stop":
            if self._stop_reason is None:
                return self.broke_off(unreadable("the backend ended the message without a reason"))
            self.done = True
        return event

    def _complete(self) -> bool:
        return self._stop_reason is not None

    def _end(self) -> bytes:
        return b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

    def _error(self, failed: Failed) -> bytes:
        return error_event(failed)


def native_fields(chat: ChatRequest) -> dict[str, Raw]:
    """The members of the client's own request. Raises ValueError where it made none: then nothing may be sent."""
    if chat.native is None:
        raise ValueError("a request of another protocol cannot be passed through")
    return chat.native.fields


def _lowered(fields: Mapping[str, Raw], chat: ChatRequest) -> dict[str, Raw]:
    """The limit of the answer, where the canonical request has a lower one than the client's own; and a thinking
    budget that would no longer fit below it."""
    limits = [each for each in (chat.view.max_tokens, chat.view.max_completion_tokens) if each is not None]
    if not limits:
        return {}
    ours, asked = min(limits), _figure(fields.get("max_tokens"))
    if asked is not None and asked <= ours:
        return {}
    changed = {"max_tokens": Raw(b"%d" % ours)}
    try:
        thinking = _MEMBERS.decode(fields.get("thinking", Raw(b"{}")))
    except UNREADABLE:
        return changed
    budget = _figure(thinking.get("budget_tokens"))
    if budget is not None and budget >= ours > LEAST_BUDGET:
        thinking["budget_tokens"] = Raw(b"%d" % max(LEAST_BUDGET, ours // 2))
        changed["thinking"] = Raw(_object(thinking))
    return changed


def _without_unsigned(fields: Mapping[str, Raw]) -> dict[str, Raw]:
    """The messages without thinking that has no signature: another model wrote it, in an earlier turn."""
    messages = fields.get("messages", Raw(b"[]"))
    if b'"thinking"' not in bytes(messages):
        return {}
    try:
        turns = [_MEMBERS.decode(turn) for turn in _LIST.decode(messages)]
        changed = False
        for turn in turns:
            if bytes(content := turn.get("content", Raw(b"")))[:1] == b"[":
                blocks = _LIST.decode(content)
                kept = [block for block in blocks if not _is_unsigned(block)]
                if len(kept) < len(blocks):
                    turn["content"] = Raw(msgspec.json.encode(kept or [_EMPTY_TURN]))
                    changed = True
    except UNREADABLE:
        return {}  # the backend says what is wrong with it
    return {"messages": Raw(msgspec.json.encode(turns))} if changed else {}


def _is_unsigned(block: Raw) -> bool:
    members = _MEMBERS.decode(block)
    return bytes(members.get("type", b"")) == b'"thinking"' and bytes(members.get("signature", b'""')) == b'""'


def _figure(raw: Raw | None) -> int | None:
    try:
        return None if raw is None else msgspec.json.decode(raw, type=int)
    except UNREADABLE:
        return None  # the backend says what is wrong with it


def _object(members: Mapping[str, Raw]) -> bytes:
    inside = b",".join(msgspec.json.encode(name) + b":" + bytes(value) for name, value in members.items())
    return b"{" + inside + b"}"


class CountTokens(Passing, frozen=True, kw_only=True):
    """The dialect in which the tokens of a request are counted: that costs nothing, and nothing is generated."""

    takes: str = "count_tokens"
    target: Endpoint = COUNTING
    signed: bool = True
    limit_field: str = "max_tokens"
    passes: tuple[str, ...] = ("anthropic-beta",)

    def encode(self, chat: ChatRequest, backend: Backend) -> bytes:
        """The client's own body with the backend's model."""
        fields = native_fields(chat)
        changed = _without_unsigned(fields) if self.signed else {}
        return _object({**fields, **changed, "model": Raw(msgspec.json.encode(backend.model))})

    def reader(self, chat: ChatRequest) -> Stream:
        """A count is never streamed; one that comes so is read as a message, which it is not."""
        return Stream()

    def answer(self, body: bytes, chat: ChatRequest) -> Answer:
        """The count, as it came."""
        try:
            msgspec.json.decode(body, type=_Count)
        except UNREADABLE:
            return Answer(b"", None, 0, unreadable("the backend answered with something that is no count of tokens"))
        return Answer(body, NOTHING, 0, None)


class _Count(msgspec.Struct):
    input_tokens: Count
