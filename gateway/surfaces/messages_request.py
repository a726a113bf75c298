"""An Anthropic Messages request, said as a chat completion request.

A field is said in chat, asks nothing that a chat backend could answer differently (`HARMLESS`), or makes the request
one that only a backend with this protocol may serve: nothing is lost unnoticed. Backends that speak Messages get the
client's own bytes, `fallbacks` excepted.
Facts: the API reference, types of anthropic 2.14, and what Claude Code 2.1.2xx sends, November 2026.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from gateway.core import chat as canonical
from gateway.core.chat import ChatRequest, Native
from gateway.core.errors import Refusal, Refused
from gateway.core.pieces import Piece
from gateway.surfaces.messages_blocks import Block, Reasons, kept, wrong
from gateway.surfaces.messages_turns import Turn, conversation
from gateway.surfaces.provider_side import asks_there, refuse_kept

HARMLESS: Mapping[str, str] = {
    "cache_control": "marks a prefix for the prompt cache; told beside the chat, for those who keep caches by marks",
    "diagnostics": "asks why a prompt cache missed; no cache that it knows is there",
    "fallback_credit_token": "asks for a lower price at Anthropic",
}
"""Fields without a place in chat that do not change what is answered, with the reason."""

RUN_HERE = ("custom", "bash_", "text_editor_", "computer_", "memory_")
"""How the types of tools begin that the client runs itself."""

FALLBACKS = "fallbacks"
"""Models that Anthropic may ask instead when the one that is asked declines. Taken out for every backend: the policy
permitted one model and another would be served unseen. A request that is declined then stays declined, as it does with
models that have no fallback. Claude Code sends it with some models, so it is no 400."""

NOT_IN_CHAT: Mapping[str, tuple[str, tuple[bytes, ...]]] = {
    "billing_policy": ("names who is billed", ()),
    "compaction": ("asks for a compaction", ()),
    "container": ("uses a container", ()),
    "mcp_servers": ("uses MCP servers", (b"[]",)),
    "thread": ("uses a thread that the server holds", ()),
}
"""Fields that chat has no word for, with the reason and the values that ask for nothing; null never does."""

EDITS = ("clear_tool_uses_", "clear_thinking_", "compact_")
"""Kinds of `context_management` that only make the prompt shorter: a chat backend reads all of it."""

TOOL_HINTS: Mapping[str, str] = {
    "cache_control": "marks a prefix for the prompt cache; told beside the chat, too",
    "eager_input_streaming": "says how finely the input is streamed, not what it is",
    "defer_loading": "saves context until a search finds the tool; a chat backend reads all tools at once",
}
"""Members of a tool without a place in chat that do not change what it is, with the reason."""

EFFORTS: Mapping[str, str] = {name: name for name in ("low", "medium", "high", "xhigh", "max")}
"""`output_config.effort` as `reasoning_effort`: dialects know what their models have of it."""

ADAPTIVE_EFFORT = "high"
"""What thinking without a stated effort is: Anthropic's default."""

BUDGETS = ((4_096, "low"), (16_384, "medium"))
"""The most thinking tokens (`budget_tokens`) that still are an effort; above the last it is high."""

SERVICE_TIERS: Mapping[str, str | None] = {"auto": None, "standard_only": "default"}
"""As OpenAI's tiers, None: its default."""

USER_CHARACTERS = 64
"""The longest `user` that OpenAI takes. A longer one, as Claude Code's, is left out: it is for detecting abuse."""


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: Annotated[int, Meta(ge=0)] | None = None


class _Format(msgspec.Struct):
    type: str
    schema: Raw = Raw(b"{}")


class _OutputConfig(msgspec.Struct):
    effort: str | None = None
    format: _Format | None = None


class _ToolChoice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Edit(msgspec.Struct):
    type: str


class _ContextManagement(msgspec.Struct):
    edits: list[_Edit] | None = None


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Tool(msgspec.Struct):
    """A tool with a schema. One without is Anthropic's own, by its `type`."""

    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: Raw = Raw(b"")
    strict: bool | None = None
    allowed_callers: list[str] | None = None
    input_examples: Raw = Raw(b"")


