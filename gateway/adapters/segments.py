"""A segment of the journal: a file of entries, one a line, as they were noted."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

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
