"""Terms of a dictionary in a text: in time proportional to the text, for each few thousand terms."""

import re
from bisect import bisect_left
from collections.abc import Iterator

import ahocorasick_rs

from gateway.core.lexicon import written
from gateway.core.terms import Dictionary
from gateway.sensitivity.detector import Hit
from gateway.sensitivity.reading import Edit, Reading
from gateway.sensitivity.sight import Sight

_WIDE = re.compile(" {2,}")
_JOINS = re.compile(r"[^\W_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]")
"""A letter or digit that two of make one word: those of scripts that put no spaces between words do not, and neither
does Hangul, which puts particles behind a name."""
_MARK = re.compile("[\u0300-\u036f]")


class Lexicon:
    """One dictionary, ready to look."""

    def __init__(self, dictionary: Dictionary) -> None:
        self._id = dictionary.id
        self._whole_words = dictionary.whole_words
        self._ignore_case = dictionary.ignore_case
        self._phrases = any(" " in shard for shard in dictionary.shards)
        self._automata = [ahocorasick_rs.BytesAhoCorasick(_lines(shard)) for shard in dictionary.shards]

    def shows(self, text: str) -> bool:
        """Whether any term stands in a text, wherever: as part of a word, too."""
        octets = self._comparable(text).encode("utf-8", "replace")
        return any(automaton.find_matches_as_indexes(octets) for automaton in self._automata)

    def find(self, sight: Sight) -> Iterator[Hit]:
        """Where terms stand."""
        same = written(sight.text, ignore_case=self._ignore_case)
        text = self._comparable(sight.text)
        octets = text.encode("utf-8", "replace")
        found = {
            (start, end)
            for automaton in self._automata
            for _, start, end in automaton.find_matches_as_indexes(octets, overlapping=True)
        }
        if not found:
            return
        reading = (
            Reading(same, (Edit(gap.start(), gap.end(), " ") for gap in _WIDE.finditer(same))) if text != same else None
        )
        for start, end in _in_characters(octets, sorted(found)):
            if self._whole_words and not _stands_alone(text, start, end):
                continue
            yield Hit(*(reading.source_of(start, end) if reading else (start, end)), self._id, self._id)

    def _comparable(self, text: str) -> str:
        """A text as terms are written: small letters if case does not matter, one space between words."""
        text = written(text, ignore_case=self._ignore_case)
        return _WIDE.sub(" ", text) if self._phrases and "  " in text else text


def _lines(shard: str) -> list[bytes]:
    return shard.encode().split(b"\n")


def _in_characters(octets: bytes, places: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Places in bytes as places in characters."""
    if octets.isascii():
        yield from places
        return
    edges = sorted({edge for place in places for edge in place})
    counted, before, characters = [], 0, 0
    for edge in edges:
        characters += len(octets[before:edge].decode())
        before = edge
        counted.append(characters)
    for start, end in places:
        yield counted[bisect_left(edges, start)], counted[bisect_left(edges, end)]


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether no word goes on before or behind a place."""
    if start and _JOINS.match(text, start) and _JOINS.match(text, start - 1):
        return False
    if end == len(text):
        return True
    return not (_MARK.match(text, end) or (_JOINS.match(text, end - 1) and _JOINS.match(text, end)))
