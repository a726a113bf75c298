"""How a person is reached: e-mail, telephone, street."""

import re
from collections.abc import Iterator

from gateway.sensitivity.detector import Detector, Hit
from gateway.sensitivity.detectors import addresses
from gateway.sensitivity.sight import Sight

_FILES = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "ico",
        "bmp",
        "css",
        "scss",
        "js",
        "mjs",
        "cjs",
        "ts",
        "tsx",
        "jsx",
        "json",
        "py",
        "rb",
        "go",
        "rs",
        "java",
        "md",
        "html",
        "map",
    ]
)


_LOCAL = re.compile(r"[\w+\-][\w.%+'\-]{0,63}+")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w\-]{0,61}[^\W_])?\.){1,8}(?:xn--[A-Za-z0-9\-]{2,59}|[^\W\d_]{2,24})(?![\w@])")
_LONGEST_LOCAL = 64
_NOBODY = frozenset({"noreply", "donotreply"})


def find_mailbox(sight: Sight) -> Iterator[Hit]:
    """Each e-mail address, in any script; from sign to sign, so that a text without any costs nothing."""
    text = sight.text
    at, done = text.find("@"), 0
    while at >= 0:
        local = _LOCAL.match(text[max(done, at - _LONGEST_LOCAL) : at][::-1])  # backwards, so that it is one step each
        domain = _DOMAIN.match(text, at + 1)
        if local is not None and domain is not None:
            start, end = at - len(local[0]), domain.end()
            if is_mailbox(text, start, at, end):
                yield Hit(start, end, "email", "contact.email")
                done = end
        at = text.find("@", at + 1)


def is_mailbox(text: str, start: int, at: int, end: int) -> bool:
    """Not a file name (logo@2x.png), not the machine of a repository (git@host:path), not the password of a URL, and
    nobody's (noreply@host)."""
    if text[start:at].lower().replace("-", "").replace("_", "") in _NOBODY:
        return False
    if text[at:end].rpartition(".")[2].lower() in _FILES:
        return False
    if text[start:at] == "git" and text[end : end + 1] in {":", "/"}:
        return False
    return "://" not in text[max(0, start - 40) : start].rsplit(" ", 1)[-1]


ROWS: tuple[Detector, ...] = (
    Detector("contact.email", "@", find_mailbox),
    *addresses.ROWS,
)
