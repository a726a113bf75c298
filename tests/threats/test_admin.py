"""The admin listener: whoever can reach it may do only what their key is for, and nothing that comes in is ever run."""

import itertools
import json
import subprocess
import sys
import time

import httpx2
import pytest
from support.calling import post
from support.server import ROOT, Server, backend, serving
from support.upstream import OK, answer

from gateway.adapters.keys import Keys
from gateway.core.errors import Refused
from gateway.core.record import Caller
from gateway.http.callers import LOCAL, AdminGuard
from gateway.http.routes import ROUTES
from gateway.settings import load

HOSTS = {"127.0.0.1": True, "localhost": True, "::1": True, "0.0.0.0": False, "::": False, "192.0.2.7": False}


def keys_made(directory, kind):
    """A store in which there is such a key, and nothing else."""
    directory.mkdir(parents=True)
    keys = Keys(directory)
    scopes = {"none": None, "application": ["inference"], "metrics": ["metrics"]}.get(kind, ["admin:read"])
    if scopes is not None:
        expires = time.time() - 1 if kind == "expired" else None
        id, _ = keys.create(team="t", app="a", scopes=scopes, expires=expires)
        if kind == "revoked":
            keys.revoke(id)
    return keys


KINDS = {"none": False, "application": False, "metrics": False, "expired": True, "revoked": True, "admin": True}
"""Whether somebody said who may use it: where the last key has ended it begins, and lets nobody in."""


@pytest.mark.assures("threat A1")
def test_it_begins_where_others_reach_it_only_once_an_admin_key_was_made_or_with_a_scrape_token(
    tmp_path, monkeypatch, showed
):
    monkeypatch.chdir(tmp_path)
    rows = list(itertools.product(HOSTS, KINDS, (None, "token-of-prometheus")))
    for number, (host, kind, token) in enumerate(rows):
        keys = keys_made(tmp_path / str(number), kind)
        why = load(admin_host=host, scrape_token=token).exposed(admin_key=keys.guards_admin)
        assert (host, kind, token, why == "") == (host, kind, token, HOSTS[host] or KINDS[kind] or token is not None)
        keys.close()
    showed(
        f"{len(HOSTS)} hosts x {len(KINDS)} keys x 2 tokens: {len(rows)} starts",
        "begins only once a key was made, or with a token",
    )


@pytest.mark.parametrize(
    ("kind", "said"),
    [("none", "no admin key guards it"), ("expired", "cannot listen on"), ("admin", "cannot listen on")],
)
def test_a_server_asks_that_before_it_listens(tmp_path, kind, said, upstream):
    server = Server(tmp_path, ROOT / "routing_policies", {}, GATEWAY_ADMIN_HOST="0.0.0.0")
    server.environment["GATEWAY_PORT"] = str(upstream.port)  # taken: it ends before it is reached by anybody
    keys_made(server.state, kind).close()
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "serve"],
        env=server.environment, cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 2
    assert said in ended.stderr


@pytest.mark.assures("threat A1")
@pytest.mark.parametrize("token", [None, "token-of-prometheus"])
def test_when_the_last_admin_key_has_ended_calls_are_served_and_nobody_gets_in(tmp_path, upstream, showed, token):
    keys = keys_made(tmp_path / "state", "expired")
    ended, key = keys.create(team="t", app="a", scopes=["admin:read", "admin:write"])
    keys.revoke(ended)
    _, application = keys.create(team="t", app="a")
    keys.close()
    upstream.scripts["a"] = [answer(OK)]
    settings = {"GATEWAY_SCRAPE_TOKEN": token} if token else {}
    # as on an address that others reach, which a test does not listen on: there and here the rules want a key
    with serving(tmp_path, {"a": backend(upstream.url("a"))}, **settings) as server:
        assert post(server, application, {"model": "a", "messages": [{"role": "user", "content": "hi"}]}).status == 200
        with httpx2.Client(timeout=20, base_url=f"http://127.0.0.1:{server.admin_port}") as client:
            for row in (row for row in ROUTES if row.listener == "admin" and row.scope != "metrics"):
                for headers in ({}, {"authorization": f"Bearer {key}"}, {"authorization": f"Bearer {token}"}):
                    path = row.path.replace("{id:path}", "a")
                    assert client.request(row.method, path, headers=headers).status_code == 401, row
            scraped = client.get("/metrics", headers={"authorization": f"Bearer {token}"} if token else {})
        [ends] = [line for line in scraped.text.splitlines() if line.startswith("gateway_admin_key_ends_timestamp")]
        assert 0 < float(ends.split()[1]) <= time.time()
        told = [json.loads(line) for line in server.log.read_text().splitlines()]
        assert [line["level"] for line in told if line["event"] == "admin_key_ended"] == ["error"]
        checked = server.cli("doctor")
    assert checked.returncode == 1
    assert "its last key has ended" in checked.stdout
    showed("an expired and a revoked admin key, with a scrape token and without", "served; 401 on every order and look")


