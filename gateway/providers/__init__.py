"""Every provider that a catalog may name: one row each. A new wire format is one file here and one row."""

from collections.abc import Mapping

from gateway.core.catalog import Endpoint
from gateway.ports import Dialect
from gateway.providers.anthropic import Anthropic
from gateway.providers.embeddings import Embeddings
from gateway.providers.gemini import Gemini
from gateway.providers.messages import BEARER, VERSION, CountTokens, Messages
from gateway.providers.openai import OpenAI
from gateway.providers.plain import Plain
from gateway.providers.responses import Responses
from gateway.providers.responses_chat import ResponsesChat

_ROWS: Mapping[str, OpenAI | Anthropic | Gemini | ResponsesChat] = {
    "openai": OpenAI("https://api.openai.com/v1", limit_field="max_completion_tokens"),  # reasoning models want this
    "openai-responses": ResponsesChat("https://api.openai.com/v1", kept_as="openai-responses-v1"),
    "anthropic": Anthropic(),
    "gemini": OpenAI("https://generativelanguage.googleapis.com/v1beta/openai"),
    "gemini-native": Gemini(),
    "deepseek": OpenAI("https://api.deepseek.com/v1"),
    "qwen": OpenAI("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
    "moonshot": OpenAI("https://api.moonshot.ai/v1"),
    "zai": OpenAI("https://api.z.ai/api/paas/v4", asks_usage=False),  # always reports it
    "mistral": OpenAI("https://api.mistral.ai/v1", asks_usage=False),  # always reports it, refuses unknown fields
    "minimax": OpenAI("https://api.minimax.io/v1"),
    "openrouter": OpenAI("https://openrouter.ai/api/v1"),
    "xai": OpenAI("https://api.x.ai/v1"),
    "xai-responses": ResponsesChat(
        "https://api.x.ai/v1",
        kept_as="xai-responses-v1",
        lacking=frozenset({"web_search_options", "logprobs", "top_logprobs"}),
    ),
    "groq": OpenAI("https://api.groq.com/openai/v1"),
    "together": OpenAI("https://api.together.xyz/v1"),
    "fireworks": OpenAI("https://api.fireworks.ai/inference/v1"),
    "azure": OpenAI(  # as OpenAI; each resource has an address of its own
        target=Endpoint("/chat/completions", key_header="api-key"), limit_field="max_completion_tokens"
    ),
    "bedrock": OpenAI(),  # each region has one
    "vertex": OpenAI(),  # each project and region has one
    "vertex-native": Gemini(None, vertex=True),  # it ends in /publishers/google
    "meta": OpenAI("https://api.meta.ai/v1"),
    "perplexity": ResponsesChat(
        "https://api.perplexity.ai/v1",
        summary=False,
        nested=True,
        lacking=frozenset({"tool_choice", "parallel_tool_calls", "logprobs", "top_logprobs", "verbosity"}),
        left_out=frozenset({"temperature", "top_p"}),
    ),
    "nvidia": OpenAI("https://integrate.api.nvidia.com/v1"),
    "qianfan": OpenAI("https://qianfan.baidubce.com/v2"),
    "tokenhub": OpenAI("https://tokenhub-intl.tencentcloudmaas.com/v1"),
    "vllm": OpenAI(),
    "sglang": OpenAI(),
    "ollama": OpenAI(),
    "llamacpp": OpenAI(),
    "lmstudio": OpenAI(),
    "tgi": OpenAI(),
    "openai-compatible": OpenAI(),
}


def _beside(key_header: str = "Authorization", *, seals: bool = False) -> tuple[Dialect, ...]:
    """What a server may serve beside chat. Whether a backend does is a capability of its row in the catalog."""
    return (
        OpenAI(takes="completions", target=Endpoint("/completions", key_header)),
        Embeddings(target=Endpoint("/embeddings", key_header)),
        Plain("moderations", Endpoint("/moderations", key_header), "results"),
        Plain("images", Endpoint("/images/generations", key_header), "data"),
        Plain("rerank", Endpoint("/rerank", key_header), "results"),
        Responses(seals, target=Endpoint("/responses", key_header)),
        Messages(target=BEARER, signed=False),
    )


_COUNTS = CountTokens(target=Endpoint("/messages/count_tokens", headers=VERSION), signed=False)
_BESIDE: Mapping[str, tuple[Dialect, ...]] = {
    "anthropic": (Messages(), CountTokens()),
    "azure": _beside("api-key", seals=True),
    "openai": _beside(seals=True),
    "xai": _beside(seals=True),
    "vllm": (*_beside(), _COUNTS),
    "llamacpp": (*_beside(), _COUNTS),
    "gemini-native": (),
    "vertex-native": (),
}
_OTHERS = _beside()

DIALECTS: Mapping[str, Mapping[str, Dialect]] = {
    name: {dialect.takes: dialect for dialect in (row, *_BESIDE.get(name, _OTHERS))} for name, row in _ROWS.items()
}
"""What each provider speaks, by the form of request that it takes."""

BASE_URLS: Mapping[str, str | None] = {name: row.base_url for name, row in _ROWS.items()}
"""Each provider's default base URL, None where the catalog must give one."""
