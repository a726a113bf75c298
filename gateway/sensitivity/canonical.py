"""What a model reads but a pattern does not: the same text in other characters, escapes or spacing.

Each row of `REWRITES` turns one way of writing back into the plain one. They are applied beside the raw text, never
instead of it, and again to what comes out, since ways of writing can be nested. Each row has a trigger, as a detector
has.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator

import msgspec

from gateway.sensitivity.reading import Edit

_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Default_Ignorable_Code_Point of Unicode 15: nothing is shown for them."""
_COMPATIBLE = (
    "\u017f\u00aa\u00b2\u00b3\u00b9\u00ba\u02b0-\u02b8\u02e0-\u02e4\u1d2c-\u1d6a\u2070-\u209c\u2100-\u218b\u2460-\u24ff"
    "\u2776-\u2793\u3000\u3250-\u33ff\ua69c\ua69d\ufb00-\ufb06\ufe30-\ufe4f\ufe50-\ufe6b\uff01-\uffee"
    "\U0001d400-\U0001d7ff\U0001f100-\U0001f1ff\U0001fbf0-\U0001fbf9"
)
"""Blocks with compatibility forms of Latin letters, digits and punctuation: what NFKC maps to ASCII."""
_SPACES_AND_DASHES = (
    "\u00a0\u2000-\u200a\u202f\u205f\u2010-\u2015\u2212\u2044\u2215\u3002\uff61\u2018\u2019\u201c\u201d"
)
_PLAIN = {
    **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f", " "),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u2044\u2215", "/"),
    **dict.fromkeys("\u3002\uff61", "."),
    **dict.fromkeys("\u2018\u2019", "'"),
    **dict.fromkeys("\u201c\u201d", '"'),
}
_FOREIGN_DIGITS = (
    "\u0660-\u0669\u06f0-\u06f9\u07c0-\u07c9\u0966-\u096f\u09e6-\u09ef\u0a66-\u0a6f\u0ae6-\u0aef\u0b66-\u0b6f"
    "\u0be6-\u0bef\u0c66-\u0c6f\u0ce6-\u0cef\u0d66-\u0d6f\u0e50-\u0e59\u0ed0-\u0ed9\u0f20-\u0f29\u1040-\u1049\u17e0-\u17e9\u1810-\u1819"
)
_LOOKALIKES = {
    **dict(zip("АВЕЅІЈКМНОРСТХУԌԜ", "ABESIJKMHOPCTXYGW", strict=True)),  # Cyrillic
    **dict(zip("асеѕіјкорхуԁԛԝһӏ", "acesijkopxydqwhl", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),  # Greek
    **dict(zip("αικνορτυχ", "aikvoptux", strict=True)),
    **dict(zip("օսոհ", "ounh", strict=True)),  # Armenian
}
"""Letters that look like a Latin one: the certain pairs of Unicode's confusables."""

_LETTERS = "\u0370-\u03ff\u0400-\u052f\u0531-\u0587"
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "/": "/", "\\": "\\"}


class Rewrite(msgspec.Struct, frozen=True):
    """One way of writing: when to look for it (an RE2 expression), and the edits that undo it."""

    id: str
    trigger: str
    edits: Callable[[str], Iterator[Edit]]


def _each(expression: str, plain: Callable[[re.Match[str]], str]) -> Callable[[str], Iterator[Edit]]:
    find = re.compile(expression).finditer

    def edits(text: str) -> Iterator[Edit]:
        for match in find(text):
            if (put := plain(match)) != match[0]:
                yield Edit(match.start(), match.end(), put)

    return edits


def _compatible(match: re.Match[str]) -> str:
    return "".join(_PLAIN.get(c) or unicodedata.normalize("NFKC", c) for c in match[0])


def _latin(match: re.Match[str]) -> str:
    """A word that mixes scripts, in the Latin letters that the others look like. Words in one script stay."""
    word = match[0]
    if not any(c.isascii() and c.isalnum() for c in word):
        return word
    return "".join(_LOOKALIKES.get(c, c) for c in word)


