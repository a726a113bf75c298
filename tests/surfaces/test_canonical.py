"""What backends write in their own way is read as it is meant."""

import pytest

from gateway.core.errors import FailureKind
from gateway.ports import UpstreamError
from gateway.providers.finish import FAILED
from gateway.surfaces.canonical import Call, Calls, Choice, Said, read, whole


@pytest.mark.parametrize(
    ("said", "text", "thought", "refused"),
    [
        (Said(content="a"), "a", "", ""),
        (Said(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, 7]), "ab", "", ""),
        (Said(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}]), "", "t", ""),
        (Said(content=[{"type": "thinking", "thinking": "t"}]), "", "t", ""),
        (Said(reasoning_content="t", reasoning="t"), "", "t", ""),
        (Said(reasoning="t", refusal="no"), "", "t", "no"),
        (Said(content=5, reasoning=[], refusal={}, tool_calls="x", thinking_blocks=1), "", "", ""),
    ],
)
def test_what_is_said(said, text, thought, refused):
    assert (said.text, said.thought, said.refused, said.calls, said.blocks) == (text, thought, refused, [], [])


def test_calls_are_read_in_any_form():
    made = [
        {"index": None, "id": "c", "function": {"name": "f", "arguments": {"a": 1}}, "extra_content": {"b": 2}},
        7,
        {},
    ]
    assert Said(tool_calls=made).calls == [Call(None, "c", "f", '{"a":1}', {"b": 2}), Call(None, "", "", "")]


@pytest.mark.parametrize(
    ("reason", "ended"),
    [
        (None, None),
        ("", None),
        ("stop", "stop"),
        ("new", "stop"),
        ("tool_use", "tool_calls"),
        ("sensitive", "content_filter"),
    ],
)
def test_why_it_ended(reason, ended):
    choice = Choice(finish_reason=reason)
    assert (choice.ended, choice.failed) == (ended, None)


@pytest.mark.parametrize("reason", sorted(FAILED))
def test_reasons_that_say_failure(reason):
    assert Choice(finish_reason=reason).failed.kind is FailureKind.BROKEN
    with pytest.raises(UpstreamError):
        whole(b'{"choices":[{"finish_reason":"%b"}]}' % reason.encode())


def test_what_does_not_say_why_it_ended_may_be_cut_off():
    with pytest.raises(UpstreamError):
        whole(b'{"choices":[{"message":{"content":"a"},"finish_reason":null}]}')


@pytest.mark.parametrize("data", [b"", b"[]", b'{"id":"\xff"}', b"[" * 100_000, b'{"choices":1}'])
def test_what_nobody_can_read(data):
    assert read(data) is None
    with pytest.raises(UpstreamError):
        whole(data)


def test_logprobs_are_a_list_or_none():
    assert Choice(logprobs={"content": [{"token": "x"}]}).likely == [{"token": "x"}]
    assert Choice(logprobs={"content": None}).likely == Choice(logprobs=7).likely == []


def piece(index=None, id="", name="", arguments=""):
    return Call(index, id, name, arguments)


@pytest.mark.parametrize(
    ("pieces", "places"),
    [
        ([piece(0, "a", "f"), piece(0), piece(1, "b", "g"), piece(0), piece(1)], [0, 0, 1, 0, 1]),
        ([piece(0, "a", "f"), piece(0, "b", "g"), piece(0), piece(0, "a")], [0, 1, 1, 0]),
        ([piece(None, "a", "f"), piece(None, "b", "g"), piece(None, "a")], [0, 1, 0]),
        ([piece(None, "", "f"), piece(None, "", "f"), piece()], [0, 1, 1]),
        ([piece(None, "a"), piece(None, "", "f"), piece()], [0, 0, 0]),
        ([piece(0, "", "f"), piece(0, "a"), piece(0, "a")], [0, 0, 0]),
        ([piece(0, "a", "f"), piece(1, "a", "g")], [0, 1]),
        ([piece(0, "a", "f"), piece(), piece(0, "a", "f")], [0, 0, 0]),
    ],
)
def test_which_call_a_piece_belongs_to(pieces, places):
    calls = Calls()
    assert [calls.place(each) for each in pieces] == places
