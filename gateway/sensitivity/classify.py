"""The label of a request. It is a join, so no single source can lower what another one raised."""

import msgspec

from gateway.core.labels import join, level_or_highest


class Classified(msgspec.Struct, frozen=True):
    """The label, the tags, and each source that had a say with the level it asked for."""

    sensitivity: str
    tags: frozenset[str]
    provenance: tuple[tuple[str, str], ...]


NO_TAGS: frozenset[str] = frozenset()


def classify(floor: str, header: str | None) -> Classified:
    """Joins the key's floor and the header. Nothing scans the text yet, so there are no tags."""
    floor = level_or_highest(floor)
    if header is None:
        return Classified(floor, NO_TAGS, (("key", floor),))
    asked = join(*(level_or_highest(part) for part in header.split(",")))
    return Classified(join(floor, asked), NO_TAGS, (("key", floor), ("header", asked)))
