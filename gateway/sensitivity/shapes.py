"""Identifiers by shape: the table's row, and the one pass that finds what any row describes.

A *shape* is an identifier with 9 for a digit, A for a letter, X for either, and a blank for a separator: 44051401458 has
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
_SHAPE = str.maketrans({letter: "A" for letter in _LETTERS} | {digit: "9" for digit in "012345678"})
_LIKE_BLANK = str.maketrans("\u00a0\u2009\u202f\u2010\u2011\u2013", "   ---")
_LONGEST_HEAD = 5
_LONGEST_GROUP = 32


class Claim(msgspec.Struct, frozen=True):
    """What one row says of one place, and how sure it is; where places overlap, the surest and longest stays."""

    sure: int
    hit: Hit


class Table:
    """All rows, as one trie and one lexicon."""

    def __init__(self, rows: Sequence[Identifier], lexicon: Lexicon) -> None:
        self._rows = tuple(rows)
        self._lexicon = lexicon
        self._forms = tuple(re.compile(row.form) if row.form else None for row in rows)
        self._trie: dict[str, Any] = {}
        for number, row in enumerate(rows):
            for shape in row.shapes:
                for written in _written(shape):
                    self._plant(written.split(" "), number)

    def _plant(self, groups: list[str], number: int) -> None:
        node = self._trie
        for group in groups:
            node = node.setdefault(group, {})
        there = node.get("", ())
        if number not in there:
            node[""] = (*there, number)

    def find(self, sight: Sight) -> Iterator[Hit]:
        """What the rows find, in order, nothing twice."""
        mentions: Mentions | None = None
        for groups in regions(sight.text):
            claims: list[Claim] = []
            for start, end, rows in self._windows(sight.text, groups):
                mentions = mentions or self._lexicon.read(sight)
                claims += self._claims(sight, mentions, start, end, rows)
            if claims:
                yield from settle(claims)

    def _windows(
        self, text: str, groups: list[tuple[int, int]]
    ) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """Every place whose shape is a row's, with the rows."""
        shapes = [text[start:end].translate(_SHAPE) if end - start <= _LONGEST_GROUP else "?" for start, end in groups]
        trie = self._trie
        for first, shape in enumerate(shapes):
            node = trie.get(shape)
            last = first
            while node is not None:
                rows = node.get("")
                if rows is not None:
                    yield groups[first][0], groups[last][1], rows
                last += 1
                if last == len(shapes):
                    break
                node = node.get(shapes[last])

    def _claims(
        self, sight: Sight, mentions: Mentions, start: int, end: int, rows: tuple[int, ...]
    ) -> Iterator[Claim]:
        """What the rows of a shape say of a place that has it."""
        text = sight.text
        if is_cut(text, start, end):
            return
        written = text[start:end]
        between = set(_OTHER.findall(written.translate(_LIKE_BLANK)))
        value = _OTHER.sub("", written)
        capital = value.upper()
        for number in rows:
            row, form = self._rows[number], self._forms[number]
            if (between and (not between <= set(row.separators) or (len(between) > 1 and not row.mixed))) or (
                form is not None and form.fullmatch(capital) is None
            ):
                continue
            passes = row.valid is None or row.valid(capital)
            sure = 0
            if passes:
                if (value == capital or not row.capital) and mentions.near(row.words, start, end):
                    sure = 4
                elif row.bare is Bare.ANYWHERE and (value == capital or sight.alone(start, end)):
                    sure = 3
                elif row.bare and sight.alone(start, end):
                    sure = 1
                if sure == 4 and row.bare is Bare.NEVER and is_denied(mentions, start, end):
                    sure = 0
            elif row.loose and mentions.near(row.words, start, end, CLOSE, 0):
                sure = 0 if is_denied(mentions, start, end) else 2
            if sure:
                yield Claim(sure, Hit(start, end, row.kind, row.id))


def regions(text: str) -> Iterator[list[tuple[int, int]]]:
    """The groups of letters and digits that stand together, at least one with a digit, as places in a text."""
    for match in _REGION.finditer(text):
        first, end = match.span()
        length = end - first
        if length < 5 and text[first:end].isdecimal() and not (
            first > 1 and text[first - 1] in "- " and text[first - 2] in _CAPITALS
        ) and (length < 4 or text[first - 1 : first] in _BLANK):
            continue  # years, counts, prices: most numbers of most texts
        start = _left(text, first)
        for _ in range(2):
            if not start or text[start - 1] not in " -./":
                break
            head = _left(text, start - 1)
            if not 0 < start - 1 - head <= _LONGEST_HEAD or (head and (text[head - 1].isalnum() or text[head - 1] == "_")):
                break
            start = head
        yield [found.span() for found in _GROUP.finditer(text, start, end)]


def is_denied(mentions: Mentions, start: int, end: int) -> bool:
    """Whether the text says that the value is not what it looks like."""
    return mentions.near(DENIALS, start, end, DENIED, 0)


def _left(text: str, at: int) -> int:
    """Where the letters begin that end at a place."""
    least = max(0, at - _LONGEST_GROUP)
    while at > least and text[at - 1] in _LETTERS:
        at -= 1
    return at


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
