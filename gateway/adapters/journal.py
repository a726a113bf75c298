"""The ledger of a process: a journal for what must not be lost, carried over to a store for what is asked.

A call goes to the journal before it is sent, by write(2) on the event loop (2 us), so that it is in the kernel and
survives `kill -9`; and again when it ends, together with what else ended or began in that turn of the loop. One thread
carries ended calls to the store in groups; nobody else waits for it. A segment of the journal is deleted once the store
has all that it holds; at start, what segments are left are carried over, and calls that never ended become `uncertain`
at their upper bound. While the store is away the journal grows, up to a bound; beyond it no call is let through.
"""

import asyncio
import contextlib
import errno
import os
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Literal

import msgspec

from gateway.adapters.ledger_rows import Store, Unwritable
from gateway.adapters.segments import Full, Group, Lines, begin, begun_on_disk, decided_in, encode, fsync, read
from gateway.core.decided import Decided
from gateway.core.record import Entry

Durability = Literal["process", "power"]
"""What the ledger survives: the death of this process, or a power cut (fsync before the last byte goes out)."""

SEGMENT_BYTES = 16_000_000
JOURNAL_BYTES = 2_000_000_000
"""All segments together: some four million calls."""
IN_MEMORY = 50_000
"""Ended calls that may wait in memory for the store. What else waits is read from its segment again, when its turn
comes."""
_GROUP_SECONDS = 0.2
_RETRY_SECONDS = 1.0
_START_SECONDS = 5.0
"""How long a start waits until what a former process left is in the store. After that the gateway serves, and lag
tells."""
_CLOSE_SECONDS = 30.0
_FOLD_PAUSE_SECONDS = 0.05
_FOLD_RETRY_SECONDS = 3600.0
_DAY_SECONDS = 86_400.0


