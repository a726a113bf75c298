"""Every provider that a catalog may name: one row each. A new wire format is one file here and one row.

What a row says of requests is in `OpenAI`. Facts: the providers' API references, November 2026.
"""

from collections.abc import Mapping

from gateway.core.catalog import Endpoint
from gateway.providers import parameters, thinking
from gateway.providers.anthropic import Anthropic
from gateway.providers.embeddings import Embeddings
from gateway.providers.failures import QWEN_CODES, ZAI_CODES
from gateway.providers.gemini import Gemini
from gateway.providers.history import DEVELOPER_AS_SYSTEM, FOR_MISTRAL, PARTS_IN_ONE, THOUGHTS_IN_TAGS
from gateway.providers.messages import VERSION, CountTokens, Messages
from gateway.providers.openai import OpenAI
from gateway.providers.parameters import HINTS, LOGPROBS, MESSAGE_NAME, ONLY_OPENAI
from gateway.providers.plain import Plain
from gateway.providers.responses import Responses
from gateway.providers.responses_chat import ResponsesChat
from gateway.wire import Dialect

_NEW_LIMIT = "max_completion_tokens"
_HINTS = frozenset(HINTS)

_ROWS: Mapping[str, OpenAI | Anthropic | Gemini | ResponsesChat] = {
    "openai": OpenAI(
        "https://api.openai.com/v1",
        limit_field=_NEW_LIMIT,
        thinking=thinking.OPENAI,
        families=parameters.REASONING,
        rewrites=(),
    ),
    "openai-responses": ResponsesChat("https://api.openai.com/v1", kept_as="openai-responses-v1"),
    "azure": OpenAI(
        limit_field=_NEW_LIMIT,
        target=Endpoint("/chat/completions", "api-key"),
        thinking=thinking.OPENAI,
        families=parameters.REASONING,
        rewrites=(),
    ),
    "anthropic": Anthropic(),
    "bedrock": OpenAI(limit_field=_NEW_LIMIT, thinking=thinking.BEDROCK, refuses=ONLY_OPENAI),
    "gemini": OpenAI(
        "https://generativelanguage.googleapis.com/v1beta/openai",
        thinking=thinking.GEMINI,
        refuses=ONLY_OPENAI | {"logit_bias"},
        leaves_out=_HINTS,
        fixes=frozenset({"frequency_penalty", "presence_penalty", "top_k", "min_p", "verbosity"}),
        rewrites=(),
    ),
    "gemini-native": Gemini(),
    "vertex": OpenAI(thinking=thinking.GEMINI, refuses=ONLY_OPENAI - {"web_search_options"}, rewrites=()),
    "vertex-native": Gemini(None, vertex=True),
    "openrouter": OpenAI(
        "https://openrouter.ai/api/v1",
        asks_usage=False,
        thinking=thinking.OPENROUTER,
        refuses=ONLY_OPENAI - {"web_search_options"},
        rewrites=(),
    ),
    "mistral": OpenAI(
        "https://api.mistral.ai/v1",
        asks_usage=False,
        thinking=thinking.MISTRAL,
        refuses=ONLY_OPENAI | LOGPROBS | {"logit_bias", MESSAGE_NAME},
        leaves_out=_HINTS - {"metadata", "prediction"} | {"stream_options"},
        fixes=frozenset({"top_k", "min_p", "verbosity"}),
        renames={"seed": "random_seed"},
        values={"tool_choice": {b'"required"': b'"any"'}},
        rewrites=(DEVELOPER_AS_SYSTEM, FOR_MISTRAL),
    ),
    "deepseek": OpenAI(
        "https://api.deepseek.com/v1",
        thinking=thinking.DEEPSEEK,
        refuses=ONLY_OPENAI | {"n", "logit_bias"},
        families=parameters.DEEPSEEK,
        rewrites=(DEVELOPER_AS_SYSTEM, PARTS_IN_ONE),
    ),
    "qwen": OpenAI(
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        thinking=thinking.QWEN,
        thinks_beside=True,
        refuses=ONLY_OPENAI | {"logit_bias"},
        families=parameters.QWEN,
        codes=QWEN_CODES,
    ),
    "moonshot": OpenAI(
        "https://api.moonshot.ai/v1",
        limit_field=_NEW_LIMIT,
        thinking=thinking.MOONSHOT,
        refuses=ONLY_OPENAI | {"tool_choice", "logit_bias"},
        families=parameters.KIMI,
        strict=False,
        rewrites=(DEVELOPER_AS_SYSTEM, PARTS_IN_ONE),
    ),
    "zai": OpenAI(
        "https://api.z.ai/api/paas/v4",
        asks_usage=False,
        thinking=thinking.ZAI,
        refuses=ONLY_OPENAI
        | LOGPROBS
        | {"tool_choice", "n", "seed", "logit_bias", "presence_penalty", "frequency_penalty"},
        only_auto=True,
        rewrites=(),
        codes=ZAI_CODES,
    ),
    "minimax": OpenAI(
        "https://api.minimax.io/v1",
        thinking=(),
        refuses=ONLY_OPENAI | LOGPROBS | {"n", "logit_bias"},
        values={"temperature": {b"0": b"0.01", b"0.0": b"0.01"}},
        rewrites=(DEVELOPER_AS_SYSTEM, THOUGHTS_IN_TAGS),
        tags=True,
    ),
    "qianfan": OpenAI("https://qianfan.baidubce.com/v2", thinking=thinking.QIANFAN, refuses=ONLY_OPENAI | {"n"}),
    "tokenhub": OpenAI(
        "https://tokenhub-intl.tencentcloudmaas.com/v1", thinking=thinking.TOKENHUB, refuses=ONLY_OPENAI | {"n"}
    ),
    "meta": OpenAI(
        "https://api.meta.ai/v1",
        limit_field=_NEW_LIMIT,
        thinking=thinking.META,
        refuses=ONLY_OPENAI | {"tool_choice", "stop"},
        only_auto=True,
    ),
    "xai": OpenAI(
        "https://api.x.ai/v1",
        limit_field=_NEW_LIMIT,
        passes=("x-grok-conv-id",),
        thinking=thinking.XAI,
        refuses=ONLY_OPENAI,
        families=parameters.GROK,
        rewrites=(),
    ),
    "xai-responses": ResponsesChat(
        "https://api.x.ai/v1",
        kept_as="xai-responses-v1",
        lacking=frozenset({"web_search_options", "logprobs", "top_logprobs"}),
    ),
    "groq": OpenAI(
        "https://api.groq.com/openai/v1",
        limit_field=_NEW_LIMIT,
        thinking=thinking.GROQ,
        refuses=ONLY_OPENAI - {"functions", "function_call"} | LOGPROBS | {"n", "logit_bias", MESSAGE_NAME},
        leaves_out=_HINTS - {"metadata", "user", "service_tier"},
        fixes=frozenset({"top_k", "min_p", "verbosity"}),
        values={"service_tier": {b'"default"': b'"on_demand"'}},
        rewrites=(),
    ),
    "together": OpenAI("https://api.together.xyz/v1", thinking=thinking.TOGETHER, refuses=ONLY_OPENAI),
    "fireworks": OpenAI("https://api.fireworks.ai/inference/v1", thinking=thinking.FIREWORKS, refuses=ONLY_OPENAI),
    "nvidia": OpenAI("https://integrate.api.nvidia.com/v1", thinking=thinking.NVIDIA, refuses=ONLY_OPENAI),
    "perplexity": ResponsesChat(
        "https://api.perplexity.ai/v1",
        summary=False,
        nested=True,
        lacking=frozenset({"tool_choice", "parallel_tool_calls", "logprobs", "top_logprobs", "verbosity"}),
        left_out=frozenset({"temperature", "top_p"}),
    ),
    "vllm": OpenAI(thinking=thinking.TEMPLATES, refuses=ONLY_OPENAI),
    "sglang": OpenAI(thinking=thinking.TEMPLATES, refuses=ONLY_OPENAI),
    "ollama": OpenAI(
        thinking=thinking.OLLAMA,
        refuses=ONLY_OPENAI | LOGPROBS | {"tool_choice", "n", "logit_bias"},
        only_auto=True,
        rewrites=(),
    ),
    "llamacpp": OpenAI(thinking=thinking.LLAMACPP, refuses=ONLY_OPENAI),
    "lmstudio": OpenAI(refuses=ONLY_OPENAI | {"n"}, rewrites=()),
    "tgi": OpenAI(thinking=(), refuses=ONLY_OPENAI | {"n", "logit_bias"}),
    "openai-compatible": OpenAI(),
}


