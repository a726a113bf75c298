"""Rules made into clauses: one normal form, which is decided, proved, compared and linted alike."""

import msgspec

from gateway.policy.model import Bundle, Clause, Mode, Rule, negated
from gateway.policy.obligations import OBLIGATIONS


class Clauses(msgspec.Struct, frozen=True):
    """Who is permitted (by a clause that is true), and who is forbidden (by one that is not false)."""

    permits: tuple[Clause, ...]
    forbids: tuple[Clause, ...]


def clauses(bundle: Bundle, *modes: Mode) -> Clauses:
    """The clauses of the rules in force, or of those in the given modes."""
    permits = [clause for rule in bundle.effect("permit", *modes) for clause in permitting(rule)]
    forbids = [
        clause
        for effect in ("forbid", "require")
        for rule in bundle.effect(effect, *modes)
        for clause in forbidding(rule)
    ]
    return Clauses(tuple(permits), tuple(forbids))


def permitting(rule: Rule) -> tuple[Clause, ...]:
    """A permit's clause. Its own obligations are further conditions: it counts only where they are discharged."""
    when, to = rule.when, rule.to
    for obligation in rule.do:
        discharged = OBLIGATIONS[obligation.name].when
        if discharged is None:
            return ()
        when += tuple(atom for atom in discharged if atom.side == "request")
        to += tuple(atom for atom in discharged if atom.side == "backend")
    return (Clause(rule.id, when, to),)


def forbidding(rule: Rule) -> tuple[Clause, ...]:
    """What a forbid or a require forbids. A require forbids whom it speaks of while something is not discharged."""
    if rule.effect == "forbid":
        return (Clause(rule.id, rule.when, rule.to),)
    found = []
    for obligation in rule.do:
        discharged = OBLIGATIONS[obligation.name].when
        if discharged is None:
            return (Clause(rule.id, rule.when, rule.to),)
        for atom in (missing for wanted in discharged for missing in negated(wanted)):
            if atom.side == "request":
                found.append(Clause(rule.id, (*rule.when, atom), rule.to))
            else:
                found.append(Clause(rule.id, rule.when, (*rule.to, atom)))
    return tuple(dict.fromkeys(found))
