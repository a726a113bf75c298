"""Every string of a request body, by construction: the parsed body is walked, and no list of known fields is kept. Left
out is only what cannot be read: an image, a sound or a file in base64, which is told, and thoughts that a provider
sealed.

Bodies of all surfaces alike (chat, Responses, Messages, unknown fields). Numbers of some length are texts, too: an id
is as telling without quotes. Names of members count where they say more than a field's name does.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from gateway.core.findings import Leaf, Path
from gateway.core.members import MOST_TEXTS
from gateway.core.sealed import SEALED, unsealed
from gateway.sensitivity.media import is_media
from gateway.sensitivity.thoughts import NAMES, is_sealed_thought

_LEAST_NUMBER = 1_000_000
_FIELD_NAME = re.compile(r"[A-Za-z_$][A-Za-z_\-.$]{0,39}[0-9]?\Z")
_USUAL = frozenset(("role", "content", "type", "text", "messages", "model", "name", "function", "arguments", "tools"))
_TOKENS = frozenset(("prompt", "input"))
_OPAQUE = ("image", "audio", "video", "file", "document", "screenshot", "upload", "media")
_PAYLOADS = frozenset({"image_url", "video_url", "audio_url", "input_audio", "file", "file_data", "file_id", "source"})
_TELLING = _PAYLOADS | {"type"}
_DATA_IN = frozenset(("url", "data", "file_data", "file_id"))
_LOOKED_AT = _DATA_IN | NAMES
_OTHER = ("data:", SEALED)
"""What a string begins with that may be more than a text."""
_DATA = re.compile(r"data:(?!text/)[\w.+-]+/[\w.+-]+[;,]")
"""Addresses that hold what they point to, unless that is a text."""


class Walked(msgspec.Struct, frozen=True):
    """The texts of a body, in order, where it has parts that nobody here can read (images, sounds, files), and how many
    members its objects have in all."""

    leaves: tuple[Leaf, ...]
    opaque: tuple[Path, ...]
    members: int


class TooMany(Exception):
    """More texts or members than anybody reads."""


def walk(document: object) -> Walked:
    """All texts of a parsed body. Raises RecursionError for one that is nested too deeply, and TooMany."""
    walker = _Walker()
    walker.into(document, (), "")
    return Walked(tuple(walker.leaves), tuple(walker.opaque), walker.members)


class _Walker:
    """What was met on the way."""

    __slots__ = ("leaves", "members", "opaque")

    def __init__(self) -> None:
        self.leaves: list[Leaf] = []
        self.opaque: list[Path] = []
        self.members = 0

    def into(self, value: object, path: Path, key: str) -> None:
        if isinstance(value, str):
            if (value.startswith("data:") or key in _DATA_IN) and is_media(value):
                self.opaque.append(path)
                return
            self.leaves.append(Leaf(path, value, key))
            if value.startswith("data:") and _DATA.match(value):
                self.opaque.append(path)
            elif value.startswith(SEALED):
                self._inside(value, path, key)
        elif isinstance(value, dict):
            self.members += len(value)
            if self.members > MOST_TEXTS or len(self.leaves) > MOST_TEXTS:
                raise TooMany
            if ("type" in value or not _PAYLOADS.isdisjoint(value)) and _shows(value):
                self.opaque.append(path)
            odd = False
            for name, child in value.items():
                inside = (*path, name)
                if name not in _USUAL:
                    tells, is_odd = _read_name(name)
                    if tells:
                        self.leaves.append(Leaf(inside, name, name, name=True))
                    odd = odd or is_odd
                if type(child) is str and name not in _LOOKED_AT and not child.startswith(_OTHER):
                    self.leaves.append(Leaf(inside, child, name))  # most of them: without a call
                elif name not in NAMES or type(child) is not str or not is_sealed_thought(child, name, value, path):
                    self.into(child, inside, name)
            if odd and _shows_folded(value):
                self.opaque.append(path)
        elif isinstance(value, list):
            if value and path and path[0] in _TOKENS and isinstance(value[0], int):
                self.opaque.append(path)  # text as numbers, which only the model's own tokenizer reads
            for at, child in enumerate(value):
                self.into(child, (*path, at), key)
                if len(self.leaves) > MOST_TEXTS:
                    raise TooMany
        elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LEAST_NUMBER:
            self.leaves.append(Leaf(path, str(value), key, number=True))

    def _inside(self, value: str, path: Path, key: str) -> None:
        """The texts in what we sealed ourselves."""
        try:
            self.into(msgspec.json.decode(unsealed(value) or b""), path, key)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.opaque.append(path)


@lru_cache(4096)
def _read_name(name: str) -> tuple[bool, bool]:
    """Whether a member's name says more than a field's name does, and whether it is a telling one in another case. Few
    names differ."""
    return _FIELD_NAME.match(name) is None, name not in _TELLING and name.casefold() in _TELLING


def _shows(value: dict[str, object]) -> bool:
    """Whether a part is an image, a sound or a file, by its type or its members, since servers go by either. One whose
    data is a text behind a data URL is a text; what else it says of itself does not count."""
    kind = value.get("type")
    payloads = list(_payloads(value))
    if isinstance(kind, str) and any(word in kind.casefold() for word in _OPAQUE):
        return not payloads or not all(text.startswith("data:text/") for text in payloads)
    return any(not text.startswith("data:text/") for text in payloads)


def _shows_folded(value: dict[str, object]) -> bool:
    """The same by names of members in another case, since some servers read those, too. Each counts by itself: nobody
    here knows which of two a server takes."""
    folded = ((name.casefold(), child) for name, child in value.items() if name not in _TELLING)
    return any(_shows({name: child}) for name, child in folded if name in _TELLING)


def _payloads(value: dict[str, object]) -> Iterator[str]:
    """The data of a part, or where it is."""
    for name in _PAYLOADS.intersection(value):
        inside = value[name]
        if isinstance(inside, str):
            yield inside
        elif isinstance(inside, dict):
            yield from (text for name, text in inside.items() if isinstance(text, str) and name.casefold() in _DATA_IN)
