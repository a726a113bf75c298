"""What answers say of a backend: tables of answers and findings."""

import json

import pytest
from support.vectors import ROOT, load

from gateway.core.catalog import Backend
from gateway.review.backends import Checked, Finding, described, judge, not_asked
from gateway.review.questions import Answer, Silence
from gateway.review.served import Served

NOW = 1_795_363_535.0  # Sun, 22 Nov 2026 16:05:35 GMT
DATE = "Sun, 22 Nov 2026 16:05:35 GMT"


def answer(body: object = b"", status: int = 200, whole: bool = True, **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, data, NOW, 3, whole)


def listing(*ids: str, **more: object) -> Answer:
    return answer({"data": [{"id": id, **more} for id in ids]})


def backend(provider: str = "openai", model: str = "m", key: str | None = "env:KEY", **more: object) -> Backend:
    return Backend("b", provider, "https://h/v1", model, more.pop("passport", {}), key_ref=key, **more)


def found(about: Backend, **answers: Answer | Silence | list) -> dict[str, tuple[str, str]]:
    given = {name: tuple(each) if isinstance(each, list) else (each,) for name, each in answers.items()}
    checked = judge(about, given)
    assert (checked.id, checked.provider, checked.model) == ("b", about.provider, about.model)
    by_name = {finding.about: (finding.level, finding.words) for finding in checked.findings}
    assert len(by_name) == len(checked.findings)
    return by_name


def test_all_is_well():
    assert found(backend(context=1000), models=listing("m", context_length=1000)) == {
        "reachable": ("ok", "connected in 3 ms"),
        "key": ("ok", "accepted"),
        "model": ("ok", "`m` is served"),
        "context": ("ok", "the server takes 1000 tokens, the catalog declares 1000"),
    }


def test_a_recorded_vllm_is_as_the_catalog_says():
    recorded = load(ROOT / "vllm-cpu" / "models.txt")
    models = Answer(recorded.status, recorded.headers, recorded.body, NOW)
    about = backend("vllm", "smollm2-135m-instruct", None, context=2048)
    said = found(about, models=models, health=answer())
    assert {level for level, _ in said.values()} == {"ok"}
    assert list(said) == ["reachable", "health", "key", "model", "context", "clock"]


def test_a_backend_that_does_not_answer_is_judged_by_that_alone():
    assert found(backend(), models=Silence("refused")) == {"reachable": ("problem", "refused")}


@pytest.mark.parametrize(
    ("status", "level", "word"),
    [(200, "ok", "well"), (503, "problem", "still loads"), (500, "problem", "500"), (404, None, ""), (401, None, "")],
)
def test_health(status, level, word):
    said = found(backend("vllm"), models=listing("m"), health=answer(status=status)).get("health")
    assert said is None if level is None else (said[0] == level and word in said[1])


@pytest.mark.parametrize(
    ("location", "words"),
    [("https://other.example/x?token=s3cret", "redirects to `other.example` (307)"), ("/v2", "redirects (307)")],
)
def test_a_redirect_is_a_problem_that_names_the_host_only(location, words):
    said = found(backend(), models=answer(status=307, location=location))
    assert list(said) == ["reachable", "model"]
    assert said["model"][0] == "problem"
    assert said["model"][1].startswith(words)
    assert "s3cret" not in str(said)


@pytest.mark.parametrize(
    ("provider", "key", "answers", "level", "words"),
    [
        ("openai", "env:KEY", {"models": answer(status=401)}, "problem", "the key in KEY is refused (401)"),
        ("openai", "file:/x/y", {"models": answer(status=403)}, "problem", "the key in its file is refused (403)"),
        ("openai", None, {"models": answer(status=401)}, "problem", "a key is asked for (401): give `api_key: env:NAME`"),
        ("openai", None, {"models": listing("m")}, "ok", "no key is asked for"),
        ("gemini", "env:KEY", {"models": answer([{"error": {"status": "INVALID_ARGUMENT", "message": "API key not valid"}}], 400)}, "problem", "is refused (400)"),
        ("xai", "env:KEY", {"models": answer({"code": "x", "error": "Incorrect API key provided: sk-1"}, 400)}, "problem", "is refused (400)"),
        ("openai", "env:KEY", {"models": answer(b"bad", 400)}, "warning", "not checked: /models answers 400"),
        ("deepseek", "env:KEY", {"models": answer(status=402)}, "problem", "nothing left to spend (402)"),
        ("openai", "env:KEY", {"models": answer(status=429)}, "warning", "too many requests (429)"),
        ("zai", "env:KEY", {"models": answer(status=404)}, "warning", "not checked: the provider lists no models"),
        ("openai", "env:KEY", {"models": answer(status=500)}, "warning", "/models answers 500"),
        ("openrouter", "env:KEY", {"models": listing("m"), "key": answer({"data": {}})}, "ok", "accepted"),
        ("openrouter", "env:KEY", {"models": listing("m"), "key": answer(status=401)}, "problem", "is refused (401)"),
        ("openrouter", "env:KEY", {"models": listing("m")}, "warning", "not checked: no answer at /key"),
        ("openrouter", "env:KEY", {"models": listing("m"), "key": Silence("x")}, "warning", "no answer at /key"),
        ("llamacpp", "env:KEY", {"models": listing("m"), "props": answer(status=401)}, "problem", "is refused (401)"),
        ("llamacpp", None, {"models": listing("m"), "props": answer(status=401)}, "problem", "a key is asked for"),
        ("llamacpp", "env:KEY", {"models": listing("m"), "props": answer({})}, "ok", "accepted"),
        ("llamacpp", "env:KEY", {"models": answer(status=401), "props": answer(status=404)}, "problem", "is refused"),
    ],
)  # fmt: skip
def test_key(provider, key, answers, level, words):
    said = found(backend(provider, key=key), **answers)["key"]
    assert said[0] == level
    assert words in said[1]
    assert "sk-1" not in said[1]


