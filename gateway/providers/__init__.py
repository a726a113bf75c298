"""Every provider that a catalog may name: one row each. A new wire format is one file here and one row.

What a row says of requests is in `OpenAI`. Facts: the providers' API references, November 2026.
"""

from collections.abc import Mapping

import msgspec

from gateway.core.catalog import Endpoint
from gateway.ports import Dialect
from gateway.providers import parameters, thinking
from gateway.providers.embeddings import Embeddings
from gateway.providers.failures import QWEN_CODES, ZAI_CODES
from gateway.providers.history import DEVELOPER_AS_SYSTEM, FOR_MISTRAL, PARTS_IN_ONE, THOUGHTS_IN_TAGS
from gateway.providers.openai import OpenAI
from gateway.providers.parameters import HINTS, LOGPROBS, MESSAGE_NAME, ONLY_OPENAI, TOOLS
from gateway.providers.plain import Plain


class Provider(msgspec.Struct, frozen=True):
    """Where a provider is, unless the catalog says otherwise (None: it must), what it speaks beside what any server may
    speak, and in which header it wants its key."""

    base_url: str | None
    dialects: tuple[Dialect, ...]
    key_header: str = "Authorization"


_NEW_LIMIT = "max_completion_tokens"
_HINTS = frozenset(HINTS)

