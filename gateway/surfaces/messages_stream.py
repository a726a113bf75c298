"""A chat completion stream, said as the events of an Anthropic message.

Blocks follow one another and never interleave. Tool calls that a backend writes at the same time wait: the next one
begins once the arguments of the one before are a whole JSON object, or at the end. Chat streams tell usage last, so the
input tokens of `message_start` are an estimate, and `message_delta` has the figures that count.
"""

from collections.abc import Mapping

import msgspec

from gateway.core import tokens
from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed
from gateway.core.sse import Splitter, data_of
from gateway.providers.failures import unreadable
from gateway.providers.reader import UNFINISHED
from gateway.surfaces.canonical import Call, Calls, Choice, Completion, Said, Thought, read
from gateway.surfaces.following import Following
from gateway.surfaces.messages_answer import (
    call_id,
    error_object,
    is_object,
    message_id,
    model_of,
    stop_of,
    usage_object,
)
from gateway.wire import StreamReader

PING = b'event: ping\ndata: {"type":"ping"}\n\n'


class _Block:
    """A content block that has begun upstream. `held` is what the client has not seen of it, `call` the place of a tool
    call; `told` says that some of it was said, `signed` that nothing may follow."""

    def __init__(self, kind: str, call: int | None = None, data: str = "") -> None:
        self.kind = kind
        self.call = call
        self.data = data
        self.id = ""
        self.name = ""
        self.held: list[Mapping[str, object]] = []
        self.arguments: list[str] = []
        self.told = False
        self.signed = False
        self._whole = (0, False)  # how many pieces were looked at, and what that gave

    @property
    def whole(self) -> bool:
        """Nothing more belongs to it, once something else follows."""
        if self.kind != "tool_use":
            return True
        looked, was = self._whole
        if looked != len(self.arguments):
            was = is_object("".join(self.arguments))
            self._whole = (len(self.arguments), was)
        return was

    @property
    def start(self) -> Mapping[str, object]:
        """Its beginning, without what it says."""
        if self.kind == "tool_use":
            return {"type": "tool_use", "id": self.id, "name": self.name, "input": {}}
        if self.kind == "redacted_thinking":
            return {"type": "redacted_thinking", "data": self.data}
        if self.kind == "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        return {"type": "text", "text": ""}


