"""Names of members in JSON objects: those that stand twice in one, and too many of them.

Readers disagree on which of two counts, so a text could hide.
"""

import json
import re

import re2

_SPACED = re2.Set.SearchSet()
_SPACED.Add(r'[^\\]"[ \t\r\n]+:')
_SPACED.Compile()
_PLAINLY_SPACED = re.compile(rb'"[ \t\r\n]+:').search


MOST_TEXTS = 250_000
"""So many texts a body may have, names of members among them. The longest conversations have a tenth of that, and each
costs some microseconds and some hundred bytes wherever it is read."""


def many(body: bytes) -> bool:
    """Whether a body has more texts than that, as far as can be told without reading it: nearly, and never too many. A
    text has two quotes, and inside of one a quote has a backslash before it."""
    return len(body) > 2 * MOST_TEXTS and body.count(b'"') - body.count(b'\\"') > 2 * MOST_TEXTS


def repeats(body: bytes, members: int) -> bool:
    """Whether some object of a valid JSON body names a member twice. `members`: how many there are once it is parsed.

    Every name ends in a quote and a colon, and inside a string a quote has a backslash before it, so there are at least
    as many as names were written, and as many as there are members is enough to know. Otherwise, and where blanks or
    backslashes stand in between, the body is read once more, name by name.
    """
    names, spaced = body.count(b'":'), _PLAINLY_SPACED
    if b"\\" in body:
        spaced = _SPACED.Match
        names = -1 if b'\\\\"' in body else names - body.count(b'\\":')
    if names == members and not spaced(body):
        return False
    found = False

    def pairs(named: list[tuple[str, object]]) -> None:
        nonlocal found
        found = found or len({name for name, _ in named}) != len(named)

    json.loads(body, object_pairs_hook=pairs, parse_int=str, parse_float=str, parse_constant=str)
    return found
