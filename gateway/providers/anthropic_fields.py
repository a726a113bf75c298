"""Fields of a chat completion, and what becomes of each for Anthropic. Every one that OpenAI documents is in one row.

Facts: platform.claude.com/docs/en/api/messages, its page on the compatibility with OpenAI's SDK, and the types of
Anthropic's SDK 2.14; November 2026.
"""

from collections.abc import Mapping

TRANSLATED = frozenset(
    (
        *("model", "messages", "max_tokens", "max_completion_tokens", "stop", "stream", "stream_options"),
        *("temperature", "top_p", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
        *("response_format", "reasoning_effort", "service_tier", "user", "safety_identifier"),
        "metadata",  # its `user_id`, where nothing else names the user; the rest is for OpenAI's store of completions
    )
)
"""Fields that are said in Anthropic's words."""

HARMLESS: Mapping[str, str] = {
    "store": "asks OpenAI to keep the completion; nothing is kept here",
    "prompt_cache_key": "a hint for the place of a cache; the answer is the same",
    "prompt_cache_options": "a hint for a cache; the answer is the same",
    "prompt_cache_retention": "a hint for a cache; the answer is the same",
}
"""Fields that are left out, and why nobody misses them."""

TOLD: Mapping[str, str] = {
    "seed": "OpenAI itself promises nothing of it",
    "prediction": "it only makes an answer faster",
}
"""Fields that are left out, and why that may be; the client is told."""

LACKING: Mapping[str, str] = {
    "n": "does not take `n` above 1",
    "presence_penalty": "does not take `presence_penalty`",
    "frequency_penalty": "does not take `frequency_penalty`",
    "logit_bias": "does not take `logit_bias`",
    "logprobs": "does not report `logprobs`",
    "top_logprobs": "does not report `top_logprobs`",
    "min_p": "does not take `min_p`",
    "suffix": "does not take a `suffix`",
    "verbosity": "does not take `verbosity`",
    "modalities": "writes only text, so it does not take these `modalities`",
    "audio": "does not speak, so it does not take `audio`",
    "web_search_options": "does not take `web_search_options`",
    "moderation": "does not take `moderation`",
}
"""Parameters that nothing stands for, in words that go on after the backend's name."""

OWN = frozenset(
    ("thinking", "output_config", "top_k", "cache_control", "context_management", "diagnostics", "mcp_servers")
)
"""Anthropic's own fields. They are passed on as they came."""

HOSTED: Mapping[str, bytes] = {"mcp_servers": b"[]"}
"""Those of them that let tools run at Anthropic, with the value that lets none."""

NOT_OURS: Mapping[str, str] = {
    "container": "does not take a `container`: what is in one belongs to the gateway's account",
    "inference_geo": "does not take `inference_geo`: the policy says where a request may be served",
    "speed": "does not take `speed`: another one has another price",
    "user_profile_id": "does not take a `user_profile_id`: profiles belong to the gateway's account",
}
"""Anthropic's own fields that are not passed on, in words that go on after the backend's name. What is stored in the
account of the gateway is everybody's there: a caller could name what is another's."""

KNOWN = TRANSLATED | OWN | {*HARMLESS, *TOLD, *LACKING, *NOT_OURS}
"""All of them. Another field would be refused by the API, so a model is said not to know it."""
