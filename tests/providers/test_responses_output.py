"""Whole answers of the Responses API as chat completions."""

import json

import pytest
from hypothesis import given
from openai.types.chat import ChatCompletion
from support.response_vectors import ANSWERS, GOOD_ANSWERS, RESPONSES, chat, kind_of, vector

from gateway.core.usage import Usage
from gateway.providers.responses_output import answered

KEPT = "openai-responses-v1"


def said(body: dict | bytes, **fields) -> dict:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = answered(raw, chat(stream=False, stream_options=None, **fields), KEPT)
    assert answer.failed is None
    return json.loads(answer.body)


def response(*output: dict, **more) -> dict:
    return {"id": "r", "model": "m", "status": "completed", "output": list(output), **more}


def text(text: str, **more) -> dict:
    return {"type": "output_text", "text": text, **more}


def message(*parts: dict) -> dict:
    return {"type": "message", "role": "assistant", "content": list(parts)}


@pytest.mark.parametrize("recorded", GOOD_ANSWERS, ids=lambda each: each.name)
def test_an_answer_is_a_completion_with_its_usage(recorded):
    wire = json.loads(recorded.body)
    answer = answered(recorded.body, chat(), KEPT)
    read = ChatCompletion.model_validate_json(answer.body)
    assert (read.id, read.model, read.object) == (wire["id"], wire["model"], "chat.completion")
    assert read.usage.total_tokens == wire["usage"]["total_tokens"] == answer.usage.total
    assert read.choices[0].finish_reason in {"stop", "length", "tool_calls", "content_filter"}
    assert answer.written_bytes > 0


def test_recorded_answers_say():
    read = {each.name: json.loads(answered(each.body, chat(), "").body)["choices"][0] for each in GOOD_ANSWERS}
    assert {name: (each["message"]["content"], each["finish_reason"]) for name, each in read.items()} == {
        "llama-server/responses": ("Hello! It's me, a sailor", "stop"),
        "vllm-cpu/responses": ("WorldCatcherImportantAddictsThat", "length"),
        "openai/filtered": ("Once upon", "content_filter"),
        "openai/incomplete": ("Once upon", "length"),
        "openai/logprobs": ("Hi", "stop"),
        "openai/refusal": (None, "stop"),
        "openai/search": ("One moment.\n\nIt's Olten.", "stop"),
        "openai/tools": ("I look that up.", "tool_calls"),
        "perplexity/agent": ("Olten it is.", "tool_calls"),
        "xai/reasoning": ("Hi!", "stop"),
    }


def test_calls_reasoning_and_text_become_one_message():
    assert said(vector("openai/tools").body)["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "I look that up.",
                "refusal": None,
                "reasoning_content": "**Looking up**\n\nBoth cities, then the patch.",
                "reasoning_details": [
                    {"type": "reasoning.encrypted", "data": "gAAAAABwhole==", "id": "rs_01", "format": KEPT, "index": 0}
                ],
                "tool_calls": [
                    {
                        "id": "call_a",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Zürich"}'},
                    },
                    {
                        "id": "call_b",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Bern"}'},
                    },
                    {
                        "id": "call_c",
                        "type": "custom",
                        "custom": {"name": "apply_patch", "input": "*** Begin Patch\n"},
                    },
                ],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ]


def test_reasoning_that_only_the_backend_can_read_stays_where_it_has_no_name():
    body = vector("openai/tools").body
    assert "reasoning_details" not in json.loads(answered(body, chat(), "").body)["choices"][0]["message"]


def test_a_refusal_is_no_content():
    read = said(vector("openai/refusal").body)["choices"][0]["message"]
    assert read == {"role": "assistant", "content": None, "refusal": "I'm sorry, no."}


def test_citations_point_into_the_whole_text():
    read = said(vector("openai/search").body)["choices"][0]["message"]
    (page,) = [each["url_citation"] for each in read["annotations"]]
    assert page == {"start_index": 18, "end_index": 23, "title": "Olten", "url": "https://example.org/olten"}
    assert read["content"][18:23] == "Olten"


