"""What is mended in answers of servers that speak OpenAI's protocol nearly: each change only where bytes are broken.

Tool calls whose pieces cannot be put together by their `index` or that have no type, ids and names that come twice,
arguments that are no string, content that is a list of thoughts and text or is missing, thoughts between tags, choices
in another order. What needs no mending keeps its bytes.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw, UnsetType

from gateway.providers.think_tags import ThinkTags

Members = dict[str, Raw]
Change = Mapping[str, bytes | None]
"""Members (JSON) to set in an object; None: to take out."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Raw = Raw(b"null")


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    type: object = None
    function: _Function | None = None


class _Piece(msgspec.Struct):
    """One piece of content that is a list (Mistral): text, or thoughts, which are pieces again or a string."""

    type: str = "text"
    text: str | None = None
    thinking: "list[_Piece] | str | None" = None


class _Known(msgspec.Struct):
    """A tool call that has begun: the index that the client knows it by, its id and name."""

    index: int
    id: str
    name: str


_CALLS = msgspec.json.Decoder(list[_Call])
_PIECES = msgspec.json.Decoder(list[Raw])
_PIECE = msgspec.json.Decoder(_Piece)
_OBJECT = msgspec.json.Decoder(Members)
_OBJECTS = msgspec.json.Decoder(list[Members])
_WORD = msgspec.json.Decoder(str)


class Choice:
    """What is known of one choice of a stream, as far as a later piece needs it."""

    __slots__ = ("_by_wire", "_last", "_used", "tags")

    def __init__(self, *, tags: bool) -> None:
        self.tags = ThinkTags() if tags else None
        self._by_wire: dict[int, _Known] = {}
        self._used: set[int] = set()
        self._last: _Known | None = None

    @property
    def has_calls(self) -> bool:
        """Some tool call has begun."""
        return bool(self._used)

    def calls(self, raw: bytes) -> bytes | None:
        """The tool calls of a delta, so that their pieces fit together; None: they do."""
        try:
            calls = _CALLS.decode(raw)
        except msgspec.DecodeError:
            return None
        here: set[int] = set()
        changes = [self._call(call, here) for call in calls]
        if not any(changes):
            return None
        members = _OBJECTS.decode(raw)
        for each, change in zip(members, changes, strict=True):
            _set_call(each, change)
        return msgspec.json.encode(members)

    def _call(self, call: _Call, here: set[int]) -> dict[str, bytes | None]:
        """What to change in one piece of a call. `here` are the indexes seen in the same delta."""
        name = (call.function.name if call.function is not None else None) or ""
        change: dict[str, bytes | None] = {}
        if call.function is not None and bytes(call.function.arguments)[:1] == b"{":
            change["arguments"] = _string(call.function.arguments)
        known = (
            self._last
            if call.index is None and not call.id
            else self._by_wire.get(-1 if call.index is None else call.index)
        )
        other = (
            known is not None
            and bool(name)
            and (bool(call.id and known.id and call.id != known.id) or call.index in here)
        )
        if known is None or other:
            index = call.index
            if index is None or index in self._used:
                index = max(self._used, default=-1) + 1
            known = _Known(index, call.id or "", name)
            self._used.add(index)
            if call.function is not None and not call.type:
                change["type"] = b'"function"'
        else:
            if call.id is not None and (known.id or not call.id):
                change["id"] = None
            known.id = known.id or call.id or ""
            if call.function is not None and call.function.name is not None and name in ("", known.name):
                change["name"] = None
            known.name = known.name or name
        self._by_wire[-1 if call.index is None else call.index] = self._last = known
        if call.index is not None:
            here.add(call.index)
        if known.index != call.index:
            change["index"] = b"%d" % known.index
        return change

    def parted(self, content: bytes | None, *, ends: bool) -> Change:
        """What to change in a delta of a model that puts its thoughts between tags. `ends`: no other delta follows."""
        tags = self.tags
        if tags is None or (tags.passed and not ends):
            return {}
        text = _WORD.decode(content) if content is not None and content[:1] == b'"' else ""
        thought, rest = tags.feed(text)
        if ends:
            more = tags.end()
            thought, rest = thought + more[0], rest + more[1]
        return {} if not thought and rest == text else _said(thought, rest)


