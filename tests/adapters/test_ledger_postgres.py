"""The store in PostgreSQL: what is not common to all stores."""

import json
import shutil
import signal
import time
from urllib.parse import urlsplit

import httpx2
import pytest
from support.server import ROOT, Server, backend
from support.stores import NOW, entry
from support.upstream import DONE, STREAM_END, STREAM_HEAD, USAGE_EVENT, chunk, delta

from gateway.adapters import ledger_postgres
from gateway.adapters.ledger_postgres import PostgresStore, _month_named, _month_of, _name_of, _start_of
from gateway.adapters.ledger_rows import Unwritable

LONG_AGO = 1_700_000_000.0  # 2023-11-14T22:13:20Z


@pytest.fixture
def store(shared):
    found = PostgresStore(shared.url)
    yield found
    found.close()


def partitions(place) -> list[str]:
    found = place.ask(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'entries'::regclass ORDER BY 1"
    )
    return [row[0] for row in found]


@pytest.mark.assures("fault 27")
@pytest.mark.parametrize("version", range(1, len(ledger_postgres._MIGRATIONS) + 1))
def test_a_database_of_an_earlier_version_is_brought_up_to_date(shared, monkeypatch, version):
    with monkeypatch.context() as patch:
        patch.setattr(ledger_postgres, "_MIGRATIONS", ledger_postgres._MIGRATIONS[:version])
        earlier = PostgresStore(shared.url)
        earlier._run(earlier._open())
        earlier.close()
    store = PostgresStore(shared.url)
    store.write([entry("a")])
    store.close()
    assert shared.rows() == [("a", 1, "settled", 7)]
    assert shared.ask("SELECT number FROM migrations ORDER BY 1") == [
        (number,) for number in range(1, len(ledger_postgres._MIGRATIONS) + 1)
    ]


@pytest.mark.assures("fault 27")
def test_a_gateway_of_the_version_before_writes_beside_this_one(shared, store, monkeypatch):
    earlier = PostgresStore(shared.url)
    earlier.write([entry("a")])
    later = "ALTER TABLE entries ADD COLUMN later TEXT NOT NULL DEFAULT 'x'"
    monkeypatch.setattr(ledger_postgres, "_MIGRATIONS", (*ledger_postgres._MIGRATIONS, later))
    store.write([entry("b")])
    earlier.write([entry("c", time=LONG_AGO)])
    earlier.close()
    assert shared.ask("SELECT request_id, later FROM entries ORDER BY 1") == [("a", "x"), ("b", "x"), ("c", "x")]


def test_calls_are_in_the_partition_of_their_month(shared, store):
    store.write(
        [entry("a", time=_start_of(_month_of(LONG_AGO))), entry("b", time=_start_of(_month_of(LONG_AGO)) - 0.001)]
    )
    assert partitions(shared) == ["entries_2023_10", "entries_2023_11"]
    assert shared.ask("SELECT request_id FROM entries_2023_11") == [("a",)]


def test_the_next_month_is_there_before_it_is_needed(shared, store):
    assert not store.fold(NOW)
    this = _month_of(time.time())
    assert partitions(shared) == [_name_of(this), _name_of(this + 1)]


def test_only_whole_months_are_folded_and_their_partitions_go(shared, store):
    store.write([entry("oct", time=LONG_AGO - 20 * 86_400), entry("nov", time=LONG_AGO)])
    assert not store.fold(LONG_AGO + 86_400)
    assert [row[0] for row in shared.rows()] == ["nov"]
    assert "entries_2023_10" not in partitions(shared)


def test_a_month_that_another_gateway_dropped_is_made_again(shared, store):
    store.write([entry("a", time=LONG_AGO)])
    other = PostgresStore(shared.url)
    while other.fold(LONG_AGO + 90 * 86_400):
        pass
    other.close()
    store.write([entry("b", time=LONG_AGO)])
    assert [row[0] for row in shared.rows()] == ["b"]


