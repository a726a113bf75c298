"""Keys of callers. A key is shown once and kept nowhere: the store has an HMAC, under a pepper in a file of its own."""

import hmac
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.adapters.sqlite_files import opened
from gateway.core.labels import DEFAULT_LEVEL
from gateway.core.record import Caller

PREFIX = "sk-gw-"
_KEY_BYTES = 24  # 192 random bits
_MIGRATIONS = (
    """
    CREATE TABLE keys (
        id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, shown TEXT NOT NULL, team TEXT NOT NULL, app TEXT NOT NULL,
        projects TEXT NOT NULL, purposes TEXT NOT NULL, floor TEXT NOT NULL, created REAL NOT NULL, revoked REAL
    )
    """,
    "ALTER TABLE keys ADD COLUMN person TEXT",
    "ALTER TABLE keys ADD COLUMN opaque_as TEXT",
)
"""One statement each."""


class KeyRow(msgspec.Struct, frozen=True):
    """A key as it may be shown: `shown` is its prefix and last four. Unix seconds; `revoked` None: in force.

    `person` is what kind of person it is for, None: nobody said, so it is unknown. `opaque_as` is the level that parts
    count as which nobody can read, None: nobody said, so it follows from the floor.
    """

    id: str
    shown: str
    team: str
    app: str
    projects: tuple[str, ...]
    purposes: tuple[str, ...]
    floor: str
    created: float
    revoked: float | None
    person: str | None = None
    opaque_as: str | None = None


class Keys:
    """The key store of a state directory. Any number of processes may hold one."""

    def __init__(self, directory: Path) -> None:
        self._mac = hmac.new(_pepper(directory / "pepper"), digestmod="sha256")  # copied for each key: half the cost
        self._db = opened(directory / "keys.sqlite", _MIGRATIONS)
        self._callers: dict[bytes, Caller] = {}
        self._version = -1

    def create(
        self,
        *,
        team: str,
        app: str,
        projects: Sequence[str] = ("default",),
        purposes: Sequence[str] = ("general",),
        floor: str = DEFAULT_LEVEL,
        person: str | None = None,
        opaque_as: str | None = None,
    ) -> tuple[str, str]:
        """A new key: (id, key). The key cannot be had again."""
        key = PREFIX + secrets.token_urlsafe(_KEY_BYTES)
        id = "key_" + secrets.token_hex(6)
        self._db.execute(
            "INSERT INTO keys (id, digest, shown, team, app, projects, purposes, floor, created, person,"
            " opaque_as) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                id,
                self._digest(key.encode()),
                f"{PREFIX}…{key[-4:]}",
                team,
                app,
                msgspec.json.encode(projects).decode(),
                msgspec.json.encode(purposes).decode(),
                floor,
                time.time(),
                person,
                opaque_as,
            ),
        )
        return id, key

    def rows(self) -> list[KeyRow]:
        """All keys, oldest first."""
        found = self._db.execute(
            "SELECT id, shown, team, app, projects, purposes, floor, created, revoked, person,"
            " opaque_as FROM keys ORDER BY created, id"
        )
        return [
            KeyRow(id, shown, team, app, _words(projects), _words(purposes), floor, created, revoked, *more)
            for id, shown, team, app, projects, purposes, floor, created, revoked, *more in found
        ]

    def revoke(self, id: str) -> bool:
        """Revokes a key. False: there is no such key in force."""
        done = self._db.execute("UPDATE keys SET revoked = ? WHERE id = ? AND revoked IS NULL", (time.time(), id))
        return done.rowcount == 1

    def refresh(self) -> None:
        """Rereads the store if another process changed it."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            found = self._db.execute(
                "SELECT digest, id, team, app, projects, purposes, floor, person, opaque_as FROM keys"
                " WHERE revoked IS NULL"
            )
            self._callers = {
                digest: Caller(id, team, app, _words(projects), _words(purposes), *more)
                for digest, id, team, app, projects, purposes, *more in found
            }
            self._version = version

    def find(self, key: bytes) -> Caller | None:
        """The caller behind a key, None for any other. Looked up by digest: no comparison touches the key itself."""
        caller = self._callers.get(digest := self._digest(key))
        if caller is None:
            self.refresh()  # perhaps it was made just now
            caller = self._callers.get(digest)
        return caller

    def close(self) -> None:
        """Closes the store."""
        self._db.close()

    def _digest(self, key: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(key)
        return mac.digest()


def _words(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def _pepper(path: Path) -> bytes:
    """The pepper of this store, made at first use. Whoever loses it has to issue all keys anew."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        file.write(pepper := secrets.token_bytes(32))
    return pepper