class Events(Following):
    """Follows a canonical stream and writes the events of one message."""

    def __init__(self, reader: StreamReader, chat: ChatRequest) -> None:
        super().__init__(reader)
        self._chat = chat
        self._splitter = Splitter()
        self._begun = False
        self._ended = False
        self._id = ""
        self._index = -1  # of the block that the client sees
        self._shown: _Block | None = None
        self._waiting: list[_Block] = []
        self._places = Calls()
        self._calls: set[int] = set()  # places of those that have begun
        self._blank = ""  # text before any that shows: a block of it alone would be refused in the next turn
        self._last = Choice()
        self._refused = False

    def _pass(self, events: bytes) -> bytes:
        out = [self._said(event) for event in self._splitter.feed(events)] if events else []
        if self.done and (rest := self._splitter.rest()).strip():
            out.append(self._said(rest))
        if self.failed is not None and not self._ended:
            out.append(self._fail(self.failed))
        return b"".join(out)

    def _said(self, event: bytes) -> bytes:
        data = data_of(event)
        if self._ended:
            return b""
        if not data or data.isspace():
            # a sign of life: a comment, which every reader skips; an event without data none can read
            return PING if self._begun else event if event.startswith(b":") else b""
        if data.startswith(b"[DONE]"):
            return self._fail(UNFINISHED) if self.unfinished else self._end()
        if (chunk := read(data)) is None:
            return self._fail(unreadable("the backend sent an event that is no chunk of a chat completion"))
        if chunk.error and self.failed is not None:
            return self._fail(self.failed)
        return self._chunk(chunk)

    def _fail(self, failed: Failed) -> bytes:
        """The end of a stream that broke: nothing says that it is complete."""
        self.done = self._ended = True
        self.failed = failed
        return _event("error", {"error": error_object(failed.status, failed.error)})

    def _chunk(self, chunk: Completion) -> bytes:
        if not chunk.choices:
            return b""  # usage, which the reader keeps, or what a filter says of the prompt
        out = [] if self._begun else [self._begin(chunk)]
        choice = chunk.choices[0]
        if choice.delta is not None:
            self._place(choice.delta)
        if choice.failed is not None:
            return b"".join([*out, *self._show(all_of_it=False), self._fail(choice.failed)])
        if choice.ended is not None:
            self._last = choice
        out += self._show(all_of_it=choice.ended is not None)
        return b"".join(out)

    def _begin(self, chunk: Completion) -> bytes:
        self._begun = True
        self._id = message_id(chunk.id, self._chat)
        message: Mapping[str, object] = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": model_of(chunk, self._chat),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_object(None, self._chat, 0),
        }
        return _event("message_start", {"message": message})

    def _place(self, said: Said) -> None:
        """Puts a delta into the blocks that it belongs to."""
        if thought := said.thought:
            self._think(self._open("thinking"), thought)
        for each in said.thoughts:
            self._place_thought(each, said_beside=bool(thought))
        if text := said.text + said.refused:
            self._refused = self._refused or bool(said.refused)
            if self._newest("text") is None and not (self._blank + text).strip():
                self._blank += text
            else:
                self._open("text").held.append({"type": "text_delta", "text": self._blank + text})
                self._blank = ""
        for call in said.calls:
            if (block := self._call(call)) is not None:
                block.id = block.id or call.id
                block.name = block.name or call.name
                if call.arguments:
                    block.arguments.append(call.arguments)
                    block.held.append({"type": "input_json_delta", "partial_json": call.arguments})

    def _think(self, block: _Block, text: str) -> None:
        block.told = True
        block.held.append({"type": "thinking_delta", "thinking": text})

    def _place_thought(self, thought: Thought, *, said_beside: bool) -> None:
        """A thought with its signature, or a hidden one. Where its text came before, or comes beside it as reasoning,
        it is not said twice."""
        if thought.data:
            self._waiting.append(_Block("redacted_thinking", data=thought.data))
            return
        block = self._open("thinking")
        if thought.text and not said_beside and not (thought.signature and block.told):
            self._think(block, thought.text)
        if thought.signature:
            block.signed = True
            block.held.append({"type": "signature_delta", "signature": thought.signature})

    def _newest(self, kind: str) -> _Block | None:
        """The block that came last, if it is of that kind and may go on."""
        newest = self._waiting[-1] if self._waiting else self._shown
        return newest if newest is not None and newest.kind == kind and not newest.signed else None

    def _open(self, kind: str) -> _Block:
        if (block := self._newest(kind)) is None:
            block = _Block(kind)
            self._waiting.append(block)
        return block

    def _call(self, call: Call) -> _Block | None:
        """The block of a tool call. None: it is over, its arguments were whole, so what follows can but be spaces."""
        place = self._places.place(call)
        for block in (*reversed(self._waiting), self._shown):
            if block is not None and block.call == place:
                return block
        if place in self._calls:
            return None
        self._calls.add(place)
        block = _Block("tool_use", place)
        self._waiting.append(block)
        return block

    def _show(self, *, all_of_it: bool) -> list[bytes]:
        """What the client may see now: the block that is open, and those after it as far as they can begin."""
        out = self._flush()
        while self._waiting and (self._shown is None or self._shown.whole or all_of_it):
            following = self._waiting[0]
            if following.kind == "tool_use" and not following.name and not all_of_it:
                break
            del self._waiting[0]
            out += self._stop()
            self._shown = following
            self._index += 1
            if following.kind == "tool_use" and not following.id:
                following.id = call_id(self._id, following.call or 0)
            out.append(_event("content_block_start", {"index": self._index, "content_block": following.start}))
            out += self._flush()
        return out

    def _flush(self) -> list[bytes]:
        if self._shown is None:
            return []
        out = [_event("content_block_delta", {"index": self._index, "delta": delta}) for delta in self._shown.held]
        self._shown.held.clear()
        return out

    def _stop(self) -> list[bytes]:
        return [] if self._shown is None else [_event("content_block_stop", {"index": self._index})]

    def _end(self) -> bytes:
        self._ended = True
        out = [] if self._begun else [self._begin(Completion())]
        out += self._show(all_of_it=True) + self._stop()
        reason, sequence = stop_of(self._last, self._chat, uses_tools=bool(self._calls), refused=self._refused)
        written = tokens.written_at_most(self.written_bytes, self.written_events)
        usage = usage_object(self.usage, self._chat, written)
        delta = {"stop_reason": reason, "stop_sequence": sequence}
        out += [_event("message_delta", {"delta": delta, "usage": usage}), _event("message_stop", {})]
        return b"".join(out)


def _event(name: str, members: Mapping[str, object]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode({"type": name, **members}))