def test_citations_of_files_of_the_backend_are_left_out():
    notes = [
        {"type": "file_citation", "file_id": "f", "filename": "x", "index": 3},
        {"url": "https://u", "title": None},
    ]
    read = said(response(message(text("ab"), text("cd", annotations=notes))))["choices"][0]["message"]
    assert read["content"] == "abcd"
    assert read["annotations"] == [{"type": "url_citation", "url_citation": {"title": "", "url": "https://u"}}]


def test_logprobs_are_told_to_who_asked():
    body = vector("openai/logprobs").body
    (token,) = said(body)["choices"][0]["logprobs"]["content"]
    assert (token["token"], token["logprob"], [each["token"] for each in token["top_logprobs"]]) == (
        "Hi",
        -0.25,
        ["Hi", "Yo"],
    )
    assert said(body, logprobs=None)["choices"][0]["logprobs"] is None


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "tool_calls"),
        ({"status": "requires_action"}, "tool_calls"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, "length"),
        ({"status": "incomplete", "incomplete_details": None}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
    ],
)
def test_an_answer_that_was_cut_never_looks_whole(more, reason):
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{"}
    assert said(response(call, **more))["choices"][0]["finish_reason"] == reason


def test_reasoning_in_the_open_and_its_summary_are_both_told():
    item = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "short"}], "content": [{"text": "long"}]}
    read = said(response(item, item, message(text("x"))))["choices"][0]["message"]
    assert read["reasoning_content"] == "short\n\nlong\n\nshort\n\nlong"


def test_what_is_not_told_is_made_up_for_nobody():
    read = said({"output": [{"type": "function_call", "name": None}]})
    assert (read["id"], read["model"], "usage" in read, "service_tier" in read) == ("", "alias", False, False)
    assert read["choices"][0]["message"]["tool_calls"] == [
        {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
    ]


def test_the_service_tier_is_told():
    assert said(response(service_tier="flex"))["service_tier"] == "flex"
    assert "service_tier" not in said(response(service_tier="auto"))


def test_a_failed_response_is_no_answer_and_is_billed():
    answer = answered(vector("openai/failed").body, chat(), KEPT)
    assert (answer.body, kind_of(answer.failed)) == (b"", "server_error")
    assert answer.usage == Usage(input_uncached=20, output=2)
    assert "org-" not in answer.failed.error["message"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "broken"),
        (b"<html>", "broken"),
        (b"\xff", "broken"),
        (b"{}", "broken"),
        (b'{"output":7}', "broken"),
        (b'{"output":[7]}', "broken"),
        (b'{"output":[{"type":"message","content":"x"}]}', "broken"),
        (b'{"output":[{"type":"function_call","arguments":{}}]}', "broken"),
        (b'{"output":[],"status":"queued"}', "broken"),
        (b'{"output":[],"status":"cancelled"}', "server_error"),
        (b'{"output":[],"error":{"code":"invalid_prompt","message":"m"}}', "content_filtered"),
    ],
)
def test_a_body_that_is_no_answer_is_a_failure(body, kind):
    answer = answered(body, chat(), KEPT)
    assert (answer.body, kind_of(answer.failed)) == (b"", kind)


@given(RESPONSES)
def test_any_response_is_a_completion_or_a_failure(body):
    answer = answered(json.dumps(body).encode(), chat(), KEPT)
    assert (answer.failed is None) == bool(answer.body)
    if answer.body:
        read = json.loads(answer.body)
        read.pop("service_tier", None)  # any word goes on
        ChatCompletion.model_validate(read)


def test_every_answer_is_good_or_known_to_be_broken():
    assert {each.name for each in ANSWERS} - {each.name for each in GOOD_ANSWERS} == {"openai/failed"}
