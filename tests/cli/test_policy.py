"""`gateway policy check` and `gateway policy explain`: what they print, and their exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.adapters.policy_files import load
from gateway.cli import app

SHIPPED = Path(__file__).parents[2] / "routing_policies"
VOCABULARY = """\
levels: {public: a, internal: b, confidential: c, restricted: d}
tags: {}
purposes: {general: a, hr: b}
deployments: {self_hosted: a, vendor_api: b}
zones: {}
regions: {}
origins: {}
licences: {}
statuses: {}
retentions: {}
training: {}
audiences: {}
"""
CATALOG = """\
backends:
  home: {provider: openai, deployment: self_hosted, price: {input: 1, output: 2}, capabilities: [chat, tools]}
  far: {provider: openai, deployment: vendor_api, price: {input: 0.5, output: 1}}
  free: {provider: openai, deployment: self_hosted, aliases: [odd]}
"""
RULES = """\
policy: base
owner: security
rules:
  - id: own
    permit: {to: {deployment: self_hosted}}
  - id: vendors
    permit: {when: {sensitivity: "<= internal"}, to: {deployment: vendor_api}}
  - id: no-hr
    forbid: {when: {purpose: hr}, to: {deployment: vendor_api}}
  - id: cheap
    prefer: {order: [cost]}
"""
BAD = """\
policy: base
owner: security
rules:
  - id: own
    permitt: {}
  - id: own
    forbid: {when: {purpos: hr}}
"""


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GATEWAY_POLICIES", "GATEWAY_EXTRA_CATALOG", "GATEWAY_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    folder = Path("tree")
    for name, text in {"vocabulary.yaml": VOCABULARY, "catalog/a.yaml": CATALOG, "policies/a.yaml": RULES}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run(*words, stdin=None):
    result = CliRunner().invoke(app, ["policy", *map(str, words)], input=stdin)
    return result.exit_code, result.stdout, result.stderr


def explained(*words, stdin=None):
    code, out, _ = run("explain", "--policies", "tree", "--format", "json", *words, stdin=stdin)
    return code, json.loads(out)


def spoil(tree):
    (tree / "policies/a.yaml").write_text(BAD)
    (tree / "x.yaml").touch()


def test_a_good_tree_is_ok(tree):
    digest = load(tree).bundle.digest
    assert run("check", tree) == (0, f"ok: 4 rules, 3 backends, digest {digest}\n", "")
    assert run("check", tree, "--format", "json") == (0, "[]\n", "")
    assert run("check", tree, "--format", "github") == (0, "", "")


def test_problems_are_printed_with_their_lines(tree):
    spoil(tree)
    assert run("check", tree) == (
        1,
        """\
tree/policies/a.yaml:5:5 P101 unknown field `permitt`; did you mean `permit`?
        permitt: {}
        ^
