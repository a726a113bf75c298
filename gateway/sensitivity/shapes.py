"""Identifiers by shape: the table's row, and the one pass that finds what any row describes.

A *shape* is an identifier with 9 for a digit, A for a letter, X for either,
and a blank for a separator: 44051401458 has
the shape "99999999999", AB 12 34 56 C the shape "AA 99 99 99 A". The pass goes from digit to digit, takes each group of
letters and digits with its neighbours, and walks a trie of all shapes; only where a shape is complete are rows asked.
So the cost of a text does not grow with the number of rows, and no expression of ours can run away.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import product
from typing import Any

import msgspec

from gateway.sensitivity.detector import Hit
from gateway.sensitivity.expression import compiled
from gateway.sensitivity.lexicon import Lexicon, Mentions
from gateway.sensitivity.sight import Sight, Words


class Bare(IntEnum):
    """Where a value counts that no word explains, provided that its check holds."""

    NEVER = 0
    ALONE = 1
    """When it stands as a value: all there is, in quotes, in a cell, after a colon."""
    ANYWHERE = 2
    """In running prose too."""


class Identifier(msgspec.Struct, frozen=True, kw_only=True):
    """One identifier of one country.

    `form` is an expression that the value without separators must be, whatever stands around. `valid` is its check.
    With `loose`, a label close before the value counts for more than a failed check: people mistype and invent.
    `separators` are those that may divide it, always the same one, or with `mixed` any of them. With `capital`, small
    letters count only where the value stands alone: in prose they are words.
    """

    id: str
    kind: str
    shapes: tuple[str, ...]
    words: Words
    form: str = ""
    valid: Callable[[str], bool] | None = None
    bare: Bare = Bare.NEVER
    loose: bool = False
    separators: str = " -."
    mixed: bool = False
    capital: bool = False


CLOSE = 32
"""How far before a value, in characters, a label may stand to speak louder than the value's check."""

DENIED = 60
"""How far before a value a denial still means it."""

DENIALS = Words(
    "not", "isn t", "invalid", "wrong", "no es", "invalido", "incorrecto", "nieprawidlow*", "niepoprawn*", "bledn*",
    "ungultig", "falsch", "invalide", "non valido", "无效", "错误",
)  # fmt: skip
"""Words with which a text says that a value is none."""

_REGION = re.compile(
    r"[0-9][0-9A-Za-z]*+"
    r"(?:[ \-./:\u00a0\u2009\u202f\u2010\u2011\u2013]"
    r"(?:(?>[A-Za-z]{0,6})[0-9][0-9A-Za-z]*+|[A-Za-z]{1,3}+(?![0-9A-Za-z_])))*+"
)
_GROUP = re.compile(r"[0-9A-Za-z]+")
_OTHER = re.compile(r"[^0-9A-Za-z]")
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_CAPITALS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_BLANK = frozenset(("", " ", "\n"))
_SHAPE = bytes.maketrans("".join(_LETTERS).encode() + b"012345678", b"A" * len(_LETTERS) + b"9" * 9)
_LIKE_BLANK = str.maketrans("\u00a0\u2009\u202f\u2010\u2011\u2013", "   ---")
_COUNTED = "01234567890123456789"
_LONGEST_HEAD = 5
_SHORT = 300
_CLOSING = frozenset("\"'`»”><|")
_LONGEST_GROUP = 32


class Claim(msgspec.Struct, frozen=True):
    """What one row says of one place, and how sure it is; where places overlap, the surest and longest stays."""

    sure: int
    hit: Hit


class _Ready(msgspec.Struct, frozen=True):
    """A row, and its separators as a set."""

    row: Identifier
    separators: frozenset[str]


class _Plan(msgspec.Struct, frozen=True):
    """The rows of one shape: those whose words a text has, and of the others those that count anywhere, or alone."""

    named: tuple[_Ready, ...]
    anywhere: tuple[_Ready, ...]
    alone: tuple[_Ready, ...]


class _Shape(msgspec.Struct, frozen=True):
    """The rows that have a shape, their words, and the plan for a text that has none of those."""

    rows: tuple[_Ready, ...]
    words: frozenset[Words]
    wordless: _Plan


