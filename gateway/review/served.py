"""What model servers say of their models, as values: lists of models in every shape that is met, and what some tell
beside them. What is not there, or cannot be meant, is not known.

Facts: the servers' own pages and recorded answers, as of 2026-11.
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import msgspec

from gateway.review.questions import LOCAL

_MAX_NAME = 256
_MAX_TOKENS = 10**9

_WORKS_WITH = ("max_model_len", "context_length", "context_window", "max_input_tokens", "inputTokenLimit")
"""vLLM and SGLang; OpenRouter, Together and Fireworks; Groq; Anthropic; Gemini."""

_FLAGS: Mapping[str, str] = {
    "completion_chat": "chat",
    "supports_chat": "chat",
    "function_calling": "tools",
    "supports_tools": "tools",
    "vision": "vision",
    "image_input": "vision",
    "supports_image_input": "vision",
    "audio": "audio",
    "structured_outputs": "json_schema",
    "thinking": "reasoning",
    "reasoning": "reasoning",
}
"""Yes or no, as Mistral, Fireworks, LM Studio, Anthropic and llama.cpp name it, and our word for it."""

_PARAMETERS: Mapping[str, str] = {
    "tools": "tools",
    "structured_outputs": "json_schema",
    "reasoning": "reasoning",
    "logprobs": "logprobs",
}
_MODALITIES: Mapping[str, str] = {"image": "vision", "audio": "audio"}
_ABILITIES: Mapping[str, str] = {
    "completion": "chat",
    "tools": "tools",
    "vision": "vision",
    "audio": "audio",
    "thinking": "reasoning",
    "embedding": "embeddings",
}
"""Words of complete lists (OpenRouter, OpenRouter, Ollama): what is not in such a list, the model cannot do."""


class Served(msgspec.Struct, frozen=True):
    """A model as its server tells of it.

    `context` is how many tokens it takes, `trained` how many it was made for, which a server may be set below; None:
    not told. `has` and `lacks` are capabilities in our words; what is in neither was not told. `owner` is `owned_by`.
    `relayed_to` is the host that really serves it, empty: none was told.
    """

    id: str
    aliases: tuple[str, ...] = ()
    context: int | None = None
    trained: int | None = None
    has: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    owner: str = ""
    relayed_to: str = ""


def read_list(body: bytes) -> tuple[Served, ...]:
    """The models of a list: `data` as from OpenAI, `models` as from Gemini, Ollama and LM Studio's own interface, or a
    bare list as from Together. Raises ValueError when it is none of these."""
    data = _decoded(body)
    if isinstance(data, dict):
        if "data" not in data and "models" not in data:
            raise ValueError("no list of models")
        data = data.get("data", data.get("models")) or []  # Ollama without a model: null
    if not isinstance(data, list):
        raise ValueError("no list of models")  # noqa: TRY004  of the answer, not of an argument
    models = tuple(_served(_id(entry), entry) for entry in data if isinstance(entry, dict) and _id(entry))
    if data and not models:
        raise ValueError("no list of models")
    return models


def next_page(body: bytes) -> tuple[str, str] | None:
    """The query that asks for the rest of a list, as Anthropic and Gemini cut theirs; None: that was all."""
    data = _members(_decoded(body))
    if token := _text(data.get("nextPageToken")):
        return "pageToken", token
    last = _text(data.get("last_id"))
    return ("after_id", last) if data.get("has_more") is True and last else None


def read_one(body: bytes) -> Served | None:
    """The model that an answer about one model speaks of; None: it speaks of none."""
    data = _members(_or_nothing(body))
    return _served(_id(data), data) if _id(data) else None


def read_props(id: str, body: bytes) -> Served:
    """llama.cpp's `/props`: the window of each slot, and which inputs it takes."""
    data = _members(_or_nothing(body))
    has, lacks = _flags(_members(data.get("modalities")))
    return Served(
        id, context=_count(_members(data.get("default_generation_settings")).get("n_ctx")), has=has, lacks=lacks
    )


def read_show(id: str, body: bytes) -> Served:
    """Ollama's `/api/show`: abilities, the window that the model was trained for, the one that its file sets, and the
    host of a model that is not on this machine."""
    data = _members(_or_nothing(body))
    has, lacks = _complete(data.get("capabilities"), _ABILITIES)
    lengths = [_count(value) for name, value in _members(data.get("model_info")).items() if _is_length(name)]
    set_to = [
        line.split()[1:] for line in _text(data.get("parameters"), 100_000).splitlines() if line[:8] == "num_ctx "
    ]
    return Served(
        id,
        context=next(
            (int(words[0]) for words in set_to if words and words[0].isdecimal() and len(words[0]) < 10), None
        ),
        trained=next((length for length in lengths if length), None),
        has=has,
        lacks=lacks,
        relayed_to=_text(data.get("remote_host")),
    )


def read_loaded(id: str, body: bytes) -> Served:
    """Ollama's `/api/ps`: the window of a model that is loaded now."""
    entries = _members(_or_nothing(body)).get("models")
    for entry in map(_members, entries if isinstance(entries, list) else ()):
        if names(id, "ollama") & {_text(entry.get("name")), _text(entry.get("model"))}:
            return Served(id, context=_count(entry.get("context_length")))
    return Served(id)