tree/x.yaml:1:1 P004 no known policy file; known: vocabulary.yaml, prices.yaml, catalog/*.yaml, policies/*.yaml

2 problems; the tree would not load
""",
        "",
    )


def test_problems_as_json(tree):
    (tree / "policies/a.yaml").write_text(BAD.replace("permitt", "permit"))
    code, out, _ = run("check", tree, "--format", "json")
    assert (code, json.loads(out)) == (
        1,
        [
            {
                "file": "tree/policies/a.yaml",
                "line": 6,
                "column": 9,
                "code": "P210",
                "message": "rule id `own` is used twice, first at tree/policies/a.yaml:4:9",
            }
        ],
    )


def test_problems_as_github_annotations(tree):
    spoil(tree)
    code, out, _ = run("check", tree, "--format", "github")
    assert (code, out.splitlines()) == (
        1,
        [
            "::error file=tree/policies/a.yaml,line=5,col=5,title=P101::unknown field `permitt`; did you mean `permit`?",
            "::error file=tree/x.yaml,line=1,col=1,title=P004::no known policy file; known: vocabulary.yaml, prices.yaml, catalog/*.yaml, policies/*.yaml",
        ],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("key", "printed"),
    [("a\\n::set-output name=x::y", "a%0A::set-output name=x::y"), ("a\\r::x", "a%0D::x"), ("50%0A", "50%250A")],
)
def test_a_file_cannot_write_workflow_commands(tree, key, printed):
    (tree / "policies/a.yaml").write_text(f'policy: p\nowner: o\nrules: []\n"{key}": 1\n')
    _, out, _ = run("check", tree, "--format", "github")
    assert out.split("\n") == [
        f"::error file=tree/policies/a.yaml,line=4,col=1,title=P101::unknown field `{printed}`; known: owner, policy, rules",
        "",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("check", "nowhere"),
        ("check", "tree/vocabulary.yaml"),
        ("check", "tree", "--format", "xml"),
        ("explain", "--policies", "nowhere"),
        ("explain", "--policies", "tree", "--model", "none"),
        ("explain", "--policies", "tree", "--sensitivity", "secret"),
        ("explain", "--policies", "tree", "--key", "k-none"),
        ("explain", "--policies", "tree", "nowhere.json"),
        ("explain", "--policies", "tree", "tree/vocabulary.yaml"),
    ],
)
def test_what_cannot_run_exits_2_and_says_why(tree, words):
    code, out, err = run(*words)
    assert (code, out, bool(err), "Traceback" in err) == (2, "", True, False)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("/dev/zero")])
def test_a_tree_with_odd_files_cannot_be_read(tree, make):
    make(tree / "x.yaml")
    code, out, err = run("check", tree)
    assert (code, out, "tree/x.yaml" in err) == (2, "", True)


@pytest.mark.parametrize(("spoilt", "code"), [(False, 0), (True, 1)])
def test_the_exit_code_is_that_of_the_process(tree, spoilt, code):
    if spoilt:
        spoil(tree)
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "policy", "check", "tree"], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, b"")


def test_settings_say_where_the_tree_and_the_further_catalog_are(tree, monkeypatch, tmp_path):
    (tmp_path / "found").mkdir()
    (tmp_path / "found/b.yaml").write_text("backends: {b: {provider: openai}}\n")
    monkeypatch.setenv("GATEWAY_POLICIES", "tree")
    monkeypatch.setenv("GATEWAY_EXTRA_CATALOG", "found")
    code, out, _ = run("check")
    assert (code, out.startswith("ok: 4 rules, 4 backends, ")) == (0, True)


def test_the_shipped_tree_is_ok(tree):
    code, out, _ = run("check", SHIPPED)
    assert (code, out.startswith("ok: ")) == (0, True)


@pytest.mark.parametrize(
    ("words", "code", "plan", "excluded"),
    [
        ([], 0, ["far", "home"], {"free": ("price", [])}),
        (["--purpose", "hr"], 0, ["home"], {"far": ("policy", ["no-hr"]), "free": ("price", [])}),
        (["--sensitivity", "confidential"], 0, ["home"], {"far": ("policy", []), "free": ("price", [])}),
        (["--model", "far", "--sensitivity", "restricted"], 1, [], {"far": ("policy", [])}),
        (["--model", "home", "--sensitivity", "restricted"], 0, ["home"], {}),
        (["--model", "odd"], 1, [], {"free": ("price", [])}),
        (["--purpose", "odd"], 0, ["home"], {"far": ("policy", ["no-hr"]), "free": ("price", [])}),
    ],
)
def test_explain_plans_as_the_server_would(tree, words, code, plan, excluded):
    got, data = explained(*words)
    assert (got, [each["backend"] for each in data["plan"]]) == (code, plan)
    assert {each["backend"]: (each["by"], each["rules"]) for each in data["excluded"]} == excluded


def test_explain_reads_a_request_from_a_file_or_standard_input(tree):
    body = {
        "model": "auto",
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    Path("body.json").write_text(json.dumps(body))
    from_file, from_stdin = explained("body.json"), explained("-", stdin=json.dumps(body))
    assert from_file == from_stdin
    assert {each["backend"]: each["by"] for each in from_file[1]["excluded"]} == {
        "far": "capability",
        "free": "capability",
    }


def test_explain_tells_every_rule_with_its_place(tree):
    _, data = explained("--model", "far", "--purpose", "hr", "--team", "legal", "--app", "web", "--project", "p1")
    place = "tree/policies/a.yaml"
    del data["policy_digest"]
    assert data == {
        "requested": "far",
        "facts": {
            "sensitivity": "internal",
            "tags": [],
            "purpose": "hr",
            "project": "p1",
            "team": "legal",
            "app": "web",
            "key": "any",
        },
        "label_from": [{"source": "key", "level": "internal"}],
        "plan": [],
        "excluded": [{"backend": "far", "by": "policy", "rules": ["no-hr"], "reason": "forbidden"}],
        "rules": {
            "far": [
                {
                    "rule": "own",
                    "effect": "permit",
                    "place": f"{place}:4:9",
                    "truth": "F",
                    "fires": False,
                    "atoms": [{"atom": "backend deployment is self_hosted", "truth": "F"}],
                },
                {
                    "rule": "vendors",
                    "effect": "permit",
                    "place": f"{place}:6:9",
                    "truth": "T",
                    "fires": True,
                    "atoms": [
                        {"atom": "sensitivity <= internal", "truth": "T"},
                        {"atom": "backend deployment is vendor_api", "truth": "T"},
                    ],
                },
                {
                    "rule": "no-hr",
                    "effect": "forbid",
                    "place": f"{place}:8:9",
                    "truth": "T",
                    "fires": True,
                    "atoms": [
                        {"atom": "purpose is hr", "truth": "T"},
                        {"atom": "backend deployment is vendor_api", "truth": "T"},
                    ],
                },
            ]
        },
    }


def test_explain_in_words(tree):
    code, out, _ = run(
        "explain", "--policies", "tree", "--model", "far", "--sensitivity", "restricted", "--purpose", "hr"
    )
    digest = load(tree).bundle.digest
    assert (code, out) == (
        1,
        f"""\
model far, policy {digest}
label restricted (from key restricted, header restricted)
purpose hr, project default, team any, app any, key any

plan: nobody may serve this
  not far: forbidden by no-hr

far
    F permit own  tree/policies/a.yaml:4:9
        F backend deployment is self_hosted
    F permit vendors  tree/policies/a.yaml:6:9
        F sensitivity <= internal
        T backend deployment is vendor_api
  * T forbid no-hr  tree/policies/a.yaml:8:9
        T purpose is hr
        T backend deployment is vendor_api
""",
    )


def test_explain_of_a_broken_tree_tells_its_problems(tree):
    spoil(tree)
    code, out, err = run("explain", "--policies", "tree")
    assert (code, out, err.splitlines()[0]) == (
        1,
        "",
        "tree/policies/a.yaml:5:5 P101 unknown field `permitt`; did you mean `permit`?",
    )
