"""`gateway prices update`"""

import difflib
import sys

import pytest
from support import price_data

from gateway.policy.prices import prices
from gateway.policy.tree import Tree


def changed(before, after):
    """The lines that are other ones now."""
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


def read(run):
    return run.file.read_text()


def test_rows_of_genai_prices_follow_it(run, today):
    run.write(read(run).replace("{input: 2, output: 12, cache_read: 0.2, source: genai-prices 9.9.9", "{input: 1, output: 12, source: genai-prices 9.9.8"))  # fmt: skip
    before = read(run)
    code, out, err = run("update")
    assert (code, err) == (0, "")
    assert changed(before, read(run)) == [
        '- version: "2026-01-01"',
        f'+ version: "{today}"',
        f"-   plain: {{input: 1, output: 12, source: genai-prices 9.9.8, date: {today}}} # fine",
        f"+   plain: {{input: 2, output: 12, cache_read: 0.2, source: genai-prices 9.9.9, date: {today}}} # fine",
    ]
    assert [line for line in out.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")] == [
        line[0] + line[2:] for line in changed(before, read(run))
    ]


def test_what_is_as_it_should_be_is_left_alone(run):
    before = read(run)
    assert run("update") == (0, "nothing to change: the price book is as genai-prices 9.9.9 has it\n", "")
    assert read(run) == before


def test_rows_of_others_only_when_they_are_named(run, today):
    before = read(run)
    code, _, err = run("update", "rising")
    assert (code, err) == (0, "rising: another price from 2026-12-01 on; add a row with `from: 2026-12-01`\n")
    assert changed(before, read(run))[2:] == [
        "-     - {input: 2, output: 12, source: a list, date: 2026-01-01}",
        f"+     - {{input: 2, output: 12, cache_read: 0.2, source: genai-prices 9.9.9, date: {today}}}",
    ]


def test_a_model_that_they_do_not_know_stays(run):
    before = read(run)
    assert run("update", "mine")[0] == 0
    assert read(run) == before


def test_a_second_change_on_a_day_has_a_version_of_its_own(run, today):
    """Rows in the ledger name the version: no two states of the file share one."""
    for expected in (today, f"{today}.2", f"{today}.3"):
        run.write(read(run).replace("input: 2, output: 12, cache_read: 0.2", "input: 1, output: 12, cache_read: 0.2"))
        run("update")
        assert f'version: "{expected}"' in read(run)


def test_newer_data_that_says_the_same_says_when(run, tmp_path, today):
    run.write(read(run).replace(f"source: genai-prices 9.9.9, date: {today}", "source: genai-prices 9.9.8, date: 2026-01-01"))  # fmt: skip
    run("update")
    assert f"source: genai-prices 9.9.9, date: {today}" in read(run)


def test_the_newest_from_the_network(run):
    assert run("update", "--fetch")[0] == 0
    assert "plain: {input: 5, output: 6, cache_read: 0.2, source" in read(run)


def test_what_a_row_comes_to_is_what_is_published(run):
    run.write('version: "1"\nmodels:\n  rich: {input: 1, output: 1, source: genai-prices, date: 2026-01-01}\n  plain: {input: 2, output: 12, source: s, date: 2026-01-01}\n  rising: {input: 2, output: 12, source: s, date: 2026-01-01}\n  mine: {input: 2, output: 12, source: s, date: 2026-01-01}\n')  # fmt: skip
    run("update")
    book, _ = prices(Tree({"prices.yaml": run.file.read_bytes()}, {}, {}), "2026-12-31")
    rich = book["rich"]
    assert (rich.rates.input, rich.at(101).input, rich.rates.cache_write_long) == (4_000_000, 8_000_000, 8_000_000)
    assert (rich.services["flex"].rates.input, rich.services["flex"].at(101).output) == (2_000_000, 15_000_000)
    assert "rich (openai): " not in run("verify")[1]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("shared", "shared: openai, other do not agree; left as it is"),
        ("fine", "fine: its price has more than 6 decimals; left as it is"),
    ],
)
def test_what_cannot_be_written_is_told(run, model, message):
    run.write(f"{read(run)}  {model}: {{input: 2, output: 12, source: genai-prices 9.9.8, date: 2026-01-01}}\n")
    (run.directory / "catalog" / "b.yaml").write_text(
        f"backends:\n  b1: {{provider: openai, price: book, model: {model}}}\n"
        f"  b2: {{provider: openai, base_url: 'https://other/v1', price: book, model: {model}}}\n"
    )
    before = read(run)
    code, _, err = run("update")
    assert (code, message in err, read(run)) == (0, True, before)


def test_the_further_catalog_is_part_of_the_tree(run, monkeypatch, tmp_path):
    """Rules may name backends that stand only there."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.yaml").write_text("backends: {found: {provider: openai}}\n")
    (run.directory / "policies").mkdir(exist_ok=True)
    limit = "{usd: 1, per: key, window: day, then: [{downgrade: found}, deny]}"
    (run.directory / "policies" / "p.yaml").write_text(f"policy: p\nowner: o\nrules: [{{id: r, limit: {limit}}}]\n")
    monkeypatch.setenv("GATEWAY_EXTRA_CATALOG", str(tmp_path / "more"))
    run.write(read(run).replace("input: 2, output: 12, cache_read: 0.2", "input: 1, output: 12, cache_read: 0.2"))
    assert run("update")[0] == 0
    assert "plain: {input: 2" in read(run)


def test_a_file_that_would_not_load_is_not_written(run, monkeypatch):
    run.write(read(run).replace("cache_read: 0.2, source: genai", "cache_read: 0.2, services: {odd: 0.00001}, source: genai").replace("{input: 2,", "{input: 1,"))  # fmt: skip
    monkeypatch.setattr(sys.modules["genai_prices"], "data_snapshot", _Cheap)
    before = read(run)
    code, _, err = run("update")
    assert (code, "nothing was written, since the tree would not load" in err, read(run)) == (2, True, before)


class _Cheap:
    @staticmethod
    def get_snapshot():
        model = price_data.Model("plain", (None, price_data.price(input="0.25", output="12")))
        return price_data.Snapshot([price_data.Provider("openai", ".", model)])


def test_a_name_that_is_not_in_the_book(run):
    assert run("update", "plan")[::2] == (2, "the price book has no model `plan`; did you mean `plain`?\n")


def test_a_file_that_cannot_be_written(run):
    run.write(read(run).replace("input: 2, output: 12, cache_read: 0.2", "input: 1, output: 12, cache_read: 0.2"))
    run.directory.chmod(0o500)
    code, _, err = run("update")
    run.directory.chmod(0o700)
    if code:  # who runs this as root can write anywhere
        assert "cannot write" in err
