"""The conversation of an Anthropic Messages request, said as chat messages.

What differs: tool results are messages of their own in chat, and hold text only; what is attached to one follows in the
user's message. A system message in the middle becomes text of the user's message between `<system-reminder>` tags: many
chat templates refuse one anywhere but first, moving it there would spoil the prefix cache, and less authority is the
safe side. Marks for prompt caches have no place in chat, where strict servers refuse them.
Facts: types of anthropic 2.14, requests of Claude Code 2.1.2xx, November 2026.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec import Raw

from gateway.core.errors import Refusal, Refused

Block = Mapping[str, Raw]
Message = dict[str, object]
T = TypeVar("T")

BILLING = "x-anthropic-billing-header:"
"""Begins the line that Claude Code puts before its system prompt. It is for Anthropic's books, not for a model, and
differs in each request, so no prefix cache would ever hold: chat backends do not get it."""

BREAK = "\n\n"
"""Between blocks of text that become one text, as servers that take only strings want it."""


class Turn(msgspec.Struct):
    """One message as it came. `content` is checked block by block."""

    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Raw]] = ""
    clear_at: Literal["next_user_message", "never"] | None = None
    output_config: Raw = Raw(b"")


class Reasons:
    """Why a request cannot be said as chat, each once, in words that follow "the request"."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def add(self, reason: str) -> None:
        """One more. It may name what the client wrote, so it is not endless."""
        self._said[reason[:160]] = None

    def __str__(self) -> str:
        return " and ".join(list(self._said)[:3])


def conversation(system: str | list[dict[str, Raw]] | None, turns: Sequence[Turn], only: Reasons) -> list[Message]:
    """The chat messages. Raises Refused (400) for blocks of a wrong form."""
    lead = [] if system is None else list(_texts("system", system, only))
    groups = _grouped(turns, lead, only)
    if groups and groups[-1][0] == "assistant":
        only.add("ends with the beginning of an answer that is to be continued")
    messages: list[Message] = []
    if lead:
        messages.append({"role": "system", "content": BREAK.join(lead)})
    for role, blocks in groups:
        messages += _User(only).said(blocks) if role == "user" else [_assistant(blocks, only)]
    return messages or [{"role": "user", "content": ""}]


def _grouped(turns: Sequence[Turn], lead: list[str], only: Reasons) -> list[tuple[str, list[tuple[str, Block]]]]:
    """Blocks by speaker, each with its path; what the same one says in a row is one turn, as Anthropic reads it."""
    last_user = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=-1)
    groups: list[tuple[str, list[tuple[str, Block]]]] = []
    for index, turn in enumerate(turns):
        path = f"messages[{index}].content"
        role = turn.role
        if role == "system":
            if turn.output_config:
                only.add("sets `output_config` in a system message")
            if turn.clear_at == "next_user_message" and index < last_user:
                continue  # it was for a turn that is over
            texts = list(_texts(path, turn.content, only))
            if not groups:
                lead += texts
                continue
            role = "user"
            blocks = [(path, _text_block(f"<system-reminder>\n{text}\n</system-reminder>")) for text in texts]
        elif isinstance(turn.content, str):
            blocks = [(path, _text_block(turn.content))]
        else:
            blocks = [(f"{path}[{at}]", block) for at, block in enumerate(turn.content)]
        if groups and groups[-1][0] == role:
            groups[-1][1].extend(blocks)
        else:
            groups.append((role, blocks))
    return groups


def _texts(path: str, content: str | list[dict[str, Raw]], only: Reasons) -> Iterable[str]:
    """The texts of a system prompt."""
    if isinstance(content, str):
        texts = [content]
    else:
        texts = []
        for at, block in enumerate(content):
            where = f"{path}[{at}]"
            if (kind := text_of(block, "type", where)) == "text":
                _known(block, where, _TEXT, only)
                texts.append(text_of(block, "text", where))
            else:
                only.add(f"has a block of type `{kind}` in a system prompt")
                texts.append(_as_json(block))
    return [text for text in texts if text and not (text.startswith(BILLING) and "\n" not in text.strip())]


