"""Dictionaries that lie outside of the policy tree: read with it, and looked after, since no folder tells of them."""

import os
import stat
from pathlib import Path

from gateway.policy.dictionaries import MAX_BYTES, outside
from gateway.policy.document import MAX_FILE_BYTES
from gateway.policy.sensitivity import NAME

_Stamp = tuple[int, ...] | None
"""Which file it is, its length, and when it last changed; None: it cannot be looked at."""


def read(names: tuple[str, ...]) -> dict[str, bytes | str]:
    """The bytes of each file, or why they cannot be read. Links are followed: mounted secrets are some."""
    return {name: _read(name) for name in names}


def _read(name: str) -> bytes | str:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or "it has no such name"
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return "it is no regular file"
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)  # one more says that it is too large
    except OSError as error:
        return error.strerror or "it cannot be read"
    finally:
        os.close(descriptor)


class Outside:
    """The files outside that a tree on disk names, and whether they changed since one last asked."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / NAME
        self._names: tuple[str, ...] = ()
        self._named_by: _Stamp = None
        self._stamps: tuple[_Stamp, ...] = ()
        self.changed()

    def changed(self) -> bool:
        """Whether any of them is another than when this was last asked. A new sensitivity.yaml is no change here, since
        that is one of the tree; ask before the tree is read."""
        if (named_by := _stamp(self._file)) != self._named_by:
            self._names, self._named_by = _named(self._file), named_by
            self._stamps = tuple(map(_stamp, self._names))
            return False
        before, self._stamps = self._stamps, tuple(map(_stamp, self._names))
        return self._stamps != before


def _named(path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            return outside(file.read(MAX_FILE_BYTES))
    except OSError:
        return ()


def _stamp(path: Path | str) -> _Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116  a name may be anything that somebody wrote
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