def read_native(id: str, body: bytes) -> Served:
    """LM Studio's own list: the window of the instances that are loaded, the model's own, and what it can do."""
    try:
        found = find(id, "lmstudio", read_list(body))
    except ValueError:
        found = None
    return msgspec.structs.replace(found, id=id) if found else Served(id)


def merged(served: Iterable[Served]) -> Served:
    """What all say together; the later word counts where two speak of the same."""
    return reduce(_over, served)


def _over(first: Served, then: Served) -> Served:
    return Served(
        first.id,
        first.aliases,
        then.context or first.context,
        then.trained or first.trained,
        first.has - then.lacks | then.has,
        first.lacks - then.has | then.lacks,
        first.owner,
        then.relayed_to or first.relayed_to,
    )


def names(model: str, provider: str) -> frozenset[str]:
    """How a list may name the model of a catalog row: as it is, with the tag that Ollama adds, without the suffix by
    which OpenRouter is told how to choose, with the folder that Gemini puts before it."""
    if provider == "ollama" and ":" not in model:
        return frozenset({model, f"{model}:latest"})
    if provider == "openrouter":
        return frozenset({model, model.partition(":")[0]})
    return frozenset({model}) if provider in LOCAL else frozenset({model, f"models/{model}", bare(model)})


def bare(id: str) -> str:
    """A hosted model's id without the folder that Gemini puts before it."""
    return id.removeprefix("models/")


def find(model: str, provider: str, models: Iterable[Served]) -> Served | None:
    """The model of a catalog row in a list: by its id, else by an alias."""
    wanted = names(model, provider)
    listed = [each for each in models if each.id in wanted or wanted & set(each.aliases)]
    exact = [each for each in listed if each.id == model]
    return next(iter(exact or listed), None)


def _served(id: str, entry: Mapping[str, Any]) -> Served:
    meta = _members(entry.get("meta"))  # llama.cpp
    instances = entry.get("loaded_instances")  # LM Studio
    loaded = [_members(each) for each in instances] if isinstance(instances, list) else []
    windows = [_count(_members(each.get("config")).get("context_length")) for each in loaded]
    aliases = entry.get("aliases")
    named = [_text(alias) for alias in aliases] if isinstance(aliases, list) else []
    most = _count(entry.get("max_context_length"))  # Mistral; LM Studio, whose servers may be set lower
    told = [_count(entry.get(field)) for field in _WORKS_WITH]
    told += [_count(meta.get("n_ctx")), None if isinstance(instances, list) else most]
    has, lacks = _abilities(entry)
    return Served(
        id,
        tuple(name for name in (*named, *(_text(each.get("id")) for each in loaded)) if name and name != id),
        min([window for window in windows if window], default=next((length for length in told if length), None)),
        most or _count(meta.get("n_ctx_train")),
        has,
        lacks,
        _text(entry.get("owned_by")),
        _text(entry.get("remote_host")),
    )


def _abilities(entry: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    described = _members(entry.get("capabilities"))
    modalities = _members(entry.get("architecture")).get("input_modalities")
    found = [
        _flags(entry),
        _flags(described),
        _complete(entry.get("supported_parameters"), _PARAMETERS),
        _complete(modalities, _MODALITIES),
    ]
    if described.get("trained_for_tool_use") is True:  # where it is not, LM Studio words the tools itself
        found.append((frozenset({"tools"}), frozenset()))
    if entry.get("type") == "embedding":
        found.append((frozenset({"embeddings"}), frozenset({"chat"})))
    return frozenset().union(*(has for has, _ in found)), frozenset().union(*(lacks for _, lacks in found))


def _flags(entry: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """What members say yes and no to, plainly or as Anthropic does: `{"supported": true}`."""
    said = {_FLAGS[flag]: answer for flag in _FLAGS if (answer := _yes_or_no(entry.get(flag))) is not None}
    return frozenset(word for word, yes in said.items() if yes), frozenset(
        word for word, yes in said.items() if not yes
    )


def _yes_or_no(value: object) -> bool | None:
    if isinstance(value, dict):
        value = value.get("supported")
    return value if isinstance(value, bool) else None


def _complete(listed: object, words: Mapping[str, str]) -> tuple[frozenset[str], frozenset[str]]:
    if not isinstance(listed, list) or not listed:
        return frozenset(), frozenset()
    has = frozenset(ours for theirs, ours in words.items() if theirs in listed)
    return has, frozenset(words.values()) - has


def _is_length(name: object) -> bool:
    return isinstance(name, str) and name.endswith(".context_length")


def _id(entry: Mapping[str, Any]) -> str:
    named = (_text(entry.get(field)) for field in ("id", "key", "name", "model"))
    return next((name for name in named if name), "")


def _text(value: object, longest: int = _MAX_NAME) -> str:
    return value if isinstance(value, str) and len(value) <= longest else ""


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 < value < _MAX_TOKENS else None


def _members(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        raise ValueError("not JSON") from None


def _or_nothing(body: bytes) -> Any:
    try:
        return _decoded(body)
    except ValueError:
        return None
