"""Eligibility: what the policy says of each backend for given facts.

A permit counts only when it is true. A forbid fires when it is true or unknown: what is not known is held against the
sender. No permit: denied. The order of rules and files never matters.
"""

from collections.abc import Iterable, Mapping

import msgspec

from gateway.core.budget import Limit
from gateway.core.catalog import Backend, names
from gateway.core.decision import Facts, Obligation, Ruling, Verdict
from gateway.policy.clauses import clauses
from gateway.policy.model import Atom, Bundle, Clause, Exemption, Rule, bound, every, of_backend, of_request
from gateway.policy.obligations import OBLIGATIONS
from gateway.policy.vocabulary import REQUEST, Vocabulary

_REMEMBERED = 4096
"""Distinct facts whose verdicts are kept. Facts hold no text, so few are distinct."""
_NOTHING: frozenset[str] = frozenset()


class _Residual(msgspec.Struct, frozen=True):
    """A clause as one backend sees it: what is left to ask of the request."""

    rule: str
    when: tuple[Atom, ...]

    def truth(self, facts: Facts) -> bool | None:
        return every(of_request(atom, facts) for atom in self.when)


class _View(msgspec.Struct, frozen=True):
    """All that can concern one backend."""

    permits: tuple[_Residual, ...]
    forbids: tuple[_Residual, ...]
    watched_permits: tuple[_Residual, ...]
    watched_forbids: tuple[_Residual, ...]
    dues: tuple[tuple[_Residual, tuple[Obligation, ...]], ...]


class Eligibility:
    """A bundle, ready to be asked. Everything that depends on backends alone is decided once, here."""

    def __init__(self, bundle: Bundle, not_offered: Mapping[str, str] | None = None) -> None:
        self.bundle = bundle
        self.digest = bundle.digest
        self.names = names(bundle.backends)
        self.not_offered: Mapping[str, str] = not_offered or {}
        self.projects = bundle.projects
        self.asks_hops = any(REQUEST[atom.attribute].hop for rule in bundle.rules for atom in rule.when)
        self.warns = frozenset(rule.id for rule in bundle.rules if rule.mode == "warn")
        self.limits = tuple(_limits(bundle))
        self._views = {backend.id: _view(bundle, backend) for backend in bundle.backends}
        self._preferences = bundle.effect("prefer")
        self._revoking = frozenset(rule.id for rule in bundle.rules if rule.revoke)
        self._own_obligations = {rule.id: _acts(rule) for rule in bundle.effect("permit")}
        self._rulings: dict[tuple[Facts, frozenset[str]], Ruling] = {}
        self._same: dict[Verdict, Verdict] = {}  # each once: few differ, so a snapshot is small, and goes quickly

    def ask(self, facts: Facts, moment: float = 0.0) -> Ruling:
        """The ruling for these facts. `moment` (Unix seconds) says which break-glass exceptions are open."""
        exemptions = self.bundle.exemptions
        key = (facts, frozenset(e.id for e in exemptions if e.starts <= moment < e.expires) if exemptions else _NOTHING)
        ruling = self._rulings.get(key)
        if ruling is None:
            if len(self._rulings) >= _REMEMBERED:
                del self._rulings[next(iter(self._rulings))]
            ruling = self._rulings[key] = self._decide(*key)
        return ruling

    def _decide(self, facts: Facts, open_exemptions: frozenset[str]) -> Ruling:
        facts = known_only(facts, self.bundle.vocabulary)
        exemptions = [
            exemption
            for exemption in self.bundle.exemptions
            if exemption.id in open_exemptions and every(of_request(atom, facts) for atom in exemption.when)
        ]
        verdicts = {id: self._verdict(id, view, facts, exemptions) for id, view in self._views.items()}
        order = {
            criterion
            for rule in self._preferences
            if every(of_request(atom, facts) for atom in rule.when) is True
            for criterion in rule.order
        }
        return Ruling(facts, verdicts, frozenset(order))

    def _verdict(self, id: str, view: _View, facts: Facts, exemptions: list[Exemption]) -> Verdict:
        permits = _ids(each for each in view.permits if each.truth(facts) is True)
        forbids = _ids(each for each in view.forbids if each.truth(facts) is not False)
        watched = _ids(
            [each for each in view.watched_permits if each.truth(facts) is True]
            + [each for each in view.watched_forbids if each.truth(facts) is not False]
        )
        lifted = {rule for each in exemptions if id in each.backends for rule in each.rules}
        broken = tuple(rule for rule in forbids if rule in lifted)
        forbids = tuple(rule for rule in forbids if rule not in lifted)
        due = {obligation for each, dues in view.dues if each.truth(facts) is not False for obligation in dues}
        if permits and not forbids:
            own = [self._own_obligations[permit] for permit in permits]
            if all(own):  # no permit admits without conditions, so the conditions of all are kept: the stricter wins
                due.update(obligation for each in own for obligation in each)
        verdict = Verdict(permits, forbids, _strictest(due), watched, broken, not self._revoking.isdisjoint(forbids))
        return self._same.setdefault(verdict, verdict)


