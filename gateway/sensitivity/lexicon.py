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
_NONE: frozenset[Words] = frozenset()
_MOST_NAMES = 4096
"""Names of members that are remembered."""


class Mentions:
    """Where the words of each set stand in one text. `everywhere` are those that the name of its member has."""

    __slots__ = ("_everywhere", "_found", "_owners", "_places", "_said")

    def __init__(
        self, owners: Sequence[frozenset[Words]], found: dict[int, list[_Place]], everywhere: frozenset[Words]
    ) -> None:
        self._owners = owners
        self._found = found
        self._everywhere = everywhere
        self._places: dict[Words, list[_Place]] = {}
        self._said: frozenset[Words] | None = None

    @property
    def said(self) -> frozenset[Words]:
        """All sets of which some word stands anywhere."""
        if self._said is None:
            self._said = self._everywhere.union(*[self._owners[number] for number in self._found])
        return self._said

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
        return words in self.said

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
        self._automaton = ahocorasick_rs.AhoCorasick(self._sought, store_patterns=False)
        self._names: dict[str, frozenset[Words]] = {}

    def _named(self, sight: Sight) -> frozenset[Words]:
        """The sets of which a word is in the name of the member that holds a text. Few names differ."""
        named = self._names.get(sight.key)
        if named is None:
            if len(self._names) >= _MOST_NAMES:
                self._names.clear()
            found = self._automaton.find_matches_as_indexes(sight.spaced_key, overlapping=True)
            named = self._names[sight.key] = _NONE.union(*[self._owners[each[0]] for each in found])
        return named

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
        mentions = Mentions(self._owners, found, self._named(sight) if sight.key else _NONE)
        sight.read = (self, mentions)
        return mentions


def _sought(word: str) -> str:
    """A word as it stands in `Sight.spaced`."""
    plain = Sight(word.rstrip("*")).spaced[1:-1]
    if _UNSPACED.match(plain):
        return plain
    return f" {plain}" if word.endswith("*") else f" {plain} "
