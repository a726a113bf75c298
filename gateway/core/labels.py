"""Sensitivity levels: an ordered lattice in which a label only ever goes up."""

LEVELS = ("public", "internal", "confidential", "restricted")
"""Every level, lowest first."""

DEFAULT_LEVEL = "internal"
"""The floor of a key that says nothing."""

RANK = {level: rank for rank, level in enumerate(LEVELS)}


def join(*levels: str) -> str:
    """The highest of the given levels."""
    return max(levels, key=RANK.__getitem__)


def level_or_highest(text: str) -> str:
    """A level as a caller wrote it. What nobody can read counts as the highest, so a typing error never lowers."""
    word = text.strip().lower()
    return word if word in RANK else LEVELS[-1]
