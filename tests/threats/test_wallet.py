"""What a request could cost at the most is known, and is there, before it is sent."""

import time

import pytest
from support.calling import post
from support.server import backend, serving
from support.upstream import OK, answer

from gateway.core.catalog import CAPABILITIES

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1000}}
HUGE = 2**53
CHAT, OLD = "/v1/chat/completions", "/v1/completions"
HI = [{"role": "user", "content": "hi"}]
SHORT = {"max_tokens": 40}


def said(content: object) -> dict:
    return {**SHORT, "messages": [{"role": "user", "content": content}]}


def tool(description: str) -> dict:
    return {**SHORT, "tools": [{"type": "function", "function": {"name": "f", "description": description}}]}


DEAREST = [
    (CHAT, "dear", SHORT, {**SHORT, "n": 128}),
    (CHAT, "dear", {**SHORT, "n": 1}, {**SHORT, "n": 128, "stream": True}),
    (CHAT, "dear", SHORT, {**SHORT, "n": 129}),
    (CHAT, "dear", SHORT, {**SHORT, "n": HUGE}),
    (CHAT, "dear", {**SHORT, "best_of": 1}, {**SHORT, "best_of": 128}),
    (CHAT, "dear", SHORT, {}),
    (CHAT, "dear", SHORT, {"max_tokens": 1_000_000}),
    (CHAT, "dear", SHORT, {"max_tokens": HUGE}),
    (CHAT, "dear", SHORT, {"max_tokens": 0}),
    (CHAT, "dear", {"max_completion_tokens": 40}, {"max_completion_tokens": 1_000_000}),
    (CHAT, "dear", {**SHORT, "max_completion_tokens": 40}, {**SHORT, "max_completion_tokens": 1_000_000}),
    (CHAT, "dear", {**SHORT, "max_completion_tokens": 40}, {"max_tokens": 1_000_000, "max_completion_tokens": 40}),
    (CHAT, "dear", {**SHORT, "max_output_tokens": 40}, {**SHORT, "max_output_tokens": 1_000_000}),
    (CHAT, "dear", {**SHORT, "max_new_tokens": 40}, {**SHORT, "max_new_tokens": HUGE}),
    (CHAT, "dear", {**SHORT, "n_predict": 40}, {**SHORT, "n_predict": -1}),
    (CHAT, "dear", {**SHORT, "service_tier": "default"}, {**SHORT, "service_tier": "priority"}),
    (CHAT, "dear", {**SHORT, "service_tier": "default"}, {**SHORT, "service_tier": "auto"}),
    (CHAT, "dear", {**SHORT, "reasoning_effort": "xhigh"}, {"reasoning_effort": "xhigh"}),
    (CHAT, "dear", {**SHORT, "reasoning_effort": "xhigh"}, {"reasoning_effort": "xhigh", "max_tokens": 100_000}),
    (CHAT, "thinks", {**SHORT, "reasoning_effort": "none"}, SHORT),
    (CHAT, "thinks", {**SHORT, "reasoning_effort": "high"}, {"max_tokens": 110, "reasoning_effort": "high"}),
    (CHAT, "thinks", {**SHORT, "thinking_budget": 40}, {**SHORT, "thinking_budget": 1000}),
    (CHAT, "dear", said("x"), said("x" * 400_000)),
    (CHAT, "dear", said([IMAGE]), said([IMAGE] * 20)),
    (CHAT, "dear", tool("x"), tool("x" * 400_000)),
    (CHAT, "dear", {**SHORT, "something_new": "x"}, {**SHORT, "something_new": "x" * 400_000}),
    (CHAT, "first", SHORT, {"max_tokens": 1000}),
    ("/v1/messages", "dear", SHORT, {"max_tokens": 1_000_000}),
    (
        "/v1/messages",
        "dear",
        {**SHORT, "thinking": {"type": "disabled"}},
        {"max_tokens": 32_000, "thinking": {"type": "enabled", "budget_tokens": 31_000}},
    ),
    ("/v1/responses", "dear", {"input": "x", "max_output_tokens": 40}, {"input": "x", "max_output_tokens": 1_000_000}),
    ("/v1/responses", "dear", {"input": "x", "max_output_tokens": 40}, {"input": "x"}),
    (OLD, "dear", {"prompt": "x", "best_of": 1, **SHORT}, {"prompt": "x", "best_of": 128, **SHORT}),
    (OLD, "dear", {"prompt": ["x"], "n": 1, **SHORT}, {"prompt": ["x"] * 128, "n": 1, **SHORT}),
    ("/v1/embeddings", "reads", {"input": ["x"]}, {"input": ["x" * 1000] * 400}),
    (
        "/v1/rerank",
        "reads",
        {"query": "x" * 1000, "documents": ["y"]},
        {"query": "x" * 1000, "documents": ["y"] * 1000},
    ),
    ("/v1/images/generations", "paints", {"prompt": "x", "n": 1}, {"prompt": "x", "n": 10}),
]
"""Each parameter where it costs little, and at its dearest: path, model, the two requests."""


