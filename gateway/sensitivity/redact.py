"""Takes findings out of a request: each becomes a placeholder, and what it stood for is kept in memory.

A value has one placeholder wherever it stands. They are numbered in the order of the conversation, so that they are the
same when it is sent again with more turns. What comes out is scanned again: it is clean of the kinds that were to go,
or there is no redacted request at all.
"""

import re
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

import msgspec

from gateway.core.chat import ChatRequest, said_anew
from gateway.core.errors import Refused
from gateway.core.findings import Leaf, Path, Place, Scan
from gateway.core.pieces import Piece
from gateway.core.view import View
from gateway.sensitivity.reading import Edit, Reading
from gateway.sensitivity.restore import PLACEHOLDER
from gateway.sensitivity.scan import Again, Scanner
from gateway.sensitivity.walk import walk

_FREE = frozenset({"messages", "tools", "functions", "response_format"})
_READ = frozenset(View.__struct_fields__) - _FREE
"""Top-level fields that the gateway acts on: with a placeholder in them the request would be another one."""
_ROUNDS = 4
"""How often what comes out is scanned: taking one thing out can bare another."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+\-]*', re.DOTALL)
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_ESCAPE, _LONG_ESCAPE = len(r"\n"), len(r"\u0041")


class NotRedactable(Exception):
    """Something cannot be taken out, so the request may not go as if it had been. Tells no text."""


class Redacted(msgspec.Struct, frozen=True):
    """A request with findings taken out. `taken` has what each placeholder stands for, and is never shown."""

    chat: ChatRequest
    taken: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Redacted({len(self.taken)} taken out)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("taken", len(self.taken))]


class _Span(msgspec.Struct, frozen=True, order=True):
    """Characters `start` to `end` of a leaf that go. `bare`: they are a value of JSON that has no quotes yet."""

    leaf: int
    start: int
    end: int
    bare: bool = False


class _Group(msgspec.Struct):
    """What goes together, as one value: a finding, with those that overlap it."""

    kind: str
    spans: list[_Span]


def redact(chat: ChatRequest, scan: Scan, kinds: Container[str], scanner: Scanner | Again) -> Redacted:
    """The request without the findings of these kinds. `scan` is what `scanner` found in the request's own body.

    Raises NotRedactable: a finding is in the name of a member or in a field that the gateway itself reads, the scan is
    not complete, or what comes out is not clean.
    """
    if not scan.complete:
        raise NotRedactable("the request has more to examine than can be examined")
    leaves = scan.leaves
    groups = _told_apart(list(_groups(scan.places, leaves, kinds)))
    if not groups:
        return Redacted(chat, {})
    document = _Document(leaves)
    body = chat.with_fields({})
    stands = {match[0] for leaf in leaves for match in PLACEHOLDER.finditer(leaf.text)}
    for _ in range(_ROUNDS):
        groups = _merged(groups, document)
        texts = _Texts(document, groups, stands)
        redacted = _with_texts(chat, body, leaves, texts)
        again = scanner.scan(msgspec.json.decode(redacted.with_fields({})))
        if not again.complete or len(again.leaves) not in (0, len(leaves)):
            raise NotRedactable("what is left has more to examine than can be examined")
        left = _Document(again.leaves)
        bared = [
            _Group(group.kind, texts.sources(group.spans))
            for group in _told_apart(list(_groups(again.places, again.leaves, kinds)))
            if not texts.is_spent(left, group)
        ]
        if not bared:
            return Redacted(redacted, texts.taken)
        groups += bared
    raise NotRedactable("what is left is never clean")


def _groups(places: Sequence[Place], leaves: Sequence[Leaf], kinds: Container[str]) -> Iterator[_Group]:
    """The findings of these kinds, with all places of one in one group."""
    before: Place | None = None
    group: _Group | None = None
    for place in places:
        finding = place.finding
        if finding.kind not in kinds:
            continue
        span = _Span(place.leaf, finding.start, finding.end)
        if group is not None and before is not None and _goes_on(before, place, leaves):
            group.spans.append(span)
        else:
            if group is not None:
                yield group
            group = _Group(finding.kind, [span])
        before = place
    if group is not None:
        yield group


def _goes_on(before: Place, place: Place, leaves: Sequence[Leaf]) -> bool:
    """Whether a place is the next one of a finding across a seam."""
    one, other = before.finding, place.finding
    return (
        one.seen.startswith("joined")
        and (one.kind, one.detector, one.seen) == (other.kind, other.detector, other.seen)
        and place.leaf > before.leaf
        and other.start == 0
        and one.end == len(leaves[before.leaf].text)
    )


def _told_apart(groups: Sequence[_Group]) -> list[_Group]:
    """Without findings across a seam of which one part is such a finding on its own: a key at the end of a message does
    not go on in the answer to it."""
    alone: dict[tuple[int, str], list[_Span]] = {}
    for group in groups:
        if len(group.spans) == 1:
            alone.setdefault((group.spans[0].leaf, group.kind), []).append(group.spans[0])
    return [
        group
        for group in groups
        if len(group.spans) == 1
        or not any(
            other.start <= span.start < other.end
            for span in group.spans
            for other in alone.get((span.leaf, group.kind), ())
        )
    ]


def _merged(groups: Iterable[_Group], document: "_Document") -> list[_Group]:
    """The groups in the order of their numbers, with those that overlap as one. What is not part of a conversation
    comes first, since more turns only follow it."""
    each = [_Group(group.kind, [part for span in group.spans for part in document.fitting(span)]) for group in groups]
    each.sort(key=lambda group: (group.kind != "secret", group.spans))  # a secret gives the name to what it is part of
    first = list(range(len(each)))  # by group: one that it is merged into

    def root(number: int) -> int:
        while first[number] != number:
            first[number] = number = first[first[number]]
        return number

    kept: list[tuple[_Span, int]] = []
    for span, number in sorted((span, number) for number, group in enumerate(each) for span in group.spans):
        if kept and kept[-1][0].leaf == span.leaf and span.start < kept[-1][0].end:
            last, other = kept[-1]
            kept[-1] = (_Span(last.leaf, last.start, max(last.end, span.end), last.bare or span.bare), other)
            low, high = sorted((root(number), root(other)))
            first[high] = low
        else:
            kept.append((span, number))
    together: dict[int, _Group] = {}
    for span, number in kept:
        together.setdefault(root(number), _Group(each[root(number)].kind, [])).spans.append(span)
    return sorted(together.values(), key=lambda group: (document.path(group.spans[0])[0] == "messages", group.spans[0]))


class _Document:
    """The leaves of a request, and how they can be cut."""

    def __init__(self, leaves: Sequence[Leaf]) -> None:
        self.leaves = leaves
        self._values: dict[int, list[tuple[int, int]] | None] = {}  # by leaf: where its values of JSON are

    def path(self, span: _Span) -> Path:
        """Where the leaf of a span is."""
        return self.leaves[span.leaf].path

    def fitting(self, span: _Span) -> Iterator[_Span]:
        """A span as it can be cut out: a number only as a whole, and of JSON only values or what is within them."""
        leaf = self.leaves[span.leaf]
        if leaf.name:
            raise NotRedactable("a finding is in the name of a member")
        if _acted_on(leaf.path):
            raise NotRedactable(f"a finding is in a field that the gateway reads: `{leaf.path[0]}`")
        if leaf.number:
            yield _Span(span.leaf, 0, len(leaf.text))
        elif (values := self._json(span.leaf)) is not None:
            yield from _within(leaf.text, values, span)
        else:
            yield span

    def meaning(self, span: _Span) -> str:
        """What a place says: in JSON, without its escapes."""
        text = self.leaves[span.leaf].text[span.start : span.end]
        if "\\" in text and self._json(span.leaf) is not None:
            try:
                return msgspec.json.decode(f'"{text}"', type=str)
            except msgspec.DecodeError:
                return text
        return text

    def _json(self, number: int) -> list[tuple[int, int]] | None:
        """The values in the arguments of a call: JSON, which it must stay. None: it is something else."""
        if number not in self._values:
            leaf = self.leaves[number]
            found = None
            if leaf.key == "arguments" and _is_json(leaf.text):
                found = [match.span() for match in _TOKEN.finditer(leaf.text)]
            self._values[number] = found
        return self._values[number]


def _acted_on(path: Path) -> bool:
    if path[0] == "messages":
        return path[2:] == ("role",) or (path[2:3] == ("content",) and path[4:] == ("type",))
    return path[0] in _READ or path == ("response_format", "type")


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _within(text: str, values: Sequence[tuple[int, int]], span: _Span) -> Iterator[_Span]:
    """The parts of a span that are values of JSON, or within one: no quote and no escape is cut."""
    for at in range(max(0, bisect_right(values, (span.start, len(text) + 1)) - 1), len(values)):
        begins, ends = values[at]
        if begins >= span.end:
            return
        if ends <= span.start:
            continue
        if text[begins] != '"':
            yield _Span(span.leaf, begins, ends, bare=True)
            continue
        start, end = max(span.start, begins + 1), min(span.end, ends - 1)
        if cut := _escape_at(text, start):
            start = cut[0] if cut[1] - cut[0] == _LONG_ESCAPE else cut[1]
        if cut := _escape_at(text, end):
            end = cut[1]
        if start < end:
            yield _Span(span.leaf, start, end)


def _escape_at(text: str, at: int) -> tuple[int, int] | None:
    """The escape of JSON that a cut here would go through."""
    for start in range(at - 1, max(-1, at - _LONG_ESCAPE), -1):
        if text[start] != "\\":
            continue
        before = start
        while before and text[before - 1] == "\\":
            before -= 1
        if (start - before) % 2 == 0:  # otherwise it is itself escaped
            end = start + (_LONG_ESCAPE if text[start + 1 : start + 2] == "u" else _ESCAPE)
            return (start, end) if end > at else None
    return None


class _Texts:
    """The leaves with placeholders in them."""

    def __init__(self, document: _Document, groups: Iterable[_Group], stands: Container[str]) -> None:
        """`stands` are placeholders that the request has of its own."""
        self.taken: dict[str, str] = {}
        names: dict[str, str] = {}  # by original
        numbers: dict[str, int] = {}
        edits: dict[int, list[Edit]] = {}
        for group in groups:
            original = "".join(document.meaning(span) for span in group.spans)
            if original not in names:
                names[original] = name = _name(group.kind, numbers, stands)
                self.taken[name] = original
            put = names[original]
            for span in group.spans:
                edits.setdefault(span.leaf, []).append(Edit(span.start, span.end, f'"{put}"' if span.bare else put))
                put = ""
        self.changed = {leaf: Reading(document.leaves[leaf].text, mine) for leaf, mine in edits.items()}
        self._placed = {leaf: list(_placed(mine)) for leaf, mine in edits.items()}
        for leaf, reading in self.changed.items():
            ours = [match.span() for match in PLACEHOLDER.finditer(reading.text) if match[0] in self.taken]
            if len(ours) != len(self._placed[leaf]):
                raise NotRedactable("what is left would be read as a placeholder")

    def is_spent(self, left: _Document, group: _Group) -> bool:
        """Whether a finding in these texts has nothing more to take out: only placeholders of ours, or one of them and,
        across a seam, what went on from there."""
        spans = [part for span in group.spans for part in left.fitting(span)]
        return (any if len(group.spans) > 1 else all)(map(self._is_placeholder, spans))

    def _is_placeholder(self, span: _Span) -> bool:
        placed = self._placed.get(span.leaf, [])
        at = bisect_right(placed, span.start, key=lambda place: place[0]) - 1
        return at >= 0 and placed[at][0] <= span.start and span.end <= placed[at][1]

    def sources(self, spans: Iterable[_Span]) -> list[_Span]:
        """Where in the leaves places in these texts came from."""
        return [
            _Span(span.leaf, *self.changed[span.leaf].source_of(span.start, span.end))
            if span.leaf in self.changed
            else span
            for span in spans
        ]


def _placed(edits: Iterable[Edit]) -> Iterator[tuple[int, int]]:
    """Where the placeholders stand, once these edits are done."""
    shift = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        if len(edit.text) > len('""'):
            yield edit.start + shift, edit.start + shift + len(edit.text)
        shift += len(edit.text) - (edit.end - edit.start)


def _name(kind: str, numbers: dict[str, int], stands: Container[str]) -> str:
    """The next placeholder of a kind."""
    while True:
        numbers[kind] = numbers.get(kind, 0) + 1
        name = f"[{kind.upper()}_{numbers[kind]}]"
        if name not in stands:
            return name


def _with_texts(chat: ChatRequest, body: bytes, leaves: Sequence[Leaf], texts: _Texts) -> ChatRequest:
    """The request with other texts. Top-level fields without one keep their bytes."""
    document = msgspec.json.decode(body)
    for number, reading in texts.changed.items():
        leaf = leaves[number]
        inside = document
        try:
            for step in leaf.path[:-1]:
                inside = inside[step]
            stood = inside[leaf.path[-1]]
        except (LookupError, TypeError):
            stood = None
        if str(stood) != leaf.text:
            raise NotRedactable("the scan is of another request")
        inside[leaf.path[-1]] = reading.text
    names = {leaves[number].path[0] for number in texts.changed}
    changed = {name: msgspec.json.encode(document[name]) for name in chat.fields if name in names}
    try:
        return said_anew(chat, changed, _moved(chat, leaves, texts))
    except Refused:
        raise NotRedactable("with placeholders in it, it is no request") from None


def _moved(chat: ChatRequest, leaves: Sequence[Leaf], texts: _Texts) -> tuple[Piece, ...] | None:
    """Where the blocks of the request are by now; None: it has none."""
    if chat.native is None:
        return None
    readings = {leaves[number].path: reading for number, reading in texts.changed.items()}
    return tuple(
        Piece(piece.path, reading.place_of(piece.start), reading.place_of(piece.end), piece.kept)
        if piece.end and (reading := readings.get(piece.path)) is not None
        else piece
        for piece in chat.native.pieces
    )


def is_there_still(came: Scan, said: bytes, kinds: Container[str]) -> bool:
    """Whether most of a finding of these kinds that went on from one text to the next, as a request came, is in the
    body that it is said as, wherever its parts are: they may not be neighbours any more."""
    groups = [group for group in _told_apart(list(_groups(came.places, came.leaves, kinds))) if len(group.spans) > 1]
    texts = [leaf.text for leaf in walk(msgspec.json.decode(said)).leaves] if groups else []
    for group in groups:
        parts = [_core(came.leaves[span.leaf].text[span.start : span.end]) for span in group.spans]
        left = sum(len(part) for part in parts if any(part in text for text in texts))
        if 2 * left > sum(map(len, parts)):
            return True
    return False


def _core(text: str) -> str:
    """The longest part of a text that JSON in a text has as it is."""
    return max(_ESCAPED.split(text), key=len)
