"""Expressions that an operator writes. They are RE2, so linear in time; here is what is refused all the same."""

import re
from typing import Any

import re2

MAX_PROGRAM = 3_000
"""Steps of one compiled expression: a text costs time in proportion to them when it is at its worst."""

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_ON_TRIAL = re2.Options()
_ON_TRIAL.log_errors = False
_ON_TRIAL.max_mem = 500_000  # what is far too large is given up in a moment
_PART = re.compile(
    r"""
    \\Q(?:(?!\\E).)*(?:\\E)?                  # literal text
    | \\[bBAz] | \^ | \$                      # a place, not a character
    | \\[pP]\{\^?\w+\} | \\.                   # an escape
    | \[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\] # a class
    | .                                       # anything else
    """,
    re.VERBOSE | re.DOTALL,
)
_PLACES = frozenset({r"\b", r"\B", r"\A", r"\z", "^", "$"})


def compiled(expression: str) -> Any:
    """An expression, compiled; re2.error when RE2 refuses it."""
    return re2.compile(expression, _OPTIONS)


def without_anchors(expression: str) -> str:
    """The expression with whatever asks for a place taken out: it matches wherever the expression does, in whatever
    text that stands, and perhaps elsewhere."""
    return "".join("(?:)" if part in _PLACES else part for part in _PART.findall(expression))


def why_refused(expression: str) -> str:
    """Why nobody may use an expression, empty: they may."""
    try:
        made = re2.compile(expression, _ON_TRIAL)
        loose = re2.compile(without_anchors(expression), _ON_TRIAL)
    except re2.error as error:
        said = error.args[0]
        return f"RE2 does not take it: {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said}"
    if any(part == r"\C" for part in _PART.findall(expression)):
        return r"`\C` is half a character"
    if loose.fullmatch("") is not None:
        return "it matches where there is nothing"
    size = max(made.programsize, made.reverseprogramsize)
    if size > MAX_PROGRAM:
        return f"it compiles to {size} steps, at most {MAX_PROGRAM} are taken; repeat less, or use smaller classes"
    return ""
