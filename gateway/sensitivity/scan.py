"""The scanner: what is in the texts of a request. Findings hold places and kinds, never text.

One pass over all texts at once, with the triggers of all detectors and of all ways of writing, says whether there is
anything to do; for most requests that is all. Otherwise each text is examined: as it came, with ways of writing undone,
and with packed texts unpacked, again and again within a budget. Texts that a model reads one after the other are also
examined across their seams, so that nothing hides by being cut in two.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, pairwise, takewhile

import msgspec

from gateway.core.findings import Finding, Leaf, Place, Scan, Seen
from gateway.sensitivity.canonical import REWRITES
from gateway.sensitivity.detector import Detector
from gateway.sensitivity.payload import PACKINGS
from gateway.sensitivity.reading import Edit, Reading
from gateway.sensitivity.sight import Sight
from gateway.sensitivity.triggers import Triggers
from gateway.sensitivity.walk import TooMany, Walked, walk

DEPTH = 3
"""How many times a text is read anew or unpacked."""
_BUDGET_SHARE, _BUDGET_CHARS = 8, 200_000
"""How many characters may be examined in all, counted in those that came, and beside them."""
_MOST_LEAVES = 50_000
"""How many texts are examined for one request: each takes some 50 us, however short it is."""
_SEAM_CHARS = 250
_SEAM_WORD, _LONG_WORD = 64, 24
_LAST_WORD, _FIRST_WORD = re.compile(r"\S+$"), re.compile(r"\S+")
_TELLING = re.compile(r"[0-9@_=+/%&#\\~$\-\u0080-\U0010ffff]")
_GROUPS = re.compile(r"[0-9][ .\-]{1,3}[0-9]")
_SPACED_OUT = re.compile(r"\S \S \S \S")
_NAMED = re.compile(r"[:=]\s?\S{0,40}$")
_NAMES = 4096
"""Names of members that are remembered."""
_FEW = frozenset(("role", "type", "model"))
"""Members of each message that have few values, the same in every request."""
_SEAM = "\n\n"
_NONE_SEEN: Mapping[int, Seen] = {}


class _Spent(Exception):
    """The budget is spent."""


class Scanner:
    """A table of detectors, ready to look. What is found in a text does not depend on what was scanned before, so any
    number of them may be."""

    def __init__(self, detectors: Iterable[Detector]) -> None:
        rows = tuple(detectors)
        self._detectors = tuple(row for row in rows if not row.of_member)
        self._of_members = tuple((row, Triggers([row.trigger])) for row in rows if row.of_member)
        self._members: dict[str, tuple[Detector, ...]] = {}  # the rows that a member's name triggers: few names differ
        self._frames: dict[tuple[str, str], Seen] = {}  # values of `_FEW` in which nothing was found
        self._triggers = Triggers(
            [
                *(row.trigger for row in self._detectors),
                *(row.trigger for row in REWRITES),
                *(row.trigger for row in PACKINGS),
            ]
        )

    def scan(self, document: object) -> Scan:
        """What is in a parsed body."""
        try:
            walked = walk(document)
        except TooMany:
            return Scan((), (), opaque=False, complete=False)
        return self.examine(walked) if self.concerns(walked) else Scan((), (), bool(walked.opaque))

    def concerns(self, walked: Walked) -> bool:
        """Whether there is anything to examine."""
        of_member = self._of_member
        for leaf in walked.leaves:
            if of_member(leaf.key):
                return True
        return self._triggers.any(_whole(walked))

    def _of_member(self, name: str) -> tuple[Detector, ...]:
        """The rows that are about what a member of this name holds."""
        found = self._members.get(name)
        if found is None:
            if len(self._members) >= _NAMES:
                self._members.clear()
            found = tuple(row for row, triggers in self._of_members if triggers.any(name))
            self._members[name] = found
        return found

    def _remember(self, leaf: Leaf, known: Seen) -> None:
        if len(self._frames) >= _NAMES:
            self._frames.clear()
        self._frames[leaf.key, leaf.text] = known

    def examine(self, walked: Walked) -> Scan:
        """What is in the texts of a body."""
        return self.examined(walked, _NONE_SEEN)[0]

    def examined(self, walked: Walked, seen: Mapping[int, Seen]) -> tuple[Scan, dict[int, Seen]]:
        """What is in the texts of a body, and what each of them that was not `seen` before holds by itself.

        Texts go by their numbers. One was seen before if this scanner has examined the same text in a member of the
        same name: nothing else counts for what it holds. What stands across seams is examined each time.
        """
        leaves, opaque = walked.leaves, bool(walked.opaque)
        if len(leaves) > _MOST_LEAVES:
            return Scan(leaves, (), opaque, complete=False), {}
        budget = _Budget(sum([len(leaf.text) for leaf in leaves]) * _BUDGET_SHARE + _BUDGET_CHARS)
        places: list[Place] = []
        fresh: dict[int, Seen] = {}
        try:
            for number, leaf in enumerate(leaves):
                known = seen.get(number)
                if known is None and leaf.key in _FEW:
                    known = self._frames.get((leaf.key, leaf.text))
                if known is None:
                    before = budget.left
                    findings = self._examine(leaf.text, leaf.key, budget)
                    known = fresh[number] = Seen(tuple(findings), before - budget.left)
                    if leaf.key in _FEW and leaf.framing and not findings:
                        self._remember(leaf, known)
                else:
                    budget.spend(known.examined_chars)
                if known.findings:
                    places += [Place(number, finding) for finding in known.findings]
            places += self._across(leaves, budget)
        except _Spent:
            return Scan(leaves, (), opaque, complete=False), {}
        return Scan(leaves, tuple(places), opaque), fresh

    def scan_text(self, text: str, key: str = "") -> tuple[Finding, ...]:
        """The findings in one text. `key` is the name of the member that holds it. Raises ValueError: too much to
        examine."""
        try:
            return tuple(self._examine(text, key, _Budget(len(text) * _BUDGET_SHARE + _BUDGET_CHARS)))
        except _Spent:
            raise ValueError("there is more packed into this text than can be examined") from None

    def triggered(self, text: str) -> bool:
        """Whether any detector has anything to do in a text. If not, there is no finding in it."""
        return self._triggers.any(text)

    def _examine(self, text: str, key: str, budget: "_Budget") -> list[Finding]:
        found: list[Finding] = []
        self._read(text, key, budget, DEPTH, "", found)
        return _settled(found) if len(found) > 1 else found

    def _read(self, text: str, key: str, budget: "_Budget", depth: int, seen: str, found: list[Finding]) -> None:
        """Adds the findings of a text in every way of reading it."""
        budget.spend(len(text))
        triggered, of_member = self._triggers.of(text), self._of_member(key)
        if not triggered and not of_member:
            return
        sight, known, told = Sight(text, key), len(self._detectors), seen or "plain"
        edits: list[Edit] = []
        undone: list[str] = []
        packings = []
        for number in triggered:
            if number < known:
                for hit in self._detectors[number].find(sight):
                    found.append(Finding(hit.start, hit.end, hit.kind, hit.detector, told))  # noqa: PERF401  mostly none
            elif depth == 0:
                break
            elif number < known + len(REWRITES):
                row = REWRITES[number - known]
                if mine := list(row.edits(text)):
                    edits += mine
                    undone.append(row.id)
            else:
                packings.append(PACKINGS[number - known - len(REWRITES)])
        for detector in of_member:
            found += [Finding(hit.start, hit.end, hit.kind, hit.detector, told) for hit in detector.find(sight)]
        for packing in packings:
            for start, end, inner in packing.unpacked(text):
                within: list[Finding] = []
                self._read(inner, key, budget, depth - 1, _also(seen, packing.id), within)
                found += [Finding(start, end, each.kind, each.detector, each.seen) for each in within]
        if edits:
            reading = Reading(text, edits)
            if reading.text != text:
                within = []
                self._read(reading.text, key, budget, depth - 1, _also(seen, *undone), within)
                for each in within:
                    start, end = reading.source_of(each.start, each.end)
                    found.append(Finding(start, end, each.kind, each.detector, each.seen))

    def _across(self, leaves: tuple[Leaf, ...], budget: "_Budget") -> Iterator[Place]:
        """What only shows where texts are read on: findings that stand in more than one leaf."""
        if len(leaves) > 1 and (joined := _Joined(leaves)).text:
            for finding in self._examine(joined.text, "", budget):
                places = joined.places(finding)
                if len(places) > 1:
                    yield from places


class Again:
    """A scanner for one request that is scanned again and again while something is taken out of it: a text that stays
    as it was is examined once. `seen` is what is known already, by text and name of the member."""

    def __init__(self, scanner: Scanner, seen: Mapping[tuple[str, str], Seen]) -> None:
        self._scanner = scanner
        self._seen = dict(seen)

    def scan(self, document: object) -> Scan:
        """What is in a parsed body."""
        walked = walk(document)
        if not self._scanner.concerns(walked):
            return Scan((), (), bool(walked.opaque))
        return self.examine(walked)

    def examine(self, walked: Walked) -> Scan:
        """What is in the texts of a body."""
        named = [(leaf.text, leaf.key) for leaf in walked.leaves]
        known = {number: seen for number, name in enumerate(named) if (seen := self._seen.get(name)) is not None}
        scan, fresh = self._scanner.examined(walked, known)
        self._seen.update((named[number], seen) for number, seen in fresh.items())
        return scan


def _whole(walked: Walked) -> str:
    """All texts as one. Triggers have no anchors: what triggers in a text, or across a seam, does so in the whole."""
    read: list[str] = []
    framing = [""]
    for leaf in walked.leaves:
        (framing if leaf.framing else read).append(leaf.text)
    return "".join(read) + " ".join(framing)


class _Budget:
    """Characters that may still be examined for one request."""

    __slots__ = ("left",)

    def __init__(self, chars: int) -> None:
        self.left = chars

    def spend(self, chars: int) -> None:
        self.left -= chars
        if self.left < 0:
            raise _Spent


class _Joined:
    """The texts that are read one after the other, as one: of each what lies near a seam where something may go on."""

    def __init__(self, leaves: tuple[Leaf, ...]) -> None:
        self._pieces: list[tuple[int, int, int, int]] = []  # where it begins and ends here, its leaf, its offset there
        self.text = ""
        read = [(number, leaf.text) for number, leaf in enumerate(leaves) if leaf.text and not leaf.framing]
        if len(read) < 2:
            return
        whole = "".join([text for _, text in read])
        ends = list(accumulate(len(text) for _, text in read))
        goes_on = [
            _goes_on(whole, end, *two) for end, two in zip(ends, pairwise(text for _, text in read), strict=False)
        ]
        if True not in goes_on:
            return
        parts: list[str] = []
        at = 0
        for (number, text), before, behind in zip(read, [False, *goes_on], [*goes_on, False], strict=bool(read)):
            for offset, end in _near(len(text), before=before, behind=behind):
                if offset or not before:
                    parts.append(_SEAM)
                    at += len(_SEAM)
                piece = text[offset:end]
                parts.append(piece)
                self._pieces.append((at, at + len(piece), number, offset))
                at += len(piece)
        self.text = "".join(parts)

    def places(self, finding: Finding) -> list[Place]:
        """The places of a finding in each leaf that it touches."""
        first = bisect_right(self._pieces, finding.start, key=lambda piece: piece[1])
        following = map(self._pieces.__getitem__, range(first, len(self._pieces)))
        touched = takewhile(lambda piece: piece[0] < finding.end, following)
        return [
            Place(
                leaf,
                msgspec.structs.replace(
                    finding,
                    start=max(finding.start, begins) - begins + offset,
                    end=min(finding.end, ends) - begins + offset,
                    seen=f"joined {finding.seen}",
                ),
            )
            for begins, ends, leaf, offset in touched
        ]


def _near(length: int, *, before: bool, behind: bool) -> list[tuple[int, int]]:
    """The parts of a text that are near a seam before or behind it."""
    if before and behind and length > 2 * _SEAM_CHARS:
        return [(0, _SEAM_CHARS), (length - _SEAM_CHARS, length)]
    if not (before or behind):
        return []
    return [(0 if before else max(0, length - _SEAM_CHARS), length if behind else min(length, _SEAM_CHARS))]


def _goes_on(whole: str, at: int, one: str, other: str) -> bool:
    """Whether something that is worth finding may stand on both sides of a seam, at which one text ends and another
    begins: a word with more than letters in it or a long one, digits in groups, letters spaced out, or what follows a
    name and a colon. Prose does not go on so."""
    before, behind = whole[max(0, at - _SEAM_WORD) : at], whole[at : at + _SEAM_WORD]
    left = found[0] if (found := _LAST_WORD.search(before)) else ""
    right = found[0] if (found := _FIRST_WORD.match(behind)) else ""
    return (
        min(len(left), len(one)) + min(len(right), len(other)) >= _LONG_WORD
        or _TELLING.search(left + right) is not None
        or _GROUPS.search(before[-3:] + behind[:3]) is not None
        or _SPACED_OUT.search(before[-5:] + behind[:5]) is not None
        or _NAMED.search(before) is not None
    )


def _also(seen: str, *more: str) -> str:
    return " ".join(dict.fromkeys([*seen.split(), *more]))


def _settled(found: list[Finding]) -> list[Finding]:
    """Each finding once: the plainest reading of it, and none that lies within another of its kind or within a secret,
    whose digits are nobody's number."""
    kept: list[Finding] = []
    for each in sorted(set(found), key=_widest_first):
        if not any(
            other.start <= each.start and each.end <= other.end and other.kind in (each.kind, "secret")
            for other in reversed(kept[-_LOOK_BACK:])
        ):
            kept.append(each)
    return kept


_LOOK_BACK = 64
"""How many findings before it one is compared with: enough for all that begin near it."""


def _widest_first(finding: Finding) -> tuple[int, int, bool, int, str]:
    return finding.start, -finding.end, finding.kind != "secret", len(finding.seen), finding.detector
