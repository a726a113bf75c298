"""Why a backend may or may not be asked: every rule, atom by atom, with its place in the files, and what would help."""

from collections.abc import Iterable

import msgspec

from gateway.core.catalog import Backend
from gateway.core.decision import Facts, Obligation
from gateway.policy.cells import OTHER, Cells, atoms_of
from gateway.policy.clauses import clauses, forbidding, permitting
from gateway.policy.decide import known_only
from gateway.policy.document import Mark
from gateway.policy.model import (
    Atom,
    Bundle,
    Clause,
    Effect,
    Exemption,
    Mode,
    Rule,
    bound,
    every,
    of_backend,
    of_request,
)
from gateway.policy.nearest import Change, cell_of, nearest
from gateway.policy.obligations import OBLIGATIONS
from gateway.policy.vocabulary import BACKEND, REQUEST

Truth = bool | None

_EFFECTS: tuple[Effect, ...] = ("permit", "forbid", "require")
_OF_REQUEST = frozenset(name for name, attribute in REQUEST.items() if not attribute.hop)
_OF_BACKEND = frozenset(f"backend.{name}" for name in BACKEND if name not in ("backend", "provider"))


class AtomTruth(msgspec.Struct, frozen=True):
    """One comparison, what came of it (None: unknown), and where it is written."""

    text: str
    truth: Truth
    mark: Mark


class DueTruth(msgspec.Struct, frozen=True):
    """One obligation of a rule, and whether it is discharged; None: unknown, so it is not."""

    due: Obligation
    discharged: Truth


class RuleTruth(msgspec.Struct, frozen=True):
    """One rule against one backend.

    `truth` is that of its conditions. `fires` says whether it counts: a permit only if true and its obligations are
    discharged, a forbid also if unknown, a require if something is not discharged. `lifted` names the break-glass
    exception that takes a forbid back; empty: none. A rule whose `mode` is not `enforce` decides nothing.
    """

    rule: str
    effect: Effect
    mode: Mode
    mark: Mark
    why: str
    truth: Truth
    fires: bool
    lifted: str
    atoms: tuple[AtomTruth, ...]
    dues: tuple[DueTruth, ...]

    @property
    def decides(self) -> bool:
        """Whether it has a say in the verdict."""
        return self.fires and self.mode == "enforce" and not self.lifted


class Explanation(msgspec.Struct, frozen=True):
    """One backend's verdict, with every permit, forbid and require that is in force or watched.

    `nearest` is for a denied one: the smallest sets of changes by which it would be permitted, as alternatives. They
    are changes to the request; only when no request could reach this backend, to its facts (named `backend.…`), and
    only if that is not enough either, to both. None: it would take another rule.
    """

    backend: str
    permitted: bool
    rules: tuple[RuleTruth, ...]
    nearest: tuple[tuple[Change, ...], ...] = ()


def explain(
    bundle: Bundle, facts: Facts, moment: float = 0.0, only: Iterable[str] | None = None
) -> tuple[Explanation, ...]:
    """What every rule says of every backend, or of those in `only`. `moment` (Unix seconds) says which exceptions are
    open."""
    asked = None if only is None else frozenset(only)
    explainer = _Explainer(bundle, facts, moment)
    return tuple(explainer.backend(backend) for backend in bundle.backends if asked is None or backend.id in asked)


def open_exemptions(bundle: Bundle, facts: Facts, moment: float) -> tuple[Exemption, ...]:
    """The break-glass exceptions that are open for a request at a moment (Unix seconds)."""
    facts = known_only(facts, bundle.vocabulary)
    return tuple(
        exemption
        for exemption in bundle.exemptions
        if exemption.starts <= moment < exemption.expires and every(of_request(atom, facts) for atom in exemption.when)
    )


class _Explainer:
    def __init__(self, bundle: Bundle, facts: Facts, moment: float) -> None:
        self.facts = known_only(facts, bundle.vocabulary)
        self.exemptions = open_exemptions(bundle, facts, moment)
        self.rules = [rule for effect in _EFFECTS for rule in bundle.effect(effect, "enforce", "warn", "shadow")]
        self.clauses = clauses(bundle)
        atoms = atoms_of(bundle, self.clauses)
        self.requests = Cells(bundle, atoms)
        self.everything = Cells(bundle, atoms, any_backend=True)

    def backend(self, backend: Backend) -> Explanation:
        rules = tuple(self._rule(rule, backend) for rule in self.rules)
        permits = any(rule.decides for rule in rules if rule.effect == "permit")
        if permits and not any(rule.decides for rule in rules if rule.effect != "permit"):
            return Explanation(backend.id, True, rules)
        return Explanation(
            backend.id, False, rules, self._nearest(backend, {rule.rule for rule in rules if rule.lifted})
        )

    def _nearest(self, backend: Backend, lifted: set[str]) -> tuple[tuple[Change, ...], ...]:
        found = nearest(
            self.requests,
            cell_of(self.requests, self.facts),
            [piece.cube for piece in self.requests.permits(self.clauses, backend)],
            [piece.cube for piece in self.requests.forbids(self.clauses, backend) if piece.rule not in lifted],
            _OF_REQUEST,
        )
        for free in (_OF_BACKEND, _OF_REQUEST | _OF_BACKEND) if not found else ():
            found = found or nearest(
                self.everything,
                cell_of(self.everything, self.facts, backend),
                [piece.cube for piece in self.everything.permits(self.clauses)],
                [piece.cube for piece in self.everything.forbids(self.clauses) if piece.rule not in lifted],
                free,
            )
        return tuple(tuple(map(self._named, changes)) for changes in found)

    def _named(self, change: Change) -> Change:
        """A change with the name that the request has, where the space knows only that it is none that rules name."""
        if change.now != OTHER:
            return change
        return msgspec.structs.replace(change, now=getattr(self.facts, REQUEST[change.attribute].field))

    def _rule(self, rule: Rule, backend: Backend) -> RuleTruth:
        atoms = tuple(
            [AtomTruth(atom.text, self._of_request(atom, backend), atom.mark) for atom in rule.when]
            + [AtomTruth(f"backend {atom.text}", of_backend(atom, backend), atom.mark) for atom in rule.to]
        )
        if rule.effect == "permit":
            fires = any(self._clause(clause, backend) is True for clause in permitting(rule))
        else:
            fires = any(self._clause(clause, backend) is not False for clause in forbidding(rule))
        lifting = (each.id for each in self.exemptions if rule.id in each.rules and backend.id in each.backends)
        return RuleTruth(
            rule.id,
            rule.effect,
            rule.mode,
            rule.mark,
            rule.why,
            every(atom.truth for atom in atoms),
            fires,
            next(lifting, "") if fires else "",
            atoms,
            tuple(self._due(due, backend) for due in rule.do),
        )

    def _due(self, due: Obligation, backend: Backend) -> DueTruth:
        wanted = OBLIGATIONS[due.name].when
        if wanted is None:
            return DueTruth(due, False)
        truths = [self._of_request(a, backend) if a.side == "request" else of_backend(a, backend) for a in wanted]
        return DueTruth(due, every(truths))

    def _clause(self, clause: Clause, backend: Backend) -> Truth:
        return every(
            [self._of_request(atom, backend) for atom in clause.when]
            + [of_backend(atom, backend) for atom in clause.to]
        )

    def _of_request(self, atom: Atom, backend: Backend) -> Truth:
        here = bound(atom, backend)
        return None if here is None else of_request(here, self.facts)
