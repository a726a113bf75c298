"""Tools of a chat completion as Anthropic takes them, and which of them may or must be called."""

from collections.abc import Iterable

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.core.errors import Refusal, Refused
from gateway.providers.anthropic_attached import Block, invalid

_NULL = b"null"
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_NO_INPUT: Block = {"type": "object", "properties": {}}


class Function(msgspec.Struct):
    """A function that may be called."""

    name: str
    description: str | None = None
    parameters: Raw | UnsetType = UNSET
    strict: bool | None = None
    cache_control: Raw | UnsetType = UNSET


class Tool(msgspec.Struct):
    """A tool; what is no function has none."""

    type: str = "function"
    function: Function | None = None
    cache_control: Raw | UnsetType = UNSET


class Choice(msgspec.Struct, frozen=True):
    """The tools that are offered, and the `tool_choice` of Messages, None: the model decides."""

    offered: list[Block]
    chosen: Block | None


class _Named(msgspec.Struct):
    name: str


class _Allowed(msgspec.Struct):
    mode: str = "auto"
    tools: list["_Chosen"] = []


class _Chosen(msgspec.Struct):
    type: str = "function"
    function: _Named | None = None
    custom: _Named | None = None
    allowed_tools: _Allowed | None = None


_TOOL_CHOICE = msgspec.json.Decoder(str | _Chosen | None)
_FUNCTION_CALL = msgspec.json.Decoder(str | _Named | None)
_WORDS = {"auto": "auto", "none": "none", "required": "any"}


def tools(offered: Iterable[Tool]) -> list[Block]:
    """The functions among the tools. Raises Refused (400) for a function that is not there."""
    blocks = []
    for position, tool in enumerate(offered):
        if tool.function is not None:
            cache = tool.cache_control if isinstance(tool.function.cache_control, UnsetType) else UNSET
            blocks.append(_tool(tool.function, f"tools[{position}].function", cache))
        elif tool.type == "function":
            name = f"tools[{position}].function"
            raise Refused(Refusal.MISSING_PARAMETER, f"missing required parameter: `{name}`", param=name)
    return blocks


def functions(offered: Iterable[Function]) -> list[Block]:
    """The older way to offer functions."""
    return [_tool(function, f"functions[{position}]") for position, function in enumerate(offered)]


def _tool(function: Function, at: str, cache: Raw | UnsetType = UNSET) -> Block:
    block: Block = {"name": function.name}
    if function.description:
        block["description"] = function.description
    block["input_schema"] = _input_schema(function.parameters, at)
    if function.strict:
        block["strict"] = True
    if not isinstance(cache := function.cache_control if isinstance(cache, UnsetType) else cache, UnsetType):
        block["cache_control"] = cache
    return block


def _input_schema(parameters: Raw | UnsetType, at: str) -> object:
    """The schema, byte for byte. One must say that it is of an object; where it says nothing that is added."""
    if isinstance(parameters, UnsetType) or bytes(parameters) == _NULL:
        return _NO_INPUT
    try:
        members = _MEMBERS.decode(parameters)
    except msgspec.ValidationError as error:
        raise invalid(str(error), f"{at}.parameters") from None
    return parameters if "type" in members else {"type": "object", **members} if members else _NO_INPUT


def choice(tool_choice: Raw | UnsetType, function_call: Raw | UnsetType, offered: list[Block]) -> Choice:
    """Which tools may be called. `allowed_tools` are the only ones that are offered. Raises Refused (400) for a choice
    that cannot be read, or of a tool that is not there."""
    try:
        chosen = None if isinstance(tool_choice, UnsetType) else _TOOL_CHOICE.decode(tool_choice)
    except msgspec.ValidationError as error:
        raise invalid(str(error), "tool_choice") from None
    if chosen is None and not isinstance(function_call, UnsetType):
        try:
            called = _FUNCTION_CALL.decode(function_call)
        except msgspec.ValidationError as error:
            raise invalid(str(error), "function_call") from None
        chosen = _Chosen(function=called) if isinstance(called, _Named) else called
    if chosen is None:
        return Choice(offered, None)
    if isinstance(chosen, str):
        return Choice(offered, _by_word(chosen) if offered else None)
    if (allowed := chosen.allowed_tools) is not None:
        names = {_name_of(each, offered) for each in allowed.tools}
        return Choice([tool for tool in offered if tool["name"] in names], _by_word(allowed.mode) if names else None)
    return Choice(offered, {"type": "tool", "name": _name_of(chosen, offered)})


def _by_word(word: str) -> Block:
    if word not in _WORDS:
        raise Refused(
            Refusal.INVALID_TYPE,
            "invalid `tool_choice`: give auto, none, required, or name a function",
            param="tool_choice",
        )
    return {"type": _WORDS[word]}


def _name_of(chosen: _Chosen, offered: list[Block]) -> str:
    named = chosen.function or chosen.custom
    if named is None or all(tool["name"] != named.name for tool in offered):
        raise Refused(Refusal.INVALID_TYPE, "`tool_choice` names a tool that is not in `tools`", param="tool_choice")
    return named.name


def is_forced(choice: Choice) -> bool:
    """Whether a tool must be called."""
    return choice.chosen is not None and choice.chosen["type"] in ("any", "tool")
