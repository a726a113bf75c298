"""Keys, wherever clients put them."""

import httpx2
import pytest
from support.upstream import OK, answer

GOOD = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer sk-gw-wrong"},
        {"authorization": "Basic abc"},
        {"authorization": "Bearer ' OR '1'='1"},
        {"x-api-key": ""},
        {"x-api-key": "sk-gw-wrong"},
        {"api-key": "Bearer sk-gw-wrong"},
        {"authorization": "Bearer sk-gw-wrong", "x-api-key": "sk-gw-wrong"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models"])
def test_every_bad_key_gets_the_same_401(gateway, headers, path):
    method = "POST" if "chat" in path else "GET"
    response = httpx2.request(method, gateway.base + path, headers=headers, json=GOOD if method == "POST" else None)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["type"]) == (401, "invalid_api_key", "invalid_request_error")
    assert error["message"].startswith("missing or invalid API key")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer KEY"},
        {"authorization": "bearer  KEY"},
        {"x-api-key": "KEY"},
        {"api-key": "KEY"},
        {"authorization": "Bearer sk-ant-theirs", "x-api-key": "KEY"},
        {"authorization": "Bearer KEY", "x-api-key": "sk-ant-theirs"},
        {"authorization": "Basic abc", "api-key": "KEY"},
    ],
    ids=str,
)
def test_a_key_is_found_where_any_client_puts_it(gateway, upstream, key, headers):
    upstream.scripts["a"] = [answer(OK)]
    headers = {name: value.replace("KEY", key) for name, value in headers.items()}
    assert httpx2.post(f"{gateway.base}/v1/chat/completions", json=GOOD, headers=headers).status_code == 200
    assert httpx2.get(f"{gateway.base}/v1/models", headers=headers).status_code == 200
    assert key.encode() not in upstream.seen[0].head


@pytest.mark.parametrize("path", ["/v1/models", "/v1/gateway/usage"])
def test_a_key_that_says_two_things_is_refused_where_no_model_is_called_too(gateway, key, path):
    other = ("authorization", "Bearer sk-gw-other")
    mine = ("authorization", f"Bearer {key}")
    for headers, status in (([other, mine], 400), ([mine, other], 400), ([mine, mine], 200)):
        assert httpx2.get(gateway.base + path, headers=headers).status_code == status
