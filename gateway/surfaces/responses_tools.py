"""The tools of a Responses request, as chat knows them: functions. What a model calls gets its own name back.

A custom tool takes free text. Only OpenAI's own servers know such tools in chat, so here it is a function with one
string, `input`; a grammar is told to the model in words, since nothing else of chat can carry it. A namespace (by which
Codex sends the tools of an MCP server) comes apart into functions whose names begin with its name.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Raw

from gateway.core.errors import Refusal, Refused
from gateway.surfaces.responses_reading import ABSENT, missing, present, read

AMBIENT = frozenset({"web_search", "image_generation", "tool_search"})
"""Tools that run at the provider and that agents (Codex) offer with every request, whatever the backend."""

DEFAULT_NAMESPACE = "functions"
"""The namespace of what has none: Codex writes it out for newer models. Its tools keep their names."""

RUN_HERE = frozenset(
    {"local_shell", "shell", "apply_patch", "computer", "computer_use", "computer_use_preview", "tool_search"}
)
"""Types of tools that the client runs itself, or that only look for other tools. A `shell` may run there, too: see its
environment."""

LONGEST_NAME = 64
"""Characters of a function's name, as OpenAI and most others take them."""

_ANYTHING = Raw(b'{"type":"object","properties":{}}')
_TEXT = Raw(
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}'
)


class Grammar(msgspec.Struct):
    """What the input of a custom tool must look like."""

    type: str = "text"
    syntax: str | None = None
    definition: str | None = None


