"""Gateways that have a database together: what one is told, all know within a second; and none forgets while it is away."""

import asyncio
import contextlib
import json
import math
import re
import sqlite3
import time
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr
from support import policy_trees
from support.policy_trees import policy, rule
from support.server import ROOT, Server, backend, serving
from support.upstream import OK, answer

from gateway.adapters import audit
from gateway.adapters.agreed import Agreed
from gateway.adapters.budget_store import BudgetStore
from gateway.adapters.keys import Keys
from gateway.adapters.suspensions import Suspensions
from gateway.adapters.tables_postgres import PostgresTables
from gateway.core.errors import Refused
from gateway.orders import Orders
from gateway.settings import Settings

SOON = 1.0
"""Seconds within which every replica knows."""
CLIENT = httpx2.Client(timeout=20)
BODY = {"model": "a", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 10}


@pytest.fixture
def catalog(upstream):
    upstream.scripts.clear()
    upstream.seen.clear()
    upstream.scripts |= {"a": [answer(OK)] * 10_000}
    return {"a": backend(upstream.url("a"), max_output=100)}


@pytest.fixture
def url(postgres_server):
    return postgres_server.url()


@pytest.fixture
def replicas(tmp_path, catalog, url):
    """Two gateways, each with a state directory of its own, and a database of both."""
    with (
        serving(tmp_path / "1", catalog, GATEWAY_DATABASE_URL=url) as first,
        serving(tmp_path / "2", catalog, GATEWAY_DATABASE_URL=url) as second,
    ):
        yield first, second


def answered(server: Server, key: str, **more: object) -> httpx2.Response:
    headers = {"authorization": f"Bearer {key}"}
    return CLIENT.post(f"{server.base}/v1/chat/completions", json={**BODY, **more}, headers=headers)


def status(server: Server, key: str) -> int:
    return answered(server, key).status_code


def within_a_second(replicas, key: str, expected: int, since: float) -> float:
    """How long it took until every replica answered so, and none later than soon."""
    slowest = 0.0
    for each in replicas:
        asked = time.monotonic()
        while status(each, key) != expected:
            assert time.monotonic() - since < SOON + 5
            time.sleep(0.02)
            asked = time.monotonic()
        slowest = max(slowest, asked - since)
    assert slowest < SOON
    return slowest


def events(server: Server) -> list[dict]:
    return [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]


def told(server: Server, prefix: str) -> list[str]:
    return [each["event"] for each in events(server) if each["event"].startswith(prefix)]


@pytest.mark.alone
@pytest.mark.assures("fault 26")
def test_a_key_that_is_made_rotated_or_revoked_is_so_on_every_replica_within_a_second(replicas, showed):
    first, second = replicas
    slowest = 0.0
    for where in replicas:
        made = json.loads(where.cli("keys", "create", "--team", "t", "--app", "a", "--format", "json").stdout)
        slowest = max(slowest, within_a_second(replicas, made["key"], 200, time.monotonic()))
        command = ("keys", "rotate", made["id"], "--overlap", "0", "--format", "json")
        fresh = json.loads(where.cli(*command).stdout)["key"]
        slowest = max(slowest, within_a_second(replicas, fresh, 200, since := time.monotonic()))
        slowest = max(slowest, within_a_second(replicas, made["key"], 401, since))
        assert where.cli("keys", "revoke", made["id"]).returncode == 0
        slowest = max(slowest, within_a_second(replicas, fresh, 401, time.monotonic()))
    assert first.cli("keys", "list").stdout == second.cli("keys", "list").stdout
    assert not (first.state / "keys.sqlite").exists()
    acts = [[each.act for each in audit.read(where.state) if each.act.startswith("key_")] for where in replicas]
    assert acts == [["key_created", "key_rotated", "key_revoked"]] * 2
    showed("2 gateways on one database, 6 changes of keys", f"in force on both within {slowest:.2f} s")


