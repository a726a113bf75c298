"""What a request could cost at the most is known, and is there, before it is sent."""

import time

import pytest
from support.calling import post
from support.upstream import OK, answer

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 50_000}}
HUGE = 2**53
CHAT = "/v1/chat/completions"
DEAREST = [
    (CHAT, {"n": 128}),
    (CHAT, {"max_tokens": 1_000_000}),
    (CHAT, {"max_completion_tokens": 1_000_000}),
    (CHAT, {"max_tokens": 1, "max_completion_tokens": 1_000_000}),
    (CHAT, {"max_tokens": 1_000_000, "max_completion_tokens": 1}),
    (CHAT, {"max_tokens": 1, "max_output_tokens": 1_000_000}),
    (CHAT, {"max_tokens": 1, "max_new_tokens": HUGE}),
    (CHAT, {"max_tokens": 1, "n_predict": -1}),
    (CHAT, {"max_tokens": HUGE}),
    (CHAT, {"max_tokens": 0}),
    (CHAT, {}),
    (CHAT, {"n": 128, "max_tokens": 1000, "stream": True}),
    (CHAT, {"n": 129}),
    (CHAT, {"n": HUGE}),
    (CHAT, {"best_of": 128, "n": 128}),
    (CHAT, {"best_of": 128, "max_tokens": 1000}),
    (CHAT, {"reasoning_effort": "high"}),
    (CHAT, {"reasoning_effort": "xhigh", "max_tokens": 1_000_000}),
    (CHAT, {"service_tier": "priority"}),
    (CHAT, {"logprobs": True, "top_logprobs": 20, "n": 128}),
    (CHAT, {"messages": [{"role": "user", "content": "x" * 900_000}], "max_tokens": 1}),
    (CHAT, {"messages": [{"role": "user", "content": [IMAGE] * 20}], "max_tokens": 1}),
    (
        CHAT,
        {"tools": [{"type": "function", "function": {"name": "f", "description": "x" * 900_000}}], "max_tokens": 1},
    ),
    (CHAT, {"something_new": "x" * 900_000, "max_tokens": 1}),
    ("/v1/messages", {"max_tokens": 1_000_000}),
    ("/v1/messages", {"max_tokens": 32_000, "thinking": {"type": "enabled", "budget_tokens": 31_000}}),
    ("/v1/responses", {"input": "x", "max_output_tokens": 1_000_000}),
    ("/v1/responses", {"input": "x"}),
    ("/v1/completions", {"prompt": ["x"] * 128, "n": 128, "max_tokens": 1000}),
    ("/v1/completions", {"prompt": "x", "best_of": 128, "max_tokens": 1000}),
    ("/v1/embeddings", {"input": ["x" * 1000] * 2000}),
    ("/v1/rerank", {"query": "x" * 10_000, "documents": ["y"] * 1000}),
    ("/v1/images/generations", {"prompt": "x", "n": 10, "size": "4096x4096"}),
]
"""Each parameter at its dearest."""


@pytest.mark.assures("threat B2")
def test_nothing_that_a_cent_does_not_pay_is_sent(gateway, upstream, showed):
    upstream.scripts["every"] = [answer(OK)]
    key = gateway.key(**{"sensitivity": "public", "budget-usd": "0.00001"})
    time.sleep(1.2)  # a running server follows within a second
    found = {}
    for at, (path, more) in enumerate(DEAREST):
        body = {"model": "every", "messages": [{"role": "user", "content": "hi"}], **more}
        if path != CHAT and path != "/v1/messages":
            del body["messages"]
        found[at] = post(gateway, key, body, path=path).status
    assert {at: status for at, status in found.items() if status not in (400, 402, 413, 429)} == {}
    assert sum(status == 402 for status in found.values()) > len(found) // 2
    assert upstream.seen == []
    showed(
        f"{len(DEAREST)} requests, each parameter at its dearest, a budget below their cost", "402 or 400 each, 0 sent"
    )


def test_without_that_budget_they_are_sent(gateway, upstream, key):
    upstream.scripts["every"] = [answer(OK)]
    body = {"model": "every", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 10}
    assert post(gateway, key, body).status == 200
