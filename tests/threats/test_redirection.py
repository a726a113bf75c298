"""Nobody but the catalog says where a call goes: whatever a request names, and wherever it names it."""

import pytest
from support.calling import Sink, status_of
from support.upstream import OK, answer

from gateway.core.chat import REDIRECTING

NAMES = (
    *REDIRECTING,
    *("apiBase", "API_BASE", "apibase", "api-base", "baseUrl", "BASE_URL", "baseURL", "base-url", "baseurl"),
    *("endpoint", "endpoint_url", "api_endpoint", "azure_endpoint", "azure_deployment", "host", "hostname", "server"),
    *(
        "url",
        "uri",
        "target",
        "target_url",
        "upstream",
        "upstream_url",
        "backend",
        "backend_url",
        "callback",
        "webhook",
    ),
    *("webhook_url", "callback_url", "openai_api_base", "openai_base_url", "organization", "api_type", "proxy_url"),
    *("http_proxy", "https_proxy", "all_proxy", "litellm_params", "litellm_metadata", "x-base-url", "region"),
    *("deployment_id", "engine", "model_url", "user_config", "model_list", "router", "provider_url", "location"),
)
"""What other gateways and SDKs have called the place that a call goes to, or what they read it from."""

HEADERS = ("x-base-url", "x-api-base", "x-portkey-custom-host", "helicone-openai-api-base", "forwarded", "x-forwarded-host",
           "x-original-url", "x-rewrite-url", "x-target-url", "proxy", "x-upstream", "openai-organization", "location")  # fmt: skip


@pytest.fixture
def sink():
    made = Sink()
    yield made
    made.stop()


@pytest.mark.assures("threat S1")
def test_no_name_of_an_address_moves_a_call(gateway, upstream, key, sink, showed):
    upstream.scripts["a"] = [answer(OK)]
    at = f"http://127.0.0.1:{sink.port}/v1"
    plain = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}
    statuses: dict[str, list[int]] = {}
    for name in dict.fromkeys(NAMES):
        told = {name: at}
        bodies = [
            plain | told,
            {**plain, name: [at]},
            {**plain, "metadata": told},
            {**plain, "extra_body": told, "extra_headers": told, "litellm_params": told},
        ]
        statuses[name] = [status_of(gateway, key, body, {}) for body in bodies]
    by_header = [status_of(gateway, key, plain, {name: at}) for name in HEADERS]
    by_query = status_of(gateway, key, plain, {}, f"/v1/chat/completions?base_url={at}&api_base={at}")
    assert by_header == [200] * len(HEADERS)
    assert by_query == 200
    assert {status for each in statuses.values() for status in each} <= {200, 400}
    assert [name for name in REDIRECTING if statuses[name][0] != 400] == []
    assert sink.connections == 0
    assert {seen.name for seen in upstream.seen} == {"a"}
    assert all(b"POST /a/v1/chat/completions HTTP/1.1" in seen.head for seen in upstream.seen)
    showed(f"{len(statuses)} names in 4 places, {len(HEADERS)} headers, the query", "the sink saw 0 connections")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings"])
def test_a_name_that_would_redirect_is_refused_on_every_surface(gateway, upstream, key, path):
    body = {"model": "every", "messages": [{"role": "user", "content": "hi"}], "input": "hi", "max_tokens": 9}
    upstream.scripts["every"] = [answer(OK)]
    refused = {name: status_of(gateway, key, {**body, name: "http://127.0.0.1:1"}, {}, path) for name in REDIRECTING}
    if path == "/v1/messages":
        refused.pop("fallbacks")  # Claude Code sends it unasked; it goes no further
    assert set(refused.values()) == {400}
    assert [seen for seen in upstream.seen if b"fallbacks" in seen.body] == []
