"""What an operator says about the scanner, as a value: read by `policy.sensitivity`, made into a scanner by
`sensitivity.own`. Plain data, so that it can be handed from one process to another."""

import msgspec

from gateway.core.kinds import KINDS, Kind


class OwnDetector(msgspec.Struct, frozen=True):
    """A detector of the operator's: an RE2 expression, and words one of which must stand near (none: no such need)."""

    id: str
    pattern: str
    level: str
    tag: str | None
    near: tuple[str, ...] = ()


class Dictionary(msgspec.Struct, frozen=True):
    """Terms to look for, such as names of customers.

    `shards` hold them, one a line, sorted, as `core.lexicon.written` makes them: a million terms in a few hundred
    texts, so that neither handing them on nor making use of them keeps a process busy for long without a break.
    """

    id: str
    shards: tuple[str, ...]
    level: str
    tag: str | None
    whole_words: bool = True
    ignore_case: bool = True


class ScannerTerms(msgspec.Struct, frozen=True):
    """Everything that is to be found, and what it means: `kinds` are those of the built-in ones that are on.

    `digest` names this value: dictionaries outside of the tree are in it, though not in the digest of the tree.
    """

    kinds: tuple[Kind, ...] = tuple(KINDS.values())
    detectors: tuple[OwnDetector, ...] = ()
    dictionaries: tuple[Dictionary, ...] = ()
    digest: str = ""


BUILT_IN = ScannerTerms()
"""What is found where nobody says anything."""
