"""The messages of a chat completion as Anthropic takes them: system apart, turns merged, every part a block."""

import re
from collections.abc import Iterable

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.core.errors import Refusal, Refused
from gateway.providers.anthropic_attached import Block, File, image, invalid

OPENING: Block = {"type": "text", "text": "Begin."}
"""What the user says where the assistant speaks first."""

READABLE = frozenset({"text", "refusal", "image_url", "file"})
"""Types of content parts that can be said."""

_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_SIGNED = frozenset({"thinking", "redacted_thinking"})


class _Image(msgspec.Struct):
    url: Raw


class _Part(msgspec.Struct):
    type: str = "text"
    text: str | None = None
    refusal: str | None = None
    image_url: _Image | str | None = None
    file: File | None = None
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
    cache_control: Raw | UnsetType = UNSET


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
    thinking is not here, so a model that thinks with a budget cannot go on thinking. `thought`: earlier thinking is
    sent back."""

    system: list[Block]
    messages: list[Block]
    unthought: bool
    thought: bool


_MESSAGES = msgspec.json.Decoder(list[_Message])


def said(raw: Raw, *, thinking: bool = True) -> Said:
    """The conversation in the `messages` of a chat completion.

    Instructions (system, developer) are joined in order, wherever they stood; where there is nothing else they are
    what the user says, since somebody must say something. Messages of one role in a row become one. Blocks of a turn
    stand as the API wants them: results of tools first, thinking first. Empty texts are left out. `name` is not sent,
    since no place is there for it. The API wants the user to speak first, so where the assistant does a word of the
    user is put before it. `thinking`: earlier thinking is sent back. Raises Refused (400) for what is no conversation.
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
        if not thinking:
            blocks = [block for block in blocks if block["type"] not in _SIGNED]
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
    if turns[0][0] == "assistant":
        turns.insert(0, ("user", [dict(OPENING)]))
    for role, blocks in turns:
        if role == "user":
            blocks.sort(key=lambda block: block["type"] != "tool_result")  # stable: all else keeps its order
    _strip_end(turns)
    thought = any(block["type"] in _SIGNED for _, blocks in turns for block in blocks)
    return Said(system, [{"role": role, "content": blocks} for role, blocks in turns], _unthought(turns), thought)


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
            block = _tool_use(_id(call.id), call.function.name, _input(call.function.arguments))
        elif call.custom is not None:
            block = _tool_use(_id(call.id), call.custom.name, {"input": call.custom.input or ""})
        else:
            raise Refused(
                Refusal.MISSING_PARAMETER,
                f"missing required parameter: `{at}.tool_calls[{number}].function`",
                param=f"{at}.tool_calls[{number}].function",
            )
        blocks.append(_with_cache(block, call.cache_control))
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
        said = _block(part, f"{at}.content[{number}]")
        if blocks and not said:  # what it said may have gone to the one before, and what is kept ends there, too
            blocks[-1] = _with_cache(blocks[-1], part.cache_control)
        blocks += [_with_cache(block, part.cache_control) for block in said]
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
            url = part.image_url
            return [image(Raw(msgspec.json.encode(url)) if isinstance(url, str) else url.url, f"{at}.image_url.url")]
        case "file" if part.file is not None:
            if reason := part.file.lacking:
                raise Refused(Refusal.UNSUPPORTED, f"`{at}.file`: this model {reason}", param=f"{at}.file")
            return [part.file.block]
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
