"""Answers that are mended, and answers that are not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers import mending
from gateway.providers.mending import Choice, listed, rewritten, whole


def call(index=None, id=None, name=None, arguments=None):
    function = {"name": name, "arguments": arguments}
    begins = {} if name is None and id is None else {"type": "function"}
    said = {key: value for key, value in function.items() if value is not None}
    call = {"index": index, "id": id, **begins, "function": said}
    return {key: value for key, value in call.items() if value is not None}


def untyped(call):
    return {key: value for key, value in call.items() if key != "type"}


def mended(*deltas: list) -> list:
    """The tool calls of some deltas, as the client sees them; None: untouched."""
    choice = Choice(tags=False)
    return [None if (out := choice.calls(json.dumps(each).encode())) is None else json.loads(out) for each in deltas]


def put_together(*deltas: list) -> dict[int, tuple[str, str, str]]:
    """Ids, names and arguments by index, the way clients do it: every piece is added to the end."""
    calls: dict[int, list[str]] = {}
    for before, after in zip(deltas, mended(*deltas), strict=True):
        for each in before if after is None else after:
            known = calls.setdefault(each["index"], ["", "", ""])
            known[0] += each.get("id") or ""
            known[1] += each["function"].get("name") or ""
            known[2] += each["function"].get("arguments") or ""
    return {index: tuple(each) for index, each in calls.items()}


A, B = ("a", "f", '{"x":1}'), ("b", "g", "{}")


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        # as OpenAI writes them
        ([[call(0, "a", "f", "")], [call(0, arguments='{"x":1}')], [call(1, "b", "g", "{}")]], [A, B]),
        ([[call(0, "a", "f", '{"x":1}'), call(1, "b", "g", "{}")]], [A, B]),
        (
            [[call(0, "a", "f", '{"x"'), call(1, "b", "g", "{")], [call(1, arguments="}"), call(0, arguments=":1}")]],
            [A, B],
        ),
        # empty ids and names in later pieces
        ([[call(0, "a", "f", "")], [call(0, "", "", '{"x"')], [call(0, "", arguments=":1}")]], [A]),
        # ids and names in every piece
        ([[call(0, "a", "f", '{"x"')], [call(0, "a", "f", ":1}")], [call(1, "b", "g", "{}")]], [A, B]),
        # another id in every piece of one call
        ([[call(0, "a", "f", '{"x"')], [call(0, "z", arguments=":1}")]], [A]),
        # all at one index
        (
            [
                [call(0, "a", "f", '{"x"')],
                [call(0, arguments=":1}")],
                [call(0, "b", "g", "{")],
                [call(0, arguments="}")],
            ],
            [A, B],
        ),
        ([[call(0, "a", "f", '{"x":1}'), call(0, "b", "g", "{}")]], [A, B]),
        ([[call(0, "", "f", '{"x":1}'), call(0, "", "g", "{}")]], [("", "f", '{"x":1}'), ("", "g", "{}")]),
        # at one index, and then at their own
        (
            [[call(0, "a", "f", '{"x":1}')], [call(0, "b", "g", "{}")], [call(1, "c", "h", "{}")]],
            [A, B, ("c", "h", "{}")],
        ),
        # at none
        ([[call(None, "a", "f", '{"x"')], [call(arguments=":1}")], [call(None, "b", "g", "{}")]], [A, B]),
        # the id comes late
        ([[call(0, None, "f", '{"x"')], [call(0, "a", arguments=":1}")]], [A]),
        # arguments that are an object
        ([[call(0, "a", "f", {"x": 1})]], [("a", "f", '{"x":1}')]),
        # a name in pieces
        ([[call(0, "a", "f", "")], [call(0, name="oo", arguments="{}")]], [("a", "foo", "{}")]),
    ],
)
def test_the_pieces_of_tool_calls_fit_together(deltas, calls):
    assert put_together(*deltas) == dict(enumerate(calls))


@pytest.mark.parametrize(
    "deltas",
    [
        [[call(0, "a", "f", "")], [call(0, arguments="{")], [call(0, arguments="}")], [call(1, "b", "g", "{}")]],
        [[call(0, "a", "f", "")], [{"index": 0, "id": None, "function": {"name": None, "arguments": "{}"}}]],
        [[call(1, "a", "f", "{}")], [call(3, "b", "g", "{}")]],
        [[]],
        [[{"index": "odd"}]],
        [[7]],
        [[{"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": ""}}]],
    ],
)
def test_what_needs_no_mending_is_untouched(deltas):
    assert mended(*deltas) == [None] * len(deltas)


def test_a_call_has_its_type_once():
    pieces = [[untyped(call(0, "a", "f", ""))], [untyped(call(0, arguments="{}"))]]
    assert mended(*pieces) == [[call(0, "a", "f", "")], None]


@given(
    st.lists(
        st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "index": st.none() | st.integers(-1, 3),
                    "id": st.none() | st.sampled_from(["", "a", "b"]),
                    "function": st.none()
                    | st.fixed_dictionaries(
                        {},
                        optional={
                            "name": st.sampled_from([None, "", "f"]),
                            "arguments": st.sampled_from([None, "x", {}]),
                        },
                    ),
                },
            ),
            max_size=3,
        ),
        max_size=4,
    )
)
def test_any_tool_calls_have_an_index_when_they_were_mended(deltas):
    for before, after in zip(deltas, mended(*deltas), strict=True):
        shown = before if after is None else after
        assert len(shown) == len(before)
        assert after is None or all(isinstance(each["index"], int) for each in shown)


@pytest.mark.parametrize(
    ("content", "change"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], {"content": "ab"}),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}],
            {"content": "a", "reasoning_content": "hm"},
        ),
        ([{"type": "thinking", "thinking": "hm"}], {"content": None, "reasoning_content": "hm"}),
        ([], {"content": ""}),
        (
            [{"type": "reference", "reference_ids": [1]}],
            {"content": "", "content_chunks": [{"type": "reference", "reference_ids": [1]}]},
        ),
        ([7], {}),
        (["a"], {}),
    ],
)
def test_content_that_is_a_list_is_said_as_text_and_thoughts(content, change):
    said = listed(json.dumps(content).encode())
    assert {name: value and json.loads(value) for name, value in said.items()} == change


@pytest.mark.parametrize(
    ("message", "tags", "change"),
    [
        ({"content": "a"}, True, {}),
        ({"content": None}, True, {}),
        ({"content": "<think>hm</think>a"}, False, {}),
        ({"content": "<think>hm</think>a"}, True, {"content": "a", "reasoning_content": "hm"}),
        ({"content": "<think>hm</think>"}, True, {"content": "", "reasoning_content": "hm"}),
        ({"content": [{"type": "thinking", "thinking": "hm"}]}, False, {"content": None, "reasoning_content": "hm"}),
        ({"content": None, "tool_calls": [call(None, "a", "f", "{}")]}, False, {}),
        ({"tool_calls": "odd", "content": '"arguments":'}, False, {}),
        (
            {"tool_calls": [call(None, "a", "f", {})]},
            True,
            {"content": None, "tool_calls": [call(None, "a", "f", "{}")]},
        ),
        (
            {"content": "", "tool_calls": [untyped(call(None, "a", "f", "{}"))]},
            False,
            {"tool_calls": [call(None, "a", "f", "{}")]},
        ),
    ],
)
def test_a_whole_message_is_mended(message, tags, change):
    members = json.loads(json.dumps(message))
    raw = {name: mending.Raw(json.dumps(value, separators=(",", ":")).encode()) for name, value in members.items()}
    assert {name: json.loads(value) for name, value in whole(raw, tags=tags).items()} == change


def test_only_what_changes_is_changed():
    data = b'{"id":"x","choices":[{"index":0,"delta":{"a":[ 1.50 ],"b":1}},{"index":1,"delta":{ "c":1}}],"y":{ }}'
    out = rewritten(data, {0: ({"b": None, "d": b"2"}, b'"stop"')}, "delta")
    assert out == (
        b'{"id":"x","choices":[{"index":0,"delta":{"a":[ 1.50 ],"d":2},"finish_reason":"stop"},'
        b'{"index":1,"delta":{ "c":1}}],"y":{ }}'
    )
