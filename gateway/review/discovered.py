"""Model servers that were found, as catalog rows: facts that they tell, and what only their owner knows as comments."""

import re
from collections.abc import Collection, Iterable, Mapping

import msgspec
import yaml

from gateway.core.catalog import CAPABILITIES
from gateway.core.steering import plain
from gateway.review.questions import Answer, Silence
from gateway.review.served import Served

USUAL_PORTS: Mapping[int, str] = {
    8000: "vLLM",
    30000: "SGLang",
    11434: "Ollama",
    8080: "llama.cpp or TGI",
    1234: "LM Studio",
}
"""Where model servers usually listen. Who does is told by what answers, never by the port."""

FOLDER = "discovered"
"""Where `gateway quickstart` keeps rows for what it found, in its state directory."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._:@/-]+")
_PLACE = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?\Z")

_ONE_LINE = 10_000

_OWNERS: Mapping[str, str] = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llamacpp",
    "library": "ollama",
    "organization_owner": "lmstudio",
}
"""What each server writes as `owned_by`, and its provider. Ollama has the model's publisher there, or `library`."""

_FAMILIES: Mapping[str, str] = {
    "qwen": "cn",
    "glm": "cn",
    "deepseek": "cn",
    "kimi": "cn",
    "minimax": "cn",
    "ernie": "cn",
    "hunyuan": "cn",
    "gpt-oss": "us",
    "llama": "us",
    "gemma": "us",
    "phi": "us",
    "nemotron": "us",
    "granite": "us",
    "mistral": "eu",
    "mixtral": "eu",
    "magistral": "eu",
    "devstral": "eu",
    "smollm": "eu",
}
"""Where the weights of a model family come from, by a part of its name; any other name: unknown."""

_ONLY_YOU_KNOW: Mapping[str, str] = {
    "price": "{gpu_hour: 2.10, tokens_per_second: 900} - without a price it is not offered",
    "zone": "inhouse - a zone of vocabulary.yaml",
    "region": "eu - where it stands",
    "operator_origin": "eu - under whose law its operator is",
    "licence": "apache-2.0 - of the weights",
    "retention": "none - how long prompts are kept there, in logs, too",
    "trains_on_data": "never - whether prompts are trained on",
    "audience": "anyone - who may use it",
}
"""Facts that no server tells, each with an example and what it is."""


class Found(msgspec.Struct, frozen=True):
    """A model server that answered. `ours`: it is on this machine or at a private address. `relayed` are the models
    that it only passes on to a hosted service."""

    provider: str
    host: str
    port: int
    models: tuple[Served, ...]
    ours: bool = True
    relayed: tuple[str, ...] = ()

    @property
    def base_url(self) -> str:
        """Where it speaks as OpenAI does."""
        return f"{root_of(self.host, self.port)}/v1"


def root_of(host: str, port: int) -> str:
    """The address of a server on a host, which may be an IPv6 address."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def place(text: str) -> tuple[str, int | None]:
    """Host and port of `HOST`, `HOST:PORT` or `[IPv6]:PORT`. Raises ValueError for anything else."""
    match = _PLACE.match(text)
    if match is None or not 0 < int(match["port"] or 1) < 65_536:
        raise ValueError(f"`{plain(text)}` is no host; write HOST, HOST:PORT or [IPv6]:PORT")
    return match["six"] or match["host"], int(match["port"]) if match["port"] else None


def provider_by_list(answer: Answer, models: Iterable[Served]) -> str | None:
    """Whose server this is, by its list of models; None: the list does not tell."""
    if answer.headers.get("server", "").lower().startswith("llama.cpp"):
        return "llamacpp"
    return next((_OWNERS[model.owner] for model in models if model.owner in _OWNERS), None)


TELLING: Mapping[str, str] = {
    "/api/version": "ollama",
    "/props": "llamacpp",
    "/api/v1/models": "lmstudio",
    "/info": "tgi",
}
"""Paths that one server alone has, and its provider: asked where the list does not tell."""


def tells(path: str, answer: Answer | Silence) -> bool:
    """Whether an answer at a telling path is that server's."""
    if isinstance(answer, Silence) or answer.status != 200:
        return False
    try:
        data = msgspec.json.decode(answer.body)
    except (ValueError, RecursionError):
        return False
    member = {
        "/api/version": "version",
        "/props": "default_generation_settings",
        "/api/v1/models": "models",
        "/info": "max_total_tokens",
    }[path]
    return isinstance(data, dict) and member in data


def relayed(models: Iterable[Served]) -> tuple[str, ...]:
    """Models that an Ollama passes on to its hosted service: they are not on this machine, whatever they are called."""
    return tuple(model.id for model in models if model.relayed_to or model.id.endswith(("-cloud", ":cloud")))


def row(found: Found, model: Served) -> dict[str, object]:
    """The catalog row of a model, as far as its server tells."""
    facts: dict[str, object] = {"provider": found.provider, "base_url": found.base_url, "model": model.id}
    if can := [each for each in CAPABILITIES if each in model.has]:
        facts["capabilities"] = can
    if model.context is not None:
        facts["context"] = model.context
    if found.ours:
        facts["deployment"] = "self_hosted"
    origin = next((origin for family, origin in _FAMILIES.items() if family in model.id.lower()), None)
    return facts | ({"weights_origin": origin} if origin else {}) | {"status": "active"}


def named(found: Found, taken: Collection[str]) -> dict[str, Served]:
    """The models of a server under names that a catalog accepts and that nobody has yet; the model keeps its own."""
    names: dict[str, Served] = {}
    for model in found.models:
        name = _NOT_IN_NAMES.sub("-", model.id).strip("-./:@_")[:100] or "model"
        if name in taken or name in names:
            name = f"{found.provider}/{name}"
        if name in taken or name in names:
            name = f"{name}@{_NOT_IN_NAMES.sub('-', found.host.replace(':', '-')).strip('-')}:{found.port}"
        if name not in taken and name not in names:
            names[name] = model
    return names


def as_yaml(rows: Mapping[str, tuple[Found, Served]], day: str) -> str:
    """A catalog file with these rows, found on a day (YYYY-MM-DD)."""
    lines = [
        "# Model servers that `gateway backends discover` found. Put this file into catalog/ of the policy tree, fill",
        "# in what is commented out, and run `gateway policy check`. A fact that is left out is unknown, and what is",
        "# unknown is held against the request.",
        "backends:",
    ]
    for name, (found, model) in rows.items():
        facts = row(found, model) | {"source": f"answers at {found.base_url} on {day}"}
        lines += ["", f"  {name}:"]
        lines += [f"    {line}" for fact, value in facts.items() for line in _dumped(fact, value)]
        open_facts = dict(_ONLY_YOU_KNOW)
        if not found.ours:
            open_facts = {"deployment": "vendor_api - or self_hosted, where you run the machine"} | open_facts
        if "weights_origin" not in facts:
            open_facts["weights_origin"] = "eu - where the weights were made"
        if "context" not in facts:
            open_facts["context"] = "8192 - how many tokens the server takes"
        for fact, said in open_facts.items():
            example, _, meaning = said.partition(" - ")
            lines.append(f"    # {f'{fact}: {example}':<52} # {meaning}")
    return "\n".join(lines) + "\n"


def _dumped(fact: str, value: object) -> list[str]:
    flow = None if isinstance(value, list) else False
    return str(yaml.safe_dump({fact: value}, default_flow_style=flow, width=_ONE_LINE)).splitlines()
