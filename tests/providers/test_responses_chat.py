"""Chat completion requests as the Responses API takes them: every field has one row."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from support.response_vectors import GOOD_STREAMS, chat, kind_of, play, vector

from gateway.core.catalog import HOSTED_TOOLS, Backend
from gateway.core.chat import OPTIONAL, ChatRequest, parse
from gateway.core.decision import Obligation
from gateway.core.discharge import discharged
from gateway.core.errors import Refused
from gateway.providers import responses_chat
from gateway.providers.responses_chat import MEANT_OTHERWISE, NOT_HERE, SAME, TRANSLATED, ResponsesChat

BACKEND = Backend("b", "openai", "http://u/v1", "served-name", {})
REASONING = msgspec.structs.replace(BACKEND, capabilities=frozenset({"chat", "reasoning"}))
HOSTS = msgspec.structs.replace(BACKEND, capabilities=frozenset({"chat", HOSTED_TOOLS}))
OPENAI = ResponsesChat("https://api.openai.com/v1", kept_as="openai-responses-v1")
PERPLEXITY = ResponsesChat(
    "https://api.perplexity.ai/v1",
    summary=False,
    nested=True,
    lacking=frozenset({"tool_choice", "parallel_tool_calls", "logprobs", "top_logprobs", "verbosity"}),
    left_out=frozenset({"temperature", "top_p"}),
)
USUAL = {
    "model": "served-name",
    "input": [{"type": "message", "role": "user", "content": "hi"}],
    "store": False,
}


def ask(**fields) -> ChatRequest:
    usual = {"stream": None, "stream_options": None, "logprobs": None}
    return chat(**{**usual, **fields})


def sent(dialect: ResponsesChat = OPENAI, backend: Backend = BACKEND, **fields) -> dict:
    """What is sent beyond what every request has."""
    said = json.loads(dialect.encode(ask(**fields), backend))
    assert USUAL.items() <= said.items()
    return {name: value for name, value in said.items() if name not in USUAL}


def test_every_field_of_a_chat_completion_has_exactly_one_row():
    rows = [*TRANSLATED, *SAME, *NOT_HERE, *MEANT_OTHERWISE]
    assert len(rows) == len(set(rows))
    assert CompletionCreateParamsStreaming.__annotations__.keys() | OPTIONAL.keys() <= set(rows) - MEANT_OTHERWISE
    assert NOT_HERE <= OPTIONAL.keys()  # else nobody would notice that they ask for something
    documented = responses_chat.__doc__ or ""
    assert [name for name in TRANSLATED if name not in documented] == []


def test_a_plain_request_asks_for_nothing_that_nobody_asked_for():
    assert sent() == {}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"stream": True}, {"stream": True}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        (
            {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
            {"stream": True, "stream_options": {"include_obfuscation": False}},
        ),
        ({"max_tokens": 5}, {"max_output_tokens": 5}),
        ({"max_completion_tokens": 7}, {"max_output_tokens": 7}),
        ({"max_completion_tokens": 7, "max_tokens": 5}, {"max_output_tokens": 7}),
        ({"max_completion_tokens": None, "max_tokens": 5, "max_output_tokens": 9}, {"max_output_tokens": 5}),
        ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low", "summary": "auto"}}),
        ({"reasoning_effort": "none"}, {"reasoning": {"effort": "none"}}),
        ({"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "low"}}),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        (
            {
                "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
                "verbosity": "high",
            },
            {"text": {"verbosity": "high", "format": {"type": "json_schema", "name": "n", "schema": {}}}},
        ),
        (
            {
                "tools": [{"type": "custom", "custom": {"name": "p"}}],
                "tool_choice": {"type": "custom", "custom": {"name": "p"}},
            },
            {"tools": [{"type": "custom", "name": "p"}], "tool_choice": {"type": "custom", "name": "p"}},
        ),
        ({"tools": [], "tool_choice": "none"}, {"tool_choice": "none"}),
        (
            {"web_search_options": {"search_context_size": "low"}},
            {"tools": [{"type": "web_search", "search_context_size": "low"}]},
        ),
        ({"logprobs": True, "top_logprobs": 3}, {"include": ["message.output_text.logprobs"], "top_logprobs": 3}),
        ({"logprobs": False}, {}),
        ({"store": True}, {}),
        ({"seed": None, "n": 1, "presence_penalty": 0, "stop": None, "functions": [], "modalities": ["text"]}, {}),
        ({"some_switch": {"a": [1.5]}}, {"some_switch": {"a": [1.5]}}),
        ({"input": None, "previous_response_id": None}, {}),
    ],
)
def test_fields_become(fields, said):
    assert OPENAI.lacks(ask(**fields), HOSTS) == ""
    assert sent(**fields) == said


SEARCH = {"type": "web_search"}
RUN_THERE = "runs no tools itself, so it does not take these `tools`"
STORED = "does not take tools that name what is stored: that belongs to the gateway's account"


@pytest.mark.parametrize(
    ("fields", "here", "hosted"),
    [
        ({"web_search_options": {"x": 1}}, "runs no tools itself, so it does not take `web_search_options`", ""),
        ({"tools": [SEARCH]}, RUN_THERE, ""),
        ({"tools": [{"type": "function", "function": {"name": "f"}}, SEARCH]}, RUN_THERE, ""),
        ({"tools": [{"type": "mcp", "server_url": "https://x"}]}, RUN_THERE, ""),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, RUN_THERE, ""),
        ({"tools": [{"type": 7}]}, RUN_THERE, ""),
        ({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, STORED, STORED),
        ({"tools": [{"type": "code_interpreter", "container": {"file_ids": ["f"]}}]}, STORED, STORED),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, STORED, STORED),
        ({"tools": [{"type": "shell", "environment": {"skills": [{"skill_id": "s"}]}}]}, STORED, STORED),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "", ""),
        ({"tools": [{"function": {"name": "f", "parameters": {"properties": {"file_ids": {"x": 1}}}}}]}, "", ""),
    ],
)
def test_tools_run_at_the_backend_only_where_its_row_says_so(fields, here, hosted):
    assert OPENAI.lacks(ask(**fields), BACKEND) == here
    assert OPENAI.lacks(ask(**fields), HOSTS) == hosted


@pytest.mark.parametrize("name", sorted(SAME - {"stream"}))
def test_fields_that_mean_the_same_go_on_as_they_came(name):
    assert sent(**{name: "as it came"} if name == "service_tier" else {name: {"as": "it came"}}) != {}
    raw = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"%b":"as  it\\u00e9"}' % name.encode()
    assert b'"%b":"as  it\\u00e9"' % name.encode() in OPENAI.encode(parse(raw), BACKEND)


def test_nothing_is_kept_whatever_is_asked():
    for store in (True, None, False):
        assert json.loads(OPENAI.encode(ask(store=store), BACKEND))["store"] is False


def test_reasoning_that_only_the_backend_can_read_is_asked_for_where_there_is_any():
    assert sent(backend=REASONING) == {"include": ["reasoning.encrypted_content"]}
    assert sent(PERPLEXITY, REASONING) == {}
    assert sent(backend=REASONING, logprobs=True)["include"] == [
        "message.output_text.logprobs",
        "reasoning.encrypted_content",
    ]


ASKING = {
    "n": 2,
    "stop": ["x"],
    "seed": 1,
    "logit_bias": {"1": 1},
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "top_k": 1,
    "min_p": 0.1,
    "suffix": "x",
    "functions": [{"name": "f"}],
    "function_call": {"name": "f"},
    "modalities": ["text", "audio"],
    "audio": {"voice": "x", "format": "wav"},
    "prediction": {"type": "content", "content": "x"},
    "moderation": {"model": "x"},
}


@pytest.mark.parametrize("name", sorted(NOT_HERE))
def test_what_the_api_does_not_have_is_named(name):
    assert OPENAI.lacks(ask(**{name: ASKING[name]}), BACKEND).startswith(f"does not take `{name}`")


def test_text_alone_is_no_modality_to_ask_for():
    body = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"modalities":[ "text" ]}'
    assert OPENAI.lacks(parse(body), BACKEND) == ""


@pytest.mark.parametrize("name", sorted(MEANT_OTHERWISE))
def test_what_would_be_read_otherwise_is_named(name):
    assert OPENAI.lacks(ask(**{name: "x"}), BACKEND) == f"does not take `{name}` in a chat completion"


def test_what_messages_cannot_say_is_named():
    assert "role `function`" in OPENAI.lacks(ask(messages=[{"role": "function", "name": "f", "content": "x"}]), BACKEND)


def test_nothing_is_left_out_in_silence():
    named = ask(temperature=0.5, top_p=1, messages=[{"role": "user", "content": "hi", "name": "Ann"}])
    assert OPENAI.drops(ask(temperature=0.5), BACKEND) == ()
    assert OPENAI.drops(named, BACKEND) == ("name",)
    assert PERPLEXITY.drops(named, BACKEND) == ("temperature", "name")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"temperature": 0.5, "top_p": 0.5}, {}),
        ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}},
        ),
        ({"tools": [{"type": "fetch_url"}], "tool_choice": "auto"}, {"tools": [{"type": "fetch_url"}]}),
        ({"tools": [{"type": "fetch_url"}], "tool_choice": "none"}, {}),
        ({"parallel_tool_calls": True, "verbosity": "medium"}, {}),
    ],
)
def test_a_provider_has_quirks(fields, said):
    assert PERPLEXITY.lacks(ask(**fields), HOSTS) == ""
    assert sent(PERPLEXITY, **fields) == said


@pytest.mark.parametrize("fields", [{"tool_choice": "required"}, {"parallel_tool_calls": False}, {"logprobs": True}])
def test_a_provider_lacks_more(fields):
    assert PERPLEXITY.lacks(ask(**fields), BACKEND).startswith("does not take `")
    assert OPENAI.lacks(ask(**fields), BACKEND) == ""


def test_a_limit_of_ours_reaches_the_backend():
    for fields in ({}, {"max_tokens": 500}, {"max_completion_tokens": 500}, {"max_output_tokens": 500}):
        request = discharged(ask(**fields), (Obligation("max_output_tokens", 50),), OPENAI.limit_field)
        assert json.loads(OPENAI.encode(request, BACKEND))["max_output_tokens"] == 50


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tools", [{"type": "function", "function": 7}]),
        ("tools", ["x"]),
        ("tool_choice", {"type": "function", "function": 7}),
        ("web_search_options", {"user_location": 7}),
        ("response_format", {"type": "json_schema", "json_schema": 7}),
        ("stream_options", {"include_obfuscation": 7}),
    ],
)
def test_a_field_that_is_none_is_refused_by_its_name(name, value):
    if name == "stream_options":
        assert sent(stream=True, stream_options=value)["stream_options"] == value  # for the backend to judge
        return
    with pytest.raises(Refused) as refused:
        OPENAI.encode(ask(**{name: value}), BACKEND)
    assert (refused.value.param, refused.value.refusal.status) == (name, 400)


def test_it_goes_to_responses_and_reads_what_comes_from_there():
    assert OPENAI.endpoint(ask(), BACKEND).path == "/responses"
    assert (OPENAI.takes, OPENAI.passes) == ("chat", ())
    answer = OPENAI.answer(vector("openai/tools").body, ask())
    assert json.loads(answer.body)["choices"][0]["finish_reason"] == "tool_calls"
    for recorded in GOOD_STREAMS:
        assert play(OPENAI.reader(ask(stream=True)), recorded.body).endswith(b"data: [DONE]\n\n")
    failed = OPENAI.failure(
        401, {}, b'{"error":{"message":"Incorrect API key provided: sk-abcdefgh","code":"invalid_api_key"}}'
    )
    assert kind_of(failed) == "unauthorized"
    assert "sk-" not in failed.error["message"]


def test_a_conversation_can_go_on_with_what_came_back():
    message = json.loads(OPENAI.answer(vector("openai/tools").body, ask()).body)["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": each["id"], "content": "ok"} for each in message["tool_calls"]]
    said = json.loads(OPENAI.encode(ask(messages=[{"role": "user", "content": "hi"}, message, *results]), BACKEND))
    assert [each["type"] for each in said["input"]] == [
        *("message", "reasoning", "message", "function_call", "function_call", "custom_tool_call"),
        *("function_call_output", "function_call_output", "custom_tool_call_output"),
    ]
    came = json.loads(vector("openai/tools").body)["output"]
    assert said["input"][1]["encrypted_content"] == came[0]["encrypted_content"]
    assert [said["input"][at]["call_id"] for at in (3, 4, 5)] == [each["call_id"] for each in came[2:]]


_LEAF = st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["auto", "none", "low", "x"]))
_TREE = st.recursive(
    _LEAF,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["type", "function", "name", "json_schema", "format"]), inner, max_size=3),
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(sorted(TRANSLATED - {"model", "messages"} | SAME | NOT_HERE | MEANT_OTHERWISE)),
        _TREE,
        max_size=4,
    )
)
def test_any_request_is_sent_or_refused(fields):
    for dialect in (OPENAI, PERPLEXITY):
        try:
            request = parse(
                json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}).encode()
            )
            dialect.lacks(request, REASONING)
            dialect.drops(request, REASONING)
            said = json.loads(dialect.encode(request, REASONING))
        except Refused:
            continue
        assert USUAL.items() <= said.items()
        assert NOT_HERE.isdisjoint(said)


def test_vectors_say_where_they_come_from():
    root = Path(__file__).resolve().parents[1] / "vectors" / "responses"
    readme = (root / "README.md").read_text()
    assert [each.name for each in root.iterdir() if each.is_dir() and f"`{each.name}`" not in readme] == []
