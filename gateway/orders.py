"""The part of the composition root that is about orders: backends that operators suspend and resume."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from gateway.adapters import suspensions
from gateway.adapters.agreed import Agreed
from gateway.adapters.audit import GATEWAY, Audit
from gateway.adapters.lanes import Lanes
from gateway.adapters.policy_files import PolicyFiles
from gateway.adapters.stores import shared_of
from gateway.adapters.suspensions import Suspensions
from gateway.adapters.tables import OutcomeUnknown, Unreachable
from gateway.core.decision import Candidate
from gateway.core.errors import Refusal, Refused
from gateway.core.reported import other_name
from gateway.policy.document import suggestion
from gateway.settings import Settings


class Orders:
    """Keeps orders of the admin listener, and puts in force what was ordered, here or elsewhere.

    `audit` is the trail that waits only a moment; `tell` is told what an operator should know, by name.
    """

    def __init__(
        self,
        settings: Settings,
        agreed: Agreed,
        policies: PolicyFiles,
        lanes: Lanes,
        audit: Audit,
        tell: Callable[..., None],
    ) -> None:
        self._settings = settings
        self._agreed = agreed
        self._policies = policies
        self._lanes = lanes
        self._audit = audit
        self._tell = tell
        self._suspended = frozenset(agreed.suspensions.in_force)  # in the snapshot in force
        self._distrusted: dict[str, asyncio.Task[None]] = {}  # that are being suspended
        self.known = agreed.read
        """Whether all orders that there were when replicas' state was first read are in force."""

    def begin(self) -> None:
        """Tells which orders are in force from the start."""
        for order in self._agreed.suspensions.in_force.values():
            self._told(order)

    async def follow(self) -> None:
        """Reads what replicas agree on, and puts in force what was ordered meanwhile, also where it cannot all be
        read."""
        try:
            for order in await self._agreed.look():
                self._told(order)
        finally:
            read = self._agreed.read
            if (ordered := frozenset(self._agreed.suspensions.in_force)) != self._suspended:
                await self._policies.suspend(ordered)
                self._suspended = ordered
            self.known = read

    def shown(self) -> Sequence[suspensions.Shown]:
        """The backends of the snapshot in force, and what was ordered of them."""
        policy = self._policies.current
        return suspensions.shown(policy.bundle.backends, policy.not_offered, self._agreed.suspensions.in_force)

    async def suspend(self, id: str, reason: str, by: str) -> None:
        """Suspends a backend by order of the admin listener; in force when this returns."""
        known = {backend.id for backend in self._policies.current.bundle.backends}
        if id not in known:
            raise Refused(Refusal.NOT_FOUND, f"no backend `{id}` in the catalog{suggestion(id, known)}")
        await asyncio.to_thread(self._keep, id, by, suspended=True, reason=reason)
        await self.follow()
        self._agreed.require()

    async def resume(self, id: str, reason: str, by: str) -> None:
        """Ends a suspension by order of the admin listener. A backend that is left alone is asked again, too."""
        if await asyncio.to_thread(self._keep, id, by, suspended=False, reason=reason):
            self._lanes.forget(id)
        else:
            with _noting(), self._audit.during(by, "backend_resumed", id, reason) as noted:
                if not (forgotten := self._lanes.forget(id)):
                    noted.outcome = "not suspended, and not left alone"
            if not forgotten:
                raise Refused(Refusal.NOT_FOUND, f"`{id}` is not suspended by order, and not left alone")
        await self.follow()
        self._agreed.require()

    def distrust(self, candidate: Candidate, name: str) -> None:
        """Suspends a backend that has answered under the name of another model, where a permit in force that admitted
        the call says so (`on_model_mismatch: suspend`). Waits for nothing; an order that cannot be kept is told, and
        given again when it answers so again."""
        bundle, id = self._policies.current.bundle, candidate.backend.id
        if id in self._suspended or id in self._distrusted:
            return
        by = sorted(rule.id for rule in bundle.effect("permit") if rule.distrusts and rule.id in candidate.rules)
        row = next((backend for backend in bundle.backends if backend.id == id), None)
        if not by or row is None or not other_name(row, name):  # the newest catalog may know the name
            return
        reason = f"answered as {name}, asked was {row.model}; on_model_mismatch of {', '.join(by)}"
        self._distrusted[id] = asyncio.create_task(self._suspend_distrusted(id, reason))

    async def _suspend_distrusted(self, id: str, reason: str) -> None:
        try:
            await asyncio.to_thread(self._keep, id, GATEWAY, suspended=True, reason=reason)
            await self.follow()
        except Exception as error:  # noqa: BLE001  a store that is away, a trail that takes nothing, ...
            self._tell("suspension_not_kept", backend=id, reason=reason, error=str(error))
        finally:
            del self._distrusted[id]

    def _keep(self, id: str, by: str, *, suspended: bool, reason: str) -> bool:
        """Keeps an order, as another process would: what is kept is what is in force."""
        settings = self._settings
        shared = shared_of(settings.state_dir, settings.ledger_url, GATEWAY, self._tell)
        with _noting(), contextlib.closing(Suspensions(settings.state_dir, shared)) as orders:
            try:
                if not suspended:
                    return orders.resume(id, by=by, reason=reason)
                orders.suspend(id, by=by, reason=reason)
            except OutcomeUnknown as error:
                raise Refused(Refusal.STATE_DOWN, f"the order may be kept: {error}", retry_after=5) from None
            except Unreachable as error:
                raise Refused(Refusal.STATE_DOWN, f"the order was not kept: {error}", retry_after=5) from None
            return True

    def _told(self, order: suspensions.Order) -> None:
        said = "backend_suspended" if order.suspended else "backend_resumed"
        self._tell(said, backend=order.backend, by=order.by, ordered=order.time, reason=order.reason)


@contextlib.contextmanager
def _noting() -> Iterator[None]:
    """Around an order that is noted in the audit trail. Raises Refused where it cannot be, and then it is not kept."""
    try:
        yield
    except OSError as error:
        raise Refused(
            Refusal.STATE_DOWN, f"the order was not kept: it cannot be noted in the audit trail: {error}", retry_after=5
        ) from None
