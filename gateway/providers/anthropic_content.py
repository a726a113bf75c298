"""The messages of a chat completion as Anthropic takes them: system apart, turns merged, every part a block."""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.core.errors import Refusal, Refused

Block = dict[str, object]

READABLE = frozenset({"text", "refusal", "image_url", "file"})
"""Types of content parts that can be said."""

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+=-]+)*?;base64,", re.IGNORECASE)
_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_PDF, _TEXT = "application/pdf", "text/plain"
_PDF_BASE64 = "JVBERi"  # every PDF begins with %PDF-
_IMAGE_TYPES = {"image/jpg": "image/jpeg"}  # which many write
_SIGNED = frozenset({"thinking", "redacted_thinking"})


class _Image(msgspec.Struct):
    url: str


class _File(msgspec.Struct):
    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class _Part(msgspec.Struct):
    type: str = "text"
    text: str | None = None
    refusal: str | None = None
    image_url: _Image | str | None = None
    file: _File | None = None
    cache_control: Raw | UnsetType = UNSET


class _Function(msgspec.Struct):
    name: str
    arguments: str | None = None


class _Custom(msgspec.Struct):
    name: str
    input: str | None = None


class _ToolCall(msgspec.Struct):
    id: str
    function: _Function | None = None
    custom: _Custom | None = None


class _Thought(msgspec.Struct):
    type: str
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    tool_call_id: str | None = None
    thinking_blocks: list[_Thought] | None = None
    cache_control: Raw | UnsetType = UNSET
    audio: Raw | UnsetType = UNSET


class Said(msgspec.Struct, frozen=True):
    """A conversation as Anthropic takes it. `unthought`: the turn that goes on now called tools, and its signed
    thinking is not here, so a model that thinks with a budget cannot go on thinking."""

    system: list[Block]
    messages: list[Block]
    unthought: bool


_MESSAGES = msgspec.json.Decoder(list[_Message])
_AT = re.compile(r" - at `\$([^`]*)`\Z")


def said(raw: Raw) -> Said:
    """The conversation in the `messages` of a chat completion.

    Instructions (system, developer) are joined in order, wherever they stood; where there is nothing else they are
    what the user says, since somebody must say something. Messages of one role in a row become one. Blocks of a turn
    stand as the API wants them: results of tools first, thinking first. Empty texts are left out. `name` is not sent,
    since no place is there for it. Raises Refused (400) for what is no conversation.
    """
    try:
        messages = _MESSAGES.decode(raw)
    except msgspec.ValidationError as error:
        raise invalid(str(error), "messages") from None
    system: list[Block] = []
    turns: list[tuple[str, list[Block]]] = []
    ids = _Ids()
    for position, message in enumerate(messages):
        at = f"messages[{position}]"
        if message.role in ("system", "developer"):
            system += _marked(_blocks(message.content, at), message)
            continue
        role, blocks = _turn(message, at, ids)
        if not blocks:
            continue
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
    if not turns:
        if not system:
            raise Refused(Refusal.INVALID_TYPE, "`messages` says nothing: give a message a text", param="messages")
        system, turns = [], [("user", system)]
    for role, blocks in turns:
        if role == "user":
            blocks.sort(key=lambda block: block["type"] != "tool_result")  # stable: all else keeps its order
    _strip_end(turns)
    return Said(system, [{"role": role, "content": blocks} for role, blocks in turns], _unthought(turns))


class _Ids:
    """Names of tool calls. The older function calls have none, so a result is that of the last call of its name."""

    def __init__(self) -> None:
        self._made = 0
        self._last: dict[str, str] = {}

    def of_function(self, name: str) -> str:
        self._made += 1
        self._last[name] = f"call_{self._made}"
        return self._last[name]

    def answered(self, name: str, at: str) -> str:
        if name not in self._last:
            raise Refused(
                Refusal.INVALID_TYPE,
                f"`{at}.name` names no function that was called before: give the name of the `function_call`",
                param=f"{at}.name",
            )
        return self._last[name]


