"""Every provider that a catalog may name: one row each. A new wire format is one file here and one row."""

from collections.abc import Mapping

from gateway.core.catalog import Endpoint
from gateway.ports import Dialect
from gateway.providers.embeddings import Embeddings
from gateway.providers.openai import OpenAI
from gateway.providers.plain import Plain

_ROWS: Mapping[str, OpenAI] = {
    "openai": OpenAI("https://api.openai.com/v1", limit_field="max_completion_tokens"),  # reasoning models want this
    "anthropic": OpenAI("https://api.anthropic.com/v1"),  # its OpenAI-compatible endpoint
    "gemini": OpenAI("https://generativelanguage.googleapis.com/v1beta/openai"),
    "deepseek": OpenAI("https://api.deepseek.com/v1"),
    "qwen": OpenAI("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
    "moonshot": OpenAI("https://api.moonshot.ai/v1"),
    "zai": OpenAI("https://api.z.ai/api/paas/v4", asks_usage=False),  # always reports it
    "mistral": OpenAI("https://api.mistral.ai/v1", asks_usage=False),  # always reports it, refuses unknown fields
    "minimax": OpenAI("https://api.minimax.io/v1"),
    "openrouter": OpenAI("https://openrouter.ai/api/v1"),
    "xai": OpenAI("https://api.x.ai/v1"),
    "groq": OpenAI("https://api.groq.com/openai/v1"),
    "together": OpenAI("https://api.together.xyz/v1"),
    "fireworks": OpenAI("https://api.fireworks.ai/inference/v1"),
    "azure": OpenAI(  # as OpenAI; each resource has an address of its own
        target=Endpoint("/chat/completions", key_header="api-key"), limit_field="max_completion_tokens"
    ),
    "bedrock": OpenAI(),  # each region has one
    "vertex": OpenAI(),  # each project and region has one
    "meta": OpenAI("https://api.meta.ai/v1"),
    "perplexity": OpenAI("https://api.perplexity.ai/v1"),
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

_BESIDE: tuple[Dialect, ...] = (
    OpenAI(takes="completions", target=Endpoint("/completions")),
    Embeddings(),
    Plain("moderations", Endpoint("/moderations"), "results"),
    Plain("images", Endpoint("/images/generations"), "data"),
    Plain("rerank", Endpoint("/rerank"), "results"),
)
"""What any server may serve beside chat. Whether a backend does is a capability of its row in the catalog."""

DIALECTS: Mapping[str, Mapping[str, Dialect]] = {
    name: {dialect.takes: dialect for dialect in (row, *_BESIDE)} for name, row in _ROWS.items()
}
"""What each provider speaks, by the form of request that it takes."""

BASE_URLS: Mapping[str, str | None] = {name: row.base_url for name, row in _ROWS.items()}
"""Each provider's default base URL, None where the catalog must give one."""
