"""What a request asks of a provider besides its model, by decoded values."""

import json

import pytest
from msgspec import Raw

from gateway.core.errors import Refusal, Refused
from gateway.surfaces.provider_side import HOSTED, REFERENCES, asks_there, kept, refuse_kept


def fields(**members):
    return {name: Raw(json.dumps(value).encode()) for name, value in members.items()}


@pytest.mark.parametrize("name", HOSTED)
@pytest.mark.parametrize(
    ("value", "asks"), [(None, False), (False, False), ([], False), ({}, False), (True, True), (["x"], True)]
)
def test_what_asks_for_something_there(name, value, asks):
    assert asks_there(fields(**{name: value})) is asks


def test_other_fields_ask_for_nothing_there():
    assert not asks_there(fields(input="plugins", model="m", search_parameters={"mode": "off"}))


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_a_reference_is_refused_wherever_it_stands(name):
    for value in ("x", ["x"]):
        with pytest.raises(Refused) as refused:
            refuse_kept(fields(input=[{"type": "a"}, {"b": {name: value}}]))
        assert (refused.value.refusal, refused.value.param) == (Refusal.UNSUPPORTED, f"input[1].b.{name}")
    refuse_kept(fields(input=[{name: None}, {name: []}, {"properties": {name: {"type": "string"}}}]))


@pytest.mark.parametrize(
    "raw",
    [
        b'[{"file\\u005fid":"f"}]',
        b'[{"container":"c"}]',
        b'[{"container":{"type":"auto","id":"c"}}]',
        b'[{"container":{"type":"auto","file_ids":["f"]}}]',
        b'[{"type":"image_generation_call","id":"ig_1"}]',
        b'[{"type":"image_generation\\u005fcall","id":"ig_1","result":null}]',
    ],
)
def test_other_ways_to_name_it(raw):
    with pytest.raises(Refused, match="send the content itself"):
        refuse_kept({"tools": Raw(raw)})


@pytest.mark.parametrize(
    "members",
    [
        {"metadata": {"file_id": "x"}, "client_metadata": {"file_id": "x"}},
        {"tools": [{"type": "function", "parameters": {"default": {"file_id": "x"}}}]},
        {"messages": [{"content": [{"type": "tool_use", "input": {"file_id": "x", "container": "c"}}]}]},
        {"messages": [{"content": [{"type": "code_execution_output", "file_id": "x"}]}]},
        {"input": [{"content": [{"type": "output_text", "annotations": [{"file_id": "x"}]}]}]},
        {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}], "input": "file_id"},
        {"input": [{"type": "image_generation_call", "id": "ig_1", "result": "AAAA"}]},
    ],
)
def test_what_names_nothing_there(members):
    refuse_kept(fields(**members))


@pytest.mark.parametrize("raw", [b"[1e999]", b"[" * 100_000 + b"]" * 100_000])
def test_what_nobody_can_read_is_refused(raw):
    for look in (refuse_kept, asks_there):
        with pytest.raises(Refused) as refused:
            look({"plugins": Raw(raw)})
        assert refused.value.refusal.status == 400


def test_the_refusal_says_what_to_do():
    assert (kept("a.b").param, kept("a.b").refusal.status) == ("a.b", 400)
