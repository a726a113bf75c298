"""Names and URLs of LiteLLM become providers and base URLs of ours."""

import msgspec
import pytest
from support.litellm import OWN

from gateway.providers import BASE_URLS
from gateway.review.litellm.providers import KINDS, UNSET, place_of


@pytest.mark.parametrize(
    ("params", "provider", "model", "base_url", "hosted"),
    [
        ({"model": "openai/gpt-5.6-sol"}, "openai", "gpt-5.6-sol", None, True),
        ({"model": "gpt-5.6-sol"}, "openai", "gpt-5.6-sol", None, True),
        ({"model": "o4-mini"}, "openai", "o4-mini", None, True),
        ({"model": "claude-opus-5-5"}, "anthropic", "claude-opus-5-5", None, True),
        ({"model": "openai/responses/gpt-5.6-sol"}, "openai", "gpt-5.6-sol", None, True),
        ({"model": "openai/x", "api_base": "https://api.openai.com/v1/"}, "openai", "x", None, True),
        ({"model": "openai/x", "api_base": "https://eu.api.openai.com/v1"}, "openai", "x", "https://eu.api.openai.com/v1", True),
        ({"model": "openai/x", "api_base": "https://api.openai.com.evil.example/v1"}, "openai-compatible", "x", "https://api.openai.com.evil.example/v1", False),
        ({"model": "openai/meta-llama/L", "api_base": "http://box:8000/v1"}, "openai-compatible", "meta-llama/L", "http://box:8000/v1", False),
        ({"model": "openai/x", "api_base": "http://box/v1/chat/completions"}, "openai-compatible", "x", "http://box/v1", False),
        ({"model": "x", "custom_llm_provider": "hosted_vllm", "base_url": "http://box:8000/v1"}, "vllm", "x", "http://box:8000/v1", False),
        ({"model": "hosted_vllm/x", "api_base": "os.environ/BASE"}, "vllm", "x", "http://box:8000/v1", False),
        ({"model": "hosted_vllm/x", "api_base": "os.environ/OTHER"}, "vllm", "x", UNSET, False),
        ({"model": "hosted_vllm/x"}, "vllm", "x", UNSET, False),
        ({"model": "hosted_vllm/x", "api_base": "http://me:secret@box/v1"}, "vllm", "x", UNSET, False),
        ({"model": "ollama_chat/llama3:8b", "api_base": "http://box:11434"}, "ollama", "llama3:8b", "http://box:11434/v1", False),
        ({"model": "anthropic/claude", "api_base": "https://api.anthropic.com"}, "anthropic", "claude", None, True),
        ({"model": "anthropic/claude", "api_base": "https://proxy.example/v1/messages"}, "anthropic", "claude", "https://proxy.example/v1", False),
        ({"model": "azure/gpt5_series/dep", "api_base": "https://res.openai.azure.com/"}, "azure", "dep", "https://res.openai.azure.com/openai/v1", True),
        ({"model": "bedrock/converse/us.anthropic.c", "aws_region_name": "us-east-1"}, "bedrock", "us.anthropic.c", "https://bedrock-mantle.us-east-1.api.aws/v1", True),
        ({"model": "azure/dep", "api_base": "https://proxy.example/openai/v1"}, "azure", "dep", "https://proxy.example/openai/v1", False),
        ({"model": "dashscope/q", "api_base": "https://dashscope.aliyuncs.com/compatible-mode/v1"}, "qwen", "q", "https://dashscope.aliyuncs.com/compatible-mode/v1", True),
        ({"model": "bedrock/eu-west-3/m", "aws_region_name": "us-east-1/x"}, "bedrock", "m", UNSET, False),
        ({"model": "vertex_ai/gemini-3", "vertex_project": "p", "vertex_location": "europe-west4"}, "vertex", "google/gemini-3",
         "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/endpoints/openapi", True),
        ({"model": "openrouter/anthropic/claude"}, "openrouter", "anthropic/claude", None, True),
        ({"model": "dashscope/qwen3-max"}, "qwen", "qwen3-max", None, True),
        ({"model": "fireworks_ai/accounts/f/models/g"}, "fireworks", "accounts/f/models/g", None, True),
    ],
)  # fmt: skip
def test_places(params, provider, model, base_url, hosted):
    place = place_of(params, OWN)
    assert (place.provider, place.model, place.base_url, place.hosted) == (provider, model, base_url, hosted)
    assert bool(place.unknown) == (base_url == UNSET)
    assert {"model", "api_base", "base_url", "custom_llm_provider"} & params.keys() <= place.used


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({}, "no `model`"),
        ({"model": 1}, "no `model`"),
        ({"model": "cohere/command"}, "no provider here for `cohere`"),
        ({"model": "some-name"}, "names no provider"),
        ({"model": "perplexity/sonar"}, "no provider here for `perplexity`"),
    ],
)
def test_what_has_no_place(params, why):
    assert why in place_of(params, msgspec.structs.replace(OWN, base_urls=without(OWN.base_urls, "perplexity")))


def test_every_kind_is_a_provider_of_ours():
    assert {kind.ours for kind in KINDS.values()} <= BASE_URLS.keys()


def without(mapping, key):
    return {name: value for name, value in mapping.items() if name != key}
