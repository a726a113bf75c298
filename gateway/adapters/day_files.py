"""Files of lines, one for each day and start, to which batches are appended, each sealed with all that is before it.

A batch is one write: its lines, and the link that they make. A file begins with the link that the one before it ended
in. What a crash or a full disk leaves unfinished stays where it is: the next file says that it was torn, and seals it.
"""

import contextlib
import hashlib
import os
import re
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.core.chain import Batches, Head, Walk, link, link_line, linked

_LINKS = re.compile(rb'^"(\d{1,18}) ([0-9a-f]{64})(?: torn)?"\n', re.MULTILINE)
_NAME = re.compile(r"\d{4}-\d\d-\d\d\.\d{6,18}\.jsonl\Z", re.ASCII)
_TAIL_BYTES = 65_536
_CHUNK_BYTES = 1 << 20


def day_of(moment: float) -> str:
    """The day of a moment (UTC), by which a file's name begins."""
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def files(folder: Path, since: str = "") -> list[Path]:
    """All files since a day, oldest first. Whatever else lies there is none of ours."""
    return sorted(path for path in folder.glob("*.jsonl") if path.name >= since and _NAME.match(path.name))


class DayFiles:
    """The files of a folder, for the one process that appends to them.

    `on_begin` is told the name of each file that is begun, and the head that it begins behind, before anything is in
    it. Where it raises OSError there is no such file.
    """

    def __init__(self, folder: Path, on_begin: Callable[[str, str], None]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._on_begin = on_begin
        self._fd: int | None = None
        self._day = ""  # that the file is of
        self._fresh = False  # it holds nothing yet
        self._head, self._torn = _end(folder)

    def begin(self) -> bool:
        """Sees to it that the file is of today, or of the newest day that there was: what is written later stands
        behind, also where the clock was put back. True: it is another than before. Raises OSError."""
        today = day_of(time.time())
        if self._fd is not None and today <= self._day:
            return False
        newest = files(self._folder)[-1:]
        day = max([today, *(path.name.partition(".")[0] for path in newest)])
        number = 1 + max((int(path.stem.rpartition(".")[2]) for path in files(self._folder, day)), default=0)
        path = self._folder / f"{day}.{number:06d}.jsonl"
        opened = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            self._on_begin(path.name, str(self._behind()))
        except OSError:
            os.close(opened)
            path.unlink()
            raise
        self.close()
        self._fd, self._day, self._fresh = opened, day, True
        return True

    def append(self, lines: bytes) -> None:
        """Appends a batch: whole lines. Raises OSError: it is lost, at least in part, and the next file says so."""
        assert self._fd is not None
        head = self._behind()
        begun = link_line(head, torn=self._torn is not None) if self._fresh else b""
        after = Head(head.number + 1, link(head.digest, lines))
        data = b"%b%b%b" % (begun, lines, link_line(after))
        written = os.write(self._fd, data)
        if written == len(data):
            self._head, self._torn, self._fresh = after, None, False
            return
        if written >= len(begun):
            self._head, self._torn = head, None
        self._tear(data[len(begun) if written >= len(begun) else 0 : written])
        self.close()
        raise OSError("the disk took only a part")

    def close(self) -> None:
        """Ends the file. What was appended is written."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _behind(self) -> Head:
        """What the next batch stands behind: what was torn is one link, if anything was."""
        return self._head if self._torn is None else Head(self._head.number + 1, self._torn.digest())

    def _tear(self, part: bytes) -> None:
        if part:
            self._torn = self._torn or hashlib.sha256(self._head.digest)
            self._torn.update(part)


def _end(folder: Path) -> tuple[Head, Any]:
    """The last link of all files, and the digest under way of what stands behind it; None: nothing does."""
    behind: list[tuple[Path, int]] = []  # files, from which offset on
    head = Head()
    for path in reversed(files(folder)):
        found = _last_link(path)
        behind.append((path, found[1] if found else 0))
        if found:
            head = found[0]
            break
    digest = hashlib.sha256(head.digest)
    rest = 0
    for path, offset in reversed(behind):
        with path.open("rb") as file:
            file.seek(offset)
            while part := file.read(_CHUNK_BYTES):
                rest += len(part)
                digest.update(part)
    return head, digest if rest else None


def _last_link(path: Path) -> tuple[Head, int] | None:
    """The last link of a file, and where it ends."""
    span = _TAIL_BYTES
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while True:
            start = max(0, size - span)
            file.seek(start)
            if found := deque(_LINKS.finditer(file.read(size - start)), maxlen=1):
                (last,) = found
                return Head(int(last[1]), bytes.fromhex(last[2].decode())), start + last.end()
            if start == 0:
                return None
            span *= 16


def check(
    folder: Path,
    walk: Walk,
    begun: Mapping[str, str],
    shown: str,
    forgotten: Collection[str] = (),
    there_before: Iterable[Path] | None = None,
) -> None:
    """Walks all files of a folder. `begun` are the files that the trail of acts says were begun, with the head that
    each began behind, and `forgotten` those of them that need not be there; `shown` is how findings call the folder.
    `there_before` are the files as they were before the trail of acts was read: what was begun since is no finding."""
    batches = Batches(walk)
    there = {path.name: path for path in (files(folder) if there_before is None else there_before)}
    there |= {path.name: path for path in files(folder) if path.name in begun}
    first = min(begun, default="")
    for name in sorted({*there, *begun}):
        called = f"{shown}/{name}"
        if name not in there:
            if name not in forgotten:
                walk.add(called, 0, "removed", "the file is gone, and the gateway did not delete it")
            continue
        before = batches.file(called, _lines(there[name]))
        if name in begun:
            if before is not None and begun[name] != str(before):
                walk.add(called, 1, "changed", f"it began behind {begun[name]}, says the trail of acts")
        elif begun and name > first and _size(there[name]):
            walk.add(called, 0, "changed", "the trail of acts knows nothing of this file")
    if any(_size(path) for path in there.values()) and not begun:
        walk.add(shown, 0, "removed", "the trail of acts knows of none of these files")
    batches.end()


def sealed_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file that a link in it answers for, of which nobody here asks whether it holds. What stands behind
    the last one was never finished, or is not ours."""
    batch: list[bytes] = []
    for line in _lines(path):
        if linked(line) is None:
            batch.append(line)
        else:
            yield from batch
            batch.clear()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # deleted meanwhile: too old
        return 0


def _lines(path: Path) -> Iterator[bytes]:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:  # deleted meanwhile: too old
        yield from file
