"""Small tables of what changes seldom: keys, suspensions, budgets that operators set.

They are in files of a state directory, or in a database that replicas share. The same SQL is for both.
"""

from collections.abc import Sequence
from typing import Any, Protocol


class Unreachable(Exception):
    """What replicas share cannot be read or changed at the moment. The message says what to do."""


class OutcomeUnknown(Unreachable):
    """The connection was lost while a change was committed. It may be done, and it may not."""


class Tables(Protocol):
    """Tables, held by one thread at a time. `?` stands for a value.

    `shared`: other replicas have them, too. Then each question is a round trip and raises Unreachable, so it is not for
    the thread of a running event loop. Files raise sqlite3.Error.
    """

    @property
    def shared(self) -> bool:
        """Whether other replicas have them, too."""

    def ask(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows that a question finds."""

    def version(self) -> object:
        """Equal to the one before, when nobody else has changed anything in between."""

    def begin(self) -> None:
        """Begins a change. From now on there is no other, until it ends."""

    def change(self, sql: str, values: Sequence[object] = ()) -> int:
        """Changes something, after `begin`. Returns how many rows."""

    def commit(self) -> None:
        """What was changed since `begin` is done. Raises OutcomeUnknown where nobody can say whether it is."""

    def undo(self) -> None:
        """Nothing of it is done. Never raises."""

    def close(self) -> None:
        """Closes what is open."""


def numbered(sql: str) -> str:
    """The same statement as PostgreSQL wants it: its values have numbers."""
    parts = sql.split("?")
    return "".join(f"{part}${at}" for at, part in enumerate(parts[:-1], 1)) + parts[-1]
