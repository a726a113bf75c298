"""Health, readiness and the admin listener."""

import httpx2
from support.server import serving


def test_health_and_readiness(gateway):
    assert httpx2.get(f"{gateway.base}/healthz").json() == {"status": "ok"}
    ready = httpx2.get(f"{gateway.base}/readyz").json()
    assert ready["status"] == "ready"
    assert ready["policy"].keys() == {"digest", "age_seconds", "stale"}


def test_the_admin_listener_tells_the_policy_and_serves_metrics(gateway):
    admin = f"http://127.0.0.1:{gateway.admin_port}"
    assert httpx2.get(f"{admin}/admin/policies").json()["problems"] == []
    assert "gateway_policy_info{digest=" in httpx2.get(f"{admin}/metrics").text
    assert httpx2.get(f"{admin}/v1/models").status_code == 404


def test_metrics_want_the_scrape_token_when_one_is_set(tmp_path):
    with serving(tmp_path, GATEWAY_SCRAPE_TOKEN="scrape-me") as server:
        url = f"http://127.0.0.1:{server.admin_port}/metrics"
        assert httpx2.get(url).status_code == 401
        assert httpx2.get(url, headers={"authorization": "Bearer no"}).status_code == 401
        assert httpx2.get(url, headers={"authorization": "Bearer scrape-me"}).status_code == 200
