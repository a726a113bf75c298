"""docs/metrics.md is what the server gives, name by name and label by label."""

import re
import time
import urllib.request

import httpx2
from support import doubles
from support.policy_trees import bundle, rule
from support.server import ROOT, backend, serving
from support.upstream import OK, Upstream, answer

from gateway.adapters import otel
from gateway.adapters.budget_metrics import BudgetSeries
from gateway.adapters.lane_metrics import LaneSeries
from gateway.adapters.ledger_metrics import LedgerSeries
from gateway.adapters.policy_files import ReloadState
from gateway.adapters.policy_metrics import PolicySeries
from gateway.adapters.series import Series
from gateway.policy.decide import Eligibility

_ROW = re.compile(r"^\| `(?P<name>gateway_\w+)` \| (?P<labels>[`\w ]*)\| (?P<unit>[^|]+) \| (?P<meaning>[^|]+) \|$")
UNITS = {
    "_usd": "USD",
    "_seconds": "seconds",
    "_ratio": "ratio",
    "_info": "1",
    "_days": "days",
    "_tokens_total": "tokens",
}


def page():
    """Each series of the page: its labels and its unit."""
    found = {}
    for line in (ROOT / "docs" / "metrics.md").read_text().splitlines():
        if line.startswith("| `"):
            row = _ROW.match(line)
            assert row is not None, line
            assert row["name"] not in found, row["name"]
            found[row["name"]] = frozenset(re.findall(r"`(\w+)`", row["labels"])), row["unit"]
    return found


def made():
    """The labels of each series as it is made."""

    class Policies:
        current = Eligibility(bundle(rule("permit")))
        state = ReloadState("", 0.0, False, ())

        def moment(self):
            return 0.0

    series = Series()
    doubles.metrics(series)
    for each in (BudgetSeries(series.drop), LedgerSeries(series.drop), LaneSeries(list)):
        series.show(each)
    collector = otel.started("http://127.0.0.1:9", {}, 0.0, lambda *_, **__: None)
    series.show(PolicySeries(Policies(), series.drop), collector)
    collector.close()
    found = {}
    for collector in series.registry._collector_to_names:
        for family in [collector] if hasattr(collector, "_type") else collector.collect():
            name = getattr(family, "name", None) or family._name
            of_counter = getattr(family, "type", None) or getattr(family, "_type", "")
            found[f"{name}_total" if of_counter == "counter" else name] = frozenset(family._labelnames)
    return found


def test_the_page_has_every_series_with_its_labels():
    assert {name: labels for name, (labels, _) in page().items()} == made()


def test_a_name_says_its_unit():
    wrong = []
    for name, (_, unit) in page().items():
        for end, of_end in UNITS.items():
            if name.removesuffix("_total").endswith(end) or name.endswith(end):
                said = "Unix seconds" if name.endswith("_timestamp_seconds") else of_end
                said = "tokens per second" if name.endswith("_per_second") else said
                wrong += [name] if unit != said else []
    assert wrong == []


def test_a_server_gives_what_the_page_says(tmp_path, upstream: Upstream):
    upstream.scripts["metrics-ok"] = [answer(OK)]
    upstream.scripts["metrics-full"] = [answer({"error": {"message": "no"}}, 429)]
    catalog = {
        "metrics-full": backend(upstream.url("metrics-full"), aliases=["both"], price={"input": 0.5, "output": 0.5}, review_by="2027-02-01"),
        "metrics-ok": backend(upstream.url("metrics-ok"), aliases=["both"]),
        "metrics-own": backend(upstream.url("metrics-ok"), price={"gpu_hour": 3.6, "tokens_per_second": 1000, "utilisation": 0.5}),
    }  # fmt: skip
    with serving(tmp_path, catalog, GATEWAY_OTEL_ENDPOINT="http://127.0.0.1:9") as server:
        limited = server.cli("budgets", "set", "--organisation", "--usd", "100", "--per", "month")
        assert limited.returncode == 0
        head = {"authorization": f"Bearer {server.key()}"}

        def ask(model, **headers):
            body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
            return httpx2.post(f"{server.base}/v1/chat/completions", json=body, headers={**head, **headers}).status_code

        assert [ask("both"), ask("gpt-nobody")] == [200, 404]
        assert ask("metrics-ok", **{"x-gateway-sensitivity": "restricted"}) == 200
        deadline = time.monotonic() + 20
        while not any(name.startswith("gateway_ledger_read_timestamp") for name in server.metrics()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{server.admin_port}/metrics", timeout=5) as response:
            text = response.read().decode()
        found = server.metrics()
    given = page()
    assert set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE)) == given.keys()
    for sample in found:
        name, _, labels = sample.partition("{")
        name = name if name in given else re.sub(r"_(bucket|sum|count)$", "", name)
        assert set(re.findall(r'(\w+)="', labels)) - {"le"} == given[name][0], sample
    where = 'provider="openai-compatible"'
    calls = 'gateway_calls_total{backend="%s",outcome="%s",' + where + ',sensitivity="%s",zone="inhouse"}'
    assert found[calls % ("metrics-full", "throttled", "internal")] == 1
    assert found[calls % ("metrics-ok", "ok", "internal")] == 1
    assert found[calls % ("metrics-ok", "ok", "restricted")] == 1
    assert found["gateway_bypass_total"] == found["gateway_policy_stale"] == 0
    cells = 'gateway_policy_cell_permitted{sensitivity="restricted",zone="%s"}'
    assert (found[cells % "inhouse"], found[cells % "us-vendors"]) == (1, 0)
    assert found['gateway_local_price_usd_per_million_tokens{kind="loaded",model="metrics-own"}'] == 2
    assert found['gateway_passport_review_timestamp_seconds{model="metrics-full"}'] == 1_801_440_000
