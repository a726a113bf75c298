"""An answer of Anthropic Messages as a chat completion, whole or event by event.

Citations are left out: a chat completion cannot ask for them. So are blocks of tools that run on the server, which it
cannot ask for either.
"""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed
from gateway.providers.anthropic_request import JSON_TOOL
from gateway.providers.completion import Chunks, completion, error_event
from gateway.providers.failures import classify, unreadable
from gateway.providers.messages_wire import FINISH, Reported, billed
from gateway.providers.reader import UNREADABLE, Answer, Reader

_PING = b": ping\n\n"
_NO_MESSAGE = unreadable("the backend answered with something that is no message")
_NOTHING = (b"{}", b"null", b"")


class _Block(msgspec.Struct):
    """A content block. Of a stream, what stands in it before its deltas."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str = ""
    name: str = ""
    input: Raw | UnsetType = UNSET

    @property
    def arguments(self) -> str:
        """The input of a call as the string that chat completions have, empty: none is here."""
        raw = b"" if isinstance(self.input, UnsetType) else bytes(self.input)
        return "" if raw in _NOTHING else raw.decode()

    @property
    def thought(self) -> dict[str, object] | None:
        """A thinking block as it must be sent back, None: it cannot be, or it is none."""
        if self.type == "thinking" and self.signature:
            return {"type": "thinking", "thinking": self.thinking or "", "signature": self.signature}
        if self.type == "redacted_thinking" and self.data:
            return {"type": "redacted_thinking", "data": self.data}
        return None


class _Delta(msgspec.Struct):
    """A piece of a content block, or the end of a message."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_details: Raw | UnsetType = UNSET


class _Message(msgspec.Struct):
    type: str = ""
    id: str = ""
    model: str = ""
    content: list[_Block] | None = None
    stop_reason: str | None = None
    stop_details: Raw | UnsetType = UNSET
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class _Details(msgspec.Struct):
    explanation: str | None = None


_EVENT = msgspec.json.Decoder(_Event)
_MESSAGE = msgspec.json.Decoder(_Message)


class _Form:
    """How this client reads an answer: calls of functions in the older way, and JSON out of a tool as content."""

    def __init__(self, chat: ChatRequest) -> None:
        view = chat.view
        self._older = bool(view.functions) and not view.tools
        self._json = view.response_format is not None and view.response_format.type in ("json_object", "json_schema")

    def is_content(self, block: _Block) -> bool:
        """Whether a call is the answer itself."""
        return self._json and block.name == JSON_TOOL

    def opened(self, index: int, block: _Block, arguments: str = "") -> dict[str, object]:
        """A call that begins."""
        function = {"name": block.name, "arguments": arguments}
        if self._older:
            return {"function_call": function}
        return {"tool_calls": [{"index": index, "id": block.id, "type": "function", "function": function}]}

    def piece(self, index: int, arguments: str) -> dict[str, object]:
        """More of its arguments."""
        if self._older:
            return {"function_call": {"arguments": arguments}}
        return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}

    def whole(self, calls: list[_Block]) -> dict[str, object]:
        """The calls of a whole message."""
        if not calls:
            return {}
        functions = [{"name": block.name, "arguments": block.arguments or "{}"} for block in calls]
        if self._older:
            return {"function_call": functions[0]}
        named = zip(calls, functions, strict=True)
        return {"tool_calls": [{"id": each.id, "type": "function", "function": function} for each, function in named]}

    def finish(self, stop_reason: str, calls: int) -> str:
        """Why the choice ended. One that ends with calls says so; a reason that is yet to be invented is an end."""
        reason = FINISH.get(stop_reason, "stop")
        if reason == "tool_calls" and not calls:
            return "stop"  # the call was the answer itself
        if reason == "stop" and calls:
            reason = "tool_calls"
        return "function_call" if reason == "tool_calls" and self._older else reason


