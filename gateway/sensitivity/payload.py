"""Texts packed into texts: base64 and hexadecimal, in a data URL or bare. What holds no text is left alone."""

import binascii
import re
from collections.abc import Callable, Iterator

import msgspec

LONGEST = 4_000_000
"""Characters of one packed run that are looked at; a longer one is not text that anybody wrote."""

_SHOWN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]")
# A lookbehind behind the first character, since a search passes over all characters but those that may come first.
_HEX = re.compile(r"[0-9A-Fa-f](?<![0-9A-Fa-f]{2})[0-9A-Fa-f](?:[0-9A-Fa-f]{2}){5,}+(?![0-9A-Fa-f])")
_HEX_PAIRS = re.compile(r"[0-9A-Fa-f](?<![0-9A-Fa-f]{2})[0-9A-Fa-f](?:[ :][0-9A-Fa-f]{2}){7,}(?![0-9A-Fa-f])")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-]{10,}+(?:\r?\n[A-Za-z0-9+/_\-]{4,})*={0,2}")
_TRY = 64
_SHORTEST = 6


class Packing(msgspec.Struct, frozen=True):
    """One way of packing: when to look (RE2), and each packed run with what it holds."""

    id: str
    trigger: str
    unpacked: Callable[[str], Iterator[tuple[int, int, str]]]


def _text_of(octets: bytes) -> str | None:
    """The octets as text, None: they are something else."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    return text if len(text) >= _SHORTEST and not _SHOWN.search(text) else None


def _base64(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _BASE64.finditer(text):
        run = match[0]
        if run[0] in _NO_TEXT:
            continue
        if len(run) > LONGEST or run.isdigit() or (run.isalpha() and (run[1:].islower() or run.isupper())):
            continue  # a number, or a word
        packed = "".join(run.split()).rstrip("=").translate(_STANDARD)
        if len(packed) % 4 == 1:
            packed = packed[:-1]
        begun = _unpacked(packed[:_TRY])
        if len(packed) > _TRY:
            if not any(_text_of(begun[: len(begun) - cut]) for cut in range(4)):
                continue  # most runs are something else, and show it at once; a character may be cut in two
            begun = _unpacked(packed)
        if (found := _text_of(begun)) is not None:
            yield match.start(), match.end(), found


_STANDARD = str.maketrans("-_", "+/")
_NO_TEXT = frozenset("ABEFGHghijklmnopqrstuv+/-_")
"""What begins with one of these begins with a control character, or in the middle of a character."""


def _unpacked(packed: str) -> bytes:
    try:
        return binascii.a2b_base64(packed + "=" * (-len(packed) % 4))
    except binascii.Error:
        return b"\xff"


def _hexadecimal(text: str) -> Iterator[tuple[int, int, str]]:
    for expression in (_HEX, _HEX_PAIRS):
        for match in expression.finditer(text):
            run = match[0]
            if len(run) > LONGEST or (run.isdigit() and len(run) < 2 * _SHORTEST + 4):
                continue
            found = _text_of(bytes.fromhex(run.replace(":", " ")))
            if found is not None:
                yield match.start(), match.end(), found


PACKINGS: tuple[Packing, ...] = (
    Packing("base64", r"[A-Za-z0-9+/_\-]{12}|[A-Za-z0-9+/_\-]{10}=", _base64),
    Packing("hex", r"[0-9a-fA-F]{12}|[0-9A-Fa-f]{2}[ :][0-9A-Fa-f]{2}[ :][0-9A-Fa-f]{2}[ :]", _hexadecimal),
)
