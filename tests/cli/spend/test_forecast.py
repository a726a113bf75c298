"""`gateway spend forecast`"""

import csv
import io
import json
import time

import msgspec
import pytest
from support.policy_commands import small_tree
from typer.testing import CliRunner

from gateway.adapters.ledger_sqlite import _write, connect
from gateway.cli import app
from gateway.core.record import Entry

USD = 10**12
LIMITS = """\
policy: spend
owner: finance
mode: shadow
rules:
  - id: a-month
    why: A budget.
    limit: {usd: 1000, per: organisation, window: month}
"""
MORE = """\
policy: spend-in-force
owner: finance
rules:
  - id: a-week
    why: A budget.
    limit: {usd: 50, per: team, window: 7d}
  - id: shares
    why: A share.
    limit: {share: 0.5, of: spend, by: provider, window: 7d, min_sample_usd: 10, then: deny}
"""


def entry(request: str, cost: int, **more: object) -> Entry:
    blank = {
        field.name: {str: "x", int: 1, float: 0.0}.get(field.type, "settled") for field in msgspec.structs.fields(Entry)
    }
    return Entry(
        **{**blank, "request_id": request, "cost_pico_usd": cost, "usage_source": "reported", "final": -1, **more}
    )


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_POLICIES", str(tmp_path / "tree"))
    small_tree(tmp_path / "tree")
    (tmp_path / "tree" / "policies" / "spend.yaml").write_text(LIMITS)
    (tmp_path / "tree" / "policies" / "spend-in-force.yaml").write_text(MORE)

    def call(*arguments: str, rows=()):
        (tmp_path / ".gateway").mkdir(exist_ok=True)
        db = connect(tmp_path / ".gateway" / "ledger.sqlite")
        _write(db, list(rows))
        db.close()
        result = CliRunner().invoke(app, ["spend", "forecast", *arguments])
        return result.exit_code, result.stdout, result.stderr

    return call


def ten_a_day(days):
    return [
        entry(f"r{at}", 10 * USD, team="red", provider="openai", time=time.time() - at * 86_400)
        for at in range(1, days + 1)
    ]


def test_nothing_was_spent(run):
    code, out, _ = run()
    assert code == 0
    assert "too few days for a range; from: no spending yet" in out
    assert [line.split()[:2] for line in out.splitlines()[5:]] == [["a-month#1", "everyone"]]


def test_a_table_says_what_lasts(run):
    code, out, _ = run(rows=ten_a_day(5))
    rows = {line.split()[0]: line for line in out.splitlines()[5:]}
    assert code == 0
    assert "from: mean of the last 7 days with spending" in out
    assert rows["a-month#1"].split()[-2:] == ["lasts", "watched"]
    assert "team red" in rows["a-week#1"]
    assert "rolls, 7d" in rows["a-week#1"]
    assert "100%" in rows["a-week#1"]
    assert rows["a-week#1"].split()[-3:] == ["used", "up", "enforced"]
    assert rows["shares#1"].split()[-4:] == ["none:", "a", "share", "enforced"]


def test_all_of_it_for_programs(run):
    found = json.loads(run("--format", "json", rows=ten_a_day(20))[1])
    month, limits = found["month"], {each["limit"]: each for each in found["limits"]}
    assert month["method"] == "mean of each weekday over the last 8 weeks"
    assert month["low_pico_usd"] <= month["end_pico_usd"] <= month["high_pico_usd"]
    assert month["window"]["end"] > time.time()
    assert limits["a-week#1"]["spent_pico_usd"] in {60 * USD, 70 * USD}
    assert (limits["a-week#1"]["value"], limits["a-week#1"]["runway_days"]) == ("red", 0.0)
    assert limits["shares#1"]["ceiling_pico_usd"] == limits["a-week#1"]["spent_pico_usd"] // 2
    assert (limits["a-month#1"]["value"], limits["a-month#1"]["enforced"]) == ("(all)", False)


def test_the_limits_as_a_table_of_other_programs(run):
    rows = ten_a_day(20)
    found = list(csv.DictReader(io.StringIO(run("--format", "csv", rows=rows)[1])))
    told = json.loads(run("--format", "json")[1])["limits"]
    assert [each["limit"] for each in found] == [each["limit"] for each in told]
    assert [int(each["spent_pico_usd"]) for each in found] == [each["spent_pico_usd"] for each in told]
    assert list(found[0]) == list(told[0])


def test_many_accounts_are_cut_short(run):
    rows = [entry(f"r{at}", USD, team=f"t{at}", time=time.time() - 86_400) for at in range(50)]
    assert run(rows=rows)[1].splitlines()[-1] == "and 12 more; --format json or csv has all"


def test_without_a_tree_it_cannot_run(run, monkeypatch):
    monkeypatch.setenv("GATEWAY_POLICIES", "nowhere")
    assert run()[0] == 2
