"""Which provider of ours serves what LiteLLM calls `openai/gpt-5.6`, and under which base URL."""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from gateway.review.litellm.reading import Section
from gateway.review.litellm.values import Own

Base = Literal["written", "path", "v1", "azure"]
"""What becomes of an `api_base`: it stays; it gets the path of the provider's default where it has none; it gets `/v1`,
since LiteLLM speaks another dialect there; or it is the root of an Azure resource."""


class Kind(msgspec.Struct, frozen=True):
    """A provider of LiteLLM: ours, the variable that LiteLLM takes its key from, whether somebody else runs it, and
    what becomes of its `api_base`."""

    ours: str
    key: str = ""
    hosted: bool = True
    base: Base = "written"


KINDS: Mapping[str, Kind] = {
    "openai": Kind("openai", "OPENAI_API_KEY"),
    "text-completion-openai": Kind("openai", "OPENAI_API_KEY"),
    "anthropic": Kind("anthropic", "ANTHROPIC_API_KEY", base="path"),
    "azure": Kind("azure", "AZURE_API_KEY", base="azure"),
    "azure_ai": Kind("azure", "AZURE_AI_API_KEY", base="azure"),
    "gemini": Kind("gemini", "GEMINI_API_KEY", base="path"),
    "vertex_ai": Kind("vertex", "VERTEX_AI_TOKEN"),
    "bedrock": Kind("bedrock", "AWS_BEARER_TOKEN_BEDROCK"),
    "mistral": Kind("mistral", "MISTRAL_API_KEY", base="path"),
    "codestral": Kind("mistral", "CODESTRAL_API_KEY", base="path"),
    "deepseek": Kind("deepseek", "DEEPSEEK_API_KEY", base="path"),
    "dashscope": Kind("qwen", "DASHSCOPE_API_KEY"),
    "moonshot": Kind("moonshot", "MOONSHOT_API_KEY"),
    "zai": Kind("zai", "ZAI_API_KEY"),
    "minimax": Kind("minimax", "MINIMAX_API_KEY"),
    "openrouter": Kind("openrouter", "OPENROUTER_API_KEY"),
    "xai": Kind("xai", "XAI_API_KEY"),
    "groq": Kind("groq", "GROQ_API_KEY"),
    "together_ai": Kind("together", "TOGETHERAI_API_KEY"),
    "fireworks_ai": Kind("fireworks", "FIREWORKS_AI_API_KEY"),
    "nvidia_nim": Kind("nvidia", "NVIDIA_NIM_API_KEY"),
    "perplexity": Kind("perplexity", "PERPLEXITYAI_API_KEY"),
    "meta_llama": Kind("meta", "LLAMA_API_KEY"),
    "qianfan": Kind("qianfan", "QIANFAN_API_KEY"),
    "tencent": Kind("tokenhub", "TENCENT_API_KEY"),
    "hosted_vllm": Kind("vllm", hosted=False),
    "vllm": Kind("vllm", hosted=False),
    "ollama": Kind("ollama", hosted=False, base="v1"),
    "ollama_chat": Kind("ollama", hosted=False, base="v1"),
    "lm_studio": Kind("lmstudio", hosted=False),
    "llamafile": Kind("llamacpp", hosted=False),
    "huggingface": Kind("tgi", hosted=False, base="v1"),
    "openai_like": Kind("openai-compatible", hosted=False),
    "custom_openai": Kind("openai-compatible", hosted=False),
    "aiohttp_openai": Kind("openai-compatible", hosted=False),
    "litellm_proxy": Kind("openai-compatible", hosted=False),
    "xinference": Kind("openai-compatible", hosted=False),
    "docker_model_runner": Kind("openai-compatible", hosted=False),
    "lemonade": Kind("openai-compatible", hosted=False),
}
"""By what stands before the first `/` of a model's name, or in `custom_llm_provider`."""

_BARE = (
    (re.compile(r"(gpt-|chatgpt-|o[1-9](-|$)|text-embedding-|omni-moderation|text-moderation|codex-|ft:)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-"), "vertex_ai"),
)
"""What LiteLLM takes a name without a provider for."""

_ROUTES = {
    "openai": re.compile(r"(responses|chat)/"),
    "azure": re.compile(r"(responses|o_series|gpt5_series)/"),
    "bedrock": re.compile(r"((converse|invoke|converse_like)/)?([a-z]{2}(-[a-z]+)+-[0-9]/)?"),
}
"""What LiteLLM has between provider and model to choose an API of it; this gateway chooses by itself."""

_URL = re.compile(r"(https?://[^\s/?#@]+)(/[^\s?#]*)?\Z")
_CALLS = re.compile(r"/(chat/completions|completions|embeddings|messages)\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*\Z")
_LONGEST_MODEL = 256
UNSET = "https://set-me.invalid/v1"
"""The base URL of a row whose own nobody knows here. No such host can exist."""


