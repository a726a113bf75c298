"""Dictionaries: files with a term a line, for sensitivity.yaml.

What stands in them is confidential, so no message repeats a term, and their texts are not among a tree's sources.
"""

import re
from collections.abc import Iterator

from gateway.core.lexicon import LONGEST, SHORTEST
from gateway.policy.document import Document, Mark, Problem

MAX_BYTES = 32_000_000
MAX_TERMS = 1_000_000
"""Of all dictionaries of a tree together."""

_MAX_PROBLEMS = 20
"""Of one file that are told."""
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]")
_MEANT = re.compile(r"[^\W_]")


def outside(raw: bytes) -> tuple[str, ...]:
    """The files outside of the tree that a sensitivity.yaml names: whoever reads the tree reads them, too."""
    data = Document("sensitivity.yaml", raw).data
    entries = data.get("dictionaries") if isinstance(data, dict) else None
    named = [entry.get("file") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return tuple(sorted({name for name in named if isinstance(name, str) and name.startswith("/")}))


def terms_of(file: str, raw: bytes, most: int) -> tuple[list[str], list[Problem]]:
    """The terms in a file, at most so many, and what is wrong with it."""
    problems: list[Problem] = []

    def told(line: int, column: int, message: str) -> None:
        problems.append(Problem(Mark(file, line, column), "P112", message))

    if len(raw) > MAX_BYTES:
        told(1, 1, f"a dictionary has at most {MAX_BYTES} bytes")
        return [], problems
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        told(before.count(b"\n") + 1, error.start - before.rfind(b"\n"), "a dictionary is UTF-8; this is not")
        return [], problems
    if _UNSEEN.search(text):
        for line, column, code in _unseen(text):
            told(line, column, f"the character U+{code:04X} is not accepted: it does not show")
        return [], problems
    found: list[str] = []
    for number, written in enumerate(text.split("\n"), 1):
        term = " ".join(written.split())
        if not term or term.startswith("#"):
            continue
        if len(term) < SHORTEST:
            told(number, 1, f"a term of fewer than {SHORTEST} characters would be found everywhere")
        elif len(term) > LONGEST:
            told(number, 1, f"a term of more than {LONGEST} characters")
        elif not _MEANT.search(term):
            told(number, 1, "a term has a letter or a digit")
        elif len(found) == most:
            told(number, 1, f"the dictionaries of a tree have at most {MAX_TERMS} terms")
            break
        else:
            found.append(term)
        if len(problems) == _MAX_PROBLEMS:
            break
    if not (found or problems):
        told(1, 1, "there is no term in it; take the dictionary out of sensitivity.yaml if that is meant")
    return found, problems


def _unseen(text: str) -> Iterator[tuple[int, int, int]]:
    """Line, column and code of characters that do not show."""
    for count, match in enumerate(_UNSEEN.finditer(text)):
        if count == _MAX_PROBLEMS:
            return
        at = match.start()
        yield text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at), ord(match[0])
