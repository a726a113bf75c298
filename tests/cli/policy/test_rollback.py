"""`gateway policy rollback`: the tree of then, byte for byte, if it would still load; else nothing is changed."""

import json
import subprocess
from pathlib import Path

import pytest
from support.full_disk import taken_by_a_full_disk
from support.policy_commands import run, spoil

from gateway.adapters import git_tree
from gateway.adapters.audit import NAME, Audit, read
from gateway.adapters.policy_files import load, read_tree


def git(*words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *words], capture_output=True, text=True, check=True).stdout.strip()


def commit():
    git("add", ".")
    git("commit", "-q", "-m", "x", "--allow-empty")
    return git("rev-parse", "HEAD")


@pytest.fixture
def past(tree):
    """Three commits: the tree, one with a further file, and one that is spoilt. Yields their digests and ids."""
    git("init", "-q", "-b", "main")
    found = [(load(tree).bundle.digest, commit())]
    (tree / "policies/b.yaml").write_text(
        "policy: more\nowner: o\nrules: [{id: none, forbid: {when: {purpose: hr}}}]\n"
    )
    (tree / "policy.lock").write_text("digest: nonsense\n")
    found.append((load(tree).bundle.digest, commit()))
    spoil(tree)
    found.append(("", commit()))
    (tree / "x.yaml").unlink()
    git("checkout", "-q", found[1][1], "--", "tree/policies")
    (tree / "catalog/a.yaml").write_text((tree / "catalog/a.yaml").read_text() + "# later\n")
    found.append((load(tree).bundle.digest, commit()))
    return tree, found


@pytest.mark.parametrize("named", ["digest", "suspended", "dated", "commit", "ref"])
def test_the_tree_of_then_is_there_again(past, named):
    tree, ((digest, id), *_, (latest, head)) = past
    to = {
        "digest": digest,
        "suspended": f"{digest}+0a1b2c",
        "dated": f"{digest}@2026-06-12",
        "commit": id,
        "ref": "HEAD~3",
    }[named]
    code, out, err = run("rollback", to, tree)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"tree is at digest {digest} again, as in commit {id[:10]} (it was at {latest})"
    assert load(tree).bundle.digest == digest
    assert (git("rev-parse", "HEAD"), git("diff", "--cached", "--name-only")) == (head, "")
    assert sorted(git("diff", "--name-only").splitlines()) == [
        "tree/catalog/a.yaml",
        "tree/policies/b.yaml",
        "tree/policy.lock",
    ]
    commit()
    code, out, _ = run("rollback", latest, tree, "--format", "json")  # and there and back
    assert json.loads(out) == {"digest": latest, "before": digest, "commit": head, "changed": True}


def test_where_the_tree_is_already_nothing_is_changed(past):
    tree, (*_, (latest, _)) = past
    code, out, _ = run("rollback", "HEAD", tree)
    assert (code, out) == (0, f"tree is at digest {latest} already; nothing is changed\n")


def test_a_tree_that_would_not_load_is_not_restored(past):
    tree, (*_, (_, spoilt), _) = past
    before = read_tree(tree)
    code, out, err = run("rollback", spoilt, tree)
    assert (code, out) == (1, "")
    assert f"{spoilt}:tree/policies/a.yaml:5:5 P101" in err
    assert f"the tree of {spoilt[:10]} would not load today; nothing is changed" in err
    assert read_tree(tree) == before


