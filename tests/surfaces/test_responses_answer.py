"""A completion becomes a response object that the official SDK reads."""

import json

import pytest
from openai.types.responses import Response
from support.vectors import all_recorded

from gateway.core.usage import Usage
from gateway.ports import UpstreamError
from gateway.providers.openai import OpenAI
from gateway.providers.response_wire import SEALED
from gateway.surfaces.responses import Responses
from gateway.surfaces.responses_answer import usage_object

SURFACE = Responses()
ANSWERS = [
    each
    for each in all_recorded()
    if not each.streamed and each.status == 200 and not each.name.endswith(("/models", "/n2"))
]
SHELL = {"type": "function", "name": "shell", "parameters": {"type": "object"}, "strict": False}
PATCH = {"type": "custom", "name": "apply_patch"}
DOCS = {"type": "namespace", "name": "mcp__docs", "description": "Docs.", "tools": [{**SHELL, "name": "search"}]}


def answered(message: dict, finish: str = "stop", *, more: dict | None = None, **fields: object) -> dict:
    """The response to a request with these fields, for a backend that says this."""
    chat = SURFACE.parse(json.dumps({"model": "m", "input": "hi", **fields}).encode(), 1700)
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}
    body = {"id": "chatcmpl-a1", "object": "chat.completion", "created": 1800, "model": "real", "choices": [choice]}
    told = json.loads(SURFACE.answer(json.dumps({**body, **(more or {})}).encode(), chat))
    Response.model_validate(told)
    return told


def calls(*each: tuple[str, str]) -> dict:
    return {
        "tool_calls": [
            {"id": f"c{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for at, (name, arguments) in enumerate(each)
        ]
    }


def test_text_is_a_message():
    told = answered({"content": "Hello"}, more={"usage": {"prompt_tokens": 3, "completion_tokens": 2}})
    assert told["output"] == [
        {
            "id": "msg_a1_0",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}],
        }
    ]
    assert (told["id"], told["model"], told["created_at"], told["status"]) == ("resp_a1", "real", 1800, "completed")
    assert told["usage"]["total_tokens"] == 5
    assert Response.model_validate(told).output_text == "Hello"


def test_the_response_repeats_what_was_asked():
    asked = {
        "instructions": "Be short.",
        "max_output_tokens": 9,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "prompt_cache_key": "k",
        "reasoning": {"effort": "low", "summary": None},
        "safety_identifier": "s",
        "temperature": 0.5,
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "tool_choice": "auto",
        "tools": [SHELL, DOCS],
        "top_logprobs": 2,
        "top_p": 0.5,
        "user": "u",
    }
    told = answered({"content": "x"}, **asked)
    assert {name: told[name] for name in asked} == asked


def test_the_response_says_what_is_not_done():
    told = answered({"content": "x"}, store=True, truncation="auto")
    assert (told["store"], told["truncation"], told["background"]) == (False, "disabled", False)
    assert (told["previous_response_id"], told["error"], told["usage"]) == (None, None, None)


def test_tools_that_were_left_out_are_not_among_the_tools():
    assert answered({"content": "x"}, tools=[SHELL, {"type": "web_search"}])["tools"] == [SHELL]


def test_each_call_gets_the_name_and_the_form_of_its_tool():
    said = calls(("shell", '{"a":1}'), ("apply_patch", '{"input":"*** x"}'), ("mcp__docs__search", "{}"), ("odd", ""))
    told = answered(said, "tool_calls", tools=[SHELL, PATCH, DOCS])
    done = {"status": "completed"}
    assert told["output"] == [
        {"id": "fc_a1_0", "type": "function_call", "call_id": "c0", "name": "shell", "arguments": '{"a":1}', **done},
        {
            "id": "ctc_a1_1",
            "type": "custom_tool_call",
            "call_id": "c1",
            "name": "apply_patch",
            "input": "*** x",
            **done,
        },
        {
            "id": "fc_a1_2",
            "type": "function_call",
            "call_id": "c2",
            "name": "search",
            "namespace": "mcp__docs",
            "arguments": "{}",
            **done,
        },
        {"id": "fc_a1_3", "type": "function_call", "call_id": "c3", "name": "odd", "arguments": "", **done},
    ]