def _ids(residuals: Iterable[_Residual]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(residual.rule for residual in residuals))


def _strictest(due: set[Obligation]) -> tuple[Obligation, ...]:
    """Each obligation once, with its smallest figure."""
    least: dict[str, Obligation] = {}
    for obligation in sorted(due, reverse=True):
        least[obligation.name] = obligation
    return tuple(sorted(least.values()))


def _acts(rule: Rule) -> tuple[Obligation, ...]:
    return tuple(obligation for obligation in rule.do if OBLIGATIONS[obligation.name].acts)


def _limits(bundle: Bundle) -> Iterable[Limit]:
    for rule in bundle.effect("limit", "shadow", "warn", "enforce"):
        for number, terms in enumerate(rule.limits, 1):
            yield Limit(f"{rule.id}#{number}", rule.id, terms, rule.project, enforced=rule.mode == "enforce")


def _view(bundle: Bundle, backend: Backend) -> _View:
    force, watched = clauses(bundle), clauses(bundle, "shadow", "warn")
    return _View(
        permits=_residuals(force.permits, backend, certain=True),
        forbids=_residuals(force.forbids, backend, certain=False),
        watched_permits=_residuals(watched.permits, backend, certain=True),
        watched_forbids=_residuals(watched.forbids, backend, certain=False),
        dues=tuple(
            (residual, _acts(rule))
            for rule in bundle.effect("require")
            if _acts(rule)
            for residual in _residuals((Clause(rule.id, rule.when, rule.to),), backend, certain=False)
        ),
    )


def _residuals(found: tuple[Clause, ...], backend: Backend, *, certain: bool) -> tuple[_Residual, ...]:
    """The clauses that can concern a backend at all; where only certainty counts, those whose own part is true.
    Where it does not, a part that is unknown is as good as true."""
    residuals = []
    for clause in found:
        truth = every(of_backend(atom, backend) for atom in clause.to)
        when = [bound(atom, backend) for atom in clause.when]
        unknown = truth is None or None in when
        if truth is not False and not (certain and unknown):
            residuals.append(_Residual(clause.rule, tuple(atom for atom in when if atom is not None)))
    return tuple(residuals)


def known_only(facts: Facts, vocabulary: Vocabulary) -> Facts:
    """The facts, with each word that the vocabulary does not hold made unknown."""
    changes: dict[str, None] = {}
    for attribute in REQUEST.values():
        words = vocabulary.values(attribute)
        if words is None:
            continue
        value = getattr(facts, attribute.field)
        if value is not None and not (value.issubset(words) if isinstance(value, frozenset) else value in words):
            changes[attribute.field] = None
    return msgspec.structs.replace(facts, **changes) if changes else facts
