"""`gateway prices list`"""

import csv
import io
import json

import pytest


def test_every_price_in_force_and_each_that_will_be(run):
    code, out, _ = run("list", "--format", "json")
    assert code == 0
    lines = {(line["model"], line["begins"]): line for line in json.loads(out)["prices"]}
    assert [*lines] == [
        ("plain", ""),
        ("rising", ""),
        ("rising", "2999-01-01"),
        ("mine", ""),
        ("own", ""),
        ("spare", ""),
        ("written", ""),
    ]
    assert lines["plain", ""]["rates"]["cache_read"] == "0.2"
    assert lines["plain", ""]["source"] == "genai-prices 9.9.9"
    assert lines["rising", "2999-01-01"]["services"]["flex"]["input"] == "4.5"
    assert lines["rising", "2999-01-01"]["version"] == "2026-01-01:rising@2999-01-01"
    assert lines["mine", ""]["tiers"]["9"]["output"] == "2"
    assert (lines["own", ""]["source"], lines["own", ""]["version"]) == ("CMDB-1", "catalog:own")


@pytest.mark.parametrize(
    ("backend", "marginal", "loaded", "utilisation", "against", "tokens"),
    [
        # 86.4 USD a day, against (3 x 2 + 12) / 4 USD per million
        ("own", "1", "2", "0.5", "plain", 19_200_000),
        ("spare", "10000", "10000", "", "", None),
    ],
)
def test_a_machine_stands_beside_the_cheapest_that_shares_a_name(run, backend, marginal, loaded, utilisation, against, tokens):  # fmt: skip
    machines = {each["backend"]: each for each in json.loads(run("list", "--format", "json")[1])["machines"]}
    assert machines[backend] == {
        "backend": backend,
        "marginal": marginal,
        "fully_loaded": loaded,
        "utilisation": utilisation,
        "against": against,
        "tokens_per_day": tokens,
    }


def test_or_beside_the_one_that_is_named(run):
    machines = json.loads(run("list", "--format", "json", "--break-even", "mine")[1])["machines"]
    # 86.4 against (3 x 0.5 + 1) / 4 is more than it serves at 1000 a second: 86,400,000
    assert [(each["against"], each["tokens_per_day"]) for each in machines] == [("mine", None), ("mine", None)]


def test_the_table_says_it_in_words(run):
    out = run("list")[1]
    rows = {line.split("  ")[0]: line for line in out.splitlines() if line}
    assert rows["mine"].split() == "mine 0.5 1 0.5 1 (3 for an hour) above 9: 1/2 - a contract".split() + rows["mine"].split()[-1:]  # fmt: skip
    assert "flex: 4.5/4.5" in rows["rising from 2999-01-01"]
    assert "19,200,000" in out
    assert "--break-even MODEL names what to compare with" in out
    assert "never" in run("list", "--break-even", "mine")[1]


def test_csv_has_every_rate(run):
    rows = list(csv.DictReader(io.StringIO(run("list", "--format", "csv")[1])))
    assert (rows[0]["model"], rows[0]["cache_read"], rows[0]["audio_output"]) == ("plain", "0.2", "12")
    assert rows[3]["tiers"] == "above 9: 1/2"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--break-even", "plan"], 2, "the price book has no model `plan`; did you mean `plain`?"),
        (["--policies", "nowhere"], 2, "no policy directory at nowhere"),
    ],
)
def test_what_cannot_be_listed(run, arguments, code, message):
    found = run("list", *arguments) if "--policies" not in arguments else _elsewhere(run, arguments)
    assert found[0] == code
    assert message in found[2]


def _elsewhere(run, arguments):
    run.directory = arguments[1]
    return run("list")


def test_a_tree_that_does_not_load_says_why(run):
    run.write("version: v\nmodels: {m: {inptu: 1}}\n")
    for command in ("list", "verify"):
        code, _, err = run(command)
        assert (code, "unknown field `inptu`; did you mean `input`?" in err) == (2, True)