class Asked:
    """A request, as far as a guard looks at it."""

    def __init__(self, key):
        self.headers = self
        self.raw = [(b"authorization", b"Bearer " + key)] if key else []


SCOPES = ("metrics", "admin:read", "admin:write")
HOLDERS = {b"m": {"metrics"}, b"r": {"admin:read"}, b"w": {"admin:write"}, b"all": set(SCOPES), b"app": {"inference"}}


@pytest.mark.assures("threat A1")
def test_who_is_let_in_is_what_the_rules_say_and_nothing_else(showed):
    def find(key):
        return Caller(key.decode(), "t", "a", scopes=frozenset(HOLDERS[key])) if key in HOLDERS else None

    asked = 0
    for loopback, has_keys, token in itertools.product((True, False), (True, False), (None, "scrape")):
        guard = AdminGuard(find, lambda has_keys=has_keys: has_keys, token, loopback=loopback)
        for scope, key in itertools.product(SCOPES, (None, b"", b"wrong", b"scrape", b"scrap", *HOLDERS)):
            holds = key in HOLDERS and scope in HOLDERS[key]
            open_to_all = loopback and (token is None if scope == "metrics" else not has_keys)
            by_token = scope == "metrics" and token is not None and key == b"scrape"
            try:
                who = guard(Asked(key), scope).key
            except Refused as refused:
                who = refused.refusal.status
            expected = (
                LOCAL.key if open_to_all or by_token else key.decode() if holds else 403 if key in HOLDERS else 401
            )
            assert (loopback, has_keys, token, scope, key, who) == (loopback, has_keys, token, scope, key, expected)
            asked += 1
    showed(f"{asked} requests: address x keys x token x scope x key", "let in as the rules say, else 401 or 403")


@pytest.mark.assures("threat A1")
def test_once_there_is_an_admin_key_loopback_asks_for_it_too(upstream, tmp_path, showed):
    with serving(tmp_path, {"a": backend(upstream.url("a"))}) as server, httpx2.Client(timeout=20) as client:
        admin = f"http://127.0.0.1:{server.admin_port}"
        assert client.get(f"{admin}/admin/backends").status_code == 200
        keys = Keys(server.state)
        id, key = keys.create(team="ops", app="a", scopes=["admin:read", "admin:write"])
        _, application = keys.create(team="t", app="a")
        orders = [row for row in ROUTES if row.listener == "admin" and row.method == "POST"]
        reads = [row for row in ROUTES if row.listener == "admin" and row.scope == "admin:read"]
        for row in (*orders, *reads):
            url = admin + row.path.replace("{id:path}", "a")
            for headers, status in (
                ({}, 401),
                ({"authorization": f"Bearer {application}"}, 403),
                ({"authorization": f"Bearer {key}", "origin": "http://evil.example"}, 403 if row in orders else 200),
                ({"authorization": f"Bearer {key}"}, 200),
            ):
                assert (row.path, client.request(row.method, url, headers=headers).status_code) == (row.path, status)
        assert client.get(f"{admin}/metrics").status_code == 200
        keys.revoke(id)
        time.sleep(1)
        assert client.get(f"{admin}/admin/backends").status_code == 401  # one that ended opens nothing again
        assert client.get(f"{admin}/admin/backends", headers={"authorization": f"Bearer {key}"}).status_code == 401
        trail = [row for row in server.cli("audit", "show").stdout.splitlines() if "backend_" in row]
        assert len(trail) == len(orders)
        assert all(id in row for row in trail)
    showed(f"{len(orders) + len(reads)} routes x 4 callers, then the key revoked", "401, 403 or 200; never open again")
