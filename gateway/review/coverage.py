"""What the tests and invariants of a tree hold fast: rules that some case shows, and rules that nobody would miss.

A rule is removed, or loses one condition, and everything that guards the tree is asked again. Who notices nothing does
not guard it.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

import msgspec

from gateway.core.catalog import Backend
from gateway.core.decision import Facts
from gateway.core.labels import LEVELS
from gateway.policy.cells import Cells, atoms_of
from gateway.policy.clauses import Clauses, clauses, forbidding, permitting
from gateway.policy.decide import Eligibility, known_only
from gateway.policy.document import Mark, Problem, Severity
from gateway.policy.model import Atom, Bundle, Rule, every, of_request
from gateway.policy.nearest import cell_of, closest
from gateway.policy.prove import Reprover, prove
from gateway.policy.space import Cube, intersect, witness
from gateway.policy.vocabulary import ORDERED, REQUEST
from gateway.review.cases import outcome, run
from gateway.review.example import request_of, usual, written
from gateway.review.mutated import Mutated, counts, view

Violated = Callable[[Bundle], frozenset[str]]
"""Which invariants of a bundle do not hold, by id."""

_STEPS = 20_000
"""Search steps of the prover for one changed tree."""

_STEPS_OF_A_HINT = 200
"""Search steps for the test that a hint suggests: the nearest of those that were seen is near enough."""

_DECIDING = ("permit", "forbid", "require", "prefer")
"""Effects that decide something of a request by itself. A `limit` also needs somebody who has spent."""

_ENDLESS = 10**30
"""A ceiling that nobody reaches, in pico-USD."""


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
    reached = {}
    for rule in rules:
        views = dict.fromkeys(view(rule, backend) for backend in bundle.backends)
        reached[rule.id] = sum(any(counts(rule, seen, facts) for seen in views for facts in each) for each in asked)
    return Coverage(reached, tuple(_boundaries(rules, [facts for each in asked for facts in each])))


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
    """P209 for each rule that may be removed, or lose a condition or a ceiling, without a case or an invariant failing.

    Of a rule on trial it is for your information: it decides nothing yet, and no invariant speaks of it.

    Changes that make no difference to any request and backend of the catalog are left out: nothing could show them.
    """
    return _Guards(bundle, violated).unguarded()


def _mutants(rule: Rule) -> Iterator[_Mutant]:
    yield _Mutant(rule, None, f"rule `{rule.id}` is removed", rule.mark)
    for at, terms in enumerate(rule.limits if len(rule.limits) > 1 else ()):
        endless = msgspec.structs.replace(terms, pico_usd=_ENDLESS, share=None)
        limits = (*rule.limits[:at], endless, *rule.limits[at + 1 :])  # it stays in its place: tests count them
        without = msgspec.structs.replace(rule, limits=limits)
        yield _Mutant(rule, without, f"rule `{rule.id}` loses its ceiling {at + 1}", rule.mark)
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

    def __init__(self, bundle: Bundle, violated: Violated | None) -> None:
        self.bundle = bundle
        self.violated = violated
        self.policy = Eligibility(bundle)
        self.cases = [
            (case, [known_only(facts, bundle.vocabulary) for facts in outcome(bundle, case, self.policy).asked])
            for case in bundle.cases
            if not run(bundle, case, self.policy)
        ]
        found, watched = clauses(bundle), clauses(bundle, "shadow", "warn")
        self.cells = Cells(bundle, atoms_of(bundle, found))
        self.trial = Cells(bundle, [*atoms_of(bundle, found), *atoms_of(bundle, watched)])
        self.usual = usual(bundle)
        self.views = [
            (backend, self.cells.permits(found, backend), self.cells.forbids(found, backend))
            for backend in sorted(bundle.backends, key=lambda backend: backend.price is None)
        ]

    @cached_property
    def broken(self) -> frozenset[str]:
        """The invariants that do not hold anyway: they guard nothing."""
        return (self.violated or _proved)(self.bundle)

    @cached_property
    def reprover(self) -> Reprover:
        """For the invariants that hold, once a rule is changed."""
        return Reprover(self.bundle)

    def unguarded(self) -> tuple[Problem, ...]:
        problems = []
        for rule in self.bundle.rules:
            if rule.mode == "off":
                continue
            severity: Severity = "warning" if rule.mode == "enforce" else "info"
            for mutant in _mutants(rule):
                if said := self._survives(mutant):
                    what = "no test fails and no invariant is violated" if rule.mode == "enforce" else "no test fails"
                    problems.append(Problem(mutant.mark, "P209", f"{what} when {mutant.said}; {said}", severity))
                    if mutant.becomes is None:
                        break
        return tuple(problems)

    def _survives(self, mutant: _Mutant) -> str:
        """A hint at the missing test; empty: something notices the change, or it is none. The cheapest goes first."""
        changed = Mutated(self.policy, mutant.rule, mutant.becomes)
        if self._fails_a_case(mutant, changed):
            return ""
        rule = mutant.rule
        if rule.effect == "limit":
            return f"a test with `spent: {{{rule.id}: USD}}` would show it"
        if rule.effect == "prefer":
            several = sum(backend.price is not None for backend in self.bundle.backends) > 1
            return f"a test with `first: BACKEND` would show it{_whose(rule)}" if several and _decides(rule) else ""
        if not _decides(rule):
            return self._missing_on_trial(mutant)
        at = next((number for number in range(len(self.views)) if self._matters(mutant, number)), None)
        return "" if at is None or self._violates(mutant, changed.bundle) else self._missing(mutant, at)

    def _fails_a_case(self, mutant: _Mutant, changed: Mutated) -> bool:
        if mutant.rule.effect == "limit":
            concerned = [case for case, _ in self.cases if case.spent]
        else:
            concerned = [case for case, asked in self.cases if any(map(changed.concerns, asked))]
        if not concerned:
            return False
        policy = changed.policy()
        return any(run(changed.bundle, case, policy) for case in concerned)

    def _violates(self, mutant: _Mutant, bundle: Bundle) -> bool:
        """Whether an invariant that holds would not. Who permits more can break only some kinds of them, who permits
        less only others."""
        if not self.bundle.invariants:
            return False
        broken = self.broken
        if self.violated is not None:
            return not self.violated(bundle) <= broken
        gains = (mutant.rule.effect == "permit") is (mutant.becomes is not None)
        kinds = ("never", "chain", "monotone") if gains else ("always_some", "monotone")
        some = [each for each in self.bundle.invariants if each.kind in kinds and each.id not in broken]
        return self.reprover.violates(bundle, mutant.rule, mutant.becomes, some, _STEPS)

    def _missing(self, mutant: _Mutant, at: int) -> str:
        """A test that would notice the change, at the first backend where there is any."""
        rule, backend = mutant.rule, self.views[at][0]
        here = cell_of(self.cells, self.usual)
        changed, minus = self._changed(mutant, at)
        cell = closest(self.cells, here, changed, minus, _STEPS_OF_A_HINT)
        if cell is None:
            return f"a test of `{backend.id}` would show it{_whose(rule)}"
        gains = (rule.effect == "permit") is (mutant.becomes is not None)
        expect: dict[str, object] = {"permit": [backend.id]}
        if gains:
            expect = {"deny": [backend.id] if rule.effect == "permit" else {backend.id: rule.id}}
        return self._would(self.cells.facts(cell, self.usual), backend, expect)

    def _matters(self, mutant: _Mutant, at: int) -> bool:
        """Whether the change makes a difference to any request at one backend."""
        changed, minus = self._changed(mutant, at)
        taken = [*minus, *self.cells.impossible]
        return any(witness(cube, taken) is not None for cube in changed)

    def _changed(self, mutant: _Mutant, at: int) -> tuple[list[Cube], list[Cube]]:
        """The requests to which the change makes a difference at one backend: cubes, and what is to be left out."""
        rule, becomes = mutant.rule, mutant.becomes
        backend, permits, forbids = self.views[at]
        changed = _cubes(self.cells, rule if becomes is None else becomes, backend)
        mine, others = (permits, forbids) if rule.effect == "permit" else (forbids, permits)
        minus = [piece.cube for piece in mine if becomes is not None or piece.rule != rule.id]
        if rule.effect == "permit":
            minus += [piece.cube for piece in others]
        else:
            changed = [both for cube in changed for piece in others if (both := intersect(cube, piece.cube))]
        return changed, minus

    def _missing_on_trial(self, mutant: _Mutant) -> str:
        """A test that would notice that a rule on trial fires, or no longer does; empty: it never does."""
        rule, becomes = mutant.rule, mutant.becomes
        here = cell_of(self.trial, self.usual)
        for backend, _, _ in self.views:
            minus = [] if becomes is None else _cubes(self.trial, rule, backend)
            cell = closest(self.trial, here, _cubes(self.trial, becomes or rule, backend), minus)
            if cell is not None:
                facts = self.trial.facts(cell, self.usual)
                watched = self.policy.ask(facts).verdicts[backend.id].watched
                return self._would(facts, backend, {"watch": sorted(watched)})
        return ""

    def _would(self, facts: Facts, backend: Backend, expect: dict[str, object]) -> str:
        test = {"request": request_of(self.bundle, facts, backend.id), "expect": expect}
        return f"this test would: `{written(test)[1:-1]}`"


def _decides(rule: Rule) -> bool:
    return rule.mode == "enforce"


def _cubes(cells: Cells, rule: Rule, backend: Backend) -> list[Cube]:
    if rule.effect == "permit":
        return [piece.cube for piece in cells.permits(Clauses(permitting(rule), ()), backend)]
    return [piece.cube for piece in cells.forbids(Clauses((), forbidding(rule)), backend)]


def _whose(rule: Rule) -> str:
    return f", of a request with {', '.join(atom.text for atom in rule.when)}" if rule.when else ""


def _proved(bundle: Bundle) -> frozenset[str]:
    """What the prover finds violated. An invariant that it cannot decide in time guards nothing."""
    return frozenset(proof.invariant.id for proof in prove(bundle, _STEPS) if proof.holds is False)
