"""A segment of the journal: a file of entries, one a line, as they were noted. Before that of a call stands by which
decision it is sent: `dN {...}`, where N is the number of a line `sN {...}` before it, which many have in common."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from gateway.core.decided import Decided
from gateway.core.record import Entry

GROUP_ENTRIES = 5_000
"""Entries that are in memory at once when a segment is read."""
_ENTRY = msgspec.json.Decoder(Entry)
encode: Callable[[Iterable[Entry]], bytes] = msgspec.json.Encoder().encode_lines
"""Entries as they are in a segment: a line for each."""


class Group(msgspec.Struct, frozen=True):
    """Ended calls on their way to the store; the oldest has waited `since` (monotonic seconds)."""

    entries: list[Entry]
    since: float


class Full(msgspec.Struct, frozen=True):
    """A segment that nothing is written to any more. `reread`: not all that it holds was handed over."""

    path: Path
    size: int
    reread: bool
    since: float


def begin(directory: Path, number: int) -> tuple[Path, int, int]:
    """A new segment: its path, its descriptor, its size."""
    path = directory / f"{number:08d}.jsonl"
    return path, os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600), 0


class Lines:
    """Makes the lines of one segment."""

    def __init__(self) -> None:
        self._last = 0
        self._numbers: dict[bytes, int] = {}  # of what the segment has as shared

    def of(self, noted: Entry | Decided) -> bytes:
        """What stands for something in the segment."""
        if isinstance(noted, Entry):
            return encode([noted])
        number, head = self._numbers.get(noted.shared), b""
        if number is None:
            number = self._numbers[noted.shared] = self._last = self._last + 1
            head = b"s%d %b\n" % (number, noted.shared)
        return b"%bd%d %b\n" % (head, number, noted.own)

    def lost(self) -> None:
        """What was made last may not be in the segment."""
        self._numbers.clear()


def begun_on_disk(directory: Path, old: int, new: int) -> None:
    """Has a new segment on disk, and the one before it, which is whole."""
    os.fsync(old)
    os.fsync(new)
    fsync(os.open(directory, os.O_RDONLY))


def fsync(descriptor: int) -> None:
    """Has what was written to a file on disk, and closes it."""
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(segment: Path, unread: Callable[[bytes], None]) -> Iterator[list[Entry]]:
    """The entries of a segment, in their order, in groups. `unread` gets a whole line that this version cannot read."""
    group: list[Entry] = []
    with segment.open("rb") as lines:
        for line in lines:
            if line.startswith((b"s", b"d")):
                continue
            try:
                group.append(_ENTRY.decode(line))
            except msgspec.ValidationError:
                unread(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue  # torn: it was being written when the process died, so nothing had followed from it
            if len(group) >= GROUP_ENTRIES:
                yield group
                group = []
    yield group


def decided_in(segment: Path) -> list[Decided]:
    """The decisions of a segment, in their order. What was being written when the process died is none, and of a file
    that cannot be read there are none: whoever reads its entries says so."""
    shared: dict[bytes, bytes] = {}
    found = []
    with contextlib.suppress(OSError), segment.open("rb") as lines:
        for line in lines:
            number, _, rest = line[1:-1].partition(b" ")
            if line.startswith(b"s"):
                shared[number] = rest
            elif line.startswith(b"d") and line.endswith(b"\n") and number in shared:
                found.append(Decided(shared[number], rest))
    return found