class _User:
    """What a user says, as chat messages: results of tools first, then all else."""

    def __init__(self, only: Reasons) -> None:
        self._only = only

    def said(self, blocks: Sequence[tuple[str, Block]]) -> list[Message]:
        """The messages of one turn."""
        results: list[Message] = []
        attached: list[Message] = []
        rest: list[Message] = []
        for path, block in blocks:
            if text_of(block, "type", path) == "tool_result":
                results.append(self._result(block, path, attached))
            else:
                rest += parts_of(block, path, self._only)
        parts = attached + rest
        if parts or not results:
            results.append({"role": "user", "content": _simplest(parts)})
        return results

    def _result(self, block: Block, path: str, attached: list[Message]) -> Message:
        _known(block, path, _RESULT, self._only)
        call = text_of(block, "tool_use_id", path)
        parts: list[Message] = []
        raw = block.get("content", _NULL)
        if bytes(raw)[:1] == b'"':
            parts = [_text_part(text_of(block, "content", path))]
        elif raw != _NULL:
            inside = _read(_BLOCKS, raw, f"{path}.content")
            for at, each in enumerate(inside):
                parts += parts_of(each, f"{path}.content[{at}]", self._only)
        texts = [str(part["text"]) for part in parts if part["type"] == "text"]
        if others := [part for part in parts if part["type"] != "text"]:
            attached += [_text_part(f"Attached to the result of tool call {call}:"), *others]
            texts = texts or ["The result is attached to the message that follows."]
        said = BREAK.join(text for text in texts if text)
        if _read(_BOOL, block.get("is_error", _NULL), f"{path}.is_error"):
            said = f"Error: {said}" if said else "Error"  # chat has no other word for it
        return {"role": "tool", "tool_call_id": call, "content": said}


def _assistant(blocks: Sequence[tuple[str, Block]], only: Reasons) -> Message:
    """What the model said. Thinking that nobody signed goes on as `reasoning_content` alone."""
    content, before = "", ""
    thoughts: list[str] = []
    signed: list[Message] = []
    calls: list[Message] = []
    for path, block in blocks:
        kind = text_of(block, "type", path)
        if kind == "text":
            _known(block, path, _TEXT, only)
            text = text_of(block, "text", path)
            content += BREAK + text if content and before != "text" else text
        elif kind == "thinking":
            _known(block, path, _THINKING, only)
            thought = text_of(block, "thinking", path)
            signature = text_of(block, "signature", path, missing="")
            thoughts += [thought] if thought else []
            if signature:
                signed.append({"type": "thinking", "thinking": thought, "signature": signature})
        elif kind == "redacted_thinking":
            _known(block, path, _REDACTED, only)
            signed.append({"type": "redacted_thinking", "data": text_of(block, "data", path)})
        elif kind == "tool_use":
            _known(block, path, _USE, only)
            calls.append(_call(block, path, only))
        else:
            only.add(f"has a block of type `{kind}` in an answer")
            content += BREAK + _as_json(block) if content else _as_json(block)
        before = kind
    message: Message = {"role": "assistant", "content": content or (None if calls else "")}
    if thoughts:
        message["reasoning_content"] = BREAK.join(thoughts)
    if signed:
        message["thinking_blocks"] = signed
    if calls:
        message["tool_calls"] = calls
    return message


def _call(block: Block, path: str, only: Reasons) -> Message:
    """A tool call. Its arguments are the bytes of the input as it came."""
    arguments = bytes(block.get("input", Raw(b"{}")))
    if arguments[:1] != b"{":
        raise wrong(f"{path}.input", "expected an object")
    caller = block.get("caller", _NULL)
    if caller != _NULL and _read(_MEMBERS, caller, f"{path}.caller").get("type") != Raw(b'"direct"'):
        only.add("has a tool call that was not made by the model itself")
    name = text_of(block, "name", path)
    function = {"name": name, "arguments": arguments.decode()}
    return {"id": text_of(block, "id", path), "type": "function", "function": function}


def parts_of(block: Block, path: str, only: Reasons) -> list[Message]:
    """The chat parts of a block that a user may send, in a message or in the result of a tool."""
    kind = text_of(block, "type", path)
    if kind not in _KINDS:
        only.add(f"has a block of type `{kind}`")
        return [_text_part(_as_json(block))]
    known, said = _KINDS[kind]
    _known(block, path, known, only)
    return said(block, path, only)


def _text(block: Block, path: str, _only: Reasons) -> list[Message]:
    text = text_of(block, "text", path)
    return [_text_part(text)] if text else []


def _image(block: Block, path: str, only: Reasons) -> list[Message]:
    source = _source(block, path)
    kind = text_of(source, "type", f"{path}.source")
    if kind == "url":
        url = text_of(source, "url", f"{path}.source")
    elif kind == "base64":
        url = _data_url(source, f"{path}.source")
    else:
        only.add(f"sends an image by a source of type `{kind}`")
        return [{"type": "image_url", "image_url": {"url": _as_json(source)}}]
    return [{"type": "image_url", "image_url": {"url": url}}]


def _document(block: Block, path: str, only: Reasons) -> list[Message]:
    """A document. Its title and what is said about it come before its text."""
    source, where = _source(block, path), f"{path}.source"
    kind = text_of(source, "type", where)
    title = text_of(block, "title", path, missing="")
    about = [_text_part(text) for text in (title, text_of(block, "context", path, missing="")) if text]
    _uncited(block, path, only)
    if kind == "text":
        return [*about, _text_part(text_of(source, "data", where))]
    if kind == "content":
        if bytes(source.get("content", _NULL))[:1] == b'"':
            return [*about, _text_part(text_of(source, "content", where))]
        inside = _read(_BLOCKS, source.get("content", _NULL), f"{where}.content")
        return about + [
            part for at, each in enumerate(inside) for part in parts_of(each, f"{where}.content[{at}]", only)
        ]
    if kind == "base64":
        file: Message = {"filename": title or "document.pdf", "file_data": _data_url(source, where)}
        return [*about[1 if title else 0 :], {"type": "file", "file": file}]
    only.add(f"sends a document by a source of type `{kind}`")
    named = text_of(source, "file_id" if kind == "file" else "url", where, missing="")
    return [*about, {"type": "file", "file": {"file_id": named}}]


