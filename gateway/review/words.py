"""What reports for a review share: cutting lists short, and text that markdown leaves as it is."""

from collections.abc import Iterable

from gateway.policy.document import plain

_STEERING = "\\`*_[]<|~"
"""Characters that mean something in markdown, or in a cell of a table."""


def shown(items: Iterable[str], most: int) -> list[str]:
    """The first of many, and how many more there are."""
    found = list(items)
    return found[:most] + ([f"and {len(found) - most} more"] if len(found) > most else [])


def escaped(text: str) -> str:
    """Text that says the same in markdown, and in a cell of a table."""
    return plain("".join(f"\\{character}" if character in _STEERING else character for character in text))


def code(text: str) -> str:
    """Text as a name in markdown."""
    return f"`{plain(text).replace('`', '')}`"


def row(cells: Iterable[str]) -> str:
    """A row of a markdown table, of cells that are markdown already."""
    return f"| {' | '.join(cells)} |"