@pytest.mark.alone
@pytest.mark.assures("fault 26")
def test_an_order_to_one_replica_is_in_force_on_every_one_within_a_second(replicas, showed):
    key = replicas[0].key(sensitivity="public")
    within_a_second(replicas, key, 200, time.monotonic())
    slowest = 0.0
    for by, order, expected in ((0, "suspend", 403), (1, "resume", 200), (1, "suspend", 403), (0, "resume", 200)):
        at = f"http://127.0.0.1:{replicas[by].admin_port}/admin/backends/a/{order}"
        assert CLIENT.post(at, json={"reason": "order 4711"}).status_code == 200
        since = time.monotonic()
        assert status(replicas[by], key) == expected  # at once where it was given
        slowest = max(slowest, within_a_second(replicas, key, expected, since))
    assert replicas[1].cli("backends", "suspend", "a", "--reason", "by command").returncode == 0
    slowest = max(slowest, within_a_second(replicas, key, 403, time.monotonic()))
    shown = json.loads(replicas[0].cli("backends", "list", "--format", "json").stdout)
    [reason] = [row["suspension"]["reason"] for row in shown if row["id"] == "a"]
    assert reason == "by command"
    assert [each["backend"] for each in events(replicas[0]) if each["event"] == "backend_suspended"] == ["a"] * 3
    showed("2 gateways on one database, 5 orders", f"in force on both within {slowest:.2f} s")


@pytest.mark.alone
@pytest.mark.assures("threat I1", "fault 26")
def test_who_answers_one_replica_as_another_model_is_suspended_on_every_one(tmp_path, upstream, url, showed):
    upstream.scripts["a"] = [answer({**OK, "model": "gpt-4o-mini"})]
    vendor = {"deployment": "vendor_api", "zone": "us-vendors", "trains_on_data": "never", "audience": "anyone"}
    catalog = {"a": backend(upstream.url("a"), model="gpt-4o", **vendor)}
    tree = policy_trees.at_home(tmp_path / "tree")
    watch = rule("permit", to={"zone": "us-vendors"}, id="watch", on_model_mismatch="suspend")
    policy_trees.written(
        tree, {"policies/watch.yaml": policy(watch, rule("forbid", to={"status": "suspended"}, id="off"))}
    )
    with (
        serving(tmp_path / "1", catalog, tree, GATEWAY_DATABASE_URL=url) as first,
        serving(tmp_path / "2", catalog, tree, GATEWAY_DATABASE_URL=url) as second,
    ):
        key = first.key(sensitivity="public")
        second.await_key(key)
        assert status(first, key) == 200
        slowest = within_a_second((first, second), key, 403, time.monotonic())
    suspended = [each for each in events(first) + events(second) if each["event"] == "backend_suspended"]
    assert {(each["backend"], each["by"]) for each in suspended} == {("a", "gateway")}
    showed("2 gateways on one database, one wrong name to one of them", f"suspended on both within {slowest:.2f} s")


@pytest.mark.alone
@pytest.mark.assures("fault 26")
def test_a_budget_and_a_rate_are_in_force_on_every_replica_within_a_second(replicas, showed):
    first, second = replicas
    key = first.key(team="red", sensitivity="public")
    within_a_second(replicas, key, 200, time.monotonic())
    assert first.cli("budgets", "set", "--team", "red", "--usd", "0").returncode == 0
    slowest = within_a_second(replicas, key, 402, time.monotonic())
    listed = json.loads(second.cli("budgets", "list", "--format", "json").stdout)["budgets"]
    assert [row["account"] for row in listed if row["set_by"] == "budget"] == ["red"]
    assert second.cli("budgets", "remove", "--team", "red").returncode == 0
    slowest = max(slowest, within_a_second(replicas, key, 200, time.monotonic()))
    assert second.cli("budgets", "set", "--team", "red", "--rpm", "1").returncode == 0
    time.sleep(SOON)
    assert [[status(each, key) for _ in range(2)][-1] for each in replicas] == [429, 429]
    showed("2 gateways on one database, budgets set and removed", f"in force on both within {slowest:.2f} s")


def admin(server: Server) -> int:
    at = f"http://127.0.0.1:{server.admin_port}/admin/backends"
    return CLIENT.get(at).status_code


