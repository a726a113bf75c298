"""What an import of a LiteLLM config comes to."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from gateway.core.catalog import Backend


class Unreadable(Exception):
    """A file cannot be read as what it should be. The message says why, and what to do."""


class Note(msgspec.Struct, frozen=True, order=True):
    """Something that was not carried over as it was: which key of the config, why, and what to do instead.

    `where` are the models, keys or names that it concerns; none: there is only one place. No value of the config is in
    it, since that may be a secret.
    """

    key: str
    why: str
    do: str
    where: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True):
    """A row of the catalog. `fields` are as `files.BackendEntry` has them, numbers as Decimal or int; `said` is written
    above it as a comment."""

    id: str
    fields: Mapping[str, object]
    said: tuple[str, ...] = ()


class Ceiling(msgspec.Struct, frozen=True):
    """A budget that is kept in git: so many USD for each value of `per`, in a window as policies write it."""

    key: str
    usd: Decimal
    per: str
    window: str


class Command(msgspec.Struct, frozen=True):
    """A command to run: its words. `said` is written above it as a comment."""

    words: tuple[str, ...]
    said: str = ""


class Imported(msgspec.Struct, frozen=True):
    """All of it. `carried` are the keys of the config that became something here, `names` the environment variables
    that rows take their keys from, `open` the ids of rows with facts that nobody knows."""

    rows: tuple[Row, ...]
    ceilings: tuple[Ceiling, ...]
    commands: tuple[Command, ...]
    notes: tuple[Note, ...]
    carried: tuple[str, ...]
    names: tuple[str, ...]
    open: tuple[str, ...]


class Own(msgspec.Struct, frozen=True):
    """What this gateway has already: its backends, the default base URL of each provider it knows, the figures of its
    price book by model, and the words of its vocabulary by section. `environment` has the variables that URLs may be
    taken from."""

    backends: tuple[Backend, ...]
    base_urls: Mapping[str, str | None]
    book: Mapping[str, object]
    words: Mapping[str, frozenset[str]]
    environment: Mapping[str, str]


class Findings:
    """Notes and carried keys, as they are found. Not frozen: it is what is collected in."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str, str], dict[str, None]] = {}
        self._carried: dict[str, None] = {}

    def note(self, key: str, why: str, do: str, *where: str) -> None:
        """Notes something, once for all places of the same kind."""
        self._notes.setdefault((key, why, do), {}).update(dict.fromkeys(where))

    def carried(self, section: str, keys: Iterable[str]) -> None:
        """Says that keys of a section became something here."""
        self._carried.update(dict.fromkeys(f"{section}.{key}" if section else key for key in keys))

    def has(self, key: str) -> bool:
        """Whether something is noted of a key."""
        return any(noted == key for noted, _, _ in self._notes)

    def notes(self) -> tuple[Note, ...]:
        """All notes, in the order in which they were found."""
        return tuple(Note(*said, tuple(where)) for said, where in self._notes.items())

    def keys(self) -> tuple[str, ...]:
        """All keys that were carried over, sorted."""
        return tuple(sorted(self._carried))