class Ledger:
    """The `Ledger` port over a state directory. One process at a time may hold it.

    `tell` is told what an operator should know, by name, and `on_recovered` how calls of a former process ended, once
    the store has them; both are called from another thread. Single calls are kept for `retention_days` and then
    folded. `recovered` is what was carried over at start (entries, uncertain ones among them), None while that has not
    been possible. `undecided` are the decisions that a former process has left, if it did not end by itself.
    """

    def __init__(
        self,
        directory: Path,
        store: Store,
        durability: Durability = "process",
        retention_days: int = 400,
        tell: Callable[..., None] = lambda *_, **__: None,
        on_recovered: Callable[[Sequence[Entry]], None] = lambda _: None,
    ) -> None:
        self._directory = directory / "journal"
        self._directory.mkdir(parents=True, exist_ok=True)
        self._power = durability == "power"
        self._store = store
        self._retention = retention_days * _DAY_SECONDS
        self._tell = tell
        self._on_recovered = on_recovered
        left = sorted(self._directory.glob("[0-9]*.jsonl"), key=lambda path: int(path.stem))
        self._left = {path: path.stat().st_size for path in left}  # by a former process
        self.undecided = decided_in(left[-1]) if left else []  # what was under way, or had just ended, is in the last
        self.recovered: tuple[int, int] | None = None
        self._under_way: dict[tuple[str, int], list[Entry | Decided]] = {}
        self._ended: list[Entry] = []  # not yet on their way to the store
        self._queue: queue.SimpleQueue[Group | Full | None] = queue.SimpleQueue()
        self._oldest_waiting: float | None = time.monotonic()
        self._waits_since = self._oldest_waiting  # the oldest of `_ended`
        self._turning = False  # there will be a turn
        self._reread = False  # the segment holds ended calls that are not in memory
        self._handed = self._carried = 0  # entries: by the loop, by the thread
        self._written = self._synced = 0
        self._unsynced: OSError | None = None  # why the segment cannot be trusted
        self._doubted = 0  # what was written up to here may be on no disk
        self._freed = -sum(self._left.values())  # so that `_written` less this is what is kept
        self._syncing = asyncio.Lock()
        self._syncer = ThreadPoolExecutor(1, "fsync")  # its own: answers wait for it, and for nothing else
        self._torn = False
        self._lines = Lines()
        self._noted: list[Entry | Decided] = []  # not yet in the journal
        self._scheduled = False
        self._refusing: OSError | None = None
        self._segment, self._fd, self._size = begin(self._directory, int(left[-1].stem) + 1 if left else 1)
        self._closing, self._begun = threading.Event(), threading.Event()
        self._away = False  # the store, when it was last asked
        self._whole = False  # the store has all that was handed over
        self._fold_due = self._anew_due = 0.0
        self._thread = threading.Thread(target=self._carry, name="ledger", daemon=True)
        self._thread.start()
        self._begun.wait(_START_SECONDS)

    def open(self, entry: Entry, decided: Decided | None = None) -> None:
        """Notes a call that is about to be sent, and by which decision, at once. Raises OSError when the journal does
        not take it."""
        if self._written - self._freed > JOURNAL_BYTES:
            raise OSError(errno.ENOSPC, f"{self._directory} is full, since the ledger's store takes nothing")
        if self._unsynced is not None:
            self.flush()
            if self._unsynced is not None:
                raise self._unsynced
        intent: list[Entry | Decided] = [entry] if decided is None else [decided, entry]
        self._noted += intent
        self._under_way[entry.request_id, entry.hop] = intent  # before a new segment may begin with what is under way
        self.flush()
        if self._refusing is not None:
            self._noted = [each for each in self._noted if each is not entry and each is not decided]
            del self._under_way[entry.request_id, entry.hop]
            raise self._refusing

    def sealed(self) -> Awaitable[None] | None:
        """With `power`, waits until what was noted so far is on disk; one fsync serves all who wait. Raises OSError."""
        return self._sync() if self._power else None

    def settle(self, entries: Sequence[Entry]) -> None:
        """Keeps how calls ended."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_later(_GROUP_SECONDS, self._turn)
        if not self._ended:
            self._waits_since = time.monotonic()
            if self._oldest_waiting is None:
                self._oldest_waiting = self._waits_since
        self._noted += entries
        self._ended += entries
        for entry in entries:
            self._under_way.pop((entry.request_id, entry.hop), None)

    def flush(self) -> None:
        """Writes what was noted to the journal. What it does not take stays noted, and no new call is let through."""
        self._scheduled = False
        try:
            self._append(b"".join(map(self._lines.of, self._noted)))
        except OSError as error:
            self._lines.lost()
            self._refusing = error
            return
        self._refusing = None
        self._noted.clear()
        if self._size > SEGMENT_BYTES or (self._unsynced is not None and time.monotonic() >= self._anew_due):
            self._rotate()

    def takes(self) -> bool:
        """Whether a new call can be noted. Where the last one could not be, it is tried with an empty line."""
        if self._refusing is not None:
            self._torn = True
        if self._refusing is not None or self._unsynced is not None:
            self.flush()
        return not (self._refusing or self._unsynced) and self._written - self._freed <= JOURNAL_BYTES

    def lag_seconds(self) -> float:
        """How long the oldest ended call has been waiting for the store."""
        oldest = self._oldest_waiting
        return 0.0 if oldest is None else time.monotonic() - oldest

    def close(self) -> None:
        """Carries everything over and stops. The journal stays if the store has not taken all, or a call is under
        way."""
        self.flush()
        self._hand_over()
        self._closing.set()
        self._queue.put(None)
        self._thread.join(_CLOSE_SECONDS)
        self._syncer.shutdown(wait=False)
        os.close(self._fd)
        if self._whole and not self._under_way and not self._reread and not self._noted:
            self._segment.unlink(missing_ok=True)

    def _turn(self) -> None:
        """Hands over what has ended; and, once the store keeps up again, the segment that it has yet to read."""
        self._turning = False
        self._hand_over()
        if self._reread and self._handed - self._carried <= IN_MEMORY // 2:
            self._rotate()
        if (self._ended or self._reread) and not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._turn)

    def _hand_over(self) -> None:
        """Gives a group to the thread, in one piece: woken for each entry, it would fight for the interpreter."""
        if not self._ended:
            return
        if self._reread or self._handed - self._carried > IN_MEMORY:
            if not self._noted:  # the segment has them
                self._reread = True
                self._ended = []
            return
        ended, self._ended = self._ended, []
        self._handed += len(ended)
        self._queue.put(Group(ended, self._waits_since))

    def _append(self, lines: bytes) -> None:
        if self._torn:
            lines = b"\n" + lines
        written = os.write(self._fd, lines)
        self._size += written
        self._written += written
        self._torn = written < len(lines)
        if self._torn:
            raise OSError("the journal took only a part of a line")

    async def _sync(self) -> None:
        self.flush()
        wanted = self._written
        async with self._syncing:
            if wanted <= self._doubted:
                raise OSError(errno.EIO, "an fsync of the journal failed")
            if self._synced < wanted:
                reached = self._written
                descriptor = os.dup(self._fd)  # of its own: a rotation may close ours meanwhile
                try:
                    await asyncio.get_running_loop().run_in_executor(self._syncer, fsync, descriptor)
                except OSError as error:
                    self._distrust(error)
                    raise
                self._synced = reached

    def _distrust(self, error: OSError) -> None:
        """After an fsync that failed the kernel forgets what it could not write, and the next says nothing of it. So no
        call is let through until a new segment, with what is under way, is on disk; what ended, the store has."""
        self._unsynced, self._doubted = error, self._written
        self._anew_due = time.monotonic() + _RETRY_SECONDS

    def _rotate(self) -> None:
        """Starts a new segment with what is under way; the old one goes once the store has all it holds."""
        old, old_fd, old_size = self._segment, self._fd, self._size
        written, lines = self._written, self._lines
        try:
            self._segment, self._fd, self._size = begin(self._directory, int(old.stem) + 1)
        except OSError:
            return  # the old one goes on
        self._lines = Lines()
        try:
            for noted in chain.from_iterable(self._under_way.values()):
                self._append(self._lines.of(noted))
            if self._power:
                begun_on_disk(self._directory, old_fd, self._fd)
        except OSError as error:
            os.close(self._fd)
            self._segment.unlink(missing_ok=True)
            self._freed += self._written - written
            self._segment, self._fd, self._size, self._torn, self._lines = old, old_fd, old_size, False, lines
            if self._power:
                self._distrust(error)
            return
        os.close(old_fd)
        self._unsynced = None
        self._hand_over()  # all that the old one holds goes before it
        self._queue.put(Full(old, old_size, self._reread, self._waits_since))
        self._reread = False

    def _carry(self) -> None:
        """The thread: carries over what is left, then what comes, until told to stop."""
        with contextlib.suppress(OSError, AttributeError):  # where a thread has a priority of its own: requests first
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        try:
            self._whole = self._recover() and self._follow()
        except Exception as error:  # noqa: BLE001  the journal cannot be read, say: it keeps, until it is full
            self._tell("ledger_stopped", error=f"{type(error).__name__}: {error}")
        finally:
            self._begun.set()
            self._store.close()

    def _follow(self) -> bool:
        """Takes what comes, a group in one transaction. False: told to stop while the store was away."""
        while True:
            try:
                item = self._queue.get(timeout=max(0.0, self._fold_due - time.monotonic()))
            except queue.Empty:
                self._fold()
                continue
            if item is None:
                return True
            self._oldest_waiting = item.since
            if isinstance(item, Full):
                if item.reread and not self._carry_segment(item.path):
                    return False
                self._free(item.path, item.size)
            elif self._keep(item.entries) is None:
                return False
            else:
                self._carried += len(item.entries)
            waiting = self._ended or self._reread or not self._queue.empty()
            self._oldest_waiting = time.monotonic() if waiting else None

    def _recover(self) -> bool:
        """Carries over what a former process left. False: told to stop while the store was away."""
        taken, under_way = 0, dict[tuple[str, int], Entry]()
        for entries in chain.from_iterable(read(segment, self._unread) for segment in self._left):
            ended = []
            for entry in entries:
                if entry.state == "open":
                    under_way[entry.request_id, entry.hop] = entry
                else:
                    under_way.pop((entry.request_id, entry.hop), None)
                    ended.append(entry)
            if (kept := self._keep(ended)) is None:
                return False
            self._on_recovered(ended)
            taken += kept
        never_ended = [
            msgspec.structs.replace(entry, state="uncertain", outcome="crashed") for entry in under_way.values()
        ]
        # a row that is there already ended after all: only its line was lost
        if (uncertain := self._keep(never_ended, absent=True)) is None:
            return False
        self._on_recovered(never_ended)
        for segment, size in self._left.items():
            self._free(segment, size)
        self.recovered = taken + uncertain, uncertain
        if taken + uncertain:
            self._tell("ledger_recovered", entries=taken + uncertain, uncertain=uncertain)
        self._oldest_waiting = time.monotonic() if self._ended or not self._queue.empty() else None
        self._begun.set()
        return True

    def _carry_segment(self, segment: Path) -> bool:
        """Carries over the ended calls of a segment that did not wait in memory."""
        return all(
            self._keep([entry for entry in entries if entry.state != "open"]) is not None
            for entries in read(segment, self._unread)
        )

    def _free(self, segment: Path, size: int) -> None:
        with contextlib.suppress(OSError):  # the next start reads it again, to no effect
            segment.unlink(missing_ok=True)
            self._freed += size

    def _keep(self, entries: list[Entry], *, absent: bool = False) -> int | None:
        """Has the store take entries, however long that takes; none at all show that it is there. Returns how many it
        kept; None: told to stop first."""
        while True:
            try:
                kept = self._store.write(entries, absent=absent)
            except Unwritable as error:
                if len(entries) > 1:  # one of them: the others must not wait for it
                    half = len(entries) // 2
                    parts = [self._keep(part, absent=absent) for part in (entries[:half], entries[half:])]
                    return None if None in parts else sum(part or 0 for part in parts)
                if self._set_aside(entries[0], str(error)):
                    return 0
            except Exception as error:  # noqa: BLE001  whatever it is, the journal has them, and lag tells
                self._lost(error)
            else:
                if self._away:
                    self._away = False
                    self._tell("ledger_store_back")
                return kept
            if self._closing.wait(_RETRY_SECONDS):
                return None

    def _unread(self, line: bytes) -> None:
        """Keeps a line that another version wrote where an operator finds it."""
        with (self._directory / "refused.jsonl").open("ab") as file:
            file.write(line)
        self._tell("ledger_line_unread")

    def _lost(self, error: Exception) -> None:
        if not self._away:
            self._away = True
            self._tell("ledger_store_away", error=f"{type(error).__name__}: {error}")

    def _set_aside(self, entry: Entry, why: str) -> bool:
        """Keeps an entry that the store refuses for good where an operator finds it. False: not now."""
        try:
            with (self._directory / "refused.jsonl").open("ab") as file:
                file.write(encode([entry]))
        except OSError as error:
            self._lost(error)
            return False
        self._tell("ledger_entry_refused", request_id=entry.request_id, hop=entry.hop, error=why)
        return True

    def _fold(self) -> None:
        """Folds some old calls, between two groups."""
        pause = _DAY_SECONDS
        try:
            if self._store.fold(time.time() - self._retention):
                pause = _FOLD_PAUSE_SECONDS
        except Exception as error:  # noqa: BLE001  nothing is lost: they are folded later
            pause = _FOLD_RETRY_SECONDS
            self._tell("ledger_not_folded", error=f"{type(error).__name__}: {error}")
        self._fold_due = time.monotonic() + pause
