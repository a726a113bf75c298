"""Requests as generateContent reads them."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.chat import OPTIONAL, parse
from gateway.core.errors import Refused
from gateway.providers.gemini_content import Lacking
from gateway.providers.gemini_models import family_of
from gateway.providers.gemini_request import HARMLESS, LACKING, TRANSLATED, dropped, request_of

OLD, SOME, NEW = "gemini-2.5-flash", "gemini-3.5-flash", "gemini-3.8-flash"
OPENAI = (
    *("model", "messages", "max_completion_tokens", "max_tokens", "temperature", "top_p", "presence_penalty"),
    *("frequency_penalty", "n", "stop", "seed", "logit_bias", "logprobs", "top_logprobs", "reasoning_effort"),
    *("verbosity", "response_format", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
    *("stream", "stream_options", "modalities", "audio", "prediction", "web_search_options", "service_tier", "store"),
    *("metadata", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    "moderation",
)
"""Every field of a chat completion request, from OpenAI's own document."""

TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
STRICT = {"type": "function", "function": {"name": "f", "strict": True}}
DECLARED = {
    "tools": [
        {
            "functionDeclarations": [
                {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object", "properties": {}}}
            ]
        }
    ]
}


def chat(**fields: object):
    return parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}).encode())


def request(model: str = OLD, *, vertex: bool = False, **fields: object) -> dict:
    return json.loads(msgspec.json.encode(request_of(chat(**fields), family_of(model), vertex=vertex)))


def config(model: str = OLD, *, vertex: bool = False, **fields: object) -> dict:
    return request(model, vertex=vertex, **fields).get("generationConfig", {})


def test_every_field_is_in_exactly_one_table():
    tables = [*TRANSLATED, *HARMLESS, *LACKING]
    assert len(tables) == len(set(tables))
    assert [name for name in (*OPENAI, *OPTIONAL) if name not in tables] == []


def test_the_least_request_adds_nothing():
    assert request() == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_instructions_have_their_own_place():
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert request(messages=messages)["systemInstruction"] == {"parts": [{"text": "Be brief."}]}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"max_tokens": 7}, {"maxOutputTokens": 7}),
        ({"max_tokens": 7, "max_completion_tokens": 5}, {"maxOutputTokens": 5}),
        ({"max_tokens": 0}, {}),
        (
            {"temperature": 0.25, "top_p": 0.9, "top_k": 40, "seed": -1},
            {"temperature": 0.25, "topP": 0.9, "topK": 40, "seed": -1},
        ),
        ({"temperature": None, "stop": None, "seed": None, "tools": None, "tool_choice": None, "logit_bias": None}, {}),
        ({"n": 2}, {"candidateCount": 2}),
        ({"n": 1}, {}),
        ({"stop": "END"}, {"stopSequences": ["END"]}),
        ({"stop": ["a", "b"]}, {"stopSequences": ["a", "b"]}),
        ({"logprobs": True}, {"responseLogprobs": True}),
        ({"logprobs": True, "top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}),
        ({"logprobs": False, "top_logprobs": 0}, {}),
        ({"presence_penalty": 0, "frequency_penalty": 0.0}, {}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": 1}}}},
            {"responseMimeType": "application/json", "responseJsonSchema": {"enum": [1]}},
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            {"responseMimeType": "application/json"},
        ),
        ({"modalities": ["text"]}, {}),
        ({"user": "u", "metadata": {"a": "b"}, "prompt_cache_key": "k", "verbosity": "medium", "functions": []}, {}),
        ({"reasoning_effort": "medium"}, {"thinkingConfig": {"thinkingBudget": 8192, "includeThoughts": True}}),
        ({"reasoning_effort": "none"}, {"thinkingConfig": {"thinkingBudget": 0}}),
        (
            {"extra_body": {"google": {"thinking_config": {"thinking_budget": 9, "include_thoughts": True}}}},
            {"thinkingConfig": {"thinkingBudget": 9, "includeThoughts": True}},
        ),
        ({"google": {"safety_settings": None, "thinking_config": None}}, {}),
        ({"google": None, "extra_body": {"google": None}}, {}),
        ({"google": {"thinkingConfig": {"thinkingLevel": "low"}}}, {"thinkingConfig": {"thinkingLevel": "low"}}),
    ],
)
def test_settings(fields, said):
    assert config(**fields) == said


def test_penalties_go_where_they_are_taken():
    asked = {"presence_penalty": 0.5, "frequency_penalty": -0.5}
    said = {"presencePenalty": 0.5, "frequencyPenalty": -0.5}
    assert config(SOME, **asked) == config(OLD, vertex=True, **asked) == said


