"""What a caller asks of who serves it only narrows."""

import json

import pytest
from support.doubles import backend

from gateway.core.chat import parse
from gateway.core.errors import Refused
from gateway.core.hints import ANY


def asked(provider):
    body = {"model": "m", "provider": provider, "messages": [{"role": "user", "content": "x"}]}
    return parse(json.dumps(body).encode())


KEEPS = backend("keeps", passport={"retention": "days_30", "trains_on_data": "allowed"})
ZERO = backend("zero", passport={"retention": "zdr", "trains_on_data": "never"})
OURS = backend("ours", passport={"retention": "none"})


@pytest.mark.parametrize(
    ("provider", "left"),
    [
        ({}, {"keeps", "zero", "ours"}),
        (None, {"keeps", "zero", "ours"}),
        ({"only": ["zero"]}, {"zero"}),
        ({"only": ["openai-compatible"]}, {"keeps", "zero", "ours"}),
        ({"only": []}, set()),
        ({"ignore": ["zero", "nobody"]}, {"keeps", "ours"}),
        ({"data_collection": "deny"}, {"zero"}),
        ({"data_collection": "allow", "allow_fallbacks": False}, {"keeps", "zero", "ours"}),
        ({"zdr": True}, {"zero", "ours"}),
        ({"zdr": True, "ignore": ["ours"]}, {"zero"}),
    ],
)
def test_who_is_left(provider, left):
    chat = asked(provider)
    assert {each.id for each in (KEEPS, ZERO, OURS) if not chat.hints.excludes(each)} == left
    assert "provider" not in chat.fields


def test_who_says_nothing_takes_anybody():
    assert parse(b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}').hints is ANY


@pytest.mark.parametrize(
    ("provider", "param"),
    [
        ("openai", "provider"),
        ({"order": ["zero"]}, "provider"),
        ({"only": "zero"}, "provider.only"),
        ({"zdr": "yes"}, "provider.zdr"),
        ({"data_collection": "maybe"}, "provider.data_collection"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(provider, param):
    with pytest.raises(Refused) as refused:
        asked(provider)
    assert (refused.value.refusal.status, refused.value.param) == (400, param)
    assert "only, ignore, allow_fallbacks" in refused.value.message
