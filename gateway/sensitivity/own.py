"""The scanner that an operator asked for: built-in detectors as far as they are on, own ones, and dictionaries."""

import re
from collections.abc import Iterator, Mapping

from gateway.core.kinds import KINDS, Kind
from gateway.core.patterns import compiled, without_anchors
from gateway.core.terms import OwnDetector, ScannerTerms
from gateway.sensitivity.detector import Detector, Hit
from gateway.sensitivity.detectors import DETECTORS
from gateway.sensitivity.dictionary import Lexicon
from gateway.sensitivity.scan import Scanner
from gateway.sensitivity.sight import Sight, Words, fold

_TAME = re.compile(
    r"(?:\(\?i\))?"
    r"(?:(?:\[[\w .,:;/+@&\-]+\]|\\[dsw.\-/+]|\(\?:\)|[^\\\[\](){}|*+?])(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})?)*"
)
_NEVER = r"[^\x00-\x{10ffff}]"


def kinds_of(terms: ScannerTerms) -> Mapping[str, Kind]:
    """What each kind of finding means, the own ones by the id of their detector or dictionary. Others are not found."""
    detectors = (Kind(each.id, each.level, each.tag) for each in terms.detectors)
    dictionaries = (Kind(each.id, each.level, each.tag) for each in terms.dictionaries)
    return {kind.name: kind for kind in (*terms.kinds, *detectors, *dictionaries)}


def scanner_of(terms: ScannerTerms) -> Scanner:
    """A scanner for exactly these terms. It takes seconds to make with a million of them, and others may run meanwhile;
    nothing of it is shared, so it may be made beside the one that is in use."""
    on = {kind.name for kind in terms.kinds}
    built_in = DETECTORS if on >= KINDS.keys() else tuple(_only(row, on) for row in DETECTORS)
    lexicons = ((each.id, Lexicon(each)) for each in terms.dictionaries)
    return Scanner(
        (
            *built_in,
            *(detector_of(each) for each in terms.detectors),
            *(Detector(id, lexicon.shows, lexicon.find) for id, lexicon in lexicons),
        )
    )


def detector_of(own: OwnDetector) -> Detector:
    """An own detector as a row. Group 1 of its pattern is the finding where it has one and it took part, else all."""
    made = compiled(own.pattern)
    words = Words(*map(fold, own.near)) if own.near else None

    def find(sight: Sight) -> Iterator[Hit]:
        for match in made.finditer(sight.text):
            start, end = match.span(1) if made.groups else (0, 0)
            if start >= end:
                start, end = match.span()
            if start < end and (words is None or sight.near(start, end, words)):
                yield Hit(start, end, own.id, own.id)

    return Detector(own.id, _trigger(own.pattern), find)


def _trigger(pattern: str) -> str:
    """A trigger for an own pattern. `triggers` reads no more of the language than the built-in table needs, so what is
    written in any other way is made an alternative of nothing, in which it finds no word, and is searched for as it is."""
    loose = without_anchors(pattern)
    return loose if _TAME.fullmatch(loose) else f"{_NEVER}|(?:{loose})"


def _only(row: Detector, on: set[str]) -> Detector:
    """A row that finds only what is on."""

    def find(sight: Sight) -> Iterator[Hit]:
        return (hit for hit in row.find(sight) if hit.kind in on)

    return Detector(row.id, row.trigger, find)
