"""The part of the composition root that is about money: the ledger, who counts, and which limits are in force."""

import asyncio
import math
import queue
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from gateway.adapters.books import Books, LedgerUnreadable
from gateway.adapters.budget_metrics import BudgetSeries
from gateway.adapters.budget_store import BudgetStore, Set
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.journal import Ledger
from gateway.adapters.ledger_figures import Figures, LedgerReader, follow
from gateway.adapters.ledger_metrics import LedgerSeries
from gateway.adapters.limits import Limits
from gateway.adapters.replicas import Replicas
from gateway.adapters.series import Series
from gateway.adapters.spend import spent_by
from gateway.adapters.stores import store_of
from gateway.core.budget import Limit
from gateway.core.errors import Refusal, Refused
from gateway.core.record import Entry
from gateway.policy.decide import Eligibility
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.adapters.budgets_valkey import ValkeyBudgets

_BEHIND_SECONDS = 2.0
"""How far the ledger may be behind when limits come into force."""
_ANSWER_SECONDS = 3.0
"""How long a key waits for the ledger to say what it has spent."""
_TOLD_SECONDS, _MOST_TOLD = 2.0, 10_000
"""How long a key is told the same of its spending, and how many keys that is remembered for."""


class Spending:
    """The ledger of one process, its budgets, and the limits of the policy and of operators, put in force together.

    `tell` is told what an operator should know, by name, and `present` which replicas there are; `store` is what
    operators have set, which others read anew; `series` shows how it stands. Raises ValueError for a Valkey URL that
    cannot be read.
    """

    def __init__(
        self, settings: Settings, tell: Callable[..., None], store: BudgetStore, present: Replicas, series: Series
    ) -> None:
        self._tell = tell
        self._present = present
        self._left_over: queue.SimpleQueue[Sequence[Entry]] = queue.SimpleQueue()  # by a former process
        self.ledger = Ledger(
            settings.state_dir,
            store_of(settings.state_dir, settings.ledger_url, settings.durability),
            settings.durability,
            settings.retention_days,
            tell,
            self._left_over.put,
        )
        self._books = Books(settings.state_dir, settings.ledger_url)
        self._shared = self._counting(settings)
        self.budgets = self._shared or LocalBudgets(self._books)
        self._limits = Limits(
            lambda limits: self.budgets.restore(limits, time.time()), self.budgets.enforce, self._behind, tell
        )
        self._store = store
        self._in_force: tuple[Sequence[Limit], Set] | None = None  # of the policy, and of operators
        self._standings = BudgetSeries(series.drop)
        self._figures = LedgerSeries(series.drop)
        series.show(self._standings, self._figures)
        self._reader = LedgerReader(self._books)
        self._of_keys = Books(settings.state_dir, settings.ledger_url, _ANSWER_SECONDS)
        self._asking = ThreadPoolExecutor(2, "usage")  # of its own: who waits for a ledger keeps nobody else waiting
        self._told: dict[str, tuple[float, Mapping[str, object]]] = {}  # by key, and when

    async def start(self) -> None:
        """Begins."""
        if self._shared is not None:
            await self._shared.start()

    async def close(self) -> None:
        """Ends, once all that ended is where it belongs."""
        self._books.close()
        self._of_keys.close()
        self._asking.shutdown(wait=False, cancel_futures=True)
        if self._shared is not None:
            await self._shared.close()
        await asyncio.to_thread(self.ledger.close)

    def restored(self, policy: Eligibility) -> Callable[[], None]:
        """Reads what was spent under new limits, beside the event loop; what it returns puts them in force."""
        known = self._store.known
        limits = self._limits.prepare((*policy.limits, *known.limits), known.rates)

        def put_in_force() -> None:
            limits()
            self._in_force = policy.limits, known
            self._store.in_force = known

        return put_in_force

    async def follow(self, policy: Eligibility, current: Callable[[], Eligibility]) -> None:
        """Puts in force what operators have set, as it is known; opens limits again once the ledger says what was spent
        under them, and settles what a former process left. `current` says whether the policy is still in force then."""
        set_now = self._store.known
        known = self._in_force == (policy.limits, set_now)
        if not known or self._limits.due:
            put_in_force = await asyncio.to_thread(self.restored, policy)
            if current() is policy:
                put_in_force()
                if not known:
                    self._tell("limits_in_force", policy=len(policy.limits), set=len(set_now.limits))
        while not self._left_over.empty():
            entries = self._left_over.get()
            if self._shared is not None:  # our own accounts begin with the ledger
                self._shared.recover(entries)

    async def look(self) -> None:
        """Has the series show how the budgets stand now."""
        standings = self.budgets.every_standing(time.time())
        found = await standings if isinstance(standings, Awaitable) else standings
        self._standings.show(found, self.budgets.overshot_pico_usd)

    async def read_on(self, current: Callable[[], Eligibility]) -> None:
        """Has the series show what the ledger says, until it is cancelled. `current` is the policy in force."""

        def read() -> Figures:
            policy = current()
            origins = {backend.id: backend.word("weights_origin") for backend in policy.bundle.backends}
            return self._reader.read((*policy.limits, *self._store.known.limits), origins, time.time())

        await follow(self._reader, read, self._figures.show, self._tell)

    async def spent(self, key: str, moment: float) -> Mapping[str, object]:
        """What the ledger says that a key (its id) has spent today and this month. Raises Refused when it cannot.

        It is asked anew every few seconds, and for few keys at a time, so that nobody can keep it busy.
        """
        known = self._told.get(key)
        if known is not None and 0 <= moment - known[0] < _TOLD_SECONDS:
            return known[1]
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                told = await loop.run_in_executor(self._asking, spent_by, self._of_keys, key, moment)
        except (LedgerUnreadable, TimeoutError):
            raise Refused(
                Refusal.LEDGER_DOWN,
                "the ledger does not answer at the moment, so nobody can say what this key has spent; try again",
                retry_after=5,
            ) from None
        if len(self._told) > _MOST_TOLD:
            self._told.clear()
        self._told[key] = moment, told
        return told

    def _counting(self, settings: Settings) -> "ValkeyBudgets | None":
        """The server that all replicas share, None: this process counts by itself."""
        if settings.valkey_url is None:
            return None
        # a tenth of a second that only those pay who need it
        from gateway.adapters.budgets_valkey import ValkeyBudgets

        local = LocalBudgets(self._books)
        url = settings.valkey_url.get_secret_value()
        return ValkeyBudgets(url, local.restore, self._budgets_told, self._lag, self._present)

    def _budgets_told(self, why: str) -> None:
        if why:
            self._tell("budgets_down", error=why)
        else:
            self._tell("budgets_up")

    def _lag(self) -> float:
        """How far the ledger is behind this process, in seconds; infinity: it has yet to take over what was left."""
        return math.inf if self.ledger.recovered is None else self.ledger.lag_seconds()

    def _behind(self) -> bool:
        """Whether the ledger has yet to take over what this process spent lately. A server that counts has it."""
        if self._shared is not None:
            return False
        return self._lag() > _BEHIND_SECONDS
