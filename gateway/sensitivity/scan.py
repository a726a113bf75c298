"""The scanner: what is in the texts of a request. Findings hold places and kinds, never text."""

from collections.abc import Iterable

import msgspec
import re2

from gateway.sensitivity.detector import Detector
from gateway.sensitivity.sight import Sight


class Finding(msgspec.Struct, frozen=True):
    """What was found: characters `start` to `end` of a text, the kind, the detector, and how the text was read to see it."""

    start: int
    end: int
    kind: str
    detector: str
    seen: str = "plain"


class Scanner:
    """A table of detectors, ready to look."""

    def __init__(self, detectors: Iterable[Detector]) -> None:
        self._detectors = tuple(detectors)
        self._triggers = re2.Set.SearchSet()
        for row in self._detectors:
            self._triggers.Add(row.trigger)
        self._triggers.Compile()

    def scan_text(self, text: str, key: str = "") -> list[Finding]:
        """The findings in one text. `key` is the name of the JSON member that holds it."""
        sight = Sight(text, key)
        rows = self._detectors
        return [
            Finding(hit.start, hit.end, hit.kind, hit.detector)
            for number in self._triggers.Match(text) or ()
            for hit in rows[number].find(sight)
        ]
