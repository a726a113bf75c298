"""Parameters that providers do not have: which of them are hints, which ask for something, and how that is said.

A parameter that a provider does not know is left out only where it asks for nothing that shows in an answer (`HINTS`),
or where the model has but one value for it (`Family.fixes`; the client is told). Anything else is refused.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec
from msgspec import Raw

from gateway.core.chat import ChatRequest
from gateway.providers.thinking import is_off

HINTS: Mapping[str, str] = {
    "store": "whether OpenAI keeps the answer for its owner to look at",
    "metadata": "labels of what is kept there",
    "user": "under which name abuse is reported",
    "safety_identifier": "the same, newer",
    "prompt_cache_key": "which requests share a cache: speed and price",
    "prompt_cache_retention": "how long it is kept: speed and price",
    "prompt_cache_options": "the same, newer",
    "service_tier": "speed and price; a provider without tiers has but one",
    "prediction": "what the answer will be like: speed",
}
"""Parameters that do not change what is answered, with what they are for. Servers that refuse unknown fields do not get
them."""

SAMPLING = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty"})
"""How a model picks its words. Many models of 2026 have one value for each."""

LOGPROBS = frozenset({"logprobs", "top_logprobs"})

CUSTOM_TOOLS, ALLOWED_TOOLS, MESSAGE_NAME = "custom tools", "allowed tools", "message name"
"""What is asked for by no top-level field of its own name."""

ONLY_OPENAI = frozenset({"web_search_options", "moderation", "functions", "function_call", CUSTOM_TOOLS, ALLOWED_TOOLS})
"""What hardly anybody else has."""

_WORDS: Mapping[str, str] = {
    "n": "does not take `n` above 1",
    "tool_choice": "does not take a `tool_choice` that forces a call",
    "functions": "does not take `functions`, only `tools`",
    "function_call": "does not take `function_call`, only `tool_choice`",
    CUSTOM_TOOLS: "does not take tools of the type `custom`",
    ALLOWED_TOOLS: "does not take `allowed_tools`",
    MESSAGE_NAME: "does not take `name` in a message",
}


class Family(msgspec.Struct, frozen=True, eq=False):
    """Models of a provider that take less than its others; their names have a match of `models`, a regular expression.

    `fixes` are parameters with one value, `refuses` what is not there, `only_streams`: there is no buffered answer.
    All of it holds while the model thinks, if `while_thinking`; `default` is the effort of a request that says nothing.
    """

    models: str
    fixes: frozenset[str] = frozenset()
    refuses: frozenset[str] = frozenset()
    only_streams: bool = False
    while_thinking: bool = False
    default: str = "high"


@lru_cache(maxsize=1024)
def named(families: tuple[Family, ...], model: str) -> Family | None:
    """The first family whose models a name is among."""
    return next((each for each in families if re.search(each.models, model, re.IGNORECASE)), None)


def family_of(families: tuple[Family, ...], chat: ChatRequest, model: str, effort: str | None) -> Family | None:
    """The family of a model, as far as it holds for a request. `effort` is what the model is told, None: nothing."""
    family = named(families, model)
    off = family is not None and family.while_thinking and is_off(chat, effort or family.default)
    return None if off else family


class _Kind(msgspec.Struct):
    type: object = None


class _Named(msgspec.Struct):
    role: object = None
    name: object = None


_KIND = msgspec.json.Decoder(_Kind)
_NAMED = msgspec.json.Decoder(list[_Named])
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, Raw]])


def lacking(refused: frozenset[str], chat: ChatRequest) -> str:
    """Why a request cannot be served by who refuses these, in words that go on after its name; empty: it can."""
    if not refused.isdisjoint(chat.asks):
        name = min(refused & chat.asks)
        return _WORDS.get(name, f"does not take `{name}`")
    tools = chat.view.tools
    if tools:
        if CUSTOM_TOOLS in refused and any(b'"custom"' in bytes(raw) and _is_custom(bytes(raw)) for raw in tools):
            return _WORDS[CUSTOM_TOOLS]
        if ALLOWED_TOOLS in refused and b'"allowed_tools"' in bytes(chat.fields.get("tool_choice", b"")):
            return _WORDS[ALLOWED_TOOLS]
    if MESSAGE_NAME in refused and names_speakers(bytes(chat.fields["messages"])):
        return _WORDS[MESSAGE_NAME]
    return ""


def unstrict(chat: ChatRequest) -> bytes | None:
    """The tools without `strict`, None: no tool has it."""
    raw = chat.fields.get("tools")
    if raw is None or b'"strict"' not in bytes(raw):
        return None
    try:
        tools, found = _OBJECTS.decode(raw), False
    except msgspec.DecodeError:
        return None  # the server says what is wrong with them
    for tool in tools:
        function = _OBJECT.decode(tool["function"]) if bytes(tool.get("function", b""))[:1] == b"{" else {}
        if function.pop("strict", None) is not None:
            tool["function"], found = Raw(msgspec.json.encode(function)), True
    return msgspec.json.encode(tools) if found else None


def _is_custom(raw: bytes) -> bool:
    try:
        return _KIND.decode(raw).type == "custom"
    except msgspec.DecodeError:
        return False


def names_speakers(messages: bytes) -> bool:
    """Whether a message says who speaks; that a tool's answer names the tool is no matter."""
    if b'"name"' not in messages:
        return False
    return any(each.name is not None and each.role not in ("tool", "function") for each in _NAMED.decode(messages))


REASONING = (
    Family("gpt-5-chat"),
    Family(r"^o[34]", SAMPLING, LOGPROBS | {"logit_bias", "stop"}),
    Family(r"^o\d|gpt-5(?![.\d])", SAMPLING, LOGPROBS | {"logit_bias"}),
    Family(r"gpt-5\.[1-4](?!\d)", SAMPLING, LOGPROBS | {"logit_bias"}, while_thinking=True, default="none"),
    Family(r"gpt-(5\.|[6-9])", SAMPLING, LOGPROBS | {"logit_bias"}, while_thinking=True),
)
"""OpenAI's models that think. Source: its guides on reasoning and on each latest model, "parameter compatibility"."""

KIMI = (Family(r"kimi-(?!k2-)", SAMPLING | {"top_k"}, frozenset({"n"})),)
"""Moonshot's models since K2.5. Source: its guide on moving from OpenAI."""

GROK = (
    Family(
        r"grok-(?!.*non-reasoning)(3-mini|[4-9]|code)",
        frozenset({"presence_penalty", "frequency_penalty"}),
        frozenset({"stop"}),
    ),
)
"""xAI's models that think. Source: its guide on reasoning."""

DEEPSEEK = (Family("", refuses=LOGPROBS, while_thinking=True),)
"""DeepSeek thinks unless told otherwise. What it ignores meanwhile (temperature) goes on as it is."""

QWEN = (Family(r"^qwq|^qvq|-thinking", only_streams=True), Family(r"^qwen3-\d", only_streams=True, while_thinking=True))
"""Open models on DashScope, which answer only as a stream while they think. Source: its guide on deep thinking."""
