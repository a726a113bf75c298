"""Found model servers as catalog rows."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.policy_trees import shipped
from support.vectors import ROOT, load

from gateway.core.catalog import CAPABILITIES
from gateway.policy.parse import parse
from gateway.providers import BASE_URLS
from gateway.review import discovered
from gateway.review.discovered import Found, as_yaml, named, place, provider_by_list, relayed, row, tells
from gateway.review.questions import Answer, Silence
from gateway.review.served import Served, read_list


def found(*ids: str, **more: object) -> Found:
    return Found(more.pop("provider", "vllm"), more.pop("host", "127.0.0.1"), 8000, tuple(map(Served, ids)), **more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpu-1", ("gpu-1", None)),
        ("gpu-1:8001", ("gpu-1", 8001)),
        ("10.0.0.5:80", ("10.0.0.5", 80)),
        ("[::1]:8000", ("::1", 8000)),
        ("[fe80::1]", ("fe80::1", None)),
    ],
)
def test_places(text, expected):
    assert place(text) == expected


@pytest.mark.parametrize(
    "text", ["", "http://gpu-1", "gpu-1:", "gpu-1:0", "gpu-1:65536", "gpu 1", "a@b", "::1", "h/x", "h\n"]
)
def test_what_is_no_place_is_refused(text):
    with pytest.raises(ValueError, match="is no host; write HOST, HOST:PORT"):
        place(text)


def test_an_ipv6_address_stands_in_brackets():
    assert found("m", host="fe80::1").base_url == "http://[fe80::1]:8000/v1"


@pytest.mark.parametrize(("server", "provider"), [("vllm-cpu", "vllm"), ("llama-server", "llamacpp")])
def test_real_servers_are_known_by_what_they_answer(server, provider):
    recorded = load(ROOT / server / "models.txt")
    answer = Answer(200, recorded.headers, recorded.body, 0)
    assert provider_by_list(answer, read_list(recorded.body)) == provider


@pytest.mark.parametrize(
    ("server", "owner", "provider"),
    [
        ("llama.cpp", "", "llamacpp"),
        ("uvicorn", "sglang", "sglang"),
        ("", "library", "ollama"),
        ("", "organization_owner", "lmstudio"),
        ("uvicorn", "HuggingFaceTB", None),
        ("", "", None),
    ],
)
def test_the_provider_by_header_and_owner(server, owner, provider):
    assert provider_by_list(Answer(200, {"server": server}, b"", 0), [Served("m", owner=owner)]) == provider


@pytest.mark.parametrize(
    ("path", "status", "body", "yes"),
    [
        ("/api/version", 200, {"version": "0.40.12"}, True),
        ("/api/version", 404, {"version": "0.40.12"}, False),
        ("/api/version", 200, {"status": "ok"}, False),
        ("/api/version", 200, [], False),
        ("/props", 200, {"default_generation_settings": {}}, True),
        ("/api/v1/models", 200, {"models": []}, True),
    ],
)
def test_telling_paths(path, status, body, yes):
    assert path in discovered.TELLING
    assert tells(path, Answer(status, {}, json.dumps(body).encode(), 0)) is yes


def test_what_cannot_be_read_tells_nothing():
    assert not tells("/props", Silence("x"))
    assert not tells("/props", Answer(200, {}, b"<html>", 0))
    assert not tells("/props", Answer(200, {}, b"[" * 100_000, 0))


def test_models_that_a_hosted_service_serves_are_told_by_name_and_by_what_the_server_says():
    models = [
        Served("gpt-oss:120b-cloud"),
        Served("glm-5:cloud"),
        Served("copy", relayed_to="https://x"),
        Served("qwen3"),
    ]
    assert relayed(models) == ("gpt-oss:120b-cloud", "glm-5:cloud", "copy")


@pytest.mark.parametrize(
    ("model", "ours", "facts"),
    [
        (Served("qwen3:8b"), True, {"deployment": "self_hosted", "weights_origin": "cn"}),
        (Served("mystery"), False, {}),
        (
            Served("e", has=frozenset({"embeddings"}), context=512),
            False,
            {"capabilities": ["embeddings"], "context": 512},
        ),
        (Served("t", has=frozenset({"tools", "chat"}), trained=9), False, {"capabilities": ["chat", "tools"]}),
    ],
)
def test_a_row_has_what_the_server_tells_and_no_more(model, ours, facts):
    base = {"provider": "vllm", "base_url": "http://127.0.0.1:8000/v1", "model": model.id, "status": "active"}
    assert row(found(ours=ours), model) == base | facts


@pytest.mark.parametrize(
    ("model", "taken", "name"),
    [
        ("qwen3:8b", (), "qwen3:8b"),
        ("glm-5.2", ("glm-5.2",), "vllm/glm-5.2"),
        ("glm-5.2", ("glm-5.2", "vllm/glm-5.2"), "vllm/glm-5.2@127.0.0.1:8000"),
        ("/models/Qwen 3", (), "models/Qwen-3"),
        ("C:\\m.gguf", (), "C:-m.gguf"),
        ("auto", ("auto",), "vllm/auto"),
        ("???", (), "model"),
    ],
)
def test_a_found_model_gets_a_name_that_loads(model, taken, name):
    assert named(found(model), taken) == {name: Served(model)}


def test_a_name_that_is_taken_in_every_way_is_left_out():
    assert named(found("m"), ("m", "vllm/m", "vllm/m@127.0.0.1:8000")) == {}


TREE = shipped()
MODELS = st.builds(
    Served,
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=40),
    context=st.none() | st.integers(1, 10**6),
    has=st.frozensets(st.sampled_from(CAPABILITIES)),
)


@given(st.lists(MODELS, min_size=1, max_size=3, unique_by=lambda model: model.id), st.booleans())
def test_rows_load_whatever_a_model_is_called(models, ours):
    server = Found("ollama", "fe80::1", 11434, tuple(models), ours)
    text = as_yaml({name: (server, model) for name, model in named(server, {"auto"}).items()}, "2026-11-27")
    parsed = parse(TREE | {"catalog/found.yaml": text.encode()}, BASE_URLS, today="2026-11-27")
    assert parsed.problems == ()
    rows = {backend.model: backend for backend in parsed.bundle.backends if "fe80" in backend.base_url}
    assert rows.keys() == {model.id for model in models}
    for model in models:
        assert (rows[model.id].context, rows[model.id].price) == (model.context, None)


def test_rows_load_with_every_comment_filled_in():
    server = found("mystery", ours=False)
    text = as_yaml({"mystery": (server, server.models[0])}, "2026-11-27")
    filled = "\n".join(line.replace("# ", "", 1) if line.startswith("    # ") else line for line in text.splitlines())
    parsed = parse(TREE | {"catalog/found.yaml": filled.encode()}, BASE_URLS, today="2026-11-27")
    assert parsed.problems == ()
    backend = next(backend for backend in parsed.bundle.backends if backend.id == "mystery")
    assert (backend.zone, backend.context, backend.word("weights_origin")) == ("inhouse", 8192, "eu")
    assert backend.price is not None


def test_no_fact_that_only_its_owner_knows_is_written():
    server = found("qwen3")
    (backend,) = yaml.safe_load(as_yaml({"qwen3": (server, server.models[0])}, "2026-11-27"))["backends"].values()
    assert backend == row(server, server.models[0]) | {"source": "answers at http://127.0.0.1:8000/v1 on 2026-11-27"}
