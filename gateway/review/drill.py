"""Who would break if some backends were suspended: for each model name who is left, and which requests have nobody."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import reduce
from operator import or_

import msgspec

from gateway.core.catalog import AUTO, Backend, names, needed
from gateway.core.stored import Stored
from gateway.policy.cells import Cells, atoms_of
from gateway.policy.clauses import Clauses, clauses
from gateway.policy.decide import Eligibility
from gateway.policy.model import Bundle
from gateway.policy.nearest import cell_of, closest
from gateway.policy.space import Cube, intersect, merge, remainder
from gateway.policy.suspend import suspended
from gateway.policy.vocabulary import REQUEST
from gateway.review.example import request_of, usual
from gateway.routing.asking import ask
from gateway.routing.plan import plan

_TARGETS: Mapping[str, str] = {"provider": "provider", "zone": "zone", "origin": "operator_origin"}


class Left(msgspec.Struct, frozen=True):
    """A class of requests that somebody could serve, and nobody could any more.

    `words` say it attribute by attribute (none: every request), `needs` is a capability that it takes (empty: none).
    They may hold requests that nobody could serve before either, where that makes them fewer.
    `example` is the most usual of them, as a test has it.
    """

    words: dict[str, str]
    needs: str
    example: dict[str, object]


class Name(msgspec.Struct, frozen=True):
    """A model name, with those who may serve it, for some request at least, before and after; `substitutes` take over.

    `lost` are requests that have nobody left.
    """

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    substitutes: tuple[str, ...]
    lost: tuple[Left, ...]


class Traffic(msgspec.Struct, frozen=True):
    """Requests of a team: all that are recorded, those that went to a suspended backend and would go to another one,
    and those that nobody would serve."""

    team: str
    requests: int
    elsewhere: int
    nobody: int


def target(bundle: Bundle, said: str) -> tuple[str, ...]:
    """The backends that are meant: one by its id, or those of `provider:NAME`, `zone:NAME`, `origin:NAME` (whose
    operator stands under that law). Empty: none."""
    if any(backend.id == said for backend in bundle.backends):
        return (said,)
    kind, _, word = said.partition(":")
    fact = _TARGETS.get(kind)
    if fact is None:
        return ()
    return tuple(
        backend.id
        for backend in bundle.backends
        if (backend.provider if fact == "provider" else backend.fact(fact)) == word
    )


def drill(bundle: Bundle, ids: Collection[str]) -> tuple[Name, ...]:
    """Every model name that some of the backends stand behind, `auto` first, then by name."""
    return _Drill(bundle, frozenset(ids)).names()


def traffic(bundle: Bundle, ids: Collection[str], recorded: Iterable[Stored]) -> tuple[Traffic, ...]:
    """What recorded requests would come to, by team. What this tree denies them anyway is not counted against it."""
    now, then = Eligibility(bundle), Eligibility(suspended(bundle, ids))
    counts: dict[str, list[int]] = {}
    for stored in recorded:
        count = counts.setdefault(stored.facts.team or "unknown", [0, 0, 0])
        count[0] += 1
        before = _order(now, stored)
        if before and set(before) & set(ids):
            after = _order(then, stored)
            count[1] += bool(after) and before[0] in ids
            count[2] += not after
    return tuple(Traffic(team, *count) for team, count in sorted(counts.items()))


def _order(policy: Eligibility, stored: Stored) -> list[str]:
    """Whom a recorded request may be sent to. What its gateway had no key for then is out."""
    decision = plan(
        id=stored.decision_id,
        digest=policy.digest,
        requested=stored.requested,
        backends=policy.names.get(stored.requested, ()),
        ruling=ask(policy, stored.facts, stored.time, stored.without),
        demand=stored.demand,
        not_offered={denied.backend: "it had no key" for denied in stored.denied if denied.by == "offer"},
    )
    return [candidate.backend.id for candidate in decision.candidates]


class _Drill:
    def __init__(self, bundle: Bundle, ids: frozenset[str]) -> None:
        self.bundle = bundle
        self.ids = ids
        then = suspended(bundle, ids)
        found = clauses(bundle)
        self.cells = Cells(bundle, atoms_of(bundle, found))
        self.usual = usual(bundle)
        self.here = cell_of(self.cells, self.usual)
        self.first_call = self._first_call()
        self.before = {backend.id: self._served(found, backend) for backend in bundle.backends}
        self.after = {backend.id: self._served(clauses(then), backend) for backend in then.backends}
        self.behind = names(bundle.backends), names(then.backends)

    def _first_call(self) -> Cube:
        """The cells of requests that were not sent to anybody yet."""
        return tuple(
            here if REQUEST[variable.name.partition(":")[0]].hop else full
            for variable, here, full in zip(self.cells.variables, self.here, self.cells.whole, strict=True)
        )

    def _served(self, found: Clauses, backend: Backend) -> list[Cube]:
        """The requests that a backend may serve. An unpriced one serves nobody."""
        if backend.price is None:
            return []
        minus = [*(piece.cube for piece in self.cells.forbids(found, backend)), *self.cells.impossible]
        starts = (intersect(self.first_call, piece.cube) for piece in self.cells.permits(found, backend))
        return merge(cube for start in starts if start is not None for cube in remainder(start, minus))

    def names(self) -> tuple[Name, ...]:
        before, after = self.behind
        concerned = sorted(
            (name for name, behind in before.items() if any(backend.id in self.ids for backend in behind)),
            key=lambda name: (name != AUTO, name),
        )
        return tuple(self._name(name, before[name], after[name]) for name in concerned)

    def _name(self, name: str, before: tuple[Backend, ...], after: tuple[Backend, ...]) -> Name:
        behind = {backend.id for backend in before}
        return Name(
            name,
            tuple(backend.id for backend in before if self.before[backend.id]),
            tuple(backend.id for backend in after if self.after[backend.id]),
            tuple(b.id for b in after if b.id not in behind and self.after[b.id]),
            tuple(self._left(name, before, after)),
        )

    def _left(self, name: str, before: tuple[Backend, ...], after: tuple[Backend, ...]) -> Iterator[Left]:
        """The requests that have nobody left: of those that need nothing special, then, what is more, of others."""
        able_before, able_after = _able(before, ()), _able(after, ())
        lost = self._lost(able_before, able_after)
        yield from self._classes(name, lost, able_after, [])
        for need in sorted(set().union(*(b.capabilities for b in before if b.id in self.ids)) - {"chat"}):
            able_before, able_after = _able(before, (need,)), _able(after, (need,))
            more = [cube for each in self._lost(able_before, able_after) for cube in remainder(each, lost)]
            yield from self._classes(name, more, able_after, [need])

    def _lost(self, before: tuple[Backend, ...], after: tuple[Backend, ...]) -> list[Cube]:
        at_risk = (cube for backend in before if backend.id in self.ids for cube in self.before[backend.id])
        return merge(left for cube in at_risk for left in remainder(cube, self._served_by(after)))

    def _served_by(self, after: tuple[Backend, ...]) -> list[Cube]:
        return [cube for backend in after for cube in self.after[backend.id]]

    def _classes(self, name: str, lost: list[Cube], after: tuple[Backend, ...], needs: list[str]) -> Iterator[Left]:
        """Requests without anybody, in as few words as possible: what nobody could serve before may be among them."""
        served = self._served_by(after)
        told: list[Cube] = []
        for cube in merge(lost):
            if told and next(remainder(cube, told), None) is None:
                continue
            told.append(wide := self._widened(cube, served))
            inside = [both for each in lost if (both := intersect(each, wide))]
            facts = self.cells.facts(closest(self.cells, self.here, inside, []) or cube, self.usual)
            yield Left(self.cells.words(wide), "".join(needs), request_of(self.bundle, facts, name, needs))

    def _widened(self, cube: Cube, served: list[Cube]) -> Cube:
        """A cube with every value that may be added before it meets what is served."""
        wide = list(cube)
        for at in reversed(range(len(wide))):
            others = [c for c in served if all(m & w for i, (m, w) in enumerate(zip(c, wide, strict=True)) if i != at)]
            taken = reduce(or_, (other[at] for other in others), 0)
            wide[at] = self.cells.whole[at] & ~taken
        return tuple(wide)


def _able(backends: tuple[Backend, ...], said: Iterable[str]) -> tuple[Backend, ...]:
    needs = needed(said)
    return tuple(backend for backend in backends if needs <= backend.capabilities)
