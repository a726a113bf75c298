"""What replicas agree on, as one process knows it: keys, suspensions, budgets and rates that operators set.

Files are looked at by the event loop. What is shared in a database is read by a thread. While the database is away, the
process goes on with what it knows, but not for long: a key may have been revoked meanwhile.
"""

import asyncio
import contextlib
import math
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway.adapters.audit import GATEWAY
from gateway.adapters.budget_store import BudgetStore
from gateway.adapters.keys import Keys
from gateway.adapters.stores import shared_of
from gateway.adapters.suspensions import Order, Suspensions
from gateway.adapters.tables import Unreachable
from gateway.adapters.taking_over import left
from gateway.core.errors import Refusal, Refused
from gateway.core.record import Caller

_AGAIN_SECONDS = 2
_SET_BACK_SECONDS = 1.0
"""By how much a clock is set back that is told of. By less it may be corrected every day."""


class Agreed:
    """Keys, suspensions and budgets of a process: those of its state directory; with a URL, those that replicas share.

    They are read once when this is made. `tell` is told what an operator should know, by name. `read` says whether they
    were ever read. Keys of a database are taken for `most_age_seconds` after they were read. Raises StateTaken, and
    sqlite3.Error where a file cannot be read.
    """

    def __init__(self, directory: Path, database_url: str, tell: Callable[..., None], most_age_seconds: float) -> None:
        self._directory = directory
        self._tell = tell
        self._most_age_seconds = most_age_seconds
        self._shared = shared_of(directory, database_url, GATEWAY, tell)
        self._thread = ThreadPoolExecutor(1, "state") if self._shared else None
        self.keys = Keys(directory, self._shared)
        self.suspensions = Suspensions(directory, self._shared)
        self.budgets = BudgetStore(directory, self._shared)
        self.read = False
        self._version: object = None
        self._away = False
        self._in_force = False
        self._admitted: set[str] = set()  # keys, by id
        self._unread = False  # budgets that may be older than keys that are known
        self._last = self._keys_read = -math.inf  # all of it; keys, which may be readable where something else is not
        self._orders: list[Order] = []  # that were read and not told
        self._admin_closed = False
        self._set_back_told = 0.0
        if self._thread is None:
            self._look()
        else:
            self._thread.submit(self._look).result()

    async def look(self) -> tuple[Order, ...]:
        """Reads what others changed, and returns the orders among it. A database that is away is told, once."""
        if self._thread is None:
            return self._look()
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._look)

    def put_in_force(self) -> None:
        """What was read is in force, so from now on callers are found."""
        self._in_force = self.read

    def require(self) -> None:
        """Raises Refused (503) where the last reading failed: an order that was kept is not in force here yet."""
        if self._away:
            raise Refused(
                Refusal.STATE_DOWN,
                "the order is kept; it comes into force here once the database can be read",
                retry_after=_AGAIN_SECONDS,
            )

    def find(self, key: bytes) -> Caller | None:
        """The caller behind a key. Raises Refused (503) until what replicas agree on is known here: a good key is not
        called a bad one; and once that is too old: a revoked key is not called a good one. A key is let in for the
        first time once all budgets are in force that were set before."""
        if not self._in_force or self._too_old:
            raise Refused(
                Refusal.STATE_DOWN, "keys cannot be read at the moment; try again", retry_after=_AGAIN_SECONDS
            )
        caller = self.keys.find(key)
        if caller is not None and caller.key not in self._admitted:
            self._admit(caller.key)
        return caller

    @property
    def unready(self) -> str | None:
        """Why no caller is found yet, or no more, in a word."""
        return None if self._in_force and not self._too_old else Refusal.STATE_DOWN.code

    @property
    def _too_old(self) -> bool:
        return self._shared is not None and time.monotonic() - self._keys_read > self._most_age_seconds

    def guards_admin(self) -> bool:
        """Whether the admin listener wants keys: a key for it was ever made, or nobody can say yet."""
        return not self._in_force or self.keys.guards_admin

    def admin_ends(self) -> float:
        """When the last key for the admin listener ends, or ended (Unix seconds). Infinity: never, also where none was
        ever made."""
        return math.inf if self.keys.admin_ends is None else self.keys.admin_ends

    def age_seconds(self) -> float:
        """How long ago what replicas share was last read; 0: it is in files here, infinity: it never was."""
        return 0.0 if self._shared is None else time.monotonic() - self._last

    async def close(self) -> None:
        """Closes what is open."""
        if self._thread is None:
            self._close()
        else:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
            self._thread.shutdown()

    def _admit(self, id: str) -> None:
        """Lets in a key that was read before budgets were, so that none of those set before it was made is missing."""
        if self._shared is None:
            with contextlib.suppress(ValueError, sqlite3.Error):  # what cannot be read may be a budget of this key
                self._read_budgets()
        if self._unread or self.budgets.known != self.budgets.in_force:
            raise Refused(
                Refusal.STATE_DOWN,
                "a budget that was set lately is not in force yet, so no new key is let in; try again",
                retry_after=1,
            )
        self._admitted.add(id)

    def _look(self) -> tuple[Order, ...]:
        self._look_at_clock()
        if self._shared is None:
            self._refresh(time.monotonic())
            self.read = True
            return self._news()
        began = time.monotonic()
        try:
            if (version := self._shared.version()) != self._version:  # one question while nothing happens
                self._refresh(began)
                self._version = version
            self._keys_read = began
            if not self.read and (found := left(self._shared, self._directory)):
                self._tell(
                    "state_not_shared",
                    **found,
                    advice=f"files in {self._directory} are not read, since the database had keys before: make these"
                    " keys anew (gateway keys create), revoke these, and set these budgets and suspensions again",
                )
        except Unreachable as error:
            if not self._away:
                self._tell(
                    "state_away",
                    error=str(error),
                    advice=f"keys are taken for {self._most_age_seconds:.0f} s after they were last read, as they may"
                    " be revoked meanwhile; then requests get 503 until the database is back",
                )
            self._away = True
            return ()
        if self._away:
            self._tell("state_back")
        self._away = False
        self.read = True
        self._last = began
        return self._news()

    def _look_at_clock(self) -> None:
        """Tells, once each time, that the clock was set back: keys end earlier than it says from now on."""
        back = self.keys.set_back_seconds()
        self._set_back_told = min(self._set_back_told, back)
        if back >= self._set_back_told + _SET_BACK_SECONDS:
            self._set_back_told = back
            self._tell(
                "clock_set_back",
                seconds=back,
                advice="keys end so many seconds before the clock says so, since what has ended does not begin again;"
                " if the clock was wrong before and is right now, start the gateway again",
            )

    def _refresh(self, began: float) -> None:
        """Each for itself: what cannot be read of one, a budget of a later version, say, holds up none of the others.
        Budgets are read after keys, which are not let in before that: a budget may be older than its key."""
        self._unread = True
        with contextlib.ExitStack() as each:  # the last is the first
            each.callback(lambda: self._orders.extend(self.suspensions.news()))
            each.callback(self._read_budgets)
            each.callback(self._read_keys, began)

    def _read_keys(self, began: float) -> None:
        self.keys.refresh()
        self._keys_read = began

    def _read_budgets(self) -> None:
        self._unread = True
        self.budgets.refresh()
        self._unread = False

    def _news(self) -> tuple[Order, ...]:
        closed = self.admin_ends() <= self.keys.moment()
        if closed and not self._admin_closed:
            self._tell(
                "admin_key_ended",
                ended=self.keys.admin_ends,
                advice="nobody may look or give orders on the admin listener any more; make a key: gateway keys create"
                " --team TEAM --app APP --scope admin:read --scope admin:write",
            )
        self._admin_closed = closed
        news, self._orders = tuple(self._orders), []
        return news

    def _close(self) -> None:
        for each in (self.keys, self.suspensions, self.budgets):
            each.close()
