"""A policy with one rule changed, asked without being compiled anew: what other rules say is known already."""

import msgspec

from gateway.core.catalog import Backend
from gateway.core.decision import Facts, Ruling, Verdict
from gateway.policy.clauses import forbidding, permitting
from gateway.policy.decide import Eligibility
from gateway.policy.model import Atom, Clause, Rule, bound, every, of_backend, of_request
from gateway.policy.obligations import OBLIGATIONS

View = tuple[tuple[tuple[Atom, ...], bool], ...]
"""A rule as a backend sees it: of each clause that can concern it, what is left to ask of the request, and whether the
rest is unknown. Many backends see the same."""


def view(rule: Rule, backend: Backend) -> View:
    """A rule as a backend sees it."""
    if rule.mode == "off" or rule.effect == "limit":
        return ()
    found: tuple[Clause, ...] = (Clause(rule.id, rule.when, ()),)
    if rule.effect != "prefer":
        found = permitting(rule) if rule.effect == "permit" else forbidding(rule)
    seen = []
    for clause in found:
        truth = every(of_backend(atom, backend) for atom in clause.to)
        when = [bound(atom, backend) for atom in clause.when]
        if truth is not False:
            seen.append((tuple(atom for atom in when if atom is not None), truth is None or None in when))
    return tuple(seen)


def counts(rule: Rule, seen: View, facts: Facts) -> bool:
    """Whether a rule decides something: a permit or a prefer that is true, a forbid or a require that is not false."""
    certain = rule.effect in ("permit", "prefer")
    for when, unknown in seen:
        truth = every(of_request(atom, facts) for atom in when)
        if truth is True and not (certain and unknown):
            return True
        if truth is None and not certain:
            return True
    return False


class Mutated:
    """The policy of a bundle in which one rule became another; None: it was removed. It answers as if compiled anew,
    but for a verdict's `redact`: no case asks what would be taken out of a text, since it has none."""

    def __init__(self, base: Eligibility, rule: Rule, becomes: Rule | None) -> None:
        self._base = base
        self._rule = rule
        self._becomes = becomes or msgspec.structs.replace(rule, mode="off", canary=None)
        rules = (becomes if each is rule else each for each in base.bundle.rules)
        self.bundle = msgspec.structs.replace(base.bundle, rules=tuple(each for each in rules if each is not None))
        self._views: dict[tuple[View, View], list[str]] = {}
        for backend in base.bundle.backends:
            self._views.setdefault((view(rule, backend), view(self._becomes, backend)), []).append(backend.id)

    def concerns(self, facts: Facts) -> bool:
        """Whether the change makes a difference for a request at all, to some backend or to their order."""
        return any(
            counts(self._rule, before, facts) is not counts(self._becomes, after, facts)
            for before, after in self._views
            if before != after
        )

    def policy(self) -> Eligibility:
        """What can be asked like any policy."""
        acts = any(OBLIGATIONS[due.name].acts for due in self._rule.do)
        simple = self._rule.effect in ("permit", "forbid", "require") and self._rule.canary is None and not acts
        if not simple or self._base.bundle.exemptions or self._base.acting_permits:
            return Eligibility(self.bundle)
        return _Patched(self)

    def patched(self, ruling: Ruling) -> Ruling:
        """A ruling of the base with what the change makes of it."""
        verdicts: dict[str, Verdict] = dict(ruling.verdicts)
        for (before, after), ids in self._views.items():
            was, now = (
                counts(rule, seen, ruling.facts) for rule, seen in ((self._rule, before), (self._becomes, after))
            )
            if was is not now:
                for id in ids:
                    verdicts[id] = self._changed(verdicts[id], now=now)
        return msgspec.structs.replace(ruling, verdicts=verdicts)

    def _changed(self, verdict: Verdict, *, now: bool) -> Verdict:
        in_force = "permits" if self._rule.effect == "permit" else "forbids"
        field = in_force if self._rule.mode == "enforce" else "watched"
        others = tuple(id for id in getattr(verdict, field) if id != self._rule.id)
        return msgspec.structs.replace(verdict, **{field: (*others, self._rule.id) if now else others})


class _Patched(Eligibility):
    """Asks the base, and changes its answer."""

    def __init__(self, mutated: Mutated) -> None:
        base = mutated._base  # noqa: SLF001  the two are one thing, in two parts for the reader
        self.bundle, self.digest = mutated.bundle, base.digest
        self.names, self.not_offered, self.projects = base.names, base.not_offered, base.projects
        self.asks_hops, self.asks_budget = base.asks_hops, base.asks_budget
        self.warns, self.limits = base.warns, base.limits
        self._mutated = mutated
        self._asked_before = base
        self._known: dict[tuple[Facts, float], Ruling] = {}

    def ask(self, facts: Facts, moment: float = 0.0) -> Ruling:
        key = (facts, moment)
        if key not in self._known:
            self._known[key] = self._mutated.patched(self._asked_before.ask(facts, moment))
        return self._known[key]