class _View(msgspec.Struct):
    """The fields that are read."""

    model: str
    messages: Annotated[list[Turn], Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    system: str | list[Block] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: _Metadata | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None  # its name in the first betas
    tools: list[_Tool] | None = None
    tool_choice: _ToolChoice | None = None
    context_management: _ContextManagement | None = None
    service_tier: str | None = None
    speed: str | None = None


_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_VIEW = msgspec.json.Decoder(_View)
_TOOLS = msgspec.json.Decoder(list[dict[str, Raw]])
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_NULL = b"null"
_READ = frozenset((*_View.__struct_fields__, *HARMLESS))
_READ_MEMBERS = {
    "context_management": ("edits",),
    "output_config": ("effort", "format", "task_budget"),  # a pace that Claude is told; `max_tokens` still holds
    "thinking": ("type", "budget_tokens", "display", "block_binding"),  # how thoughts are shown and checked
    "tool_choice": ("type", "name", "disable_parallel_tool_use"),
}
_AS_THEY_ARE = ("model", "temperature", "top_p", "top_k")


def parse(body: bytes, arrived: int, surface: str, *, counts: bool = False) -> ChatRequest:
    """The request in a body that arrived at a time (Unix seconds). `counts`: it asks only for a count of its tokens.

    Raises Refused (400) when it is not JSON, lacks a field, has one of a wrong type, or tries to redirect the call.
    """
    try:
        return _parse(body, arrived, surface, counts=counts)
    except RecursionError:  # each level of documents in documents takes several of ours
        raise Refused(Refusal.INVALID_JSON, "the request body is nested too deeply") from None


def _parse(body: bytes, arrived: int, surface: str, *, counts: bool) -> ChatRequest:
    fields, view = _read(body)
    canonical.refuse_redirection(fields)
    hints = canonical.hints_in(fields)
    if view.max_tokens is None and not counts:
        name = "max_tokens"
        raise Refused(Refusal.MISSING_PARAMETER, f"missing required parameter: `{name}`", param=name)
    _refuse_place_and_speed(view, fields)
    only = Reasons()
    for name in fields:
        if name not in _READ and _set(fields, name):
            _refuse_chat(name, bytes(fields[name]), only)
    for name, members in _READ_MEMBERS.items():
        if _set(fields, name):
            _check_members(name, fields[name], members, only)
    said: dict[str, object] = {name: fields[name] for name in _AS_THEY_ARE if _set(fields, name)}
    said["messages"], pieces = conversation(view.system, view.messages, fields, only)
    said |= _limits(view, only) | _tools(view, fields, only) | _thinking(view, only) | _format(view, only)
    said |= _further(view, only)
    for edit in (view.context_management and view.context_management.edits) or ():
        if not edit.type.startswith(EDITS):
            only.add(f"uses the context edit `{edit.type}`")
    translated = msgspec.json.encode(said)
    if str(only):  # chat has no word for content that is kept somewhere
        refuse_kept(fields)
    chat = canonical.parse(translated, arrived)
    # what a native backend reads beyond the canonical form is paid, too
    beyond = max(0, len(body) - len(translated)) if str(only) else 0
    blocks = (*pieces, *_marks(view, fields))
    native = Native(surface, fields, str(only), "messages", _runs_there(view, fields), blocks)
    return msgspec.structs.replace(chat, native=native, hints=hints, attached_bytes=chat.attached_bytes + beyond)


def _read(body: bytes) -> tuple[dict[str, Raw], _View]:
    """The fields, without `fallbacks`, and their view."""
    fields = canonical.read_fields(body)
    try:
        view = _VIEW.decode(body)
    except msgspec.ValidationError as error:
        raise canonical.wrong_type(str(error)) from None
    fields.pop(FALLBACKS, None)
    return fields, view


def _set(fields: Mapping[str, Raw], name: str) -> bool:
    return name in fields and bytes(fields[name]) != _NULL


def _refuse_place_and_speed(view: _View, fields: Mapping[str, Raw]) -> None:
    """Even a place that asks for nothing (`global`) is one that policy did not judge."""
    if _set(fields, "inference_geo"):
        raise Refused(
            Refusal.FORBIDDEN_PARAMETER,
            "`inference_geo` is not accepted: the place is the policy's to choose; remove the field",
            param="inference_geo",
        )
    if view.speed not in (None, "standard"):
        raise Refused(
            Refusal.UNSUPPORTED,
            "only `standard` is supported as `speed`: others cost more than the prices that budgets are kept by",
            param="speed",
        )


def _refuse_chat(name: str, value: bytes, only: Reasons) -> None:
    """Notes a field that chat has no word for."""
    if name not in NOT_IN_CHAT:
        only.add(f"has the field `{name}`, which the gateway does not know")
        return
    reason, nothing = NOT_IN_CHAT[name]
    if value not in nothing:
        only.add(reason)


def _limits(view: _View, only: Reasons) -> dict[str, object]:
    """How much is written, and how it is sent."""
    said: dict[str, object] = {}
    if view.max_tokens is not None:
        if view.max_tokens == 0:
            only.add("asks for no answer (`max_tokens` is 0)")
        said["max_tokens"] = max(view.max_tokens, 1)  # to chat servers 0 may be no limit
    if view.stop_sequences:
        said["stop"] = view.stop_sequences
    if view.stream:
        # the last event of a message always has the usage
        said |= {"stream": True, "stream_options": {"include_usage": True}}
    return said


def _tools(view: _View, fields: Mapping[str, Raw], only: Reasons) -> dict[str, object]:
    """Tools, and whether one must be called. Chat servers refuse an empty list, and a choice among nothing."""
    if not view.tools:
        if view.tool_choice is not None and view.tool_choice.type in ("any", "tool"):
            raise wrong("tool_choice", "there are no tools to choose from")
        return {}
    raw = _TOOLS.decode(fields["tools"])
    tools = [_tool(tool, raw[at], f"tools[{at}]", only) for at, tool in enumerate(view.tools)]
    return {"tools": tools, **_tool_choice(view.tool_choice)}


def _marks(view: _View, fields: Mapping[str, Raw]) -> list[Piece]:
    """The marks for prompt caches beside those of the conversation: of tools, and of all of it."""
    tools = _TOOLS.decode(fields["tools"]) if view.tools else []
    marks = [Piece(("tools", at), kept=kept(members)) for at, members in enumerate(tools)]
    return [each for each in (*marks, Piece((), kept=kept(fields))) if each.kept]


def _runs_there(view: _View, fields: Mapping[str, Raw]) -> bool:
    """Whether tools are offered that run at the provider."""
    types = [tool.type for tool in view.tools or () if tool.type is not None]
    return asks_there(fields) or any(not type.startswith(RUN_HERE) for type in types)


def _tool(tool: _Tool, members: Mapping[str, Raw], path: str, only: Reasons) -> object:
    if tool.type not in (None, "custom"):
        only.add(f"uses the tool type `{tool.type}`")
        return members
    for name, value in members.items():
        if name not in _TOOL_MEMBERS and bytes(value) != _NULL:
            only.add(f"has a tool with the member `{name}`")
    if tool.allowed_callers is not None and "direct" not in tool.allowed_callers:
        only.add("has a tool that only code may call")
    for name in ("name", "input_schema"):
        if not getattr(tool, name):
            where = f"{path}.{name}"
            raise Refused(Refusal.MISSING_PARAMETER, f"missing required parameter: `{where}`", param=where)
    if bytes(tool.input_schema)[:1] != b"{":
        raise wrong(f"{path}.input_schema", "expected an object")
    described = tool.description or ""
    if tool.input_examples and bytes(tool.input_examples) not in (_NULL, b"[]"):
        described = f"{described}\n\nExamples of its input: {bytes(tool.input_examples).decode()}".lstrip()
    function: dict[str, object] = {"name": tool.name}
    if described:
        function["description"] = described
    function["parameters"] = tool.input_schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


_TOOL_MEMBERS = frozenset((*_Tool.__struct_fields__, *TOOL_HINTS))
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def _tool_choice(choice: _ToolChoice | None) -> dict[str, object]:
    if choice is None:
        return {}
    said: dict[str, object] = {"parallel_tool_calls": False} if choice.disable_parallel_tool_use else {}
    if choice.type == "tool":
        if not choice.name:
            raise wrong("tool_choice", "`name` says which tool")
        return {"tool_choice": {"type": "function", "function": {"name": choice.name}}, **said}
    if choice.type not in _CHOICES:
        raise wrong("tool_choice.type", "expected `auto`, `any`, `tool` or `none`")
    return {"tool_choice": _CHOICES[choice.type], **said}


def _thinking(view: _View, only: Reasons) -> dict[str, object]:
    """How much is thought. How thoughts are shown (`display`) is not said: what a backend shows of them is needed again
    in the next turn."""
    stated = view.output_config.effort if view.output_config is not None else None
    if stated is not None and stated not in EFFORTS:
        raise wrong("output_config.effort", "expected one of " + ", ".join(f"`{name}`" for name in EFFORTS))
    effort = EFFORTS[stated] if stated is not None else None
    thinking = view.thinking
    if thinking is None:
        return {} if effort is None else {"reasoning_effort": effort}
    if thinking.type == "disabled":
        return {"reasoning_effort": "none"}
    if thinking.type == "adaptive":
        return {"reasoning_effort": effort or ADAPTIVE_EFFORT}
    if thinking.type == "enabled":
        budget = thinking.budget_tokens
        if budget is None:
            raise wrong("thinking", "`budget_tokens` is missing")
        return {"reasoning_effort": effort or next((name for most, name in BUDGETS if budget <= most), "high")}
    only.add(f"thinks in the way `{thinking.type}`")
    return {} if effort is None else {"reasoning_effort": effort}


def _format(view: _View, only: Reasons) -> dict[str, object]:
    """The wanted shape of the answer."""
    form = view.output_format or (view.output_config.format if view.output_config is not None else None)
    if form is None:
        return {}
    if form.type != "json_schema":
        only.add(f"asks for an answer in the form `{form.type}`")
        return {}
    schema = {"name": "answer", "schema": form.schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _further(view: _View, only: Reasons) -> dict[str, object]:
    """Who asks, and at which tier."""
    said: dict[str, object] = {}
    if view.metadata is not None and view.metadata.user_id and len(view.metadata.user_id) <= USER_CHARACTERS:
        said["user"] = view.metadata.user_id
    if view.service_tier is not None:
        if view.service_tier not in SERVICE_TIERS:
            only.add(f"asks for the service tier `{view.service_tier[:32]}`")
        elif tier := SERVICE_TIERS[view.service_tier]:
            said["service_tier"] = tier
    return said


def _check_members(name: str, raw: Raw, known: Iterable[str], only: Reasons) -> None:
    for member, value in _MEMBERS.decode(raw).items():
        if member not in known and bytes(value) != _NULL:
            only.add(f"has the member `{member}` in `{name}`")
