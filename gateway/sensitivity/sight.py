"""A text as a detector sees it: what stands around a place, and whether a place stands alone."""

import re
import unicodedata
from collections.abc import Iterable

BEFORE, AFTER = 90, 50
"""How far from a finding, in characters, a word still speaks of it."""

_SHORT = 160
_QUOTES = {'"': '"', "'": "'", "`": "`", "«": "»", "“": "”", "<": ">", ">": "<", "|": "|"}
_COLONS = (":", "：", "=")
_WORD = re.compile(r"\w+")
_DIGIT = re.compile(r"\d")
_LOWER = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}  # for texts that `lower` makes longer, as it does with İ


class Words:
    """Words that speak of an identifier, in any language, as written without accents and in lower case.

    `passport*` also stands for every word that begins so. They are looked for as whole words.
    """

    __slots__ = ("_found",)

    def __init__(self, *words: str) -> None:
        parts = [re.escape(word.rstrip("*")) + ("" if word.endswith("*") else r"(?![a-z])") for word in words]
        self._found = re.compile(rf"(?<![a-z])(?:{'|'.join(parts)})")

    def within(self, folded: str) -> bool:
        """Whether any of them stands in a text that was folded."""
        return self._found.search(folded) is not None


def fold(text: str) -> str:
    """Lower case without accents, for comparing words."""
    text = text.lower()
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)).replace("ł", "l")


class Sight:
    """One text under examination. `key` is the name of the JSON member that holds it, "" for none."""

    __slots__ = ("_low", "key", "text")

    def __init__(self, text: str, key: str = "") -> None:
        self.text = text
        self.key = key
        self._low: str | None = None

    @property
    def low(self) -> str:
        """The text in lower case, every character at its place."""
        if self._low is None:
            low = self.text.lower()
            self._low = low if len(low) == len(self.text) else self.text.translate(_LOWER)
        return self._low

    def around(self, start: int, end: int, before: int = BEFORE, after: int = AFTER) -> str:
        """What stands around a place, folded, with the member's name before it; the place itself is a blank line."""
        text = self.text
        return fold(f"{self.key}: {text[max(0, start - before) : start]}\n\n{text[end : end + after]}")

    def near(self, start: int, end: int, words: Words, before: int = BEFORE, after: int = AFTER) -> bool:
        """Whether any of the words stands near a place."""
        return words.within(self.around(start, end, before, after))

    def alone(self, start: int, end: int) -> bool:
        """Whether a place is all there is: the whole text, the whole of something in quotes or a table's cell, or what
        a short text introduces by a colon. What stands so is meant as a value, not as part of a sentence."""
        text = self.text
        before, after = text[max(0, start - 3) : start].rstrip(), text[end : end + 3].lstrip()
        if before and after and _QUOTES.get(before[-1]) == after[0]:
            return True
        if len(text) - (end - start) > _SHORT:
            return False
        head, tail = text[:start], text[end:]
        if not _WORD.search(head) and not _WORD.search(tail):
            return True
        return head.rstrip().endswith(_COLONS) and not _DIGIT.search(head + tail)


def distinct(text: str) -> int:
    """How many different characters a text has."""
    return len(set(text))


def has_any(text: str, parts: Iterable[str]) -> bool:
    """Whether any of the parts stands in a text."""
    return any(part in text for part in parts)
