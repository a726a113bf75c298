"""Operations beside chat: what is asked for is measured, and bad input is told by its name."""

import json

import pytest

from gateway.core.errors import Refused
from gateway.surfaces import SURFACES


def parse(surface: str, **fields):
    return SURFACES[surface].parse(json.dumps({"model": "m", **fields}).encode(), 5)


@pytest.mark.parametrize(
    ("surface", "fields", "choices", "limit", "prompts"),
    [
        ("completions", {"prompt": "x"}, 1, 16, 1),
        ("completions", {"prompt": "x", "max_tokens": 9, "n": 3}, 3, 9, 1),
        ("completions", {"prompt": ["x", "y"], "n": 2, "best_of": 4}, 8, 16, 2),
        ("completions", {"prompt": [1, 2, 3]}, 1, 16, 1),
        ("completions", {"prompt": [[1], [2, 3]]}, 2, 16, 2),
        ("embeddings", {"input": ["x"] * 2048}, 1, None, 2048),
        ("embeddings", {"input": [[1, 2]] * 3}, 1, None, 3),
        ("images", {"prompt": "x", "n": 2}, 2, None, 1),
        ("moderations", {"input": [{"type": "text", "text": "x"}]}, 1, None, 1),
        ("rerank", {"query": "x", "documents": ["y"]}, 1, None, 1),
    ],
)
def test_what_is_demanded(surface, fields, choices, limit, prompts):
    chat = parse(surface, **fields)
    demand = chat.demand
    assert (demand.choices, demand.output_limit, demand.prompts) == (choices, limit, prompts)
    assert (demand.needs, chat.operation, chat.arrived) == (frozenset({surface}), surface, 5)


def test_moderations_need_no_model_and_all_else_does():
    assert SURFACES["moderations"].parse(b'{"input": "x"}', 0).view.model == "auto"
    assert SURFACES["moderations"].parse(b'{"input": "x", "model": null}', 0).view.model == "auto"
    for surface, asks in (("embeddings", "input"), ("completions", "prompt"), ("images", "prompt")):
        with pytest.raises(Refused) as refused:
            SURFACES[surface].parse(json.dumps({asks: "x"}).encode(), 0)
        assert refused.value.param == "model"


def test_tokens_count_for_text_that_is_no_shorter():
    assert parse("embeddings", input=[1] * 300).text_bytes >= 3 * 300
    assert parse("embeddings", input=[[1] * 100] * 3).text_bytes >= 3 * 300
    assert parse("embeddings", input="x" * 300).text_bytes == 302


@pytest.mark.parametrize(
    ("surface", "fields", "param"),
    [
        ("embeddings", {}, "input"),
        ("embeddings", {"input": []}, "input"),
        ("embeddings", {"input": 7}, "input"),
        ("embeddings", {"input": None}, "input"),
        ("embeddings", {"input": "x", "stream": True}, "stream"),
        ("completions", {"prompt": "x", "n": 0}, "n"),
        ("completions", {"prompt": "x", "max_tokens": "9"}, "max_tokens"),
        ("completions", {"prompt": {"x": 1}}, "prompt"),
        ("rerank", {"documents": []}, "query"),
        ("images", {"prompt": "x", "api_base": "http://x"}, "api_base"),
    ],
)
def test_bad_input_is_named(surface, fields, param):
    with pytest.raises(Refused) as refused:
        parse(surface, **fields)
    assert (refused.value.refusal.status, refused.value.param) == (400, param)


def test_nesting_without_end_is_refused():
    with pytest.raises(Refused):
        SURFACES["embeddings"].parse(b'{"model": "m", "input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 0)


def test_a_limit_that_nobody_says_is_said():
    assert bytes(parse("completions", prompt="x").fields["max_tokens"]) == b"16"
    assert bytes(parse("completions", prompt="x", max_tokens=None).fields["max_tokens"]) == b"16"
    assert bytes(parse("completions", prompt="x", max_tokens=9).fields["max_tokens"]) == b"9"
    assert "max_tokens" not in parse("embeddings", input="x").fields


def test_each_document_is_read_beside_the_query():
    assert parse("rerank", query="x" * 1000, documents=["y"] * 50).text_bytes > 50 * 1000


@pytest.mark.parametrize(
    ("surface", "name"), [(each.name, each.asks) for each in SURFACES.values() if hasattr(each, "asks")]
)
@pytest.mark.parametrize("value", [b"[1e999]", b"1e999", b'["x", {"y": -1e999}]'])
def test_a_number_that_nobody_can_hold_is_refused(surface, name, value):
    with pytest.raises(Refused) as refused:
        SURFACES[surface].parse(b'{"model": "m", "%b": %b}' % (name.encode(), value), 0)
    assert (refused.value.refusal.status, refused.value.param) == (400, name)
