"""Answers as they go to the client: where a model's words stand in an event or in a body, and how to change them there.

What is not changed keeps its bytes. An answer is read by construction: every string of a delta or a message counts but
the few that servers write themselves.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Raw

from gateway.core.findings import Path, Step
from gateway.core.sse import data_of

TOGETHER = -1
"""Stands in the path of a text for a position in a list: all that the list holds is one text."""

COMPLETION = "choices.text"
"""The path of what stands in a choice itself, as legacy completions write it."""

_FRAME = frozenset({"role", "type", "id"})
"""Members that the server writes, not the model."""
_HEAD = ("id", "object", "created", "model", "system_fingerprint", "service_tier")
_NOBODY: frozenset[int] = frozenset()
_LINE_END = re.compile(rb"\r\n|\n|\r")
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_ITEMS = msgspec.json.Decoder(list[Raw])


class Piece(msgspec.Struct, frozen=True):
    """Some words of an answer: those of choice `choice` that continue the text `path` of it, where tool calls go by
    their `index`. They stand `at` a place in the event or the body. `echo`: they say again what stands elsewhere."""

    choice: int
    path: Path
    at: Path
    text: str
    echo: bool = False

    @property
    def is_json(self) -> bool:
        """Whether the text is itself JSON: the arguments of a call."""
        return self.path[-1] == "arguments"


class Chunk(msgspec.Struct, frozen=True):
    """One event. `finished` are the choices that end with it.

    `silent`: it carries no data. `last`: nothing more is written after it. `closing`: it speaks of the whole answer, as
    the usage chunk does. `readable`: what it carries could be read.
    """

    event: bytes
    data: bytes
    pieces: tuple[Piece, ...] = ()
    finished: frozenset[int] = frozenset()
    silent: bool = False
    last: bool = False
    closing: bool = False
    readable: bool = True

    def with_texts(self, texts: Mapping[Path, str]) -> bytes:
        """The event with other words at these places."""
        data = spliced(self.data, {at: msgspec.json.encode(text) for at, text in texts.items()})
        others = [line for line in _LINE_END.split(self.event) if line and not line.startswith(b"data:")]
        return b"".join(line + b"\n" for line in others) + _data(data)


def read_event(event: bytes) -> Chunk:
    """What an event says."""
    data = data_of(event)
    if not data or data.isspace():
        return Chunk(event, data, silent=True)
    if data.startswith(b"[DONE]"):
        return Chunk(event, data, last=True)
    document = _decoded(data)
    if document is None:
        return Chunk(event, data, last=True, readable=False)
    if document.get("error"):
        return Chunk(event, data, last=True)
    pieces: list[Piece] = []
    finished: list[int] = []
    choices = _choices(document)
    for number, at, choice in choices:
        _read(number, at, choice, pieces)
        if choice.get("finish_reason") is not None:
            finished.append(number)
    closing = not choices and bool(document.get("usage"))
    return Chunk(event, data, tuple(pieces), frozenset(finished) if finished else _NOBODY, closing=closing)


def read_answer(body: bytes) -> tuple[Piece, ...] | None:
    """The words of a buffered answer, None: nobody can read it."""
    document = _decoded(body)
    if document is None:
        return None
    pieces: list[Piece] = []
    for number, at, choice in _choices(document):
        _read(number, at, choice, pieces)
    return tuple(pieces)


def event_of(data: bytes, choice: int, path: Path, text: str) -> bytes:
    """An event of our own that continues a text, with the head of another event."""
    if path == (COMPLETION,):
        return _data(
            msgspec.json.encode({**_head(data), "choices": [{"index": choice, "text": text, "finish_reason": None}]})
        )
    inner: object = text
    for step in reversed(path):
        if isinstance(step, str):
            inner = {step: inner}
        elif step == TOGETHER:
            inner = [inner]
        else:
            inner = [{"index": step, **inner}] if isinstance(inner, dict) else [inner]
    choices = [{"index": choice, "delta": inner, "finish_reason": None}]
    return _data(msgspec.json.encode({**_head(data), "choices": choices}))


def _head(data: bytes) -> dict[str, Raw]:
    members = _MEMBERS.decode(data) if data else {}
    return {name: members[name] for name in _HEAD if name in members}


def spliced(raw: bytes, changes: Mapping[Path, bytes]) -> bytes:
    """A JSON value with other values (JSON) at some places. All other values keep their bytes."""
    if (put := changes.get(())) is not None:
        return put
    inside: dict[Step, dict[Path, bytes]] = {}
    for path, put in changes.items():
        inside.setdefault(path[0], {})[path[1:]] = put
    if isinstance(next(iter(inside)), int):
        items = _ITEMS.decode(raw)
        return b"[%b]" % b",".join(
            spliced(bytes(item), inside[at]) if at in inside else bytes(item) for at, item in enumerate(items)
        )
    members = _MEMBERS.decode(raw)
    return b"{%b}" % b",".join(
        msgspec.json.encode(name) + b":" + (spliced(bytes(value), inside[name]) if name in inside else bytes(value))
        for name, value in members.items()
    )


def _data(data: bytes) -> bytes:
    """An event with this JSON, in which line ends can only be space between values."""
    return b"data: " + data.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n\n"


def _decoded(data: bytes) -> dict[str, object] | None:
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _choices(document: dict[str, object]) -> list[tuple[int, Path, dict[str, object]]]:
    """Each choice with its number and its place."""
    choices = document.get("choices")
    if not isinstance(choices, list):
        return []
    return [
        (_index(choice, at), ("choices", at), choice) for at, choice in enumerate(choices) if isinstance(choice, dict)
    ]


def _index(item: object, otherwise: int) -> int:
    index = item.get("index") if isinstance(item, dict) else None
    return index if isinstance(index, int) and index >= 0 else otherwise


def _read(number: int, at: Path, choice: dict[str, object], pieces: list[Piece]) -> None:
    """Adds what the model wrote: the delta or the message, and the tokens of the log probabilities, without the
    alternatives that it did not take."""
    for name in ("delta", "message"):
        written = choice.get(name)
        if not isinstance(written, dict):
            continue
        for field, value in written.items():
            if isinstance(value, str):
                if field not in _FRAME:
                    pieces.append(Piece(number, (field,), (*at, name, field), value))
            elif value is not None:
                pieces.extend(_strings(number, (field,), (*at, name, field), value))
    if isinstance(text := choice.get("text"), str):  # a completion without a conversation
        pieces.append(Piece(number, (COMPLETION,), (*at, "text"), text))
    logprobs = choice.get("logprobs")
    if isinstance(logprobs, dict):
        for name, tokens in logprobs.items():
            for nth, token in enumerate(tokens if isinstance(tokens, list) else ()):
                if isinstance(token, dict) and isinstance(text := token.get("token"), str):
                    path = ("logprobs", name, TOGETHER, "token")
                    pieces.append(Piece(number, path, (*at, "logprobs", name, nth, "token"), text, echo=True))


def _strings(choice: int, path: Path, at: Path, value: object) -> Iterator[Piece]:
    stack: list[tuple[Path, Path, object]] = [(path, at, value)]
    while stack:
        path, at, value = stack.pop()
        if isinstance(value, str):
            yield Piece(choice, path, at, value)
        elif isinstance(value, dict):
            stack.extend(
                ((*path, name), (*at, name), child)
                for name, child in reversed(list(value.items()))
                if name not in _FRAME or not isinstance(child, str)
            )
        elif isinstance(value, list):
            stack.extend(
                ((*path, _index(value[nth], TOGETHER)), (*at, nth), value[nth]) for nth in range(len(value) - 1, -1, -1)
            )
