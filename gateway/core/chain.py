"""A trail of bytes in which every link holds the digest of all that is before it: what was changed later shows.

Two forms of it, both in files of lines. *Records*: each line is a JSON object that ends in its digest. *Batches*: after
a few lines stands a link, a line that is a JSON string: `"NUMBER DIGEST"`. Whoever can write everything can also write
everything anew; against that, a digest is pinned elsewhere.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Literal

import msgspec

GENESIS = bytes(32)
"""What is before the first link."""

_SEAL = re.compile(rb',"digest":"([0-9a-f]{64})"\}\n?\Z')
_LINK = re.compile(rb'"(\d{1,18}) ([0-9a-f]{64})( torn)?"\n\Z')

_FEW = 10_000

Kind = Literal["changed", "removed", "reordered", "truncated", "torn"]


class Finding(msgspec.Struct, frozen=True, order=True):
    """What is wrong with a trail, and where: `line` counts from 1, 0: the file as a whole.

    `torn` is no break: a process died while it wrote, and what was written after it says so.
    """

    file: str
    line: int
    kind: Kind
    words: str

    @property
    def breaks(self) -> bool:
        """Whether somebody interfered, as far as anybody can tell."""
        return self.kind != "torn"


class Head(msgspec.Struct, frozen=True):
    """The end of a trail: how many links it has, and the digest of all of them."""

    number: int = 0
    digest: bytes = GENESIS

    def __str__(self) -> str:
        return f"{self.number} {self.digest.hex()}"


def link(previous: bytes, data: bytes) -> bytes:
    """The digest of what is before and of what comes now."""
    return hashlib.sha256(previous + data).digest()


def sealed(head: Head, body: bytes) -> tuple[bytes, Head]:
    """A record (a JSON object, not empty) as the line that goes behind a head, and the head that it makes."""
    digest = link(head.digest, body)
    return body[:-1] + b',"digest":"%b"}\n' % digest.hex().encode(), Head(head.number + 1, digest)


def unsealed(line: bytes) -> tuple[bytes, bytes] | None:
    """The body of a record and the digest that it claims; None: it is no record."""
    found = _SEAL.search(line)
    return (line[: found.start()] + b"}", bytes.fromhex(found[1].decode())) if found else None


def link_line(head: Head, *, torn: bool = False) -> bytes:
    """The line that says what head the batch before it made. `torn`: before it stands what nobody finished writing."""
    return b'"%d %b%b"\n' % (head.number, head.digest.hex().encode(), b" torn" if torn else b"")


def linked(line: bytes) -> tuple[Head, bool] | None:
    """What a link says, and whether it says `torn`; None: the line is no link."""
    found = _LINK.match(line)
    return (Head(int(found[1]), bytes.fromhex(found[2].decode())), found[3] is not None) if found else None


class Walk:
    """Follows a trail. `findings` is what was wrong with it so far, `seen` those of the `wanted` digests that held.

    A number that is too high says that something is missing before it, one that is too low that it is in the wrong
    place; from there on the trail is believed to be what it claims, so that one break is one finding.
    """

    def __init__(self, wanted: Collection[bytes] = ()) -> None:
        self.head = Head()
        self.findings: list[Finding] = []
        self._wanted = frozenset(wanted)
        self.seen: set[bytes] = {GENESIS} & self._wanted
        self._missing: dict[int, int] = {}  # number -> place of the finding that says so

    def add(self, file: str, line: int, kind: Kind, words: str) -> None:
        """Something is wrong here."""
        self.findings.append(Finding(file, line, kind, words))

    def step(self, file: str, line: int, digest: bytes, claimed: Head, what: str) -> None:
        """One link: the digest that it has, and the head that it claims to make. `what` it is, for findings."""
        expected, number = self.head.number + 1, claimed.number
        if claimed.digest == digest:  # it was written behind what stands before it, whatever the numbers say
            if number != expected:
                self._renumbered(file, line, what)
            self._believe(claimed)
        elif number < expected:
            if (place := self._missing.get(number)) is not None:
                self._found(place)
            self.add(file, line, "reordered", f"{what} {number} stands behind number {self.head.number}")
        else:
            if number > expected:
                self._miss(file, line, expected, number - 1, what)
            else:
                self.add(file, line, "changed", f"{what} {number}, or the one before it, is not what was written")
            self.head = claimed

    def _miss(self, file: str, line: int, first: int, last: int, what: str) -> None:
        gone = f"number {first} is" if first == last else f"numbers {first} to {last} are"
        if last - first < _FEW:
            self._missing |= dict.fromkeys(range(first, last + 1), len(self.findings))
        self.add(file, line, "removed", f"{gone} missing before {what} {last + 1}")

    def _found(self, place: int) -> None:
        """What a finding says is missing stands elsewhere, and is told there."""
        del self.findings[place]
        self._missing = {number: at - (at > place) for number, at in self._missing.items() if at != place}

    def _renumbered(self, file: str, line: int, what: str) -> None:
        """Nothing is missing after all: the number of the one before was changed."""
        if self.findings and self.findings[-1].kind == "removed":
            file, line = self.findings[-1].file, self.findings[-1].line
            self._found(len(self.findings) - 1)
        self.add(file, line, "changed", f"{what} here has another number than was written")

    def _believe(self, head: Head) -> None:
        self.head = head
        self.saw(head.digest)

    def saw(self, digest: bytes) -> None:
        """A digest holds."""
        if digest in self._wanted:
            self.seen.add(digest)


TORN = "line_torn"
"""The act of the record behind a line that nobody finished writing. Its object is the digest of what is there of it."""


class _Record(msgspec.Struct):
    number: int
    act: str = ""
    object: str = ""


_RECORD = msgspec.json.Decoder(_Record).decode


def fragment(line: bytes) -> str:
    """What names an unfinished line."""
    return hashlib.sha256(line.removesuffix(b"\n")).hexdigest()


def walk_records(walk: Walk, file: str, lines: Iterable[bytes]) -> Iterator[bytes]:
    """Follows records; yields the bodies of those that can be read. A line that is none may be excused by the next one,
    or by being the last, without an end."""
    odd: tuple[int, bytes] | None = None
    for at, line in enumerate(lines, 1):
        found = _record(line)
        if odd is not None:
            torn = found is not None and found[0].act == TORN and found[0].object == fragment(odd[1])
            _tell_odd(walk, file, *odd, torn=torn)
            odd = None
        if found is None:
            odd = at, line
            continue
        record, body, digest = found
        walk.step(file, at, link(walk.head.digest, body), Head(record.number, digest), "record")
        yield body
    if odd is not None:
        _tell_odd(walk, file, *odd, torn=not odd[1].endswith(b"\n"))


def _record(line: bytes) -> tuple[_Record, bytes, bytes] | None:
    if not line.endswith(b"\n") or (found := unsealed(line)) is None:
        return None
    try:
        return _RECORD(found[0]), *found
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _tell_odd(walk: Walk, file: str, at: int, line: bytes, *, torn: bool) -> None:
    if torn:
        walk.add(file, at, "torn", f"{len(line)} bytes that nobody finished writing")
    else:
        walk.add(file, at, "changed", "the line is no record, and nothing says that it was torn")


class Batches:
    """Follows the batches of files, each of which says in its first line what is before it."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._begun = False
        self._begin_rest()

    def file(self, name: str, lines: Iterable[bytes]) -> Head | None:
        """The next file. Returns what it says is before it; None: it says nothing."""
        before: Head | None = None
        for at, line in enumerate(lines, 1):
            found = linked(line)
            if found is None:
                if not self._rest:
                    self._rest_at = name, at
                self._hash.update(line)
                self._rest += len(line)
                continue
            claimed, torn = found
            if at == 1:
                before = claimed
                self._begin(name, claimed, torn=torn)
            else:
                if before is None:
                    before = claimed
                    self._walk.add(name, 1, "changed", "the first line does not say what is before this file")
                first = self._rest_at[1] if self._rest else at
                what = f"the batch in lines {first} to {at}, number"
                self._walk.step(name, first, self._hash.digest(), claimed, what)
            self._begun = True
            self._begin_rest()
        return before

    def end(self) -> None:
        """There are no more files. What stands behind the last link is being written, or never was to its end."""
        if self._rest:
            self._tell_torn()

    def _begin(self, name: str, claimed: Head, *, torn: bool) -> None:
        walk = self._walk
        if not self._begun:  # older files have gone in time
            if self._rest:
                self._tell_torn()
            walk.head = claimed
        elif torn:
            if claimed == Head(walk.head.number + 1, self._hash.digest()):
                self._tell_torn()
            walk.step(name, 1, self._hash.digest(), claimed, "what was torn before this file, number")
        else:
            if self._rest:
                walk.add(*self._rest_at, "changed", f"{self._rest} bytes that no link answers for")
            if claimed.number > walk.head.number:
                gone = f"{walk.head.number + 1} to {claimed.number}"
                walk.add(name, 1, "removed", f"the batches {gone} are missing before this file")
            elif claimed.number < walk.head.number:
                words = f"the file begins behind batch {claimed.number}, and stands behind {walk.head.number}"
                walk.add(name, 1, "reordered", words)
            elif claimed != walk.head:
                walk.add(name, 1, "changed", "what is before this file is not what it began behind")
            walk.head = claimed
        walk.saw(claimed.digest)

    def _begin_rest(self) -> None:
        self._hash = hashlib.sha256(self._walk.head.digest)
        self._rest = 0  # bytes behind the last link
        self._rest_at = ("", 0)

    def _tell_torn(self) -> None:
        self._walk.add(*self._rest_at, "torn", f"{self._rest} bytes that nobody finished writing")
