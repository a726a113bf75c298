"""Expressions: RE2 over UTF-8, linear in time; Python, for hundreds of rows that are asked where something stands."""

import re
from collections.abc import Iterator
from functools import cache

import re2


@cache
def compiled(expression: str) -> re.Pattern[str]:
    """An expression of a row, compiled when a text first asks for it: all of them would be a tenth of a start."""
    return re.compile(expression)


class Expression:
    """One expression. Most texts have no match, and whether there is one is asked of a set of one: that is a single
    call, where the iterator over matches costs five times as much before it has found that there are none."""

    __slots__ = ("_compiled", "_group", "_set")

    def __init__(self, expression: str) -> None:
        """Raises re2.error for what RE2 does not take."""
        self._compiled = re2.compile(expression.encode())
        self._group = 1 if self._compiled.groups else 0
        self._set = re2.Set.SearchSet()
        self._set.Add(expression)
        self._set.Compile()

    def stands_in(self, octets: bytes) -> bool:
        """Whether it matches anywhere."""
        return self._set.Match(octets) is not None

    def spans(self, octets: bytes) -> Iterator[tuple[int, int]]:
        """Where it matches: its first group, or all of it if it has none."""
        if self._set.Match(octets) is not None:
            for match in self._compiled.finditer(octets):
                yield match.span(self._group)
