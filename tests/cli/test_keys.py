"""`gateway keys`"""

import json

import pytest
from typer.testing import CliRunner

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