class Stream(Reader):
    """Follows one streamed message, and gives back the chunks of a chat completion."""

    def __init__(self, chat: ChatRequest) -> None:
        super().__init__()
        self._chat = chat
        self._form = _Form(chat)
        self._reported = Reported()
        self._chunks: Chunks | None = None
        self._block: _Block | None = None  # the one that is being written
        self._calls = 0
        self._arguments = False  # some of the arguments of the call have come
        self._stop_reason: str | None = None

    def _event(self, event: bytes, data: bytes) -> bytes:
        if not data or data.isspace():
            return event if event.startswith(b":") else b""
        try:
            read = _EVENT.decode(data)
            if read.type == "error" or not isinstance(read.error, UnsetType):
                return self.broke_off(classify(200, data))
            return _PING if read.type == "ping" else self._read(read)
        except UNREADABLE:
            return self.broke_off(unreadable("the backend sent an event that is no part of a message"))

    def _read(self, read: _Event) -> bytes:
        if read.type == "message_start" and read.message is not None:
            self.started = True
            self._use(read.message.usage)
            if self._chunks is not None:
                return b""  # said again: a client is told of one beginning
            self.model = read.message.model
            self._chunks = Chunks(self._chat, read.message.id, read.message.model)
            return self._chunks.delta({})
        chunks = self._chunks
        if chunks is None:
            return self.broke_off(unreadable("the backend began a message in the middle"))
        match read.type:
            case "content_block_start" if read.content_block is not None:
                return self._opened(chunks, read.content_block)
            case "content_block_delta" if read.delta is not None and self._block is not None:
                return self._written(chunks, self._block, read.delta)
            case "content_block_stop" if self._block is not None:
                return self._closed(chunks, self._block)
            case "message_delta":
                return self._ended(chunks, read)
            case "message_stop":
                if self._stop_reason is None:
                    return self.broke_off(unreadable("the backend ended the message without a reason"))
                self.done = True
                return chunks.end(self.usage)
        return b""  # what is yet to be invented

    def _opened(self, chunks: Chunks, block: _Block) -> bytes:
        self._block = block
        self._arguments = False
        if block.type == "tool_use" and not self._form.is_content(block):
            self._calls += 1
            return chunks.delta(self._form.opened(self._calls - 1, block))
        begun = _Delta(text=block.text or None, thinking=block.thinking or None)
        block.thinking = ""  # its deltas are put together here
        return self._written(chunks, block, begun)

    def _written(self, chunks: Chunks, block: _Block, delta: _Delta) -> bytes:
        match block.type:
            case "text" if delta.text:
                return self._shown(chunks, delta.text, {"content": delta.text})
            case "thinking":
                block.signature = (block.signature or "") + (delta.signature or "")
                block.thinking = (block.thinking or "") + (delta.thinking or "")
                if delta.thinking:
                    return self._shown(chunks, delta.thinking, {"reasoning_content": delta.thinking})
            case "tool_use" if delta.partial_json:
                self._arguments = True
                return self._shown(chunks, delta.partial_json, self._argument(block, delta.partial_json))
        return b""

    def _argument(self, block: _Block, piece: str) -> dict[str, object]:
        return {"content": piece} if self._form.is_content(block) else self._form.piece(self._calls - 1, piece)

    def _closed(self, chunks: Chunks, block: _Block) -> bytes:
        self._block = None
        if block.type == "tool_use" and not self._arguments:
            arguments = block.arguments or "{}"  # it came whole, or it has none
            return self._shown(chunks, arguments, self._argument(block, arguments))
        return b"" if (thought := block.thought) is None else chunks.delta({"thinking_blocks": [thought]})

    def _ended(self, chunks: Chunks, read: _Event) -> bytes:
        before, delta = self._stop_reason, read.delta or _Delta()
        self._stop_reason = before or delta.stop_reason
        self._use(read.usage)
        if self._stop_reason is None or before is not None:
            return b""
        refused = _refusal(self._stop_reason, delta.stop_details)
        end = chunks.finish(self._form.finish(self._stop_reason, self._calls))
        return chunks.delta({"refusal": refused}) + end if refused else end

    def _shown(self, chunks: Chunks, text: str, delta: dict[str, object]) -> bytes:
        self.wrote(len(text.encode()))
        return chunks.delta(delta)

    def _use(self, raw: Raw | UnsetType) -> None:
        self.used(billed(self._reported.add(raw), self._stop_reason, self.written_bytes))
        self.service = self._reported.service

    def _complete(self) -> bool:
        return self._stop_reason is not None

    def _end(self) -> bytes:
        return b"" if self._chunks is None else self._chunks.end(self.usage)

    def _error(self, failed: Failed) -> bytes:
        return error_event(failed)


def answer(body: bytes, chat: ChatRequest) -> Answer:
    """What a whole message says, as a chat completion."""
    try:
        read = _MESSAGE.decode(body)
    except UNREADABLE:
        return Answer(b"", None, 0, _NO_MESSAGE)
    reported = Reported()
    usage = reported.add(read.usage)
    if read.type == "error" or not isinstance(read.error, UnsetType):
        return Answer(b"", usage, 0, classify(200, body))
    form = _Form(chat)
    calls = [each for each in read.content or () if each.type == "tool_use" and not form.is_content(each)]
    if read.content is None or read.stop_reason is None:
        return Answer(b"", usage, 0, unreadable("the backend answered without content, or without saying why it ended"))
    try:
        message, written = _whole(form, read.content, calls, _refusal(read.stop_reason, read.stop_details))
    except UNREADABLE:
        return Answer(b"", usage, 0, _NO_MESSAGE)
    choice = (message, form.finish(read.stop_reason, len(calls)))
    usage = billed(usage, read.stop_reason, written)
    whole = completion(chat, read.id, read.model, [choice], usage)
    return Answer(whole, usage, written, None, reported.service, read.model)


def _whole(
    form: _Form, content: list[_Block], calls: list[_Block], refused: str | None
) -> tuple[dict[str, object], int]:
    """A message in the words of chat completions, and how many bytes of text the model wrote for it."""
    texts = [each.text or "" for each in content if each.type == "text"]
    texts += [each.arguments or "{}" for each in content if each.type == "tool_use" and form.is_content(each)]
    thinking = [each.thinking or "" for each in content if each.type == "thinking"]
    thoughts = [thought for each in content if (thought := each.thought) is not None]
    message: dict[str, object] = {"content": "".join(texts) or (None if calls or refused else ""), "refusal": refused}
    if any(thinking):
        message["reasoning_content"] = "".join(thinking)
    if thoughts:
        message["thinking_blocks"] = thoughts
    written = sum(len(text.encode()) for text in (*texts, *thinking, *(each.arguments for each in calls)))
    return message | form.whole(calls), written


def _refusal(stop_reason: str, raw: Raw | UnsetType) -> str | None:
    """What is said of a refusal, None: nothing, or it is none."""
    if stop_reason != "refusal" or isinstance(raw, UnsetType):
        return None
    try:
        details = msgspec.json.decode(raw, type=_Details | None)
    except UNREADABLE:
        return None
    return (details.explanation or None) if details is not None else None
