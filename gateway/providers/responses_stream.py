"""Streams of the Responses API as chunks of a chat completion, event by event.

Servers differ in the events that they send: some leave out the pieces of a call, some the index of an item, some change
its id. So what an item says at its end, or the response at its own, is told where no pieces of it came.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

from msgspec import UnsetType

from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed
from gateway.providers.completion import Chunks, error_event
from gateway.providers.failures import unreadable
from gateway.providers.reader import UNREADABLE, Reader
from gateway.providers.response_wire import (
    BEGINNING,
    EVENT,
    FAILED,
    LAST,
    NOT_ANSWERED,
    OUTCOME,
    TEXT,
    Event,
    Item,
    Outcome,
    failed_in,
    item_in,
    items_in,
    present,
    service_in,
    usage_in,
    word,
)
from gateway.providers.responses_output import (
    APART,
    CALLS,
    Token,
    call_of,
    cited,
    ended_by,
    kept_of,
    logprobs_of,
    thoughts_of,
    tokens_in,
)


class _Call:
    """A tool call under way."""

    __slots__ = ("index", "kind", "said", "sent")

    def __init__(self, index: int, custom: bool) -> None:
        self.index = index
        self.kind = "custom" if custom else "function"
        self.said = "input" if custom else "arguments"
        self.sent = ""  # of what it says to its tool


class Stream(Reader):
    """Follows one streamed answer. `kept_as` names the form of reasoning that only the backend can read."""

    def __init__(self, chat: ChatRequest, kept_as: str) -> None:
        super().__init__()
        self._chat = chat
        self._kept_as = kept_as
        self._response = Outcome()  # as far as it is known
        self._chunks: Chunks | None = None
        self._said = 0  # characters of content
        self._begins: dict[object, int] = {}  # the character that each part of a message begins with
        self._message: object = None  # the message that was written last
        self._thought: object = None  # the piece of reasoning that was written last
        self._told: set[tuple[str, object]] = set()  # of which items text, reasoning and citations came
        self._calls: dict[object, _Call] = {}  # by place, and by the id that the result names
        self._index = 0  # of the next call
        self._kept = 0  # how much there was that only the backend can read

    @property
    def _out(self) -> Chunks:
        if self._chunks is None:
            read = self._response
            self._chunks = Chunks(self._chat, word(read.id) or "", word(read.model) or self._chat.view.model)
        return self._chunks

    def _event(self, event: bytes, data: bytes) -> bytes:
        if not data or data.isspace():
            return b""  # a comment, or a bare field
        if data.startswith(b"[DONE]"):  # the end that some servers add, before the one that there must be
            return self.broke_off(unreadable("the backend ended the stream before the answer was complete"))
        try:
            read = EVENT.decode(data)
            if read.type in LAST:
                return self._last(read, data)
            if read.type == "error" or present(read.error):
                return self.broke_off(failed_in(data))
            if read.type in BEGINNING:
                if not isinstance(read.response, UnsetType):
                    self._response = OUTCOME.decode(read.response)
                return b""
            self.started = True
            read_as = self._READ_AS.get(read.type)
            return read_as(self, read) if read_as is not None else b""
        except UNREADABLE:
            return self.broke_off(unreadable("the backend sent an event that is none of a response"))

    def _text(self, read: Event) -> bytes:
        self._told.add(("text", _place(read)))
        tokens = tokens_in(read.logprobs) if self._chat.view.logprobs else []
        return self._say(_piece(read), _place(read), _part(read), tokens)

    def _say(self, text: str, place: object, part: object, tokens: list[Token]) -> bytes:
        """Some content: after a blank line, where it is of another message than what came before."""
        if not text and not tokens:
            return b""
        apart = APART if self._said and place != self._message else ""
        self._message = place
        self._begins.setdefault((place, part), self._said + len(apart))
        self._said += len(apart) + len(text)
        self.wrote(len(text.encode()))
        return self._out.delta({"content": apart + text}, logprobs=logprobs_of(tokens))

    def _refuse(self, read: Event) -> bytes:
        self._told.add(("text", _place(read)))
        return self._say_no(_piece(read))

    def _say_no(self, text: str) -> bytes:
        self.wrote(len(text.encode()))
        return self._out.delta({"refusal": text}) if text else b""

    def _think(self, read: Event) -> bytes:
        self._told.add(("thought", _place(read)))
        part = read.summary_index if read.summary_index is not None else read.content_index
        return self._think_on(_piece(read), (_place(read), read.type, part))

    def _think_on(self, text: str, piece: object) -> bytes:
        """Some reasoning: after a blank line, where it is of another piece than what came before."""
        if not text:
            return b""
        apart = APART if self._thought is not None and piece != self._thought else ""
        self._thought = piece
        self.wrote(len(text.encode()))
        return self._out.delta({"reasoning_content": apart + text})

    def _add(self, read: Event) -> bytes:
        item = None if isinstance(read.item, UnsetType) else item_in(read.item)
        if item is None or item.type not in CALLS:
            return b""
        _, event = self._call(item, _place(read, item))
        return event

    def _call(self, item: Item, place: object) -> tuple[_Call, bytes]:
        """The call that an item is, and its beginning, if that is not told yet."""
        id = item.call_id or item.id
        if (call := self._calls.get(id)) is not None:
            return call, b""
        call = self._calls[place] = self._calls[id] = _Call(self._index, item.type == "custom_tool_call")
        self._index += 1
        self.wrote(len((item.name or "").encode()))
        return call, self._out.delta({"tool_calls": [{"index": call.index, **call_of(item, "")}]})

    def _write(self, read: Event) -> bytes:
        call = self._calls.get(_place(read))
        return self._write_on(call, _piece(read)) if call is not None else b""  # else it comes with the whole item

    def _write_on(self, call: _Call, text: str) -> bytes:
        """Some more of what a call says to its tool."""
        if not text:
            return b""
        call.sent += text
        self.wrote(len(text.encode()))
        return self._out.delta({"tool_calls": [{"index": call.index, call.kind: {call.said: text}}]})

    def _cite(self, read: Event) -> bytes:
        self._told.add(("cited", _place(read)))
        begins = self._begins.get((_place(read), _part(read)), self._said)
        return self._note([] if isinstance(read.annotation, UnsetType) else cited([read.annotation], begins))

    def _note(self, citations: list[object]) -> bytes:
        return self._out.delta({"annotations": citations}) if citations else b""

    def _finish(self, read: Event) -> bytes:
        item = None if isinstance(read.item, UnsetType) else item_in(read.item)
        return self._rest(item, _place(read, item)) if item is not None else b""

    def _rest(self, item: Item, place: object) -> bytes:
        """What a whole item says beyond the pieces of it that came."""
        if item.type in CALLS:
            call, began = self._call(item, place)
            left = item.written[len(call.sent) :] if item.written.startswith(call.sent) else ""
            return began + self._write_on(call, left)
        if item.type == "reasoning":
            return self._rest_of_reasoning(item, place)
        untold, uncited = ("text", place) not in self._told, ("cited", place) not in self._told
        self._told |= {("text", place), ("cited", place)}
        out = b""
        for index, part in enumerate(item.content or ()):
            if untold:
                tokens = tokens_in(part.logprobs) if self._chat.view.logprobs else []
                out += self._say(part.text or "", place, index, tokens) + self._say_no(part.refusal or "")
            if uncited:
                out += self._note(cited(part.annotations or (), self._begins.get((place, index), self._said)))
        return out

    def _rest_of_reasoning(self, item: Item, place: object) -> bytes:
        out = b""
        if ("thought", place) not in self._told:
            self._told.add(("thought", place))
            out = b"".join([self._think_on(text, (place, index)) for index, text in enumerate(thoughts_of(item))])
        kept = kept_of(item, self._kept_as, self._kept)
        self._kept += len(kept)
        return out + (self._out.delta({"reasoning_details": kept}) if kept else b"")

    def _last(self, read: Event, data: bytes) -> bytes:
        """The event that ends the stream, with all that the response came to."""
        outcome = self._response if isinstance(read.response, UnsetType) else OUTCOME.decode(read.response)
        self.service, usage = service_in(outcome), usage_in(outcome.usage)
        self.model = word(outcome.model)
        if read.type in FAILED or present(outcome.error) or outcome.status in NOT_ANSWERED:
            self.used(usage)
            return self.broke_off(failed_in(data if isinstance(read.response, UnsetType) else read.response))
        self._response = outcome  # if no name was known before, it is now
        kinds = {kind for kind, _ in self._told}
        out = b"".join([self._left_out(item, kinds) for item in items_in(outcome)])
        self.used(usage)
        self.started = self.done = True
        reason = ended_by(outcome, calls=self._index > 0, type=read.type)
        return out + self._out.finish(reason) + self._out.end(usage)

    def _left_out(self, item: Item, kinds: set[str]) -> bytes:
        """What no event before the last one said. `kinds` is what some event told of at all."""
        if item.type not in CALLS and ("thought" if item.type == "reasoning" else "text") in kinds:
            return b""
        return self._rest(item, item.call_id or item.id)

    def _complete(self) -> bool:
        return False  # what is complete has ended by itself

    def _error(self, failed: Failed) -> bytes:
        return error_event(failed)

    _READ_AS: ClassVar[Mapping[str, Callable[["Stream", Event], bytes]]] = {
        "response.output_item.added": _add,
        "response.output_item.done": _finish,
        "response.output_text.delta": _text,
        "response.output_text.annotation.added": _cite,
        "response.refusal.delta": _refuse,
        "response.reasoning_summary_text.delta": _think,
        "response.reasoning_text.delta": _think,
        "response.function_call_arguments.delta": _write,
        "response.custom_tool_call_input.delta": _write,
    }
    """What events mean. All others repeat what these said, or tell what hosted tools do."""


def _piece(read: Event) -> str:
    """The text of a piece. Raises msgspec.DecodeError when it has none."""
    return TEXT.decode(b"null" if isinstance(read.delta, UnsetType) else read.delta)


def _part(read: Event) -> object:
    """Which part of its message an event is about."""
    return read.content_index if isinstance(read.content_index, int) else 0


def _place(read: Event, item: Item | None = None) -> object:
    """Where an event belongs."""
    if isinstance(read.output_index, int):
        return read.output_index
    return item.id if item is not None else word(read.item_id)
