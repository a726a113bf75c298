"""`gateway spend reconcile`"""

import csv
import io
import json
import time

import msgspec
import pytest
from typer.testing import CliRunner

from gateway.adapters.audit import read
from gateway.adapters.books import Books
from gateway.adapters.ledger_sqlite import _write, connect
from gateway.adapters.spend import Asked, breakdown
from gateway.cli import app
from gateway.core.day import date_of, day_of
from gateway.core.record import Entry

CENT = 10**10
DAY = day_of("2025-11-03")
HEAD = "usage_date_utc,model,token_type,cost_usd\n"
INVOICE = HEAD + "2025-11-03,Claude Haiku 4.5,output,0.05\n2025-11-04,Claude Haiku 4.5,output,0.03\n"


def entry(request: str, cost: int, day: int, **more: object) -> Entry:
    blank = {
        field.name: {str: "x", int: 1, float: 0.0}.get(field.type, "settled") for field in msgspec.structs.fields(Entry)
    }
    of_call = {
        "provider": "anthropic",
        "model": "claude-haiku-4-5-20251001",
        "backend": "haiku",
        "time": day * 86_400 + 5.0,
    }
    return Entry(
        **{
            **blank,
            "request_id": request,
            "cost_pico_usd": cost,
            "usage_source": "reported",
            "final": -1,
            **of_call,
            **more,
        }
    )


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".gateway").mkdir()
    db = connect(tmp_path / ".gateway" / "ledger.sqlite")
    _write(
        db,
        [
            entry("r1", 5 * CENT, DAY),
            entry("r2", 2 * CENT, DAY + 1),
            entry("r3", 7 * CENT, DAY + 1, state="uncertain"),
            entry("r4", 9 * CENT, DAY + 1, provider="openai"),
            entry("r5", 9 * CENT, DAY + 2),
        ],
    )
    db.close()

    def call(text: str, *arguments: str, name="nov.csv"):
        (tmp_path / name).write_text(text)
        result = CliRunner().invoke(app, ["spend", "reconcile", name, *arguments])
        return result.exit_code, result.stdout, result.stderr

    return call


def write(directory, *entries):
    db = connect(directory / ".gateway" / "ledger.sqlite")
    _write(db, entries)
    db.close()


def total(directory):
    return sum(line.cost_pico_usd for line in breakdown(Books(directory / ".gateway"), ["provider"], Asked(0.0)))


def test_both_books_in_a_table(run):
    code, out, _ = run(INVOICE)
    lines = out.splitlines()
    assert code == 1
    assert lines[0] == "anthropic, 2025-11-03 to 2025-11-04"
    assert [line.split() for line in lines[4:7]] == [
        ["2025-11-03", "claude-haiku-4-5-20251001", "0.05", "0.05", "0", "0", "0.05", "0", "match"],
        ["2025-11-04", "claude-haiku-4-5-20251001", "0.09", "0.02", "0", "0.07", "0.03", "-0.06", "ours", "higher"],
        ["total", "0.14", "0.07", "0", "0.07", "0.08", "-0.06", "ours", "higher"],
    ]
    assert lines[-1] == "1 of 2 differ by more than 0.5%"


def test_books_that_match_are_exit_code_0(run):
    assert run(HEAD + "2025-11-03,Claude Haiku 4.5,output,0.0501\n")[0] == 0
    assert run(HEAD + "2025-11-03,Claude Haiku 4.5,output,0.0501\n", "--tolerance", "0.1%")[0] == 1
    assert run(INVOICE, "--tolerance", "67 %")[0] == 0


def test_for_programs(run):
    found = json.loads(run(INVOICE, "--format", "json")[1])
    assert {name: found[name] for name in ("provider", "from", "to", "booked")} == {
        "provider": "anthropic",
        "from": "2025-11-03",
        "to": "2025-11-04",
        "booked": None,
    }
    assert found["lines"][1]["difference_pico_usd"] == -6 * CENT
    assert found["total"]["verdict"] == "ours higher"
    rows = list(csv.DictReader(io.StringIO(run(INVOICE, "--format", "csv")[1])))
    assert [(row["day"], row["theirs_pico_usd"]) for row in rows] == [
        ("2025-11-03", str(5 * CENT)),
        ("2025-11-04", str(3 * CENT)),
    ]


def test_once_booked_the_ledger_is_the_invoice(run, tmp_path):
    before = total(tmp_path)
    code, out, _ = run(INVOICE, "--book")
    assert (code, out.splitlines()[-1]) == (1, "booked 1 correcting entries")
    assert total(tmp_path) == before - 6 * CENT
    code, out, _ = run(INVOICE, "--book")
    assert (code, out.splitlines()[-1]) == (0, "booked 0 correcting entries")
    assert total(tmp_path) == before - 6 * CENT
    assert "corrected USD" in out
    assert [(r.act, r.object, r.outcome, r.detail) for r in read(tmp_path / ".gateway")] == [
        ("spend_booked", "anthropic", outcome, "2025-11-03 to 2025-11-04")
        for count in (1, 0)
        for outcome in ("begun", f"booked {count} correcting entries")
    ]


