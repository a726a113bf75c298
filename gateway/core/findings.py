"""What a scanner found in a request: places and kinds, never text. Except for what was taken out, which is in memory
only, for the way back."""

from collections.abc import Mapping

import msgspec

from gateway.core.chat import ChatRequest
from gateway.core.labels import RANK

Step = str | int
Path = tuple[Step, ...]
"""From a body to a value in it: names of members and positions in lists."""

_FRAME = frozenset({"role", "type", "id", "tool_call_id", "call_id", "model", "object", "detail", "format"})
_FRAME_CHARS = 64


class Leaf(msgspec.Struct, frozen=True):
    """One text of a body, and the name of the member that holds it. `name`: it is the name of a member itself, not a
    value; `number`: it is written without quotes."""

    path: Path
    text: str
    key: str = ""
    name: bool = False
    number: bool = False

    @property
    def framing(self) -> bool:
        """Whether it is part of a message's frame, such as a role: nobody reads on from the text before it."""
        return (self.key in _FRAME and len(self.text) <= _FRAME_CHARS) or self.name or self.number


class Finding(msgspec.Struct, frozen=True, order=True):
    """What was found: characters `start` to `end` of a text, the kind, the detector, and how the text was read to see
    it (`plain`, the ways of writing that were undone, `joined`)."""

    start: int
    end: int
    kind: str
    detector: str
    seen: str = "plain"


class Place(msgspec.Struct, frozen=True):
    """A finding in one of the leaves of a body."""

    leaf: int
    finding: Finding


class Scan(msgspec.Struct, frozen=True):
    """All that was found in a body. Not `complete`: there was more to examine than the budget allows, so nobody knows.

    A finding across a seam has a place in each leaf that it touches. `opaque`: some part cannot be read here.
    """

    leaves: tuple[Leaf, ...]
    places: tuple[Place, ...]
    opaque: bool
    complete: bool = True


class Seen(msgspec.Struct, frozen=True):
    """What one text holds by itself, whatever stands beside it, and how many characters were examined to see that."""

    findings: tuple[Finding, ...]
    examined_chars: int


class Found(msgspec.Struct, frozen=True):
    """What findings come to: the highest level that they ask for (None: none), their tags, how many there are of each
    kind, and whether some part cannot be read. Not `known`: the scanner failed, or had more to examine than it may."""

    level: str | None = None
    tags: frozenset[str] = frozenset()
    kinds: tuple[tuple[str, int], ...] = ()
    opaque: bool = False
    known: bool = True


NOTHING_FOUND = Found()


class Redacted:
    """A request with findings taken out, what they come to that are left, and what was taken, by its placeholder."""

    __slots__ = ("chat", "found", "taken")

    def __init__(self, chat: ChatRequest, taken: Mapping[str, str], found: Found) -> None:
        self.chat = chat
        self.taken = taken  # prompt text: shown by no repr, kept by nobody
        self.found = found


UNKNOWN = "unknown"
"""How a level that nobody knows is shown. It is no level."""


class Classified(msgspec.Struct, frozen=True):
    """The label and the tags (None: unknown), each source that had a say with the level it asked for, and how many
    findings of each kind there were.

    `declared` is the label by all that does not stand in the text itself: it is what a conversation hands on, since its
    text comes again with each turn and is scanned again.
    """

    sensitivity: str | None
    tags: frozenset[str] | None
    provenance: tuple[tuple[str, str], ...]
    declared: str
    kinds: tuple[tuple[str, int], ...] = ()

    @property
    def shown(self) -> str:
        """The label in words."""
        return self.sensitivity or UNKNOWN

    @property
    def conflict(self) -> bool:
        """Whether the caller said less of the request than was found in it."""
        said = dict(self.provenance)
        header, scanner = said.get("header"), said.get("scanner")
        return header is not None and scanner is not None and RANK.get(scanner, len(RANK)) > RANK[header]
