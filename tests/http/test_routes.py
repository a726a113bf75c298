"""The table of routes is what is served: every row with every kind of key, and nothing that has no row."""

import re
import time

import httpx2
import pytest
from fastapi import FastAPI
from support.server import backend, serving

from gateway.adapters.keys import Keys
from gateway.core.record import Caller
from gateway.core.scopes import SCOPES
from gateway.http import calls
from gateway.http.paths import PATHS, ROOTS
from gateway.http.routes import CALLS, ROUTES, WrongRoutes, caller_of, serve

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
TOKEN = "scrape-me-0123456789"
NAMES = {"{name:path}": "auto", "{model}": "a", "{id:path}": "a"}


@pytest.fixture(scope="module")
def guarded(upstream, tmp_path_factory):
    """A gateway whose admin listener wants keys, and its keys by what is wrong with them."""
    catalog = {"a": backend(upstream.url("a"))}
    with serving(tmp_path_factory.mktemp("guarded"), catalog, GATEWAY_SCRAPE_TOKEN=TOKEN) as server:
        keys = Keys(server.state)
        every = list(SCOPES)
        made = {
            "no key": None,
            "unknown": "sk-gw-unknown",
            "revoked": revoked(keys, every),
            "expired": keys.create(team="t", app="a", scopes=every, expires=time.time() - 1)[1],
            "every": keys.create(team="t", app="a", scopes=every)[1],
        }
        for scope in SCOPES:
            made[scope] = keys.create(team="t", app="a", scopes=[scope])[1]
            made[f"not {scope}"] = keys.create(team="t", app="a", scopes=[s for s in SCOPES if s != scope])[1]
        with httpx2.Client(timeout=20) as client:
            yield server, made, client


def revoked(keys, scopes):
    id, key = keys.create(team="t", app="a", scopes=scopes)
    keys.revoke(id)
    return key


def ask(guarded, listener, method, path, key):
    server, made, client = guarded
    port = server.port if listener == "public" else server.admin_port
    for name, value in NAMES.items():
        path = path.replace(name, value)
    headers = {"authorization": f"Bearer {made[key]}"} if made[key] else {}
    body = {"json": {}} if method == "POST" else {}
    return client.request(method, f"http://127.0.0.1:{port}{path}", headers=headers, **body)


def named(row):
    return f"{row.method} {row.path}"


@pytest.mark.assures("threat K3", "threat A1")
def test_every_route_takes_those_keys_that_are_for_it_and_no_others(guarded, showed):
    asked = 0
    for row in ROUTES:
        for key in ("no key", "unknown", "revoked", "expired"):
            answered = ask(guarded, row.listener, row.method, row.path, key)
            assert (named(row), key, answered.status_code) == (named(row), key, 200 if row.scope is None else 401)
            asked += 1
        for scope in SCOPES:
            answered = ask(guarded, row.listener, row.method, row.path, scope)
            let_in = row.scope in (None, scope)
            assert (named(row), scope, answered.status_code == 403) == (named(row), scope, not let_in)
            assert answered.status_code not in (401, 405)
            if not let_in:
                assert answered.json()["error"]["code"] == "not_granted"
                assert f"`{row.scope}`" in answered.json()["error"]["message"]
            asked += 1
        if row.scope is not None:
            answered = ask(guarded, row.listener, row.method, row.path, f"not {row.scope}")
            assert (named(row), answered.status_code) == (named(row), 403)
            asked += 1
    showed(f"{len(ROUTES)} routes x {4 + len(SCOPES)} to {5 + len(SCOPES)} keys: {asked}", "as the table says")


def test_what_is_wrong_with_a_key_is_not_said(guarded):
    for row in ROUTES:
        if row.scope is not None:
            bodies = {
                ask(guarded, row.listener, row.method, row.path, key).content
                for key in ("no key", "unknown", "revoked", "expired")
            }
            assert len(bodies) == 1 or row in CALLS
    messages = {
        ask(guarded, "public", "POST", "/v1/chat/completions", key).json()["error"]["message"]
        for key in ("no key", "unknown", "revoked", "expired")
    }
    assert len(messages) == 1


