"""The trail of who did what: acts of operators, and of the gateway. A file of records, each sealed with all before it.

Any number of processes write it: each takes the file for itself, reads how it ends, and appends one line. Nothing is
ever changed or deleted. No secrets are in it, and no text of requests.
"""

import contextlib
import fcntl
import os
import pwd
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import msgspec

from gateway.adapters.tables import OutcomeUnknown, Tables
from gateway.core.chain import TORN, Head, Walk, fragment, sealed, unsealed, walk_records
from gateway.core.steering import plain

NAME = "audit.jsonl"
BEGUN = "begun"
"""The outcome of an act that was about to be done."""
GATEWAY = "gateway"
"""Who did what the gateway did by itself."""

Act = Literal[
    "started",
    "stopped",
    "key_created",
    "key_rotated",
    "key_revoked",
    "budget_set",
    "rate_set",
    "budget_removed",
    "backend_suspended",
    "backend_resumed",
    "policy_loaded",
    "policy_refused",
    "policy_rolled_back",
    "policy_promoted",
    "spend_booked",
    "state_shared",
    "decisions_begun",
    "decisions_forgotten",
    "line_torn",
]

_MAX_WORDS = 500
_TAIL_BYTES = 65_536
_PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.01


class Record(msgspec.Struct, frozen=True):
    """One act. `time` is Unix seconds, `object` what it was done to, `outcome` `done` or what came of it instead."""

    number: int
    time: float
    actor: str
    act: str
    object: str = ""
    outcome: str = "done"
    detail: str = ""


_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(Record).decode


class Busy(OSError):
    """Another process has held the trail for too long."""


class Unfinished(OSError):
    """An act was noted as begun and was done, and how it ended could not be noted."""


class Noted:
    """An act under way. What is set here is noted when it has ended."""

    def __init__(self, object: str, detail: str) -> None:
        self.object = object
        self.outcome = "done"
        self.detail = detail


