"""Server-sent events: bytes cut anywhere in, whole events out, each with its own bytes untouched."""

import re

_EVENT_END = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_LINE_END = re.compile(rb"\r\n|\n|\r")

MAX_EVENT_BYTES = 32_000_000
"""A larger event is refused: whole-file tool arguments and inline images fit, endless garbage does not."""


class EventTooLarge(ValueError):
    """An event grew past `MAX_EVENT_BYTES` without an end."""


class Splitter:
    """Cuts a byte stream into events. Holds at most one unfinished event."""

    __slots__ = ("_held", "_searched")

    def __init__(self) -> None:
        self._held = bytearray()
        self._searched = 0  # up to here there is no event end, so that a long event is not searched again

    @property
    def holds(self) -> bool:
        """An unfinished event is held."""
        return bool(self._held)

    def feed(self, block: bytes) -> list[bytes]:
        """The events that the block completes, each with the blank line that ends it."""
        if (
            not self._held
            and len(block) <= MAX_EVENT_BYTES
            and block.endswith(b"\n\n")
            and b"\r" not in block
            and b"\n\n\n" not in block
        ):  # nearly every block of a real stream: whole events, LF only
            if block.find(b"\n\n") == len(block) - 2:
                return [block]
            return [part + b"\n\n" for part in block[:-2].split(b"\n\n")]
        held = self._held
        held += block
        events: list[bytes] = []
        start = 0
        for end in _EVENT_END.finditer(held, self._searched):
            if end.end() == len(held) and held.endswith(b"\r"):
                break  # its line feed may still be under way
            events.append(bytes(held[start : end.end()]))
            start = end.end()
        del held[:start]
        self._searched = max(0, len(held) - 3)
        if max(len(held), *map(len, events), 0) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"an event exceeds {MAX_EVENT_BYTES} bytes")
        return events

    def rest(self) -> bytes:
        """What is left when the stream has ended: an event whose last blank line is missing, or nothing."""
        rest = bytes(self._held)
        self._held.clear()
        self._searched = 0
        return rest


def data_of(event: bytes) -> bytes:
    """The data of an event: its `data:` lines, joined by a line feed. Empty for comments and bare fields."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2 and b"\r" not in event:
        return event[6:-2]
    lines = (line[5:] for line in _LINE_END.split(event) if line.startswith(b"data:"))
    return b"\n".join(line.removeprefix(b" ") for line in lines)
