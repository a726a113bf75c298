"""Dictionaries outside of the tree: read or told why not, and looked after."""

import os
from pathlib import Path

import pytest

from gateway.adapters import dictionaries
from gateway.adapters.dictionaries import Outside, read


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree").mkdir()
    names(tmp_path, tmp_path / "a.txt")
    return tmp_path / "tree"


def names(tmp_path, *paths):
    entries = "".join(f"  - {{file: {path}}}\n" for path in paths)
    (tmp_path / "tree/sensitivity.yaml").write_text(f"dictionaries:\n{entries}")


def test_each_file_is_its_bytes_or_why_it_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(dictionaries, "MAX_BYTES", 10)
    (tmp_path / "a").write_bytes(b"\xff acme\n")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "long").write_bytes(b"x" * 50)
    os.mkfifo(tmp_path / "pipe")
    found = read(tuple(str(tmp_path / name) for name in ("a", "link", "long", "pipe", "none", ".", "a\0b")))
    assert list(found.values()) == [
        b"\xff acme\n",
        b"\xff acme\n",
        b"x" * 11,
        "it is no regular file",
        "No such file or directory",
        "it is no regular file",
        "it has no such name",
    ]
    assert read(("/dev/zero",)) == {"/dev/zero": "it is no regular file"}


def test_reading_leaves_no_file_open(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    read((str(tmp_path), str(tmp_path / "none"), "/dev/null"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_change_is_seen_once(tree, tmp_path):
    path = tmp_path / "a.txt"
    elsewhere = Outside(tree)
    assert not elsewhere.changed()
    steps = [
        lambda: path.write_text("acme"),
        lambda: path.write_text("zeta!"),
        lambda: os.utime(path, ns=(1, 1)),
        path.unlink,
        lambda: path.symlink_to("none"),
        lambda: (tmp_path / "none").write_text("acme"),
        lambda: (tmp_path / "none").write_text("acme2"),
    ]
    seen = []
    for step in steps:
        step()
        seen.append((elsewhere.changed(), elsewhere.changed()))
    assert seen == [(number != 4, False) for number in range(len(steps))]


def test_what_is_named_is_asked_again_when_the_file_that_names_it_changes(tree, tmp_path):
    elsewhere, other = Outside(tree), tmp_path / "b.txt"
    names(tmp_path, tmp_path / "a.txt", other)
    assert not elsewhere.changed()
    other.write_text("acme")
    assert elsewhere.changed()
    (tree / "sensitivity.yaml").unlink()
    assert not elsewhere.changed()
    other.write_text("zeta")
    assert not elsewhere.changed()


def test_a_tree_without_the_file_has_none(tmp_path):
    assert not Outside(tmp_path).changed()
