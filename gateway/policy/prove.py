"""Proofs: does every invariant hold, for all requests, all hops, all backends? Exact, with a counterexample if not.

A backend is permitted in the cells of its permits without those of its forbids. Each kind of invariant asks whether
some cell is where it must not be:

never         a permit's cell that the invariant excludes, and no forbid's
always_some   a cell in which every wanted backend is denied
monotone      a cell that is permitted with the higher label and not with the lower
chain         calls one after the other, each permitted with what the calls before it have left behind
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from operator import and_

import msgspec

from gateway.core.catalog import Backend
from gateway.core.labels import LEVELS
from gateway.policy.cells import Cells, Piece, atoms_of
from gateway.policy.chains import Chains, Group, Walk
from gateway.policy.clauses import Clauses, clauses, forbidding, permitting
from gateway.policy.counterexample import Counterexample, Witness
from gateway.policy.model import Atom, Bundle, Invariant, InvariantKind, Rule, bound, every, of_backend
from gateway.policy.query import PLAIN, Query, plainest, smallest
from gateway.policy.rising import Focus, risen, with_labels
from gateway.policy.space import Budget, Cube, Exhausted, intersect, point, size, witness

_LABELS = ("sensitivity", "source_sensitivity")
_Search = Callable[[Invariant, Cells, Budget], Counterexample | None]


class Proof(msgspec.Struct, frozen=True):
    """What came of an invariant: it holds, or a counterexample, or (None) the search ran out of steps.

    `cells` are the kinds of request (with `any_backend`, of request and backend) that no rule can tell apart any
    further; `backends` those of the catalog that it was asked of, 0 for any conceivable one.
    """

    invariant: Invariant
    holds: bool | None
    cells: int
    backends: int
    counterexample: Counterexample | None = None


def prove(bundle: Bundle, steps: int | None = None) -> tuple[Proof, ...]:
    """A proof of every invariant that speaks of one tree alone (all but `no_new_access`), in their order.

    `steps` bounds the search for all of them together (None: unbounded): each may take its share, and what is left
    over goes to those that were not decided.
    """
    prover = _Prover(bundle)
    asked = [invariant for invariant in bundle.invariants if invariant.kind in prover.kinds]
    proofs: dict[str, Proof] = {}
    left = steps
    for last in (False, True):
        undecided = [each for each in asked if each.id not in proofs or proofs[each.id].holds is None]
        for position, invariant in enumerate(undecided):
            share = left if left is None or last else left // (len(undecided) - position)
            budget = Budget(share)
            proofs[invariant.id] = prover.prove(invariant, budget)
            if left is not None and share is not None:
                left -= share - (budget.steps or 0)
    return tuple(proofs[invariant.id] for invariant in asked)


class Reprover:
    """Asks again about trees in which one rule was changed. What the other rules say is worked out once."""

    def __init__(self, bundle: Bundle) -> None:
        self._base = _Prover(bundle, brief=True)

    def violates(
        self, bundle: Bundle, rule: Rule, becomes: Rule | None, invariants: Iterable[Invariant], steps: int
    ) -> bool:
        """Whether one of some invariants does not hold in a tree in which a rule became another; None: it is gone. One
        that is not decided in so many search steps counts as holding."""
        prover = _Changed(self._base, bundle, rule, becomes)
        return any(prover.prove(each, Budget(steps)).holds is False for each in invariants)


class _Prover:
    """`brief`: of what is violated nothing is said but that it is."""

    def __init__(self, bundle: Bundle, *, brief: bool = False) -> None:
        self.bundle = bundle
        self.brief = brief
        self.clauses = clauses(bundle)
        self.breakable = frozenset(rule.id for rule in bundle.rules if rule.breakable)
        self._known: dict[tuple[bool, str | None], tuple[list[Piece], list[Piece]]] = {}
        self._grouped: dict[tuple[bool, bool], list[Group]] = {}
        self.kinds: Mapping[InvariantKind, Callable[[Invariant, Budget], Counterexample | None]] = {
            "never": self._never,
            "always_some": self._always_some,
            "monotone": self._monotone,
            "chain": self._chain,
        }

    @cached_property
    def cells(self) -> Cells:
        """The space of requests."""
        return Cells(self.bundle, atoms_of(self.bundle, self.clauses))

    @cached_property
    def anywhere(self) -> Cells:
        """The space of requests and conceivable backends."""
        return Cells(self.bundle, atoms_of(self.bundle, self.clauses), any_backend=True)

    def prove(self, invariant: Invariant, budget: Budget) -> Proof:
        try:
            found = self.kinds[invariant.kind](invariant, budget)
            holds = found is None
        except Exhausted:
            found = holds = None
        cells = self.anywhere if invariant.any_backend else self.cells
        backends = 0 if invariant.any_backend else len(self.bundle.backends)
        return Proof(invariant, holds, size(cells.whole), backends, found)

    # whom the rules treat alike

    def _groups(self, cells: Cells, *, absolute: bool) -> list[Group]:
        """The backends of the catalog, or all conceivable ones as one group without members. `absolute`: breakable
        forbids may be lifted."""
        key = cells is self.cells, absolute
        if key not in self._grouped:
            found: dict[Group, list[Backend]] = {}
            for backend in self.bundle.backends if cells is self.cells else (None,):
                admitting, forbids = self.pieces(cells, backend)
                permits = dict.fromkeys(piece.cube for piece in admitting)
                lifted = [piece for piece in forbids if absolute and piece.rule in self.breakable]
                firm = dict.fromkeys(
                    piece.cube for piece in forbids if not absolute or piece.rule not in self.breakable
                )
                alike = found.setdefault(Group((), tuple(permits), tuple(firm), tuple(lifted)), [])
                if backend is not None:
                    alike.append(backend)
            self._grouped[key] = [
                msgspec.structs.replace(group, backends=tuple(backends)) for group, backends in found.items()
            ]
        return self._grouped[key]

    def pieces(self, cells: Cells, backend: Backend | None) -> tuple[list[Piece], list[Piece]]:
        """The permits and the forbids that concern a backend; None: any."""
        return cells.permits(self.clauses, backend), cells.forbids(self.clauses, backend)

    def gained(self, _: Cells, __: Backend | None) -> list[Cube] | None:
        """Where a backend may be permitted that was not before; None: anywhere."""
        return None

    def focus(self, _: Cells, __: Backend | None) -> Focus | None:
        """What alone may make a difference between labels, since nothing else is as it was; None: anything."""
        return None

    def known_pieces(self, cells: Cells, backend: Backend | None) -> tuple[list[Piece], list[Piece]]:
        """The same, worked out once."""
        key = cells is self.cells, None if backend is None else backend.id
        if key not in self._known:
            self._known[key] = self.pieces(cells, backend)
        return self._known[key]

    def _everywhere(self, invariant: Invariant, budget: Budget, search: _Search) -> Counterexample | None:
        """Searches the catalog, or all that is conceivable; then a backend of the catalog still says more."""
        if not invariant.any_backend:
            return search(invariant, self.cells, budget)
        found = search(invariant, self.anywhere, budget)
        if found is None or self.brief:
            return found
        try:
            return search(invariant, self.cells, budget) or found
        except Exhausted:
            return found

    def _lifted(self, invariant: Invariant, *but: str) -> frozenset[str]:
        return self.breakable.difference(but) if invariant.absolute else frozenset()

    # never

    def _never(self, invariant: Invariant, budget: Budget) -> Counterexample | None:
        return self._everywhere(invariant, budget, self._reaching)

    def _reaching(self, invariant: Invariant, cells: Cells, budget: Budget) -> Counterexample | None:
        for group in self._groups(cells, absolute=invariant.absolute):
            for excluded, backend in self._excluded(invariant, cells, group):
                gained = self.gained(cells, backend)
                inside = (both for permit in group.permits if (both := intersect(permit, excluded)) is not None)
                regions = inside if gained is None else (b for r in inside for g in gained if (b := intersect(r, g)))
                for region in regions:
                    query = Query(region, group.forbids, cells.impossible)
                    if (found := query.answer(budget)) is not None:
                        if self.brief:
                            return _BRIEFLY
                        cube = smallest(cells.variables, region, found, query.clear, cells.impossible)
                        cell = plainest(cells, cube, cells.impossible)
                        made = Witness(self.bundle, invariant, cells)
                        return made.reaching(cube, cell, backend, self._lifted(invariant))
        return None

    def _excluded(self, invariant: Invariant, cells: Cells, group: Group) -> Iterator[tuple[Cube, Backend | None]]:
        """Where no backend of a group may be reached, with one for which that is so. What is not known is excluded."""
        if not group.backends:
            atoms = (*invariant.request, *invariant.backend)
            yield from ((cube, None) for cube in cells.cubes(atoms, certain=False))
        seen: set[tuple[Atom, ...]] = set()
        for backend in group.backends:
            request = tuple(here for atom in invariant.request if (here := bound(atom, backend)) is not None)
            if request not in seen and every(of_backend(atom, backend) for atom in invariant.backend) is not False:
                seen.add(request)
                yield from ((cube, backend) for cube in cells.cubes(request, certain=False))

    # always_some

    def _always_some(self, invariant: Invariant, budget: Budget) -> Counterexample | None:
        """Looks at one cell after the other, each time leaving out all that is permitted for the same reason."""
        cells = self.cells
        wanted = [
            each for each in self.bundle.backends if every(of_backend(a, each) for a in invariant.backend) is True
        ]
        groups = [
            group for group in self._groups(cells, absolute=False) if any(each in wanted for each in group.backends)
        ]
        served = list(cells.impossible)

        def nobody(cube: Cube) -> bool:
            permitted = ((intersect(cube, permit), group) for group in groups for permit in group.permits)
            return all(
                here is None or witness(here, (*group.forbids, *cells.impossible)) is None for here, group in permitted
            )

        for region in cells.cubes(invariant.request, certain=True):
            while (found := witness(region, served, budget)) is not None:
                cell = point(found)
                reasons = [cube for group in groups for cube in _admitted(group, cell)]
                if not reasons:
                    if self.brief:
                        return _BRIEFLY
                    cube = smallest(cells.variables, region, cell, nobody, cells.impossible)
                    cell = plainest(cells, cube, cells.impossible)
                    return Witness(self.bundle, invariant, cells).serving_nobody(cube, cell, wanted)
                served.append(max(reasons, key=size))
        return None

    # monotone

    def _monotone(self, invariant: Invariant, budget: Budget) -> Counterexample | None:
        return self._everywhere(invariant, budget, self._rising)

    def _rising(self, invariant: Invariant, cells: Cells, budget: Budget) -> Counterexample | None:
        """Neighbouring labels. What was not redacted came with the label that it has, so both labels rise; what was
        redacted may also rise in the one only."""
        for labels in (_LABELS[:1], _LABELS) if cells.has(_LABELS[1]) else (_LABELS[:1],):
            for lower, higher in pairwise(LEVELS) if cells.has(_LABELS[0]) else ():
                low, high = (
                    {cells.at(label): cells.mask(label, [level]) for label in labels} for level in (lower, higher)
                )
                for group in self._groups(cells, absolute=invariant.absolute):
                    # Of a group one is enough: as its backends are all treated alike now, what is new to one of them
                    # and not to another breaks nothing, since it broke nothing there.
                    focus = self.focus(cells, group.backends[0] if group.backends else None)
                    for query, rule in risen(cells, group, low, high, focus):
                        if (found := query.answer(budget)) is None:
                            continue
                        if self.brief:
                            return _BRIEFLY
                        cube = smallest(cells.variables, query.region, found, query.clear, query.impossible)
                        cell = plainest(cells, cube, query.impossible)
                        return Witness(self.bundle, invariant, cells).reaching(
                            cube,
                            with_labels(cell, high),
                            group.backends[0] if group.backends else None,
                            self._lifted(invariant, rule),
                            lower=with_labels(cell, low),
                        )
        return None

    # chain

    def _chain(self, invariant: Invariant, budget: Budget) -> Counterexample | None:
        cells = self.cells
        chains = Chains(cells, self._groups(cells, absolute=invariant.absolute), invariant)
        for length in chains.lengths():
            walk = Walk(chains, length)
            for query in walk.queries():
                found = query.answer(budget)
                if found is not None:
                    return _BRIEFLY if self.brief else self._walked(invariant, walk, query, point(found))
        return None

    def _walked(self, invariant: Invariant, walk: Walk, query: Query, found: Cube) -> Counterexample:
        def clear(request: Cube) -> bool:
            return query.clear(walk.with_request(found, request))

        cells = self.cells
        region, request = walk.request(query.region), walk.request(found)
        cube = smallest(cells.variables, region, request, clear, cells.impossible)
        cell = plainest(cells, cube, cells.impossible)
        made = Witness(self.bundle, invariant, cells)
        return made.walking(cube, cell, walk.path(found), self._lifted(invariant))


class _Changed(_Prover):
    """A tree in which one rule became another, in the space of the tree as it was: it tells its rules apart, too."""

    def __init__(self, base: _Prover, bundle: Bundle, rule: Rule, becomes: Rule | None) -> None:
        super().__init__(bundle, brief=True)
        self.cells, self.anywhere = base.cells, base.anywhere
        self._base = base
        self._rule = rule.id
        one = None if becomes is None or becomes.effect not in ("permit", "forbid", "require") else becomes
        permits = permitting(one) if one is not None and one.effect == "permit" else ()
        self._own = Clauses(permits, forbidding(one) if one is not None and one.effect != "permit" else ())
        self._gains = (rule.effect == "permit") is (becomes is not None)

    def pieces(self, cells: Cells, backend: Backend | None) -> tuple[list[Piece], list[Piece]]:
        before = self._base.known_pieces(cells, backend)
        permits, forbids = ([piece for piece in some if piece.rule != self._rule] for some in before)
        return [*permits, *cells.permits(self._own, backend)], [*forbids, *cells.forbids(self._own, backend)]

    def gained(self, cells: Cells, backend: Backend | None) -> list[Cube]:
        """Where the permit is that came, or the forbid that is gone. What was permitted before broke nothing."""
        came = cells.permits(self._own, backend)
        gone = (piece for piece in self._base.known_pieces(cells, backend)[1] if piece.rule == self._rule)
        return list(dict.fromkeys(piece.cube for piece in (*came, *gone)))

    def focus(self, cells: Cells, backend: Backend | None) -> Focus:
        if self._gains:
            return Focus(tuple(self.gained(cells, backend)))
        gone = (piece.cube for piece in self._base.known_pieces(cells, backend)[0] if piece.rule == self._rule)
        came = (piece.cube for piece in cells.forbids(self._own, backend))
        return Focus(None, tuple(gone), tuple(came))


_BRIEFLY = Counterexample(PLAIN, {})


def _admitted(group: Group, cell: Cube) -> Iterator[Cube]:
    """Cubes around a cell in which a group is permitted; none, if it is not permitted there."""
    if any(all(map(and_, forbid, cell)) for forbid in group.forbids):
        return
    for permit in group.permits:
        if not all(map(and_, permit, cell)):
            continue
        cube = list(permit)
        for forbid in group.forbids:
            if not all(map(and_, forbid, cube)):
                continue
            # Leave the forbid by the variable that costs the smallest share of the cube.
            ways = [at for at, mask in enumerate(forbid) if not mask & cell[at]]
            at = max(ways, key=lambda at: (cube[at] & ~forbid[at]).bit_count() / cube[at].bit_count())
            cube[at] &= ~forbid[at]
        yield tuple(cube)