def test_where_no_key_is_declared_and_nobody_could_say_nothing_is_said_of_it():
    assert "key" not in found(backend("llamacpp", key=None), models=listing("m"), props=Silence("x"))


def test_a_refused_key_says_nothing_of_the_model():
    assert list(found(backend(), models=answer(status=401, date=DATE))) == ["reachable", "key", "clock"]


@pytest.mark.parametrize(
    ("about", "answers", "level", "words"),
    [
        (backend(model="gpt-5.6"), {"models": listing("gpt-5.6-sol", "o9")}, "problem", "`gpt-5.6` is not served, of 2 models; did you mean `gpt-5.6-sol`?"),
        (backend("gemini", "gemini-3.8"), {"models": listing("models/gemini-3.8-flash")}, "problem", "did you mean `gemini-3.8-flash`?"),
        (backend("gemini", "gemini-x"), {"models": answer({"models": [{"name": "models/gemini-x"}]})}, "ok", "`gemini-x` is served"),
        (backend(), {"models": listing("a"), "model": answer({"id": "m"})}, "ok", "`m` is served, as `m`"),
        (backend("anthropic"), {"models": listing("m-2026"), "model": answer({"id": "m-2026"})}, "ok", "`m` is served, as `m-2026`"),
        (backend(), {"models": listing("a"), "model": answer({"id": "whatever"})}, "problem", "not served"),
        (backend(), {"models": listing("a"), "model": answer({"object": "x"})}, "problem", "not served"),
        (backend(), {"models": listing("a"), "model": answer(status=404)}, "problem", "not served"),
        (backend(), {"models": [answer({"data": [{"id": "a"}]}), answer({"data": [{"id": "m"}]})]}, "ok", "is served"),
        (backend(), {"models": [listing("a"), Silence("late")]}, "warning", "broke off"),
        (backend(), {"models": [listing("m"), Silence("late")]}, "ok", "is served"),
        (backend(), {"models": [listing("a"), answer(status=500)]}, "warning", "broke off"),
        (backend(), {"models": answer(b'{"data": [', whole=False)}, "warning", "too large"),
        (backend("ollama", key=None), {"models": answer({"data": None})}, "problem", "no model is served"),
        (backend("azure"), {"models": listing("gpt-5.6")}, "warning", "not your deployments"),
        (backend(), {"models": answer(b"<html>")}, "problem", "usually ends in `/v1`"),
        (backend("vllm"), {"models": answer(status=404)}, "problem", "usually ends in `/v1`"),
        (backend("zai"), {"models": answer(status=404)}, "warning", "lists no models"),
        (backend("openai-compatible"), {"models": answer(status=405)}, "warning", "lists no models"),
        (backend(), {"models": answer(status=503)}, "problem", "answers 503"),
        (backend(), {"models": answer(status=429)}, "warning", "answers 429"),
        (backend(model="a\x1b[2J"), {"models": listing("b\x1b[2J")}, "problem", "\ufffd"),
    ],
)  # fmt: skip
def test_model(about, answers, level, words):
    said = found(about, **answers)["model"]
    assert said[0] == level
    assert words in said[1]
    assert "\x1b" not in said[1]


@pytest.mark.parametrize(
    ("provider", "declared", "answers", "level", "words"),
    [
        ("vllm", 4096, {"models": listing("m", max_model_len=2048)}, "problem", "declares 4096 tokens, the server takes 2048"),
        ("vllm", 2048, {"models": listing("m", max_model_len=4096)}, "ok", "takes 4096"),
        ("vllm", None, {"models": listing("m", max_model_len=2048)}, "ok", "the catalog declares no `context`"),
        ("vllm", 4096, {"models": listing("m")}, None, ""),
        ("ollama", 4096, {"models": listing("m"), "show": answer({"model_info": {"x.context_length": 2048}})}, "problem", "takes 2048"),
        ("ollama", 4096, {"models": listing("m"), "show": answer({"model_info": {"x.context_length": 131072}})}, "ok", "shows while the model is loaded"),
        ("ollama", None, {"models": listing("m"), "show": answer({"model_info": {"x.context_length": 131072}})}, None, ""),
        ("ollama", 8192, {"models": listing("m"), "show": answer({"model_info": {"x.context_length": 131072}}), "loaded": answer({"models": [{"name": "m:latest", "context_length": 4096}]})}, "problem", "takes 4096"),
        ("llamacpp", 8192, {"models": listing("m", meta={"n_ctx_train": 8192}), "props": answer({"default_generation_settings": {"n_ctx": 4096}})}, "problem", "takes 4096"),
        ("lmstudio", 8192, {"models": listing("m"), "native": answer({"models": [{"key": "m", "max_context_length": 32768, "loaded_instances": [{"id": "m", "config": {"context_length": 4096}}]}]})}, "problem", "takes 4096"),
        ("ollama", 8192, {"models": listing("m"), "show": answer({"model_info": {"x.context_length": 1}}, 500)}, None, ""),
    ],
)  # fmt: skip
def test_context(provider, declared, answers, level, words):
    said = found(backend(provider, context=declared), **answers).get("context")
    assert said is None if level is None else (said[0] == level and words in said[1])


