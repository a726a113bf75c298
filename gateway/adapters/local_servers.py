"""Model servers that run here and on hosts that were named: the demo one, and those that answer. Sends no content."""

import ipaddress
import socket
import time
from collections.abc import Collection, Iterable

from gateway.adapters import demo_model, probes
from gateway.core.steering import plain
from gateway.review import backends, discovered, served
from gateway.review.discovered import TELLING, USUAL_PORTS, Found
from gateway.review.questions import Answer, Question, Silence, details
from gateway.review.served import Served

HERE = "127.0.0.1"
_SECONDS = 2.0
_MAX_MODELS = 20
_OURSELVES = frozenset({HERE, "::1"})

Place = tuple[str, int]
"""Host and port."""


def demo_row(port: int) -> dict[str, object]:
    """The catalog row of the demo model."""
    return {
        **assumed("llamacpp", f"http://{HERE}:{port}/v1"),
        "capabilities": ["chat", "tools", "json_schema", "logprobs"],
        "context": demo_model.CONTEXT,
        "weights_origin": "eu",
        "licence": "apache-2.0",
    }


def assumed(provider: str, base_url: str) -> dict[str, object]:
    """A catalog row with what quickstart takes to be so of a server on the machine that it runs on."""
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


def places(hosts: Iterable[str], own_ports: Collection[int]) -> list[Place]:
    """Where to look: the usual ports of this machine and of each host that names no port of its own, but not at our own
    gateway. Raises ValueError for what is no host."""
    looked = [(HERE, port) for port in USUAL_PORTS]
    for text in hosts:
        host, port = discovered.place(text)
        host = HERE if host.lower() == "localhost" else host
        looked += [(host, port)] if port else [(host, usual) for usual in USUAL_PORTS]
    return [(host, port) for host, port in dict.fromkeys(looked) if host not in _OURSELVES or port not in own_ports]


def discover(looked: Iterable[Place]) -> list[Found | str]:
    """The server at each place with the models that it offers, or in words why there is none."""
    jobs = [lambda place=place: _at(*place) for place in looked]
    return probes.at_once(jobs)


def answers_well(url: str, seconds: float) -> bool:
    """Whether a GET of this URL is answered with 200."""
    answer = _ask(Question("health", url), time.monotonic() + seconds)
    return isinstance(answer, Answer) and answer.status == 200


def _at(host: str, port: int) -> Found | str:
    usual = USUAL_PORTS.get(port, "model server")
    nobody = f"{usual:<16} not found at {host}:{port}"
    return probes.within(_SECONDS * 2, lambda: _look(host, port, nobody)) or nobody


def _look(host: str, port: int, nobody: str) -> Found | str:
    deadline = time.monotonic() + _SECONDS
    at = discovered.root_of(host, port)
    answer = _ask(Question("models", f"{at}/v1/models"), deadline)
    if isinstance(answer, Silence):
        return nobody
    if answer.status in (401, 403):
        return f"a server at {host}:{port} asks for a key ({answer.status}): write its row yourself, with `api_key`"
    if answer.status == 503:
        return f"a server at {host}:{port} is not ready yet (503): try again"
    try:
        models = served.read_list(answer.body) if answer.status == 200 else None
    except ValueError:
        models = None
    if models is None:
        return nobody
    if any(model.owner == "gateway" for model in models):
        return f"a gateway like this one is at {host}:{port}"
    provider = discovered.provider_by_list(answer, models) or _provider_by_paths(at, deadline)
    away = discovered.relayed((*models, *(_tags(at, deadline) if provider == "ollama" else ())))
    here = [_told(provider, at, model, deadline) for model in models if model.id not in away][:_MAX_MODELS]
    away += discovered.relayed(here)
    here = [model for model in here if model.id not in away and plain(model.id) == model.id]
    if not here:
        return f"{provider} at {host}:{port} serves no model of its own"
    return Found(provider, host, port, tuple(here), _is_ours(host), tuple(dict.fromkeys(away)))


def _ask(question: Question, deadline: float) -> Answer | Silence:
    return probes.ask(question, deadline)


def _provider_by_paths(at: str, deadline: float) -> str:
    for path, provider in TELLING.items():
        if discovered.tells(path, _ask(Question("kind", at + path), deadline)):
            return provider
    return "openai-compatible"


def _tags(at: str, deadline: float) -> tuple[Served, ...]:
    """Ollama's own list, which says what it passes on."""
    answer = _ask(Question("tags", f"{at}/api/tags"), deadline)
    try:
        return served.read_list(answer.body) if isinstance(answer, Answer) else ()
    except ValueError:
        return ()


def _told(provider: str, at: str, model: Served, deadline: float) -> Served:
    asked = details(provider, f"{at}/v1", model.id)
    return backends.described(model, {each.about: (_ask(each, deadline),) for each in asked})


def _is_ours(host: str) -> bool:
    """Whether a host is this machine or has private addresses only."""
    try:
        found = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    addresses = [ipaddress.ip_address(address) for address in found]
    return all(each.is_private or each.is_loopback or each.is_link_local for each in addresses)
