"""What a backend is asked to see whether it is as the catalog says, and in which shape answers come. No question has
content: each is a GET, or names a model and nothing else.

Facts: the providers' own pages as of 2026-11.
"""

from collections.abc import Mapping

import msgspec

from gateway.core.catalog import Backend

MAX_BYTES = 20_000_000
"""The most that is read of an answer. OpenRouter's list has several megabytes."""


class Question(msgspec.Struct, frozen=True):
    """One question. `about` names it; `tail` is one more part of the path, to be quoted; `body` None: a GET.

    `with_key`: it carries the backend's key. Health is open everywhere, so it does not.
    """

    about: str
    url: str
    tail: str = ""
    query: tuple[str, str] | None = None
    with_key: bool = True
    body: bytes | None = None


class Answer(msgspec.Struct, frozen=True):
    """An answer. Names of `headers` are in small letters; `at` is our clock when its head was in (Unix seconds), and
    `connect_ms` how long name, connection and TLS took. `whole` False: the body is longer than what was read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: float
    connect_ms: int = 0
    whole: bool = True


class Silence(msgspec.Struct, frozen=True):
    """No answer came: what happened, and what to do, in words."""

    words: str


Answers = Mapping[str, tuple[Answer | Silence, ...]]
"""What came back, by what it is about; a list of models may have several pages."""


class Carriage(msgspec.Struct, frozen=True):
    """How a key travels: in which header, after which word, and beside which other headers."""

    header: str = "Authorization"
    word: str = "Bearer "
    beside: tuple[tuple[str, str], ...] = ()


_CARRIAGES: Mapping[str, Carriage] = {
    "anthropic": Carriage("x-api-key", "", (("anthropic-version", "2023-06-01"),)),
    "azure": Carriage("api-key", ""),
    "gemini": Carriage("x-goog-api-key", ""),
}
"""How each provider's list of models wants the key; any other: as a bearer token."""

LOCAL = frozenset({"vllm", "sglang", "ollama", "llamacpp", "lmstudio", "tgi"})
"""Servers that one runs oneself. Each has a list of models."""

_HAS_HEALTH = frozenset({"vllm", "sglang", "llamacpp", "tgi"})

GUARDED: Mapping[str, str] = {"openrouter": "key", "llamacpp": "props"}
"""What shows whether the key is accepted, where the list of models is open to everyone; elsewhere it is the list."""

BY_DEPLOYMENT = frozenset({"azure"})
"""Providers that call a model by the name one gave to its deployment. Their list has other names."""


def carriage(backend: Backend) -> Carriage:
    """How the key of a backend travels with a question."""
    if backend.provider == "gemini" and backend.base_url.endswith("/openai"):
        return Carriage()
    return _CARRIAGES.get(backend.provider, Carriage())


def questions(backend: Backend) -> tuple[Question, ...]:
    """All that a backend is asked, the list of models first: without an answer to that the others are not asked."""
    base = backend.base_url
    asked = [Question("models", f"{base}/models")]
    if backend.provider in _HAS_HEALTH:
        asked.append(Question("health", f"{root(base)}/health", with_key=False))
    if backend.provider == "openrouter":
        asked.append(Question("key", f"{base}/key"))
    if backend.provider not in LOCAL | BY_DEPLOYMENT | {"openai-compatible"}:
        asked.append(Question("model", f"{base}/models", tail=backend.model))  # lists leave aliases out
    return (*asked, *details(backend.provider, base, backend.model))


def details(provider: str, base_url: str, model: str) -> tuple[Question, ...]:
    """What a local server is asked about one model, beside the list."""
    at = root(base_url)
    match provider:
        case "llamacpp":
            return (Question("props", f"{at}/props"),)
        case "ollama":
            return (
                Question("show", f"{at}/api/show", body=msgspec.json.encode({"model": model})),
                Question("loaded", f"{at}/api/ps"),
            )
        case "lmstudio":
            return (Question("native", f"{at}/api/v1/models"),)
    return ()


def root(base_url: str) -> str:
    """Where a server's own interface is, beside the one that speaks as OpenAI does."""
    return base_url.removesuffix("/v1")
