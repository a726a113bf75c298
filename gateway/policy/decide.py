"""Eligibility: what the policy says of each backend for given facts.

A permit counts only when it is true. A forbid fires when it is true or unknown: what is not known is held against the
sender. No permit: denied. The order of rules and files never matters.
"""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from gateway.core.catalog import Backend, names
from gateway.core.decision import Facts, Ruling, Verdict
from gateway.policy.model import Atom, Bundle, every, of_backend, of_request
from gateway.policy.vocabulary import REQUEST, Vocabulary

_REMEMBERED = 4096
"""Distinct facts whose verdicts are kept. Facts hold no text, so few are distinct."""


class _Residual(msgspec.Struct, frozen=True):
    """A rule as one backend sees it: what is left to ask of the request."""

    rule: str
    when: tuple[Atom, ...]


class Eligibility:
    """A bundle, ready to be asked. Everything that depends on backends alone is decided once, here."""

    def __init__(self, bundle: Bundle, not_offered: Mapping[str, str] | None = None) -> None:
        self.bundle = bundle
        self.digest = bundle.digest
        self.names = names(bundle.backends)
        self.not_offered: Mapping[str, str] = not_offered or {}
        self._residuals = {backend.id: _residuals(bundle, backend) for backend in bundle.backends}
        self._preferences = bundle.effect("prefer")
        self.ask = lru_cache(_REMEMBERED)(self._ask)

    def _ask(self, facts: Facts) -> Ruling:
        facts = known_only(facts, self.bundle.vocabulary)
        verdicts = {
            id: Verdict(
                tuple(r.rule for r in permits if every(of_request(atom, facts) for atom in r.when) is True),
                tuple(r.rule for r in forbids if every(of_request(atom, facts) for atom in r.when) is not False),
            )
            for id, (permits, forbids) in self._residuals.items()
        }
        order = {
            criterion
            for rule in self._preferences
            if every(of_request(atom, facts) for atom in rule.when) is True
            for criterion in rule.order
        }
        return Ruling(facts, verdicts, frozenset(order))


def _residuals(bundle: Bundle, backend: Backend) -> tuple[tuple[_Residual, ...], tuple[_Residual, ...]]:
    """The permits and the forbids that can concern a backend at all."""
    permits = tuple(
        _Residual(rule.id, rule.when)
        for rule in bundle.effect("permit")
        if every(of_backend(atom, backend) for atom in rule.to) is True
    )
    forbids = tuple(
        _Residual(rule.id, rule.when)
        for rule in bundle.effect("forbid")
        if every(of_backend(atom, backend) for atom in rule.to) is not False
    )
    return permits, forbids


def known_only(facts: Facts, vocabulary: Vocabulary) -> Facts:
    """The facts, with each word that the vocabulary does not hold made unknown."""
    changes: dict[str, None] = {}
    for attribute in REQUEST.values():
        if attribute.kind == "name":
            continue
        value, words = getattr(facts, attribute.name), vocabulary.words(attribute.section)
        if not (value <= words if isinstance(value, frozenset) else value in words):
            changes[attribute.name] = None
    return msgspec.structs.replace(facts, **changes) if changes else facts
