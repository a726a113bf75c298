"""Health, readiness and the admin listener."""

import httpx2
import msgspec
import pytest
from support.server import serving

from gateway.core.errors import Refusal, Refused
from gateway.http.callers import LOCAL, NOBODY
from gateway.http.ops import admin_app, public_app
from gateway.http.routes import CALLS, ROUTES


def test_health_and_readiness(gateway):
    assert httpx2.get(f"{gateway.base}/healthz").json() == {"status": "ok"}
    ready = httpx2.get(f"{gateway.base}/readyz").json()
    assert ready["status"] == "ready"
    assert ready["policy"].keys() == {"digest", "age_seconds", "stale"}


async def health_is_all():
    """Nothing else is asked here."""


@pytest.mark.parametrize(("why", "status"), [(None, 200), ("draining", 503), ("ledger_unavailable", 503)])
async def test_readiness_says_why_not(why, status):
    others = {
        (row.method, row.path): health_is_all
        for row in ROUTES
        if row.listener == "public" and row.scope is not None and row not in CALLS
    }
    summary = {"digest": "d", "problems": ["x"]}
    app = public_app(lambda *_: None, others, lambda *_: NOBODY, lambda: summary, lambda: why, None)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://public") as client:
        ready = await client.get("/readyz")
        assert (await client.get("/healthz")).status_code == 200
    assert (ready.status_code, ready.json()) == (status, {"status": why or "ready", "policy": {"digest": "d"}})


def test_what_looks_whether_we_live_may_ask_by_head_and_others_are_told_what_is_allowed(gateway, key):
    for path in ("/healthz", "/readyz"):
        assert (httpx2.head(gateway.base + path).status_code, httpx2.head(gateway.base + path).content) == (200, b"")
    for path, allowed in (("/v1/chat/completions", "POST"), ("/v1/models", "GET"), ("/healthz", "GET, HEAD")):
        refused = httpx2.put(gateway.base + path, headers={"authorization": f"Bearer {key}"})
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/v1/messages/batches", {"anthropic-version": "2023-06-01"}, 404),
        ("GET", "/v1/messages", {}, 405),
        ("GET", "/v1/models", {"anthropic-version": "2023-06-01"}, 401),
        ("GET", "/v1/models", {}, 401),
        ("GET", "/nowhere", {}, 404),
    ],
)
def test_errors_beside_calls_are_in_the_clients_own_envelope(gateway, method, path, headers, status):
    answer = httpx2.request(method, gateway.base + path, headers=headers)
    assert answer.status_code == status
    assert (answer.json().get("type") == "error") == (bool(headers) or "messages" in path)


def test_the_admin_listener_tells_the_policy_and_serves_metrics(gateway):
    admin = f"http://127.0.0.1:{gateway.admin_port}"
    assert httpx2.get(f"{admin}/admin/policies").json()["problems"] == []
    assert "gateway_policy_info{digest=" in httpx2.get(f"{admin}/metrics").text
    assert httpx2.get(f"{admin}/v1/models").status_code == 404


def test_metrics_want_the_scrape_token_when_one_is_set(tmp_path):
    with serving(tmp_path, GATEWAY_SCRAPE_TOKEN="scrape-me-0123456789") as server:
        url = f"http://127.0.0.1:{server.admin_port}/metrics"
        assert httpx2.get(url).status_code == 401
        assert httpx2.get(url, headers={"authorization": "Bearer no"}).status_code == 401
        assert httpx2.get(url, headers={"authorization": "Bearer scrape-me-0123456789"}).status_code == 200


class Row(msgspec.Struct):
    """A backend as it is shown."""

    id: str
    status: str


class Backends:
    """Takes orders for any backend but `nobody`."""

    def __init__(self):
        self.orders = []

    def shown(self):
        return (Row("a/b:c", "active"),)

    async def suspend(self, id, reason, by):
        self._order("suspend", id, reason, by)

    async def resume(self, id, reason, by):
        self._order("resume", id, reason, by)

    def _order(self, what, id, reason, by):
        if id == "nobody":
            raise Refused(Refusal.NOT_FOUND, "no backend `nobody`")
        self.orders.append((what, id, reason, by))


@pytest.fixture
def backends():
    return Backends()


@pytest.fixture
async def admin(backends):
    app = admin_app(lambda: b"", "text/plain", dict, backends, lambda *_: LOCAL, lambda: [Row("replica", "active")])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://admin") as client:
        yield client


async def test_the_admin_listener_shows_the_backends(admin):
    assert (await admin.get("/admin/backends")).json() == [{"id": "a/b:c", "status": "active"}]


async def test_the_admin_listener_shows_the_replicas(admin):
    assert (await admin.get("/admin/replicas")).json() == [{"id": "replica", "status": "active"}]


@pytest.mark.parametrize("what", ["suspend", "resume"])
async def test_the_admin_listener_takes_orders(admin, backends, what):
    answered = await admin.post(f"/admin/backends/a/b:c/{what}", json={"reason": "court order"})
    assert (answered.status_code, answered.json()) == (200, {"id": "a/b:c", "suspended": what == "suspend"})
    assert (await admin.post(f"/admin/backends/plain/{what}")).status_code == 200
    assert backends.orders == [(what, "a/b:c", "court order", "loopback"), (what, "plain", "", "loopback")]


@pytest.mark.parametrize("what", ["suspend", "resume"])
@pytest.mark.parametrize(
    ("id", "more", "status"),
    [
        ("nobody", {}, 404),
        ("a", {"content": b"{"}, 400),
        ("a", {"json": {"raeson": "x"}}, 400),
        ("a", {"json": {"reason": 5}}, 400),
        ("a", {"headers": {"origin": "http://localhost:8081"}}, 403),
    ],
)
async def test_an_order_that_cannot_be_taken_changes_nothing(admin, backends, what, id, more, status):
    answered = await admin.post(f"/admin/backends/{id}/{what}", **more)
    assert (answered.status_code, backends.orders) == (status, [])
    assert "message" in answered.json()["error"]


async def test_looking_is_no_order(admin, backends):
    assert (await admin.get("/admin/backends/a/suspend")).status_code == 405
    assert backends.orders == []
