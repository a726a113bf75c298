"""`gateway audit`"""

import json

import pytest
from typer.testing import CliRunner

from gateway.adapters.audit import NAME, read
from gateway.cli import app


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str):
        result = CliRunner().invoke(app, list(arguments))
        return result.exit_code, result.stdout, result.stderr

    return call


@pytest.fixture
def trail(run, tmp_path):
    """A trail with acts in it: its file, and the id of a key."""
    id = json.loads(run("keys", "create", "--team", "t", "--app", "a", "--format", "json")[1])["id"]
    assert run("budgets", "set", "--team", "t", "--usd", "5")[0] == 0
    assert run("budgets", "set", "--team", "t", "--rpm", "5")[0] == 0
    assert run("budgets", "remove", "--team", "t")[0] == 0
    assert run("keys", "rotate", id)[0] == 0
    assert run("keys", "revoke", id)[0] == 0
    assert run("keys", "revoke", id)[0] == 1
    return tmp_path / ".gateway" / NAME, id


def test_every_act_of_an_operator_is_in_it(trail):
    path, id = trail
    assert [(r.act, r.object, r.outcome, r.detail) for r in read(path.parent)] == [
        ("key_created", id, "done", "t/a: inference, models, usage"),
        ("budget_set", "team t", "done", "5 USD a month"),
        ("rate_set", "team t", "done", "5 requests a minute"),
        ("budget_removed", "team t", "done", "all"),
        ("key_rotated", id, "done", "overlap 86400 s"),
        ("key_revoked", id, "done", ""),
        ("key_revoked", id, "no such key in force", ""),
    ]
    assert {r.actor.split()[0] for r in read(path.parent)} == {"cli"}


def test_show_says_who_did_what_since_when(run, trail):
    code, out, _ = run("audit", "show")
    assert (code, len(out.splitlines())) == (0, 2 + 7)
    assert json.loads(run("audit", "show", "--format", "json", "--since", "1h")[1])[0]["act"] == "key_created"
    assert json.loads(run("audit", "show", "--format", "json", "--since", "0m")[1]) == []
    assert run("audit", "show", "--format", "csv")[1].startswith("number,time,actor,act,object,outcome,detail")
    assert run("audit", "show", "--since", "never")[0] == 2


def test_a_trail_that_nobody_touched_is_whole(run, trail):
    assert run("audit", "verify")[:2] == (0, "whole: 7 acts, 0 batches of decisions\n")
    told = json.loads(run("audit", "verify", "--format", "json")[1])
    assert (told["whole"], told["findings"], told["acts"]["number"]) == (True, [], 7)


def test_one_that_was_changed_says_where(run, trail):
    path, _ = trail
    path.write_text(path.read_text().replace('"object":"team t","outcome":"done","detail":"5 USD', '"object":"team t","outcome":"done","detail":"9 USD'))  # fmt: skip
    code, out, _ = run("audit", "verify")
    assert code == 1
    assert out.splitlines()[0].startswith("audit.jsonl:2 changed: ")
    assert out.splitlines()[-1].startswith("BROKEN")
    code, out, _ = run("audit", "verify", "--format", "json")
    assert code == 1
    assert [(f["file"], f["line"], f["kind"]) for f in json.loads(out)["findings"]] == [("audit.jsonl", 2, "changed")]
    code, out, error = run("audit", "head")
    assert (code, out) == (1, "")
    assert "broken" in error


def test_what_was_cut_off_shows_by_a_pinned_head(run, trail):
    path, _ = trail
    head = json.loads(run("audit", "head", "--format", "json")[1])["acts"]
    assert head["number"] == 7
    assert f"acts       7 {head['digest']}" in run("audit", "head")[1]
    assert run("keys", "create", "--team", "t", "--app", "a")[0] == 0
    assert run("audit", "verify", "--head", head["digest"])[0] == 0  # what came later breaks nothing
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    assert run("audit", "verify")[0] == 0
    code, out, _ = run("audit", "verify", "--head", head["digest"])
    assert code == 1
    assert out.startswith("audit.jsonl truncated: ")


def test_a_torn_end_is_told_and_no_break(run, trail):
    path, _ = trail
    path.write_bytes(path.read_bytes()[:-10])
    code, out, _ = run("audit", "verify")
    assert code == 0
    assert out.startswith("audit.jsonl:7 torn: ")
    assert run("keys", "create", "--team", "t", "--app", "a")[0] == 0
    assert run("audit", "verify")[0] == 0


@pytest.mark.parametrize("arguments", [["audit", "verify"], ["audit", "show"], ["audit", "head"]])
def test_without_a_trail_nothing_can_be_said(run, arguments):
    code, _, error = run(*arguments)
    assert code == 2
    assert "no audit trail in .gateway" in error


def test_a_head_that_is_none_is_refused(run, trail):
    code, _, error = run("audit", "verify", "--head", "abc")
    assert code == 2
    assert "cannot read --head abc" in error


@pytest.mark.parametrize("why", ["a folder is there", "the disk is full"])
def test_what_cannot_be_noted_is_not_done(run, trail, why):
    path, _ = trail
    path.unlink()
    if why == "the disk is full":
        path.symlink_to("/dev/full")
    else:
        path.mkdir()
    before = run("keys", "list", "--format", "json"), run("budgets", "list", "--format", "json")
    for arguments in (
        ["keys", "create", "--team", "t", "--app", "a"],
        ["keys", "revoke", "key_1"],
        ["keys", "rotate", "key_1"],
        ["budgets", "set", "--team", "t", "--usd", "5"],
        ["budgets", "remove", "--team", "t"],
        ["backends", "suspend", "x"],
    ):
        code, out, error = run(*arguments)
        assert (code, out) == (2, "")
        assert "not done: it cannot be noted in the audit trail" in error
    assert (run("keys", "list", "--format", "json"), run("budgets", "list", "--format", "json")) == before
    assert len(json.loads(before[0][1])) == 1
