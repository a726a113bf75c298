"""What one tenant asked and got is nothing to another: there is no cache, and what is remembered has an owner."""

import json

import pytest
from support.calling import post
from support.doubles import permit_for
from support.upstream import OK, answer

from gateway.adapters.conversations import Conversations
from gateway.core.catalog import Backend

TEXT = "the very same words of two tenants"


@pytest.fixture(scope="module")
def keys(shared_gateway):
    """Keys of two teams."""
    return [shared_gateway.key(team=team, sensitivity="public") for team in ("blue", "green")]


@pytest.mark.assures("threat C1")
def test_the_same_body_of_two_tenants_is_asked_twice(gateway, upstream, keys, showed):
    upstream.scripts["a"] = [answer({**OK, "id": "chatcmpl-1"})]
    body = {"model": "a", "messages": [{"role": "user", "content": TEXT}], "temperature": 0, "seed": 1, "user": "u"}
    answers = [post(gateway, key, body) for key in (*keys, *keys)]
    assert [each.status for each in answers] == [200] * 4
    assert len(upstream.requests("a")) == 4
    assert len({each.headers["x-gateway-decision"] for each in answers}) == 4
    assert [name for each in answers for name in each.headers if "cache" in name] == []
    showed("one body, 2 tenants, 4 calls", "4 calls upstream, no hit")


@pytest.mark.assures("threat C1")
def test_a_label_of_one_tenants_conversation_is_none_of_anothers(gateway, upstream, keys, showed):
    upstream.scripts["a"] = [answer(OK)]
    body = {"model": "a", "messages": [{"role": "user", "content": "our plan is as follows, in some words"}]}
    raised = post(gateway, keys[0], body, {"x-gateway-sensitivity": "confidential"})
    turns = [*body["messages"], {"role": "assistant", "content": "hello"}, {"role": "user", "content": "go on"}]
    seen = [post(gateway, key, {**body, "messages": turns}).headers["x-gateway-sensitivity"] for key in keys]
    assert raised.headers["x-gateway-sensitivity"] == "confidential"
    assert seen == ["confidential", "public"]
    showed("a conversation that one team raised, 2 teams", "raised for that team alone")


def test_what_is_remembered_of_a_conversation_is_by_team():
    kept = Conversations()
    turns = [json.dumps({"role": "user", "content": TEXT}).encode()] * 2
    assert set(kept.prefixes("one", turns)).isdisjoint(kept.prefixes("two", turns))


def test_a_permit_is_for_one_call():
    permit = permit_for(Backend("b", "openai", "http://127.0.0.1:1", "m", {}))
    permit.spend()
    with pytest.raises(RuntimeError, match="is spent"):
        permit.spend()
