"""`gateway backends`"""

import json
import shutil

import pytest
from support.server import ROOT
from typer.testing import CliRunner

from gateway.adapters import state
from gateway.cli import app

CATALOG = """\
backends:
  far: {provider: openai, api_key: env:NO_SUCH_KEY, price: {input: 1, output: 1}, status: active, substitute: near}
  near: {provider: vllm, base_url: "http://near/v1", price: {input: 1, output: 1}, status: active, zone: inhouse}
  old: {provider: vllm, base_url: "http://old/v1", status: retired}
"""


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    for folder in ("catalog", "policies"):
        (tree / folder).mkdir(parents=True)
    shutil.copy(ROOT / "routing_policies" / "vocabulary.yaml", tree)
    (tree / "catalog" / "a.yaml").write_text(CATALOG)
    (tree / "policies" / "a.yaml").write_text("policy: p\nowner: o\nrules: [{id: all, permit: {}}]\n")
    return tree


@pytest.fixture
def run(monkeypatch, tmp_path, tree):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_POLICIES", str(tree))
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)

    def call(*arguments: str):
        result = CliRunner().invoke(app, ["backends", *arguments])
        return result.exit_code, result.stdout, result.stderr

    return call


def rows(run):
    return {row["id"]: row for row in json.loads(run("list", "--format", "json")[1])}


def test_suspend_list_resume(run):
    assert rows(run)["far"]["suspension"] is None
    code, out, _ = run("suspend", "far", "--reason", "court order")
    assert (code, out.splitlines()[0]) == (0, "suspended far")
    assert "near answers to its names" in out
    row = rows(run)["far"]
    assert (row["status"], row["suspension"]["reason"]) == ("suspended", "court order")
    assert row["suspension"]["by"].startswith("cli ")
    assert rows(run)["near"]["status"] == "active"
    assert run("resume", "far")[:2] == (0, "resumed far\n")
    assert (rows(run)["far"]["status"], rows(run)["far"]["suspension"]) == ("active", None)


def test_the_table_says_why_a_backend_is_not_offered(run):
    run("suspend", "near", "--reason", "leak")
    lines = {line.split()[0]: line for line in run("list")[1].splitlines()}
    assert "NO_SUCH_KEY is not set" in lines["far"]
    assert "it has no price" in lines["old"]
    assert lines["near"].split()[:5] == ["near", "vllm", "near", "inhouse", "suspended"]
    assert ": leak" in lines["near"]


def test_an_unknown_backend_is_an_error_with_a_suggestion(run):
    code, _, error = run("suspend", "fra")
    assert (code, error) == (2, "no backend `fra` in the catalog; did you mean `far`?\n")
    assert rows(run).keys() == {"far", "near", "old"}


def test_resuming_what_is_not_suspended_is_exit_code_1(run):
    run("suspend", "far")
    code, _, error = run("resume", "fra")
    assert (code, error) == (1, "`fra` is not suspended by order; did you mean `far`?\n")


def test_the_brake_works_while_a_server_holds_the_state_and_while_the_tree_is_broken(run, tree, tmp_path):
    state.claim(tmp_path / ".gateway")
    (tree / "policies" / "a.yaml").write_text("policy: [\n")
    code, out, error = run("suspend", "far")
    assert (code, out) == (0, "suspended far\n")
    assert "was not checked" in error
    assert run("list")[0] == 1
    shutil.rmtree(tree)
    assert run("suspend", "near")[0] == 0
    assert run("list")[0] == 2


def test_a_suspension_of_a_backend_that_has_gone_can_be_seen_and_ended(run, tree):
    run("suspend", "old")
    (tree / "catalog" / "a.yaml").write_text(CATALOG.replace("old:", "older:"))
    assert rows(run)["old"]["not_offered"] == "it is not in the catalog"
    assert run("resume", "old")[0] == 0
    assert "old" not in rows(run)


def test_a_reason_is_not_mistaken_for_a_column(run):
    run("suspend", "far", "--reason", "two\nlines")
    assert len(run("list")[1].splitlines()) == 5
