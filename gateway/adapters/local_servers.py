"""Model servers on this machine, as catalog rows: the demo one, and those that already run. Sends no content."""

import re
import urllib.request
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from gateway.adapters import demo_model

_USUAL_PORTS = (("vllm", 8000), ("sglang", 30000), ("ollama", 11434), ("llamacpp", 8080), ("lmstudio", 1234))
_PROBE_SECONDS = 0.5
_MAX_MODELS = 20
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._:@/-]+")

_FAMILIES = {
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


class Found(msgspec.Struct, frozen=True):
    """A server that answered, with a catalog row for each of its models."""

    server: str
    port: int
    rows: dict[str, dict[str, object]]


def demo_row(port: int) -> dict[str, object]:
    """The catalog row of the demo model."""
    return {
        **_row("llamacpp", f"http://127.0.0.1:{port}/v1"),
        "capabilities": ["chat", "tools", "json_schema", "logprobs"],
        "context": demo_model.CONTEXT,
        "weights_origin": "eu",
        "licence": "apache-2.0",
    }


def _row(provider: str, base_url: str) -> dict[str, object]:
    return {
        "provider": provider,
        "base_url": base_url,
        "price": {"gpu_hour": 0.1, "tokens_per_second": 90},  # assumed: a small virtual machine
        "deployment": "self_hosted",
        "zone": "inhouse",
        "status": "active",
        "retention": "none",
        "trains_on_data": "never",
        "audience": "anyone",
        "source": "found by gateway quickstart",
    }


def discover(skip_ports: set[int]) -> Iterator[Found | str]:
    """Every server on a usual port: what it offers, or in words why not. Our own ports are not asked."""
    for server, port in _USUAL_PORTS:
        if port in skip_ports:
            continue
        models = _models(port)
        if models is None:
            yield f"{server:<12} not found on port {port}"
            continue
        rows: dict[str, dict[str, object]] = {}
        for model in models[:_MAX_MODELS]:
            if model.endswith(("-cloud", ":cloud")):
                continue  # Ollama relays these to a hosted service: they are not on this machine
            row = _row(server, f"http://127.0.0.1:{port}/v1")
            origin = next((origin for family, origin in _FAMILIES.items() if family in model.lower()), None)
            rows[model] = row | ({"weights_origin": origin} if origin else {})
        yield Found(server, port, rows) if rows else f"{server:<12} on port {port} serves no model"


def named(found: Found, taken: Collection[str]) -> dict[str, dict[str, object]]:
    """The rows of a server under names that a catalog accepts and that nobody has yet; the model keeps its own."""
    rows: dict[str, dict[str, object]] = {}
    for model, row in found.rows.items():
        name = _NOT_IN_NAMES.sub("-", model).strip("-./:@_")[:100] or "model"
        if name in taken or name in rows:
            name = f"{found.server}/{name}"
        if name not in taken and name not in rows:
            rows[name] = row | {"model": model}
    return rows


def ask(url: str, seconds: float) -> Any:
    """Opens a URL of this machine, whatever proxy the environment names."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=seconds)


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


def _models(port: int) -> list[str] | None:
    try:
        with ask(f"http://127.0.0.1:{port}/v1/models", _PROBE_SECONDS) as response:
            return [model.id for model in msgspec.json.decode(response.read(1_000_000), type=_Models).data]
    except (OSError, ValueError, msgspec.DecodeError):
        return None
