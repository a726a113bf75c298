"""A text as a detector sees it: what stands around a place, and whether a place stands alone."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

BEFORE, AFTER = 90, 50
"""How far from a finding, in characters, a word still speaks of it."""

_SHORT = 160
_QUOTES = {'"': '"', "'": "'", "`": "`", "«": "»", "“": "”", "<": ">", ">": "<", "|": "|"}
_COLONS = (":", "：", "=")
_WORDS = re.compile(r"[\w.\-]*\w")
_DIGIT = re.compile(r"\d")
_NEW = re.compile(r"(?:\n|[.!?。] ) ?$")
_LOWER = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}  # for texts that `lower` makes longer, as it does with İ
_JOINING = frozenset(("and", "or", "y", "o", "e", "i", "lub", "und", "oder", "et", "ou", "ve"))


class Words:
    """Words that speak of an identifier, in any language, as written without accents and in lower case.

    `passport*` also stands for every word that begins so. They are looked for as whole words.
    """

    __slots__ = ("_found", "spoken")

    def __init__(self, *words: str) -> None:
        self.spoken = words
        self._found: re.Pattern[str] | None = None  # most sets are only ever read by a lexicon

    def within(self, folded: str) -> bool:
        """Whether any of them stands in a text that was folded."""
        if self._found is None:
            parts = [re.escape(word.rstrip("*")) + ("" if word.endswith("*") else r"(?![a-z])") for word in self.spoken]
            self._found = re.compile(rf"(?<![a-z])(?:{'|'.join(parts)})")
        return self._found.search(folded) is not None


def fold(text: str) -> str:
    """Lower case without accents, for comparing words."""
    text = text.lower()
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)).replace("ł", "l")


def _letters() -> dict[int, str]:
    """Each character as `_spaced` writes it, for those that it changes: one for one, so places stay."""
    table = {}
    for number in (
        *range(0x250),
        *range(0x1E00, 0x1F00),
        *range(0x2000, 0x2070),
        *range(0x3000, 0x3040),
        *range(0xFF00, 0xFF66),
    ):
        letter = chr(number)
        plain = unicodedata.normalize("NFKD", letter)[0].lower()[0]
        if letter in _PLAIN:
            plain = _PLAIN[letter]
        elif not plain.isalpha():
            plain = " "
        if plain != letter:
            table[number] = plain
    return table


_PLAIN = {"ł": "l", "Ł": "l", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ı": "i", "ß": "s", "æ": "a", "Æ": "a", "№": "n"}
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LETTERS = _letters()
_ASCII_LETTERS = bytes(ord(_LETTERS.get(number, chr(number))) if number < 0x80 else number for number in range(0x100))


def _spaced(text: str) -> str:
    """Letters only, folded, as many characters as the text has."""
    if text.isascii():
        return text.encode().translate(_ASCII_LETTERS).decode()
    text = text.translate(_LETTERS)
    return text if text.isascii() else text.lower()


class Sight:
    """One text under examination. `key` is the name of the JSON member that holds it, "" for none."""

    __slots__ = ("_low", "_octets", "_spaced", "key", "read", "text")

    def __init__(self, text: str, key: str = "") -> None:
        self.text = text
        self.key = key
        self._spaced: str | None = None
        self._octets: bytes | None = None
        self._low: str | None = None
        self.read: tuple[Any, Any] | None = None  # the lexicon that read this text last, and what it saw

    @property
    def low(self) -> str:
        """The text in lower case, every character at its place."""
        if self._low is None:
            low = self.text.lower()
            self._low = low if len(low) == len(self.text) else self.text.translate(_LOWER)
        return self._low

    @property
    def octets(self) -> bytes:
        """The text in UTF-8, for expressions that are looked for there."""
        if self._octets is None:
            self._octets = self.text.encode()
        return self._octets

    def characters(self, start: int, end: int) -> tuple[int, int]:
        """A place in the octets as a place in the text."""
        octets = self.octets
        if len(octets) == len(self.text):
            return start, end
        before = len(octets[:start].decode())
        return before, before + len(octets[start:end].decode())

    @property
    def spaced(self) -> str:
        """The text in lower case without accents, every character that is no letter a blank, with a blank at each end:
        what stands at `n` in the text stands at `n + 1` here."""
        if self._spaced is None:
            self._spaced = f" {_spaced(self.text)} "
        return self._spaced

    @property
    def spaced_key(self) -> str:
        """The member's name in the same way, its humps taken apart: `taxId` is ` tax id `."""
        return f" {_spaced(_HUMP.sub(' ', self.key))} " if self.key else ""

    def around(self, start: int, end: int, before: int = BEFORE, after: int = AFTER) -> str:
        """What stands around a place, folded, with the member's name before it; the place itself is a blank line."""
        text = self.text
        return fold(f"{self.key}: {text[max(0, start - before) : start]}\n\n{text[end : end + after]}")

    def near(self, start: int, end: int, words: Words, before: int = BEFORE, after: int = AFTER) -> bool:
        """Whether any of the words stands near a place."""
        return words.within(self.around(start, end, before, after))

    def alone(self, start: int, end: int) -> bool:
        """Whether a place is all there is: the whole text, one of a list of values, the whole of something in quotes or
        a table's cell, a last line or sentence of its own, or what a short text introduces by a colon. What stands so
        is meant as a value, not as part of a sentence."""
        text = self.text
        before, after = text[max(0, start - 3) : start].rstrip(), text[end : end + 3].lstrip()
        if before and after and _QUOTES.get(before[-1]) == after[0]:
            return True
        if len(text) - (end - start) > _SHORT:
            return end == len(text) and _NEW.search(text[max(0, start - 3) : start]) is not None
        head, tail = text[:start], text[end:]
        if head.rstrip().endswith(_COLONS) and not _DIGIT.search(head + tail):
            return True
        others = _WORDS.findall(head) + _WORDS.findall(tail)
        return all(word.lower() in _JOINING or (len(word) > 5 and _DIGIT.search(word)) for word in others)


def distinct(text: str) -> int:
    """How many different characters a text has."""
    return len(set(text))


def has_any(text: str, parts: Iterable[str]) -> bool:
    """Whether any of the parts stands in a text."""
    return any(part in text for part in parts)
