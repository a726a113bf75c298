"""Reading a policy tree at a commit: exactly the bytes that were committed, and a clear word when it cannot be done."""

import subprocess

import pytest

from gateway.adapters import git_tree
from gateway.adapters.git_tree import Unreadable, read

UMLAUT = "policies/\N{LATIN SMALL LETTER U WITH DIAERESIS}.yml"


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", folder, *identity, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """A repository whose branch main has a tree in a folder; another file is changed and not committed."""
    folder = tmp_path / "repository"
    tree = folder / "some where" / "policies tree"
    (tree / "policies").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (tree / "vocabulary.yaml").write_bytes(b"a: 1\r\n")
    (tree / UMLAUT).write_bytes("b: \N{SNOWMAN}\n\n".encode())
    (tree / "README.md").write_text("not a policy")
    (folder / "outside.yaml").write_text("c: 1\n")
    (folder / ".gitattributes").write_text("vocabulary.yaml export-ignore\n*.yml export-subst filter=none\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    (tree / "vocabulary.yaml").write_text("a: 2\n")
    return folder


def tree_of(repository):
    return repository / "some where" / "policies tree"


COMMITTED = {"vocabulary.yaml": b"a: 1\r\n", UMLAUT: "b: \N{SNOWMAN}\n\n".encode()}


@pytest.mark.parametrize("ref", ["main", "HEAD", "main~0", "refs/heads/main"])
def test_what_was_committed_is_read_whatever_lies_there_now(repository, ref):
    found = read(tree_of(repository), ref)
    assert (found.files, found.path) == (COMMITTED, "some where/policies tree")
    assert found.id == git(repository, "rev-parse", "main")


def test_dictionaries_belong_to_a_tree(repository):
    tree = tree_of(repository)
    for name in ("dictionaries/a.txt", "dictionaries/deep/b.txt", "policies/c.txt"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("acme\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "second")
    assert sorted(read(tree, "main").files) == sorted([*COMMITTED, "dictionaries/a.txt"])


def test_the_root_of_a_repository_can_be_a_tree(repository):
    found = read(repository, "main")
    assert (found.path, sorted(found.files)) == (
        ".",
        ["outside.yaml", *(f"some where/policies tree/{name}" for name in sorted(COMMITTED))],
    )


def test_a_commit_can_be_named_by_its_hash_or_a_tag(repository):
    git(repository, "tag", "-a", "v1", "-m", "x")
    (tree_of(repository) / "new.yaml").touch()
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "second")
    assert read(tree_of(repository), "v1").files == COMMITTED
    assert read(tree_of(repository), git(repository, "rev-parse", "HEAD~1")).files == COMMITTED
    assert read(tree_of(repository), "main").files == {"vocabulary.yaml": b"a: 2\n", "new.yaml": b""} | {
        UMLAUT: COMMITTED[UMLAUT]
    }


def test_an_empty_tree_has_no_files(repository):
    (repository / "empty").mkdir()
    (repository / "empty" / "notes.txt").touch()
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "second")
    assert read(repository / "empty", "main").files == {}


@pytest.mark.parametrize("ref", ["nowhere", "--help", "-x", "main:outside.yaml", "main^{tree}", "", "main\nHEAD"])
def test_what_is_no_commit_is_told(repository, ref):
    with pytest.raises(Unreadable, match="no commit"):
        read(tree_of(repository), ref)


def test_a_folder_that_was_not_there_yet_is_told(repository):
    (repository / "later").mkdir()
    with pytest.raises(Unreadable, match=r"there is no later at `main` \([0-9a-f]{10}\)"):
        read(repository / "later", "main")


def test_a_folder_in_no_repository_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(Unreadable, match="not a git repository"):
        read(tmp_path, "main")


def test_what_is_no_folder_is_told(tmp_path):
    with pytest.raises(Unreadable, match=r"no directory at .*nowhere"):
        read(tmp_path / "nowhere", "main")


def test_a_machine_without_git_is_told(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unreadable, match="no `git` program"):
        read(repository, "main")


def test_a_link_is_not_followed(repository):
    (tree_of(repository) / "x.yaml").symlink_to("/etc/hostname")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "second")
    with pytest.raises(Unreadable, match=r"x\.yaml is no regular file"):
        read(tree_of(repository), "main")


@pytest.mark.parametrize(
    ("limit", "value", "said"), [("MAX_FILES", 1, "more than 1"), ("MAX_FILE_BYTES", 6, "larger than 6 bytes")]
)
def test_a_tree_of_any_size_costs_little(repository, monkeypatch, limit, value, said):
    monkeypatch.setattr(git_tree, limit, value)
    with pytest.raises(Unreadable, match=said):
        read(tree_of(repository), "main")


def test_the_environment_of_a_hook_leads_nowhere_else(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    assert read(tree_of(repository), "main").files == COMMITTED


def test_a_lock_is_read_beside_the_files(repository):
    tree = tree_of(repository)
    assert read(tree, "main").lock is None
    (tree / "policy.lock").write_bytes(b"digest: x\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "second")
    found = read(tree, "main")
    assert (found.lock, sorted(found.files)) == (b"digest: x\n", sorted(COMMITTED))


def commit(repository, name, text):
    """A commit that changes one file."""
    (repository / name).write_text(text)
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", text)
    return git(repository, "rev-parse", "HEAD")


def test_history_has_each_commit_that_changed_the_tree_the_latest_first(repository):
    first = git(repository, "rev-parse", "HEAD")
    second = commit(repository, "some where/policies tree/vocabulary.yaml", "a: 3\n")
    commit(repository, "outside.yaml", "d: 1\n")
    (tree_of(repository) / "link.yaml").symlink_to("vocabulary.yaml")
    commit(repository, "some where/policies tree/vocabulary.yaml", "a: 4\n")  # cannot be read: a link is in it
    (tree_of(repository) / "link.yaml").unlink()
    last = commit(repository, "some where/policies tree/vocabulary.yaml", "a: 5\n")
    found = list(git_tree.history(tree_of(repository)))
    assert [(each.id, each.files["vocabulary.yaml"]) for each in found] == [
        (last, b"a: 5\n"),
        (second, b"a: 3\n"),
        (first, b"a: 1\r\n"),
    ]


def test_what_is_not_committed_is_named(repository):
    tree = tree_of(repository)
    assert git_tree.uncommitted(tree) == ("vocabulary.yaml",)
    (tree / "new one.yaml").touch()
    (tree / UMLAUT).unlink()
    (repository / "outside.yaml").write_text("changed")
    assert sorted(git_tree.uncommitted(tree)) == sorted(["vocabulary.yaml", "new one.yaml", UMLAUT])


def test_a_tree_is_restored_with_what_was_deleted_and_without_what_came(repository):
    first = git(repository, "rev-parse", "HEAD")
    tree = tree_of(repository)
    (tree / UMLAUT).unlink()
    commit(repository, "some where/policies tree/new.yaml", "n: 1\n")
    commit(repository, "outside.yaml", "d: 1\n")
    head = git(repository, "rev-parse", "HEAD")
    git_tree.restore(tree, first)
    there = {path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*.y*ml")}
    assert there == COMMITTED
    assert (repository / "outside.yaml").read_text() == "d: 1\n"
    assert git(repository, "rev-parse", "HEAD") == head
    assert git(repository, "diff", "--cached", "--name-only") == ""