@pytest.mark.parametrize(
    ("model", "effort", "said"),
    [
        (SOME, "none", {"thinkingLevel": "MINIMAL"}),
        (SOME, "max", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (NEW, "minimal", {"thinkingLevel": "LOW", "includeThoughts": True}),
    ],
)
def test_newer_models_think_in_levels(model, effort, said):
    assert config(model, reasoning_effort=effort) == {"thinkingConfig": said}


def test_a_model_that_does_not_think_is_not_told_not_to():
    assert config("gemini-2.0-flash", reasoning_effort="none") == {}


def test_sampling_is_left_out_where_the_model_has_one_value_and_the_client_is_told():
    asked = {"temperature": 0.2, "top_p": 1, "top_k": 3, "max_tokens": 9}
    assert config(NEW, **asked) == {"maxOutputTokens": 9}
    assert dropped(chat(**asked), family_of(NEW), vertex=False) == ("temperature", "top_k")
    assert dropped(chat(**asked), family_of(OLD), vertex=False) == ()


def test_hints_in_messages_are_told():
    named = chat(messages=[{"role": "user", "name": "Ann", "content": "Hi"}])
    assert dropped(named, family_of(OLD), vertex=False) == ("name",)
    wrong = chat(messages=[{"role": "critic", "name": "Ann", "content": "Hi"}])
    assert dropped(wrong, family_of(OLD), vertex=False) == ()


@pytest.mark.parametrize(
    ("fields", "calling"),
    [
        ({"tools": [TOOL]}, None),
        ({"tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": True}, None),
        ({"tools": [TOOL], "tool_choice": "none"}, {"mode": "NONE"}),
        ({"tools": [TOOL], "tool_choice": "required"}, {"mode": "ANY"}),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}},
            },
            {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
        ),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOL]}},
            },
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_tools(fields, calling):
    said = request(**fields)
    assert said.get("toolConfig") == ({"functionCallingConfig": calling} if calling else None)
    assert said["tools"] == DECLARED["tools"]


def test_strict_tools_are_validated():
    said = request(tools=[STRICT])
    assert said["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert said["tools"] == [{"functionDeclarations": [{"name": "f"}]}]


def test_what_is_said_beside_the_settings():
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    assert request(safety_settings=safety)["safetySettings"] == safety
    assert request(extra_body={"google": {"safety_settings": safety}})["safetySettings"] == safety
    assert request(service_tier="flex")["serviceTier"] == "flex"
    assert "serviceTier" not in request(service_tier="auto")
    assert request(store=False)["store"] is False
    assert "store" not in request(store=True)


@pytest.mark.parametrize(
    ("model", "fields", "word"),
    [
        (OLD, {"logit_bias": {"1": 2}}, "`logit_bias`"),
        (OLD, {"verbosity": "low"}, "`verbosity`"),
        (OLD, {"prediction": {"type": "content", "content": "x"}}, "`prediction`"),
        (OLD, {"web_search_options": {}}, "`web_search_options`"),
        (OLD, {"functions": [{"name": "f"}]}, "`tools`, not the older"),
        (OLD, {"function_call": {"name": "f"}}, "`tool_choice`, not the older"),
        (OLD, {"modalities": ["text", "audio"]}, "`modalities`"),
        (OLD, {"audio": {"voice": "x", "format": "wav"}}, "in sound"),
        (OLD, {"cached_content": "cachedContents/1"}, "`cached_content`"),
        (OLD, {"google": {"cached_content": "cachedContents/1"}}, "`cached_content`"),
        (OLD, {"google": {"labels": {}}}, "`google.labels`"),
        (OLD, {"google": {"thinking_config": {"speed": 1}}}, "`google.thinking_config.speed`"),
        (OLD, {"google": {"thinking_config": {"thinking_budget": 1}}, "reasoning_effort": "low"}, "not both"),
        (OLD, {"extra_body": {"openai": {}}}, "`extra_body.openai`"),
        (OLD, {"enable_thinking": True}, "`enable_thinking`"),
        (OLD, {"n_predict": 5}, "`n_predict`"),
        (OLD, {"presence_penalty": 1}, "`presence_penalty`"),
        (OLD, {"temperature": "hot"}, "`temperature`"),
        (OLD, {"seed": 2**31}, "32 bits"),
        (OLD, {"stop": ["a"] * 6}, "at most 5"),
        (OLD, {"stop": 5}, "`stop`"),
        (OLD, {"top_logprobs": 3}, "only with `logprobs`"),
        (OLD, {"reasoning_effort": "huge"}, "only as `none`"),
        ("gemini-2.0-flash", {"reasoning_effort": "low"}, "does not take `reasoning_effort`"),
        (NEW, {"n": 2}, "`n` above 1"),
        (OLD, {"tools": [TOOL], "response_format": {"type": "json_object"}}, "not both"),
        (OLD, {"response_format": {"type": "grammar"}}, "grammar"),
        (OLD, {"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "`custom`"),
        (OLD, {"tools": [5]}, "`tools`"),
        (OLD, {"tools": [TOOL], "parallel_tool_calls": False}, "one tool call"),
        (OLD, {"tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "`tool_choice`"),
        (OLD, {"tool_choice": "maybe"}, "`tool_choice`"),
        (OLD, {"tool_choice": {"type": "function", "function": {}}}, "`tool_choice`"),
        (
            OLD,
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [TOOL, {"type": "custom"}]}}},
            "`tool_choice`",
        ),
        (OLD, {"service_tier": "scale"}, "`scale`"),
        (OLD, {"store": "yes"}, "`store`"),
    ],
)
def test_what_is_lacking_is_said(model, fields, word):
    with pytest.raises(Lacking, match=word):
        request(model, **fields)


def test_tools_and_json_go_together_in_newer_models():
    said = request(NEW, tools=[TOOL], response_format={"type": "json_object"})
    assert said["generationConfig"] == {"responseMimeType": "application/json"}


_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=4) | st.sampled_from(["auto", "low", "function"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "function", "name", "google", "thinking_config", "schema"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted({*TRANSLATED, *LACKING} - {"messages", "model", "stream"})), _VALUE, max_size=4
    ),
    st.sampled_from([OLD, SOME, NEW]),
)
def test_any_fields_are_translated_or_refused_in_words(fields, model):
    try:
        asked = chat(**fields)
    except Refused:  # by the front door
        return
    try:
        said = request_of(asked, family_of(model), vertex=False)
    except Lacking as lacking:
        words = str(lacking)
    else:
        words = "taken" if json.loads(msgspec.json.encode(said))["contents"] else ""
    assert words
