"""What reports for a review share: cutting lists short, and text that markdown leaves as it is."""

from collections.abc import Iterable, Mapping

from gateway.core.steering import plain

_STEERING = "\\`*_[]<|~"
"""Characters that mean something in markdown, or in a cell of a table."""


def shown(items: Iterable[str], most: int) -> list[str]:
    """The first of many, and how many more there are."""
    found = list(items)
    return found[:most] + ([f"and {len(found) - most} more"] if len(found) > most else [])


def requests(words: Mapping[str, str]) -> str:
    """Which requests, attribute by attribute."""
    return "; ".join(f"{name} {said}" for name, said in words.items()) or "every request"


def alternatives(many: Iterable[Mapping[str, str]]) -> dict[int, dict[str, str]]:
    """Fewer conditions that mean the same: those that differ in one attribute become one, at the place of the first."""
    found = {at: dict(words) for at, words in enumerate(many)}
    for at, words in list(found.items()):
        for first in (first for first in found if first < at):
            differing = [name for name in words if words[name] != found[first].get(name)]
            if words.keys() == found[first].keys() and len(differing) <= 1:
                found[first] |= {name: f"{found[first][name]} or {words[name]}" for name in differing}
                del found[at]
                break
    return found


def escaped(text: str) -> str:
    """Text that says the same in markdown, and in a cell of a table."""
    return plain("".join(f"\\{character}" if character in _STEERING else character for character in text))


def code(text: str) -> str:
    """Text as a name in markdown."""
    return f"`{plain(text).replace('`', '')}`"


def row(cells: Iterable[str]) -> str:
    """A row of a markdown table, of cells that are markdown already."""
    return f"| {' | '.join(cells)} |"
