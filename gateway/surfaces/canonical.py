"""Canonical answers, as the surfaces read them that say them in another form. Backends differ in the types of what they
leave out or write in their own way, so each member is looked at when it is read.
"""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.core.errors import Failed
from gateway.ports import UpstreamError
from gateway.providers import finish
from gateway.providers.failures import unreadable
from gateway.providers.reader import UNFINISHED


class Call(msgspec.Struct, frozen=True):
    """A tool call, or some of one. `index` is its place among the calls of the answer, None: it is not told. `extra` is
    what its backend wants back with it."""

    index: int | None
    id: str
    name: str
    arguments: str
    extra: object = None


class Thought(msgspec.Struct, frozen=True):
    """One of the `thinking_blocks` that travel beside `reasoning_content`. `data` is what is hidden, else empty."""

    text: str
    signature: str
    data: str


class Said(msgspec.Struct):
    """What a model wrote: a delta of a stream, or a whole message."""

    content: object = None
    reasoning_content: object = None
    reasoning: object = None
    refusal: object = None
    thinking_blocks: object = None
    tool_calls: object = None

    @property
    def text(self) -> str:
        """Its text, by whichever form."""
        return _string(self.content) + _texts(self.content)

    @property
    def refused(self) -> str:
        """Its own words for that it will not."""
        return _string(self.refusal)

    @property
    def thought(self) -> str:
        """Its reasoning, under whichever name, or as parts of the content (Mistral)."""
        parts = [each.get("thinking") for each in _objects(self.content) if each.get("type") == "thinking"]
        inside = "".join([_string(each) + _texts(each) for each in parts])
        return _string(self.reasoning_content) or _string(self.reasoning) or inside

    @property
    def thoughts(self) -> list[Thought]:
        """Its reasoning as Anthropic's models wrote it."""
        return [
            Thought(_word(block, "thinking"), _word(block, "signature"), _word(block, "data")) for block in self.blocks
        ]

    @property
    def blocks(self) -> list[Mapping[str, object]]:
        """The same as they came."""
        return _objects(self.thinking_blocks)

    @property
    def calls(self) -> list[Call]:
        """Its tool calls. Arguments that came as an object are written as JSON."""
        return [_call(call) for call in _objects(self.tool_calls)]


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _word(members: Mapping[str, object], name: str) -> str:
    return _string(members.get(name))


def _objects(value: object) -> list[Mapping[str, object]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _texts(parts: object) -> str:
    return "".join([_word(part, "text") for part in _objects(parts) if part.get("type") == "text"])


def _call(call: Mapping[str, object]) -> Call:
    function = call.get("function")
    inside: Mapping[str, object] = function if isinstance(function, dict) else {}
    index, arguments = call.get("index"), inside.get("arguments")
    if isinstance(arguments, dict):
        arguments = msgspec.json.encode(arguments).decode()
    place = index if isinstance(index, int) else None
    return Call(place, _word(call, "id"), _word(inside, "name"), _string(arguments), call.get("extra_content"))


class Choice(msgspec.Struct):
    """One choice, streamed or not. `stop_reason` and `matched_stop` name the stop sequence (vLLM, SGLang)."""

    index: object = None
    delta: Said | None = None
    message: Said | None = None
    finish_reason: str | None = None
    stop_reason: object = None
    matched_stop: object = None
    logprobs: object = None

    @property
    def ended(self) -> str | None:
        """Why it ended, by OpenAI's word. None: it has not; some servers write "" for that."""
        return finish.reason(self.finish_reason) if self.finish_reason else None

    @property
    def failed(self) -> Failed | None:
        """How it broke off, by its finish reason."""
        why = finish.failure(self.finish_reason or "")
        return unreadable(why) if why else None

    @property
    def likely(self) -> list[object]:
        """How likely each token of the text was: chat and Responses write that alike."""
        content = self.logprobs.get("content") if isinstance(self.logprobs, dict) else None
        return content if isinstance(content, list) else []


class Completion(msgspec.Struct):
    """A whole answer, or a chunk of one."""

    id: object = None
    created: object = None
    model: object = None
    choices: list[Choice] | None = None
    usage: Raw | UnsetType = UNSET
    service_tier: object = None
    error: object = None


_COMPLETION = msgspec.json.Decoder(Completion)


def read(data: bytes) -> Completion | None:
    """A completion, or a chunk of one. None: nobody can read it."""
    try:
        return _COMPLETION.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def whole(body: bytes) -> Completion:
    """A buffered completion. Raises UpstreamError for one that nobody can read or that broke off, or of which
    nothing says why it ended."""
    completion = read(body)
    if completion is None:
        raise UpstreamError(unreadable("the backend answered with something that is no chat completion"))
    for choice in completion.choices or ():
        if choice.failed is not None:
            raise UpstreamError(choice.failed)
        if choice.finish_reason is None:
            raise UpstreamError(UNFINISHED)
    return completion


class _Known(msgspec.Struct):
    index: int | None
    id: str
    name: str


class Calls:
    """Tells which call of a streamed answer each piece belongs to, by the order in which the calls began."""

    def __init__(self) -> None:
        self._known: list[_Known] = []

    def place(self, piece: Call) -> int:
        """The number of the call. Another id is another call, also at the same index; so is another name without an
        index. All else goes on with the last call that it can belong to."""
        for at in reversed(range(len(self._known))):
            known = self._known[at]
            if _belongs(piece, known, last=at == len(self._known) - 1):
                known.id, known.name = known.id or piece.id, known.name or piece.name
                return at
        self._known.append(_Known(piece.index, piece.id, piece.name))
        return len(self._known) - 1


def _belongs(piece: Call, known: _Known, *, last: bool) -> bool:
    placed = piece.index is not None and known.index is not None
    if placed and piece.index != known.index:
        return False
    if piece.id and known.id:
        return piece.id == known.id
    return placed or (last and not piece.id and not (piece.name and known.name))
