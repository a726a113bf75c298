"""How a person is reached: e-mail, telephone, street."""

from gateway.sensitivity.detector import Detector, pattern
from gateway.sensitivity.detectors import addresses
from gateway.sensitivity.sight import Sight

_FILES = frozenset("png jpg jpeg gif svg webp ico bmp css scss js mjs cjs ts tsx jsx json py rb go rs java md html map".split())


def is_mailbox(sight: Sight, start: int, end: int) -> bool:
    """Not a file name (logo@2x.png), not the machine of a repository (git@host:path), not the password of a URL."""
    text = sight.text
    found = text[start:end]
    local, _, domain = found.rpartition("@")
    if domain.rpartition(".")[2].lower() in _FILES:
        return False
    if local == "git" and text[end : end + 1] in {":", "/"}:
        return False
    return "://" not in text[max(0, start - 40) : start].rsplit(" ", 1)[-1]


ROWS: tuple[Detector, ...] = (
    pattern(
        "contact.email",
        "email",
        r"[\p{L}\p{N}._%+'\-]*[\p{L}\p{N}_+\-]@(?:[\p{L}\p{N}\-]+\.)+(?:xn--[A-Za-z0-9\-]+|\p{L}{2,})",
        trigger="@",
        check=is_mailbox,
    ),
    *addresses.ROWS,
)