class Tool(msgspec.Struct):
    """One entry of `tools`, of any type."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None
    format: Raw = ABSENT
    tools: Raw = ABSENT
    allowed_callers: list[str] | None = None
    environment: Raw = ABSENT


class _Environment(msgspec.Struct):
    type: str = ""


class Called(msgspec.Struct, frozen=True):
    """A tool by the name that its client gave it. `custom`: it takes text. `namespace` is empty outside of one."""

    name: str
    custom: bool = False
    namespace: str = ""


class Offer(msgspec.Struct, frozen=True):
    """What a request offers to a model. `functions` are chat's, `called` says which tool each name stands for.

    `hosted` are the tools that only a server of Responses knows, by their types; `there` says whether one of them runs
    at the provider; `only` says what else chat cannot say.
    """

    functions: tuple[Mapping[str, object], ...] = ()
    called: Mapping[str, Called] = {}
    hosted: tuple[str, ...] = ()
    there: bool = False
    only: str = ""


class _Named(msgspec.Struct):
    type: str
    name: str | None = None
    namespace: str | None = None


class _Choice(msgspec.Struct):
    type: str
    name: str | None = None
    namespace: str | None = None
    mode: str | None = None
    tools: list[_Named] | None = None


_RAWS = msgspec.json.Decoder(list[Raw])
_TOOL = msgspec.json.Decoder(Tool)
_ENVIRONMENT = msgspec.json.Decoder(_Environment)
_GRAMMAR = msgspec.json.Decoder(Grammar)
_CHOICE = msgspec.json.Decoder(str | _Choice)


def function_name(name: str, namespace: str | None = None) -> str:
    """The name of a tool in chat. One that is too long there ends in a digest of the whole, so that it stays one."""
    if not namespace or namespace == DEFAULT_NAMESPACE:
        return name  # of the client's own making: the backend will judge it
    whole = f"{namespace}{name}" if namespace.endswith("__") else f"{namespace}__{name}"
    if len(whole) <= LONGEST_NAME:
        return whole
    return f"{whole[: LONGEST_NAME - 9]}_{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def offered(lists: Iterable[tuple[str, Raw]]) -> Offer:
    """What lists of tools, each at a path of the body, offer. Raises Refused (400)."""
    functions: list[Mapping[str, object]] = []
    called: dict[str, Called] = {}
    hosted: list[str] = []
    there = False
    only = ""
    for path, tool, namespace in _each(lists):
        if tool.type not in ("function", "custom"):
            hosted.append(tool.type)
            there = there or _runs_there(tool, path)
            continue
        if tool.name is None:
            raise missing(f"{path}.name")
        if tool.allowed_callers and "direct" not in tool.allowed_callers:
            only = only or f"offers the tool `{tool.name}` to programs only"
        name = function_name(tool.name, namespace)
        if name in called:
            raise Refused(
                Refusal.INVALID_TYPE,
                f"invalid `{path}`: another tool is called `{name}`, too; rename one of them",
                param=path,
            )
        called[name] = Called(tool.name, tool.type == "custom", namespace)
        functions.append({"type": "function", "function": _function(name, tool, path)})
    return Offer(tuple(functions), called, tuple(dict.fromkeys(hosted)), there, only)


def _runs_there(tool: Tool, path: str) -> bool:
    """Whether a tool goes out from the provider, or costs by the call there."""
    if tool.type == "shell" and present(tool.environment):
        return read(_ENVIRONMENT, tool.environment, f"{path}.environment").type != "local"
    return tool.type not in RUN_HERE


def _each(lists: Iterable[tuple[str, Raw]], namespace: str = "") -> Iterable[tuple[str, Tool, str]]:
    """Each tool with its path and its namespace."""
    for where, raws in lists:
        entries = read(_RAWS, raws, where)
        for index, raw in enumerate(entries):
            path = f"{where}[{index}]"
            tool = read(_TOOL, raw, path)
            if tool.type != "namespace" or namespace:
                yield path, tool, namespace
                continue
            if not tool.name:
                raise missing(f"{path}.name")
            if not present(tool.tools):
                raise missing(f"{path}.tools")
            yield from _each(((f"{path}.tools", tool.tools),), tool.name)


def _function(name: str, tool: Tool, path: str) -> Mapping[str, object]:
    said: dict[str, object] = {"name": name}
    if tool.type == "custom":
        grammar = read(_GRAMMAR, tool.format, f"{path}.format") if present(tool.format) else Grammar()
        told = [tool.description or ""]
        if grammar.definition:
            told.append(f"`input` must follow this {grammar.syntax or ''} grammar:\n{grammar.definition}")
        if description := "\n\n".join(filter(None, told)):
            said["description"] = description
        return {**said, "parameters": _TEXT}
    if tool.description is not None:
        said["description"] = tool.description
    said["parameters"] = tool.parameters if present(tool.parameters) else _ANYTHING
    return said if tool.strict is None else {**said, "strict": tool.strict}


def arguments_of(text: str) -> str:
    """The arguments of the function that stands for a custom tool."""
    return msgspec.json.encode({"input": text}).decode()


class _Input(msgspec.Struct, forbid_unknown_fields=True):
    input: str


_INPUT = msgspec.json.Decoder(_Input)


def input_of(arguments: str) -> str:
    """The text for a custom tool. What is no such object is taken as it stands: the tool will judge it."""
    try:
        return _INPUT.decode(arguments).input
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return arguments


def choice_of(raw: Raw, offer: Offer) -> tuple[object | None, str]:
    """The tool choice in chat (None: there is nothing to choose), and why chat cannot say it. Raises Refused (400)."""
    choice = read(_CHOICE, raw, "tool_choice")
    if isinstance(choice, str):
        if choice in ("auto", "none") and not offer.functions:
            return None, ""
        return choice, ""
    if choice.type in ("function", "custom"):
        if choice.name is None:
            raise missing("tool_choice.name")
        return _pick(choice.name, choice.namespace), ""
    if choice.type != "allowed_tools":
        return None, f"chooses the tool `{choice.type}`, which runs at the provider"
    allowed: Sequence[_Named] = choice.tools or ()
    for tool in allowed:
        if tool.type not in ("function", "custom") or tool.name is None:
            return None, f"allows the tool `{tool.type}`, which runs at the provider"
    picks = [_pick(tool.name or "", tool.namespace) for tool in allowed]
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode or "auto", "tools": picks}}, ""


def _pick(name: str, namespace: str | None) -> Mapping[str, object]:
    return {"type": "function", "function": {"name": function_name(name, namespace)}}
