"""Eligibility: what the policy says of each backend for given facts.

A permit counts only when it is true. A forbid fires when it is true or unknown: what is not known is held against the
sender. No permit: denied. The order of rules and files never matters.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import or_

import msgspec

from gateway.core.budget import Limit
from gateway.core.catalog import Backend, names
from gateway.core.decision import Facts, Obligation, Ruling, Verdict, strictest
from gateway.policy.clauses import Clauses, clauses
from gateway.policy.model import Atom, Bundle, Clause, Rule, bound, every, of_backend, of_request
from gateway.policy.obligations import OBLIGATIONS
from gateway.policy.usable import Usable
from gateway.policy.vocabulary import REQUEST, Vocabulary

_REMEMBERED = 4096
"""Distinct facts whose verdicts are kept. Facts hold no text, so few are distinct."""
_NOTHING: frozenset[str] = frozenset()


class _Conditions:
    """Every distinct conjunction that clauses ask of a request, a bit each, read for all of them at once.

    For each attribute, the conjunctions that a value makes true, and those that it does not make false: the same value
    comes again and again, so both are remembered, and a request is a few numbers and-ed.
    """

    def __init__(self) -> None:
        self._bits: dict[tuple[Atom, ...], int] = {}
        self._asking: dict[str, dict[int, list[Atom]]] = {}
        self._read: dict[str, dict[object, tuple[int, int]]] = {}

    def bit(self, when: tuple[Atom, ...]) -> int:
        """The bit of a conjunction."""
        found = self._bits.get(when)
        if found is None:
            found = self._bits[when] = 1 << len(self._bits)
            for atom in when:
                asking = self._asking.setdefault(REQUEST[atom.attribute].field, {})
                asking.setdefault(found, []).append(atom)
        return found

    def read(self, facts: Facts) -> tuple[int, int]:
        """The conjunctions that are true of a request, and those that are not false."""
        everything = (1 << len(self._bits)) - 1
        true = not_false = everything
        for field, asking in self._asking.items():
            value = getattr(facts, field)
            read = self._read.setdefault(field, {})
            known = read.get(value)
            if known is None:
                if len(read) >= _REMEMBERED:
                    read.clear()
                known = read[value] = _truths(asking, value, everything)
            true &= known[0]
            not_false &= known[1]
        return true, not_false


def _truths(
    asking: Mapping[int, Iterable[Atom]], value: str | frozenset[str] | None, everything: int
) -> tuple[int, int]:
    true = not_false = everything
    for bit, atoms in asking.items():
        truth = every(atom.holds(value) for atom in atoms)
        if truth is not True:
            true &= ~bit
        if truth is False:
            not_false &= ~bit
    return true, not_false


_Rules = tuple[tuple[int, str], ...]
"""Rules as one backend sees them: the bit of what is left to ask of the request, and whose it is."""


class _View:
    """All that can concern one backend. What its clauses come to is remembered: few outcomes differ."""

    __slots__ = ("_asked", "dues", "forbids", "known", "permits", "redactions", "watched_forbids", "watched_permits")

    def __init__(
        self,
        permits: _Rules,
        forbids: _Rules,
        watched_permits: _Rules,
        watched_forbids: _Rules,
        dues: tuple[tuple[int, tuple[Obligation, ...]], ...],
        redactions: tuple[tuple[int, tuple[str, ...]], ...],
    ) -> None:
        self.permits = permits
        self.forbids = forbids
        self.watched_permits = watched_permits
        self.watched_forbids = watched_forbids
        self.dues = dues
        self.redactions = redactions  # as rules want them before they permit anything, by tags
        certain = _mask(bit for bit, _ in permits + watched_permits)
        possible = _mask(bit for bit, _ in (*forbids, *watched_forbids, *dues, *redactions))
        self._asked = certain, possible
        self.known: dict[tuple[int, int, frozenset[str]], Verdict] = {}

    def outcome(self, true: int, not_false: int) -> tuple[int, int]:
        """The bits that matter here."""
        certain, possible = self._asked
        return true & certain, not_false & possible


def _mask(bits: Iterable[int]) -> int:
    return reduce(or_, bits, 0)


class Eligibility:
    """A bundle, ready to be asked. Everything that depends on backends alone is decided once, here."""

    def __init__(self, bundle: Bundle, not_offered: Mapping[str, str] | None = None) -> None:
        self.bundle = bundle
        self.digest = bundle.meaning
        self.names = names(bundle.backends)
        self.not_offered: Mapping[str, str] = not_offered or {}
        self.projects = bundle.projects
        self.sensitivity = bundle.sensitivity
        self.asks_hops = any(REQUEST[atom.attribute].hop for rule in bundle.rules for atom in rule.when)
        self.asks_budget = any(atom.attribute == "budget" for rule in bundle.rules for atom in rule.when)
        self.warns = frozenset(rule.id for rule in bundle.rules if rule.mode == "warn")
        self.limits = tuple(_limits(bundle))
        self._conditions = _Conditions()
        force, watched = clauses(bundle), clauses(bundle, "shadow", "warn")
        self._views = {
            backend.id: _view(bundle, force, watched, backend, self._conditions) for backend in bundle.backends
        }
        self._preferences = bundle.effect("prefer")
        self._revoking = frozenset(rule.id for rule in bundle.rules if rule.revoke)
        self._own_obligations = {rule.id: _acts(rule) for rule in bundle.effect("permit")}
        self.acting_permits = any(self._own_obligations.values())
        self._rulings: dict[tuple[Facts, frozenset[str]], Ruling] = {}
        self._usable: Usable | None = None
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

    def ever(self, facts: Facts, moment: float = 0.0) -> frozenset[str]:
        """The backends that a request with these facts could be sent to first, if its label is as high or higher,
        whatever is found in it and however budgets stand. The first question takes long; it may come from any thread.
        """
        if self._usable is None:
            self._usable = Usable(self.bundle)
        return self._usable.backends(facts, moment)

    def closes(self, after: float, until: float) -> bool:
        """Whether a break-glass exception ends between two moments (Unix seconds), the later one included."""
        return any(after < exemption.expires <= until for exemption in self.bundle.exemptions)

    def _decide(self, facts: Facts, open_exemptions: frozenset[str]) -> Ruling:
        facts = known_only(facts, self.bundle.vocabulary)
        exemptions = [
            exemption
            for exemption in self.bundle.exemptions
            if exemption.id in open_exemptions and every(of_request(atom, facts) for atom in exemption.when)
        ]
        lifted = {id: frozenset(r for e in exemptions if id in e.backends for r in e.rules) for id in self._views}
        true, not_false = self._conditions.read(facts)
        verdicts = {}
        for id, view in self._views.items():
            outcome = (*view.outcome(true, not_false), lifted[id] if exemptions else _NOTHING)
            verdict = view.known.get(outcome)
            if verdict is None:
                if len(view.known) >= _REMEMBERED:
                    view.known.clear()
                verdict = view.known[outcome] = self._verdict(view, *outcome)
            verdicts[id] = verdict
        order = {
            criterion
            for rule in self._preferences
            if every(of_request(atom, facts) for atom in rule.when) is True
            for criterion in rule.order
        }
        return Ruling(facts, verdicts, frozenset(order))

    def _verdict(self, view: _View, true: int, not_false: int, lifted: frozenset[str]) -> Verdict:
        permits, forbids = _ids(view.permits, true), _ids(view.forbids, not_false)
        watched = _ids(view.watched_permits, true) + _ids(view.watched_forbids, not_false)
        broken = tuple(rule for rule in forbids if rule in lifted)
        forbids = tuple(rule for rule in forbids if rule not in lifted)
        due = {obligation for bit, dues in view.dues if bit & not_false for obligation in dues}
        if permits and not forbids:
            own = [self._own_obligations[permit] for permit in permits]
            if all(own):  # no permit admits without conditions, so the conditions of all are kept: the stricter wins
                due.update(obligation for each in own for obligation in each)
        redact: tuple[str, ...] = ()
        if not permits or forbids:
            redact = tuple(sorted({tag for bit, tags in view.redactions if bit & not_false for tag in tags}))
        verdict = Verdict(
            permits, forbids, strictest(due), watched, broken, not self._revoking.isdisjoint(forbids), redact
        )
        return self._same.setdefault(verdict, verdict)


def _ids(rules: _Rules, bits: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule for bit, rule in rules if bit & bits))


def _acts(rule: Rule) -> tuple[Obligation, ...]:
    return tuple(obligation for obligation in rule.do if OBLIGATIONS[obligation.name].acts)


def _limits(bundle: Bundle) -> Iterable[Limit]:
    for rule in bundle.effect("limit", "shadow", "warn", "enforce"):
        for number, terms in enumerate(rule.limits, 1):
            yield Limit(f"{rule.id}#{number}", rule.id, terms, rule.project, enforced=rule.mode == "enforce")


def _view(bundle: Bundle, force: Clauses, watched: Clauses, backend: Backend, conditions: _Conditions) -> _View:
    def rules(found: tuple[Clause, ...], *, certain: bool) -> _Rules:
        return tuple((conditions.bit(left), rule) for rule, left in _residuals(found, backend, certain=certain))

    return _View(
        permits=rules(force.permits, certain=True),
        forbids=rules(force.forbids, certain=False),
        watched_permits=rules(watched.permits, certain=True),
        watched_forbids=rules(watched.forbids, certain=False),
        dues=tuple(
            (bit, _acts(rule))
            for rule in bundle.effect("require")
            if _acts(rule)
            for bit, _ in rules((Clause(rule.id, rule.when, rule.to),), certain=False)
        ),
        redactions=tuple(
            (bit, obligation.tags)
            for effect in ("permit", "require")
            for rule in bundle.effect(effect)
            for obligation in rule.do
            if obligation.name == "redact"
            for bit, _ in rules((Clause(rule.id, rule.when, rule.to),), certain=False)
        ),
    )


def _residuals(found: tuple[Clause, ...], backend: Backend, *, certain: bool) -> Iterator[tuple[str, tuple[Atom, ...]]]:
    """The clauses that can concern a backend at all, and what is left of them to ask of the request; where only
    certainty counts, those whose own part is true. Where it does not, a part that is unknown is as good as true."""
    for clause in found:
        truth = every(of_backend(atom, backend) for atom in clause.to)
        if truth is False or (certain and truth is None):
            continue
        when = [bound(atom, backend) for atom in clause.when]
        if not (certain and None in when):
            yield clause.rule, tuple(atom for atom in when if atom is not None)


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