def _search_result(block: Block, path: str, only: Reasons) -> list[Message]:
    _uncited(block, path, only)
    inside = _read(_BLOCKS, block.get("content", _NULL), f"{path}.content")
    texts = [text_of(each, "text", f"{path}.content[{at}]") for at, each in enumerate(inside)]
    heads = [text_of(block, name, path) for name in ("title", "source")]
    return [_text_part(BREAK.join(["\n".join(heads), *texts]))]


def _tool_reference(block: Block, path: str, _only: Reasons) -> list[Message]:
    """A tool that was found by a search. Chat backends know it already: they get all tools at once."""
    return [_text_part(f"The tool `{text_of(block, 'tool_name', path)}` is available.")]


_Said = Callable[[Block, str, Reasons], list[Message]]
_TEXT = ("text", "citations")  # citations of an earlier answer: the text that they are about is there
_THINKING = ("thinking", "signature")
_REDACTED = ("data",)
_USE = ("id", "name", "input", "caller")
_RESULT = ("tool_use_id", "content", "is_error")
_KINDS: Mapping[str, tuple[tuple[str, ...], _Said]] = {
    "text": (_TEXT, _text),
    "image": (("source",), _image),
    "document": (("source", "title", "context", "citations"), _document),
    "search_result": (("source", "title", "content", "citations"), _search_result),
    "tool_reference": (("tool_name",), _tool_reference),
}
"""What a user may send and chat can say: the members that are read, and how they are said."""

_NULL = Raw(b"null")
_BLOCKS: msgspec.json.Decoder[list[dict[str, Raw]]] = msgspec.json.Decoder(list[dict[str, Raw]])
_MEMBERS: msgspec.json.Decoder[dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw])
_STRING: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)
_BOOL: msgspec.json.Decoder[bool | None] = msgspec.json.Decoder(bool | None)


def _known(block: Block, path: str, names: Iterable[str], only: Reasons) -> None:
    """Notes members that nobody here knows, unless they ask for nothing. Marks for caches are known everywhere."""
    for name in block.keys() - {"type", "cache_control", *names}:
        if block[name] != _NULL:
            only.add(f"has the member `{name}` in a block of type `{text_of(block, 'type', path)}`")


def _uncited(block: Block, path: str, only: Reasons) -> None:
    raw = block.get("citations", _NULL)
    if raw != _NULL and _read(_MEMBERS, raw, f"{path}.citations").get("enabled") == Raw(b"true"):
        only.add("asks for citations")


def _source(block: Block, path: str) -> Block:
    return _read(_MEMBERS, block.get("source", _NULL), f"{path}.source")


def _data_url(source: Block, path: str) -> str:
    return f"data:{text_of(source, 'media_type', path)};base64,{text_of(source, 'data', path)}"


def _text_part(text: str) -> Message:
    return {"type": "text", "text": text}


def _text_block(text: str) -> Block:
    return {"type": Raw(b'"text"'), "text": Raw(msgspec.json.encode(text))}


def _simplest(parts: Sequence[Message]) -> str | Sequence[Message]:
    """Text alone is one string, which every server takes."""
    if all(part["type"] == "text" for part in parts):
        return BREAK.join(str(part["text"]) for part in parts)
    return parts


def _as_json(block: Block) -> str:
    """What cannot be said as chat, so that its size is known. No chat backend gets it."""
    return msgspec.json.encode(block).decode()


def text_of(block: Block, name: str, path: str, missing: str | None = None) -> str:
    """A text in a block. Raises Refused (400) when it is another type, or missing where nothing stands for it."""
    text = _read(_STRING, block.get(name, _NULL), f"{path}.{name}")
    if text is None:
        if missing is None:
            where = f"{path}.{name}"
            raise Refused(Refusal.MISSING_PARAMETER, f"missing required parameter: `{where}`", param=where)
        return missing
    return text


def _read(decoder: "msgspec.json.Decoder[T]", raw: Raw, path: str) -> T:
    """A value of the wanted type. Raises Refused (400)."""
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        what, _, inside = str(error).partition(" - at `$")
        raise wrong(f"{path}{inside.rstrip('`')}", f"{what[:1].lower()}{what[1:]}") from None


def wrong(path: str, problem: str) -> Refused:
    """The refusal for a value of a wrong form. Names the field, never its value."""
    return Refused(Refusal.INVALID_TYPE, f"invalid `{path}`: {problem}", param=path)