def test_what_the_server_cannot_do_is_a_problem_each():
    about = backend("openrouter", capabilities=frozenset({"chat", "tools", "vision", "reasoning"}))
    models = listing("m", supported_parameters=["tools"], architecture={"input_modalities": ["text"]})
    findings = [each for each in judge(about, {"models": (models,)}).findings if each.about == "capabilities"]
    assert [(each.level, each.words.partition(":")[0]) for each in findings] == [
        ("problem", "the server says that it has no `vision`"),
        ("problem", "the server says that it has no `reasoning`"),
    ]


@pytest.mark.parametrize(
    ("declared", "told", "said"),
    [({"chat", "tools"}, ["completion", "tools"], True), ({"logprobs"}, ["completion"], False), ({"chat"}, [], False)],
)
def test_that_nothing_is_missing_is_said_only_where_the_server_told(declared, told, said):
    about = backend("ollama", capabilities=frozenset(declared))
    findings = found(about, models=listing("m"), show=answer({"capabilities": told}))
    assert (findings.get("capabilities") == ("ok", "nothing that is declared is missing")) is said


@pytest.mark.parametrize(
    ("deployment", "remote", "problem"),
    [
        ("self_hosted", "https://ollama.com:443", True),
        ("vendor_api", "https://ollama.com:443", False),
        ("self_hosted", "", False),
    ],
)
def test_a_model_that_is_passed_on_is_not_self_hosted(deployment, remote, problem):
    about = backend("ollama", passport={"deployment": deployment})
    said = found(about, models=listing("m"), show=answer({"remote_host": remote})).get("deployment")
    assert (said is not None) is problem
    assert said is None or (said[0] == "problem" and "ollama.com" in said[1])


@pytest.mark.parametrize(
    ("headers", "level", "words"),
    [
        ({"date": DATE}, "ok", "agrees"),
        ({"date": "Sun, 22 Nov 2026 16:06:35 GMT"}, "ok", "agrees"),
        ({"date": "Sun, 22 Nov 2026 16:07:35 GMT"}, "warning", "is 120 s ahead of ours"),
        ({"date": "Sun, 22 Nov 2026 16:03:35 GMT"}, "warning", "is 120 s behind ours"),
        ({"date": "Sun, 22 Nov 2026 16:03:35 GMT", "age": "120"}, "ok", "agrees"),
        ({"date": "Sun, 22 Nov 2026 16:03:35 GMT", "age": "x"}, "warning", "behind"),
        ({"date": "Sun, 22 Nov 2026 17:05:35 +0100"}, "ok", "agrees"),
        ({"date": "yesterday"}, None, ""),
        ({"date": "Sun, 22 Nov 2026 16:03:35"}, "warning", "is 120 s behind"),
        ({"date": "Sun, 22 Nov 99999999999 16:03:35 GMT"}, None, ""),
        ({}, None, ""),
    ],
)
def test_clock(headers, level, words):
    said = found(backend(), models=answer({"data": [{"id": "m"}]}, **headers)).get("clock")
    assert said is None if level is None else (said[0] == level and words in said[1])


@pytest.mark.parametrize(("named", "level"), [(False, "warning"), (True, "problem")])
def test_a_backend_that_is_not_offered_is_a_problem_for_who_named_it(named, level):
    checked = not_asked(backend(), "KEY is not set", named=named)
    assert checked.findings == (Finding("offered", level, "not asked: KEY is not set"),)
    assert checked.worst == level


@pytest.mark.parametrize(
    ("levels", "worst"),
    [([], "ok"), (["ok"], "ok"), (["warning", "ok"], "warning"), (["ok", "problem", "warning"], "problem")],
)
def test_the_worst_counts(levels, worst):
    assert Checked("b", "p", "m", tuple(Finding("x", level, "") for level in levels)).worst == worst


def test_a_listed_model_is_described_by_what_its_server_tells_elsewhere():
    answers = {"props": (answer({"default_generation_settings": {"n_ctx": 4096}}),), "show": (Silence("x"),)}
    assert described(Served("m", trained=8192), answers) == Served("m", context=4096, trained=8192)