_ROWS: Mapping[str, Provider] = {
    "openai": Provider(
        "https://api.openai.com/v1",
        (OpenAI(limit_field=_NEW_LIMIT, thinking=thinking.OPENAI, families=parameters.REASONING, rewrites=()),),
    ),
    "azure": Provider(
        None,
        (
            OpenAI(
                limit_field=_NEW_LIMIT,
                target=Endpoint("/chat/completions", "api-key"),
                thinking=thinking.OPENAI,
                families=parameters.REASONING,
                rewrites=(),
            ),
        ),
        key_header="api-key",
    ),
    "anthropic": Provider("https://api.anthropic.com/v1", (OpenAI(),)),  # its OpenAI-compatible endpoint
    "bedrock": Provider(
        None, (OpenAI(limit_field=_NEW_LIMIT, thinking=thinking.BEDROCK, refuses=ONLY_OPENAI),)
    ),  # its OpenAI-compatible endpoint, with an API key
    "gemini": Provider(
        "https://generativelanguage.googleapis.com/v1beta/openai",
        (
            OpenAI(
                thinking=thinking.GEMINI,
                refuses=ONLY_OPENAI | {"logit_bias"},
                leaves_out=_HINTS,
                fixes=frozenset({"frequency_penalty", "presence_penalty", "top_k", "min_p", "verbosity"}),
                rewrites=(),
            ),
        ),
    ),
    "vertex": Provider(
        None,
        (OpenAI(thinking=thinking.GEMINI, refuses=ONLY_OPENAI - {"web_search_options"}, rewrites=()),),
    ),
    "openrouter": Provider(
        "https://openrouter.ai/api/v1",
        (
            OpenAI(
                asks_usage=False,  # always reports it
                thinking=thinking.OPENROUTER,
                refuses=ONLY_OPENAI - {"web_search_options"},
                rewrites=(),
            ),
        ),
    ),
    "mistral": Provider(
        "https://api.mistral.ai/v1",
        (
            OpenAI(
                asks_usage=False,  # always reports it, refuses unknown fields
                thinking=thinking.MISTRAL,
                refuses=ONLY_OPENAI | LOGPROBS | {"logit_bias", MESSAGE_NAME},
                leaves_out=_HINTS - {"metadata", "prediction"} | {"stream_options"},
                fixes=frozenset({"top_k", "min_p", "verbosity"}),
                renames={"seed": "random_seed"},
                values={"tool_choice": {b'"required"': b'"any"'}},
                rewrites=(DEVELOPER_AS_SYSTEM, FOR_MISTRAL),
            ),
        ),
    ),
    "deepseek": Provider(
        "https://api.deepseek.com/v1",
        (
            OpenAI(
                thinking=thinking.DEEPSEEK,
                refuses=ONLY_OPENAI | {"n", "logit_bias"},
                families=parameters.DEEPSEEK,
                rewrites=(DEVELOPER_AS_SYSTEM, PARTS_IN_ONE),
            ),
        ),
    ),
    "qwen": Provider(
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        (
            OpenAI(
                thinking=thinking.QWEN,
                refuses=ONLY_OPENAI | {"logit_bias"},
                families=parameters.QWEN,
                codes=QWEN_CODES,
            ),
        ),
    ),
    "moonshot": Provider(
        "https://api.moonshot.ai/v1",
        (
            OpenAI(
                limit_field=_NEW_LIMIT,
                thinking=thinking.MOONSHOT,
                refuses=ONLY_OPENAI | {"tool_choice", "logit_bias"},
                families=parameters.KIMI,
                strict=False,
                rewrites=(DEVELOPER_AS_SYSTEM, PARTS_IN_ONE),
            ),
        ),
    ),
    "zai": Provider(
        "https://api.z.ai/api/paas/v4",
        (
            OpenAI(
                asks_usage=False,  # always reports it
                thinking=thinking.ZAI,
                refuses=ONLY_OPENAI
                | LOGPROBS
                | {"tool_choice", "n", "seed", "logit_bias", "presence_penalty", "frequency_penalty"},
                only_auto=True,
                rewrites=(),
                codes=ZAI_CODES,
            ),
        ),
    ),
    "minimax": Provider(
        "https://api.minimax.io/v1",
        (
            OpenAI(
                thinking=(),  # always thinks
                refuses=ONLY_OPENAI | LOGPROBS | {"n", "logit_bias"},
                values={"temperature": {b"0": b"0.01", b"0.0": b"0.01"}},  # must be above 0
                rewrites=(DEVELOPER_AS_SYSTEM, THOUGHTS_IN_TAGS),
                tags=True,
            ),
        ),
    ),
    "qianfan": Provider(
        "https://qianfan.baidubce.com/v2", (OpenAI(thinking=thinking.QIANFAN, refuses=ONLY_OPENAI | {"n"}),)
    ),
    "tokenhub": Provider(
        "https://tokenhub.tencentmaas.com/v1", (OpenAI(thinking=thinking.TOKENHUB, refuses=ONLY_OPENAI | {"n"}),)
    ),
    "meta": Provider(
        "https://api.meta.ai/v1",
        (
            OpenAI(
                limit_field=_NEW_LIMIT,
                thinking=thinking.META,
                refuses=ONLY_OPENAI | {"tool_choice", "stop"},
                only_auto=True,
            ),
        ),
    ),
    "xai": Provider(
        "https://api.x.ai/v1",
        (
            OpenAI(
                limit_field=_NEW_LIMIT,
                passes=("x-grok-conv-id",),
                thinking=thinking.XAI,
                refuses=ONLY_OPENAI,
                families=parameters.GROK,
                rewrites=(),
            ),
        ),
    ),
    "groq": Provider(
        "https://api.groq.com/openai/v1",
        (
            OpenAI(
                limit_field=_NEW_LIMIT,
                thinking=thinking.GROQ,
                refuses=ONLY_OPENAI - {"functions", "function_call"} | LOGPROBS | {"n", "logit_bias", MESSAGE_NAME},
                leaves_out=_HINTS - {"metadata", "user", "service_tier"},
                fixes=frozenset({"top_k", "min_p", "verbosity"}),
                values={"service_tier": {b'"default"': b'"on_demand"'}},
                rewrites=(),
            ),
        ),
    ),
    "together": Provider("https://api.together.xyz/v1", (OpenAI(thinking=thinking.TOGETHER, refuses=ONLY_OPENAI),)),
    "fireworks": Provider(
        "https://api.fireworks.ai/inference/v1", (OpenAI(thinking=thinking.FIREWORKS, refuses=ONLY_OPENAI),)
    ),
    "nvidia": Provider("https://integrate.api.nvidia.com/v1", (OpenAI(thinking=thinking.NVIDIA, refuses=ONLY_OPENAI),)),
    "perplexity": Provider(
        "https://api.perplexity.ai",
        (
            OpenAI(
                asks_usage=False,  # on every chunk
                thinking=thinking.PERPLEXITY,
                refuses=ONLY_OPENAI - {"web_search_options"}
                | LOGPROBS
                | {TOOLS, "tool_choice", "n", "logit_bias", "seed", "stop"},
                rewrites=(DEVELOPER_AS_SYSTEM, THOUGHTS_IN_TAGS),
                tags=True,
            ),
        ),
    ),
    "vllm": Provider(None, (OpenAI(thinking=thinking.TEMPLATES, refuses=ONLY_OPENAI),)),
    "sglang": Provider(None, (OpenAI(thinking=thinking.TEMPLATES, refuses=ONLY_OPENAI),)),
    "ollama": Provider(
        None,
        (
            OpenAI(
                thinking=thinking.OLLAMA,
                refuses=ONLY_OPENAI | LOGPROBS | {"tool_choice", "n", "logit_bias"},
                only_auto=True,
                rewrites=(),
            ),
        ),
    ),
    "llamacpp": Provider(None, (OpenAI(thinking=thinking.LLAMACPP, refuses=ONLY_OPENAI),)),
    "lmstudio": Provider(None, (OpenAI(refuses=ONLY_OPENAI | {"n"}, rewrites=()),)),
    "tgi": Provider(None, (OpenAI(thinking=(), refuses=ONLY_OPENAI | {"n", "logit_bias"}),)),
    "openai-compatible": Provider(None, (OpenAI(),)),
}


def _beside(key_header: str) -> tuple[Dialect, ...]:
    """What any server may serve beside chat. Whether a backend does is a capability of its row in the catalog."""
    return (
        OpenAI(takes="completions", target=Endpoint("/completions", key_header), rewrites=()),
        Embeddings(target=Endpoint("/embeddings", key_header)),
        Plain("moderations", Endpoint("/moderations", key_header), "results"),
        Plain("images", Endpoint("/images/generations", key_header), "data"),
        Plain("rerank", Endpoint("/rerank", key_header), "results"),
    )


DIALECTS: Mapping[str, Mapping[str, Dialect]] = {
    name: {dialect.takes: dialect for dialect in (*_beside(row.key_header), *row.dialects)}
    for name, row in _ROWS.items()
}
"""What each provider speaks, by the form of request that it takes."""

BASE_URLS: Mapping[str, str | None] = {name: row.base_url for name, row in _ROWS.items()}
"""Each provider's default base URL, None where the catalog must give one."""