def test_what_cannot_be_noted_is_not_booked(run, tmp_path):
    before = total(tmp_path)
    (tmp_path / ".gateway" / "audit.jsonl").mkdir()
    code, _, error = run(INVOICE, "--book")
    assert (code, "not done: it cannot be noted" in error, total(tmp_path)) == (2, True, before)


def test_what_comes_to_the_ledger_after_booking_is_not_lost(run, tmp_path):
    """The same file books what is left, also where the sum is again what it was."""
    run(INVOICE, "--book")
    for request in ("late", "as late"):
        before = total(tmp_path)
        write(tmp_path, entry(request, CENT, DAY + 1))
        code, out, _ = run(INVOICE, "--book")
        assert (code, out.splitlines()[-1], total(tmp_path)) == (1, "booked 1 correcting entries", before)


def test_what_another_file_has_undone_needs_an_export_of_its_own(run, tmp_path):
    before = total(tmp_path)
    run(INVOICE, "--book")
    run(INVOICE.replace("0.03", "0.09"), "--book", name="wrong.csv")
    code, out, _ = run(INVOICE, "--book")
    assert (code, total(tmp_path)) == (1, before)
    assert "1 were booked before, from this file and for the same sums of ours, and stay as they are; export it" in out
    run(INVOICE + "\n", "--book", name="again.csv")
    assert total(tmp_path) == before - 6 * CENT


def test_an_invoice_of_a_provider_without_calls_is_not_booked(run, tmp_path):
    """A correction is no call."""
    before = total(tmp_path)
    table = "date,model,cost_usd\n2025-11-03,m,5\n"
    write(tmp_path, entry("cor", 0, DAY, state="corrected", provider="Anthropic"))
    for name in ("Anthropic", "openai"):
        code, _, error = run(table, "--book", "--provider", name)
        assert (code, total(tmp_path)) == (2, before)
        assert f"no call of `{name}` from 2025-11-03 to 2025-11-03. It has calls of: anthropic; name one" in error


def test_whether_corrections_were_booked_may_be_unknown(run, tmp_path):
    db = connect(tmp_path / ".gateway" / "ledger.sqlite")
    db.execute("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
    db.close()
    code, _, error = run(INVOICE, "--book")
    said = "it is unknown whether the corrections were booked: disk is full; run it again, which is safe: "
    assert (code, error.startswith(said)) == (2, True), error


def test_corrections_are_in_spend(run):
    run(INVOICE, "--book")
    arguments = ["spend", "--since", "2025-11-01", "--by", "team", "--where", "provider=anthropic", "--format", "json"]
    rows = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert {row["team"]: (row["requests"], row["cost_pico_usd"]) for row in rows} == {
        "x": (4, 23 * CENT),
        "(correction)": (0, -6 * CENT),
    }


def test_today_is_not_booked(run, tmp_path):
    today = date_of(int(time.time() // 86_400))
    write(tmp_path, entry("now", CENT, day_of(today)))
    before = total(tmp_path)
    code, out, _ = run(HEAD + f"{today},Claude Haiku 4.5,output,0.05\n", "--book")
    assert (code, total(tmp_path)) == (1, before)
    assert out.splitlines()[-1].startswith("booked 0 correcting entries; 1 are of a day that is not over")


def test_tokens_are_compared_where_there_are_no_costs(run):
    text = "date,provider,model,input_tokens,output_tokens\n2025-11-03,anthropic,claude-haiku-4-5,5,3\n"
    code, out, _ = run(text)
    assert (code, out.splitlines()[4].split()[2:]) == (0, ["8", "8", "0", "match"])
    code, _, error = run(text, "--book")
    assert (code, "has tokens and no costs" in error) == (2, True)


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("a,b\n1,2\n", [], "nov.csv: no known export has these columns: a, b\nwanted are those of one of:\n  openai, costs"),
        ("a\x1b[31m,b\n1,2\n", [], "a\N{REPLACEMENT CHARACTER}[31m"),
        (INVOICE, ["missing.csv"], "cannot read missing.csv: No such file"),
        (INVOICE, ["nov.csv"], "the same file is given twice"),
        (INVOICE, ["--tolerance", "1"], "cannot read --tolerance 1"),
        (INVOICE, ["--book", "--state-dir", "nowhere"], "no state directory at nowhere"),
        (INVOICE, ["--state-dir", "nowhere"], "no state directory at nowhere"),
    ],
)  # fmt: skip
def test_bad_input_is_exit_code_2(run, text, arguments, said):
    code, _, error = run(text, *arguments)
    assert (code, said in error) == (2, True), error


def test_without_a_ledger_all_is_theirs(run, tmp_path):
    (tmp_path / "new").mkdir()
    code, out, _ = run(INVOICE, "--state-dir", "new")
    assert (code, out.count("only theirs")) == (1, 2)
