"""What providers do not have: refused, left out, or left out and told."""

import json

import pytest

from gateway.core.catalog import CAPABILITIES, Backend
from gateway.core.chat import OPTIONAL, parse
from gateway.providers import DIALECTS
from gateway.providers.openai import OpenAI
from gateway.providers.parameters import (
    ALLOWED_TOOLS,
    CUSTOM_TOOLS,
    GROK,
    HINTS,
    KIMI,
    MESSAGE_NAME,
    REASONING,
    SAMPLING,
    lacking,
    named,
    unstrict,
)
from gateway.routing.spoken import lacking as said

FUNCTION = {"type": "function", "function": {"name": "custom", "parameters": {}}}
CUSTOM = {"type": "custom", "custom": {"name": "c"}}
FORCED = {"tools": [FUNCTION], "tool_choice": "required"}
NAMED = {"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "custom"}}}
ALLOWED = {
    "tools": [FUNCTION],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
}
ALICE = {"messages": [{"role": "user", "content": "hi", "name": "alice"}]}
CHAT = {name: speaks["chat"] for name, speaks in DIALECTS.items() if isinstance(speaks.get("chat"), OpenAI)}


def chat(**fields):
    return parse(json.dumps({"model": "name", "messages": [{"role": "user", "content": "hi"}], **fields}).encode())


def backend(provider: str, model: str = "m") -> Backend:
    return Backend("b", provider, "http://u", model, {}, capabilities=frozenset(CAPABILITIES))


def lacks(provider: str, model: str = "m", **fields) -> str:
    why = CHAT[provider].lacks(chat(**fields), backend(provider, model))
    assert said(chat(**fields), (), backend(provider, model), DIALECTS) == why  # its words may be shown
    return why


def sent(provider: str, model: str = "m", **fields) -> tuple[dict, tuple[str, ...]]:
    asked, to = chat(**fields), backend(provider, model)
    assert CHAT[provider].lacks(asked, to) == ""
    return json.loads(CHAT[provider].encode(asked, to)), CHAT[provider].drops(asked, to)


@pytest.mark.parametrize(
    ("provider", "fields", "word"),
    [
        ("groq", {"n": 2}, "`n` above 1"),
        ("groq", {"logprobs": True}, "`logprobs`"),
        ("groq", {"top_logprobs": 2, "logprobs": True}, "logprobs`"),
        ("groq", {"logit_bias": {"1": 1}}, "`logit_bias`"),
        ("groq", ALICE, "`name`"),
        ("mistral", ALICE, "`name`"),
        ("mistral", {"logprobs": True}, "`logprobs`"),
        ("moonshot", FORCED, "forces a call"),
        ("moonshot", NAMED, "forces a call"),
        ("zai", FORCED, "forces a call"),
        ("zai", {"n": 2}, "`n`"),
        ("zai", {"seed": 1}, "`seed`"),
        ("zai", {"frequency_penalty": 0.1}, "`frequency_penalty`"),
        ("minimax", {"n": 2}, "`n`"),
        ("deepseek", {"n": 2}, "`n`"),
        ("ollama", FORCED, "forces a call"),
        ("ollama", {"n": 2}, "`n`"),
        ("ollama", {"logit_bias": {"1": 1}}, "`logit_bias`"),
        ("ollama", {"logprobs": True}, "`logprobs`"),
        ("meta", NAMED, "forces a call"),
        ("meta", {"stop": "x"}, "`stop`"),
        ("tgi", {"n": 2}, "`n`"),
        ("gemini", {"logit_bias": {"1": 1}}, "`logit_bias`"),
        ("vllm", {"functions": [{"name": "f"}]}, "only `tools`"),
        ("vllm", {"web_search_options": {}}, "`web_search_options`"),
        ("vllm", {"moderation": {"model": "m"}}, "`moderation`"),
    ],
)
def test_what_a_provider_does_not_have_is_refused(provider, fields, word):
    assert word in lacks(provider, **fields)
    assert lacks(provider) == ""


@pytest.mark.parametrize("provider", sorted(CHAT))
def test_what_asks_for_nothing_is_taken_by_everybody(provider):
    nothing = {name: json.loads(values[0]) for name, values in OPTIONAL.items() if values}
    assert lacks(provider, **nothing) == ""
    assert lacks(provider, **dict.fromkeys(OPTIONAL)) == ""


@pytest.mark.parametrize("provider", sorted(CHAT))
def test_only_openai_has_all_kinds_of_tools(provider):
    has = {"openai", "azure", "openai-compatible"}
    assert (lacks(provider, tools=[FUNCTION, CUSTOM]) == "") == (provider in has)
    assert (lacks(provider, **ALLOWED) == "") == (provider in has)
    assert lacks(provider, tools=[FUNCTION]) == ""


@pytest.mark.parametrize(
    ("provider", "model", "refused", "fine"),
    [
        ("openai", "gpt-5.6-sol", {"logprobs": True}, {"stop": "x"}),
        ("openai", "o3", {"stop": "x"}, {"seed": 1}),
        ("openai", "gpt-5.4", {"logprobs": True, "reasoning_effort": "low"}, {"logprobs": True}),
        ("openai", "gpt-5.6-sol", {"logit_bias": {"1": 1}}, {"logit_bias": {"1": 1}, "reasoning_effort": "none"}),
        ("azure", "gpt-5-mini", {"logprobs": True}, {"seed": 1}),
        ("moonshot", "kimi-k2.6", {"n": 2}, {"n": 1}),
        ("moonshot", "kimi-k3", {"n": 2}, {}),
        ("xai", "grok-4.7", {"stop": "x"}, {"n": 2}),
        ("deepseek", "deepseek-v4-pro", {"logprobs": True}, {"logprobs": True, "reasoning_effort": "none"}),
        ("deepseek", "deepseek-v4-pro", {"logprobs": True}, {"logprobs": True, "thinking": {"type": "disabled"}}),
        ("qwen", "qwq-plus", {}, {"stream": True}),
        ("qwen", "qwen3-235b-a22b-thinking-2507", {"reasoning_effort": "none"}, {"stream": True}),
        ("qwen", "qwen3-32b", {"reasoning_effort": "low"}, {"reasoning_effort": "low", "stream": True}),
        ("qwen", "qwen3-32b", {"enable_thinking": True}, {"enable_thinking": False}),
    ],
)
def test_models_that_think_have_less(provider, model, refused, fine):
    assert lacks(provider, model, **refused) != ""
    assert lacks(provider, model, **fine) == ""


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "gpt-4.1"), ("moonshot", "kimi-k2-0905"), ("xai", "grok-2")]
)
def test_models_that_do_not_have_all(provider, model):
    fields = {"temperature": 0.5, "presence_penalty": 0.5, "n": 2, "stop": "x"}
    body, dropped = sent(provider, model, **fields)
    assert (fields.items() <= body.items(), dropped) == (True, ())