@pytest.mark.parametrize("bad", [{"model": "a\0b"}, {"time": 1e300}, {"time": float("nan")}], ids=str)
def test_what_postgres_cannot_hold_is_refused_and_what_follows_is_not(shared, store, bad):
    with pytest.raises(Unwritable):
        store.write([entry("a", **bad)])
    store.write([entry("b")])
    assert [row[0] for row in shared.rows()] == ["b"]


def test_what_an_operator_forbids_is_refused_and_what_follows_is_not(shared, store, server):
    store.write([entry("a")])
    server.ask("ALTER TABLE entries ADD CHECK (cost_pico_usd < 100)", urlsplit(shared.url).path[1:])
    with pytest.raises(Unwritable, match="check constraint"):
        store.write([entry("b", cost=100)])
    store.write([entry("c")])
    assert [row[0] for row in shared.rows()] == ["a", "c"]


@pytest.mark.assures("fault 11")
def test_a_connection_that_was_lost_is_made_anew(shared, store, server):
    store.write([entry("a")])
    server.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gateway'")
    with pytest.raises(Exception, match="connection"):
        store.write([entry("b")])
    store.write([entry("b")])
    assert [row[0] for row in shared.rows()] == ["a", "b"]


@pytest.mark.parametrize(("moment", "name"), [(0.0, "entries_1970_01"), (LONG_AGO, "entries_2023_11")])
def test_months_have_names(moment, name):
    month = _month_of(moment)
    assert (_name_of(month), _month_named(name)) == (name, month)
    assert _start_of(month) <= moment < _start_of(month + 1)


@pytest.mark.assures("fault 11")
def test_a_gateway_serves_while_postgres_is_down_and_books_all_once_it_is_back(server, shared, tmp_path, upstream):
    policies = tmp_path / "policies"
    shutil.copytree(ROOT / "routing_policies", policies)
    (policies / "policies" / "ceiling.yaml").write_text(
        "policy: ceiling\nowner: me\nrules:\n  - {id: ceiling, limit: {usd: 5, per: team, window: month, then: deny}}\n"
    )
    upstream.scripts["pg"] = [STREAM_HEAD, chunk(delta("x", "stop") + USAGE_EVENT + DONE), STREAM_END]
    gateway = Server(
        tmp_path / "gateway",
        policies,
        {"pg": backend(upstream.url("pg"), max_output=100)},
        GATEWAY_DATABASE_URL=shared.url,
    ).start()
    headers = {"authorization": f"Bearer {gateway.key()}"}
    body = {"model": "pg", "stream": True, "messages": [{"role": "user", "content": "hi"}]}

    def ask() -> int:
        return httpx2.post(f"{gateway.base}/v1/chat/completions", json=body, headers=headers, timeout=10).status_code

    try:
        assert [ask() for _ in range(3)] == [200] * 3
        with server.down():
            assert [ask() for _ in range(3)] == [200] * 3
            time.sleep(1.5)
            assert gateway.metrics()["gateway_ledger_lag_seconds"] > 1
            gateway.stop(signal.SIGKILL)
            gateway.start("/healthz")
            assert ask() == 503  # whose key it is, and what the team has spent, nobody can say
            assert "cannot read" in gateway.cli("spend").stderr
        deadline = time.monotonic() + 20
        while ask() != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        assert gateway.stop() == 0
    (line,) = json.loads(gateway.cli("spend", "--by", "team", "--format", "json").stdout)
    assert line["calls"] == len(upstream.requests("pg")) == 7
    assert line["cost_pico_usd"] > 0
    assert shared.ask("SELECT COUNT(*) FROM entries WHERE state = 'settled'") == [(7,)]
    events = [json.loads(line)["event"] for line in gateway.log.read_text().splitlines() if line.startswith("{")]
    assert [event for event in events if event.startswith(("ledger", "limits"))] == [
        "ledger_store_away",
        "ledger_store_away",
        "limits_closed",
        "ledger_store_back",
        "ledger_recovered",
        "limits_counted",
    ]
    assert list((gateway.state / "journal").iterdir()) == []
