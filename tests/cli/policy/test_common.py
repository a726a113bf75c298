"""What the policy commands share: reading a tree, and printing problems for people and for machines."""

import json

import pytest
import typer
from support.policy_commands import spoil

from gateway import __version__
from gateway.cli.policy.common import Format, good, load, print_problems, written
from gateway.policy.document import Mark, Problem

WORSE = Problem(Mark("a.yaml", 1, 1), "P002", "worse")
BAD = Problem(Mark("a.yaml", 2, 3), "P101", "bad")
DUBIOUS = Problem(Mark("a.yaml", 2, 3), "P205", "nobody can reach it", "warning")
GOOD_TO_KNOW = Problem(Mark("b.yaml", 9, 9), "P204", "they overlap", "info")
SOURCES = {"a.yaml": "a: 1\n  b: 2\n"}
ALL = [GOOD_TO_KNOW, DUBIOUS, BAD, WORSE, BAD]


def printed(capsys, problems, format):
    print_problems(problems, SOURCES, format)
    return capsys.readouterr().out


def test_for_people_they_are_sorted_with_line_and_caret(capsys):
    assert printed(capsys, ALL, Format.text) == (
        "a.yaml:1:1 P002 worse\n    a: 1\n    ^\n"
        "a.yaml:2:3 P101 bad\n      b: 2\n      ^\n"
        "a.yaml:2:3 P205 warning: nobody can reach it\n      b: 2\n      ^\n"
        "b.yaml:9:9 P204 info: they overlap\n"
    )


@pytest.mark.parametrize(("format", "expected"), [(Format.text, ""), (Format.github, ""), (Format.json, "[]\n")])
def test_no_problems(capsys, format, expected):
    assert printed(capsys, [], format) == expected


def test_as_json(capsys):
    data = json.loads(printed(capsys, ALL, Format.json))
    assert data[2:] == [
        {"file": "a.yaml", "line": 2, "column": 3, "code": "P205", "severity": "warning", "message": "nobody can reach it"},
        {"file": "b.yaml", "line": 9, "column": 9, "code": "P204", "severity": "info", "message": "they overlap"},
    ]  # fmt: skip
    assert [(each["code"], each["severity"]) for each in data[:2]] == [("P002", "error"), ("P101", "error")]


def test_as_annotations(capsys):
    assert printed(capsys, ALL, Format.github).splitlines() == [
        "::error file=a.yaml,line=1,col=1,title=P002::worse",
        "::error file=a.yaml,line=2,col=3,title=P101::bad",
        "::warning file=a.yaml,line=2,col=3,title=P205::nobody can reach it",
        "::notice file=b.yaml,line=9,col=9,title=P204::they overlap",
    ]


@pytest.mark.parametrize(
    ("file", "message", "expected"),
    [
        ("a.yaml", "x\n::set-output name=x::y", "::error file=a.yaml,line=1,col=1,title=P101::x%0A::set-output name=x::y"),
        ("a.yaml", "x\r::y", "::error file=a.yaml,line=1,col=1,title=P101::x%0D::y"),
        ("a.yaml", "50%0A", "::error file=a.yaml,line=1,col=1,title=P101::50%250A"),
        ("a,line=9::y.yaml", "x", "::error file=a%2Cline=9%3A%3Ay.yaml,line=1,col=1,title=P101::x"),
        ("50%3A.yaml", "x", "::error file=50%253A.yaml,line=1,col=1,title=P101::x"),
    ],
)  # fmt: skip
def test_nothing_in_a_file_or_its_name_becomes_a_command_of_a_workflow(capsys, file, message, expected):
    assert printed(capsys, [Problem(Mark(file), "P101", message)], Format.github) == expected + "\n"


def test_as_sarif(capsys):
    log = json.loads(printed(capsys, ALL, Format.sarif))
    (only,) = log["runs"]
    assert (log["version"], only["tool"]["driver"]) == (
        "2.1.0",
        {
            "name": "gateway policy",
            "version": __version__,
            "rules": [{"id": code} for code in ("P002", "P101", "P204", "P205")],
        },
    )
    assert [(each["ruleId"], each["level"], each["message"]["text"]) for each in only["results"]] == [
        ("P002", "error", "worse"),
        ("P101", "error", "bad"),
        ("P205", "warning", "nobody can reach it"),
        ("P204", "note", "they overlap"),
    ]
    assert only["results"][1]["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "a.yaml"},
                "region": {"startLine": 2, "startColumn": 3},
            }
        }
    ]


def test_a_good_tree_is_given(tree):
    assert (good(tree).digest, written(tree)[0].digest) == (load(tree).bundle.digest,) * 2
    assert sorted(written(tree)[1]) == ["tree/catalog/a.yaml", "tree/policies/a.yaml", "tree/vocabulary.yaml"]


@pytest.mark.parametrize("read", [good, written])
def test_a_tree_that_would_not_load_ends_with_1_and_its_problems(tree, capsys, read):
    spoil(tree)
    with pytest.raises(typer.Exit) as ended:
        read(tree)
    assert (ended.value.exit_code, capsys.readouterr().err.split(" ")[:2]) == (1, ["tree/policies/a.yaml:5:5", "P101"])


@pytest.mark.parametrize("read", [good, written, load])
@pytest.mark.parametrize("name", ["nowhere", "tree/vocabulary.yaml"])
def test_what_cannot_be_read_ends_with_2_and_says_so(tree, capsys, read, name):
    with pytest.raises(typer.Exit) as ended:
        read(tree.parent / name)
    assert (ended.value.exit_code, name in capsys.readouterr().err) == (2, True)


def test_settings_say_where_the_tree_and_the_further_catalog_are(tree, monkeypatch, tmp_path):
    (tmp_path / "found").mkdir()
    (tmp_path / "found/b.yaml").write_text("backends: {b: {provider: openai}}\n")
    monkeypatch.setenv("GATEWAY_POLICIES", "tree")
    monkeypatch.setenv("GATEWAY_EXTRA_CATALOG", "found")
    assert "b" in {each.id for each in good(None).backends}
