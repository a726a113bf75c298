"""Whole answers where servers differ. What they share with streams is in test_openai_stream."""

import json

import pytest
from support.upstream import OK, USAGE

from gateway.core.errors import FailureKind
from gateway.providers.openai_answer import answer_of

CALLS = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
HELLO = {"role": "assistant", "content": "hello"}


def choice(message: dict, finish: str | None = "stop", index: int = 0) -> dict:
    return {"index": index, "message": message, "finish_reason": finish}


def shown(*choices: dict, named: bool = False, **more: object) -> dict:
    """What the client sees of an answer."""
    answer = answer_of(json.dumps({**OK, "choices": list(choices), **more}).encode(), named=named)
    assert answer.failed is None
    return json.loads(answer.body)


def test_an_answer_that_needs_nothing_keeps_its_bytes():
    body = json.dumps(OK, indent=1).encode()
    assert answer_of(body).body is body


def test_an_empty_reason_of_a_whole_answer_is_what_it_must_be():
    def ended(message: dict) -> str:
        body = {**OK, "choices": [{"index": 0, "message": message, "finish_reason": ""}]}
        return json.loads(answer_of(json.dumps(body).encode()).body)["choices"][0]["finish_reason"]

    assert ended({"content": "a"}) == "stop"
    assert (
        ended({"content": None, "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]})
        == "tool_calls"
    )


@pytest.mark.parametrize("message", [b"null", b""])
def test_a_choice_without_a_message_is_a_failure(message):
    body = b'{"choices": [{"index": 0, "message": %b}]}' % message if message else b'{"choices": [{"index": 0}]}'
    assert answer_of(body).failed.kind is FailureKind.BROKEN


def test_content_that_is_absent_is_none():
    assert answer_of(b'{"choices": [{"index": 0, "message": {"content": null, "tool_calls": null}}]}').failed is None


@pytest.mark.parametrize(
    ("finish", "named", "ends"),
    [
        ("stop", False, "tool_calls"),
        ("end_turn", False, "tool_calls"),
        ("tool_calls", False, "tool_calls"),
        ("length", False, "length"),
        ("content_filter", False, "content_filter"),
        ("stop", True, "stop"),  # as OpenAI does where the client named the tool
        (None, False, None),
    ],
)
def test_an_answer_that_calls_tools_says_so(finish, named, ends):
    said = shown(choice({"content": None, "tool_calls": CALLS}, finish), choice(HELLO, index=1), named=named)
    assert [each["finish_reason"] for each in said["choices"]] == [ends, "stop"]


def test_a_message_has_content_and_its_calls_a_type():
    call = {name: value for name, value in CALLS[0].items() if name != "type"}
    message = shown(choice({"role": "assistant", "tool_calls": [call]}, "tool_calls"))["choices"][0]["message"]
    assert message == {"role": "assistant", "content": None, "tool_calls": CALLS}


def test_choices_are_in_order():
    choices = [choice({**HELLO, "content": str(at)}, index=at) for at in (2, 0, 1)]
    assert [each["message"]["content"] for each in shown(*choices)["choices"]] == ["0", "1", "2"]
    assert shown(*choices, id="other")["id"] == "other"


@pytest.mark.parametrize(("total", "told"), [(None, 15), (0, 15), (15, 15), (40, 40)])
def test_the_total_is_never_less_than_its_parts(total, told):
    usage = {**USAGE, "total_tokens": total}
    assert shown(choice(HELLO), usage=usage)["usage"] == {**USAGE, "total_tokens": told}


@pytest.mark.parametrize("finish", ["stop", "", None])
def test_an_answer_that_does_not_say_why_it_ended_may_be_cut_off(finish):
    answer = answer_of(json.dumps({**OK, "choices": [choice(HELLO), choice(HELLO, finish, 1)]}).encode())
    assert (answer.unfinished, answer.failed) == (finish is None, None)
