"""Keys of callers. A key is shown once and kept nowhere: the store has an HMAC, under a pepper that is kept beside it.

A key that is rotated keeps its id, and with it budgets, grants and history. It has a new secret; the one before it ends
after an overlap, so that callers can be given the new one without a pause.
"""

import contextlib
import hmac
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.adapters.audit import Audit, whoever
from gateway.adapters.sqlite_files import SqliteTables
from gateway.adapters.tables import Tables, Unreachable
from gateway.core.labels import DEFAULT_LEVEL
from gateway.core.record import Caller
from gateway.core.scopes import ADMIN_SCOPES, DEFAULT_SCOPES

PREFIX = "sk-gw-"
_KEY_BYTES = 24  # 192 random bits
FILE, PEPPER = "keys.sqlite", "pepper"
MIGRATIONS = (
    """
    CREATE TABLE keys (
        id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, shown TEXT NOT NULL, team TEXT NOT NULL, app TEXT NOT NULL,
        projects TEXT NOT NULL, purposes TEXT NOT NULL, floor TEXT NOT NULL, created REAL NOT NULL, revoked REAL
    )
    """,
    "ALTER TABLE keys ADD COLUMN person TEXT",
    "ALTER TABLE keys ADD COLUMN opaque_as TEXT",
    """ALTER TABLE keys ADD COLUMN scopes TEXT NOT NULL DEFAULT '["inference","models","usage"]'""",
    "ALTER TABLE keys ADD COLUMN models TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE keys ADD COLUMN expires REAL",
    "CREATE TABLE former (digest BLOB PRIMARY KEY, id TEXT NOT NULL, ends REAL NOT NULL)",
)
"""One statement each. `former` are the digests of secrets that were rotated out, until they end."""

_NEVER = float("inf")
_NOBODY: tuple[None, float] = (None, 0.0)
_NONE = "no such key in force"
_ENDLESS = 9e15
"""Unix seconds: stands for infinity in SQL."""
_ENDS_BY_SCOPES = (
    "SELECT scopes, MAX(COALESCE(CASE WHEN expires IS NULL OR revoked < expires THEN revoked ELSE expires END,"
    f" {_ENDLESS:.0f}.0)) FROM keys GROUP BY scopes"
)
_OF_CALLER = "id, team, app, projects, purposes, floor, person, opaque_as, scopes, models"


