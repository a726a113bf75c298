"""What a backend is asked, and how its key travels."""

import json

import pytest

from gateway.core.catalog import Backend
from gateway.providers import BASE_URLS
from gateway.review.questions import Carriage, carriage, questions


def backend(provider: str, base_url: str | None = None, model: str = "m") -> Backend:
    return Backend("b", provider, base_url or BASE_URLS.get(provider) or "http://h:1/v1", model, {})


@pytest.mark.parametrize(
    ("provider", "asked"),
    [
        ("openai", ["https://api.openai.com/v1/models", "https://api.openai.com/v1/models m"]),
        ("openrouter", ["{}/models", "{}/key", "{}/models m"]),
        ("openai-compatible", ["{}/models"]),
        ("vllm", ["{}/models", "http://h:1/health"]),
        ("sglang", ["{}/models", "http://h:1/health"]),
        ("llamacpp", ["{}/models", "http://h:1/health", "http://h:1/props"]),
        ("ollama", ["{}/models", "http://h:1/api/show", "http://h:1/api/ps"]),
        ("lmstudio", ["{}/models", "http://h:1/api/v1/models"]),
        ("azure", ["{}/models"]),
    ],
)
def test_each_provider_is_asked_what_it_can_tell(provider, asked):
    about = backend(provider)
    said = [f"{each.url} {each.tail}".strip() for each in questions(about)]
    assert said == [each.format(about.base_url) for each in asked]


@pytest.mark.parametrize("provider", [*BASE_URLS, "azure"])
def test_no_question_has_content(provider):
    for question in questions(backend(provider)):
        assert "completions" not in question.url
        assert question.body is None or json.loads(question.body) == {"model": "m"}


@pytest.mark.parametrize("provider", [*BASE_URLS, "azure"])
def test_questions_stay_at_the_host_of_the_catalog_and_begin_with_the_list(provider):
    about = backend(provider)
    host = about.base_url.split("/")[2]
    assert {question.url.split("/")[2] for question in questions(about)} == {host}
    assert questions(about)[0].about == "models"


@pytest.mark.parametrize(
    ("provider", "base_url", "header", "word"),
    [
        ("openai", None, "Authorization", "Bearer "),
        ("vllm", None, "Authorization", "Bearer "),
        ("anthropic", None, "x-api-key", ""),
        ("azure", None, "api-key", ""),
        ("gemini", None, "Authorization", "Bearer "),
        ("gemini", "https://generativelanguage.googleapis.com/v1beta", "x-goog-api-key", ""),
    ],
)
def test_a_key_travels_as_its_provider_wants_it(provider, base_url, header, word):
    how = carriage(backend(provider, base_url))
    assert (how.header, how.word) == (header, word)


def test_anthropic_wants_a_version_beside_the_key():
    assert carriage(backend("anthropic")).beside == (("anthropic-version", "2023-06-01"),)
    assert Carriage().beside == ()
