"""`gateway spend`"""

import csv
import io
import json
import re
import time
from pathlib import Path

import msgspec
import pytest
from support.policy_commands import small_tree
from typer.testing import CliRunner

from gateway.adapters.ledger_sqlite import _write, connect
from gateway.adapters.spend import BY
from gateway.cli import app
from gateway.cli.common import Format, print_rows
from gateway.core.day import day_of
from gateway.core.record import Entry
from gateway.core.usage import BUCKETS


def entry(request: str, cost: int, **more: object) -> Entry:
    blank = {
        field.name: {str: "x", int: 1, float: time.time()}.get(field.type, "settled")
        for field in msgspec.structs.fields(Entry)
    }
    return Entry(
        **{**blank, "request_id": request, "cost_pico_usd": cost, "usage_source": "reported", "final": -1, **more}
    )


ROWS = [entry("r1", 1_500_000_000_000, team="=cmd()"), entry("r2", 5, team="blue"), entry("old", 9, time=1.0)]
NOV = day_of("2025-11-03") * 86_400.0  # a Monday
USED = {**dict.fromkeys(BUCKETS, 0), "input_uncached": 1000, "output": 100}  # 1200 on home, 600 on far, in millionths
OLD = [
    entry("s1", 600_000_000, team="red", requested="home", backend="far", time=NOV, outcome="complete", **USED),
    entry("s2", 200_000_000, team="red", requested="auto", backend="far", time=NOV + 3 * 86_400, outcome="complete",
          usage_source="estimated", **USED),
    entry("s3", 100_000_000, team="red", requested="far", backend="home", time=NOV + 3 * 86_400, outcome="failed",
          **dict.fromkeys(BUCKETS, 0)),
    entry("s3", 600_000_000, hop=2, team="red", requested="far", backend="far", time=NOV + 3 * 86_400,
          outcome="complete", **USED),
]  # fmt: skip
OF_OLD = ("--since", "2025-11-01", "--until", "2025-11-30")


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_POLICIES", str(tmp_path / "tree"))
    small_tree(tmp_path / "tree")
    (tmp_path / ".gateway").mkdir()
    db = connect(tmp_path / ".gateway" / "ledger.sqlite")
    _write(db, [*ROWS, *OLD])
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
        (["--until", "2026-02-30"], "cannot read --until 2026-02-30"),
        (["--since", "2026-11-02", "--until", "2026-11-01"], "--until is not after --since"),
        (["--where", "team"], "cannot read --where team; write dimension=value"),
        (["--where", "colour=red"], "cannot read --where colour=red"),
        (["--chart", "--format", "json"], "--chart draws spend for a terminal"),
        (["--chart", "--savings"], "--chart draws spend for a terminal"),
        (["--baseline", "home"], "--baseline goes with --savings"),
        (["--savings", "--baseline", "odd"], "no priced model `odd` in the catalog; known: requested, far, home"),
        (["--by", "team", "forecast"], "write options after `forecast`"),
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
    assert len(json.loads(run("--since", "5000w", "--by", "request", "--format", "json")[1])) == 6


def test_a_date_that_ends_a_period_is_in_it(run):
    def requests(since, until):
        found = json.loads(run("--by", "request", "--since", since, "--until", until, "--format", "json")[1])
        return [row["request_id"] for row in found]

    assert requests("2025-11-03", "2025-11-06") == ["s1", "s2", "s3"]
    assert requests("2025-11-03", "2025-11-05") == ["s1"]
    assert requests("2025-11-04", "2025-11-06") == ["s2", "s3"]


def test_a_part_of_it(run):
    def cost(*where):
        found = json.loads(run("--by", "", *OF_OLD, *(f"--where={each}" for each in where), "--format", "json")[1])
        return sum(row["cost_pico_usd"] for row in found)

    assert cost() == 1_500_000_000
    assert cost("team=red", "model=home") == 100_000_000
    assert cost("model=home", "model=far") == 1_500_000_000
    assert cost("team=blue") == 0


def test_the_table_says_how_much_is_measured(run):
    out = run("--by", "day", *OF_OLD)[1].splitlines()
    assert [line.split()[:2] for line in out[2:4]] == [["2025-11-03", "1"], ["2025-11-06", "2"]]
    assert out[-2:] == ["measured 86.6 % (reported by providers)", "total 0.0015 USD"]


def test_nothing_spent_is_no_share(run):
    assert run("--since", "2025-01-01", "--until", "2025-01-02")[1].splitlines()[-2:] == ["", "total 0 USD"]


def test_a_chart_of_days_fits_a_pipe(run):
    lines = run("--by", "day", *OF_OLD, "--chart")[1].splitlines()
    assert [line[:10] for line in lines[:4]] == ["2025-11-03", "2025-11-04", "2025-11-05", "2025-11-06"]
    assert [len(line) for line in lines[:4]] == [len(lines[0]), len(lines[1]), len(lines[1]), 80]
    assert lines[3].endswith("█")
    assert lines[1].endswith("0.0000")


def test_a_chart_of_groups(run):
    lines = run("--by", "team,model", *OF_OLD, "--chart")[1].splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["red", "far"], ["red", "home"]]


def test_every_dimension_is_documented():
    said = (Path(__file__).parents[3] / "docs" / "spend.md").read_text()
    assert [name for name in BY if not re.search(rf"`[a-z, \n]*\b{name}\b[a-z, \n]*`", said)] == []


def test_savings_against_what_was_asked_for(run):
    """s1 asked for home and got far; s3 asked for far and also paid for a call to home that failed."""
    out = run("--savings", "--by", "team", *OF_OLD)[1].splitlines()
    assert out[2].split() == ["red", "2", "0.0013", "0.0018", "0.0006", "0.0001", "0.0005"]
    assert out[-2:] == [
        "left out: 1 requests that named no priced model (an alias, or `auto`); see --baseline",
        "saved 0.0006, lost 0.0001, net 0.0005 USD",
    ]


def test_savings_against_one_model(run):
    found = json.loads(run("--savings", "--baseline", "far", "--by", "team", *OF_OLD, "--format", "json")[1])
    line = {"requests": 3, "cost_pico_usd": 1_500_000_000, "baseline_pico_usd": 1_800_000_000}
    signed = {"saved_pico_usd": 400_000_000, "lost_pico_usd": 100_000_000, "net_pico_usd": 300_000_000}
    assert found == {"lines": [{"team": "red", **line, **signed}], "left_out": {"unnamed": 0, "unknown": 0}}


def test_a_mistyped_state_directory_is_no_empty_ledger(run, tmp_path):
    assert run("--state-dir", "nowhere")[0] == 2
    assert not (tmp_path / "nowhere").exists()


def test_savings_as_csv(run):
    rows = list(csv.DictReader(io.StringIO(run("--savings", "--by", "day", *OF_OLD, "--format", "csv")[1])))
    assert [(row["day"], row["net_pico_usd"]) for row in rows] == [
        ("2025-11-03", "600000000"),
        ("2025-11-06", "-100000000"),
    ]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("", ""),
        ("-1.25", "-1.25"),
        ("-12", "-12"),
        ("-1+1", "'-1+1"),
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("@x", "'@x"),
        (5, 5),
    ],
)
def test_a_cell_of_csv_is_guarded_where_it_would_run(capsys, value, cell):
    print_rows([{"a": value, "b": "x"}], ["a", "b"], Format.csv)
    assert capsys.readouterr().out == f"a,b\r\n{cell},x\r\n"