class KeyRow(msgspec.Struct, frozen=True):
    """A key as it may be shown: `shown` is its prefix and last four. Unix seconds; `revoked` None: in force.

    `person` is what kind of person it is for, None: nobody said, so it is unknown. `opaque_as` is the level that parts
    count as which nobody can read, None: nobody said, so it follows from the floor. `scopes` are what it is for,
    `models` the names that it may use (empty: all). `expires` None: it does not. `overlaps` is until when the secret
    before it is taken, too; None: there is none that is.
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
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    models: tuple[str, ...] = ()
    expires: float | None = None
    overlaps: float | None = None

    def in_force(self, moment: float) -> bool:
        """Whether a server takes it at a moment (Unix seconds)."""
        return self.revoked is None and moment < (_NEVER if self.expires is None else self.expires)


class Keys:
    """The key store of a state directory, or the one that replicas share. Any number of processes may hold one.

    What is made, rotated or revoked is noted in the audit trail of the state directory, as done by whoever runs the
    process. Raises OSError when it cannot be noted, and then it is not done. A shared store may raise Unreachable, too.

    `admin_ends` is when the last key for the admin listener ends, or ended (Unix seconds, infinity: one has no end), as
    last read; None: there never was one. `teams` is how many teams have keys that may call models, as last read.
    """

    def __init__(self, directory: Path, shared: Tables | None = None) -> None:
        self._db = shared or SqliteTables(directory / FILE, MIGRATIONS)
        self._audit = Audit(directory)
        self._pepper = b"" if shared else pepper_of(directory)
        self._mac = _mac_of(self._pepper)  # copied for each key: half the cost
        self._callers: dict[bytes, tuple[Caller, float]] = {}  # with the moment at which the secret ends
        self.admin_ends: float | None = None
        self.teams = 0
        self._ahead = 0.0  # the clock over the monotonic one, at the most
        self._version: object = None  # of what `_callers` holds; None: another

    def secret(self, purpose: str) -> bytes:
        """A secret (256 bits) that whoever has this store has, and a different one for each purpose.

        Raises Unreachable while the store is shared and was never read.
        """
        if not self._pepper:
            raise Unreachable("the database at GATEWAY_DATABASE_URL has not been read yet")
        return hmac.digest(self._pepper, f"for {purpose}".encode(), "sha256")  # no key begins like that

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
        scopes: Sequence[str] = DEFAULT_SCOPES,
        models: Sequence[str] = (),
        expires: float | None = None,
        id: str | None = None,
    ) -> tuple[str, str]:
        """A new key: (id, key). The key cannot be had again. `id` is one of `new_id`, where its budget is set first."""
        key, digest, shown = self._new()
        id = id or new_id()
        with self._audit.during(whoever(), "key_created", id, f"{team}/{app}: {', '.join(scopes)}", self._db):
            self._db.change(
                f"INSERT INTO keys ({_OF_CALLER}, expires, digest, shown, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    id,
                    team,
                    app,
                    *(msgspec.json.encode(words).decode() for words in (projects, purposes)),
                    floor,
                    person,
                    opaque_as,
                    *(msgspec.json.encode(words).decode() for words in (scopes, models)),
                    expires,
                    digest,
                    shown,
                    time.time(),
                ),
            )
        self._version = None
        return id, key

    def rows(self) -> list[KeyRow]:
        """All keys, oldest first."""
        now = time.time()
        found = self._db.ask(
            f"SELECT {_OF_CALLER}, expires, shown, created, revoked, (SELECT MAX(ends) FROM former"
            " WHERE former.id = keys.id AND ends > ?) FROM keys ORDER BY created, id",
            (now,),
        )
        return [
            KeyRow(
                id,
                shown,
                team,
                app,
                _words(projects),
                _words(purposes),
                floor,
                created,
                revoked,
                person,
                opaque_as,
                _words(scopes),
                _words(models),
                expires,
                overlaps if revoked is None else None,
            )
            for (
                id,
                team,
                app,
                projects,
                purposes,
                floor,
                person,
                opaque_as,
                scopes,
                models,
                expires,
                shown,
                created,
                revoked,
                overlaps,
            ) in found
        ]

    def revoke(self, id: str) -> bool:
        """Revokes a key, with every secret of it. False: there is no such key in force."""
        with self._audit.during(whoever(), "key_revoked", id, db=self._db) as noted:
            done = self._db.change("UPDATE keys SET revoked = ? WHERE id = ? AND revoked IS NULL", (time.time(), id))
            if not done:
                noted.outcome = _NONE
        self._version = None
        return done == 1

    def rotate(self, id: str, overlap_seconds: float, expires: float | None = None) -> str | None:
        """A new secret for a key, which cannot be had again; None: there is no such key in force.

        Those before it end after the overlap, or when they would have anyway, or with the key. `expires` is the key's
        new end (Unix seconds), None: as it was.
        """
        key, digest, shown = self._new()
        with self._audit.during(whoever(), "key_rotated", id, f"overlap {overlap_seconds:.0f} s", self._db) as noted:
            if self._rotate(id, digest, shown, overlap_seconds, expires):
                self._version = None
                return key
            noted.outcome = _NONE
        return None

    def _rotate(self, id: str, digest: bytes, shown: str, overlap_seconds: float, expires: float | None) -> bool:
        now = time.time()
        found = self._db.ask(
            "SELECT digest, expires FROM keys WHERE id = ? AND revoked IS NULL AND (expires IS NULL OR expires > ?)",
            (id, now),
        )
        if not found:
            return False
        [(before, until)] = found
        # no secret outlives the key, as it was and as it is from now on
        ends = min([now + overlap_seconds, *(end for end in (until, expires) if end is not None)])
        self._db.change("UPDATE former SET ends = ? WHERE id = ? AND ends > ?", (ends, id, ends))
        self._db.change("DELETE FROM former WHERE ends <= ?", (now,))
        self._db.change("INSERT INTO former (digest, id, ends) VALUES (?, ?, ?)", (before, id, ends))
        self._db.change(
            "UPDATE keys SET digest = ?, shown = ?, expires = COALESCE(?, expires) WHERE id = ?",
            (digest, shown, expires, id),
        )
        return True

    @property
    def guards_admin(self) -> bool:
        """Whether a key for the admin listener was ever made here. One that has ended opens nothing again."""
        self._look()
        return self.admin_ends is not None

    @property
    def admin_in_force(self) -> bool:
        """Whether there is a key that the admin listener takes now."""
        self._look()
        return self.admin_ends is not None and self.moment() < self.admin_ends

    def moment(self) -> float:
        """Now, in Unix seconds, by a clock that is never set back here: what has ended does not begin again.

        A clock that was wrong until it was set back looks from here like one that is wrong since. The later time is
        believed, since a key too few is found out and one too many is not: until this process ends, keys end as much
        earlier as the clock was set back.
        """
        now, lived = time.time(), time.monotonic()
        self._ahead = max(self._ahead, now - lived)
        return max(now, self._ahead + lived)  # now, where the difference was rounded

    def set_back_seconds(self) -> float:
        """How much later `moment` is than the clock says; 0: nobody set it back."""
        now = time.time()
        return round(self.moment() - now, 3)  # the clock went on between the two

    def refresh(self) -> None:
        """Rereads the store if another process changed it."""
        version = self._db.version()
        if version != self._version:
            self._know_pepper()
            found = self._db.ask(
                f"SELECT secret, ends, {_OF_CALLER} FROM"
                " (SELECT digest AS secret, id AS owner, expires AS ends FROM keys"
                " UNION ALL SELECT digest, id, ends FROM former) AS every"
                " JOIN keys ON keys.id = owner WHERE revoked IS NULL AND (ends IS NULL OR ends > ?)",
                (self.moment(),),
            )
            self._callers = {digest: (_caller(*row), _NEVER if ends is None else ends) for digest, ends, *row in found}
            self.teams = len({caller.team for caller, _ in self._callers.values() if "inference" in caller.scopes})
            ends_of = self._db.ask(_ENDS_BY_SCOPES, ())
            admin = [ends for scopes, ends in ends_of if ADMIN_SCOPES.intersection(_words(scopes))]
            self.admin_ends = max(_NEVER if ends >= _ENDLESS else ends for ends in admin) if admin else None
            self._version = version

    def find(self, key: bytes) -> Caller | None:
        """The caller behind a key, None for any other. Looked up by the digest of all of it: no comparison touches the
        key itself. One that is unknown, one that was revoked and one that has ended take the same steps. Of a store
        that is shared it knows what was last read."""
        digest = self._digest(key)
        if (caller := self._taken(digest)) is None:
            self._look()  # perhaps it was made just now
            caller = self._taken(digest)
        return caller

    def close(self) -> None:
        """Closes the store."""
        self._db.close()

    def _taken(self, digest: bytes) -> Caller | None:
        caller, ends = self._callers.get(digest, _NOBODY)
        if self.moment() < ends:
            return caller
        self._callers.pop(digest, None)  # from now on it is like one that never was, also by the clock
        return None

    def _look(self) -> None:
        """Rereads a store that is a file: what is shared is a round trip away."""
        if not self._db.shared:
            self.refresh()

    def _know_pepper(self) -> None:
        """Reads the pepper that replicas share; it is another one, where the database is."""
        if self._db.shared:
            [(pepper,)] = self._db.ask("SELECT value FROM secrets WHERE name = ?", [PEPPER])
            if pepper != self._pepper:
                self._pepper, self._mac, self._callers = pepper, _mac_of(pepper), {}

    def _new(self) -> tuple[str, bytes, str]:
        """A fresh secret, its digest, and how it is shown."""
        self._know_pepper()
        key = PREFIX + secrets.token_urlsafe(_KEY_BYTES)
        return key, self._digest(key.encode()), f"{PREFIX}…{key[-4:]}"

    def _digest(self, key: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(key)
        return mac.digest()


def _mac_of(pepper: bytes) -> hmac.HMAC:
    return hmac.new(pepper, digestmod="sha256")


def _caller(
    id: str,
    team: str,
    app: str,
    projects: str,
    purposes: str,
    floor: str,
    person: str | None,
    opaque_as: str | None,
    scopes: str,
    models: str,
) -> Caller:
    return Caller(
        id,
        team,
        app,
        _words(projects),
        _words(purposes),
        floor,
        person,
        opaque_as,
        frozenset(_words(scopes)),
        frozenset(_words(models)),
    )


def _words(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def new_id() -> str:
    """The id of a key to be made."""
    return "key_" + secrets.token_hex(6)


def new_pepper() -> bytes:
    """A pepper: 256 random bits."""
    return secrets.token_bytes(32)


def pepper_of(directory: Path) -> bytes:
    """The pepper of a state directory, made at first use. Whoever loses it has to issue all keys anew.

    It is there whole or not at all: of two processes that start at once, none hashes with half of it.
    """
    path = directory / PEPPER
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(new_pepper())
    try:
        with contextlib.suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink()
    return path.read_bytes()
