"""A real gateway under traffic of many kinds, scraped by a real Prometheus: every panel shows something, every rule can be
worked out, and what must be zero is."""

import contextlib
import datetime as dt
import json
import math
import re
import shutil
import sqlite3
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.calling import post
from support.promql import problems
from support.server import ROOT, Server, backend, free_port
from support.upstream import DONE, OK, RESET, STREAM_HEAD, USAGE_EVENT, Upstream, answer, chunk, delta, stream
from typer.testing import CliRunner

from deploy.monitoring.__main__ import DASHBOARDS
from deploy.monitoring.panels import MUST_BE_ZERO
from deploy.monitoring.recorded import RECORDED
from deploy.monitoring.rules import ALERTS
from gateway.cli import app as commands

PROMETHEUS = shutil.which("prometheus")
TOKEN = "a-token-for-scrapes-only"
QUERIES = [
    (f"{dashboard.file}: {panel.title}", panel, query)
    for dashboard in DASHBOARDS
    for row in dashboard.rows
    for panel in row.panels
    for query in panel.queries
]
NOT_ZERO_HERE = ("Without a price",)
"""What must be zero, and is not under the traffic of this test."""


def moment(**ago: float) -> str:
    return (dt.datetime.now(dt.UTC) - dt.timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


RULES = [
    {"id": "own", "permit": {"to": {"deployment": "self_hosted"}}},
    {"id": "outside", "permit": {"when": {"sensitivity": "<= internal"}, "to": {"deployment": "vendor_api"}}},
    {"id": "not-at-night", "breakable": True, "forbid": {"when": {"team": "legal"}, "to": {"backend": "hosted"}}},
    {"id": "off", "forbid": {"to": {"status": ["suspended", "retired"]}}},
]
TRIAL = [{"id": "tried-out", "forbid": {"to": {"backend": "hosted"}}}]
PRICE = {"input": 500, "output": 2000}


def policies(directory: Path) -> Path:
    tree = directory / "tree"
    (tree / "policies").mkdir(parents=True)
    (tree / "exceptions").mkdir()
    shutil.copy(ROOT / "routing_policies/vocabulary.yaml", tree)
    of = {"base": ("enforce", RULES), "trial": ("shadow", TRIAL)}
    for name, (mode, rules) in of.items():
        written = {"policy": name, "owner": "me", "mode": mode, "rules": rules}
        (tree / "policies" / f"{name}.yaml").write_text(json.dumps(written))
    exception = {
        "id": "deadline",
        "rules": ["not-at-night"],
        "principal": {"team": "legal"},
        "backends": ["hosted"],
        "starts": moment(hours=1),
        "expires": moment(hours=-2),
        "ticket": "T-1",
        "requested_by": "ann",
        "approved_by": ["bob", "cem"],
        "why": "a test",
    }
    (tree / "exceptions" / "e.yaml").write_text(json.dumps({"exceptions": [exception]}))
    return tree


def catalog(upstream: Upstream) -> dict[str, dict]:
    hosted = {"deployment": "vendor_api", "zone": "us-vendors", "trains_on_data": "never", "audience": "anyone"}
    soon = (dt.datetime.now(dt.UTC) + dt.timedelta(days=30)).date().isoformat()
    timeout = {"connect": "1s", "first_byte": "1s", "idle": "1s", "total": "3s"}
    busy = {"gpu_hour": 36, "tokens_per_second": 100, "utilisation": 0.5}
    more = {"timeout": timeout, "max_output": 100, "context": 10_000, "review_by": soon}

    def row(name: str, **of: object) -> dict:
        return backend(upstream.url(name), **{"price": PRICE, **more, **of})

    return {
        "own": row("good", price=busy, aliases=["smart"], max_concurrent=8),
        "hosted": row("good", **hosted, aliases=["smart"], model="another"),
        "failing": row("failing", price={"input": 1, "output": 1}, aliases=["chain", "broken"]),
        "garbled": row("garbled", price={"input": 2, "output": 2}, aliases=["chain"]),
        "last": row("good", **hosted, aliases=["chain"]),
        "priceless": {name: of for name, of in row("good").items() if name != "price"},
        "gone": row("good", status="suspended"),
        "picky": row("picky"),
        "streamed": row("streaming", price=busy),
        "breaking": row("breaking", **hosted),
    }


def scripts(upstream: Upstream) -> None:
    words = stream(*[delta("word ") for _ in range(8)], delta(finish="stop"), USAGE_EVENT, DONE)
    upstream.scripts["good"] = [answer(OK)]
    upstream.scripts["streaming"] = [words[0], *[part for each in words[1:] for part in (0.01, each)]]
    upstream.scripts["failing"] = [answer({"error": {"message": "no"}}, 503)]
    upstream.scripts["picky"] = [answer({"error": {"message": "what?"}}, 400)]  # it is never left alone for that
    upstream.scripts["garbled"] = [answer(b"<html>")]
    upstream.scripts["breaking"] = [STREAM_HEAD, chunk(delta("a")), RESET]


class Traffic:
    """Requests of every kind that a series counts."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.keys = {team: server.key(team=team, sensitivity="public") for team in ("search", "legal", "poor")}

    def ask(self, model: str, team: str = "search", text: str = "hello", label: str = "public", **more: object) -> int:
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return post(self.server, self.keys[team], body, {"x-gateway-sensitivity": label}).status

    def round(self) -> dict[str, int]:
        """One request of each kind, by what it is. Returns their statuses."""
        return {
            "own": self.ask("own"),
            "hosted": self.ask("hosted"),
            "saved": self.ask("smart"),
            "streamed": self.ask("streamed", stream=True),
            "broke off": self.ask("breaking", stream=True),
            "fell back": self.ask("chain"),
            "failed": self.ask("failing"),
            "rejected": self.ask("picky"),
            "denied": self.ask("hosted", label="confidential"),
            "confidential": self.ask("own", label="confidential"),
            "found": self.ask("own", text="write to anna.example@example.org"),
            "let past": self.ask("hosted", team="legal"),
            "unpriced": self.ask("priceless"),
            "no money": self.ask("hosted", team="poor"),
            "unknown": self.ask("nobody"),
        }


def remember_earlier_days(server: Server) -> None:
    """Copies what the ledger has to the ten days before, a million times as dear: a forecast needs some, and at that pace
    a budget of today is spent in half a minute."""
    db = sqlite3.connect(server.state / "ledger.sqlite", timeout=10)
    columns = [row[1] for row in db.execute("PRAGMA table_info(entries)")]
    for day in range(1, 11):
        new = {"request_id": f"request_id || '-{day}'", "time": f"time - {day * 86_400}"}
        new["cost_pico_usd"] = "cost_pico_usd * 1000000"
        taken = ", ".join(new.get(name, name) for name in columns)
        db.execute(f"INSERT INTO entries SELECT {taken} FROM entries WHERE time > ?", [time.time() - 3600])
    db.commit()
    db.close()


class Asked:
    """A Prometheus that runs."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **parameters: str) -> object:
        url = f"{self.url}/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return json.loads(response.read())["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from None

    def values(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """What a query gives now."""
        result = self.get("query", query=expr)["result"]
        return [(each["metric"], float(each["value"][1])) for each in result]


def filled(expr: str) -> str:
    """A query with the variables as they are at first."""
    chosen = {
        "__rate_interval": "30s",
        "__interval": "30s",
        "__range": "2m",
        "budget": "budget:team:search:day",
        "account": "search",
    }
    return re.sub(r"\$(\w+)", lambda found: chosen.get(found[1], found[0] if found[1] == "1" else ".*"), expr)


def series_with_labels(server: Server) -> dict[str, frozenset[str]]:
    """Every series of a scrape by its name, with the labels of its samples."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.admin_port}/metrics", headers={"authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        lines = response.read().decode().splitlines()
    known: dict[str, set[str]] = {}
    for line in lines:
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split(" ")
            for end in {"histogram": ("_bucket", "_sum", "_count")}.get(kind, ("",)):
                known.setdefault(name + end, set())
        elif not line.startswith("#"):
            known.setdefault(line.split("{")[0].split(" ")[0], set()).update(re.findall(r'[{,](\w+)="', line))
    return {name: frozenset(labels) for name, labels in known.items()}


@contextlib.contextmanager
def prometheus(directory: Path, server: Server) -> Iterator[int]:
    """Prometheus with the configuration and the rules of this repository, but for addresses, paths and its pace."""
    port = free_port()
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    (directory / "token").write_text(TOKEN)
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(ROOT / "deploy/prometheus/rules.yml")]
    (job,) = config["scrape_configs"]
    job["authorization"]["credentials_file"] = str(directory / "token")
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{server.admin_port}"]}]
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                PROMETHEUS,
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2).close()
                yield port
                return
            assert process.poll() is None, (directory / "prometheus.log").read_text()[-2000:]
            time.sleep(0.1)
        raise AssertionError("Prometheus did not start")
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def served(upstream, tmp_path_factory) -> Iterator[tuple[Server, Traffic]]:
    """A gateway that has a past: it was stopped and started again, and its ledger knows earlier days."""
    directory = tmp_path_factory.mktemp("monitored")
    scripts(upstream)
    settings = {
        "GATEWAY_SCRAPE_TOKEN": TOKEN,
        "GATEWAY_BASELINE": "hosted",
        "GATEWAY_OTEL_ENDPOINT": "http://127.0.0.1:9",
    }
    server = Server(directory, policies(directory), catalog(upstream), **settings).start()
    try:
        for team, usd in (("search", "500"), ("legal", "5"), ("poor", "0.000001")):
            command = ["budgets", "set", "--team", team, "--usd", usd, "--per", "day"]
            assert CliRunner().invoke(commands, command, env=server.environment).exit_code == 0
        traffic = Traffic(server)
        time.sleep(1.2)  # a running server follows within a second
        told = traffic.round()
        refused = {"failed": 503, "rejected": 400, "denied": 403, "unpriced": 503, "no money": 402, "unknown": 404}
        assert told == dict.fromkeys(told.keys() - refused.keys(), 200) | refused
        assert server.ledger()
        server.stop()
        remember_earlier_days(server)
        server.start()
        yield server, traffic
    finally:
        server.stop()


@pytest.fixture(scope="module")
def asked(served, tmp_path_factory) -> Iterator[Asked]:
    """A Prometheus that has scraped several times while there was traffic."""
    if PROMETHEUS is None:
        pytest.skip("prometheus is not installed")
    server, traffic = served
    with prometheus(tmp_path_factory.mktemp("prometheus"), server) as port:
        ends = time.monotonic() + 8
        while time.monotonic() < ends:
            traffic.round()
            time.sleep(0.3)
        yield Asked(port)


def test_every_series_that_is_asked_for_is_there_with_the_labels_it_is_asked_by(served):
    server, traffic = served
    traffic.round()
    known = series_with_labels(server)
    recorded = {each.name: each.expr for each in RECORDED}
    asked = {f"{where}: {query.expr[:60]}": query.expr for where, _, query in QUERIES}
    asked |= {
        alert.name: re.sub(r"gateway:[\w:]+", lambda found: f"({recorded[found[0]]})", alert.expr) for alert in ALERTS
    }
    assert {where: found for where, expr in asked.items() if (found := problems(filled(expr), known))} == {}


def test_every_panel_shows_something(asked):
    empty, wrong = [], []
    for where, _, query in QUERIES:
        values = asked.values(filled(query.expr))
        if not any(not math.isnan(value) for _, value in values):
            empty.append(f"{where}: {query.expr}")
        legend = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
        wrong += [f"{where}: {labels} has not {legend}" for labels, _ in values if not legend <= set(labels)]
    assert (empty, wrong) == ([], [])


def test_what_must_be_zero_is_zero_and_not_nothing(asked):
    zeros = [(panel.title, query) for _, panel, query in QUERIES if panel.steps == MUST_BE_ZERO]
    found = {title: [value for _, value in asked.values(filled(query.expr))] for title, query in zeros}
    assert {title: values for title, values in found.items() if values != [0]}.keys() == {*NOT_ZERO_HERE}
    assert len(found) > 6


def test_the_heat_map_says_where_nothing_may_go(asked):
    ((_where, panel, query),) = [each for each in QUERIES if each[1].matrix is not None]
    cells = {(labels["sensitivity"], labels["zone"]): value for labels, value in asked.values(filled(query.expr))}
    assert cells["1 public", "us-vendors"] > 0
    assert cells["3 confidential", "inhouse"] > 0
    assert cells["4 restricted", "inhouse"] == 0
    assert cells["3 confidential", "us-vendors"] == pytest.approx(-0.001)
    shown = [each.text for each in panel.shown if each.low <= -0.001 <= each.high]
    assert shown == ["never"]


def test_every_rule_can_be_worked_out_and_every_alert_asked(asked):
    rules = [rule for group in asked.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == {each.name for each in (*RECORDED, *ALERTS)}
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"] == []
    for alert in ALERTS:
        asked.values(alert.expr)
    for recorded in RECORDED:
        assert asked.values(recorded.name), recorded.name


def test_no_critical_alert_is_on_but_those_of_what_was_broken(asked):
    active = {each["labels"]["alertname"] for each in asked.get("alerts")["alerts"]}
    assert active <= {
        "GatewayUnpriced", "GatewayBackendLeftAlone", "GatewayErrorRateHigh", "GatewayEstimatedShareHigh",
        "GatewaySpendBurnDoubled", "GatewayBudgetRunwayShort", "GatewayBreakGlassUsed",
    }  # fmt: skip
