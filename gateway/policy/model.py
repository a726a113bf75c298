"""Rules as values, and the three-valued logic that reads them.

True, False, and None for unknown. A conjunction is False if any part is, else unknown if any part is, else True.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from gateway.core.buckets import BUCKETS
from gateway.core.budget import Spend
from gateway.core.catalog import Backend
from gateway.core.decision import Facts, Obligation, Project
from gateway.core.terms import BUILT_IN, ScannerTerms
from gateway.policy.document import Mark
from gateway.policy.vocabulary import REQUEST, Side, Vocabulary

Effect = Literal["permit", "forbid", "require", "limit", "prefer"]
Mode = Literal["off", "shadow", "warn", "enforce"]
Test = Literal["in", "not_in", "any", "all", "none", "declared", "undeclared"]

InvariantKind = Literal["never", "always_some", "monotone", "chain", "no_new_access"]

_FIELD = {name: attribute.field for name, attribute in REQUEST.items()}
_BUCKET = "key.bucket"
_OPPOSITE: dict[Test, Test] = {"in": "not_in", "any": "none", "declared": "undeclared"}
_OPPOSITE |= {there: here for here, there in _OPPOSITE.items()}


class Atom(msgspec.Struct, frozen=True):
    """One comparison of one attribute with a finite set of values.

    `in`, `not_in`: the value (of a word, level, count or name). `any`, `all`, `none`: the set. `declared` and
    `undeclared`: whether a backend's fact is written down at all. `other` names a backend's set whose words stand in
    for `values`. `text` is the condition as it was written.
    """

    side: Side
    attribute: str
    test: Test
    values: frozenset[str]
    text: str
    mark: Mark
    other: str = ""

    def holds(self, value: str | frozenset[str] | None) -> bool | None:
        """Whether it is true of a value; None when the value is unknown."""
        if self.test in ("declared", "undeclared"):
            return (value is None) is (self.test == "undeclared")
        if value is None:
            return None
        if isinstance(value, str):
            return (value in self.values) is (self.test == "in")
        if self.test == "any":
            return not self.values.isdisjoint(value)
        if self.test == "all":
            return self.values <= value
        return self.values.isdisjoint(value)


class Clause(msgspec.Struct, frozen=True):
    """A conjunction on behalf of a rule. A policy's eligibility is nothing but permitting and forbidding clauses:
    permitted is whom some permitting clause is true of, and no forbidding clause true or unknown."""

    rule: str
    when: tuple[Atom, ...]
    to: tuple[Atom, ...]


class Rule(msgspec.Struct, frozen=True):
    """One rule: it speaks of the requests in `when` and the backends in `to`. Both empty: of everything.

    A rule with a `canary` is in force for so many percent of keys, which `when` says, and in shadow for the others.
    `project` names the layer it stands in; empty: the organisation's. `breakable`: an exception may lift it.
    `revoke`: what it comes to forbid is also cut while it is running. `do` is what a `require`, or a `permit` with one,
    asks for. `order` is a `prefer`'s, `limits` a `limit`'s. `distrusts`: a backend that it admits, and that answers as
    another model, is suspended.
    """

    id: str
    effect: Effect
    when: tuple[Atom, ...]
    to: tuple[Atom, ...]
    why: str
    policy: str
    owner: str
    mark: Mark
    mode: Mode = "enforce"
    project: str = ""
    breakable: bool = False
    revoke: bool = False
    do: tuple[Obligation, ...] = ()
    order: tuple[str, ...] = ()
    limits: tuple[Spend, ...] = ()
    canary: int | None = None
    distrusts: bool = False

    @property
    def beyond(self) -> "Rule | None":
        """What a rule in a canary is for the keys outside of it; None: it is in force for all keys."""
        if self.canary is None:
            return None
        when = tuple(negated(atom)[0] if _is_canary(atom, self) else atom for atom in self.when)
        return msgspec.structs.replace(self, mode="shadow", when=when, canary=None)


def canary_atom(percent: int, mark: Mark) -> Atom:
    """The keys that are in a canary. It stands where its rule does: nobody wrote it there."""
    return Atom("request", _BUCKET, "in", frozenset(BUCKETS[:percent]), f"{_BUCKET} < {percent} (canary)", mark)


def _is_canary(atom: Atom, rule: Rule) -> bool:
    return atom.attribute == _BUCKET and atom.mark == rule.mark


class Exemption(msgspec.Struct, frozen=True):
    """A break-glass exception: the rules it lifts, for whom, towards which backends, and until when (Unix seconds)."""

    id: str
    rules: frozenset[str]
    when: tuple[Atom, ...]
    backends: frozenset[str]
    starts: float
    expires: float
    ticket: str
    requested_by: str
    approved_by: tuple[str, ...]
    mark: Mark


class Invariant(msgspec.Struct, frozen=True):
    """What must hold whatever the rules say.

    `never`: no request in `request` may reach a backend in `backend`. `always_some`: each such request may reach some
    such backend. `monotone`: a higher `attribute` never adds a backend. `chain`: the calls of one request reach at most
    `most_operators`, and no backend in `enter` after one in `left`. `no_new_access`: no one may do what `base` (a git
    ref) did not let them, unless `approver` agrees. `absolute`: it also holds while every breakable rule is lifted.
    """

    id: str
    kind: InvariantKind
    mark: Mark
    why: str = ""
    absolute: bool = False
    any_backend: bool = False
    request: tuple[Atom, ...] = ()
    backend: tuple[Atom, ...] = ()
    attribute: str = ""
    most_operators: int | None = None
    left: tuple[Atom, ...] = ()
    enter: tuple[Atom, ...] = ()
    base: str = ""
    approver: str = ""


class Expectation(msgspec.Struct, frozen=True):
    """What a case expects; None: nothing of the kind. `permit` is exactly whom; `deny` names rules that must be among
    the reasons; `permit_only` is what everyone permitted must be; `first` heads the plan. `sent_outside` counts calls
    to backends that are not self-hosted. `watch` are the rules on trial that would fire, and no others on trial would:
    one that is in force by now does."""

    permit: frozenset[str] | None = None
    deny: dict[str, frozenset[str]] | None = None
    permit_only: tuple[Atom, ...] = ()
    first: str | None = None
    decision: Literal["permit", "deny"] | None = None
    http: int | None = None
    reason: str | None = None
    hops: int | None = None
    sent_outside: int | None = None
    watch: frozenset[str] | None = None


OWN = ""
"""Whoever a case's request is: nobody is called so."""