def _turn(message: _Message, at: str, ids: _Ids) -> tuple[str, list[Block]]:
    """One message: whose turn it is part of, and its blocks."""
    match message.role:
        case "user":
            return "user", _marked(_blocks(message.content, at), message)
        case "assistant":
            return "assistant", _marked(_assistant(message, at, ids), message)
        case "tool":
            if not message.tool_call_id:
                raise Refused(
                    Refusal.MISSING_PARAMETER,
                    f"missing required parameter: `{at}.tool_call_id`",
                    param=f"{at}.tool_call_id",
                )
            return "user", _marked([_result(_id(message.tool_call_id), message, at)], message)
        case "function":
            return "user", [_result(ids.answered(message.name or "", at), message, at)]
    raise Refused(
        Refusal.INVALID_TYPE,
        f"`{at}.role` is unknown: give one of system, developer, user, assistant, tool, function",
        param=f"{at}.role",
    )


def _assistant(message: _Message, at: str, ids: _Ids) -> list[Block]:
    if not isinstance(message.audio, UnsetType) and bytes(message.audio) != b"null":
        raise Refused(
            Refusal.UNSUPPORTED,
            f"`{at}.audio` cannot be sent to this model: say what was spoken as text",
            param=f"{at}.audio",
        )
    blocks: list[Block] = []
    for thought in message.thinking_blocks or ():
        # without its signature it would be refused, and earlier thinking may be left out
        if thought.type == "thinking" and thought.signature:
            blocks.append({"type": "thinking", "thinking": thought.thinking or "", "signature": thought.signature})
        elif thought.type == "redacted_thinking" and thought.data:
            blocks.append({"type": "redacted_thinking", "data": thought.data})
    blocks += _blocks(message.content, at)
    blocks += _text(message.refusal)
    for number, call in enumerate(message.tool_calls or ()):
        if call.function is not None:
            blocks.append(_tool_use(_id(call.id), call.function.name, _input(call.function.arguments)))
        elif call.custom is not None:
            blocks.append(_tool_use(_id(call.id), call.custom.name, {"input": call.custom.input or ""}))
        else:
            raise Refused(
                Refusal.MISSING_PARAMETER,
                f"missing required parameter: `{at}.tool_calls[{number}].function`",
                param=f"{at}.tool_calls[{number}].function",
            )
    if (called := message.function_call) is not None:
        blocks.append(_tool_use(ids.of_function(called.name), called.name, _input(called.arguments)))
    return blocks


def _tool_use(id: str, name: str, input: object) -> Block:
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def _input(arguments: str | None) -> object:
    """The arguments of a call. A model may have written something else than a JSON object; it then stands, as it was
    written, in an object of our own, so that the model sees what it did."""
    if not arguments or arguments.isspace():
        return {}
    try:
        read = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        read = None
    return Raw(arguments.encode()) if isinstance(read, dict) else {"arguments": arguments}


def _id(id: str) -> str:
    """An id with only the characters that are taken; some servers write others."""
    return _NOT_IN_AN_ID.sub("_", id) or "_"


def _result(id: str, message: _Message, at: str) -> Block:
    blocks = _blocks(message.content, at)
    content: Block = {"content": blocks} if blocks else {}
    return {"type": "tool_result", "tool_use_id": id, **content}


def _blocks(content: str | list[_Part] | None, at: str) -> list[Block]:
    if content is None:
        return []
    if isinstance(content, str):
        return _text(content)
    blocks: list[Block] = []
    for number, part in enumerate(content):
        blocks += [_with_cache(block, part.cache_control) for block in _block(part, f"{at}.content[{number}]")]
    return blocks


def _text(text: str | None) -> list[Block]:
    """A text as a block. One of blanks is left out: it would be refused."""
    return [] if text is None or not text or text.isspace() else [{"type": "text", "text": text}]