@pytest.mark.parametrize(
    ("provider", "model", "fields", "dropped"),
    [
        ("openai", "gpt-5.6-sol", {"temperature": 0.5, "top_p": 1}, ("temperature",)),
        ("openai", "gpt-5.6-sol", {"temperature": 0.5, "reasoning_effort": "none"}, ()),
        ("openai", "gpt-5.4", {"temperature": 0.5}, ()),
        ("openai", "gpt-5.4", {"temperature": 0.5, "reasoning_effort": "high"}, ("temperature",)),
        ("openai", "gpt-5-mini", {"temperature": 0.5, "reasoning_effort": "none"}, ("temperature",)),
        ("openai", "gpt-5-chat-latest", {"temperature": 0.5}, ()),
        (
            "openai",
            "o4-mini",
            {"presence_penalty": 1, "frequency_penalty": 1},
            ("frequency_penalty", "presence_penalty"),
        ),
        ("moonshot", "kimi-k2.6", {"temperature": 1, "top_p": 0.9}, ("top_p",)),
        ("xai", "grok-4.7", {"frequency_penalty": 1, "temperature": 0.5}, ("frequency_penalty",)),
        ("xai", "grok-4.20-non-reasoning", {"frequency_penalty": 1}, ()),
        ("gemini", "gemini-3.8-flash", {"top_k": 5, "frequency_penalty": 1}, ("frequency_penalty", "top_k")),
        ("mistral", "m", {"verbosity": "low"}, ("verbosity",)),
        ("deepseek", "deepseek-v4-pro", {"temperature": 0.5}, ()),
    ],
)
def test_sampling_that_a_model_fixes_is_left_out_and_told(provider, model, fields, dropped):
    body, told = sent(provider, model, **fields)
    assert told == dropped
    assert not set(told) & body.keys()
    assert [name for name in fields if name not in body and name not in told] == [
        name for name in fields if name in ("top_p", "temperature") and fields[name] == 1
    ]


