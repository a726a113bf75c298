"""A chat completion as a request to Messages: every field in its place, and what cannot be said is said so."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from support.anthropic_vectors import backend, chat

from gateway.core.catalog import HOSTED_TOOLS
from gateway.core.chat import Native, parse
from gateway.core.errors import Refused
from gateway.core.pieces import Piece
from gateway.providers.anthropic_fields import KNOWN, NOT_OURS, OWN
from gateway.providers.anthropic_models import abilities
from gateway.providers.anthropic_request import JSON_TOOL, Request

NEW, FIVE, CHOOSES, BUDGET, EARLY, OLD = (
    "claude-opus-5-5",
    "claude-opus-5",
    "claude-opus-4-8",
    "claude-sonnet-4-5",
    "claude-sonnet-4",
    "claude-3-5-sonnet",
)
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
F = {"name": "f", "input_schema": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": False}
WANTED = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": SCHEMA}}
FORCED = {"tools": TOOLS, "tool_choice": "required"}
ADAPTIVE = {"type": "adaptive", "display": "summarized"}


def sent(model: str = NEW, *messages, **fields) -> dict:
    return json.loads(Request(chat(*messages, **fields), backend(model)).encode())


def extra(model: str = NEW, **fields) -> dict:
    """What a request has besides the usual members."""
    body = sent(model, **fields)
    assert body.pop("messages") == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    assert body.pop("model") == model
    body.pop("max_tokens")
    return body


def test_a_plain_request():
    assert sent(NEW, {"role": "system", "content": "be"}, "hi") == {
        "model": NEW,
        "system": [{"type": "text", "text": "be"}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "max_tokens": 128_000,
    }


@pytest.mark.parametrize(
    ("model", "fields", "declared", "limit"),
    [
        (NEW, {}, {}, 128_000),
        (BUDGET, {}, {}, 64_000),
        (NEW, {}, {"max_output": 5000}, 5000),
        (NEW, {}, {"context": 9000}, 9000),
        (NEW, {"max_tokens": 7}, {"max_output": 5000}, 7),
        (NEW, {"max_completion_tokens": 8}, {}, 8),
        (NEW, {"max_completion_tokens": 8, "max_tokens": 7}, {}, 7),
        (NEW, {"max_tokens": None, "max_completion_tokens": None}, {}, 128_000),
        (NEW, {"max_tokens": 0}, {}, 128_000),
    ],
)
def test_the_limit_that_must_be_there(model, fields, declared, limit):
    assert json.loads(Request(chat(**fields), backend(model, **declared)).encode())["max_tokens"] == limit


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["a", "\n", " ", ""]}, {"stop_sequences": ["a"]}),
        ({"stop": "\n\n"}, {}),
        ({"stop": None}, {}),
        ({"stream": True}, {"stream": True}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"user": "u", "safety_identifier": "s"}, {"metadata": {"user_id": "s"}}),
        ({"metadata": {"user_id": "m", "team": "x"}}, {"metadata": {"user_id": "m"}}),
        ({"metadata": {"user_id": 7}}, {}),
        ({"metadata": {"team": "x"}, "store": True, "prompt_cache_key": "k"}, {}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"service_tier": None}, {}),
        ({"n": 1, "logprobs": False, "presence_penalty": 0, "logit_bias": {}, "verbosity": "medium"}, {}),
        ({"modalities": ["text"], "response_format": {"type": "text"}, "seed": 7, "unknown": None}, {}),
        (
            {"cache_control": {"type": "ephemeral"}, "mcp_servers": [], "inference_geo": None, "speed": None},
            {"cache_control": {"type": "ephemeral"}, "mcp_servers": []},
        ),
        ({"tools": TOOLS}, {"tools": [F]}),
        ({"tools": []}, {}),
        ({"tools": TOOLS, "tool_choice": "none"}, {"tools": [F], "tool_choice": {"type": "none"}}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {}),
        (
            {"tools": TOOLS, "parallel_tool_calls": False},
            {"tools": [F], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        ({"tools": TOOLS, "parallel_tool_calls": True}, {"tools": [F]}),
        (
            {"tools": TOOLS, "parallel_tool_calls": False, "tool_choice": "none"},
            {"tools": [F], "tool_choice": {"type": "none"}},
        ),
        # an older call is one at a time
        (
            {"functions": [TOOLS[0]["function"]]},
            {"tools": [F], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        ({"response_format": WANTED}, {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
        (
            {"response_format": WANTED, "output_config": {"effort": "max", "x": 1}, "reasoning_effort": "low"},
            {
                "output_config": {"effort": "max", "x": 1, "format": {"type": "json_schema", "schema": SCHEMA}},
                "thinking": ADAPTIVE,
            },
        ),
        ({"temperature": 1, "top_p": 1}, {}),
    ],
)
def test_fields_become(fields, expected):
    assert extra(**fields) == expected
    assert Request(chat(**fields), backend()).lacks() == ""


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        # how hard to think
        (NEW, {"reasoning_effort": "minimal"}, {"thinking": ADAPTIVE, "output_config": {"effort": "low"}}),
        (NEW, {"reasoning_effort": "high"}, {"thinking": ADAPTIVE, "output_config": {"effort": "high"}}),
        (NEW, {"reasoning_effort": "xhigh"}, {"thinking": ADAPTIVE, "output_config": {"effort": "xhigh"}}),
        (NEW, {"reasoning_effort": "none"}, {"output_config": {"effort": "low"}}),
        ("claude-fable-5", {"reasoning_effort": "none"}, {"output_config": {"effort": "low"}}),
        ("claude-sonnet-5-5", {"reasoning_effort": "none"}, {"thinking": {"type": "between_tools"}}),
        (FIVE, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        (CHOOSES, {"reasoning_effort": "none"}, {}),
        (
            "claude-opus-4-6",
            {"reasoning_effort": "xhigh"},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ),
        (
            "claude-opus-4-6",
            {"reasoning_effort": "max"},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
        ),
        (BUDGET, {"reasoning_effort": "none"}, {}),
        (BUDGET, {"reasoning_effort": "minimal"}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (BUDGET, {"reasoning_effort": "high"}, {"thinking": {"type": "enabled", "budget_tokens": 16384}}),
        (
            BUDGET,
            {"reasoning_effort": "high", "max_tokens": 6000},
            {"thinking": {"type": "enabled", "budget_tokens": 3000}},
        ),
        (
            BUDGET,
            {"reasoning_effort": "high", "max_tokens": 1500},
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        ),
        (BUDGET, {"reasoning_effort": "high", "max_tokens": 1024}, {}),
        (OLD, {"reasoning_effort": "none"}, {}),
        # the client's own words go first
        (
            BUDGET,
            {"reasoning_effort": "high", "thinking": {"type": "enabled", "budget_tokens": 2000}},
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        ),
        (
            NEW,
            {"reasoning_effort": "high", "thinking": {"type": "adaptive"}},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ),
        # a tool that must be called, and thinking, exclude each other
        (
            FIVE,
            {**FORCED, "reasoning_effort": "high"},
            {"tools": [F], "tool_choice": {"type": "any"}, "output_config": {"effort": "high"}},
        ),
        # sampling
        (EARLY, {"temperature": 0.5, "top_p": 0.9, "top_k": 5}, {"temperature": 0.5, "top_p": 0.9, "top_k": 5}),
        (BUDGET, {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}),
        (BUDGET, {"temperature": 1, "top_p": 0.9}, {"top_p": 0.9}),
        (BUDGET, {"temperature": 1.5, "top_p": 0.9}, {"top_p": 0.9}),
        (BUDGET, {"temperature": 0}, {"temperature": 0}),
        (
            BUDGET,
            {"temperature": 0.5, "reasoning_effort": "low"},
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        ),
        (
            BUDGET,
            {"temperature": 0.5, "thinking": {"type": "disabled"}},
            {"temperature": 0.5, "thinking": {"type": "disabled"}},
        ),
        (BUDGET, {"temperature": 0.5, "thinking": None}, {"temperature": 0.5}),
        ("claude-opus-4-6", {"temperature": 0.5, "thinking": {"type": "adaptive"}}, {"thinking": {"type": "adaptive"}}),
        (NEW, {"temperature": 0.5, "top_p": 0.9, "top_k": 5}, {}),
        # the shape of an answer, on a model without schemas
        (
            EARLY,
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "description": "d", "schema": SCHEMA},
                }
            },
            {
                "tools": [{"name": JSON_TOOL, "description": "d", "input_schema": SCHEMA}],
                "tool_choice": {"type": "tool", "name": JSON_TOOL},
            },
        ),
        (
            EARLY,
            {"response_format": WANTED, "tools": TOOLS},
            {
                "tools": [
                    F,
                    {
                        "name": JSON_TOOL,
                        "description": "Gives the answer. It is called once, with the whole answer.",
                        "input_schema": SCHEMA,
                    },
                ],
                "tool_choice": {"type": "any"},
            },
        ),
        (EARLY, {"response_format": WANTED, **FORCED}, {"tools": [F], "tool_choice": {"type": "any"}}),
        (
            FIVE,
            {"response_format": {"type": "json_object"}, "tools": TOOLS, "tool_choice": "none"},
            {
                "tools": [
                    F,
                    {
                        "name": JSON_TOOL,
                        "description": "Gives the answer. It is called once, with the whole answer.",
                        "input_schema": {"type": "object"},
                    },
                ],
                "tool_choice": {"type": "tool", "name": JSON_TOOL},
            },
        ),
    ],
)
def test_a_generation_is_asked_as_it_can_be(model, fields, expected):
    assert extra(model, **fields) == expected
    assert Request(chat(**fields), backend(model)).lacks() == ""


def test_a_schema_keeps_its_bytes():
    schema = b'{"type": "object", "properties":{"x":{"const":9007199254740993}}, "additionalProperties":false}'
    body = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":%b}}}'
    for model in (NEW, EARLY):
        assert schema in Request(parse(body % schema), backend(model)).encode()


@pytest.mark.parametrize(
    ("model", "fields", "reason"),
    [
        (NEW, {"n": 2}, "does not take `n` above 1"),
        (NEW, {"presence_penalty": 0.1}, "does not take `presence_penalty`"),
        (NEW, {"frequency_penalty": 0.1}, "does not take `frequency_penalty`"),
        (NEW, {"logit_bias": {"5": 1}}, "does not take `logit_bias`"),
        (NEW, {"logprobs": True}, "does not report `logprobs`"),
        (NEW, {"top_logprobs": 2}, "does not report `top_logprobs`"),
        (NEW, {"min_p": 0.1}, "does not take `min_p`"),
        (NEW, {"suffix": "x"}, "does not take a `suffix`"),
        (NEW, {"verbosity": "low"}, "does not take `verbosity`"),
        (NEW, {"modalities": ["text", "audio"]}, "writes only text, so it does not take these `modalities`"),
        (NEW, {"audio": {"voice": "x"}}, "does not speak, so it does not take `audio`"),
        (NEW, {"web_search_options": {}}, "does not take `web_search_options`"),
        (NEW, {"moderation": {"model": "x"}}, "does not take `moderation`"),
        (NEW, {"chat_template_kwargs": {}}, "does not know the field `chat_template_kwargs`"),
        (NEW, {"mcp_servers": [{"url": "x"}]}, "runs no tools itself, so it does not take `mcp_servers`"),
        (NEW, {"container": "c"}, NOT_OURS["container"]),
        (NEW, {"inference_geo": "us"}, NOT_OURS["inference_geo"]),
        (NEW, {"speed": "fast"}, NOT_OURS["speed"]),
        (NEW, {"user_profile_id": "p"}, NOT_OURS["user_profile_id"]),
        (NEW, {"tools": [{"type": "web_search_20250305", "name": "w"}]}, "takes only tools of the type `function`"),
        (NEW, {"tools": [{"type": "", "name": "w"}]}, "takes only tools of the type `function`"),
        (NEW, {"service_tier": "flex"}, "does not have this `service_tier`"),
        (NEW, {"reasoning_effort": "huge"}, "does not know this `reasoning_effort`"),
        (NEW, FORCED, "cannot be made to call a tool, so it does not take this `tool_choice`"),
        (
            NEW,
            {"response_format": {"type": "json_object"}},
            "cannot be made to call a tool, so it does not take this `response_format`",
        ),
        (NEW, {"response_format": {"type": "grammar"}}, "does not know the type of this `response_format`"),
        (NEW, {"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "takes only tools of the type `function`"),
        (
            EARLY,
            {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]},
            "does not take `strict` tools",
        ),
        (OLD, {"reasoning_effort": "low"}, "cannot reason, so it does not take `reasoning_effort`"),
        (BUDGET, {**FORCED, "reasoning_effort": "low"}, "cannot reason and be made to call a tool at once"),
    ],
)
def test_what_cannot_be_done_is_said(model, fields, reason):
    assert Request(chat(**fields), backend(model)).lacks() == reason


def test_tools_run_at_the_backend_only_where_its_row_says_so():
    hosts = structs.replace(backend(NEW), capabilities=frozenset({"chat", HOSTED_TOOLS}))
    servers = [{"type": "url", "url": "https://x", "name": "n"}]
    request = Request(chat(mcp_servers=servers), hosts)
    assert (request.lacks(), json.loads(request.encode())["mcp_servers"]) == ("", servers)
    assert Request(chat(container="c"), hosts).lacks() == NOT_OURS["container"]


@pytest.mark.parametrize(
    ("model", "messages", "reason"),
    [
        (
            NEW,
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}],
            "does not take content of the type `input_audio`",
        ),
        (NEW, [{"role": "user", "content": [{"type": "file", "file": {"file_data": "JVBERi0="}}]}], ""),
        (NEW, [{"role": "user", "content": [{"type": "file", "file": 7}]}], ""),
        (NEW, ["hi", {"role": "assistant", "content": "so"}], "does not go on from a last message of the assistant"),
        (BUDGET, ["hi", {"role": "assistant", "content": "so"}], ""),
    ],
)
def test_messages_that_cannot_be_said(model, messages, reason):
    assert Request(chat(*messages), backend(model)).lacks() == reason


SIGNED = {"role": "assistant", "content": "so", "thinking_blocks": [{"type": "thinking", "signature": "s=="}]}
BOUND = {"block_binding": {"prefix_mismatch_behavior": "drop_block"}}


@pytest.mark.parametrize(
    ("model", "fields", "thinking", "sent_back"),
    [
        (NEW, {}, {"type": "adaptive", **BOUND}, True),
        (NEW, {"reasoning_effort": "high"}, {**ADAPTIVE, **BOUND}, True),
        (NEW, {"reasoning_effort": "none"}, {"type": "adaptive", **BOUND}, True),
        (NEW, {"thinking": {"type": "adaptive"}}, {"type": "adaptive"}, True),
        # where thinking is off, earlier thinking would be refused
        ("claude-sonnet-5-5", {"reasoning_effort": "none"}, {"type": "between_tools"}, False),
        ("claude-haiku-5-5", {"reasoning_effort": "none"}, {"type": "disabled"}, False),
        (FIVE, {"reasoning_effort": "none"}, {"type": "disabled"}, True),
        (FIVE, {}, None, True),
        (BUDGET, {}, None, True),
    ],
)
def test_earlier_thinking_is_never_what_a_request_is_refused_for(model, fields, thinking, sent_back):
    request = Request(chat("hi", SIGNED, "and?", **fields), backend(model))
    body = json.loads(request.encode())
    assert body.get("thinking") == thinking
    assert (body["messages"][1]["content"][0]["type"] == "thinking") == sent_back
    assert request.binds == ("block_binding" in (thinking or {}))


LOOP = (
    "hi",
    {
        "role": "assistant",
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "a", "content": "1"},
)


@pytest.mark.parametrize(
    ("model", "messages", "fields", "dropped"),
    [
        (NEW, ("hi",), {}, ()),
        (NEW, ("hi",), {"temperature": 1, "top_p": 1, "seed": None}, ()),
        (NEW, ("hi",), {"temperature": 0.2, "top_p": 0.9, "top_k": 4}, ("temperature", "top_p", "top_k")),
        (NEW, ("hi",), {"seed": 7, "prediction": {"type": "content", "content": "x"}}, ("seed", "prediction")),
        (BUDGET, ("hi",), {"temperature": 0.2}, ()),
        (BUDGET, ("hi",), {"temperature": 1.2}, ("temperature",)),
        (BUDGET, ("hi",), {"temperature": 0.2, "top_p": 0.9}, ("top_p",)),
        (BUDGET, ("hi",), {"temperature": 0.2, "reasoning_effort": "low"}, ("temperature",)),
        (BUDGET, ("hi",), {"reasoning_effort": "low", "max_tokens": 1000}, ("reasoning_effort",)),
        (BUDGET, LOOP, {"reasoning_effort": "low"}, ("reasoning_effort",)),
        (NEW, LOOP, {"reasoning_effort": "low"}, ()),
        (NEW, ({"role": "user", "name": "Ann", "content": "hi"},), {}, ("name",)),
        (NEW, (*LOOP[:-1], {**LOOP[-1], "name": "f"}), {}, ()),
    ],
)
def test_what_is_left_out_is_told(model, messages, fields, dropped):
    request = Request(chat(*messages, **fields), backend(model))
    assert request.drops() == dropped
    assert ("thinking" in json.loads(request.encode())) == (
        "reasoning_effort" in fields and "reasoning_effort" not in dropped
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stop": 7}, "stop"),
        ({"temperature": "hot"}, "temperature"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tool_choice": "sometimes", "tools": TOOLS}, "tool_choice"),
        ({"reasoning_effort": 3}, "reasoning_effort"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        ({"output_config": []}, "output_config"),
    ],
)
def test_what_is_wrong_for_every_model_is_refused(fields, param):
    with pytest.raises(Refused) as raised:
        Request(chat(**fields), backend()).encode()
    assert (raised.value.param, raised.value.refusal.status) == (param, 400)
    assert re.search(r"`.+`", raised.value.message)


VALUES = st.sampled_from(
    [None, 0, 1, 0.5, True, "x", "auto", "none", "required", "high", [], {}, TOOLS, WANTED, FORCED]
)


@given(
    st.dictionaries(st.sampled_from(sorted({*KNOWN, "x"} - {"model", "messages"})), VALUES, max_size=5),
    st.sampled_from([NEW, FIVE, CHOOSES, BUDGET, EARLY, OLD, "claude-sonnet-5-5", "claude-fable-5"]),
)
def test_any_request_is_refused_lacking_or_valid(fields, model):
    try:
        request = Request(chat(**fields), backend(model))
        lacks, dropped = request.lacks(), request.drops()
        body = json.loads(request.encode())
    except Refused:
        return
    able = abilities(model)
    allowed = {*OWN, "model", "messages", "max_tokens", "system", "stop_sequences", "tools", "tool_choice", "stream"}
    assert body.keys() <= allowed | {"temperature", "top_p", "service_tier", "metadata"}
    assert not lacks or "`" in lacks or "cannot" in lacks
    if able.sampling == "fixed":
        assert not {"temperature", "top_p", "top_k"} & body.keys()
    asked = {name for name in ("temperature", "top_p", "seed") if name in request._chat.asks}
    assert asked <= {*body, *dropped}


def test_what_came_as_messages_is_cut_as_it_was_and_has_its_marks():
    mark = {"cache_control": {"type": "ephemeral"}}
    place = ("messages", 0, "content")
    pieces = (Piece(place, 0, 1), Piece(place, 3, 4, "5m"), Piece(("tools", 0), kept="5m"), Piece((), kept="5m"))
    came = chat(messages=[{"role": "user", "content": "a\n\nb"}], tools=TOOLS)
    said = json.loads(Request(structs.replace(came, native=Native("messages", {}, pieces=pieces)), backend()).encode())
    assert said["messages"][0]["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b", **mark}]
    assert (said["tools"], said["cache_control"]) == ([F | mark], mark["cache_control"])
    plain = json.loads(Request(structs.replace(came, native=Native("messages", {})), backend()).encode())
    assert plain["messages"][0]["content"] == [{"type": "text", "text": "a\n\nb"}]
    assert "cache_control" not in json.dumps(plain)
