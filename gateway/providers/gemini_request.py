"""A chat request as Gemini's generateContent reads it.

Every field of a chat completion is in one of three tables: translated, left out since nothing depends on it, or said to
be lacking. A field in none of them is unknown to Gemini, which refuses what it does not know: so do we, in clear words.
Facts: the reference of GenerateContentRequest and GenerationConfig (v1beta), November 2026.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from gateway.core.chat import ChatRequest
from gateway.providers.gemini_content import Lacking, contents_of
from gateway.providers.gemini_models import Family
from gateway.providers.gemini_schema import readable

TRANSLATED = frozenset(
    (
        *("model", "messages", "stream", "stream_options", "max_completion_tokens", "max_tokens"),
        *("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "n", "stop", "seed"),
        *("logprobs", "top_logprobs", "reasoning_effort", "response_format", "tools", "tool_choice", "modalities"),
        *("service_tier", "store", "parallel_tool_calls", "google", "extra_body", "safety_settings", "safetySettings"),
    )
)
"""`stream` is in the address, `stream_options` in what we write back. The last four are Google's own fields."""

HARMLESS: Mapping[str, str] = {
    "metadata": "the caller's own notes on a stored answer; none is stored",
    "user": "a name for the provider's abuse checks, which Google has no field for",
    "safety_identifier": "the same, by its newer name",
    "prompt_cache_key": "a hint to caches; Gemini's finds prefixes by itself",
    "prompt_cache_options": "the same",
    "prompt_cache_retention": "the same",
}
"""Fields that are left out: the answer is the same without."""

LACKING: Mapping[str, str] = {
    "logit_bias": "does not take `logit_bias`",
    "min_p": "does not take `min_p`",
    "suffix": "does not take `suffix`",
    "verbosity": "does not take `verbosity`",
    "audio": "does not answer in sound",
    "prediction": "does not take `prediction`",
    "web_search_options": "does not take `web_search_options`",
    "moderation": "does not take `moderation`",
    "functions": "takes `tools`, not the older `functions`",
    "function_call": "takes `tool_choice`, not the older `function_call`",
    "cached_content": "does not take `cached_content`: such a cache belongs to the gateway's account",
}
"""Fields that ask for what cannot be had, where they ask for anything."""

MOST_STOPS = 5
SAMPLING = ("temperature", "top_p", "top_k")
_NOTHING = (b"null", b"[]", b"{}", b'""')
_NULL = Raw(b"null")
_SEED = range(-(2**31), 2**31)
_T = TypeVar("_T")
_Said = dict[str, Any]


class _Function(msgspec.Struct):
    name: str = ""
    description: str | None = None
    parameters: Raw = Raw(b"")
    strict: bool | None = None


class _Tool(msgspec.Struct):
    type: str = "function"
    function: _Function | None = None


class _Allowed(msgspec.Struct):
    mode: str = "auto"
    tools: list[_Tool] = []


class _Choice(msgspec.Struct):
    type: str = ""
    function: _Function | None = None
    allowed_tools: _Allowed | None = None


class _Schema(msgspec.Struct):
    schema: Raw = Raw(b"")


def request_of(chat: ChatRequest, family: Family, *, vertex: bool) -> _Said:
    """The members of the request. Raises Lacking."""
    _refuse_unknown(chat)
    contents = contents_of(chat.fields["messages"], family, vertex=vertex)
    said: _Said = {"contents": contents.turns}
    if contents.system:
        said["systemInstruction"] = {"parts": contents.system}
    google = _google(chat)
    if config := {**_settings(chat, family, vertex=vertex), **_format(chat, family), **_thinking(chat, family, google)}:
        said["generationConfig"] = config
    said |= _tools(chat)
    if (safety := google.get("safetySettings")) is not None:
        said["safetySettings"] = safety
    if (tier := chat.view.service_tier) not in (None, "auto", "default", "standard"):
        if tier not in ("flex", "priority"):
            raise Lacking(f"has no service tier `{str(tier)[:32]}`, only `flex` and `priority`")
        said["serviceTier"] = tier
    if _of(chat, "store", bool) is False:
        said["store"] = False
    return said


def dropped(chat: ChatRequest, family: Family, *, vertex: bool) -> tuple[str, ...]:
    """What is left out and the client is told of: sampling that newer models do without, and hints in messages."""
    names = [] if family.samples else [name for name in SAMPLING if name in chat.asks]
    messages = bytes(chat.fields["messages"])
    if b'"name"' in messages or b'"detail"' in messages:
        try:
            names += contents_of(chat.fields["messages"], family, vertex=vertex).unsaid
        except Lacking:
            return tuple(names)  # it is not sent at all
    return tuple(names)


