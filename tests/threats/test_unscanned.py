"""Whatever stands in a request is scanned, wherever it stands, or the request is refused."""

import os

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.doubles import SCANNING, Snapshot

from gateway.core.errors import Refused
from gateway.surfaces import SURFACES

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
KEY = "ghp_" + "q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i"
USER = {"role": "user", "content": [{"type": "text", "text": "hi"}], "name": "n"}
FUNCTION = {
    "name": "f",
    "description": "d",
    "parameters": {"type": "object", "properties": {"x": {"type": "string", "enum": ["e"]}}},
}
BODIES = {
    "chat": {"messages": [{"role": "system", "content": "s"}, USER, {"role": "assistant", "content": "a", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": "c", "content": "r"}], "tools": [{"type": "function", "function": FUNCTION}], "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"title": "t"}}}, "metadata": {"m": "v"}, "user": "u", "stop": ["x"], "prediction": {"type": "content", "content": "p"}},
    "messages": {"max_tokens": 9, "system": "s", "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "tool_result", "tool_use_id": "c", "content": "r"}]}], "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}], "metadata": {"user_id": "u"}, "stop_sequences": ["x"]},
    "responses": {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}, {"type": "function_call_output", "call_id": "c", "output": "r"}], "instructions": "i", "tools": [{"type": "function", **FUNCTION}], "text": {"format": {"type": "text"}}, "metadata": {"m": "v"}},
    "count_tokens": {"system": "s", "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}], "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}], "metadata": {"user_id": "u"}},
    "completions": {"prompt": ["p"], "suffix": "s", "stop": ["x"]},
    "embeddings": {"input": ["i"], "user": "u"},
    "moderations": {"input": [{"type": "text", "text": "t"}]},
    "images": {"prompt": "p", "user": "u"},
    "rerank": {"query": "q", "documents": ["d", {"text": "t"}]},
}  # fmt: skip


def places(value: object, path: tuple = ()):
    """Every object and every list of a body: where something more can be put."""
    if isinstance(value, dict):
        yield path
        for name, child in value.items():
            yield from places(child, (*path, name))
    elif isinstance(value, list):
        yield path
        for at, child in enumerate(value):
            yield from places(child, (*path, at))


def planted(value: object, path: tuple, name: str, more: object) -> object:
    """The body with one thing more at a place."""
    if path:
        child = planted(value[path[0]], path[1:], name, more)
        if isinstance(value, dict):
            return {**value, path[0]: child}
        return [*value[: path[0]], child, *value[path[0] + 1 :]]
    return {**value, name: more} if isinstance(value, dict) else [*value, more]


values = st.sampled_from(
    [
        KEY,
        f"x {KEY} y",
        [KEY],
        {"deep": [{"er": KEY}]},
        {KEY: 1},
        {"type": "text", "text": KEY},
        {"type": "new_kind", "new": KEY},
    ]
)


@pytest.mark.assures("threat E2")
def test_a_canary_at_any_place_of_any_surface_is_found_or_refused(showed):
    assert set(BODIES) == set(SURFACES)
    policy, bodies, found, refused, tried, statuses = Snapshot(()), 0, 0, 0, set(), set()

    @settings(
        max_examples=5_000 if FULL else 400, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.data())
    def holds(data):
        nonlocal bodies, found, refused
        name = data.draw(st.sampled_from(sorted(BODIES)))
        whole = {"model": "m", **BODIES[name]}
        path = data.draw(st.sampled_from(sorted(places(whole), key=str)))
        member = data.draw(st.sampled_from(["something_new", "title", "content", "url", "x-y", "data", "text"]))
        body = msgspec.json.encode(planted(whole, path, member, data.draw(values)))
        tried.add((name, path))
        bodies += 1
        try:
            scanned = SCANNING.scan(policy, "t", SURFACES[name].parse(body, 0), body)
        except Refused as error:
            refused += 1
            statuses.add(error.refusal.status)
        else:
            assert (scanned.found.known, "secret" in scanned.found.tags) == (True, True), body
            found += 1

    holds()
    assert found + refused == bodies
    assert (found > 100, len(tried) > 50, statuses) == (True, True, {400})
    assert {name for name, _ in tried} == set(SURFACES)
    showed(
        f"{bodies} bodies of {len(BODIES)} surfaces, {len(tried)} places",
        f"found in {found}, {refused} refused",
    )
