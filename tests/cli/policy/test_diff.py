"""`gateway policy diff`: against a git ref and against a folder, in each form, and its exit codes."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.policy_commands import run

RULE = "policies/a.yaml"
INVARIANT = "invariants: [{id: unseen, no_new_access: {base: BASE, unless_approved_by: security}}]\n"


def git(*words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *words], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def committed(tree):
    """The tree, as it is on main."""
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return tree


def replace(tree, before, after, file=RULE):
    text = (tree / file).read_text()
    assert before in text
    (tree / file).write_text(text.replace(before, after))


def widen(tree):
    replace(tree, '"<= internal"', '"<= confidential"')


def promise(tree, base="main"):
    (tree / "invariants.yaml").write_text(INVARIANT.replace("BASE", base))


def test_a_tree_that_did_not_change(committed):
    first = git("rev-parse", "HEAD")[:10]
    assert run("diff", committed) == (
        0,
        f"same (the same requests may reach the same backends)\nfrom main ({first}) to tree\n",
        "",
    )


def test_a_change_since_main(committed):
    widen(committed)
    code, out, err = run("diff", committed)
    assert (code, err) == (0, "")
    assert out.splitlines()[3:] == [
        "+ now allowed: sensitivity confidential; purpose general",
        "    to far",
        "    because permit vendors was changed (tree/policies/a.yaml:6:9)",
        "    for example sensitivity=confidential purpose=general to far",
    ]


def test_the_setting_names_the_tree(committed, monkeypatch):
    monkeypatch.setenv("GATEWAY_POLICIES", "tree")
    widen(committed)
    assert run("diff")[1].startswith("more permissive")


def test_two_refs(committed):
    widen(committed)
    git("commit", "-q", "-a", "-m", "second")
    shutil.rmtree(committed / "policies")  # what lies there plays no part
    code, out, _ = run("diff", committed, "--base", "main~1", "--head", "main")
    assert (code, out.splitlines()[0]) == (0, "more permissive (1 now allowed)")
    assert "(main:tree/policies/a.yaml:6:9)" in out
    code, out, _ = run("diff", committed, "--base", "main", "--head", "main~1")
    assert (code, out.splitlines()[0]) == (0, "less permissive (1 no longer allowed)")


def test_a_folder_instead_of_a_ref(tree):
    shutil.copytree(tree, "before")
    widen(tree)
    assert run("diff", tree, "--base", "before")[1].splitlines()[:2] == [
        "more permissive (1 now allowed)",
        "from before to tree",
    ]
    assert run("diff", tree, "--base", tree)[1].startswith("same ")


def test_a_further_catalog_counts_on_both_sides(committed, monkeypatch):
    Path("found").mkdir()
    Path("found/b.yaml").write_text("backends: {b: {provider: openai, deployment: self_hosted}}\n")
    monkeypatch.setenv("GATEWAY_EXTRA_CATALOG", "found")
    assert run("diff", committed)[1].startswith("same ")


def test_the_base_is_that_of_the_invariant(committed):
    git("tag", "released")
    widen(committed)
    git("commit", "-q", "-a", "-m", "second")
    assert run("diff", committed)[1].startswith("same ")
    promise(committed, "released")
    assert run("diff", committed)[1].splitlines()[1].startswith("from released (")


@pytest.mark.parametrize(
    ("approved", "code"),
    [([], 1), (["--approved-by", "me"], 1), (["--approved-by", "me", "--approved-by", "security"], 0)],
)
def test_new_access_wants_its_approver_where_the_tree_says_so(committed, approved, code):
    promise(committed)
    widen(committed)
    got, out, _ = run("diff", committed, *approved)
    refused = "does not hold: there is new access, and security has not approved it"
    assert (got, refused in out) == (code, code == 1)


def test_less_access_wants_no_approval(committed):
    promise(committed)
    replace(committed, '"<= internal"', "public")
    assert run("diff", committed)[0] == 0


def test_a_change_cannot_take_the_approval_away_that_it_needs(committed):
    promise(committed)
    git("add", ".")
    git("commit", "-q", "-m", "promise")
    (committed / "invariants.yaml").unlink()
    widen(committed)
    code, out, _ = run("diff", committed)
    assert (code, "invariant unseen (main:tree/invariants.yaml:1:19) does not hold" in out) == (1, True)


@pytest.mark.parametrize("side", ["head", "base"])
def test_a_side_that_does_not_load_is_told(committed, side):
    good = (committed / RULE).read_text()
    replace(committed, "permit:", "permitt:")
    if side == "base":
        git("commit", "-q", "-a", "-m", "second")
        (committed / RULE).write_text(good)
    code, out, err = run("diff", committed)
    place, name = ("main:tree", "main (") if side == "base" else ("tree", "tree would")
    assert (code, out, err.splitlines()[0]) == (
        1,
        "",
        f"{place}/policies/a.yaml:5:5 P101 unknown field `permitt`; did you mean `permit`?",
    )
    assert err.splitlines()[-1].startswith(name)
    assert err.endswith("would not load, so there is nothing to compare\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "no policy directory at nowhere"),
        (["tree", "--base", "nowhere"], "no commit `nowhere` in the repository of tree"),
        (["tree", "--base", "--help-me"], "no commit `--help-me`"),
        (["tree", "--base", "a/b"], "no commit `a/b`"),
        (["tree", "--head", "nowhere"], "no commit `nowhere`"),
        (["tree", "--format", "xml"], "'xml'"),
    ],
)
def test_what_cannot_run_exits_2_and_says_why(committed, words, said):
    code, out, err = run("diff", *words)
    assert (code, out, "Traceback" in err) == (2, "", False)
    assert said in err


def test_without_a_repository_there_is_no_main(tree, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    code, out, err = run("diff", tree)
    assert (code, out, "not a git repository" in err) == (2, "", True)


def test_without_git_there_are_folders(tree, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "no `git` program" in run("diff", tree)[2]
    assert run("diff", tree, "--base", tree)[0] == 0


def test_a_tree_that_was_not_on_the_base_yet(committed):
    shutil.copytree(committed, "later")
    code, _, err = run("diff", "later")
    assert (code, "there is no later at `main`" in err) == (2, True)


def test_markdown_begins_with_the_verdict(committed):
    widen(committed)
    code, out, _ = run("diff", committed, "--format", "markdown")
    assert (code, out.splitlines()[0]) == (0, "### Policy: more permissive (1 now allowed)")


def test_json_is_for_programs(committed):
    widen(committed)
    code, out, _ = run("diff", committed, "--format", "json")
    found = json.loads(out)
    assert (code, found["verdict"], [each["backends"] for each in found["statements"]]) == (
        0,
        "more permissive",
        [["far"]],
    )


def test_annotations_stand_at_the_files_of_the_pull_request(committed):
    replace(
        committed,
        "  - id: no-hr\n    why: People are not ours to give.\n    forbid: {when: {purpose: hr}, to: {deployment: vendor_api}}\n",
        "",
    )
    replace(committed, "deployment: self_hosted}}", "deployment: self_hosted}, when: {purpose: general}}")
    code, out, _ = run("diff", committed, "--format", "github")
    assert (code, out.splitlines()) == (
        0,
        [
            "::warning file=tree/policies/a.yaml,line=1,col=1,title=P303::now allowed: sensitivity public, internal; purpose hr, unknown, to far; forbid `no-hr` was removed",
            "::notice file=tree/policies/a.yaml,line=4,col=9,title=P304::no longer allowed: purpose hr, unknown, to free, home; permit `own` was changed",
        ],
    )  # fmt: skip
