"""Why a backend may or may not be asked: every rule, atom by atom, with its place in the files."""

import msgspec

from gateway.core.catalog import Backend
from gateway.core.decision import Facts
from gateway.policy.clauses import forbidding, permitting
from gateway.policy.decide import known_only
from gateway.policy.document import Mark
from gateway.policy.model import Atom, Bundle, Clause, Effect, Rule, bound, every, of_backend, of_request

Truth = bool | None


class AtomTruth(msgspec.Struct, frozen=True):
    """One comparison and what came of it; None: unknown."""

    text: str
    truth: Truth


class RuleTruth(msgspec.Struct, frozen=True):
    """One rule against one backend. `fires` says whether it counts: a permit only if true, a forbid also if unknown."""

    rule: str
    effect: Effect
    mark: Mark
    why: str
    truth: Truth
    fires: bool
    atoms: tuple[AtomTruth, ...]


class Explanation(msgspec.Struct, frozen=True):
    """One backend's verdict, with every permit and forbid."""

    backend: str
    permitted: bool
    rules: tuple[RuleTruth, ...]


def explain(bundle: Bundle, facts: Facts) -> tuple[Explanation, ...]:
    """What every rule says of every backend."""
    facts = known_only(facts, bundle.vocabulary)
    return tuple(_backend(bundle, backend, facts) for backend in bundle.backends)


def _backend(bundle: Bundle, backend: Backend, facts: Facts) -> Explanation:
    rules = tuple(
        _rule(rule, backend, facts) for effect in ("permit", "forbid", "require") for rule in bundle.effect(effect)
    )
    permits = any(rule.fires for rule in rules if rule.effect == "permit")
    forbids = any(rule.fires for rule in rules if rule.effect != "permit")
    return Explanation(backend.id, permits and not forbids, rules)


def _rule(rule: Rule, backend: Backend, facts: Facts) -> RuleTruth:
    atoms = tuple(
        [AtomTruth(atom.text, _of_request(atom, backend, facts)) for atom in rule.when]
        + [AtomTruth(f"backend {atom.text}", of_backend(atom, backend)) for atom in rule.to]
    )
    truth = every(atom.truth for atom in atoms)
    if rule.effect == "permit":
        fires = any(_clause(clause, backend, facts) is True for clause in permitting(rule))
    else:
        fires = any(_clause(clause, backend, facts) is not False for clause in forbidding(rule))
    return RuleTruth(rule.id, rule.effect, rule.mark, rule.why, truth, fires, atoms)


def _clause(clause: Clause, backend: Backend, facts: Facts) -> Truth:
    return every(
        [_of_request(atom, backend, facts) for atom in clause.when] + [of_backend(atom, backend) for atom in clause.to]
    )


def _of_request(atom: Atom, backend: Backend, facts: Facts) -> Truth:
    here = bound(atom, backend)
    return None if here is None else of_request(here, facts)