def whole(message: Members, *, tags: bool) -> Change:
    """What to change in a whole message."""
    change: dict[str, bytes | None] = {}
    content = bytes(message.get("content", b""))
    if content[:1] == b"[":
        change.update(listed(content))
        if change.get("content", b"") is None:
            change["content"] = b"null"
    elif tags and content[:1] == b'"':
        parts = ThinkTags()
        thought, rest = parts.feed(text := _WORD.decode(content))
        more = parts.end()
        thought, rest = thought + more[0], rest + more[1]
        if rest != text:
            change.update(_said(thought, rest))
            change["content"] = msgspec.json.encode(rest)
    elif not content:
        change["content"] = b"null"
    if (members := _whole_calls(bytes(message.get("tool_calls", b"")))) is not None:
        change["tool_calls"] = members
    return change


def _whole_calls(raw: bytes) -> bytes | None:
    """Tool calls of a whole message, each with its type and with arguments that are a string; None: they are."""
    try:
        calls = _CALLS.decode(raw)
    except msgspec.DecodeError:
        return None
    changes: list[dict[str, bytes | None]] = [{} for _ in calls]
    for call, change in zip(calls, changes, strict=True):
        if call.function is not None and not call.type:
            change["type"] = b'"function"'
        if call.function is not None and bytes(call.function.arguments)[:1] == b"{":
            change["arguments"] = _string(call.function.arguments)
    if not any(changes):
        return None
    members = _OBJECTS.decode(raw)
    for each, change in zip(members, changes, strict=True):
        _set_call(each, change)
    return msgspec.json.encode(members)


def _string(arguments: Raw) -> bytes:
    """An object as the JSON of a string that holds it."""
    return msgspec.json.encode(msgspec.json.format(bytes(arguments), indent=-1).decode())


def listed(content: bytes) -> Change:
    """What to change where content is a list: thoughts go into `reasoning_content`, text stays, and pieces of other
    types (Mistral's references) are kept in `content_chunks`. A list of something else is left alone."""
    thought, text, others = "", "", []
    for raw in _PIECES.decode(content):
        try:
            piece = _PIECE.decode(raw)
        except msgspec.DecodeError:
            return {}
        if piece.type == "text":
            text += piece.text or ""
        elif piece.type == "thinking":
            inner = piece.thinking or ""
            thought += inner if isinstance(inner, str) else "".join(each.text or "" for each in inner)
        else:
            others.append(raw)
    said = dict(_said(thought, text))
    return {**said, "content_chunks": msgspec.json.encode(others)} if others else said


def _said(thought: str, text: str) -> Change:
    """Members of a delta; no `content` where nothing but thought was said."""
    content = msgspec.json.encode(text) if text or not thought else None
    return {"content": content, "reasoning_content": msgspec.json.encode(thought)} if thought else {"content": content}


def _set_call(members: Members, change: Mapping[str, bytes | None]) -> None:
    """Changes one tool call; `name` and `arguments` are members of its function."""
    for name in ("index", "id", "type"):
        if name in change:
            put(members, name, change[name])
    if "name" in change or "arguments" in change:
        function = _OBJECT.decode(members["function"])
        for name in ("name", "arguments"):
            if name in change:
                put(function, name, change[name])
        members["function"] = Raw(msgspec.json.encode(function))


def put(members: Members, name: str, value: bytes | None) -> None:
    """Sets a member, or takes it out."""
    if value is None:
        members.pop(name, None)
    else:
        members[name] = Raw(value)


def rewritten(data: bytes, changes: Mapping[int, tuple[Change, bytes | None]], inner: str) -> bytes:
    """A chunk or a whole answer with its choices changed: by their places, the change of what each says (`delta` or
    `message`), and the finish reason (JSON), None: that stays."""
    members = _OBJECT.decode(data)
    choices = _OBJECTS.decode(members["choices"])
    for at, (change, finish) in changes.items():
        choice = choices[at]
        if change:
            said = _OBJECT.decode(choice[inner]) if bytes(choice.get(inner, b"null")) != b"null" else {}
            for name, value in change.items():
                put(said, name, value)
            choice[inner] = Raw(msgspec.json.encode(said))
        if finish is not None:
            choice["finish_reason"] = Raw(finish)
    members["choices"] = Raw(msgspec.json.encode(choices))
    return msgspec.json.encode(members)


def in_order(body: bytes, indexes: Sequence[int]) -> bytes:
    """A whole answer with its choices by their indexes."""
    members = _OBJECT.decode(body)
    choices = _OBJECTS.decode(members["choices"])
    ordered = [choice for _, choice in sorted(zip(indexes, choices, strict=True), key=lambda each: each[0])]
    members["choices"] = Raw(msgspec.json.encode(ordered))
    return msgspec.json.encode(members)


def raw_or_none(raw: Raw | UnsetType) -> bytes | None:
    """The bytes of a value that is there."""
    return None if isinstance(raw, UnsetType) else bytes(raw)
