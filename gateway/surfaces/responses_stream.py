"""A stream of chat completion chunks, as the events of a response.

A reasoning item or a message is open until another item begins. Tool calls stay open until the end, since backends may
write several at a time, and text between. Free text for a custom tool comes out of JSON, so it is told at once, when
that is complete. The last event has the whole response, with the usage.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed, FailureKind
from gateway.core.sse import Splitter, data_of
from gateway.providers.failures import unreadable
from gateway.providers.reader import UNFINISHED
from gateway.surfaces.canonical import Call, Calls, Choice, Said, read
from gateway.surfaces.following import Following
from gateway.surfaces.responses_answer import (
    Item,
    Told,
    reasoning_part,
    refusal_part,
    summary_part,
    text_part,
    why_incomplete,
)
from gateway.surfaces.responses_items import Carried
from gateway.wire import StreamReader


class _Words(msgspec.Struct):
    """A reasoning item or a message that is open. `parts` are the texts so far, by their kind."""

    kind: str
    index: int
    parts: dict[str, list[str]] = {}
    logprobs: list[object] = []


class _Calling(msgspec.Struct):
    """A tool call that is open. It has no place before its name is known."""

    call_id: str
    index: int | None = None
    name: str = ""
    arguments: list[str] = []


CODES: Mapping[FailureKind, str] = {
    FailureKind.THROTTLED: "rate_limit_exceeded",
    FailureKind.CONTEXT_TOO_LONG: "context_length_exceeded",
    FailureKind.CONTENT_FILTERED: "invalid_prompt",
    FailureKind.REJECTED: "invalid_prompt",
    FailureKind.BLOCKED: "invalid_prompt",
    FailureKind.REVOKED: "invalid_prompt",
}
"""Codes of a failed response; all others are `server_error`. Codex tries again unless a code tells it not to."""


class Stream(Following):
    """Writes the events of one response."""

    def __init__(self, reader: StreamReader, chat: ChatRequest) -> None:
        super().__init__(reader)
        self._told = Told(chat)
        self._splitter = Splitter()
        self._next_number = 0
        self._begun = False
        self._ended = False
        self._output: list[Item] = []  # as they stand: an open item is there from its beginning
        self._words: _Words | None = None
        self._places = Calls()
        self._calls: dict[int, _Calling] = {}
        self._thinking = _Thinking()
        self._extra: dict[str, Raw] = {}
        self._reason: str | None = None

    def _pass(self, events: bytes) -> bytes:
        out = b"".join([self._take_event(event) for event in self._splitter.feed(events)])
        if self.done and not self._ended:  # by a reader that says so without an event
            out += self._fail(self.failed or unreadable("the backend ended the stream before the answer was complete"))
        return out

    def _take_event(self, event: bytes) -> bytes:
        data = data_of(event)
        if self._ended:
            return b""
        if not data or data.isspace():
            return event if event.startswith(b":") else b""
        if data.startswith(b"[DONE]"):
            return self._fail(UNFINISHED) if self.unfinished else self._end()
        if (chunk := read(data)) is None:
            return self._fail(unreadable("the backend sent an event that is no chunk of a chat completion"))
        if chunk.error:
            return self._fail(self.failed)
        if not self._begun:
            self._told.learn(chunk)  # the first one names the answer, so that no item changes its id
        self._told.serve(chunk)
        if not chunk.choices:
            return b""  # usage, or what Azure says of the prompt
        out = self._begin()
        for choice in chunk.choices:
            if choice.index in (0, None) and not self._ended:
                out += self._take_choice(choice)
        return out

    def _take_choice(self, choice: Choice) -> bytes:
        said = choice.delta or Said()
        out = b""
        if thought := said.thought:
            out += self._say("reasoning", "summary" if self._told.summarised else "reasoning", thought, ())
        if text := said.text:
            out += self._say("message", "text", text, choice.likely)
        if refused := said.refused:
            out += self._say("message", "refusal", refused, ())
        for call in said.calls:
            out += self._call(call)
        for block in said.blocks:
            self._thinking.add(block)
        if choice.failed is not None:
            return out + self._fail(choice.failed)
        if choice.ended is not None:
            self._reason = why_incomplete(choice.ended)
            out += self._close()
        return out

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        response = self._told.response("in_progress", [])
        return self._event("response.created", {"response": response}) + self._event(
            "response.in_progress", {"response": response}
        )

    def _say(self, kind: str, part: str, text: str, logprobs: Sequence[object]) -> bytes:
        """Some more of a reasoning item or of a message."""
        out = b""
        words = self._words
        if words is None or words.kind != kind:
            out += self._close_words()
            words = self._words = _Words(kind, len(self._output))
            make = self._told.reasoning(words.index, "", "in_progress")
            out += self._add(make if kind == "reasoning" else self._told.message(words.index, [], "in_progress"))
        if part not in words.parts:
            words.parts[part] = []
            added = "response.reasoning_summary_part.added" if part == "summary" else "response.content_part.added"
            out += self._event(added, {**self._place(words, part), "part": _PARTS[part]("")})
        _say(words.parts[part], text)
        words.logprobs += logprobs
        told = {"logprobs": list(logprobs)} if part == "text" else {}
        return out + self._event(f"response.{_NAMES[part]}.delta", {**self._place(words, part), "delta": text, **told})

    def _close(self) -> bytes:
        """Ends all that is open. Where the answer is not whole, the item that was last begun is not."""
        return self._close_words(last=True) + self._close_calls()

    def _close_words(self, *, last: bool = False) -> bytes:
        if (words := self._words) is None:
            return b""
        self._words = None
        out = b""
        for part, pieces in words.parts.items():
            text, place = _joined(pieces), self._place(words, part)
            told = {"logprobs": words.logprobs} if part == "text" else {}
            said = {"refusal": text} if part == "refusal" else {"text": text}
            out += self._event(f"response.{_NAMES[part]}.done", {**place, **said, **told})
            ended = "response.reasoning_summary_part.done" if part == "summary" else "response.content_part.done"
            out += self._event(ended, {**place, "part": _part(words, part)})
        cut = last and self._reason is not None and words.index == len(self._output) - 1
        return out + self._finish(words.index, self._item(words, "incomplete" if cut else "completed"))

    def _item(self, words: _Words, status: str) -> Item:
        if words.kind == "message":
            return self._told.message(words.index, [_part(words, part) for part in words.parts], status)
        text = "".join([piece for pieces in words.parts.values() for piece in pieces])
        return self._told.reasoning(words.index, text, status)

    def _place(self, words: _Words, part: str) -> dict[str, object]:
        place: dict[str, object] = {"item_id": self._output[words.index]["id"], "output_index": words.index}
        number = "summary_index" if part == "summary" else "content_index"
        return {**place, number: list(words.parts).index(part)}

    def _call(self, piece: Call) -> bytes:
        """Some more of a tool call."""
        out = b""
        place = self._places.place(piece)
        call = self._calls.get(place)
        if call is None:
            call = self._calls[place] = _Calling(self._told.call_id(piece, len(self._output)))
        if piece.extra is not None:
            self._extra[call.call_id] = Raw(msgspec.json.encode(piece.extra))
        waiting = list(call.arguments) if call.index is None else []
        if piece.arguments:
            _say(call.arguments, piece.arguments)
            waiting.append(piece.arguments)
        if call.index is None and piece.name:
            out += self._close_words()
            call.name, call.index = piece.name, len(self._output)
            out += self._add(self._told.call(call.index, call.call_id, call.name, "", "in_progress"))
        if call.index is not None and waiting and self._output[call.index]["type"] == "function_call":
            where = {"item_id": self._output[call.index]["id"], "output_index": call.index}
            out += self._event("response.function_call_arguments.delta", {**where, "delta": "".join(waiting)})
        return out

    def _close_calls(self) -> bytes:
        out = b""
        calls = sorted(
            (call for call in self._calls.values() if call.index is not None), key=lambda call: call.index or 0
        )
        self._calls = {}
        for call in calls:
            index = call.index or 0
            cut = self._reason is not None and index == len(self._output) - 1
            status = "incomplete" if cut else "completed"
            item = self._told.call(index, call.call_id, call.name, "".join(call.arguments), status)
            place: dict[str, object] = {"item_id": item["id"], "output_index": index}
            if item["type"] == "custom_tool_call":
                if item["input"]:
                    out += self._event("response.custom_tool_call_input.delta", {**place, "delta": item["input"]})
                out += self._event("response.custom_tool_call_input.done", {**place, "input": item["input"]})
            else:
                done = {**place, "name": item["name"], "arguments": item["arguments"]}
                out += self._event("response.function_call_arguments.done", done)
            out += self._finish(index, item)
        return out

    def _end(self) -> bytes:
        """The end of a whole answer."""
        out = self._begin() + self._close()
        carried = Carried(self._thinking.blocks(), self._extra)
        if carried.thinking or carried.extra:
            item = self._told.sealed(len(self._output), carried)
            out += self._add(item) + self._finish(len(self._output) - 1, item)
        self._ended = True
        status = "completed" if self._reason is None else "incomplete"
        response = self._told.response(status, self._output, self.usage, reason=self._reason)
        return out + self._event(f"response.{status}", {"response": response})

    def _fail(self, failed: Failed | None) -> bytes:
        """The end of an answer that broke off. What was open has no end, and nothing says that it is whole."""
        failed = failed or unreadable("the backend broke the stream off")
        self.done = self._ended = True
        self.failed = failed
        out = self._begin()
        if self._words is not None:
            self._output[self._words.index] = self._item(self._words, "incomplete")
        for call in self._calls.values():
            if call.index is not None:
                arguments = "".join(call.arguments)
                item = self._told.call(call.index, call.call_id, call.name, arguments, "incomplete")
                self._output[call.index] = item
        response = self._told.response("failed", self._output, self.usage, error=_wrong(failed))
        return out + self._event("response.failed", {"response": response})

    def _add(self, item: Item) -> bytes:
        self._output.append(item)
        return self._event("response.output_item.added", {"output_index": len(self._output) - 1, "item": item})

    def _finish(self, index: int, item: Item) -> bytes:
        self._output[index] = item
        return self._event("response.output_item.done", {"output_index": index, "item": item})

    def _event(self, kind: str, members: Mapping[str, object]) -> bytes:
        data = msgspec.json.encode({"type": kind, "sequence_number": self._next_number, **members})
        self._next_number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


_PARTS = {"text": text_part, "refusal": refusal_part, "reasoning": reasoning_part, "summary": summary_part}
_NAMES = {
    "text": "output_text",
    "refusal": "refusal",
    "reasoning": "reasoning_text",
    "summary": "reasoning_summary_text",
}


_MOST_PIECES = 4096


def _say(pieces: list[str], more: str) -> None:
    """Adds to a text in pieces. Of very many there are few: each has fifty bytes of its own."""
    pieces.append(more)
    if len(pieces) >= _MOST_PIECES:
        _joined(pieces)


def _joined(pieces: list[str]) -> str:
    """The whole of it, which is then one piece."""
    pieces[:] = ["".join(pieces)]
    return pieces[0]


def _part(words: _Words, part: str) -> Item:
    text = _joined(words.parts[part])
    return text_part(text, words.logprobs) if part == "text" else _PARTS[part](text)


class _Thinking:
    """The thinking blocks of an answer. The text of one may come in pieces, before its signature."""

    def __init__(self) -> None:
        self._whole: list[Raw] = []
        self._open: dict[str, object] = {}
        self._pieces: list[str] = []

    def add(self, block: Mapping[str, object]) -> None:
        """Adds a block, or more of the last one."""
        text, signature = block.get("thinking", ""), block.get("signature")
        if block.get("type") != "thinking" or not isinstance(text, str) or not isinstance(signature, str | None):
            self._close()
            self._whole.append(Raw(msgspec.json.encode(block)))
            return
        self._open |= block
        _say(self._pieces, text)
        if signature:
            self._close()

    def blocks(self) -> list[Raw]:
        """All of them; the last one is then whole."""
        self._close()
        return self._whole

    def _close(self) -> None:
        if self._open:
            told = {name: value for name, value in self._open.items() if value is not None}
            self._whole.append(Raw(msgspec.json.encode({**told, "thinking": _joined(self._pieces)})))
            self._open, self._pieces = {}, []


def _wrong(failed: Failed) -> Mapping[str, str]:
    """What went wrong, by the few codes that a response has; `type` is the code that chat has for it."""
    message, code = failed.error.get("message"), failed.error.get("code")
    return {
        "code": CODES.get(failed.kind, "server_error"),
        "message": message if isinstance(message, str) else "the backend broke the stream off",
        "type": code if isinstance(code, str) else failed.kind.code,
    }
