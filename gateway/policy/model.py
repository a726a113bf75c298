"""Rules as values, and the three-valued logic that reads them.

True, False, and None for unknown. A conjunction is False if any part is, else unknown if any part is, else True.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from gateway.core.catalog import Backend
from gateway.core.decision import Facts
from gateway.policy.document import Mark
from gateway.policy.vocabulary import Side, Vocabulary

Effect = Literal["permit", "forbid", "prefer"]
Test = Literal["in", "not_in", "any", "all", "none"]


class Atom(msgspec.Struct, frozen=True):
    """One comparison of one attribute with a finite set of values.

    `in`, `not_in`: the value (of a word, level or name). `any`, `all`, `none`: the set (of tags).
    `text` is the condition as it was written.
    """

    side: Side
    attribute: str
    test: Test
    values: frozenset[str]
    text: str
    mark: Mark

    def holds(self, value: str | frozenset[str] | None) -> bool | None:
        """Whether it is true of a value; None when the value is unknown."""
        if value is None:
            return None
        if isinstance(value, str):
            return (value in self.values) is (self.test == "in")
        if self.test == "any":
            return not self.values.isdisjoint(value)
        if self.test == "all":
            return self.values <= value
        return self.values.isdisjoint(value)


class Rule(msgspec.Struct, frozen=True):
    """One rule: it speaks of the requests in `when` and the backends in `to`. Both empty: of everything."""

    id: str
    effect: Effect
    when: tuple[Atom, ...]
    to: tuple[Atom, ...]
    why: str
    policy: str
    owner: str
    mark: Mark
    order: tuple[str, ...] = ()


class Bundle(msgspec.Struct, frozen=True):
    """A whole policy tree: vocabulary, catalog and rules, under the digest of the bytes they were read from."""

    digest: str
    vocabulary: Vocabulary
    backends: tuple[Backend, ...]
    rules: tuple[Rule, ...]

    def effect(self, effect: Effect) -> tuple[Rule, ...]:
        """The rules of one effect."""
        return tuple(rule for rule in self.rules if rule.effect == effect)


def every(truths: Iterable[bool | None]) -> bool | None:
    """The conjunction."""
    result: bool | None = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            result = None
    return result


def of_request(atom: Atom, facts: Facts) -> bool | None:
    """Whether an atom is true of a request."""
    return atom.holds(getattr(facts, atom.attribute))


def of_backend(atom: Atom, backend: Backend) -> bool | None:
    """Whether an atom is true of a backend."""
    if atom.attribute == "backend":
        return atom.holds(backend.id)
    if atom.attribute == "provider":
        return atom.holds(backend.provider)
    return atom.holds(backend.fact(atom.attribute))