@pytest.fixture
def gateway(upstream, tmp_path):
    """A gateway before models so dear that a cent pays for few words, and one that is cheap and fails."""
    upstream.scripts.clear()
    upstream.seen.clear()
    little = {**OK, "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
    data = [{"object": "embedding", "index": 0, "embedding": [0.1], "b64_json": "aGk="}]
    any_list = {**little, "object": "list", "data": data, "results": [{"index": 0, "relevance_score": 0.5}]}
    upstream.scripts |= {
        "dear": [answer(little)],
        "thinks": [answer(little)],
        "reads": [answer(any_list)],
        "paints": [answer(any_list)],
    }
    upstream.scripts["cheap"] = [answer({"error": {"message": "not now"}}, 500)]
    price = {"input": 0.1, "output": 75, "services": {"priority": 20}}
    spoken = [each for each in CAPABILITIES if each not in ("messages", "responses")]  # others are put into chat
    usual = {"capabilities": spoken, "context": 10_000_000, "max_output": 100_000, "price": price}
    catalog = {
        "dear": backend(upstream.url("dear"), aliases=["first"], **usual),
        "cheap": backend(
            upstream.url("cheap"), aliases=["first"], **{**usual, "price": {"input": 0.01, "output": 0.1}}
        ),
        "thinks": backend(
            upstream.url("thinks"),
            **{
                **usual,
                "provider": "qwen",
                "capabilities": [*spoken, "reasoning"],
                "price": {"input": 0.1, "output": 75},
            },
        ),
        "reads": backend(upstream.url("reads"), **{**usual, "price": {"input": 0.1, "output": 0}}),
        "paints": backend(upstream.url("paints"), **{**usual, "max_output": 100}),
    }
    with serving(tmp_path, catalog) as server:
        yield server


@pytest.mark.assures("threat B2")
def test_nothing_that_a_cent_does_not_pay_is_sent(gateway, upstream, showed):
    """Each request beside itself without what makes it dear: so it is that, and nothing else, which keeps it here."""
    key = gateway.key(**{"sensitivity": "public", "budget-usd": "0.01"})
    time.sleep(1.2)  # a running server follows within a second
    found = []
    for number, (path, model, cheap, dear) in enumerate(DEAREST):
        here = (number, path, model)
        usual = {"model": model, **({"messages": HI} if path in (CHAT, "/v1/messages") else {})}
        gateway.ask_again(["cheap"])
        upstream.seen.clear()
        refused = post(gateway, key, {**usual, **dear}, path=path)
        found.append(refused.status)
        # where the cheap one has failed by then, that is told
        assert (here, refused.status) in [(here, each) for each in (402, 400, *([500] if model == "first" else []))]
        assert (here, [seen.name for seen in upstream.seen if seen.name != "cheap"]) == (here, [])
        gateway.ask_again(["cheap"])
        assert (here, post(gateway, key, {**usual, **cheap}, path=path).status) == (here, 200)
        assert [seen.name for seen in upstream.seen][-1] == ("dear" if model == "first" else model)
    assert (found.count(402), found.count(400)) == (len(found) - 3, 2)
    booked = [row["cost_pico_usd"] for row in gateway.ledger()]
    assert 0 < sum(booked) < 10**10
    showed(
        f"{len(DEAREST)} requests, each parameter at its dearest, a budget of a cent; and each without it",
        "402 or 400 each, 0 sent to whom it does not pay; 200 each without",
    )