def _block(part: _Part, at: str) -> list[Block]:
    """A content part as a block, or as none where it says nothing."""
    match part.type:
        case "text":
            return _text(part.text)
        case "refusal":
            return _text(part.refusal)
        case "image_url" if part.image_url is not None:
            url = part.image_url if isinstance(part.image_url, str) else part.image_url.url
            return [{"type": "image", "source": _source(url)}]
        case "file" if part.file is not None:
            if reason := file_lacks(part.file.file_data, part.file.filename, part.file.file_id):
                raise Refused(Refusal.UNSUPPORTED, f"`{at}.file`: this model {reason}", param=f"{at}.file")
            return [_document(part.file)]
        case "image_url" | "file":
            raise Refused(
                Refusal.MISSING_PARAMETER,
                f"missing required parameter: `{at}.{part.type}`",
                param=f"{at}.{part.type}",
            )
    raise Refused(
        Refusal.UNSUPPORTED,
        f"`{at}.type`: this model does not take such content: send text, an image or a PDF",
        param=f"{at}.type",
    )


def _source(url: str) -> Block:
    if inline := _DATA_URL.match(url):
        media = (inline[1] or "").lower()
        return {"type": "base64", "media_type": _IMAGE_TYPES.get(media, media), "data": url[inline.end() :]}
    return {"type": "url", "url": url}


def _media_type(data: str, filename: str | None) -> str:
    """What a file is, by what its sender says or by how it begins."""
    if inline := _DATA_URL.match(data):
        return (inline[1] or _TEXT).lower()
    name = (filename or "").lower()
    return _PDF if data.startswith(_PDF_BASE64) or name.endswith(".pdf") else _TEXT if name.endswith(".txt") else ""


def file_lacks(data: str | None, filename: str | None, id: str | None) -> str:
    """Why a file cannot be read, in words that go on after who reads it; empty: it can."""
    if not data:
        return "does not know files by a `file_id`: send the `file_data`" if id else "needs the `file_data` of a file"
    if (media := _media_type(data, filename)) not in (_PDF, _TEXT):
        return f"does not take a file of type {media or 'unknown'}: send a PDF or plain text"
    if media == _TEXT and _decoded(data) is None:
        return "cannot read a text file: its `file_data` is not text in base64"
    return ""


def _document(file: _File) -> Block:
    data = file.file_data or ""
    titled: Block = {"title": file.filename} if file.filename else {}
    if _media_type(data, file.filename) == _TEXT:
        source: Block = {"type": "text", "media_type": _TEXT, "data": _decoded(data) or ""}
    else:
        inline = _DATA_URL.match(data)
        source = {"type": "base64", "media_type": _PDF, "data": data[inline.end() :] if inline else data}
    return {"type": "document", "source": source, **titled}


def _decoded(data: str) -> str | None:
    inline = _DATA_URL.match(data)
    try:
        return b64decode("".join((data[inline.end() :] if inline else data).split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _with_cache(block: Block, cache_control: Raw | UnsetType) -> Block:
    if isinstance(cache_control, UnsetType) or bytes(cache_control) == b"null":
        return block
    return {**block, "cache_control": cache_control}


def _marked(blocks: list[Block], message: _Message) -> list[Block]:
    """The blocks of a message, the last one with the mark that the message as a whole had."""
    return [*blocks[:-1], _with_cache(blocks[-1], message.cache_control)] if blocks else blocks


def _strip_end(turns: list[tuple[str, list[Block]]]) -> None:
    """What the assistant shall go on from may not end with a blank."""
    role, blocks = turns[-1]
    if role == "assistant" and blocks[-1]["type"] == "text":
        blocks[-1]["text"] = str(blocks[-1]["text"]).rstrip()


def _unthought(turns: Iterable[tuple[str, list[Block]]]) -> bool:
    """Whether the turn that goes on called tools without signed thinking. A turn begins where the user says something
    without a result of a tool."""
    going_on = False
    for role, blocks in turns:
        if role == "assistant":
            types = [block["type"] for block in blocks]
            going_on = "tool_use" in types and types[0] not in _SIGNED
        elif all(block["type"] != "tool_result" for block in blocks):
            going_on = False
    return going_on


def invalid(problem: str, field: str = "") -> Refused:
    """The refusal for a value of a wrong type. Names the field, never its value."""
    what = _AT.sub("", problem)
    path = field + match[1].removeprefix("." if not field else "") if (match := _AT.search(problem)) else field
    return Refused(Refusal.INVALID_TYPE, f"invalid `{path}`: {what[:1].lower()}{what[1:]}", param=path)
