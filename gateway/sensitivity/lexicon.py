"""Which words a text has, and where: one pass for all the words of all rows, whatever the number of rows.

Looking around each candidate for its words would cost a multiple of the text when candidates are many; here a text is
read once, and each question "does one of these words stand near" is a step or two into a sorted list.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

import ahocorasick_rs

from gateway.sensitivity.sight import AFTER, BEFORE, Sight, Words

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Scripts without spaces between words, or with endings glued on: there a word is found anywhere."""

_Place = tuple[int, int]


class Mentions:
    """Where the words of each set stand in one text."""

    __slots__ = ("_everywhere", "_found", "_owners", "_places")

    def __init__(self, owners: Sequence[frozenset[Words]], found: dict[int, list[_Place]], key: frozenset[int]) -> None:
        self._owners = owners
        self._found = found
        self._everywhere = frozenset(words for number in key for words in owners[number])
        self._places: dict[Words, list[_Place]] = {}

    def near(self, words: Words, start: int, end: int, before: int = BEFORE, after: int = AFTER) -> bool:
        """Whether one of the words stands near a place, outside of it. The name of the JSON member is near to all."""
        if words in self._everywhere:
            return True
        places = self.of(words)
        if not places:
            return False
        at = bisect_left(places, (start - before, 0))
        while at < len(places) and places[at][0] <= end + after:
            if places[at][1] <= start or places[at][0] >= end:
                return True
            at += 1
        return False

    def names(self, words: Words) -> bool:
        """Whether one of the words is in the name of the JSON member that holds the text."""
        return words in self._everywhere

    def has(self, words: Words) -> bool:
        """Whether any of the words stands anywhere."""
        return words in self._everywhere or bool(self.of(words))

    def of(self, words: Words) -> Sequence[_Place]:
        """The places of the words of one set, in order."""
        places = self._places.get(words)
        if places is None:
            owners = self._owners
            places = sorted(
                place for number, found in self._found.items() if words in owners[number] for place in found
            )
            self._places[words] = places
        return places


class Lexicon:
    """Sets of words, looked for together."""

    def __init__(self, sets: Iterable[Words]) -> None:
        owners: dict[str, set[Words]] = {}
        for words in sets:
            for word in words.spoken:
                owners.setdefault(_sought(word), set()).add(words)
        self._sought = list(owners)
        self._owners = [frozenset(owners[word]) for word in self._sought]
        # The blanks around a word are not part of it, and `spaced` begins with one blank more than the text.
        self._shifts = [(1 - word.startswith(" "), 1 + word.endswith(" ")) for word in self._sought]
        self._automaton = ahocorasick_rs.AhoCorasick(self._sought)

    def read(self, sight: Sight) -> Mentions:
        """Where the words stand in a text. A sight is read once, and remembers."""
        if sight.read is not None and sight.read[0] is self:
            mentions: Mentions = sight.read[1]
            return mentions
        found: dict[int, list[_Place]] = {}
        shifts = self._shifts
        for number, start, end in self._automaton.find_matches_as_indexes(sight.spaced, overlapping=True):
            first, last = shifts[number]
            place = (start - first, end - last)
            if number in found:
                found[number].append(place)
            else:
                found[number] = [place]
        key = (
            frozenset(each[0] for each in self._automaton.find_matches_as_indexes(sight.spaced_key, overlapping=True))
            if sight.key
            else frozenset()
        )
        mentions = Mentions(self._owners, found, key)
        sight.read = (self, mentions)
        return mentions


def _sought(word: str) -> str:
    """A word as it stands in `Sight.spaced`."""
    plain = Sight(word.rstrip("*")).spaced[1:-1]
    if _UNSPACED.match(plain):
        return plain
    return f" {plain}" if word.endswith("*") else f" {plain} "
