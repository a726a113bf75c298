"""`gateway policy explain`: the plan as the server would make it, every rule with its place, and what would help."""

import json
from pathlib import Path

import pytest
from support.policy_commands import run, spoil

from gateway.adapters.keys import Keys
from gateway.adapters.policy_files import load
from gateway.adapters.suspensions import Suspensions

FILE = "tree/policies/a.yaml"


def explained(*words, stdin=None):
    code, out, _ = run("explain", "--policies", "tree", "--format", "json", *words, stdin=stdin)
    return code, json.loads(out)


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
def test_it_plans_as_the_server_would(tree, words, code, plan, excluded):
    got, data = explained(*words)
    assert (got, [each["backend"] for each in data["plan"]]) == (code, plan)
    assert {each["backend"]: (each["by"], each["rules"]) for each in data["excluded"]} == excluded


def test_what_is_declared_of_a_project_counts(tree):
    (tree / "projects.yaml").write_text("projects: {acme: {floor: confidential}}\n")
    code, data = explained("--model", "far", "--project", "acme")
    assert (code, data["facts"]["sensitivity"]) == (1, "confidential")
    assert {"source": "project", "level": "confidential"} in data["label_from"]


def test_it_reads_a_request_from_a_file_or_standard_input(tree):
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


def test_every_rule_is_told_with_its_place(tree):
    _, data = explained("--model", "far", "--purpose", "hr", "--team", "legal", "--app", "web", "--project", "p1")
    facts = {"sensitivity": "internal", "tags": [], "purpose": "hr", "project": "p1", "team": "legal", "app": "web", "key": "any", "jurisdiction": None}  # fmt: skip
    assert (data["requested"], data["facts"] | facts) == ("far", data["facts"])
    assert data["label_from"] == [{"source": "key", "level": "internal"}]
    assert (data["plan"], data["excluded"]) == (
        [],
        [{"backend": "far", "by": "policy", "rules": ["no-hr"], "reason": "forbidden"}],
    )
    told = {
        each["rule"]: (each["effect"], each["place"], each["truth"], each["fires"], [f"{atom['truth']} {atom['atom']}" for atom in each["atoms"]])
        for each in data["rules"]["far"]
    }  # fmt: skip
    assert told == {
        "own": ("permit", f"{FILE}:4:9", "F", False, ["F backend deployment is self_hosted"]),
        "vendors": ("permit", f"{FILE}:6:9", "T", True, ["T sensitivity <= internal", "T backend deployment is vendor_api"]),
        "no-hr": ("forbid", f"{FILE}:8:9", "T", True, ["T purpose is hr", "T backend deployment is vendor_api"]),
    }  # fmt: skip


def test_in_words(tree):
    words = ["explain", "--policies", "tree", "--model", "far", "--sensitivity", "restricted", "--purpose", "hr"]
    code, out, _ = run(*words)
    assert code == 1
    for line in [
        f"model far, policy {load(tree).bundle.digest}",
        "purpose hr, project default, team any, app any, key any (bucket 0)",
        "plan: nobody may serve this",
        "  not far: forbidden by no-hr",
        f"  * T forbid no-hr  {FILE}:8:9",
        "        People are not ours to give.",
    ]:
        assert line in out.splitlines()
    assert "nearest permit: " in out


def test_of_a_broken_tree_it_tells_the_problems(tree):
    spoil(tree)
    code, out, err = run("explain", "--policies", "tree")
    assert (code, out, err.splitlines()[0]) == (
        1,
        "",
        f"{FILE}:5:5 P101 unknown field `permitt`; did you mean `permit`?",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--policies", "nowhere"], "nowhere"),
        (["--model", "none"], "no model or alias `none`"),
        (["--sensitivity", "secret"], "unknown level `secret`"),
        (["--key", "k-none"], "no key `k-none`"),
        (["--at", "noon"], "`noon` is no moment"),
        (["nowhere.json"], "cannot read nowhere.json"),
        (["tree/vocabulary.yaml"], "JSON"),
    ],
)
def test_what_cannot_run_exits_2_and_says_why(tree, words, said):
    code, out, err = run("explain", "--policies", "tree", *words)
    assert (code, out, said in err, "Traceback" in err) == (2, "", True, False)


RULES = """\
policy: base
owner: security
rules:
  - id: own
    permit: {to: {deployment: self_hosted}}
  - id: vendors
    permit: {when: {sensitivity: "<= internal"}, to: {deployment: vendor_api}}
    require: {do: [zdr_only]}
  - id: no-hr
    why: People are not ours to give.
    forbid: {when: {purpose: hr}, to: {deployment: vendor_api}}
    breakable: true
  - id: short
    require: {when: {team: web}, do: [max_output_tokens: 9]}
"""
CATALOG = """\
backends:
  home: {provider: openai, deployment: self_hosted, price: {input: 1, output: 2}}
  far: {provider: openai, deployment: vendor_api, retention: none, price: {input: 1, output: 2}}
  wide: {provider: openai, deployment: vendor_api, retention: none, price: {input: 1, output: 2}}
  loud: {provider: openai, deployment: vendor_api, price: {input: 1, output: 2}}
"""
EXCEPTIONS = """\
exceptions:
  - {id: night, rules: [no-hr], principal: {team: web}, backends: [far], ticket: T-1, requested_by: ann,
     approved_by: [bob, cem], starts: "2026-11-22T18:00:00Z", expires: "2026-11-22T20:00:00Z"}
"""
WATCHED = "policy: w\nowner: o\nmode: warn\nrules:\n  - {id: trial, forbid: {to: {deployment: vendor_api}}}\n"


