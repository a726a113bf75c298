"""How each provider is told an effort."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.catalog import CAPABILITIES, Backend
from gateway.core.chat import parse
from gateway.providers import DIALECTS
from gateway.providers.openai import OpenAI
from gateway.providers.thinking import EFFORTS, effort_of, says_itself

CHAT = sorted(name for name, speaks in DIALECTS.items() if isinstance(speaks["chat"], OpenAI))


def chat(**fields):
    return parse(json.dumps({"model": "name", "messages": [{"role": "user", "content": "hi"}], **fields}).encode())


def sent(provider: str, model: str, capabilities=CAPABILITIES, **fields) -> dict:
    """What is sent beside model and messages, and what is told to have been left out."""
    backend = Backend("b", provider, "http://u", model, {}, capabilities=frozenset(capabilities))
    dialect, asked = DIALECTS[provider]["chat"], chat(**fields)
    body = json.loads(dialect.encode(asked, backend))
    dropped = dialect.drops(asked, backend)
    more = {"dropped": list(dropped)} if dropped else {}
    return {name: value for name, value in body.items() if name not in ("model", "messages")} | more


def effort(word):
    return {"reasoning_effort": word}


def typed(word):
    return {"thinking": {"type": word}}


def kwargs(flag, **more):
    return {"chat_template_kwargs": {"enable_thinking": flag, "thinking": flag, **more}}


UNTOLD = {"dropped": ["reasoning_effort"]}
SCALES = {
    ("openai", "o3"): ["low", "low", "low", "medium", "high", "high", "high"],
    ("openai", "gpt-5-mini"): ["minimal", "minimal", "low", "medium", "high", "high", "high"],
    ("openai", "gpt-5.1"): ["none", "low", "low", "medium", "high", "high", "high"],
    ("openai", "gpt-5.1-codex-max"): ["none", "low", "low", "medium", "high", "xhigh", "xhigh"],
    ("openai", "gpt-5.4"): ["none", "low", "low", "medium", "high", "xhigh", "xhigh"],
    ("azure", "gpt-5.6-sol"): ["none", "low", "low", "medium", "high", "xhigh", "max"],
    ("azure", "our-deployment"): list(EFFORTS),
    ("bedrock", "openai.gpt-oss-20b"): ["low", "low", "low", "medium", "high", "high", "high"],
    ("gemini", "gemini-2.5-flash"): ["none", "minimal", "low", "medium", "high", "high", "high"],
    ("gemini", "gemini-3.1-pro-preview"): ["low", "low", "low", "medium", "high", "high", "high"],
    ("gemini", "gemini-3.8-flash"): ["minimal", "minimal", "low", "medium", "high", "high", "high"],
    ("openrouter", "x/y"): ["none", "minimal", "low", "medium", "high", "xhigh", "xhigh"],
    ("mistral", "mistral-medium-latest"): ["none", *["high"] * 6],
    ("moonshot", "kimi-k3"): ["low", "low", "low", "high", "high", "max", "max"],
    ("meta", "muse-spark-1.3"): ["minimal", "minimal", "low", "medium", "high", "xhigh", "xhigh"],
    ("xai", "grok-4.7"): ["low", "low", "low", "medium", "high", "high", "high"],
    ("xai", "grok-3-mini"): ["low", "low", "low", "high", "high", "high", "high"],
    ("groq", "openai/gpt-oss-120b"): ["low", "low", "low", "medium", "high", "high", "high"],
    ("groq", "qwen/qwen3-32b"): ["none", *["default"] * 6],
    ("together", "openai/gpt-oss-120b"): ["low", "low", "low", "medium", "high", "high", "high"],
    ("fireworks", "glm"): ["none", "low", "low", "medium", "high", "high", "high"],
    ("nvidia", "openai/gpt-oss-20b"): ["low", "low", "low", "medium", "high", "high", "high"],
    ("vllm", "openai/gpt-oss-20b"): ["low", "low", "low", "medium", "high", "high", "high"],
    ("ollama", "gpt-oss:20b"): ["none", "low", "low", "medium", "high", "max", "max"],
    ("lmstudio", "m"): list(EFFORTS),
    ("openai-compatible", "m"): list(EFFORTS),
}


@pytest.mark.parametrize(("provider", "model"), SCALES)
def test_an_effort_becomes_the_next_word_that_the_model_has(provider, model):
    assert [sent(provider, model, reasoning_effort=word) for word in EFFORTS] == [
        effort(word) for word in SCALES[provider, model]
    ]


SWITCHES = [
    (
        "deepseek",
        "deepseek-v4-pro",
        typed("disabled"),
        typed("enabled") | effort("low"),
        typed("enabled") | effort("max"),
    ),
    ("zai", "glm-4.7", typed("disabled"), typed("enabled"), typed("enabled")),
    ("zai", "glm-5.2", typed("disabled"), typed("enabled") | effort("high"), typed("enabled") | effort("max")),
    ("moonshot", "kimi-k2.6", typed("disabled"), typed("enabled"), typed("enabled")),
    ("tokenhub", "hy3", typed("disabled"), typed("enabled"), typed("enabled")),
    ("qianfan", "ernie-5.1", {"enable_thinking": False}, {"enable_thinking": True}, {"enable_thinking": True}),
    (
        "qwen",
        "qwen3-max",
        {"enable_thinking": False},
        {"enable_thinking": True, "thinking_budget": 4096},
        {"enable_thinking": True},
    ),
    ("mistral", "magistral-medium", {}, {"prompt_mode": "reasoning"}, {"prompt_mode": "reasoning"}),
    ("vllm", "m", kwargs(False), kwargs(True) | effort("low"), kwargs(True) | effort("high")),
    ("sglang", "m", kwargs(False), kwargs(True) | effort("low"), kwargs(True) | effort("high")),
    ("nvidia", "m", kwargs(False), kwargs(True), kwargs(True)),
    (
        "llamacpp",
        "m",
        kwargs(False, reasoning_effort="low"),
        kwargs(True, reasoning_effort="low"),
        kwargs(True, reasoning_effort="high"),
    ),
    (
        "together",
        "m",
        {"reasoning": {"enabled": False}},
        {"reasoning": {"enabled": True}},
        {"reasoning": {"enabled": True}},
    ),
    ("zai", "glm-5.3", typed("enabled"), typed("enabled") | effort("low"), typed("enabled") | effort("max")),
    ("minimax", "MiniMax-M2.5", UNTOLD, UNTOLD, UNTOLD),
    ("moonshot", "kimi-k2.7-code", UNTOLD, UNTOLD, UNTOLD),
    ("xai", "grok-4-0709", UNTOLD, UNTOLD, UNTOLD),
    ("tgi", "tgi", UNTOLD, UNTOLD, UNTOLD),
]


@pytest.mark.parametrize(("provider", "model", "none", "low", "most"), SWITCHES)
def test_an_effort_becomes_the_providers_switch(provider, model, none, low, most):
    assert [sent(provider, model, reasoning_effort=word) for word in ("none", "low", "max")] == [none, low, most]


def test_every_provider_is_in_one_of_the_tables():
    named = {provider for provider, _ in SCALES} | {row[0] for row in SWITCHES}
    assert named >= set(CHAT) - {"vertex"}


@pytest.mark.parametrize("provider", CHAT)
def test_a_model_that_does_not_think_is_told_nothing_and_the_client_of_it(provider):
    plain = {"chat"}
    assert sent(provider, "m", plain, reasoning_effort="high") == UNTOLD
    assert sent(provider, "m", plain, reasoning_effort="none") == {}
    assert sent(provider, "m", plain, reasoning_effort=None) == {"reasoning_effort": None}


@pytest.mark.parametrize(
    "own",
    [
        {"thinking": {"type": "enabled"}},
        {"enable_thinking": True},
        {"chat_template_kwargs": {"enable_thinking": True}},
        {"reasoning": {"max_tokens": 9}},
        {"extra_body": {"google": {"thinking_config": {"thinking_budget": 9}}}},
    ],
)
@pytest.mark.parametrize("provider", sorted({*CHAT} - {"openai-compatible", "lmstudio"}))
def test_a_switch_of_the_clients_own_counts(provider, own):
    assert sent(provider, "m", reasoning_effort="low", **own) | {"reasoning_effort": None} == own | {
        "reasoning_effort": None
    }


def test_a_template_keeps_its_other_variables():
    told = sent("vllm", "m", reasoning_effort="none", chat_template_kwargs={"x": [1.50]})
    assert told == {"chat_template_kwargs": {"x": [1.5], "enable_thinking": False, "thinking": False}}
    assert sent("vllm", "m", reasoning_effort="none", chat_template_kwargs=None) == kwargs(False)
    assert sent("vllm", "m", reasoning_effort="none", chat_template_kwargs="odd") == {"chat_template_kwargs": "odd"}


@pytest.mark.parametrize(("limit", "budget"), [({}, 8192), ({"max_tokens": 100}, 100), ({"max_tokens": 100_000}, 8192)])
def test_thoughts_have_no_more_room_than_an_answer(limit, budget):
    assert sent("qwen", "qwen3-max", reasoning_effort="medium", **limit)["thinking_budget"] == budget


@pytest.mark.parametrize(
    ("fields", "thought"),
    [
        ({}, 9999),
        ({"max_tokens": 40}, 9999),
        ({"reasoning_effort": "none"}, 0),
        ({"reasoning_effort": "high", "max_tokens": 40}, 40),
        ({"reasoning_effort": "low", "max_tokens": 40_000}, 4096),
        ({"reasoning_effort": "xhigh"}, 9999),
        ({"enable_thinking": False}, 0),
        ({"enable_thinking": True}, 9999),
        ({"enable_thinking": True, "thinking_budget": 700}, 700),
        ({"enable_thinking": False, "reasoning_effort": "high"}, 0),
        ({"thinking_budget": "many"}, 9999),
        ({"thinking_budget": -1}, 9999),
        ({"thinking_budget": 2**60}, 9999),
    ],
)
def test_what_may_be_thought_beside_a_limit(fields, thought):
    assert DIALECTS["qwen"]["chat"].beside(chat(**fields), 9999) == thought
    assert DIALECTS["openai"]["chat"].beside(chat(**fields), 9999) == 0


@pytest.mark.parametrize("odd", ["ultra", 7, {"a": 1}])
@pytest.mark.parametrize("provider", sorted({*CHAT} - {"minimax", "tgi", "moonshot", "xai", "groq"}))
def test_a_word_that_nobody_knows_is_the_providers_to_judge(provider, odd):
    assert sent(provider, "m", reasoning_effort=odd) == {"reasoning_effort": odd}


@given(st.sampled_from(CHAT), st.sampled_from(EFFORTS), st.text(max_size=20), st.booleans())
def test_any_model_can_be_asked(provider, word, model, thinks):
    sent(provider, model, CAPABILITIES if thinks else ("chat",), reasoning_effort=word)


def test_what_a_request_says():
    assert effort_of(chat(reasoning_effort="low")) == "low"
    assert effort_of(chat(reasoning_effort=None)) is effort_of(chat()) is effort_of(chat(reasoning_effort=1)) is None
    assert not says_itself(chat(thinking=None, chat_template_kwargs={"x": 1}, extra_body={"google": {}}))
