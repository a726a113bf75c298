"""The OpenAI dialect: chat completions as OpenAI and most other servers speak it.

Requests and answers pass through as bytes. A stream is cut into events, each relayed as it came; the reader looks for
usage, errors and the end. What servers disagree on is mended here: usage that rides on another chunk, a missing
[DONE], an error inside a stream or under status 200. Differences between servers are fields of `OpenAI`.
"""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.core.catalog import Backend, Endpoint
from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed
from gateway.core.sse import EventTooLarge, Splitter, data_of
from gateway.core.usage import Usage
from gateway.providers.failures import classify, unreadable
from gateway.providers.reader import Answer
from gateway.providers.usage import usage_of

_NULL = b"null"
_EMPTY = (b"null", b'""', b"[]", b"{}")
_DONE = b"data: [DONE]\n\n"


class _Generated(msgspec.Struct):
    """What a model wrote: a delta of a stream, or a whole message. Each value as it came."""

    content: Raw | UnsetType = UNSET
    reasoning_content: Raw | UnsetType = UNSET
    reasoning: Raw | UnsetType = UNSET
    refusal: Raw | UnsetType = UNSET
    tool_calls: Raw | UnsetType = UNSET
    function_call: Raw | UnsetType = UNSET
    audio: Raw | UnsetType = UNSET


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Generated | None = None
    text: Raw | UnsetType = UNSET  # legacy completions
    message: _Generated | None = None
    finish_reason: str | None = None


class _Body(msgspec.Struct):
    """A chunk of a stream or a whole answer, as far as we look."""

    choices: list[_Choice] | UnsetType | None = UNSET
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET
    service_tier: object = None  # whatever it is: one that is no word says nothing


_BODY = msgspec.json.Decoder(_Body)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


class OpenAI(msgspec.Struct, frozen=True):
    """The dialect, with the quirks of one provider.

    `base_url` is the provider's default, None: it has none. `asks_usage`: a stream reports usage only when asked.
    `limit_field` is what it calls the most tokens that one choice may have.
    """

    base_url: str | None = None
    asks_usage: bool = True
    limit_field: str = "max_tokens"
    takes: str = "chat"
    passes: tuple[str, ...] = ()
    target: Endpoint = Endpoint("/chat/completions")

    def endpoint(self, chat: ChatRequest, backend: Backend) -> Endpoint:
        """Where the call goes."""
        return self.target

    def lacks(self, chat: ChatRequest, backend: Backend) -> str:
        """Nothing: what it does not know it refuses itself."""
        return ""

    def drops(self, chat: ChatRequest, backend: Backend) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def encode(self, chat: ChatRequest, backend: Backend) -> bytes:
        """The client's body with the backend's model name, and with usage asked for when it is a stream."""
        changed = {"model": msgspec.json.encode(backend.model)}
        if (limit := chat.view.max_completion_tokens) is not None and chat.view.max_tokens is None:
            changed |= self._limit(limit)
        if chat.streamed and self.asks_usage and not chat.wants_usage:
            options = chat.fields.get("stream_options")
            members = _MEMBERS.decode(options) if options is not None and options != Raw(_NULL) else {}
            changed["stream_options"] = msgspec.json.encode({**members, "include_usage": True})
        return chat.with_fields(changed)

    def _limit(self, most: int) -> dict[str, bytes]:
        """The client's limit under the older name, too, where that is the one that servers are sure to read."""
        return {self.limit_field: b"%d" % most} if self.limit_field == "max_tokens" else {}

    def reader(self, chat: ChatRequest) -> "Stream":
        """The reader of a streamed answer."""
        options = chat.view.stream_options
        return Stream(chat.wants_usage, bool(options and options.continuous_usage_stats))

    def answer(self, body: bytes, chat: ChatRequest) -> "Answer":
        """What a buffered answer with status 200 says. It is the client's only if nothing failed."""
        try:
            read = _BODY.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Answer(b"", None, 0, unreadable("the backend answered with something that is no chat completion"))
        if _present(read.error):
            return Answer(
                b"", usage_of(read.usage), 0, classify(200, body)
            )  # what is reported is billed, whatever else
        if not read.choices:
            return Answer(b"", None, 0, unreadable("the backend answered without choices"))
        written = sum(_size(choice.message) + _length(choice.text) for choice in read.choices)
        return Answer(body, usage_of(read.usage), written, None, _word(read.service_tier))

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failed:
        """What an answer with another status says."""
        return classify(status, body, headers)