@pytest.mark.assures("fault 11")
def test_while_the_database_is_away_replicas_serve_on_and_one_that_starts_waits(
    tmp_path, catalog, url, postgres_server, showed
):
    settings = {"GATEWAY_DATABASE_URL": url}
    late = Server(tmp_path / "late", ROOT / "routing_policies", catalog, GATEWAY_DATABSE_URL="secret", **settings)
    with serving(tmp_path / "1", catalog, **settings) as first:
        key = first.key(sensitivity="public")
        within_a_second([first], key, 200, time.monotonic())
        try:
            with postgres_server.down():
                late.start("/healthz")
                told_ready = CLIENT.get(f"{late.base}/readyz")
                assert (told_ready.status_code, told_ready.json()["status"]) == (503, "state_unavailable")
                refused = answered(late, key)
                assert (refused.status_code, refused.json()["error"]["code"]) == (503, "state_unavailable")
                assert int(refused.headers["retry-after"]) > 0
                models = CLIENT.get(f"{late.base}/v1/models", headers={"authorization": f"Bearer {key}"})
                assert models.status_code == 503
                assert admin(late) == 401  # whether a key guards it, nobody can say
                aged = first.metrics()["gateway_state_age_seconds"]
                assert status(first, key) == 200
                assert status(first, "sk-gw-unknown") == 401
                assert first.metrics()["gateway_state_age_seconds"] > aged > 0
                for command in ("keys list", "budgets list", "backends suspend a", "keys revoke key_1"):
                    failed = first.cli(*command.split())
                    assert (failed.returncode, "GATEWAY_DATABASE_URL" in failed.stderr) == (2, True), failed.stderr
                    assert "Traceback" not in failed.stderr
                order = f"http://127.0.0.1:{first.admin_port}/admin/backends/a/suspend"
                assert CLIENT.post(order).status_code == 503
                assert status(first, key) == 200
            since = time.monotonic()
            while status(late, key) != 200:
                assert time.monotonic() - since < 20
                time.sleep(0.05)
            assert CLIENT.get(f"{late.base}/readyz").status_code == 200
            assert admin(late) == 200
            late.cli("keys", "revoke", json.loads(late.cli("keys", "list", "--format", "json").stdout)[0]["id"])
            within_a_second([first, late], key, 401, time.monotonic())
        finally:
            late.stop()
    assert told(first, "state_") == ["state_away", "state_back"]
    assert [each["names"] for each in events(late) if each["event"] == "settings_unknown"] == [["GATEWAY_DATABSE_URL"]]
    assert "secret" not in late.log.read_text()
    assert told(late, "state_") == ["state_away", "state_back"]
    showed("PostgreSQL down, one gateway running, one started", "served on; 503 until it knew the keys, then ready")


def test_orders_and_budgets_are_in_force_before_a_replica_that_had_to_wait_is_ready(
    tmp_path, catalog, url, postgres_server
):
    settings = {"GATEWAY_DATABASE_URL": url}
    late = Server(tmp_path / "late", ROOT / "routing_policies", catalog, **settings)
    key, poor = late.key(sensitivity="public"), late.key(team="poor", sensitivity="public")
    catalog["b"] = {**catalog["a"]}
    assert late.cli("budgets", "set", "--team", "poor", "--usd", "0").returncode == 0
    try:
        with postgres_server.down():
            late.start("/healthz")
        seen = {200, 402, 503}
        answers = []
        since = time.monotonic()
        while (answers or [503])[-1] == 503:
            assert time.monotonic() - since < 20
            answers.append(status(late, poor))
        assert set(answers) <= seen
        assert answers[-1] == 402
        assert status(late, key) == 200
    finally:
        late.stop()


def answers(server: Server, key: str, expected: int) -> None:
    """Waits until it does."""
    since = time.monotonic()
    while status(server, key) != expected:
        assert time.monotonic() - since < 20
        time.sleep(0.05)


def scraped(server: Server, token: str):
    at = f"http://127.0.0.1:{server.admin_port}/metrics"
    return CLIENT.get(at, headers={"authorization": f"Bearer {token}"})