def test_a_call_without_an_id_gets_one():
    said = {"tool_calls": [{"function": {"name": "shell", "arguments": "{}"}}]}
    assert answered(said, "tool_calls")["output"][0]["call_id"] == "call_a1_0"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_open_unless_a_summary_is_asked_for(name):
    said = {name: "hm", "content": "x"}
    [thought, _] = answered(said)["output"]
    assert (thought["summary"], thought["content"]) == ([], [{"type": "reasoning_text", "text": "hm"}])
    [thought, _] = answered(said, reasoning={"summary": "auto"})["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert "content" not in thought


def test_a_refusal_is_a_part_of_the_message():
    [message] = answered({"content": "So:", "refusal": "No."})["output"]
    assert [part["type"] for part in message["content"]] == ["output_text", "refusal"]


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        ("sensitive", "incomplete", "content_filter"),
        ("", "completed", None),
    ],
)
def test_how_an_answer_ends(finish, status, reason):
    told = answered({"content": "x"}, finish)
    assert told["status"] == told["output"][-1]["status"] == status
    assert told["incomplete_details"] == (None if reason is None else {"reason": reason})


def test_an_end_that_nobody_knows_is_not_a_natural_one():
    chat = SURFACE.parse(b'{"model":"m","input":"hi"}', 0)
    told = json.loads(SURFACE.answer(b'{"choices":[{"message":{"content":"x"},"finish_reason":"sensitive"}]}', chat))
    assert (told["status"], told["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})


def test_an_empty_answer_has_no_items():
    assert answered({})["output"] == []


def test_logprobs_are_those_of_the_text():
    likely = [{"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}]
    chat = SURFACE.parse(b'{"model":"m","input":"hi","include":["message.output_text.logprobs"]}', 0)
    choice = {"message": {"content": "x"}, "logprobs": {"content": likely}, "finish_reason": "stop"}
    told = json.loads(SURFACE.answer(json.dumps({"id": "a", "choices": [choice]}).encode(), chat))
    assert told["output"][0]["content"][0]["logprobs"] == likely


def test_what_the_backend_wants_back_comes_back():
    block = {"type": "thinking", "thinking": "hm", "signature": "s"}
    said = calls(("shell", "{}"))
    said["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "t"}}
    told = answered({**said, "reasoning_content": "hm", "thinking_blocks": [block]}, "tool_calls", tools=[SHELL])
    assert [item["type"] for item in told["output"]] == ["reasoning", "function_call", "reasoning"]
    assert told["output"][-1]["encrypted_content"].startswith(SEALED)
    again = [{"role": "user", "content": "hi"}, *told["output"]]
    turn = json.loads(bytes(SURFACE.parse(json.dumps({"model": "m", "input": again}).encode(), 0).fields["messages"]))[
        -1
    ]
    assert turn["thinking_blocks"] == [block]
    assert turn["reasoning_content"] == "hm"
    assert turn["tool_calls"] == said["tool_calls"]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"id":"\xff"}', b'{"choices":[{"finish_reason":"insufficient_system_resource"}]}']
)
def test_what_is_no_answer_is_a_failed_call(body):
    with pytest.raises(UpstreamError):
        SURFACE.answer(body, SURFACE.parse(b'{"model":"m","input":"hi"}', 5))


def test_an_answer_may_be_written_in_parts_and_objects():
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "x"}]
    made = {"index": None, "id": "c", "function": {"name": "shell", "arguments": {"a": 1}}}
    thought, said, call = answered({"content": parts, "tool_calls": [made]}, "tool_calls")["output"]
    assert (thought["content"][0]["text"], said["content"][0]["text"], call["arguments"]) == ("hm", "x", '{"a":1}')


def test_usage_in_the_words_of_responses():
    assert usage_object(Usage(input_uncached=5, cache_read=3, cache_write=1, output=4, reasoning=2)) == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 1},
        "output_tokens": 6,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }


@pytest.mark.parametrize("recorded", ANSWERS, ids=[each.name for each in ANSWERS])
def test_a_recorded_answer_is_a_response(recorded):
    chat = SURFACE.parse(b'{"model":"m","input":"hi"}', 0)
    canonical = OpenAI().answer(recorded.body, chat)
    told = json.loads(SURFACE.answer(canonical.body, chat))
    read = Response.model_validate(told)
    choice = json.loads(recorded.body)["choices"][0]
    assert read.output_text == (choice["message"]["content"] or "")
    assert len([item for item in read.output if item.type == "function_call"]) == len(
        choice["message"].get("tool_calls") or []
    )
    assert told["status"] == ("incomplete" if choice["finish_reason"] == "length" else "completed")
    assert told["usage"]["output_tokens"] == json.loads(recorded.body)["usage"]["completion_tokens"]