def _escapes(text: str) -> Iterator[Edit]:
    """Where characters are written by their codes, escapes of every kind are undone; elsewhere they hide nothing."""
    return _each_escape(text) if _CODE.search(text) else iter(())


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code in _CONTROLS:
        return _CONTROLS[code]
    if match[2]:  # two halves of one character
        return chr(0x10000 + ((int(match[2], 16) & 0x3FF) << 10) + (int(match[3], 16) & 0x3FF))
    return _character(int(code[1:], 16))


def _character(code: int) -> str:
    return chr(code) if code < 0x11_0000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def _unquoted(match: re.Match[str]) -> str:
    octets = bytes.fromhex(match[0].replace("%", ""))
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _together(match: re.Match[str]) -> str:
    """What was spaced out letter by letter. A wider gap was a space before."""
    if match[1]:
        return match[0].replace(match[1], "")
    return re.sub(" +", lambda gap: " " if len(gap[0]) > 1 else "", match[0])


_FOREIGN = re.compile(f"[{_LETTERS}]")
_each_word = _each(f"[A-Za-z0-9@._+/=\\-{_LETTERS}]+", _latin)


def _lookalikes(text: str) -> Iterator[Edit]:
    """Words are only looked at where there is a letter of another script at all."""
    return _each_word(text) if _FOREIGN.search(text) else iter(())


_CODE = re.compile(r"\\[uxU][0-9a-fA-F]{2}")
_each_escape = _each(
    r"\\(u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|U[0-9a-fA-F]{8}|[nrt\"'/\\])",
    _unescaped,
)

REWRITES: tuple[Rewrite, ...] = (
    Rewrite("invisible", f"[{_IGNORABLE}]", _each(f"[{_IGNORABLE}]+", lambda _: "")),
    Rewrite(
        "compatible",
        f"[{_COMPATIBLE}{_SPACES_AND_DASHES}]",
        _each(f"[{_COMPATIBLE}{_SPACES_AND_DASHES}]+", _compatible),
    ),
    Rewrite(
        "digits",
        f"[{_FOREIGN_DIGITS}]",
        _each(f"[{_FOREIGN_DIGITS}]+", lambda match: "".join(str(unicodedata.decimal(c)) for c in match[0])),
    ),
    Rewrite(
        "lookalikes",
        f"[A-Za-z0-9][@._+/=\\-]*[{_LETTERS}]|[{_LETTERS}][@._+/=\\-]*[A-Za-z0-9]",
        _lookalikes,
    ),
    Rewrite("escapes", r"\\[uxU][0-9a-fA-F]{2}", _escapes),
    Rewrite("percent", r"%[0-9A-Fa-f]{2}", _each(r"(?:%[0-9A-Fa-f]{2})+", _unquoted)),
    Rewrite(
        "entities",
        r"&(?:#[0-9xX]|[A-Za-z]{2,8};)",
        _each(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});", lambda match: html.unescape(match[0])),
    ),
    Rewrite(
        "spaced",
        r"\S {1,3}\S {1,3}\S {1,3}\S {1,3}\S|[A-Za-z0-9][\-_*][A-Za-z0-9][\-_*][A-Za-z0-9][\-_*][A-Za-z0-9][\-_*]",
        _each(
            r"(?<![^\W_])\S(?: {1,3}\S){5,}(?![^\W_])"
            r"|(?<![A-Za-z0-9])[A-Za-z0-9](?:([\-_*])[A-Za-z0-9])(?:\1[A-Za-z0-9]){5,}(?![A-Za-z0-9])",
            _together,
        ),
    ),
    Rewrite(
        "concatenated",
        r"[\"'][ \t\r\n\\]*[+.&][ \t\r\n\\]*[fbru]?\\?[\"']|[\"'][ \t]*\\?\r?\n[ \t]*[fbru]?\\?[\"']",
        _each(
            r"(\\?[\"'])(?:[ \t\r\n\\]{0,40}[+.&][ \t\r\n\\]{0,40}?|[ \t]{0,8}\\?\r?\n[ \t]{0,40})[fbru]?\1",
            lambda _: "",
        ),
    ),
)