@pytest.mark.alone
@pytest.mark.assures("fault 10", "threat K3")
def test_a_replica_that_cannot_read_keys_takes_none_before_one_may_have_been_revoked_for_long(
    tmp_path, catalog, url, postgres_server, showed
):
    token = "a-token-of-the-scrape"
    settings = {"GATEWAY_DATABASE_URL": url, "GATEWAY_KEYS_MAX_AGE_SECONDS": "3", "GATEWAY_SCRAPE_TOKEN": token}
    server = Server(tmp_path / "1", ROOT / "routing_policies", catalog, **settings).start()
    try:
        made = json.loads(server.cli(*"keys create --team t --app a --sensitivity public --format json".split()).stdout)
        key, scrapes = made["key"], server.key(scope="metrics")
        answers(server, key, 200)
        assert scraped(server, scrapes).status_code == 200
        with postgres_server.frozen():
            frozen = time.monotonic()
            while (answer := answered(server, key)).status_code == 200:
                assert time.monotonic() - frozen < 20
                time.sleep(0.05)
            served = time.monotonic() - frozen
            for each in (answer, answered(server, "sk-gw-unknown")):
                assert (each.status_code, each.json()["error"]["code"]) == (503, "state_unavailable")
                assert int(each.headers["retry-after"]) > 0
            ready = CLIENT.get(f"{server.base}/readyz")
            assert (ready.status_code, ready.json()["status"]) == (503, "state_unavailable")
            assert CLIENT.get(f"{server.base}/healthz").status_code == 200
            refused = scraped(server, scrapes)  # it may have been revoked as well
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "state_unavailable")
            [age] = re.findall(r"^gateway_state_age_seconds (.*)$", scraped(server, token).text, re.MULTILINE)
            assert float(age) > 2.5
        answers(server, key, 200)
        server.cli("keys", "revoke", made["id"])
        answers(server, key, 401)
    finally:
        server.stop()
    assert 1 < served < 10
    showed("PostgreSQL frozen, keys taken for 3 s after they were read", f"503 after {served:.1f} s, never 401")


@pytest.mark.alone
def test_while_the_database_hangs_nobody_waits_for_it(replicas, postgres_server):
    first, _ = replicas
    key = first.key(sensitivity="public")
    within_a_second(replicas, key, 200, time.monotonic())
    with postgres_server.frozen():
        slowest = 0.0
        until = time.monotonic() + 3
        while time.monotonic() < until:
            began = time.monotonic()
            assert status(first, key) == 200
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < 1


@pytest.mark.alone
@pytest.mark.assures("fault 26")
def test_while_the_ledger_is_slow_what_is_ordered_or_revoked_is_so_within_a_second(
    replicas, url, postgres_server, showed
):
    first, second = replicas
    key, gone = (json.loads(made(first)) for _ in range(2))
    for each in (key, gone):
        within_a_second(replicas, each["key"], 200, time.monotonic())
    with postgres_server.locked(url, "entries"):
        assert first.cli("budgets", "set", "--team", "red", "--usd", "5").returncode == 0  # the ledger is read for it
        time.sleep(SOON)
        assert first.cli("keys", "revoke", gone["id"]).returncode == 0
        slowest = within_a_second(replicas, gone["key"], 401, time.monotonic())
        order = f"http://127.0.0.1:{second.admin_port}/admin/backends/a/suspend"
        assert CLIENT.post(order).status_code == 200
        slowest = max(slowest, within_a_second(replicas, key["key"], 403, time.monotonic()))
        began = time.monotonic()
        assert second.stop() == 0
        ended = time.monotonic() - began
    assert ended < 25  # what was spent is still offered to the ledger; nobody waits for an answer that nobody wants
    showed(
        "the ledger answers nothing while new budgets are read",
        f"a key revoked and a backend suspended on both within {slowest:.2f} s; SIGTERM obeyed in {ended:.1f} s",
    )