@pytest.mark.assures("threat A1")
def test_no_method_and_no_listener_but_those_of_the_table(guarded, showed):
    asked = 0
    served = {(row.listener, row.method, row.path) for row in ROUTES}
    served |= {(row.listener, "HEAD", row.path) for row in ROUTES if row.scope is None}
    for path in sorted({row.path for row in ROUTES}):
        for listener in ("public", "admin"):
            for method in METHODS:
                if (listener, method, path) in served:
                    continue
                here = {row.path for row in ROUTES if row.listener == listener}
                status = ask(guarded, listener, method, path, "every").status_code
                assert (listener, method, path, status) == (listener, method, path, 405 if path in here else 404)
                asked += 1
    showed(f"{asked} requests by other methods, or on the other listener", "405 and 404, nothing served")


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/admin", "/console", "/metrics/", "//metrics", "/admin/keys"])  # fmt: skip
@pytest.mark.parametrize("listener", ["public", "admin"])
def test_what_has_no_row_is_not_there(guarded, listener, path):
    assert ask(guarded, listener, "GET", path, "every").status_code == 404


def test_metrics_take_the_token_or_a_key_that_is_for_them(guarded):
    server, made, client = guarded
    url = f"http://127.0.0.1:{server.admin_port}/metrics"
    for value, status in (
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        (TOKEN, 401),
        ("Basic x", 401),
        (f"Bearer {made['metrics']}", 200),
        (f"Bearer {made['admin:read']}", 403),
    ):
        assert (value, client.get(url, headers={"authorization": value}).status_code) == (value, status)
    assert client.get(url, headers={"x-api-key": TOKEN}).status_code == 401
    policies = url.replace("/metrics", "/admin/policies")
    assert client.get(policies, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 401


@pytest.fixture(scope="module")
def scraped(upstream, tmp_path_factory):
    """A gateway whose admin listener others reach, with a scrape token and without an admin key; and its keys."""
    catalog = {"a": backend(upstream.url("a"))}
    # 127.1 is this machine, and not known as such: what it is taken for is an address of a network
    settings = {"GATEWAY_SCRAPE_TOKEN": TOKEN, "GATEWAY_ADMIN_HOST": "127.1"}
    with serving(tmp_path_factory.mktemp("scraped"), catalog, **settings) as server:
        keys = Keys(server.state)
        made = {"no key": None, "unknown": "sk-gw-unknown", "token": TOKEN}
        for scope in ("inference", "models", "usage", "metrics"):
            made[scope] = keys.create(team="t", app="a", scopes=[scope])[1]
        with httpx2.Client(timeout=20) as client:
            yield server, made, client


@pytest.mark.assures("threat A1")
def test_where_a_scrape_token_alone_guards_it_nobody_does_more_than_scrape(scraped, showed):
    rows = [row for row in ROUTES if row.listener == "admin"]
    for row in rows:
        for key in scraped[1]:
            answered = ask(scraped, "admin", row.method, row.path, key).status_code
            may = row.scope == "metrics" and key in ("token", "metrics")
            expected = 200 if may else 401 if key in ("no key", "unknown", "token") else 403
            assert (named(row), key, answered) == (named(row), key, expected)
    showed(f"{len(rows)} routes x {len(scraped[1])} keys, scrape token alone", "metrics to the token, nothing else")


def test_the_table_has_every_path_of_every_surface_once():
    assert len({(row.listener, row.method, row.path) for row in ROUTES}) == len(ROUTES)
    assert len(CALLS) == len(PATHS) * (len(ROOTS) + 1)
    assert {row.scope for row in CALLS} == {calls.SCOPE}
    assert {row.scope for row in ROUTES} == {*SCOPES, None}


def test_only_health_is_for_everybody():
    assert {row.path for row in ROUTES if row.scope is None} == {"/healthz", "/readyz"}


def test_whatever_can_be_changed_on_the_admin_listener_wants_to_write():
    assert {row.scope for row in ROUTES if row.listener == "admin" and row.method == "POST"} == {"admin:write"}


async def nothing():
    """Serves nothing."""


def endpoints():
    return {(row.method, row.path): nothing for row in ROUTES if row.listener == "admin"}


def test_a_route_without_a_row_and_a_row_without_a_route_do_not_start():
    def bare():
        return FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    serve(bare(), "admin", endpoints(), lambda *_: Caller("k", "t", "a"))
    with pytest.raises(WrongRoutes, match=re.escape("('GET', '/admin/debug')")):
        serve(bare(), "admin", {**endpoints(), ("GET", "/admin/debug"): nothing}, lambda *_: Caller("k", "t", "a"))
    short = endpoints()
    del short["GET", "/metrics"]
    with pytest.raises(WrongRoutes, match="/metrics"):
        serve(bare(), "admin", short, lambda *_: Caller("k", "t", "a"))
    with pytest.raises(WrongRoutes, match="without a row"):
        serve(FastAPI(), "admin", endpoints(), lambda *_: Caller("k", "t", "a"))


def test_a_route_that_nobody_guards_has_no_caller():
    from fastapi import Request

    with pytest.raises(KeyError):
        caller_of(Request({"type": "http"}))
