"""Every string of a request body, by construction: the parsed body is walked, and no list of known fields is kept.

Bodies of all surfaces alike (chat, Responses, Messages, unknown fields). Numbers of some length are texts, too: an id
is as telling without quotes. Names of members count where they say more than a field's name does.
"""

import re
from collections.abc import Iterator

import msgspec

from gateway.core.findings import Leaf, Path

_LEAST_NUMBER = 1_000_000
_FIELD_NAME = re.compile(r"[A-Za-z_$][A-Za-z_\-.$]{0,39}[0-9]?\Z")
_USUAL = frozenset(("role", "content", "type", "text", "messages", "model", "name", "function", "arguments", "tools"))
_OPAQUE = ("image", "audio", "video", "file", "document")


class Walked(msgspec.Struct, frozen=True):
    """The texts of a body, in order, where it has parts that nobody here can read (images, sounds, files), and how many
    members its objects have in all."""

    leaves: tuple[Leaf, ...]
    opaque: tuple[Path, ...]
    members: int


def walk(document: object) -> Walked:
    """All texts of a parsed body."""
    leaves: list[Leaf] = []
    opaque: list[Path] = []
    members = 0
    stack: list[tuple[Path, object]] = [((), document)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, str):
            leaves.append(Leaf(path, value))
        elif isinstance(value, dict):
            if _shows(value):
                opaque.append(path)
            members += len(value)
            children: list[tuple[Path, object]] = []
            for name, child in value.items():
                if name not in _USUAL and not _FIELD_NAME.match(name):
                    leaves.append(Leaf((*path, name), name, name=True))
                children.append(((*path, name), child))
            stack.extend(reversed(children))
        elif isinstance(value, list):
            stack.extend(((*path, at), value[at]) for at in range(len(value) - 1, -1, -1))
        elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LEAST_NUMBER:
            leaves.append(Leaf(path, str(value), number=True))
    return Walked(tuple(leaves), tuple(opaque), members)


def _shows(value: dict[str, object]) -> bool:
    """Whether a part is an image, a sound or a file, and not one that is a text behind a data URL."""
    kind = value.get("type")
    if not isinstance(kind, str) or not any(word in kind for word in _OPAQUE):
        return False
    return not any(text.startswith("data:text/") for text in _strings(value))


def _strings(value: object) -> Iterator[str]:
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            stack.extend(each.values())
        elif isinstance(each, list):
            stack.extend(each)