class Case(msgspec.Struct, frozen=True):
    """One example: a request by its facts, how backends would fail, what was spent before, and what is expected.

    `spent` is pico-USD by limit (its id) and by whose account it is, or `OWN`.
    """

    name: str
    mark: Mark
    facts: Facts
    model: str
    needs: frozenset[str]
    faults: dict[str, str]
    expect: Expectation
    at: float | None = None
    spent: dict[str, dict[str, int]] = {}


class Specimen(msgspec.Struct, frozen=True):
    """A text in which a detector of the tree's finds something, or (not `expected`) nothing."""

    detector: str
    text: str
    mark: Mark
    expected: bool


class Rollout(msgspec.Struct, frozen=True):
    """A policy file on trial, and what must be seen before its `mode` becomes one step stricter.

    `mark` is where the mode stands. The file has been on trial for `after_seconds`, and its rules in force would have
    newly denied at most `max_share` of the requests (0.001 is 0.1 %), or `max_count` of them: one of the two is None.
    """

    policy: str
    mark: Mark
    mode: Literal["shadow", "warn"]
    after_seconds: int
    max_share: float | None = None
    max_count: int | None = None

    @property
    def next_mode(self) -> Mode:
        """The mode that it is on trial for."""
        return "warn" if self.mode == "shadow" else "enforce"


class Bundle(msgspec.Struct, frozen=True):
    """A whole policy tree: vocabulary, catalog and rules, under the digest of the bytes they were read from.

    `places` says where each backend is declared. `sensitivity` is what the scanner looks for, `specimens` show that it
    finds it. `since` is the day since which the same bytes mean what they mean: the last on which a dated status began;
    empty: none has. `reach` says of labels and backends whether some request with the one may be sent to the other, as
    `policy.reach` found; what is not in it nobody knows.
    """

    digest: str
    vocabulary: Vocabulary
    backends: tuple[Backend, ...]
    rules: tuple[Rule, ...]
    projects: dict[str, Project] = {}
    exemptions: tuple[Exemption, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    cases: tuple[Case, ...] = ()
    places: dict[str, Mark] = {}
    rollouts: tuple[Rollout, ...] = ()
    sensitivity: ScannerTerms = BUILT_IN
    specimens: tuple[Specimen, ...] = ()
    since: str = ""
    reach: dict[tuple[str, str], bool] = {}

    @property
    def meaning(self) -> str:
        """What names the tree as it is read now: its digest and, where that matters, the day since which it is so."""
        return f"{self.digest}@{self.since}" if self.since else self.digest

    def effect(self, effect: Effect, *modes: Mode) -> tuple[Rule, ...]:
        """The rules of one effect that are in force, or in the given modes. Beyond its canary a rule is in shadow."""
        wanted = modes or ("enforce",)
        found = [rule for rule in self.rules if rule.effect == effect]
        beyond = (rule.beyond for rule in found if "shadow" in wanted)
        return tuple(rule for rule in (*found, *beyond) if rule is not None and rule.mode in wanted)


def every(truths: Iterable[bool | None]) -> bool | None:
    """The conjunction."""
    result: bool | None = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            result = None
    return result


def negated(atom: Atom) -> tuple[Atom, ...]:
    """The atoms whose disjunction is the negation of one: `all` has as many as it names, every other has one."""
    if atom.test == "all":
        return tuple(
            msgspec.structs.replace(atom, test="none", values=frozenset({value})) for value in sorted(atom.values)
        )
    return (msgspec.structs.replace(atom, test=_OPPOSITE[atom.test], text=f"not: {atom.text}"),)


def of_request(atom: Atom, facts: Facts) -> bool | None:
    """Whether an atom is true of a request. One that compares with a backend is first bound to it: see `bound`."""
    return atom.holds(getattr(facts, _FIELD[atom.attribute]))


def of_backend(atom: Atom, backend: Backend) -> bool | None:
    """Whether an atom is true of a backend."""
    if atom.attribute == "backend":
        return atom.holds(backend.id)
    if atom.attribute == "provider":
        return atom.holds(backend.provider)
    return atom.holds(backend.fact(atom.attribute))


def bound(atom: Atom, backend: Backend) -> Atom | None:
    """A request's atom with the backend's set put in for its name; None: the set is unknown, so the atom is, too."""
    if not atom.other:
        return atom
    words = backend.fact(atom.other)
    return msgspec.structs.replace(atom, values=words, other="") if isinstance(words, frozenset) else None
