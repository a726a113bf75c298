"""`gateway keys`"""

import json
import time

import pytest
from typer.testing import CliRunner

from gateway.adapters import audit
from gateway.cli import app


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str):
        result = CliRunner().invoke(app, ["keys", *arguments])
        return result.exit_code, result.stdout, result.stderr

    return call


def test_create_list_revoke(run):
    code, out, _ = run(
        "create",
        "--team",
        "t",
        "--app",
        "a",
        "--project",
        "p",
        "--project",
        "q",
        "--sensitivity",
        "public",
        "--format",
        "json",
    )
    made = json.loads(out)
    assert (code, sorted(made)) == (0, ["id", "key"])
    assert made["key"].startswith("sk-gw-")
    (row,) = json.loads(run("list", "--format", "json")[1])
    assert (row["id"], row["projects"], row["floor"], row["revoked"]) == (made["id"], ["p", "q"], "public", None)
    assert made["key"] not in run("list")[1]
    assert run("revoke", made["id"])[0] == 0
    assert run("revoke", made["id"])[0] == 1
    assert "revoked" in run("list")[1]


def test_what_a_key_may_spend_is_set_before_it_is_made(run, tmp_path):
    limits = ("--budget-usd", "5", "--rpm", "7", "--tpm", "9")
    code, out, _ = run("create", "--team", "t", "--app", "a", *limits, "--state-dir", str(tmp_path), "--format", "json")
    id = json.loads(out)["id"]
    acts = [(each.act, each.object) for each in audit.read(tmp_path)]
    whose = f"key {id}"
    assert (code, acts) == (0, [("budget_set", whose), ("rate_set", whose), ("rate_set", whose), ("key_created", id)])


def test_a_key_is_said_to_be_shown_once(run):
    code, out, _ = run("create", "--team", "t", "--app", "a")
    assert code == 0
    assert "cannot be shown again" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "--team", "t", "--app", "a", "--sensitivity", "secret"], "unknown level `secret`; known: public"),
        (["create", "--team", "t", "--app", "a", "--opaque-as", "low"], "unknown level `low`; known: public"),
        (["create", "--app", "a"], "--team"),
    ],
)
def test_bad_input_is_exit_code_2(run, arguments, said):
    code, _, error = run(*arguments)
    assert code == 2
    assert said in error


@pytest.mark.parametrize(
    ("what", "known"), [("purpose", "bulk, coding"), ("person", "other, us_person")], ids=["purpose", "person"]
)
def test_a_word_is_one_of_the_vocabulary(run, monkeypatch, what, known):
    from support.server import ROOT

    monkeypatch.setenv("GATEWAY_POLICIES", str(ROOT / "routing_policies"))
    code, _, error = run("create", "--team", "t", "--app", "a", f"--{what}", "world-domination")
    assert code == 2
    assert f"unknown {what} world-domination; known (vocabulary.yaml): {known}" in error


def test_a_key_may_say_what_its_attachments_count_as(run):
    run("create", "--team", "t", "--app", "a", "--opaque-as", "internal")
    run("create", "--team", "u", "--app", "a")
    assert [row["opaque_as"] for row in json.loads(run("list", "--format", "json")[1])] == ["internal", None]
    assert "opaque as" in run("list")[1].splitlines()[0]


def test_a_key_may_be_for_a_kind_of_person(run):
    run("create", "--team", "t", "--app", "a", "--person", "us_person")
    run("create", "--team", "u", "--app", "a")
    assert [row["person"] for row in json.loads(run("list", "--format", "json")[1])] == ["us_person", None]
    head, _, first, second = run("list")[1].splitlines()
    at = head.index("person")
    assert (first[at:].startswith("us_person"), second[at:].startswith("us_person")) == (True, False)


def make(run, *more):
    code, out, error = run("create", "--team", "t", "--app", "a", "--format", "json", *more)
    assert code == 0, error
    return json.loads(out)


def row(run, id):
    return next(row for row in json.loads(run("list", "--format", "json")[1]) if row["id"] == id)


def test_a_key_is_for_what_it_was_made_for(run):
    id = make(run)["id"]
    assert (row(run, id)["scopes"], row(run, id)["models"], row(run, id)["expires"]) == (
        ["inference", "models", "usage"], [], None,
    )  # fmt: skip
    id = make(run, "--scope", "metrics", "--scope", "admin:read", "--scope", "metrics", "--models", "m")["id"]
    assert (row(run, id)["scopes"], row(run, id)["models"]) == (["metrics", "admin:read"], ["m"])
    assert "metrics,admin:read" in run("list")[1]


@pytest.mark.parametrize(("written", "end"), [("30d", 30 * 86_400), ("2h", 7200), ("2099-12-31", 4_102_444_800)])
def test_a_key_may_end(run, written, end):
    end += time.time() if end < 4_000_000_000 else 0
    id = make(run, "--expires", written)["id"]
    assert abs(row(run, id)["expires"] - end) < 600
    assert "until " in run("list")[1]


def test_one_that_has_ended_says_so(run):
    make(run, "--expires", "0m")
    assert "expired " in run("list")[1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ["--scope", "admin"],
            "unknown scope admin; known: inference, models, usage, metrics, admin:read, admin:write",
        ),
        (["--expires", "soon"], "cannot read --expires soon"),
        (["--expires", "2020-01-01"], "--expires 2020-01-01 is over"),
    ],
)
def test_what_a_key_cannot_be_is_exit_code_2(run, more, said):
    code, _, error = run("create", "--team", "t", "--app", "a", *more)
    assert code == 2
    assert said in error


def test_a_model_is_one_of_the_catalog(run, monkeypatch):
    from support.server import ROOT

    monkeypatch.setenv("GATEWAY_POLICIES", str(ROOT / "routing_policies"))
    code, _, error = run("create", "--team", "t", "--app", "a", "--models", "gpt-5.6-so1")
    assert code == 2
    assert "no model `gpt-5.6-so1` in the catalog; did you mean `gpt-5.6-sol`?" in error
    assert run("create", "--team", "t", "--app", "a", "--models", "gpt-5.6-sol", "--models", "auto")[0] == 0


def test_rotate_gives_the_same_key_a_new_secret(run):
    made = make(run, "--expires", "1d")
    code, out, _ = run("rotate", made["id"], "--format", "json")
    rotated = json.loads(out)
    assert (code, rotated["id"]) == (0, made["id"])
    assert rotated["key"] != made["key"]
    assert row(run, made["id"])["shown"].endswith(rotated["key"][-4:])
    assert "old secret until " in run("list")[1]
    code, out, _ = run("rotate", made["id"], "--overlap", "0", "--expires", "30d")
    assert code == 0
    assert "is taken no more" in out
    assert row(run, made["id"])["expires"] > time.time() + 29 * 86_400
    assert run("rotate", made["id"], "--overlap", "1y")[0] == 2
    assert run("rotate", "key_none")[0] == 1
    run("revoke", made["id"])
    assert run("rotate", made["id"])[0] == 1


@pytest.mark.assures("threat L1")
def test_names_cannot_steer_the_terminal_of_who_lists_them(run, showed):
    hostile = "a\x1b[2Jb\r\nkey_forged  x\u2028\u202e"
    run("create", "--team", hostile, "--app", hostile)
    out = run("list")[1]
    assert [c for c in out if c != "\n" and (ord(c) < 32 or c in "\u2028\u202e")] == []
    assert len(out.splitlines()) == 3
    showed("a team and an app with ESC, CRLF, U+2028, U+202E", "`keys list`: one line, no control character")