def _beside(
    key_header: str = "Authorization", *, seals: bool = False, packs: bool = False, thinks_beside: bool = False
) -> tuple[Dialect, ...]:
    """What a server may serve beside chat. Whether a backend does is a capability of its row in the catalog. `packs`:
    it has embeddings in base64."""
    return (
        OpenAI(takes="completions", target=Endpoint("/completions", key_header), rewrites=()),
        Embeddings(packs=packs, target=Endpoint("/embeddings", key_header)),
        Plain(takes="moderations", target=Endpoint("/moderations", key_header), member="results"),
        Plain(takes="images", target=Endpoint("/images/generations", key_header), member="data"),
        Plain(takes="rerank", target=Endpoint("/rerank", key_header), member="results"),
        Responses(seals=seals, target=Endpoint("/responses", key_header), thinks_beside=thinks_beside),
        Messages(target=Endpoint("/messages", key_header, VERSION), signed=False, thinks_beside=thinks_beside),
    )


_COUNTS = CountTokens(target=Endpoint("/messages/count_tokens", headers=VERSION), signed=False)
_BESIDE: Mapping[str, tuple[Dialect, ...]] = {
    "anthropic": (Messages(), CountTokens()),
    "azure": _beside("api-key", seals=True, packs=True),
    "openai": _beside(seals=True, packs=True),
    "openai-responses": _beside(seals=True),
    "qwen": _beside(thinks_beside=True),
    "xai": _beside(seals=True),
    "xai-responses": _beside(seals=True),
    "vllm": (*_beside(packs=True), _COUNTS),
    "llamacpp": (*_beside(packs=True), _COUNTS),
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
