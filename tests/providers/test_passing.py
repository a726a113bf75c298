"""Dialects that send requests on as they came lack nothing, and leave nothing out."""

import pytest
from support.doubles import backend

from gateway.core.chat import parse
from gateway.core.errors import FailureKind
from gateway.providers.embeddings import Embeddings
from gateway.providers.messages import CountTokens, Messages
from gateway.providers.responses import Responses

CHAT = parse(b'{"model": "m", "n": 3, "messages": [{"role": "user", "content": "x"}]}')


@pytest.mark.parametrize("dialect", [Embeddings(), Messages(), CountTokens(), Responses()], ids=lambda each: each.takes)
def test_nothing_is_lacking(dialect):
    of = backend("a")
    assert (dialect.lacks(CHAT, of), dialect.drops(CHAT, of)) == ("", ())
    assert dialect.endpoint(CHAT, of) is dialect.target
    assert dialect.failure(529, {}, b"").kind is FailureKind.OVERLOADED