class Audit:
    """The trail of a state directory. Its methods raise OSError when it cannot be written, also where another process
    holds it for longer than `patience_seconds` (None: some seconds)."""

    def __init__(self, directory: Path, patience_seconds: float | None = None) -> None:
        self._path = directory / NAME
        self._patience = patience_seconds

    def note(self, actor: str, act: Act, object: str = "", outcome: str = "done", detail: str = "") -> None:
        """Appends what was done."""
        with self._taken() as file:
            _append(file, _Said(actor, act, object, outcome, detail))

    @contextlib.contextmanager
    def during(
        self,
        actor: str,
        act: Act,
        object: str = "",
        detail: str = "",
        db: Tables | None = None,
        undo: Callable[[], None] | None = None,
    ) -> Iterator[Noted]:
        """Does something and notes it: it is not begun where nothing can be noted. What fails is noted, too.

        What is done in `db` is one change, which is committed once it is noted: a full disk undoes it. Where a database
        does not answer to the commit, `unknown` is noted, too. `undo` takes back what is done elsewhere, also when only
        a part of it was done. What nobody can take back is noted as `begun` first, and again when it has ended:
        Unfinished, where that cannot be noted.
        """
        if db is not None:
            db.version()  # a database is connected to before the trail is held: what it takes over then is noted, too
        with self._taken() as file:
            noted = Noted(object, detail)

            def note(outcome: str) -> None:
                _append(file, _Said(actor, act, noted.object, outcome, noted.detail))

            if db is None and undo is None:
                note(BEGUN)
            try:
                if db is not None:
                    db.begin()
                yield noted
            except BaseException:
                _undo(db)
                if undo is not None:
                    undo()
                note("failed")
                raise
            try:
                note(noted.outcome)
            except BaseException as error:
                _undo(db)
                if undo is not None:
                    undo()
                elif db is None and isinstance(error, OSError):
                    raise Unfinished(str(error)) from error
                raise
            try:
                if db is not None:
                    db.commit()
            except BaseException as error:
                _undo(db)
                note("unknown" if isinstance(error, OutcomeUnknown) else "failed")  # it was noted as done
                raise

    @contextlib.contextmanager
    def _taken(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        try:
            _lock(descriptor, _PATIENCE_SECONDS if self._patience is None else self._patience)
            yield descriptor
        finally:
            os.close(descriptor)  # and with it the lock


class Notes:
    """What the gateway itself notes while it serves: written by a thread, in order, so that nobody waits for the file.

    `on_loss` is told why something could not be noted.
    """

    def __init__(self, audit: Audit, on_loss: Callable[[str], None]) -> None:
        self._audit = audit
        self._on_loss = on_loss
        self._thread = ThreadPoolExecutor(1, "audit")

    def note(self, act: Act, object: str = "", outcome: str = "done", detail: str = "") -> None:
        """Notes what the gateway did. Never raises."""
        self._thread.submit(self._write, act, object, outcome, detail)

    def close(self) -> None:
        """Stops. Everything is written."""
        self._thread.shutdown()

    def _write(self, act: Act, object: str, outcome: str, detail: str) -> None:
        try:
            self._audit.note(GATEWAY, act, object, outcome, detail)
        except OSError as error:
            self._on_loss(str(error))


class _Said(msgspec.Struct, frozen=True):
    actor: str
    act: str
    object: str
    outcome: str
    detail: str


def _undo(db: Tables | None) -> None:
    if db is not None:
        db.undo()


def _lock(descriptor: int, patience_seconds: float) -> None:
    until = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise Busy(f"another process holds {NAME}") from None
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _append(file: int, said: _Said) -> None:
    head, torn = _end(file)
    lines = b""
    if torn and (whole := _head_of(torn)) is not None:
        lines, head = b"\n", whole  # only its end is missing
    elif torn:
        line, head = _sealed(head, _Said(GATEWAY, TORN, fragment(torn), "done", f"{len(torn)} bytes"))
        lines = b"\n" + line
    line, head = _sealed(head, said)
    lines += line
    size = os.fstat(file).st_size
    if os.write(file, lines) < len(lines):
        with contextlib.suppress(OSError):  # it stays as a tear, then
            os.ftruncate(file, size)
        raise OSError(f"the disk took only a part of a line of {NAME}")


def _sealed(head: Head, said: _Said) -> tuple[bytes, Head]:
    words = [plain(word)[:_MAX_WORDS] for word in msgspec.structs.astuple(said)]
    return sealed(head, _ENCODE(Record(head.number + 1, round(time.time(), 3), *words)))


def _end(file: int) -> tuple[Head, bytes]:
    """The head of the trail, and what stands behind its last line end: a line that nobody finished."""
    size = os.fstat(file).st_size
    span = _TAIL_BYTES
    while True:
        tail = os.pread(file, min(span, size), max(0, size - span))
        lines = tail.split(b"\n")
        for line in reversed(lines[:-1]):
            if (head := _head_of(line)) is not None:
                return head, lines[-1]
        if span >= size:
            return Head(), lines[-1]
        span *= 16


def _head_of(line: bytes) -> Head | None:
    if (found := unsealed(line)) is None:
        return None
    try:
        return Head(_DECODE(found[0]).number, found[1])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def read(directory: Path) -> Iterator[Record]:
    """Every record that can be read, oldest first. From any process."""
    yield from follow(directory, Walk())


def follow(directory: Path, walk: Walk) -> Iterator[Record]:
    """The same, while a walk looks whether the trail holds."""
    with contextlib.suppress(FileNotFoundError), (directory / NAME).open("rb") as file:
        for body in walk_records(walk, NAME, file):
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):  # the walk says so
                yield _DECODE(body)


def whoever() -> str:
    """Who runs this command, by the system's word, not by what the environment says."""
    uid = os.getuid()
    try:
        return f"cli {pwd.getpwuid(uid).pw_name}"
    except KeyError:  # a user id without a name, as containers have
        return f"cli uid {uid}"
