"""What model servers say of their models, in every shape that is met."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.vectors import ROOT, load

from gateway.review import served
from gateway.review.served import Served, find, merged, next_page, read_list


def of(entry: object) -> Served:
    (model,) = read_list(json.dumps({"data": [entry]}).encode())
    return model


@pytest.mark.parametrize(
    ("server", "context", "trained", "owner"),
    [("vllm-cpu", 2048, None, "vllm"), ("llama-server", 4096, 8192, "llamacpp")],
)
def test_recorded_lists_of_real_servers(server, context, trained, owner):
    (model,) = read_list(load(ROOT / server / "models.txt").body)
    assert (model.id, model.context, model.trained, model.owner) == ("smollm2-135m-instruct", context, trained, owner)


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"object": "list", "data": [{"id": "a"}, {"id": "b"}]}, ["a", "b"]),
        ({"data": []}, []),
        ({"object": "list", "data": None}, []),  # Ollama without a model
        ([{"id": "together/one"}], ["together/one"]),
        ({"models": [{"name": "models/gemini-3.8-flash", "inputTokenLimit": 1048576}]}, ["models/gemini-3.8-flash"]),
        ({"models": [{"name": "qwen3:8b", "model": "qwen3:8b"}]}, ["qwen3:8b"]),
        ({"models": [{"key": "qwen/qwen3.5-9b", "display_name": "Qwen"}]}, ["qwen/qwen3.5-9b"]),
        ({"data": [{"id": 7}, "x", {"id": "a"}]}, ["a"]),
    ],
)
def test_shapes(body, ids):
    assert [model.id for model in read_list(json.dumps(body).encode())] == ids


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b"7",
        b'"x"',
        b'{"data": 1}',
        b'{"data": [1]}',
        b'{"error": "no"}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_what_is_no_list_is_refused(body):
    with pytest.raises(ValueError):
        read_list(body)


@pytest.mark.parametrize(
    ("entry", "context", "trained"),
    [
        ({"max_model_len": 2048}, 2048, None),
        ({"context_length": 131072}, 131072, None),
        ({"context_window": 131072}, 131072, None),
        ({"max_input_tokens": 1000000, "max_tokens": 64000}, 1000000, None),
        ({"max_context_length": 262144}, 262144, 262144),  # Mistral
        ({"max_context_length": 262144, "loaded_instances": []}, None, 262144),  # LM Studio: not loaded
        (
            {
                "max_context_length": 262144,
                "loaded_instances": [
                    {"id": "x:2", "config": {"context_length": 8192}},
                    {"id": "x", "config": {"context_length": 4096}},
                ],
            },
            4096,
            262144,
        ),
        ({"meta": {"n_ctx_train": 8192}}, None, 8192),
        ({"context_length": "131072"}, None, None),
        ({"context_length": True}, None, None),
        ({"context_length": -1}, None, None),
        ({"context_length": 10**12}, None, None),
        ({"meta": 7, "loaded_instances": [7], "aliases": [7]}, None, None),
    ],
)
def test_how_many_tokens_a_model_takes(entry, context, trained):
    model = of({"id": "x", **entry})
    assert (model.context, model.trained) == (context, trained)


@pytest.mark.parametrize(
    ("entry", "has", "lacks"),
    [
        ({}, "", ""),
        (
            {"supported_parameters": ["tools", "temperature"], "architecture": {"input_modalities": ["text", "image"]}},
            "tools vision",
            "audio json_schema logprobs reasoning",
        ),
        ({"supported_parameters": [], "architecture": {"input_modalities": []}}, "", ""),
        (
            {"capabilities": {"completion_chat": True, "function_calling": False, "vision": True}},
            "chat vision",
            "tools",
        ),
        (
            {
                "capabilities": {
                    "image_input": {"supported": True},
                    "structured_outputs": {"supported": False},
                    "thinking": {"supported": True, "types": {}},
                    "batch": {"supported": True},
                }
            },
            "reasoning vision",
            "json_schema",
        ),
        ({"supports_chat": True, "supports_tools": False, "supports_image_input": False}, "chat", "tools vision"),
        ({"capabilities": {"vision": False, "trained_for_tool_use": False}}, "", "vision"),
        ({"capabilities": {"trained_for_tool_use": True}}, "tools", ""),
        ({"type": "embedding"}, "embeddings", "chat"),
        ({"capabilities": ["completion"]}, "", ""),
        ({"capabilities": {"vision": "yes"}, "supported_parameters": "tools"}, "", ""),
    ],
)
def test_what_a_model_can_and_cannot_do(entry, has, lacks):
    model = of({"id": "x", **entry})
    assert (" ".join(sorted(model.has)), " ".join(sorted(model.lacks))) == (has, lacks)


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"data": [], "has_more": True, "last_id": "claude-x"}, ("after_id", "claude-x")),
        ({"data": [], "has_more": False, "last_id": "claude-x"}, None),
        ({"data": [], "has_more": True}, None),
        ({"models": [], "nextPageToken": "t=/&"}, ("pageToken", "t=/&")),
        ({"models": [], "nextPageToken": ""}, None),
        ([], None),
    ],
)
def test_the_query_of_the_next_page(body, query):
    assert next_page(json.dumps(body).encode()) == query


def test_llama_cpps_props_tell_the_window_of_a_slot_and_the_inputs():
    body = {"default_generation_settings": {"n_ctx": 4096}, "modalities": {"vision": False, "audio": True}}
    model = served.read_props("m", json.dumps(body).encode())
    assert (model.id, model.context, model.has, model.lacks) == ("m", 4096, {"audio"}, {"vision"})


def test_ollama_shows_abilities_windows_and_where_a_model_really_is():
    body = {
        "capabilities": ["completion", "tools"],
        "parameters": 'stop "<eot>"\nnum_ctx                        8192',
        "model_info": {"general.architecture": "llama", "llama.context_length": 131072},
        "remote_host": "https://ollama.com:443",
    }
    model = served.read_show("m", json.dumps(body).encode())
    assert (model.context, model.trained) == (8192, 131072)
    assert model.has == {"chat", "tools"}
    assert model.lacks == {"vision", "audio", "reasoning", "embeddings"}
    assert model.relayed_to == "https://ollama.com:443"


@pytest.mark.parametrize(
    ("loaded", "context"),
    [
        ([{"name": "llama3:latest", "context_length": 4096}], 4096),
        ([{"model": "llama3", "context_length": 4096}], 4096),
        ([{"name": "llama3:70b", "context_length": 4096}], None),
        ([], None),
        (None, None),
    ],
)
def test_ollama_tells_the_window_of_what_is_loaded(loaded, context):
    assert served.read_loaded("llama3", json.dumps({"models": loaded}).encode()).context == context


def test_lm_studios_own_list_is_looked_up_by_key_and_by_instance():
    entry = {"key": "qwen/q", "loaded_instances": [{"id": "q@4bit", "config": {"context_length": 4096}}]}
    body = json.dumps({"models": [entry]}).encode()
    assert served.read_native("qwen/q", body).context == 4096
    assert served.read_native("q@4bit", body).context == 4096
    assert served.read_native("other", body) == Served("other")


@pytest.mark.parametrize(
    ("model", "provider", "listed", "found"),
    [
        ("a", "vllm", ["b", "a"], "a"),
        ("a", "vllm", ["A"], None),
        ("m", "vllm", ["models/m"], None),
        ("gemini-x", "gemini", ["models/gemini-x"], "models/gemini-x"),
        ("models/gemini-x", "gemini", ["gemini-x"], "gemini-x"),
        ("llama3", "ollama", ["llama3:70b", "llama3:latest"], "llama3:latest"),
        ("z-ai/glm-5.2:nitro", "openrouter", ["z-ai/glm-5.2"], "z-ai/glm-5.2"),
        ("z-ai/glm-5.2:free", "openrouter", ["z-ai/glm-5.2", "z-ai/glm-5.2:free"], "z-ai/glm-5.2:free"),
    ],
)
def test_a_model_is_found_in_a_list_as_its_provider_names_it(model, provider, listed, found):
    hit = find(model, provider, [Served(id) for id in listed])
    assert (hit.id if hit else None) == found


def test_an_alias_is_the_model():
    assert find("latest", "mistral", [of({"id": "m-2512", "aliases": ["latest", 7]})]).id == "m-2512"


def test_the_later_word_counts():
    first = Served("m", context=8192, has=frozenset({"tools"}), lacks=frozenset({"vision"}), owner="vllm")
    then = Served("m", context=4096, has=frozenset({"vision"}), lacks=frozenset({"tools"}))
    both = merged([first, then])
    assert (both.context, both.has, both.lacks, both.owner) == (4096, {"vision"}, {"tools"}, "vllm")
    assert merged([first, Served("m")]) == first


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**12) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    "data models id name key meta n_ctx capabilities architecture aliases input_modalities vision config "
                    "supported_parameters loaded_instances context_length default_generation_settings modalities "
                    "model_info parameters x.context_length remote_host"
                ).split()
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_answer_breaks_a_reader(data):
    body = json.dumps(data).encode()
    for read in (served.read_props, served.read_show, served.read_loaded, served.read_native):
        assert read("m", body).id == "m"
    served.read_one(body)
    try:
        models = read_list(body)
    except ValueError:
        return
    assert all(isinstance(model.id, str) and model.id for model in models)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[" * 100_000])
def test_answers_about_one_model_that_cannot_be_read_tell_nothing(body):
    for read in (served.read_props, served.read_show, served.read_loaded, served.read_native):
        assert read("m", body) == Served("m")
    assert served.read_one(body) is None