def _plan(rows: tuple[_Ready, ...], said: frozenset[Words]) -> _Plan:
    named = tuple(ready for ready in rows if ready.row.words in said)
    others = [ready for ready in rows if ready.row.words not in said]
    return _Plan(
        named,
        tuple(ready for ready in others if ready.row.bare is Bare.ANYWHERE),
        tuple(ready for ready in others if ready.row.bare is Bare.ALONE),
    )


def _shape(rows: tuple[_Ready, ...]) -> _Shape:
    return _Shape(rows, frozenset(ready.row.words for ready in rows), _plan(rows, frozenset()))


class _Reading:
    """One text with what the words in it say of each row; which rows can claim anything at all is found out once."""

    __slots__ = ("_mentions", "_plans", "sight")

    def __init__(self, sight: Sight, mentions: Mentions) -> None:
        self.sight = sight
        self._mentions = mentions
        self._plans: dict[int, _Plan] = {}

    def plan(self, number: int, shape: _Shape) -> _Plan:
        """What to ask where the shape of that number is complete."""
        said = self._mentions.said
        if said.isdisjoint(shape.words):
            return shape.wordless
        plan = self._plans.get(number)
        if plan is None:
            plan = self._plans[number] = _plan(shape.rows, said)
        return plan

    def claims(self, start: int, end: int, plan: _Plan) -> Iterator[Claim]:
        """What the rows of a shape say of a place that has it. What costs least is asked first."""
        text, mentions = self.sight.text, self._mentions
        if is_cut(text, start, end):
            return
        alone = (len(text) < _SHORT or _may_close(text, end)) and self.sight.alone(start, end)
        rows = (*plan.named, *plan.anywhere, *plan.alone) if alone else plan.named + plan.anywhere
        if not rows:
            return
        value = written = text[start:end]
        between: set[str] = set()
        if not written.isalnum():
            between = set(_OTHER.findall(written.translate(_LIKE_BLANK)))
            value = _OTHER.sub("", written)
        capital = value.upper()
        # In a long text small letters and digits in quotes are a digest or a name; and who counts, counts up.
        stands = alone and (value == capital or len(text) < _SHORT) and not (value[0] in "01" and value in _COUNTED)
        for ready in rows:
            row = ready.row
            if between and (not between <= ready.separators or (len(between) > 1 and not row.mixed)):
                continue
            near = bool(plan.named) and (value == capital or not row.capital) and mentions.near(row.words, start, end)
            counts = stands or (row.bare is Bare.ANYWHERE and value == capital)
            if not near and not (row.bare and counts):
                continue
            if row.form and compiled(row.form).fullmatch(capital) is None:
                continue
            if row.valid is None or row.valid(capital):
                if near and (row.bare or not is_denied(mentions, start, end)):
                    yield Claim(4, Hit(start, end, row.kind, row.id))
                elif row.bare and counts:
                    yield Claim(3 if row.bare is Bare.ANYWHERE else 1, Hit(start, end, row.kind, row.id))
                    if not plan.named:
                        return  # rows stand in the order of how much they say; without words no later one says more
            elif (
                near
                and row.loose
                and mentions.near(row.words, start, end, CLOSE, 0)
                and not is_denied(mentions, start, end)
            ):
                yield Claim(2, Hit(start, end, row.kind, row.id))


