"""A policy tree as it is at some commit: read from the objects of a repository, through the `git` program.

Nothing is checked out, and what attributes or filters of the repository would do to files is not done.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway.policy.dictionaries import MAX_BYTES
from gateway.policy.document import MAX_FILE_BYTES
from gateway.policy.tree import is_dictionary
from gateway.review import lock

MAX_FILES = 500

_PATIENCE_SECONDS = 60
_FILE_MODES = (b"100644", b"100755")
_NOT_OURS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""What git sets for a hook. They would lead it to another repository than the folder's."""


class Unreadable(Exception):
    """A tree cannot be read at a ref. The message says why, and what to do about it."""


class Commit(msgspec.Struct, frozen=True):
    """A tree at a commit. `id` is the commit's hash; `path` is the tree's place in the repository, `.` for its root;
    `files` are the bytes of every YAML file and dictionary, by its path from there; `lock` are those of its
    policy.lock, None: it has none."""

    id: str
    path: str
    files: dict[str, bytes]
    lock: bytes | None = None


def read(directory: Path, ref: str) -> Commit:
    """The tree that lies at a directory's place at a ref of the repository that holds it. Raises Unreadable."""
    if not directory.is_dir():
        raise Unreadable(f"no directory at {directory}, so no repository to find `{ref}` in")
    prefix = _said(directory, "rev-parse", "--show-prefix").rstrip("/")
    try:
        commit = _said(directory, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except Unreadable:
        raise Unreadable(
            f"no commit `{ref}` in the repository of {directory}; fetch it first (a shallow clone has few commits)"
        ) from None
    path = prefix or "."
    try:
        tree = _said(directory, "rev-parse", "--verify", "--quiet", f"{commit}:{prefix}")
    except Unreadable:
        raise Unreadable(f"there is no {path} at `{ref}` ({commit[:10]})") from None
    files = _files(directory, tree, f"{ref}:{path}")
    return Commit(commit, path, files, files.pop(lock.NAME, None))


def history(directory: Path) -> Iterator[Commit]:
    """The tree at each commit of the present branch that changed it, the latest first. Raises Unreadable.

    Commits at which it cannot be read, say because it held a link then, are left out.
    """
    for line in _said(directory, "log", "--format=%H", "--", ".").splitlines():
        try:
            yield read(directory, line)
        except Unreadable:
            continue


def uncommitted(directory: Path) -> tuple[str, ...]:
    """The files below a directory that are not as they were committed, by their path from there. Raises Unreadable."""
    lines = _run(directory, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", ".")
    prefix = _said(directory, "rev-parse", "--show-prefix")
    return tuple(os.fsdecode(line[3:]).removeprefix(prefix) for line in lines.split(b"\0")[:-1])


def restore(directory: Path, commit: str) -> None:
    """Makes the files below a directory what they were at a commit; those that were not there then are deleted.

    Nothing is staged or committed. Raises Unreadable.
    """
    _run(directory, "restore", f"--source={commit}", "--worktree", "--no-overlay", "--", ".")


def _files(directory: Path, tree: str, shown: str) -> dict[str, bytes]:
    listed: dict[str, str] = {}
    for entry in _run(directory, "ls-tree", "-r", "-z", "--long", "--full-tree", tree).split(b"\0")[:-1]:
        facts, _, raw = entry.partition(b"\t")
        mode, _, object_id, length = facts.split()
        name = os.fsdecode(raw)
        if not (name.endswith((".yaml", ".yml")) or is_dictionary(name) or name == lock.NAME):
            continue
        if mode not in _FILE_MODES:
            raise Unreadable(f"{shown}/{name} is no regular file; links are not followed")
        if int(length) > (most := MAX_BYTES if is_dictionary(name) else MAX_FILE_BYTES):
            raise Unreadable(f"{shown}/{name} is larger than {most} bytes")
        listed[name] = object_id.decode()
    if len(listed) > MAX_FILES:
        raise Unreadable(f"{shown} holds more than {MAX_FILES} policy files")
    answer = _run(directory, "cat-file", "--batch", given="".join(f"{each}\n" for each in listed.values()).encode())
    found, at = {}, 0
    for name in listed:  # each answer: its id, kind and length, a line feed, its bytes
        end = answer.index(b"\n", at)
        start, size = end + 1, int(answer[at:end].split()[2])
        found[name] = answer[start : start + size]
        at = start + size + 1
    return found


def _said(directory: Path, *words: str) -> str:
    return _run(directory, *words).decode("utf-8", "surrogateescape").strip()


def _run(directory: Path, *words: str, given: bytes = b"") -> bytes:
    """What git answers. Raises Unreadable with its own words when it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_OURS} | {"LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *words],  # noqa: S607  whichever git its user has
            input=given,
            capture_output=True,
            check=False,
            env=environment,
            timeout=_PATIENCE_SECONDS,
        )
    except FileNotFoundError:
        raise Unreadable("there is no `git` program here; compare with a folder instead") from None
    except subprocess.TimeoutExpired:
        raise Unreadable(f"git {words[0]} took more than {_PATIENCE_SECONDS} seconds") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ")
        raise Unreadable(f"git {words[0]} in {directory}: {said or f'exit code {done.returncode}'}")
    return done.stdout
