"""Which words a text has, and where: one pass for all the words of all rows, whatever the number of rows.

Looking around each candidate for its words would cost a multiple of the text when candidates are many; here a text is
read once, and each question "does one of these words stand near" is two steps into a sorted list.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

import ahocorasick_rs

from gateway.sensitivity.sight import AFTER, BEFORE, Sight, Words

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Scripts without spaces between words, or with endings glued on: there a word is found anywhere."""


class Mentions:
    """Where the words of each set stand in one text."""

    __slots__ = ("_everywhere", "_places")

    def __init__(self, places: dict[int, list[tuple[int, int]]], everywhere: frozenset[int]) -> None:
        self._places = places
        self._everywhere = everywhere

    def near(self, number: int, start: int, end: int, before: int = BEFORE, after: int = AFTER) -> bool:
        """Whether a word of that set begins or ends near a place. The name of the text's JSON member is near to all."""
        if number in self._everywhere:
            return True
        places = self._places.get(number)
        if places is None:
            return False
        at = bisect_left(places, (start - before, 0))
        while at < len(places) and places[at][0] <= end + after:
            if places[at][1] <= start or places[at][0] >= end:
                return True
            at += 1
        return False

    def of(self, number: int) -> Sequence[tuple[int, int]]:
        """The places of the words of one set, in order."""
        return self._places.get(number, ())


class Lexicon:
    """Sets of words, looked for together. A set goes by its number."""

    def __init__(self, sets: Iterable[Words]) -> None:
        owners: dict[str, set[int]] = {}
        for number, words in enumerate(sets):
            for word in words.spoken:
                owners.setdefault(_sought(word), set()).add(number)
        self._sought = list(owners)
        self._owners = [tuple(owners[word]) for word in self._sought]
        self._automaton = ahocorasick_rs.AhoCorasick(self._sought)
        self._empty = Mentions({}, frozenset())

    def read(self, sight: Sight) -> Mentions:
        """Where the words stand in a text. Adjacent words are told apart by anything that is not a letter."""
        places: dict[int, list[tuple[int, int]]] = {}
        for number, start, end in self._automaton.find_matches_as_indexes(sight.spaced, overlapping=True):
            word = self._sought[number]
            # The blanks around a word are not part of it, and `spaced` begins with one blank more than the text.
            span = (start - 1 + (word[0] == " "), end - 1 - (word[-1] == " "))
            for owner in self._owners[number]:
                places.setdefault(owner, []).append(span)
        for found in places.values():
            found.sort()
        everywhere = frozenset(
            owner
            for number, _, _ in self._automaton.find_matches_as_indexes(sight.spaced_key, overlapping=True)
            for owner in self._owners[number]
        )
        return Mentions(places, everywhere) if places or everywhere else self._empty


def _sought(word: str) -> str:
    """A word as it stands in `Sight.spaced`."""
    plain = Sight(word.rstrip("*")).spaced[1:-1]
    if _UNSPACED.match(plain):
        return plain
    return f" {plain}" if word.endswith("*") else f" {plain} "