class Place(msgspec.Struct, frozen=True):
    """Where a model is served. `provider` is ours, `base_url` None: its default. `used` are the keys of the parameters
    that this was read from. `unknown` says why the base URL is not known. `hosted`: the provider itself runs it."""

    provider: str
    model: str
    kind: Kind
    hosted: bool
    base_url: str | None = None
    used: frozenset[str] = frozenset()
    unknown: str = ""


def place_of(params: Section, own: Own) -> Place | str:
    """Where the parameters of a model say that it is served; text: why it cannot be, from here."""
    written = params.get("model")
    if not isinstance(written, str) or not 0 < len(written) <= _LONGEST_MODEL:
        return f"it has no `model`, or one of more than {_LONGEST_MODEL} characters"
    name, model = _provider_and_model(written, params.get("custom_llm_provider"))
    kind = KINDS.get(name)
    if kind is None or kind.ours not in own.base_urls:
        return f"there is no provider here for `{name}`" if name else "the name of its `model` names no provider"
    used = {"model", "custom_llm_provider"} & params.keys()
    if (route := _ROUTES.get(name)) and (found := route.match(model)):
        model = model[found.end() :]
    if kind.ours == "vertex" and "/" not in model and model.startswith("gemini"):
        model = f"google/{model}"
    default = own.base_urls[kind.ours]
    key = "api_base" if "api_base" in params else "base_url"
    if params.get(key):
        used.add(key)
        base_url, unknown = _written(params[key], kind, default, own.environment)
    else:
        base_url, unknown, derived = _derived(kind.ours, params, default)
        used |= derived
    theirs = kind.hosted and not unknown and (key not in used or _theirs(base_url, default))
    ours = "openai-compatible" if kind.ours == "openai" and not theirs else kind.ours
    return Place(ours, model, kind, theirs, base_url, frozenset(used), unknown)


def _theirs(base_url: str | None, default: str | None) -> bool:
    """Whether a written URL is at the provider itself, and not at a proxy or a server of somebody else."""
    if base_url is None:
        return True
    host = base_url.split("/")[2].partition(":")[0]
    domain = "azure.com" if default is None else ".".join(default.split("/")[2].split(".")[-2:])
    return base_url.startswith("https://") and f".{host}".endswith(f".{domain}")


def model_known(place: Place, base_model: str) -> str:
    """The name by which a model is known to catalog and price book: what `base_model` says, else the vendor's own name
    for it. Empty: on a server of one's own, or as a deployment at Azure, a name says nothing."""
    if base_model:
        return base_model.rpartition("/")[2]
    return place.model if place.hosted and place.kind.base != "azure" else ""


def _provider_and_model(written: str, provider: object) -> tuple[str, str]:
    first, _, rest = written.partition("/")
    if isinstance(provider, str) and provider:
        return provider, rest if first == provider and rest else written
    if rest:
        return first, rest
    return next((name for pattern, name in _BARE if pattern.match(written)), ""), written


def _written(value: object, kind: Kind, default: str | None, environment: Mapping[str, str]) -> tuple[str | None, str]:
    """The base URL that is written, None: it is the default; and why it is not known."""
    text = value if isinstance(value, str) else ""
    if text.startswith("os.environ/"):
        name = text.removeprefix("os.environ/")
        text = environment.get(name, "")
        if not text:
            return UNSET, f"it stands in the variable {name}, which is not set here"
    found = _URL.match(text)
    if found is None:
        return UNSET, "it is no plain http(s) URL, or one with a user or a query in it"
    root, path = found[1], _CALLS.sub("", (found[2] or "").rstrip("/"))
    if kind.base == "azure":
        path = path if path.startswith("/openai/v1") else "/openai/v1"
    elif not path and kind.base == "v1":
        path = "/v1"
    elif not path and kind.base == "path" and default is not None and (usual := _URL.match(default)):
        path = usual[2] or ""
    base_url = f"{root}{path}"
    return (None if default is not None and base_url == default.rstrip("/") else base_url), ""


def _derived(provider: str, params: Section, default: str | None) -> tuple[str | None, str, set[str]]:
    """The base URL where none is written: the default, or one that is made of a region; and what it was read from."""
    if provider == "bedrock" and _NAME.match(region := str(params.get("aws_region_name", ""))):
        return f"https://bedrock-mantle.{region}.api.aws/v1", "", {"aws_region_name"}
    if provider == "vertex":
        project, location = str(params.get("vertex_project", "")), str(params.get("vertex_location", ""))
        if _NAME.match(project) and _NAME.match(location):
            host = "aiplatform.googleapis.com" if location == "global" else f"{location}-aiplatform.googleapis.com"
            path = f"v1/projects/{project}/locations/{location}/endpoints/openapi"
            return f"https://{host}/{path}", "", {"vertex_project", "vertex_location"}
    if default is None:
        return UNSET, "the config has none for it", set()
    return None, "", set()
