"""`gateway prices verify`"""

import csv
import io
import json

import pytest
from support import price_data

from gateway.cli.prices.verify import OLD_DAYS


def test_who_disagrees_who_is_unknown_and_what_is_old(run):
    code, out, _ = run("verify")
    assert (code, out.splitlines()) == (
        1,
        [
            "rising (openai): cache_read: 2, but 0.2 by genai-prices",
            "rising (openai) from 2026-12-01 on: input: 2, but 3 by genai-prices",
            "not known to genai-prices 9.9.9: mine",
            f"not looked at for more than {OLD_DAYS} days: rising",
            "1 of 3 models agree with genai-prices 9.9.9",
        ],
    )


def test_what_agrees_is_fine(run):
    run.write(run.file.read_text().replace("rising:\n    - {input: 2,", "rising:\n    - {input: 2, cache_read: 0.2,").replace("from: 2999-01-01, input: 9, output: 9, services: {flex: 0.5}", "from: 2026-12-01, input: 3, output: 12"))  # fmt: skip
    code, out, _ = run("verify")
    assert (code, out.splitlines()[-1]) == (0, "2 of 3 models agree with genai-prices 9.9.9")


def test_json_has_every_figure(run):
    code, out, _ = run("verify", "--format", "json")
    told = json.loads(out)
    assert (code, told["unknown"], told["old"], told["data"]) == (1, ["mine"], ["rising"], "9.9.9")
    assert told["differences"][0] == {
        "model": "rising",
        "provider": "openai",
        "begins": "",
        "difference": {"service": "", "above": 0, "rate": "cache_read", "ours": "2", "theirs": "0.2"},
    }


def test_csv_has_a_row_for_every_figure(run):
    rows = list(csv.DictReader(io.StringIO(run("verify", "--format", "csv")[1])))
    assert [(row["model"], row["from"], row["rate"], row["theirs"]) for row in rows] == [
        ("rising", "", "cache_read", "0.2"),
        ("rising", "2026-12-01", "input", "3"),
    ]


def test_a_service_tier_that_is_missing_is_told_once(run):
    run.write("version: v\nmodels:\n  rich: {input: 4, output: 20, source: s, date: 2999-01-01}\n  plain: {input: 2, output: 12, source: s, date: 2999-01-01}\n  rising: {input: 2, output: 12, source: s, date: 2999-01-01}\n  mine: {input: 2, output: 12, source: s, date: 2999-01-01}\n")  # fmt: skip
    out = run("verify")[1]
    assert out.count("rich (openai): the service tier `flex` is not in the book") == 1


def test_a_day_that_is_none_is_told(run):
    run.write("version: v\nmodels: {m: {input: 1, output: 1, source: s, date: 2026-02-30}}\n")
    code, _, err = run("verify")
    assert (code, "`date`: there is no day 2026-02-30" in err) == (2, True), err


def test_another_file_of_theirs(run, tmp_path):
    (tmp_path / "data.json").write_text(price_data.RAW)
    assert "plain (file): input: 2, but 7 by genai-prices" in run("verify", "--data", str(tmp_path / "data.json"))[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "x.json", "--fetch"], "--data and --fetch exclude each other"),
        (["--data", "x.json"], "cannot read x.json as data of genai-prices"),
    ],
)
def test_what_cannot_be_compared(run, arguments, message):
    code, _, err = run("verify", *arguments)
    assert (code, message in err) == (2, True)