@pytest.mark.parametrize("change", ["edited", "new", "deleted"])
def test_what_is_not_committed_is_not_overwritten(past, change):
    tree, ((digest, _), *_) = past
    match change:
        case "edited":
            (tree / "vocabulary.yaml").write_text("mine")
        case "new":
            (tree / "policies/mine.yaml").write_text("mine")
        case "deleted":
            (tree / "vocabulary.yaml").unlink()
    name = "policies/mine.yaml" if change == "new" else "vocabulary.yaml"
    before = read_tree(tree)
    code, _, err = run("rollback", digest, tree)
    assert (code, err) == (2, f"tree has changes that are not committed ({name}); commit or undo them\n")
    assert read_tree(tree) == before


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("0123456789abcdef", "no commit of the present branch has tree at digest 0123456789abcdef; fetch more"),
        ("nowhere", "no commit `nowhere` in the repository of tree"),
        ("--help-me", "No such option"),
    ],
)
def test_what_is_not_there_is_told(past, to, said):
    tree, _ = past
    code, _, err = run("rollback", to, tree)
    assert (code, said in err) == (2, True)


def test_outside_of_a_repository_it_is_told(tree):
    code, _, err = run("rollback", "HEAD", tree)
    assert (code, "not a git repository" in err) == (2, True)


def test_files_that_git_does_not_see_are_not_passed_over_in_silence(past):
    tree, ((digest, _), *_) = past
    Path(".git/info/exclude").write_text("hidden.yaml\n")
    (tree / "policies/hidden.yaml").write_text("policy: more\nowner: o\nrules: []\n")
    code, _, err = run("rollback", digest, tree)
    assert (code, f"not {digest}: files that git ignores" in err) == (2, True)


def test_with_an_extra_catalog_its_digest_is_known_too(past, monkeypatch):
    tree, _ = past
    extra = Path("extra")
    extra.mkdir()
    (extra / "a.yaml").write_text("backends: {found: {provider: ollama, base_url: 'http://localhost:1/v1'}}\n")
    monkeypatch.setenv("GATEWAY_EXTRA_CATALOG", str(extra))
    git("checkout", "-q", "HEAD~3", "--", "tree")
    digest = load(tree, extra).bundle.digest
    git("checkout", "-q", "HEAD", "--", "tree")
    git("clean", "-qfd", "tree")
    code, out, err = run("rollback", digest, tree)
    assert (code, err, f"tree is at digest {digest} again" in out) == (0, "", True)


def kept(monkeypatch):
    """A gateway is here: it has a state directory."""
    Path("state").mkdir()
    monkeypatch.setenv("GATEWAY_STATE_DIR", "state")


def test_what_is_rolled_back_is_noted(past, monkeypatch):
    tree, ((digest, _), *_, (latest, _)) = past
    kept(monkeypatch)
    assert run("rollback", digest, tree)[0] == 0
    [act] = read(Path("state"))
    assert (act.act, act.object, act.outcome, act.detail) == ("policy_rolled_back", digest, "done", f"it was {latest}")


@pytest.mark.parametrize("fails", ["open", "append"])
def test_what_cannot_be_noted_is_undone(past, monkeypatch, fails):
    tree, ((digest, _), *_, (latest, _)) = past
    kept(monkeypatch)
    if fails == "open":
        (Path("state") / NAME).mkdir()
    else:
        monkeypatch.setattr(Audit, "_taken", taken_by_a_full_disk)
    code, _, err = run("rollback", digest, tree)
    assert (code, err.startswith("not done: it cannot be noted in the audit trail: ")) == (2, True)
    assert (load(tree).bundle.digest, git("status", "--porcelain", "--", "tree")) == (latest, "")


def test_what_cannot_be_undone_either_is_told(past, monkeypatch):
    tree, ((digest, _), *_) = past
    kept(monkeypatch)
    restore, done = git_tree.restore, []

    def once(*words):
        if done:
            raise git_tree.Unreadable("git restore in tree: index.lock exists")
        done.append(restore(*words))

    monkeypatch.setattr(git_tree, "restore", once)
    monkeypatch.setattr(Audit, "_taken", taken_by_a_full_disk)
    code, _, err = run("rollback", digest, tree)
    assert code == 2
    assert err == (
        f"tree may be at digest {digest}, which is not noted: undo it with `git restore tree` (git restore in tree: "
        "index.lock exists)\n"
    )
