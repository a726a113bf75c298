"""Many rows behind one trigger, and rows that look where a plain string stands.

The scanner asks all triggers at once. With hundreds of them its automaton grows so large that building it costs a
hundred times what running it does. So the scanner knows a few bundles, and only in a text that meets the trigger of
one its rows are asked for, by plain strings, all at once. Where one stands, an expression must match just there.

Expressions here are Python's, so that they can be applied at a place and look behind it. Linear time is kept by bounds:
an open count is closed at `LONGEST`, and after a finding the next is looked for behind it.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec
from ahocorasick_rs import AhoCorasick, Implementation

from gateway.sensitivity.detector import Check, Detector, Hit
from gateway.sensitivity.expression import Expression, compiled
from gateway.sensitivity.sight import Sight, Words

LONGEST = 600
_ESCAPES = ("\\n", "\\r", "\\t")
_MOST = 48
_OPEN = re.compile(r"\{(\d+),\}")


class Row(msgspec.Struct, frozen=True):
    """A detector and the strings one of which stands in every text where it finds anything.

    `folded`: in lower case. `word`: at the beginning of a word.
    """

    detector: Detector
    needles: tuple[str, ...]
    folded: bool = False
    word: bool = False


def closed(expression: str) -> str:
    """An expression whose open counts are closed."""
    return _OPEN.sub(rf"{{\1,{LONGEST}}}", expression)


def anchored(
    id: str,
    needles: Sequence[str],
    expression: str,
    *,
    check: Check | None = None,
    words: Words | None = None,
    behind: str = "",
    back: int = 0,
    word: bool = False,
) -> Row:
    """A row for what begins with one of some strings. Group 1, or everything, is the finding.

    `behind` must match what ends where the string begins, within `back` characters: then that belongs to the finding.
    """
    whole = closed(expression)
    ends = rf"(?:{closed(behind)})\Z" if behind else None
    starts = tuple(needles)

    def find(sight: Sight) -> Iterator[Hit]:
        text, look = sight.text, compiled(whole)
        before, group = compiled(ends) if ends else None, min(1, look.groups)
        for needle in starts:
            at, past = text.find(needle), 0
            while at >= 0:
                behind_it = at + 1
                match = look.match(text, at)
                if match:
                    start, end = match.span(group)
                    # What is refused is skipped by half: a long filler is not looked at from each of its characters.
                    behind_it = at + 1 + (end - start) // 2
                    if before is not None:
                        head = before.search(text[max(past, at - back) : at])
                        start = max(past, at - back) + head.start() if head else -1
                    if (
                        start >= 0
                        and (check is None or check(sight, start, end))
                        and (words is None or sight.near(start, end, words))
                    ):
                        yield Hit(start, end, "secret", id)
                        past = behind_it = end
                at = text.find(needle, behind_it)

    return Row(Detector(id, "|".join(map(re.escape, starts)), find), starts, word=word)


def gated(
    id: str, needles: Sequence[str], expression: str, *, check: Check | None = None, words: Words | None = None
) -> Row:
    """A row for an expression that is looked for all over a text, if that holds one of some strings (lower case)."""
    whole, starts = closed(expression), tuple(needles)

    def find(sight: Sight) -> Iterator[Hit]:
        look = compiled(whole)
        group = min(1, look.groups)
        for match in look.finditer(sight.text):
            start, end = match.span(group)
            if (check is None or check(sight, start, end)) and (words is None or sight.near(start, end, words)):
                yield Hit(start, end, "secret", id)

    return Row(Detector(id, "(?i)" + "|".join(map(re.escape, starts)), find), starts, folded=True)


def bundle(id: str, trigger: str, rows: Sequence[Row], *, gate: str | None = None) -> Detector:
    """One detector for many rows; its findings carry the ids of the rows. `trigger` is true of what any row finds.

    So is `gate`, which is asked next: it may count, which in the automaton of all triggers multiplies the states.
    """
    asked = Expression(gate) if gate else None
    needles = [(needle, number) for number, row in enumerate(rows) for needle in row.needles]
    search = AhoCorasick([needle.lower() for needle, _ in needles], implementation=Implementation.DFA)

    def find(sight: Sight) -> Iterator[Hit]:
        if asked is not None and not asked.stands_in(sight.octets):
            return
        text, wanted = sight.text, set[int]()
        for at, start, end in search.find_matches_as_indexes(sight.low, overlapping=True):
            needle, number = needles[at]
            row = rows[number]
            if (
                number not in wanted
                and (row.folded or text[start:end] == needle)
                and (not row.word or _begins(text, start))
            ):
                wanted.add(number)
        for number in sorted(wanted):
            yield from rows[number].detector.find(sight)

    return Detector(id, trigger, find)


def _begins(text: str, at: int) -> bool:
    """Whether a word begins at a place: before it is no letter or digit, or an escape such as that of a new line."""
    before = text[max(0, at - 2) : at]
    return not before or not (before[-1].isascii() and before[-1].isalnum()) or before in _ESCAPES


def beginnings(expression: str) -> tuple[str, ...]:
    """The strings one of which every match of an expression begins with, as far as they are plain to see."""
    found = tuple(dict.fromkeys(begin for begin, _ in _alternatives(expression)))
    if min(map(len, found)) < 2 or len(found) > _MOST:
        raise ValueError(f"no plain beginning: {expression}")
    return found


def _alternatives(expression: str) -> list[tuple[str, bool]]:
    """What the matches of an expression begin with, and whether that is all of a match."""
    return [each for branch in _split(expression) for each in _branch(branch)]


def _branch(expression: str) -> list[tuple[str, bool]]:
    """The same for an expression without alternatives at its top."""
    found = [("", True)]
    at = 0
    while at < len(expression) and len(found) <= _MOST and any(whole for _, whole in found):
        c = expression[at]
        end = at
        step = [(c, True)]
        if c == "(":
            end = _closing(expression, at)
            step = _alternatives(expression[at + 1 : end].removeprefix("?:"))
        elif c == "[":
            end = expression.index("]", at + 2)
            inner = expression[at + 1 : end]
            step = [(each, True) for each in inner] if re.fullmatch(r"\w{1,6}", inner) else [("", False)]
        elif c == "\\":
            end = at + 1
            step = [("", False)] if expression[end].isalnum() else [(expression[end], True)]
        elif c in ".^$":
            step = [("", False)]
        at = end + 1
        if expression[at : at + 1] in {"?", "*", "{"}:
            step = [("", False)]
        elif expression[at : at + 1] == "+":
            step = [(begin, False) for begin, _ in step]
        found = [
            (begin + more, so) if whole else (begin, False)
            for begin, whole in found
            for more, so in (step if whole else step[:1])
        ]
    return found


def _closing(expression: str, at: int) -> int:
    """Where the group ends that begins at a place."""
    depth = 0
    while True:
        c = expression[at]
        if c == "\\":
            at += 1
        elif c == "[":
            at = expression.index("]", at + 2)
        elif c == "(":
            depth += 1
        elif c == ")":
            depth -= 1
            if not depth:
                return at
        at += 1


def _split(expression: str) -> list[str]:
    """The alternatives at the top of an expression."""
    parts, begin, at = [], 0, 0
    while at < len(expression):
        c = expression[at]
        if c == "\\":
            at += 1
        elif c == "[":
            at = expression.index("]", at + 2)
        elif c == "(":
            at = _closing(expression, at)
        elif c == "|":
            parts.append(expression[begin:at])
            begin = at + 1
        at += 1
    return [*parts, expression[begin:]]