@pytest.fixture
def rich(tree):
    (tree / "vocabulary.yaml").write_text(
        (tree / "vocabulary.yaml").read_text().replace("retentions: {}", "retentions: {none: a}")
    )
    (tree / "exceptions").mkdir()
    for name, text in {
        "policies/a": RULES,
        "policies/w": WATCHED,
        "catalog/a": CATALOG,
        "exceptions/a": EXCEPTIONS,
    }.items():
        (tree / f"{name}.yaml").write_text(text)
    return tree


def said(*words):
    return run("explain", "--policies", "tree", *words)[1].split("\n\n")


def test_backends_of_which_the_same_is_to_be_said_are_told_together(rich):
    _, plan, home, alike, loud = said("--purpose", "hr")
    assert plan.splitlines() == [
        "plan, in this order:",
        "  1. home  by own  (about 0.001032 USD)",
        "  not far, wide, loud: forbidden by no-hr",
    ]
    assert home.splitlines() == [
        "home: permitted",
        f"  * T permit own  {FILE}:4:9",
        "        T backend deployment is self_hosted  (line 5)",
        "    4 more rules have no say here (--all)",
    ]
    assert alike.splitlines() == [
        "far, wide: denied",
        f"  * T forbid no-hr  {FILE}:9:9",
        "        People are not ours to give.",
        "        T purpose is hr  (line 11)",
        "        T backend deployment is vendor_api  (line 11)",
        f"  * T permit vendors  {FILE}:6:9",
        "  ~ T forbid trial (warn)  tree/policies/w.yaml:5:10",
        "    2 more rules have no say here (--all)",
        "  nearest permit: purpose general (now hr)",
    ]
    assert loud.splitlines()[-5:] == [
        f"    F permit own  {FILE}:4:9  (F backend deployment is self_hosted)",
        f"    T permit vendors  {FILE}:6:9  (zdr_only is not discharged)",
        "  ~ T forbid trial (warn)  tree/policies/w.yaml:5:10",
        "    1 more rule has no say here (--all)",
        "  no request can reach it; its facts would have to be: backend.deployment self_hosted (now vendor_api)",
    ]


def test_with_all_every_condition_of_every_rule_is_told(rich):
    *_, far = said("--all", "--model", "far", "--team", "web")
    assert far.splitlines() == [
        "far: permitted",
        f"  * T permit vendors  {FILE}:6:9",
        "        T sensitivity <= internal  (line 7)",
        "        T backend deployment is vendor_api  (line 7)",
        "        zdr_only: discharged",
        "  ~ T forbid trial (warn)  tree/policies/w.yaml:5:10",
        "        T backend deployment is vendor_api  (line 5)",
        f"    F permit own  {FILE}:4:9",
        "        F backend deployment is self_hosted  (line 5)",
        f"    F forbid no-hr  {FILE}:9:9",
        "        F purpose is hr  (line 11)",
        "        T backend deployment is vendor_api  (line 11)",
        f"    T require short  {FILE}:13:9",
        "        T team is web  (line 14)",
        "        max_output_tokens 9: discharged",
    ]


@pytest.mark.parametrize(("at", "code"), [("2026-11-22T19:00:00Z", 0), ("2026-11-22T20:00:00Z", 1)])
def test_an_exception_is_told_while_it_is_open(rich, at, code):
    words = ["--model", "far", "--purpose", "hr", "--team", "web", "--at", at]
    got, data = explained(*words)
    rule = {each["rule"]: each for each in data["rules"]["far"]}["no-hr"]
    assert (got, data["exceptions"], rule["lifted_by"], rule["fires"], rule["decides"]) == (
        (0, ["night"], "night", True, False) if code == 0 else (1, [], None, True, True)
    )
    out = "\n\n".join(said(*words))
    assert ("exception night is open (ticket T-1): it lifts no-hr" in out) is (code == 0)
    assert (f"  ~ T forbid no-hr (lifted by night)  {FILE}:9:9" in out) is (code == 0)


def test_data_has_all_that_is_told(rich):
    _, data = explained("--model", "far", "--purpose", "hr")
    rules = {each["rule"]: each for each in data["rules"]["far"]}
    assert {id: each["mode"] for id, each in rules.items() if each["mode"] != "enforce"} == {"trial": "warn"}
    assert rules["vendors"]["obligations"] == [{"name": "zdr_only", "amount": 0, "tags": [], "discharged": True}]
    assert rules["no-hr"]["atoms"][0] == {"atom": "purpose is hr", "truth": "T", "place": f"{FILE}:11:21"}
    assert data["nearest"] == {"far": [[{"attribute": "purpose", "now": "hr", "wanted": "general"}]]}


def test_a_key_is_asked_as_it_is(rich):
    keys = Keys(Path())
    id, _ = keys.create(team="web", app="shop", purposes=("hr", "general"), floor="confidential", person="p")
    code, data = explained("--key", id, "--state-dir", ".")
    facts = {name: data["facts"][name] for name in ("team", "app", "key", "purpose", "sensitivity")}
    assert facts == {"team": "web", "app": "shop", "key": id, "purpose": "hr", "sensitivity": "confidential"}
    assert (code, data["facts"]["person"]) == (0, None)  # a word that the vocabulary does not have


def test_a_backend_that_is_suspended_by_order_is_told_as_denied(rich):
    Path("state").mkdir()
    words = ["--model", "far", "--state-dir", "state"]
    assert explained(*words)[0] == 0
    orders = Suspensions(Path("state"))
    orders.suspend("far", by="test")
    orders.close()
    code, data = explained(*words)
    assert (code, data["excluded"][0]["rules"]) == (1, ["(suspended)"])
    assert [each["rule"] for each in data["rules"]["far"] if each["decides"]] == ["vendors", "(suspended)"]
