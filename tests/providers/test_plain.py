"""Operations that pass through: what is read of their answers."""

import json

import pytest
from support.doubles import backend
from support.upstream import USAGE

from gateway.core.catalog import Endpoint
from gateway.core.errors import FailureKind
from gateway.core.usage import Usage
from gateway.providers.plain import Plain
from gateway.surfaces.plain import Plain as Surface

RERANK = Plain(takes="rerank", target=Endpoint("/rerank"), member="results")
BODY = b'{"query": "q", "model":"name", "x":[ 1.50 ]}'
CHAT = Surface(name="rerank", asks="query").parse(BODY, 0)


def test_a_body_goes_with_the_backends_model_and_is_untouched():
    assert RERANK.encode(CHAT, backend("a")) == b'{"query":"q","model":"a","x":[ 1.50 ]}'


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (USAGE, Usage(10, output=5)),
        ({"total_tokens": 9}, Usage(9)),
        ({"input_tokens": 3, "output_tokens": 40, "total_tokens": 43}, Usage(3, output=40)),
        ({"search_units": 1}, None),
        ({"input_tokens": -3}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage_in_every_spelling(usage, expected):
    body = json.dumps({"results": [], "usage": usage}).encode()
    answer = RERANK.answer(body, CHAT)
    assert (answer.body, answer.usage, answer.failed) == (body, expected, None)


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b"{}", b"<html>", b'{"data": []}', b"\xff"])
def test_what_is_no_answer_is_broken(body):
    assert RERANK.answer(body, CHAT).failed.kind is FailureKind.BROKEN


def test_an_error_under_200_is_a_failure():
    body = b'{"error": {"message": "m", "code": "rate_limit_exceeded"}}'
    assert RERANK.answer(body, CHAT).failed.kind is FailureKind.THROTTLED
    assert RERANK.failure(503, {}, body).kind is FailureKind.OVERLOADED


def test_nothing_is_streamed():
    with pytest.raises(RuntimeError):
        RERANK.reader(CHAT)