class Stream:
    """Follows one streamed answer and gives back, event by event, what the client is to see."""

    __slots__ = (
        "_broken",
        "_continuous",
        "_finished",
        "_pending_usage",
        "_splitter",
        "_unfinished",
        "_usage_sent",
        "_wants_usage",
        "_written_then",
        "content_seen",
        "done",
        "failed",
        "service",
        "started",
        "usage",
        "written_bytes",
        "written_events",
    )

    def __init__(self, wants_usage: bool, continuous: bool) -> None:
        self._splitter = Splitter()
        self._wants_usage = wants_usage
        self._continuous = continuous  # the client asked for usage on every chunk
        self._usage_sent = False
        self._pending_usage: bytes | None = None  # a usage chunk of our making, when the server has none of its own
        self._unfinished: set[int] = set()  # choices that have begun
        self._finished = False  # some choice has its finish reason
        self.started = False
        self.done = False
        self.content_seen = False
        self.failed: Failed | None = None
        self.usage: Usage | None = None
        self.service: str | None = None  # the tier that it says it is served at
        self.written_bytes = 0
        self.written_events = 0
        self._written_then = 0  # when usage was last reported

    @property
    def usage_is_last(self) -> bool:
        """Nothing was written since the usage was reported."""
        return self._written_then == self.written_bytes

    def feed(self, block: bytes) -> bytes:
        """What the client is to see of a block: usually the block itself."""
        if self.done:
            return b""
        if (
            block.startswith(b"data: ")
            and block.endswith(b"\n\n")
            and block.find(b"\n") == len(block) - 2
            and b"\r" not in block
            and not self._splitter.holds
        ):  # nearly every block of a real stream is one event
            return self._event(block, block[6:-2])
        try:
            events = self._splitter.feed(block)
        except EventTooLarge as error:
            return self.broke_off(unreadable(str(error)))
        return b"".join(self._event(event, data_of(event)) for event in events)

    def close(self) -> bytes:
        """What the client is still to see, now that the upstream has ended: the end that it left out, or an error."""
        out = b""
        rest = self._splitter.rest()
        if rest.strip() and not self.done:
            event = rest.rstrip(b"\r\n") + b"\n\n"
            out = self._event(event, data_of(event))
        if self.done:
            return out
        if self._finished and not self._unfinished:
            return out + self._finish(_DONE)
        return out + self.broke_off(unreadable("the backend ended the stream before the answer was complete"))

    def _event(self, event: bytes, data: bytes) -> bytes:
        if self.done:
            return b""
        if not data or data.isspace():
            return event  # a comment, or a bare field
        if data.startswith(b"[DONE]"):
            self.started = True
            return self._finish(event)
        try:
            read = _BODY.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self.broke_off(unreadable("the backend sent an event that is no chunk of a chat completion"))
        self.started = True
        if read.error is not UNSET and _present(read.error):
            return self.broke_off(classify(200, data))
        if read.service_tier is not None:
            self.service = _word(read.service_tier)
        choices = read.choices or ()
        for choice in choices:
            if choice.finish_reason is None:
                self._unfinished.add(choice.index)
            else:
                self._unfinished.discard(choice.index)
                self._finished = True
            if size := _size(choice.delta) + _length(choice.text):
                self.content_seen = True
                self.written_bytes += size
                self.written_events += 1
        if read.usage is not UNSET and _present(read.usage):
            return self._with_usage(event, data, read.usage, bool(choices))
        return event

    def _with_usage(self, event: bytes, data: bytes, usage: Raw | UnsetType, rides: bool) -> bytes:
        """A chunk that carries usage: kept, dropped, or parted from the chunk that it rides on."""
        if (read := usage_of(usage)) is not None:
            self.usage, self._written_then = read, self.written_bytes
        if self._continuous:
            self._usage_sent = True
            return event
        if not rides:  # the usage chunk proper
            if not self._wants_usage or self._usage_sent:
                return b""
            self._usage_sent = True
            return event
        members: dict[str, Raw | bytes] = dict(_MEMBERS.decode(data))
        carried = bytes(members.pop("usage"))
        head = {k: v for k, v in members.items() if k in ("id", "object", "created", "model", "system_fingerprint")}
        self._pending_usage = _chunk({**head, "choices": b"[]", "usage": carried})
        return _chunk(members)

    def _finish(self, last: bytes) -> bytes:
        self.done = True
        if self._wants_usage and not self._usage_sent and self._pending_usage is not None:
            return self._pending_usage + last
        return last

    def broke_off(self, failed: Failed) -> bytes:
        """Ends the stream with an error event, and without [DONE]: a broken stream never looks finished."""
        self.done = True
        self.started = True
        self.failed = failed
        return b"data: " + msgspec.json.encode({"error": failed.error}) + b"\n\n"


def _present(raw: Raw | UnsetType) -> bool:
    return not isinstance(raw, UnsetType) and bytes(raw) not in _EMPTY


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _size(generated: _Generated | None) -> int:
    """Bytes of generated text in a delta or a message, as JSON writes it."""
    if generated is None:
        return 0
    size = 0
    for raw in (
        generated.content,
        generated.reasoning_content,
        generated.reasoning,
        generated.refusal,
        generated.tool_calls,
        generated.function_call,
        generated.audio,
    ):
        if raw is not UNSET:
            size += _length(raw)
    return size


def _length(raw: Raw | UnsetType) -> int:
    return len(bytes(raw)) - 2 if _present(raw) and not isinstance(raw, UnsetType) else 0


def _chunk(members: Mapping[str, Raw | bytes]) -> bytes:
    inside = b",".join(msgspec.json.encode(name) + b":" + bytes(value) for name, value in members.items())
    return b"data: {" + inside + b"}\n\n"