class Table:
    """All rows, as one trie over one lexicon."""

    def __init__(self, rows: Sequence[Identifier], lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._trie: dict[str, Any] = {}
        planted: list[list[_Ready]] = []
        for row in sorted(rows, key=lambda row: -row.bare):
            ready = _Ready(row, frozenset(row.separators))
            for shape in row.shapes:
                for written in _written(shape):
                    node = self._trie
                    for group in written.split(" "):
                        node = node.setdefault(group, {})
                    if "" not in node:
                        node[""] = len(planted)
                        planted.append([])
                    if ready not in planted[node[""]][-1:]:  # two of its shapes may be written alike
                        planted[node[""]].append(ready)
        self._shapes = [_shape(tuple(each)) for each in planted]

    def find(self, sight: Sight) -> Iterator[Hit]:
        """What the rows find, in order, nothing twice."""
        text, trie = sight.text, self._trie
        short = len(text) < _SHORT
        reading: _Reading | None = None
        shaped = text.encode("latin-1", "replace").translate(_SHAPE).decode("latin-1")
        for groups in regions(text):
            if len(groups) == 1 and shaped[groups[0][0] : groups[0][1]] not in trie:
                continue  # most regions
            claims: list[Claim] = []
            shapes = [shaped[first:last] if last - first <= _LONGEST_GROUP else "?" for first, last in groups]
            furthest = 0
            for number, shape in enumerate(shapes):
                if (
                    claims and groups[number][0] >= furthest
                ):  # nothing to come can overlap, and a region may be all there is
                    yield from settle(claims)
                    claims = []
                node = trie.get(shape)
                last = number
                while node is not None:
                    complete = node.get("")
                    if complete is not None:
                        start, end = groups[number][0], groups[last][1]
                        reading = reading or _Reading(sight, self._lexicon.read(sight))
                        plan = reading.plan(complete, self._shapes[complete])
                        if plan.named or plan.anywhere or (plan.alone and (short or _may_close(text, end))):
                            claims += reading.claims(start, end, plan)
                            furthest = max(furthest, end)
                    last += 1
                    node = node.get(shapes[last]) if last < len(shapes) else None
            if claims:
                yield from settle(claims)


def regions(text: str) -> Iterator[list[tuple[int, int]]]:
    """The groups of letters and digits that stand together, at least one with a digit, as places in a text."""
    for match in _REGION.finditer(text):
        first, end = match.span()
        length = end - first
        if length < 5 and text[first:end].isdecimal():
            # Years, counts, prices: most numbers of most texts. A register's letters before it are in capitals.
            headed = first > 1 and text[first - 1] in "- " and text[first - 2] in _CAPITALS
            if not headed and (length < 4 or text[first - 1 : first] in _BLANK):
                continue
        start = first
        if first and text[first - 1] in _LETTERS:
            start = _left(text, first)
        for _ in range(2):
            if not start or text[start - 1] not in " -./":
                break
            head = _left(text, start - 1)
            if not 0 < start - 1 - head <= _LONGEST_HEAD or (
                head and (text[head - 1].isalnum() or text[head - 1] == "_")
            ):
                break
            start = head
        yield (
            [(start, end)]
            if text[start:end].isalnum()
            else [found.span() for found in _GROUP.finditer(text, start, end)]
        )


def _left(text: str, at: int) -> int:
    """Where the letters begin that end at a place."""
    least = max(0, at - _LONGEST_GROUP)
    while at > least and text[at - 1] in _LETTERS:
        at -= 1
    return at


def _may_close(text: str, end: int) -> bool:
    """Whether what follows may be the end of a quotation or a cell: cheap, and asked of every shape in a long text."""
    after = text[end : end + 1]
    return after in _CLOSING or (
        after == " " and (text[end + 1 : end + 2] in _CLOSING or text[end + 2 : end + 3] in _CLOSING)
    )


def is_denied(mentions: Mentions, start: int, end: int) -> bool:
    """Whether the text says that the value is not what it looks like."""
    return mentions.near(DENIALS, start, end, DENIED, 0)


def is_cut(text: str, start: int, end: int) -> bool:
    """Whether a place is only part of something longer: a word, a decimal, a sum of money, a path, an address."""
    if start:
        before = text[start - 1]
        if before in "_@$€£+%&\\" or ("\u00c0" <= before < "\u0250") or before in _LETTERS or before.isdecimal():
            return True
        if before in "-./,:" and start > 1 and text[start - 2].isdecimal():
            return True
    if end < len(text):
        after = text[end]
        if after in "_@%€$\\" or ("\u00c0" <= after < "\u0250") or after in _LETTERS or after.isdecimal():
            return True
        if after in "-./,:" and end + 1 < len(text):
            beyond = text[end + 1]
            return beyond.isdecimal() or (after == "-" and beyond in _LETTERS)
    return False


def settle(claims: Iterable[Claim]) -> Iterator[Hit]:
    """Of claims that overlap, the surest, then the longest, then the first."""
    kept: list[Hit] = []
    taken: set[int] = set()  # places; an identifier is short, so this stays linear where overlaps are many
    for claim in sorted(claims, key=lambda each: (-each.sure, each.hit.start - each.hit.end)):
        place = range(claim.hit.start, claim.hit.end)
        if taken.isdisjoint(place):
            kept.append(claim.hit)
            taken.update(place)
    yield from sorted(kept, key=lambda hit: hit.start)


def _written(shape: str) -> Iterator[str]:
    """A shape with every X as a digit and as a letter."""
    for choice in product(*("9A" if place == "X" else place for place in shape)):
        yield "".join(choice)