def _refuse_unknown(chat: ChatRequest) -> None:
    for name, raw in chat.fields.items():
        if name in TRANSLATED or name in HARMLESS or bytes(raw) == b"null":
            continue
        if (words := LACKING.get(name)) is None:
            raise Lacking(f"does not know the field `{name[:64]}`")
        if name in chat.asks or (name not in _ASKING and bytes(raw) not in _NOTHING):
            raise Lacking(words)


_ASKING = frozenset(LACKING) - {"cached_content"}
"""Fields of which `asks` says whether they ask for something."""


def _of(chat: ChatRequest, name: str, type: type[_T]) -> _T | None:
    """A field, None where it is unset. Raises Lacking where it is something else."""
    raw = chat.fields.get(name, _NULL)
    return None if bytes(raw) == b"null" else _read(raw, type, f"`{name}`")


def _read(raw: Raw, type: type[_T], what: str) -> _T:
    try:
        return msgspec.json.decode(raw, type=type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Lacking(f"cannot read {what}: {error}") from None


def _settings(chat: ChatRequest, family: Family, *, vertex: bool) -> _Said:
    view, config = chat.view, dict[str, Any]()
    if limit := view.max_tokens if view.max_completion_tokens is None else view.max_completion_tokens:
        config["maxOutputTokens"] = limit
    if family.samples:
        for name, called in zip(SAMPLING, ("temperature", "topP", "topK"), strict=True):
            if _of(chat, name, float) is not None:
                config[called] = chat.fields[name]
    for name, called in (("presence_penalty", "presencePenalty"), ("frequency_penalty", "frequencyPenalty")):
        if _of(chat, name, float) is not None and name in chat.asks:
            if not family.penalties and not vertex:
                raise Lacking(f"does not take `{name}`")
            config[called] = chat.fields[name]
    if (view.n or 1) > 1:
        if not family.choices:
            raise Lacking("does not take `n` above 1")
        config["candidateCount"] = view.n
    if stops := _stops(chat.fields.get("stop", _NULL)):
        if len(stops) > MOST_STOPS:
            raise Lacking(f"takes at most {MOST_STOPS} strings in `stop`")
        config["stopSequences"] = stops
    if (seed := _of(chat, "seed", int)) is not None:
        if seed not in _SEED:
            raise Lacking("takes `seed` in 32 bits only")
        config["seed"] = seed
    if view.logprobs:
        config["responseLogprobs"] = True
        if top := _of(chat, "top_logprobs", int):
            config["logprobs"] = top
    elif "top_logprobs" in chat.asks:
        raise Lacking("takes `top_logprobs` only with `logprobs`")
    if view.modalities and set(view.modalities) != {"text"}:
        raise Lacking("answers in text only: leave out `modalities`")
    return config


def _stops(raw: Raw) -> list[str]:
    if bytes(raw) == b"null":
        return []
    return [_read(raw, str, "`stop`")] if bytes(raw).startswith(b'"') else _read(raw, list[str], "`stop`")


def _format(chat: ChatRequest, family: Family) -> _Said:
    wanted = chat.view.response_format
    if wanted is None or wanted.type in (None, "text"):
        return {}
    if wanted.type not in ("json_object", "json_schema"):
        raise Lacking(f"does not take `response_format` of the type `{str(wanted.type)[:32]}`")
    if chat.view.tools and not family.json_with_tools:
        raise Lacking("takes either `tools` or a `response_format` in JSON, not both")
    config: _Said = {"responseMimeType": "application/json"}
    if wanted.type == "json_schema":
        given = _read(wanted.json_schema or Raw(b"{}"), _Schema, "`response_format.json_schema`")
        if bytes(given.schema) not in (b"", b"null"):
            config["responseJsonSchema"] = readable(given.schema)
    return config


_THINKING = {
    "include_thoughts": "includeThoughts",
    "thinking_budget": "thinkingBudget",
    "thinking_level": "thinkingLevel",
}
_THINKING |= {name: name for name in _THINKING.values()}


def _google(chat: ChatRequest) -> Mapping[str, Any]:
    """Google's own fields, as its OpenAI-compatible API takes them, by their native names."""
    given: dict[str, Raw] = {}
    for name in ("safety_settings", "safetySettings"):
        if name in chat.fields:
            given[name] = chat.fields[name]
    extra = _of(chat, "extra_body", dict[str, Raw]) or {}
    if unknown := extra.keys() - {"google"}:
        raise Lacking(f"does not know the field `extra_body.{min(unknown)[:64]}`")
    for raw in (extra.get("google"), chat.fields.get("google")):
        if raw is not None:
            given |= {} if bytes(raw) == b"null" else _read(raw, dict[str, Raw], "`google`")
    said: dict[str, Any] = {}
    for name, raw in given.items():
        if bytes(raw) == b"null":
            continue
        if name in ("safety_settings", "safetySettings"):
            said["safetySettings"] = raw
        elif name in ("thinking_config", "thinkingConfig"):
            config = _read(raw, dict[str, Raw], f"`google.{name}`")
            if unknown := config.keys() - _THINKING.keys():
                raise Lacking(f"does not know the field `google.{name}.{min(unknown)[:64]}`")
            said["thinkingConfig"] = {_THINKING[member]: value for member, value in config.items()}
        else:
            raise Lacking(LACKING.get(name) or f"does not know the field `google.{name[:64]}`")
    return said


def _thinking(chat: ChatRequest, family: Family, google: Mapping[str, Any]) -> _Said:
    """How much to think. A client that chose how much is shown what was thought."""
    effort, own = _of(chat, "reasoning_effort", str), google.get("thinkingConfig")
    if own is not None:
        if effort is not None:
            raise Lacking("takes either `reasoning_effort` or `google.thinking_config`, not both")
        return {"thinkingConfig": own}
    if effort is None or (effort == "none" and not family.efforts):
        return {}
    if (amount := family.efforts.get(effort)) is None:
        many = ", ".join(f"`{name}`" for name in family.efforts)
        raise Lacking(f"takes `reasoning_effort` only as {many}" if many else "does not take `reasoning_effort`")
    named = {"thinkingLevel": amount} if isinstance(amount, str) else {"thinkingBudget": amount}
    return {"thinkingConfig": {**named, **({} if effort == "none" else {"includeThoughts": True})}}


def _tools(chat: ChatRequest) -> _Said:
    tools = [_read(raw, _Tool, "`tools`") for raw in chat.view.tools or ()]
    said: _Said = {}
    if tools:
        if "parallel_tool_calls" in chat.asks:
            raise Lacking("cannot be kept to one tool call at a time, as `parallel_tool_calls` asks")
        said["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in tools]}]
    strict = any(tool.function and tool.function.strict for tool in tools)
    if config := _calling(chat, strict=strict):
        said["toolConfig"] = {"functionCallingConfig": config}
    return said


def _declaration(tool: _Tool) -> _Said:
    if tool.type != "function" or tool.function is None or not tool.function.name:
        raise Lacking(f"does not take tools of the type `{tool.type[:32]}`, or without a name")
    function = tool.function
    said: _Said = {"name": function.name}
    if function.description:
        said["description"] = function.description
    if bytes(function.parameters) not in (b"", b"null", b"{}"):
        said["parametersJsonSchema"] = readable(function.parameters)
    return said


def _calling(chat: ChatRequest, *, strict: bool) -> _Said:
    """The mode of calling. VALIDATED is AUTO with calls that are sure to fit their schemas, as `strict` asks."""
    free = {"mode": "VALIDATED"} if strict else {}
    raw = chat.fields.get("tool_choice", _NULL)
    choice: object = None
    if bytes(raw) != b"null":
        word = bytes(raw).startswith(b'"')
        choice = _read(raw, str, "`tool_choice`") if word else _read(raw, _Choice, "`tool_choice`")
    match choice:
        case None | "auto":
            return free
        case "none":
            return {"mode": "NONE"} if chat.view.tools else {}
        case "required" | "any":
            return {"mode": "ANY"}
        case _Choice(type="function", function=_Function(name=name)) if name:
            return {"mode": "ANY", "allowedFunctionNames": [name]}
        case _Choice(type="allowed_tools", allowed_tools=_Allowed(mode="auto" | "required" as mode, tools=tools)):
            names = [tool.function.name for tool in tools if tool.function and tool.function.name]
            if names and len(names) == len(tools):
                return {"mode": "ANY" if mode == "required" else "VALIDATED", "allowedFunctionNames": names}
    raise Lacking("does not take this `tool_choice`")