def test_an_order_whose_commit_nobody_answered_is_not_called_undone(tmp_path, url, postgres_server, monkeypatch):
    settings = Settings(state_dir=tmp_path, database_url=SecretStr(url))
    agreed = Agreed(tmp_path, url, lambda *_, **__: None, math.inf)
    orders = Orders(settings, agreed, None, None, None, lambda *_, **__: None)
    commit, name = PostgresTables.commit, url.partition("?")[0].rpartition("/")[2]
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"

    def cut_before(self):
        postgres_server.ask(cut)
        commit(self)

    monkeypatch.setattr(PostgresTables, "commit", cut_before)
    with pytest.raises(Refused, match=r"the order may be kept: .* whether it was done is not known"):
        orders._keep("a", "ana", suspended=True, reason="")
    asyncio.run(agreed.close())


def made(server: Server) -> str:
    command = ("keys", "create", "--team", "t", "--app", "a", "--sensitivity", "public", "--format", "json")
    return server.cli(*command).stdout


def in_files(directory: Path) -> tuple[str, str]:
    """A state directory as one without a database leaves it. Returns a key and its secret."""
    directory.mkdir(parents=True, mode=0o700)
    with (
        contextlib.closing(Keys(directory)) as keys,
        contextlib.closing(Suspensions(directory)) as orders,
        contextlib.closing(BudgetStore(directory)) as budgets,
    ):
        id, old = keys.create(team="red", app="a")
        new = keys.rotate(id, 3600)
        orders.suspend("a", by="me", reason="before")
        budgets.set_budget("team", "red", "month", 10**13, soft=False)
        budgets.set_rate("team", "red", "requests", 1000)
    return old, new


def test_a_new_database_takes_over_what_a_directory_had_and_a_later_directory_is_told(tmp_path, catalog, url):
    secrets = in_files(tmp_path / "1" / "state")
    (other, _) = in_files(tmp_path / "2" / "state")
    settings = {"GATEWAY_DATABASE_URL": url}
    with serving(tmp_path / "1", catalog, **settings) as first, serving(tmp_path / "2", catalog, **settings) as second:
        for each in (first, second):
            assert [status(each, secret) for secret in secrets] == [403, 403]  # suspended, as before
            assert status(each, other) == 401
        assert first.cli("backends", "resume", "a").returncode == 0
        within_a_second((first, second), secrets[0], 200, time.monotonic())
        assert "1000" in second.cli("budgets", "list").stdout
    [taken] = [each for each in events(first) if each["event"].startswith("state_")]
    assert (taken["event"], taken["keys"], taken["suspension_orders"], taken["budgets"]) == ("state_shared", 1, 1, 2)
    [noted] = [each for each in audit.read(first.state) if each.act == "state_shared"]
    assert (noted.actor, noted.outcome, noted.detail) == ("gateway", "done", "1 keys, 1 suspension orders, 2 budgets")
    [ignored] = [each for each in events(second) if each["event"].startswith("state_")]
    assert (ignored["event"], ignored["keys"], ignored["suspension_orders"]) == ("state_not_shared", 1, 1)
    assert "budgets" not in ignored  # the same are set
    assert "gateway keys create" in ignored["advice"]
    db = sqlite3.connect(tmp_path / "2" / "state" / "keys.sqlite")
    assert db.execute("SELECT COUNT(*) FROM keys").fetchone() == (1,)  # nothing is lost
    db.close()
    with serving(tmp_path / "1", catalog, **settings) as first:
        assert told(first, "state_") == ["state_shared"]  # of the first start


def test_files_that_a_database_took_over_are_not_used_again_by_accident(tmp_path, catalog, url):
    in_files(tmp_path / "state")
    with serving(tmp_path, catalog, GATEWAY_DATABASE_URL=url) as server:
        pass
    del server.environment["GATEWAY_DATABASE_URL"]
    for command in ("keys list", "budgets list", "backends list"):
        refused = server.cli(*command.split())
        assert (refused.returncode, "set GATEWAY_DATABASE_URL" in refused.stderr) == (2, True), refused.stderr
    with pytest.raises(RuntimeError, match="set GATEWAY_DATABASE_URL"):
        server.start()
    assert server.process.returncode == 2
    (server.state / "shared").unlink()
    assert server.cli("keys", "list").returncode == 0
