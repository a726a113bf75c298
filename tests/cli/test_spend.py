"""`gateway spend`"""

import csv
import io
import json
import time

import msgspec
import pytest
from typer.testing import CliRunner

from gateway.adapters.ledger_sqlite import _write, connect
from gateway.cli import app
from gateway.core.record import Entry


def entry(request: str, cost: int, **more: object) -> Entry:
    blank = {
        field.name: {str: "x", int: 1, float: time.time()}.get(field.type, "settled")
        for field in msgspec.structs.fields(Entry)
    }
    return Entry(**{**blank, "request_id": request, "cost_pico_usd": cost, "usage_source": "reported", **more})


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".gateway").mkdir()
    db = connect(tmp_path / ".gateway" / "ledger.sqlite")
    _write(db, [entry("r1", 1_500_000_000_000, team="=cmd()"), entry("r2", 5, team="blue"), entry("old", 9, time=1.0)])
    db.close()

    def call(*arguments: str):
        result = CliRunner().invoke(app, ["spend", *arguments])
        return result.exit_code, result.stdout, result.stderr

    return call


def test_a_table_with_exact_dollars(run):
    code, out, _ = run("--by", "team")
    assert code == 0
    assert "1.5 " in out
    assert "0.000000000005" in out
    assert out.rstrip().endswith("total 1.500000000005 USD")


def test_json_has_the_requests_with_their_buckets(run):
    rows = json.loads(run("--by", "request", "--format", "json")[1])
    assert [(row["request_id"], row["state"], row["cost_pico_usd"]) for row in rows] == [
        ("r1", "settled", 1_500_000_000_000),
        ("r2", "settled", 5),
    ]
    assert {"input_uncached", "cache_read", "cache_write", "output", "reasoning"} <= rows[0].keys()


def test_csv_runs_no_formula(run):
    rows = list(csv.DictReader(io.StringIO(run("--by", "team", "--format", "csv")[1])))
    assert [(row["team"], row["cost_pico_usd"]) for row in rows] == [("'=cmd()", "1500000000000"), ("blue", "5")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--by", "colour"], "unknown breakdown colour; known: team"),
        (["--since", "yesterday"], "cannot read --since yesterday"),
    ],
)
def test_bad_input_is_exit_code_2(run, arguments, said):
    code, _, error = run(*arguments)
    assert (code, said in error) == (2, True)


def test_all_time_is_far_back(run):
    assert (
        json.loads(run("--since", "5000w", "--by", "team", "--format", "json")[1])[0]["cost_pico_usd"]
        == 1_500_000_000_000
    )
    assert len(json.loads(run("--since", "5000w", "--by", "request", "--format", "json")[1])) == 3
