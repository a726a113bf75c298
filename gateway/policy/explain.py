"""Why a backend may or may not be asked: every rule, atom by atom, with its place in the files."""

import msgspec

from gateway.core.catalog import Backend
from gateway.core.decision import Facts
from gateway.policy.decide import known_only
from gateway.policy.document import Mark
from gateway.policy.model import Bundle, Effect, Rule, every, of_backend, of_request

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
        _rule(rule, backend, facts) for effect in ("permit", "forbid") for rule in bundle.rules if rule.effect == effect
    )
    permits = any(rule.fires for rule in rules if rule.effect == "permit")
    forbids = any(rule.fires for rule in rules if rule.effect == "forbid")
    return Explanation(backend.id, permits and not forbids, rules)


def _rule(rule: Rule, backend: Backend, facts: Facts) -> RuleTruth:
    atoms = tuple(
        [AtomTruth(atom.text, of_request(atom, facts)) for atom in rule.when]
        + [AtomTruth(f"backend {atom.text}", of_backend(atom, backend)) for atom in rule.to]
    )
    truth = every(atom.truth for atom in atoms)
    fires = truth is True if rule.effect == "permit" else truth is not False
    return RuleTruth(rule.id, rule.effect, rule.mark, rule.why, truth, fires, atoms)
