"""What a detector is: a row that says when to look, and where it finds what.

A row's trigger is a cheap, linear-time expression without anchors (or a question: see `triggers`): a text in which it
does not match holds no finding of that row, and neither does any part of the text. So one pass over a request with all
triggers at once is enough to know which rows have anything to do, and in most requests none has.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec
import re2

from gateway.sensitivity.sight import Sight, Words
from gateway.sensitivity.triggers import Trigger

Check = Callable[[Sight, int, int], bool]
"""Whether a place that a pattern matched is a finding."""


class Hit(msgspec.Struct, frozen=True):
    """A place in a text: characters `start` to `end`, the kind, and the id of the row that found it."""

    start: int
    end: int
    kind: str
    detector: str


class Detector(msgspec.Struct, frozen=True):
    """One row."""

    id: str
    trigger: Trigger
    find: Callable[[Sight], Iterable[Hit]]


def pattern(
    id: str,
    kind: str,
    expression: str,
    *,
    trigger: str,
    check: Check | None = None,
    words: Words | None = None,
    unless: Words | None = None,
) -> Detector:
    """A row of one expression (RE2, so linear in time). Group 1 is the finding, or the whole match without groups.

    `check` has the last word; one of `words` must stand near, none of `unless` may.
    """
    compiled = re2.compile(expression.encode())  # on octets: a search that finds nothing costs a fifth
    group = 1 if compiled.groups else 0

    def find(sight: Sight) -> Iterator[Hit]:
        for match in compiled.finditer(sight.octets):
            start, end = sight.characters(*match.span(group))
            if check is not None and not check(sight, start, end):
                continue
            if words is not None and not sight.near(start, end, words):
                continue
            if unless is not None and sight.near(start, end, unless):
                continue
            yield Hit(start, end, kind, id)

    return Detector(id, trigger, find)
