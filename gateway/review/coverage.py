"""What the tests and invariants of a tree hold fast: rules that some case shows, and rules that nobody would miss.

A rule is removed, or loses one condition, and everything that guards the tree is asked again. Who notices nothing does
not guard it.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from gateway.core.catalog import Backend
from gateway.core.decision import Facts
from gateway.core.labels import LEVELS
from gateway.policy.cells import Cells, Piece, atoms_of
from gateway.policy.clauses import Clauses, clauses, forbidding, permitting
from gateway.policy.decide import Eligibility, known_only
from gateway.policy.document import Mark, Problem
from gateway.policy.model import Atom, Bundle, Clause, Rule, bound, every, of_backend, of_request
from gateway.policy.nearest import cell_of, closest
from gateway.policy.prove import prove
from gateway.policy.space import Cube, intersect
from gateway.policy.vocabulary import ORDERED, REQUEST
from gateway.review.cases import outcome, run
from gateway.review.example import request_of, usual, written

Violated = Callable[[Bundle], frozenset[str]]
"""Which invariants of a bundle do not hold, by id."""

_STEPS = 20_000
"""Search steps of the prover for one changed tree."""

_DECIDING = ("permit", "forbid", "require", "prefer")
"""Effects that a case can show. A `limit` is reserved when a call is sent, so no case reaches it."""


class Boundary(msgspec.Struct, frozen=True):
    """A condition on an ordered attribute, and the values beside its threshold that no case of that rule has."""

    rule: str
    text: str
    mark: Mark
    missing: tuple[str, ...]


class Coverage(msgspec.Struct, frozen=True):
    """How many cases each rule in force decided something in, and the boundaries of their conditions."""

    rules: dict[str, int]
    boundaries: tuple[Boundary, ...]


def covered(bundle: Bundle) -> Coverage:
    """What the cases of a bundle reach."""
    policy = Eligibility(bundle)
    asked = [
        [known_only(facts, bundle.vocabulary) for facts in outcome(bundle, case, policy).asked] for case in bundle.cases
    ]
    rules = _in_force(bundle)
    counts = {}
    for rule in rules:
        views = dict.fromkeys(_view(rule, backend) for backend in bundle.backends)
        counts[rule.id] = sum(any(_counts(rule, view, facts) for view in views for facts in each) for each in asked)
    return Coverage(counts, tuple(_boundaries(rules, [facts for each in asked for facts in each])))


def _in_force(bundle: Bundle) -> list[Rule]:
    return [rule for rule in bundle.rules if rule.mode == "enforce" and rule.effect in _DECIDING]


def _boundaries(rules: Iterable[Rule], asked: list[Facts]) -> Iterator[Boundary]:
    for rule in rules:
        for atom in rule.when:
            attribute = REQUEST[atom.attribute]
            if attribute.kind not in ORDERED or atom.mark == rule.mark:  # nobody wrote the latter: it is a canary's
                continue
            others = [other for other in rule.when if other is not atom and not other.other]
            seen = {
                getattr(facts, attribute.field)
                for facts in asked
                if every(of_request(other, facts) for other in others) is not False
            }
            yield Boundary(rule.id, atom.text, atom.mark, tuple(v for v in _beside(atom) if v not in seen))


def _beside(atom: Atom) -> tuple[str, ...]:
    """The values next to each other of which one fulfils a condition and the other does not."""
    ordered = _ORDERED[atom.attribute]
    return tuple(
        value
        for at, value in enumerate(ordered)
        if any(atom.holds(value) is not atom.holds(other) for other in ordered[max(0, at - 1) : at + 2])
    )


_ORDERED = {name: _row.values or LEVELS for name, _row in REQUEST.items() if _row.kind in ORDERED}


class _Mutant(msgspec.Struct, frozen=True):
    """A rule, and what it becomes; None: it is removed. `said` completes "when ..."."""

    rule: Rule
    becomes: Rule | None
    said: str
    mark: Mark


def uncovered(bundle: Bundle, violated: Violated | None = None) -> tuple[Problem, ...]:
    """P209 for each rule in force that may be removed, or lose a condition, without a case or an invariant failing.

    Changes that make no difference to any request and backend of the catalog are left out: nothing could show them.
    """
    return _Guards(bundle, violated or _proved).unguarded()


def _mutants(rule: Rule) -> Iterator[_Mutant]:
    yield _Mutant(rule, None, f"rule `{rule.id}` is removed", rule.mark)
    for part in ("when", "to"):
        atoms: tuple[Atom, ...] = getattr(rule, part)
        for atom in atoms:
            if atom.mark == rule.mark:  # the layer's own condition: it is where the file is, and nobody wrote it
                continue
            fewer = tuple(other for other in atoms if other is not atom)
            wider = msgspec.structs.replace(rule, **{part: fewer})
            yield _Mutant(rule, wider, f"rule `{rule.id}` loses `{atom.text}`", atom.mark)


class _Guards:
    """A bundle, with its cases as they come out now."""

    def __init__(self, bundle: Bundle, violated: Violated) -> None:
        self.bundle = bundle
        self.violated = violated
        self.broken: frozenset[str] | None = None  # the invariants that do not hold anyway; None: not asked yet
        policy = Eligibility(bundle)
        self.cases = [
            (case, [known_only(facts, bundle.vocabulary) for facts in outcome(bundle, case, policy).asked])
            for case in bundle.cases
            if not run(bundle, case, policy)
        ]
        found = clauses(bundle)
        self.cells = Cells(bundle, atoms_of(bundle, found))
        self.usual = usual(bundle)
        self.here = cell_of(self.cells, self.usual)
        self.views = [
            (backend, self.cells.permits(found, backend), self.cells.forbids(found, backend))
            for backend in sorted(bundle.backends, key=lambda backend: backend.price is None)
        ]

    def unguarded(self) -> tuple[Problem, ...]:
        problems = []
        for rule in _in_force(self.bundle):
            for mutant in _mutants(rule):
                if said := self._survives(mutant):
                    message = f"no test fails and no invariant is violated when {mutant.said}; {said}"
                    problems.append(Problem(mutant.mark, "P209", message, "warning"))
                    if mutant.becomes is None:
                        break
        return tuple(problems)

    def _survives(self, mutant: _Mutant) -> str:
        """A hint at the missing test; empty: something notices the change, or it is none. The cheapest goes first."""
        if self._fails_a_case(mutant):
            return ""
        said = self._missing(mutant)
        return "" if not said or self._violates(mutant) else said

    def _mutated(self, mutant: _Mutant) -> Bundle:
        rules = (mutant.becomes if rule is mutant.rule else rule for rule in self.bundle.rules)
        return msgspec.structs.replace(self.bundle, rules=tuple(rule for rule in rules if rule is not None))

    def _fails_a_case(self, mutant: _Mutant) -> bool:
        rule, becomes = mutant.rule, mutant.becomes or msgspec.structs.replace(mutant.rule, mode="off")
        views = dict.fromkeys((_view(rule, backend), _view(becomes, backend)) for backend in self.bundle.backends)
        concerned = [
            case
            for case, asked in self.cases
            if any(
                _counts(rule, old, facts) is not _counts(becomes, new, facts) for facts in asked for old, new in views
            )
        ]
        if not concerned:
            return False
        bundle = self._mutated(mutant)
        policy = Eligibility(bundle)
        return any(run(bundle, case, policy) for case in concerned)

    def _violates(self, mutant: _Mutant) -> bool:
        if not self.bundle.invariants:
            return False
        if self.broken is None:
            self.broken = self.violated(self.bundle)
        return not self.violated(self._mutated(mutant)) <= self.broken

    def _missing(self, mutant: _Mutant) -> str:
        """A test that would notice the change; empty: the change makes no difference to anybody."""
        rule = mutant.rule
        if rule.effect == "prefer":
            several = sum(backend.price is not None for backend in self.bundle.backends) > 1
            return f"a test with `first: BACKEND` would show it{_whose(rule)}" if several else ""
        for backend, permits, forbids in self.views:
            if cell := self._changed(mutant, backend, permits, forbids):
                gains = (rule.effect == "permit") is (mutant.becomes is not None)
                expect: dict[str, object] = {"permit": [backend.id]}
                if gains:
                    expect = {"deny": [backend.id] if rule.effect == "permit" else {backend.id: rule.id}}
                return f"this test would: `{self._test(cell, backend, expect)}`"
        return ""

    def _changed(self, mutant: _Mutant, backend: Backend, permits: list[Piece], forbids: list[Piece]) -> Cube | None:
        """The request nearest to the usual one to which the change makes a difference at one backend."""
        rule, becomes = mutant.rule, mutant.becomes
        changed = self._cubes(rule if becomes is None else becomes, backend)
        mine, others = (permits, forbids) if rule.effect == "permit" else (forbids, permits)
        minus = [piece.cube for piece in mine if becomes is not None or piece.rule != rule.id]
        if rule.effect == "permit":
            minus += [piece.cube for piece in others]
        else:
            changed = [both for cube in changed for piece in others if (both := intersect(cube, piece.cube))]
        return closest(self.cells, self.here, changed, minus)

    def _cubes(self, rule: Rule, backend: Backend) -> list[Cube]:
        if rule.effect == "permit":
            return [piece.cube for piece in self.cells.permits(Clauses(permitting(rule), ()), backend)]
        return [piece.cube for piece in self.cells.forbids(Clauses((), forbidding(rule)), backend)]

    def _test(self, cell: Cube, backend: Backend, expect: dict[str, object]) -> str:
        facts = self.cells.facts(cell, self.usual)
        test = {"request": request_of(self.bundle, facts, backend.id), "expect": expect}
        return written(test)[1:-1]


def _whose(rule: Rule) -> str:
    return f", of a request with {', '.join(atom.text for atom in rule.when)}" if rule.when else ""


_View = tuple[tuple[tuple[Atom, ...], bool], ...]
"""A rule as a backend sees it: of each clause that can concern it, what is left to ask of the request, and whether the
rest is unknown. Many backends see the same."""


def _view(rule: Rule, backend: Backend) -> _View:
    if rule.mode == "off":
        return ()
    found: tuple[Clause, ...] = (Clause(rule.id, rule.when, ()),)
    if rule.effect != "prefer":
        found = permitting(rule) if rule.effect == "permit" else forbidding(rule)
    view = []
    for clause in found:
        truth = every(of_backend(atom, backend) for atom in clause.to)
        when = [bound(atom, backend) for atom in clause.when]
        if truth is not False:
            view.append((tuple(atom for atom in when if atom is not None), truth is None or None in when))
    return tuple(view)


def _counts(rule: Rule, view: _View, facts: Facts) -> bool:
    """Whether a rule decides something: a permit or a prefer that is true, a forbid or a require that is not false."""
    certain = rule.effect in ("permit", "prefer")
    for when, unknown in view:
        truth = every(of_request(atom, facts) for atom in when)
        if truth is True and not (certain and unknown):
            return True
        if truth is None and not certain:
            return True
    return False


def _proved(bundle: Bundle) -> frozenset[str]:
    """What the prover finds violated. An invariant that it cannot decide in time guards nothing."""
    return frozenset(proof.invariant.id for proof in prove(bundle, _STEPS) if proof.holds is False)