def test_an_effort_that_is_not_sent_does_not_count():
    asked = chat(temperature=0.5, reasoning_effort="none")
    plain = Backend("b", "openai", "http://u", "gpt-5.6-sol", {})
    assert CHAT["openai"].drops(asked, plain) == ("temperature",)
    assert json.loads(CHAT["openai"].encode(asked, plain)).keys() == {"model", "messages"}


@pytest.mark.parametrize("provider", ["mistral", "gemini", "groq"])
def test_hints_do_not_go_to_who_refuses_unknown_fields(provider):
    hints = dict.fromkeys(HINTS, "x")
    body, dropped = sent(provider, **hints)
    kept = {"mistral": {"metadata", "prediction"}, "gemini": set(), "groq": {"metadata", "user", "service_tier"}}
    assert body.keys() - {"model", "messages"} == kept[provider]
    assert dropped == ()


@pytest.mark.parametrize("provider", ["openai", "azure", "vllm", "openai-compatible", "vertex"])
def test_hints_go_to_everybody_else(provider):
    hints = dict.fromkeys(HINTS, "x")
    assert hints.items() <= sent(provider, **hints)[0].items()


def test_what_asks_for_something_is_no_hint():
    assert not HINTS.keys() & SAMPLING
    assert HINTS.keys() & OPTIONAL.keys() == {"prediction"}


@pytest.mark.parametrize(
    ("families", "model", "found"),
    [
        (REASONING, "gpt-4o", None),
        (REASONING, "gpt-5-chat-latest", 0),
        (REASONING, "o3-mini", 1),
        (REASONING, "o1", 2),
        (REASONING, "gpt-5", 2),
        (REASONING, "gpt-5-2025-08-07", 2),
        (REASONING, "openai/gpt-5.1", 3),
        (REASONING, "gpt-5.6", 4),
        (REASONING, "gpt-6", 4),
        (KIMI, "kimi-k2-thinking", None),
        (KIMI, "kimi-latest", 0),
        (GROK, "grok-4-fast-non-reasoning", None),
        (GROK, "grok-4-fast-reasoning", 0),
    ],
)
def test_models_are_known_by_their_names(families, model, found):
    assert named(families, model) is (None if found is None else families[found])


@pytest.mark.parametrize(
    ("refused", "fields", "is_lacking"),
    [
        ({MESSAGE_NAME}, {"messages": [{"role": "tool", "tool_call_id": "x", "name": "f", "content": "1"}]}, False),
        ({MESSAGE_NAME}, {"messages": [{"role": "user", "name": None, "content": '"name"'}]}, False),
        ({MESSAGE_NAME}, ALICE, True),
        ({CUSTOM_TOOLS}, {"tools": [FUNCTION]}, False),
        ({CUSTOM_TOOLS}, {"tools": ["custom", CUSTOM]}, True),
        ({ALLOWED_TOOLS}, NAMED, False),
    ],
)
def test_what_has_no_field_of_its_own(refused, fields, is_lacking):
    assert bool(lacking(frozenset(refused), chat(**fields))) is is_lacking


def test_strict_is_taken_out_of_tools_and_of_nothing_else():
    strict = {"type": "function", "function": {"name": "f", "strict": True, "parameters": {"strict": 1}}}
    assert json.loads(unstrict(chat(tools=[strict, CUSTOM]))) == [
        {"type": "function", "function": {"name": "f", "parameters": {"strict": 1}}},
        CUSTOM,
    ]
    assert unstrict(chat(tools=[{"type": "function", "function": {"parameters": {"strict": 1}}}])) is None
    assert unstrict(chat()) is unstrict(chat(tools=["strict", {"strict": 1}])) is None
