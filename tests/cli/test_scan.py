"""`gateway scan`"""

import json

import pytest
from typer.testing import CliRunner

from gateway.cli import app

KEY = "ghp_" + "q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i"
MAIL = "bob.miller@example.org"


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, given: str | bytes | None = None):
        result = CliRunner().invoke(app, ["scan", *arguments], input=given)
        return result.exit_code, result.stdout, result.stderr

    return call


def test_what_is_found_is_told_with_its_place_and_never_the_text(run, tmp_path):
    (tmp_path / "note.txt").write_text(f"Hello,\nwrite to {MAIL}\nor use {KEY} .\n")
    code, out, _ = run("note.txt")
    assert code == 1
    assert [line.split()[:2] for line in out.splitlines()[2:4]] == [["2:10+22", "email"], ["3:8+40", "secret"]]
    assert out.endswith("label restricted, tags pii, secret\n")
    assert KEY not in out
    assert MAIL not in out


def test_nothing_found_is_fine(run):
    assert run("-", given="The weather is nice.") == (0, "label public\n", "")


def test_a_request_body_is_walked(run):
    body = {"model": "auto", "messages": [{"role": "user", "content": [{"type": "text", "text": f"mail {MAIL}"}]}]}
    code, out, _ = run("-", "--format", "json", given=json.dumps(body))
    said = json.loads(out)
    assert (code, said["label"], said["tags"], said["opaque"]) == (1, "confidential", ["pii"], False)
    (finding,) = said["findings"]
    assert finding == {
        "where": "messages[0].content[0].text 1:6+22",
        "kind": "email",
        "level": "confidential",
        "tag": "pii",
        "detector": "contact.email",
        "read as": "plain",
    }


def test_how_a_text_had_to_be_read_is_told(run):
    code, out, _ = run("-", "--format", "json", given=MAIL.replace("@", "%40"))
    assert (code, json.loads(out)["findings"][0]["read as"]) == (1, "percent")


def test_what_is_no_json_after_all_is_a_text(run):
    assert run("-", given="{not json}")[0] == 0


def test_a_part_that_nobody_can_read_is_told(run):
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert "image" in run("-", given=json.dumps({"messages": [{"content": [part]}]}))[1]


def test_lines_are_answered_one_by_one(run):
    lines = [{"id": "a", "text": MAIL}, {"id": "b", "text": "hi"}, {"id": 3, "text": "x", "body": {"user": KEY}}]
    code, out, _ = run("--jsonl", "-", given="\n".join(map(json.dumps, lines)) + "\n\n")
    assert code == 0
    assert [json.loads(line) for line in out.splitlines()] == [
        {"id": "a", "label": "confidential", "findings": [{"type": "EMAIL", "start": 0, "end": 22}]},
        {"id": "b", "label": "public", "findings": []},
        {"id": 3, "label": "restricted", "findings": [{"type": "SECRET", "start": 0, "end": 40}]},
    ]


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (("missing.txt",), None, "cannot read missing.txt: No such file or directory"),
        (("--jsonl", "-"), "nonsense\n", 'each line is an object with "id" and "text" or "body"'),
        (("--jsonl", "-"), '{"id": 1}\n', 'each line is an object with "id" and "text" or "body"'),
        (("-", "--policies", "nowhere"), "x", "no policy directory at nowhere"),
    ],
)
def test_what_cannot_run_says_why(run, arguments, given, said):
    code, _, err = run(*arguments, given=given)
    assert code == 2
    assert said in err
